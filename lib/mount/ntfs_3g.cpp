// SPDX-License-Identifier: Apache-2.0
#include "mount/ntfs_3g.hpp"

#include <cerrno>

#include <sys/mount.h>
#include <sys/statvfs.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "sys/process.hpp"

namespace slipway::mount {
namespace {

constexpr int damaged = 13; // exit status, ntfs-3g(8)

Error explain(const sys::Captured& captured) {
    auto lines = split_lines(trim(captured.err));
    auto said = lines.empty() ? std::string("it says nothing") : printable(lines.front());
    auto what = fmt::format("ntfs-3g failed with status {}: {}", captured.status, said);
    if (captured.status == damaged)
        return {.code = Code::Corrupt,
                .what = std::move(what),
                .errno_value = EUCLEAN,
                .hint = "run chkdsk /f in Windows"};
    return {.code = Code::ToolFailed, .what = std::move(what)};
}

// It mounts read-only, and is content, where Windows keeps the filesystem for itself.
Status check_writable(const std::string& target) {
    struct statvfs info {};
    if (::statvfs(target.c_str(), &info) != 0)
        return fail_errno("looking at the mounted filesystem");
    if ((info.f_flag & ST_RDONLY) == 0)
        return {};
    ::umount2(target.c_str(), UMOUNT_NOFOLLOW);
    return fail({.code = Code::Permission,
                 .what = "Windows is hibernated or was not shut down, so its disk must not be "
                         "written",
                 .hint = "start it, and shut it down with shutdown /s /f /t 0"});
}

} // namespace

Status mount_with_ntfs_3g(const std::string& node, const std::string& target, bool read_only) {
    if (auto found = sys::find_program("ntfs-3g"); !found)
        return fail(Code::Unsupported, "neither the kernel's ntfs3 nor ntfs-3g is here",
                    "apt install ntfs-3g");
    // It mounts by itself and stays: neither Landlock nor the filter of system calls allows that.
    sys::ProcessSpec spec{
        .argv = {"ntfs-3g", "-o", read_only ? "ro,norecover,nodev" : "rw,nodev", node, target},
        .die_with_parent = false};
    sys::LocalRunner runner;
    SLIPWAY_TRY(auto captured, sys::run(runner, spec, {.leaves_daemon = true}));
    if (captured.status != 0)
        return fail(explain(captured));
    return read_only ? Status{} : check_writable(target);
}

} // namespace slipway::mount
