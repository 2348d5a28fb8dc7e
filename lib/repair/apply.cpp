// SPDX-License-Identifier: Apache-2.0
#include "repair/apply.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"

namespace slipway::repair {
namespace {

using report::Action;
using report::ActionKind;
using report::Outcome;
using report::OutcomeState;

constexpr std::size_t max_text = 4 << 20;
constexpr std::string_view backup_suffix = ".slipway-orig";

Outcome skipped(const Action& action, std::string why) {
    return {.action = action, .state = OutcomeState::Skipped, .detail = std::move(why)};
}

// A stop is the caller's affair; anything else leaves the rest of the plan worth doing.
Result<Outcome> failed(const Action& action, const Error& error) {
    if (error.code == Code::Cancelled)
        return fail(error);
    Outcome outcome{
        .action = action, .state = OutcomeState::Failed, .detail = printable(render_text(error))};
    if (error.tool)
        outcome.output = error.tool->stderr_tail;
    return outcome;
}

// The first backup is the one worth keeping.
Status keep_backup(const sys::RootDir& root, const sys::GuestPath& path,
                   std::string_view old_text) {
    SLIPWAY_TRY(auto backup, sys::GuestPath::parse(path.str() + std::string(backup_suffix)));
    if (root.exists(backup))
        return {};
    SLIPWAY_TRY(auto info, root.stat(path));
    return root.write_atomic(backup, old_text, info.st_mode & 07777);
}

Result<Outcome> write_file(const Action& action, const sys::RootDir& root) {
    SLIPWAY_TRY(auto path, sys::GuestPath::parse(action.path));
    auto old_text = root.read(path, max_text);
    if (!old_text && old_text.error().code != Code::NotFound)
        return fail(std::move(old_text).error());
    if (old_text && *old_text == action.content)
        return skipped(action, "it is so already");
    if (old_text && action.keep_backup)
        SLIPWAY_CHECK(keep_backup(root, path, *old_text));
    if (!old_text)
        SLIPWAY_CHECK(root.make_dirs(path.parent()));
    SLIPWAY_CHECK(root.write_atomic(path, action.content));
    return Outcome{.action = action};
}

Result<Outcome> remove_file(const Action& action, const sys::RootDir& root) {
    SLIPWAY_TRY(auto path, sys::GuestPath::parse(action.path));
    if (!root.stat(path, false))
        return skipped(action, "it is gone already");
    SLIPWAY_CHECK(root.remove(path));
    return Outcome{.action = action};
}

Result<Outcome> append(const Action& action, const ApplyContext& context) {
    if (!context.append_initramfs)
        return skipped(action, "initramfs images are left alone");
    auto detail = context.append_initramfs(context.root, action);
    if (!detail)
        return failed(action, detail.error());
    return Outcome{.action = action, .detail = std::move(*detail)};
}

// The last line of what a tool said is mostly the reason.
std::string last_words(std::string_view output) {
    constexpr std::size_t enough = 200;
    output = trim(output);
    auto line = trim(output.substr(output.find_last_of('\n') + 1)).substr(0, enough);
    return line.empty() ? "" : ": " + printable(line);
}

Result<Outcome> run_tool(const Action& action, const ApplyContext& context) {
    if (!context.run_tool)
        return skipped(action, "programs of the guest are not run");
    auto run = context.run_tool(action);
    if (!run)
        return failed(action, run.error());
    Outcome outcome{.action = action, .timings = run->timings, .output = std::move(run->output)};
    if (run->status != 0) {
        outcome.state = OutcomeState::Failed;
        outcome.detail =
            fmt::format("{} ended with status {}{}", action.argv.empty() ? "" : action.argv.front(),
                        run->status, last_words(outcome.output));
    }
    return outcome;
}

Result<Outcome> carry_out(const Action& action, const ApplyContext& context) {
    switch (action.kind) {
    case ActionKind::WriteFile:
        return write_file(action, context.root);
    case ActionKind::RemoveFile:
        return remove_file(action, context.root);
    case ActionKind::AppendInitramfs:
        return append(action, context);
    case ActionKind::RunTool:
        return run_tool(action, context);
    }
    return fail(Code::Internal, "an action of an unknown kind");
}

} // namespace

Result<Outcome> apply(const Action& action, const ApplyContext& context) {
    SLIPWAY_CHECK(context.host.cancel.check());
    auto start = Clock::now();
    auto outcome = carry_out(action, context);
    if (!outcome)
        return fail(std::move(outcome.error()).in(report::render_text(action)));
    outcome->seconds = seconds_since(start);
    return outcome;
}

} // namespace slipway::repair
