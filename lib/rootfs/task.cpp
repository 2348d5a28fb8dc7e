// SPDX-License-Identifier: Apache-2.0
// The client's side of the tasks.
#include "rootfs/task.hpp"

#include <linux/sched.h>

#include <fmt/format.h>

#include "base/excerpt.hpp"
#include "base/strings.hpp"

namespace slipway::rootfs {
namespace {

constexpr int output_number = 4;
constexpr std::chrono::hours deadline{2}; // the user can stop it at any time
constexpr std::size_t longest_answer = 32 << 20;

struct Task {
    std::string name;
    Json arguments = Json::object();
    sys::BorrowedFd output{-1};
    std::uint64_t clone_flags = 0;
};

Result<sys::Captured> start_task(const sys::Host& host, const std::string& directory,
                                 const Task& task) {
    // The worker opens it: an ordinary user may not enter every directory of a root.
    sys::ProcessSpec spec;
    spec.argv = {"/proc/self/exe", "--rootfs", task.name};
    spec.cwd = directory;
    spec.clone_flags = task.clone_flags;
    if (task.output.valid())
        spec.fds = {{task.output, output_number}};
    return sys::run(*host.runner, spec,
                    {.deadline = deadline,
                     .max_output = longest_answer,
                     .cancel = host.cancel,
                     .input = render_json(task.arguments)});
}

Result<Json> ask(const sys::Host& host, const std::string& directory, const Task& task) {
    SLIPWAY_TRY(auto captured, start_task(host, directory, task));
    if (captured.status != 0)
        return fail(Code::ToolFailed,
                    fmt::format("the process that works on {} has ended early (status {}): {}",
                                directory, captured.status, trim(captured.err)));
    SLIPWAY_TRY(auto answer, parse_json(captured.out, "the answer of a task"));
    if (answer.contains("error"))
        return fail(error_from_json(answer["error"]));
    return answer;
}

Status pack(const sys::Host& host, const std::string& directory, Json arguments,
            sys::BorrowedFd output) {
    auto done =
        ask(host, directory, {.name = "pack", .arguments = std::move(arguments), .output = output});
    if (!done)
        return fail(std::move(done).error());
    return {};
}

} // namespace

Status tidy_by_worker(const sys::Host& host, const std::string& directory,
                      const std::string& archive_line) {
    auto done = ask(host, directory, {.name = "tidy", .arguments = {{"archive", archive_line}}});
    if (!done)
        return fail(std::move(done).error());
    return {};
}

Status apply_by_worker(const sys::Host& host, const std::string& directory, const Profile& profile,
                       long snapshot) {
    auto done = ask(
        host, directory,
        {.name = "apply", .arguments = {{"profile", to_json(profile)}, {"snapshot", snapshot}}});
    if (!done)
        return fail(std::move(done).error());
    for (const auto& command : profile.commands) {
        Task task{.name = "command",
                  .arguments = {{"command", command}, {"snapshot", snapshot}},
                  .clone_flags =
                      CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET};
        SLIPWAY_TRY(auto captured, start_task(host, directory, task));
        if (captured.status == 0)
            continue;
        Error error{.code = Code::ToolFailed,
                    .what = fmt::format("the command of the profile failed: {}", command),
                    .hint = "it runs as root in the new root, by /bin/sh, without network"};
        constexpr std::size_t most = 2000;
        error.tool = ToolFailure{{"/bin/sh", "-c", command},
                                 captured.status,
                                 printable(excerpt(trim(captured.err), most))};
        return fail(std::move(error));
    }
    return {};
}

Result<Manifest> finish_by_worker(const sys::Host& host, const std::string& directory,
                                  const Manifest& manifest) {
    SLIPWAY_TRY(
        auto answer,
        ask(host, directory, {.name = "finish", .arguments = {{"manifest", to_json(manifest)}}}));
    return manifest_from_json(json_at(answer, "manifest"));
}

Result<Facts> look_by_worker(const sys::Host& host, const std::string& directory) {
    SLIPWAY_TRY(auto answer, ask(host, directory, {.name = "look"}));
    return facts_from_json(json_at(answer, "facts"));
}

Status copy_by_worker(const sys::Host& host, const std::string& directory, const std::string& to) {
    auto done = ask(host, directory, {.name = "copy", .arguments = {{"to", to}}});
    if (done)
        return {};
    auto what = fmt::format("copying the root to {}", to);
    if (done.error().code == Code::NoSpace)
        return fail(Code::NoSpace, what + ": there is no room for it",
                    "make room there, or choose another place");
    return fail(std::move(done.error()).in(what));
}

Status pack_by_worker(const sys::Host& host, const std::string& directory,
                      const std::string& compression, sys::BorrowedFd output) {
    return pack(host, directory, {{"compression", compression}, {"privileged", true}}, output);
}

Status export_by_worker(const sys::Host& host, const std::string& directory,
                        const std::string& compression, sys::BorrowedFd output) {
    return pack(host, directory, {{"compression", compression}, {"privileged", false}}, output);
}

} // namespace slipway::rootfs
