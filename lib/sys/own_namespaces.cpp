// SPDX-License-Identifier: Apache-2.0
#include "sys/own_namespaces.hpp"

#include <csignal>
#include <vector>

#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/mount.hpp"

namespace slipway::sys {
namespace {

std::string own_name() {
    const auto* entry = ::getpwuid(::getuid());
    return entry != nullptr ? entry->pw_name : "";
}

Result<IdRange> subordinate_ids(const char* file) {
    auto name = own_name();
    auto text = read_file(file);
    auto range = text ? parse_subordinate_ids(*text, name, ::getuid()) : std::nullopt;
    if (range)
        return *range;
    auto who = name.empty() ? fmt::format("uid {}", ::getuid()) : name;
    return fail(
        Code::Permission,
        fmt::format("{} has no {} subordinate ids in {}", who, mapped_ids - 1, file),
        fmt::format("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}"
                    " (a range that no other user has)",
                    name.empty() ? "USER" : name));
}

Status map_ids(Runner& runner, const char* tool, pid_t process, unsigned own,
               const IdRange& range) {
    ProcessSpec spec{.argv = {tool, std::to_string(process), "0", std::to_string(own), "1", "1",
                              std::to_string(range.first), std::to_string(mapped_ids - 1)}};
    SLIPWAY_TRY(auto ran, sys::run(runner, spec));
    return check_tool(spec, ran, "mapping the subordinate ids of the user");
}

Error user_namespaces_are_forbidden(int error) {
    auto failed = os_error("making a user namespace", error);
    failed.code = Code::Permission;
    failed.hint = "this machine forbids it: see the sysctls user.max_user_namespaces, "
                  "kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_"
                  "userns, or run it as root";
    return failed;
}

// The maps are written by a process that has stayed outside: newuidmap looks at whose it is.
Status enter_user_namespace() {
    SLIPWAY_TRY(auto users, subordinate_ids("/etc/subuid"));
    SLIPWAY_TRY(auto groups, subordinate_ids("/etc/subgid"));
    auto uid = ::getuid(), gid = ::getgid();
    auto process = ::getpid();
    SLIPWAY_TRY(auto ready, make_pipe());
    SLIPWAY_TRY(auto outcome, make_pipe());
    auto mapper = ::fork();
    if (mapper < 0)
        return fail_errno("starting a process");
    if (mapper == 0) {
        char byte = 0;
        ready.second.reset();
        if (::read(ready.first.raw(), &byte, 1) != 1)
            ::_exit(1);
        LocalRunner runner;
        auto mapped = map_ids(runner, "newuidmap", process, uid, users);
        if (mapped)
            mapped = map_ids(runner, "newgidmap", process, gid, groups);
        if (!mapped) [[maybe_unused]]
            auto told = write_all(outcome.second, render_text(mapped.error()));
        ::_exit(0);
    }
    outcome.second.reset();
    Status status;
    if (::unshare(CLONE_NEWUSER) != 0)
        status = fail(user_namespaces_are_forbidden(errno));
    else if (::write(ready.second.raw(), "", 1) != 1)
        status = fail_errno("making a user namespace");
    ready.second.reset();
    std::string complaint(4096, '\0');
    auto got = ::read(outcome.first.raw(), complaint.data(), complaint.size());
    complaint.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    while (::waitpid(mapper, nullptr, 0) < 0 && errno == EINTR)
        continue;
    SLIPWAY_CHECK(std::move(status));
    if (!complaint.empty())
        return fail(Code::ToolFailed, fmt::format("entering a user namespace: {}", complaint),
                    "newuidmap must be set-uid root, or have the capability; and the ranges of "
                    "/etc/subuid and /etc/subgid must be free");
    if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0)
        return fail_errno("becoming root of a user namespace");
    return {};
}

[[noreturn]] void end_as(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

// So that none of the inherited descriptors, such as a client's lifeline, is held by who waits.
void close_all_but_errors() {
    ::close_range(3, ~0U, 0);
}

} // namespace

std::optional<IdRange> parse_subordinate_ids(std::string_view text, std::string_view user,
                                             unsigned uid) {
    auto number = std::to_string(uid);
    for (auto line : split(text, '\n')) {
        auto fields = split(trim(line), ':');
        if (fields.size() != 3 || (fields[0] != number && (user.empty() || fields[0] != user)))
            continue;
        auto first = parse_number(fields[1]), count = parse_number(fields[2]);
        constexpr std::uint64_t end = std::uint64_t{1} << 32;
        if (first && count && *first > 0 && *count >= mapped_ids - 1 && *first < end &&
            *count <= end - *first)
            return IdRange{static_cast<unsigned>(*first), static_cast<unsigned>(*count)};
    }
    return std::nullopt;
}

Status own_namespaces_requirements() {
    if (::geteuid() == 0)
        return {};
    for (const auto* tool : {"newuidmap", "newgidmap"})
        if (!find_program(tool))
            return fail(Code::Unsupported,
                        fmt::format("{} is not installed, by which an ordinary user gets the ids "
                                    "of a test root's users",
                                    tool),
                        "apt install uidmap");
    SLIPWAY_CHECK(subordinate_ids("/etc/subuid"));
    SLIPWAY_CHECK(subordinate_ids("/etc/subgid"));
    return {};
}

Status enter_own_namespaces() {
    SLIPWAY_CHECK(own_namespaces_requirements());
    if (::geteuid() != 0)
        SLIPWAY_CHECK(enter_user_namespace());
    SLIPWAY_CHECK(enter_private_mount_namespace());
    if (::unshare(CLONE_NEWPID) != 0)
        return fail_errno("making a namespace of processes");
    auto child = ::fork();
    if (child < 0)
        return fail_errno("starting a process");
    if (child > 0) {
        close_all_but_errors();
        end_as(child);
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto mounted = mount({.source = "proc",
                          .target = "/proc",
                          .type = "proc",
                          .flags = MS_NOSUID | MS_NODEV | MS_NOEXEC});
    if (!mounted) {
        mounted.error().hint =
            "in a container, let it see a whole /proc (podman run --security-opt "
            "unmask=ALL)";
        return mounted;
    }
    return {};
}

} // namespace slipway::sys
