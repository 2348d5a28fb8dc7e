// SPDX-License-Identifier: Apache-2.0
#include "ops/look.hpp"

#include <utility>

#include <fmt/format.h>

#include "ops/in_place.hpp"
#include "ops/mend.hpp"

namespace slipway::ops {
namespace {

// A read-only session holds nothing that is not dropped with it, so a failed close is no failure
// of the operation. Busy where the image was changed meanwhile: what was read may be wrong.
Status let_go(const Context& context, OpenImage& opened) {
    if (auto closed = opened.close(); !closed)
        context.host.log.debug("closing {}: {}", opened.names(), render_text(closed.error()));
    return opened.check_unchanged();
}

Json with_root(const ImageOptions& image, Json arguments) {
    arguments["root"] = image.root;
    return arguments;
}

using Work = std::function<Result<Json>(OpenImage&)>;

// A filesystem that the kernel refuses can be repaired where something may be written. Not where
// the damage is that the image lacks its end.
bool may_be_repaired(const OpenImage& opened, const Error& error) {
    return error.code == Code::Corrupt && opened.first().use == Use::Look &&
           opened.first().source->kind() == image::Kind::Disk &&
           opened.check_complete().has_value();
}

// Nothing of the image is written. `work` is done once more, on an overlay, where a filesystem is
// damaged: it must not have given anything away when it fails so.
Result<Json> look(const Context& context, const ImageOptions& image, const Work& work) {
    SLIPWAY_TRY(auto opened, open_image(context, image, Use::Look, {.any_kind = true}));
    auto answer = work(opened);
    if (!answer && may_be_repaired(opened, answer.error())) {
        context.host.log.info("{}: trying again where its filesystem can be repaired",
                              opened.names());
        SLIPWAY_CHECK(opened.close());
        SLIPWAY_TRY(auto overlaid, open_image(context, image, Use::Discard));
        SLIPWAY_TRY([[maybe_unused]] auto checked, overlaid.call("check", Json::object()));
        auto repaired = work(overlaid);
        SLIPWAY_CHECK(let_go(context, overlaid));
        return repaired ? repaired : answer;
    }
    if (answer)
        SLIPWAY_CHECK(let_go(context, opened));
    return answer;
}

// What is in the disks can be told all the same.
bool may_be_surveyed(const Error& error) {
    return error.code == Code::NotFound || error.code == Code::KeyRequired ||
           error.code == Code::Unsupported || error.code == Code::Corrupt ||
           error.code == Code::InvalidArgument;
}

// Half an inventory would be taken for a whole one: `look` goes on where it can be better.
Status refuse_damage(const OpenImage& opened, const Json& answer) {
    if (opened.first().use != Use::Look || opened.first().source->kind() != image::Kind::Disk)
        return {};
    auto findings = report::findings_from_json(json_at(json_at(answer, "inventory"), "findings"));
    for (const auto& finding : findings)
        if (finding.id == report::damage_id)
            return fail(opened.explained({.code = Code::Corrupt, .what = finding.text}));
    return {};
}

Result<Json> packages_of(OpenImage& opened, const ImageOptions& image) {
    auto list = Json::array();
    Json answer;
    for (bool more = true; more;) {
        auto before = list.size();
        SLIPWAY_TRY(answer, opened.call("packages", with_root(image, {{"from", before}})));
        for (const auto& package : json_at(answer, "packages"))
            list.push_back(package);
        more = json_get<bool>(answer, "more") && list.size() > before;
    }
    answer["packages"] = std::move(list);
    return answer;
}

void add_packages(const Json& answer, report::Inventory& inventory) {
    auto& packages = inventory.packages.emplace();
    packages.database = json_get<std::string>(answer, "database");
    for (const auto& package : json_at(answer, "packages"))
        packages.list.push_back(report::package_from_json(package));
    report::add_new(inventory.findings, report::findings_from_json(json_at(answer, "findings")));
}

Result<Json> stream(const Context& context, const ImageOptions& image, const char* operation,
                    const std::string& path, const Sink& sink, const Restart& restart) {
    bool given = false;
    session::CallHooks hooks{.on_data = [&sink, &given](int, std::string_view bytes) {
        given = true;
        return sink(bytes);
    }};
    return look(context, image, [&](OpenImage& opened) -> Result<Json> {
        if (std::exchange(given, false))
            SLIPWAY_CHECK(restart());
        auto answer = opened.call(operation, with_root(image, {{"path", path}}), hooks);
        if (answer || answer.error().code != Code::Corrupt)
            return answer;
        if (answer.error().hint.empty())
            answer.error().hint = "copy the image again from its origin, or check the filesystem "
                                  "in the guest";
        if (given && !restart) {
            answer.error().code = Code::ToolFailed; // what was given cannot be taken back
            answer.error().hint += "; written to a file, it would have been tried once more on a "
                                   "repaired copy";
        }
        return answer;
    });
}

} // namespace

Result<Inspection> inspect(const Context& context, const ImageOptions& image,
                           const InspectRequest& request) {
    auto arguments =
        with_root(image, {{"deep", request.deep},
                          {"cache_dir", request.deep ? cache_directory() : std::string()}});
    Inspection result;
    auto answer = look(context, image, [&](OpenImage& opened) -> Result<Json> {
        auto inspected = opened.call("inspect", arguments);
        if (!inspected) {
            if (!may_be_surveyed(inspected.error()))
                return inspected;
            if (auto survey = opened.call("survey", Json::object()))
                result = {.inventory = report::inventory_from_json(json_at(*survey, "inventory")),
                          .no_system = inspected.error()};
            return inspected;
        }
        SLIPWAY_CHECK(refuse_damage(opened, *inspected));
        if (request.packages) {
            SLIPWAY_TRY((*inspected)["packages"], packages_of(opened, image));
        }
        return inspected;
    });
    if (!answer && result.no_system)
        return result;
    if (!answer)
        return fail(std::move(answer).error());
    result = {.inventory = report::inventory_from_json(json_at(*answer, "inventory"))};
    if (request.packages)
        add_packages(json_at(*answer, "packages"), result.inventory);
    return result;
}

Result<std::vector<ListedFile>> list(const Context& context, const ImageOptions& image,
                                     const std::string& path) {
    std::vector<ListedFile> files;
    SLIPWAY_TRY([[maybe_unused]] auto last, look(context, image, [&](OpenImage& opened) {
                    files.clear();
                    Result<Json> answer;
                    do {
                        answer = opened.call(
                            "list", with_root(image, {{"path", path}, {"from", files.size()}}));
                        if (!answer)
                            break;
                        for (const auto& entry : json_at(*answer, "entries"))
                            files.push_back({json_get<std::string>(entry, "name"),
                                             json_get<std::string>(entry, "type")});
                    } while (json_get<bool>(*answer, "more"));
                    return answer;
                }));
    return files;
}

Result<std::uint64_t> get(const Context& context, const ImageOptions& image,
                          const std::string& path, const Sink& sink, const Restart& restart) {
    SLIPWAY_TRY(auto answer, stream(context, image, "get", path, sink, restart));
    return json_get<std::uint64_t>(answer, "size");
}

Result<std::uint64_t> get_tree(const Context& context, const ImageOptions& image,
                               const std::string& path, const Sink& sink, const Restart& restart) {
    SLIPWAY_TRY(auto answer, stream(context, image, "get_tree", path, sink, restart));
    return json_get<std::uint64_t>(answer, "entries");
}

Status put(const Context& context, const ImageOptions& image, const PutRequest& request,
           sys::BorrowedFd input) {
    SLIPWAY_TRY(auto place, InPlace::open(context, image));
    session::CallHooks hooks{.input = input};
    SLIPWAY_TRY(
        [[maybe_unused]] auto answer,
        place.opened().call(
            "put", with_root(image, {{"path", request.path}, {"mode", request.mode}}), hooks));
    SLIPWAY_CHECK(place.opened().close());
    SLIPWAY_TRY([[maybe_unused]] auto way, place.commit(context));
    return {};
}

Status use_files(const Context& context, const ImageOptions& image, bool write,
                 const FileWork& work) {
    auto mount_and_work = [&](OpenImage& opened) -> Result<Json> {
        SLIPWAY_TRY(auto mounted, opened.call("mount", with_root(image, {{"write", write}})));
        SLIPWAY_CHECK(work(opened));
        return mounted;
    };
    if (!write) {
        SLIPWAY_TRY([[maybe_unused]] auto mounted, look(context, image, mount_and_work));
        return {};
    }
    SLIPWAY_TRY(auto place, InPlace::open(context, image));
    SLIPWAY_TRY([[maybe_unused]] auto mounted, mount_and_work(place.opened()));
    auto rest = context;
    rest.host.cancel = {};
    SLIPWAY_CHECK(place.opened().close());
    SLIPWAY_TRY([[maybe_unused]] auto way, place.commit(rest));
    return {};
}

Result<RunResult> run(const Context& context, const ImageOptions& image, const RunRequest& request,
                      const session::CallHooks& hooks) {
    std::optional<InPlace> place;
    OpenImage dropped;
    if (request.write) {
        SLIPWAY_TRY(auto opened_place, InPlace::open(context, image));
        place.emplace(std::move(opened_place));
    } else {
        SLIPWAY_TRY(dropped, open_image(context, image, Use::Discard, {.any_kind = true}));
    }
    auto& opened = place ? place->opened() : dropped;
    if (request.network && opened.engine == "sandbox")
        return fail(Code::Unsupported, "the sandbox has no network",
                    "use --engine host as root, for an image that you trust");
    auto arguments = with_root(image, {{"argv", request.argv},
                                       {"env", request.env},
                                       {"cwd", request.cwd},
                                       {"network", request.network},
                                       {"tty", request.tty},
                                       {"rows", request.rows},
                                       {"columns", request.columns},
                                       {"deadline_ms", request.deadline.count()},
                                       {"input", hooks.input.valid()}});
    SLIPWAY_TRY(auto answer, opened.call("run", arguments, hooks));
    if (place) {
        SLIPWAY_CHECK(opened.close());
        SLIPWAY_TRY([[maybe_unused]] auto way, place->commit(context));
    } else {
        if (auto full = opened.full_scratch(); !full.empty())
            context.host.log.warning("no space was left in {} for what the program wrote", full);
        // The program has done what it did.
        if (auto unchanged = let_go(context, opened); !unchanged)
            context.host.log.warning("{}; what was read may be wrong", unchanged.error().what);
    }
    const auto& timings = json_at(answer, "timings");
    return RunResult{.status = json_get<int>(answer, "status"),
                     .exec_errno = json_get<int>(answer, "exec_errno"),
                     .timed_out = json_get<bool>(answer, "timed_out"),
                     .timings = {json_get<double>(timings, "mount"),
                                 json_get<double>(timings, "run"),
                                 json_get<double>(timings, "unmount")}};
}

} // namespace slipway::ops
