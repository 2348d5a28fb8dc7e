// SPDX-License-Identifier: Apache-2.0
#include "boot/target_root.hpp"

#include <array>
#include <csignal>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boot/system_mounts.hpp"
#include "sys/mount.hpp"

namespace slipway::boot {
namespace {

// A file to mount on.
Status touch(const std::string& path) {
    sys::OwnedFd made(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
    struct stat info {};
    if (!made.valid() && ::stat(path.c_str(), &info) != 0)
        return fail_errno(fmt::format("making {}", path));
    return {};
}

} // namespace

// The image's own directories are kept; a link in their place is not followed.
Status make_mount_point(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
        return {};
    if (::mkdir(path.c_str(), 0755) != 0)
        return fail_errno(fmt::format("making {}", path));
    return {};
}

Status prepare_root(const TargetSpec& spec) {
    // A change of the target's does not come back.
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return fail_errno("making the mounts private");
    SLIPWAY_CHECK(sys::bind_mount(spec.root, spec.root));
    auto mount = [&spec](const SystemMount& row) -> Status {
        SLIPWAY_CHECK(make_mount_point(spec.root + row.path));
        return sys::mount({.source = row.type,
                           .target = spec.root + row.path,
                           .type = row.type,
                           .flags = row.flags,
                           .options = row.options});
    };
    for (const auto& row : system_mounts)
        SLIPWAY_CHECK(mount(row));
    SLIPWAY_CHECK(mount({"cgroup2", "/sys/fs/cgroup", plain_mount, "nsdelegate"}));
    for (const auto& console : spec.consoles) {
        if (console.terminal.empty())
            continue;
        SLIPWAY_CHECK(touch(spec.root + "/dev/" + console.name));
        SLIPWAY_CHECK(sys::bind_mount(console.terminal, spec.root + "/dev/" + console.name));
    }
    // The kernel's last console= is /dev/console.
    if (!spec.consoles.empty()) {
        const auto& last = spec.consoles.back();
        SLIPWAY_CHECK(sys::bind_mount(last.terminal.empty() ? "/dev/" + last.name : last.terminal,
                                      spec.root + "/dev/console"));
    }
    if (!spec.helpers.empty()) {
        SLIPWAY_CHECK(make_mount_point(spec.root + "/run/slipway"));
        SLIPWAY_CHECK(sys::bind_mount(spec.helpers, spec.root + "/run/slipway"));
        SLIPWAY_CHECK(touch(spec.root + "/.bootstrap-return"));
        SLIPWAY_CHECK(
            sys::bind_mount(spec.helpers + "/bootstrap-return", spec.root + "/.bootstrap-return"));
    }
    return {};
}

Error start_init(const TargetSpec& spec) {
    sigset_t none{};
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int number = 1; number < NSIG; ++number)
        ::signal(number, SIG_DFL);
    int console = ::open("/dev/console", O_RDWR | O_NOCTTY);
    for (int fd = 0; console >= 0 && fd < 3; ++fd)
        ::dup2(console, fd);
    ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    // Set, but empty, it tells systemd's PID 1 that it is in no container. Of older ones it
    // would make the children believe that they are in one.
    std::array<const char*, 4> environment{"TERM=linux",
                                           "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
                                           "/usr/bin:/sbin:/bin",
                                           spec.hides_namespaces ? "container=" : nullptr, nullptr};
    std::array<const char*, 2> arguments{spec.init.c_str(), nullptr};
    ::execve(spec.init.c_str(), const_cast<char* const*>(arguments.data()),
             const_cast<char* const*>(environment.data()));
    return os_error(fmt::format("starting {}", spec.init));
}

} // namespace slipway::boot
