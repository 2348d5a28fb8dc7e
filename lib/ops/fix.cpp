// SPDX-License-Identifier: Apache-2.0
#include "ops/fix.hpp"

#include "ops/in_place.hpp"

namespace slipway::ops {
namespace {

void describe(const FixRequest& request, const OpenImage& opened, report::Report& report) {
    report.source = {{"path", request.image.path},
                     {"format", image::name_of(opened.first().source->format())},
                     {"virtual_size", opened.first().size}};
}

MendOptions mend_options(const FixRequest& request) {
    return {.root = request.image.root,
            .policy = request.policy,
            .dry_run = request.dry_run,
            .approve = request.approve};
}

Status plan_only(const Context& context, const FixRequest& request, report::Report& report) {
    auto use = request.replay ? Use::Discard : Use::Look;
    SLIPWAY_TRY(auto opened, timed(context, report, "open",
                                   [&] { return open_image(context, request.image, use); }));
    describe(request, opened, report);
    return mend(context, opened, mend_options(request), report);
}

bool changed_anything(const report::Report& report) {
    for (const auto& outcome : report.outcomes)
        if (json_get<std::string>(outcome, "state") != "skipped")
            return true;
    return false;
}

} // namespace

Status fix(const Context& context, const FixRequest& request, report::Report& report) {
    report.dry_run = request.dry_run;
    if (request.dry_run)
        return plan_only(context, request, report);
    SLIPWAY_TRY(auto place, timed(context, report, "open",
                                  [&] { return InPlace::open(context, request.image); }));
    describe(request, place.opened(), report);
    SLIPWAY_CHECK(mend(context, place.opened(), mend_options(request), report));
    report.destination = {{"path", request.image.path}, {"way", "nothing to do"}};
    if (!changed_anything(report))
        return {};
    SLIPWAY_TRY(auto way, timed(context, report, "commit", [&] { return place.commit(context); }));
    report.destination["way"] = name_of(way);
    return {};
}

} // namespace slipway::ops
