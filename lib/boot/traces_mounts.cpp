// SPDX-License-Identifier: Apache-2.0
#include "boot/traces_mounts.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>

#include "sys/mount.hpp"

namespace slipway::boot {

std::set<std::string> read_only_mounts() {
    std::set<std::string> found;
    if (auto mounts = sys::read_mounts())
        for (const auto& each : *mounts)
            if (each.is_read_only)
                found.insert(each.target);
    return found;
}

Status make_writable(const std::string& mount) {
    // As mount(2) does it, the flags of the mount itself would have to be given, too.
    sys::OwnedFd picked(::fspick(AT_FDCWD, mount.c_str(), FSPICK_CLOEXEC | FSPICK_NO_AUTOMOUNT));
    if (!picked.valid() || ::fsconfig(picked.raw(), FSCONFIG_SET_FLAG, "rw", nullptr, 0) != 0 ||
        ::fsconfig(picked.raw(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0) != 0)
        return fail_errno(fmt::format("making {} writable again", mount));
    return {};
}

std::vector<Change> undo_read_only(const std::set<std::string>& before) {
    std::vector<Change> changes;
    for (const auto& mount : read_only_mounts())
        if (!before.contains(mount))
            changes.push_back(
                change_of(fmt::format("{}, which was read-only", mount), make_writable(mount)));
    return changes;
}

} // namespace slipway::boot
