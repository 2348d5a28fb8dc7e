// SPDX-License-Identifier: Apache-2.0
#include "mount/layer.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sys/fd.hpp"
#include "sys/mount.hpp"

namespace slipway::mount {
namespace {

// The root of an overlay has the attributes of its upper directory.
Status make_upper(sys::BorrowedFd memory, const struct stat& root) {
    for (const auto* name : {"upper", "work"})
        if (::mkdirat(memory.raw(), name, 0700) != 0)
            return fail_errno("making a layer in memory");
    if (::fchownat(memory.raw(), "upper", root.st_uid, root.st_gid, 0) != 0 ||
        ::fchmodat(memory.raw(), "upper", root.st_mode & 07777, 0) != 0)
        return fail_errno("making a layer in memory");
    return {};
}

Result<sys::OwnedFd> make_overlay(sys::BorrowedFd lower, sys::BorrowedFd memory) {
    sys::OwnedFd context(::fsopen("overlay", FSOPEN_CLOEXEC));
    if (!context.valid() && errno == ENODEV)
        return fail(Code::Unsupported, "this kernel has no overlayfs",
                    "modprobe overlay, or use a machine whose kernel has it");
    if (!context.valid())
        return fail_errno("making an overlay");
    auto set = [&](const char* key, const std::string& value) {
        return ::fsconfig(context.raw(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0;
    };
    auto above = sys::proc_path(memory.raw());
    if (!set("lowerdir", sys::proc_path(lower.raw())) || !set("upperdir", above + "/upper") ||
        !set("workdir", above + "/work") ||
        ::fsconfig(context.raw(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return fail_errno("making an overlay");
    sys::OwnedFd overlay(::fsmount(context.raw(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV));
    if (!overlay.valid())
        return fail_errno("making an overlay");
    return overlay;
}

Result<sys::OwnedFd> overlay_at(const std::string& target) {
    SLIPWAY_TRY(auto lower, sys::open_file(target, O_PATH | O_DIRECTORY));
    struct stat root {};
    if (::fstat(lower.raw(), &root) != 0)
        return fail_errno("looking at a root");
    SLIPWAY_CHECK(sys::mount({.source = "slipway",
                              .target = target,
                              .type = "tmpfs",
                              .flags = MS_NODEV,
                              .options = "mode=0700"}));
    Result<sys::OwnedFd> overlay;
    {
        SLIPWAY_TRY(auto memory, sys::open_file(target, O_PATH | O_DIRECTORY));
        auto made = make_upper(memory, root);
        overlay = made ? make_overlay(lower, memory) : fail(std::move(made).error());
    }
    // The overlay has mounts of its own of both.
    if (::umount2(target.c_str(), UMOUNT_NOFOLLOW) != 0 && overlay)
        return fail_errno("leaving a layer to its overlay");
    return overlay;
}

} // namespace

Status bind_tree(const std::string& source, const std::string& target, bool writable) {
    sys::OwnedFd tree(::open_tree(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    if (!tree.valid())
        return fail_errno("opening a tree of files");
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_NODEV | (writable ? 0 : MOUNT_ATTR_RDONLY);
    if (::mount_setattr(tree.raw(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0 ||
        ::move_mount(tree.raw(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return fail_errno("mounting a tree of files");
    return {};
}

Status put_layer(const std::string& target) {
    SLIPWAY_TRY(auto overlay, overlay_at(target));
    if (::umount2(target.c_str(), UMOUNT_NOFOLLOW) != 0)
        return fail_errno("leaving a root to its overlay");
    if (::move_mount(overlay.raw(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return fail_errno("mounting an overlay");
    return {};
}

} // namespace slipway::mount
