// SPDX-License-Identifier: Apache-2.0
#include "work/worker.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "work/command.hpp"
#include "work/files.hpp"
#include "work/mend.hpp"
#include "work/opened_root.hpp"

namespace slipway::work {
namespace {

using Choice = OpenedRoot::RootChoice;

Choice data_choice(const Json& arguments, bool writable) {
    return {.name = json_get<std::string>(arguments, "root"),
            .need_system = false,
            .writable = writable};
}

// These operations have no list of findings in their answer: who reads a stale file must be told.
Status open_root(OpenedRoot& opened, const Choice& choice, Peer& peer) {
    bool known = opened.tree.has_value();
    SLIPWAY_CHECK(opened.need_root(choice));
    for (const auto* findings : {&std::as_const(opened.found_in_given),
                                 &std::as_const(opened.found_by_checks), &opened.tree->findings()})
        for (const auto& finding : *findings)
            if (!known && finding.severity >= report::Severity::Warning)
                peer.log(Level::Warning, report::render_text(finding));
    return {};
}

Result<Json> on_list(OpenedRoot& opened, const Json& arguments, Peer& peer) {
    SLIPWAY_CHECK(open_root(opened, data_choice(arguments, false), peer));
    return list_files(opened.tree->root(), arguments);
}
Result<Json> on_stat(OpenedRoot& opened, const Json& arguments, Peer& peer) {
    SLIPWAY_CHECK(open_root(opened, data_choice(arguments, false), peer));
    return stat_file(opened.tree->root(), arguments);
}
Result<Json> on_get(OpenedRoot& opened, const Json& arguments, Peer& peer) {
    SLIPWAY_CHECK(open_root(opened, data_choice(arguments, false), peer));
    return get_file(opened.tree->root(), arguments, peer);
}
Result<Json> on_get_tree(OpenedRoot& opened, const Json& arguments, Peer& peer) {
    SLIPWAY_CHECK(open_root(opened, data_choice(arguments, false), peer));
    return get_tree(opened.tree->root(), arguments, peer);
}
Result<Json> on_put(OpenedRoot& opened, const Json& arguments, Peer& peer) {
    SLIPWAY_CHECK(open_root(opened, data_choice(arguments, true), peer));
    SLIPWAY_CHECK(refuse_hidden(*opened.tree, json_get<std::string>(arguments, "path")));
    return put_file(opened.tree->root(), arguments, peer);
}
Result<Json> on_run(OpenedRoot& opened, const Json& arguments, Peer& peer) {
    Choice choice{.name = json_get<std::string>(arguments, "root"), .writable = true};
    SLIPWAY_CHECK(open_root(opened, choice, peer));
    SLIPWAY_TRY(auto* chroot, opened.need_chroot());
    return run_command(*chroot, arguments, peer);
}

// What is there from now on is for who works with files, see calls::OpenedFiles.
Result<Json> on_mount(OpenedRoot& opened, const Json& arguments, Peer& peer) {
    SLIPWAY_CHECK(
        open_root(opened, data_choice(arguments, json_get<bool>(arguments, "write")), peer));
    return Json{{"directory", opened.tree->target()}};
}

Result<Json> on_survey(OpenedRoot& opened, const Json&, Peer&) {
    return Json{{"inventory", report::to_json(opened.survey())}};
}

Result<Json> on_check(OpenedRoot& opened, const Json&, Peer&) {
    SLIPWAY_CHECK(opened.check_filesystems());
    return Json::object();
}

struct Operation {
    std::string_view name;
    Result<Json> (*handle)(OpenedRoot&, const Json&, Peer&);
};
constexpr std::array operations{
    Operation{"list", on_list},         Operation{"stat", on_stat},
    Operation{"get", on_get},           Operation{"put", on_put},
    Operation{"get_tree", on_get_tree}, Operation{"run", on_run},
    Operation{"mount", on_mount},       Operation{"check", on_check},
    Operation{"survey", on_survey},     Operation{"inspect", inspect_root},
    Operation{"plan", plan_repairs},    Operation{"apply", apply_plan},
    Operation{"verify", verify_root},   Operation{"packages", list_packages},
};

} // namespace

Worker::Worker() = default;
Worker::~Worker() = default;

Result<Json> Worker::handle(std::string_view name, const Json& arguments, Peer& peer) {
    if (name == "open") {
        if (opened_)
            return fail(Code::InvalidArgument, "the worker has a root opened already");
        opened_ = std::make_unique<OpenedRoot>();
        log_to(peer);
        SLIPWAY_CHECK(opened_->open(arguments));
        return opened_->opening_notes();
    }
    if (name == "close") {
        SLIPWAY_CHECK(close());
        return Json::object();
    }
    if (!opened_)
        return fail(Code::InvalidArgument, fmt::format("'{}' before 'open'", name));
    log_to(peer);
    opened_->host.progress = [&peer](const sys::Progress& progress) { peer.progress(progress); };
    for (const auto& operation : operations)
        if (operation.name == name)
            return operation.handle(*opened_, arguments, peer);
    return fail(Code::InvalidArgument, fmt::format("the worker knows no operation '{}'", name));
}

void Worker::log_to(Peer& peer) {
    opened_->host.log =
        Log(Level::Debug, [&peer](Level level, std::string_view text) { peer.log(level, text); });
}

Status Worker::close() {
    if (!opened_)
        return {};
    auto status = opened_->close();
    opened_.reset();
    return status;
}

} // namespace slipway::work
