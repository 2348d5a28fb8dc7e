// SPDX-License-Identifier: Apache-2.0
#include "boot/holds.hpp"

#include <algorithm>
#include <tuple>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/dm-ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/strings.hpp"
#include "boot/block_devices.hpp"
#include "sys/fd.hpp"
#include "sys/mount.hpp"
#include "sys/tree_walk.hpp"

namespace slipway::boot {
namespace {

constexpr auto place = "/run/slipway/holds";

// One filesystem of the kernel's, for a moment.
template <class Action>
void with_mounted(const std::string& type, const std::string& options, Action action) {
    ::mkdir(place, 0700);
    if (!sys::mount({.source = "slipway", .target = place, .type = type, .options = options}))
        return; // the kernel has none
    action();
    ::umount2(place, MNT_DETACH);
}

void resume_mappings() {
    for (const auto& name : device_mappings())
        if (trim(sys::read_file(fmt::format("/sys/block/{}/dm/suspended", name)).value_or("")) ==
            "1")
            std::ignore = control_mapping(name, DM_DEV_SUSPEND); // without its flag: resumes
}

void abort_fuse() {
    with_mounted("fusectl", "", [] {
        for (const auto& connection : sys::names_in(place))
            std::ignore = sys::write_file(fmt::format("{}/{}/abort", place, connection), "1");
    });
}

// "7:freezer:/", or of one that was mounted together with others "7:cpu,freezer:/".
std::string hierarchy_of_freezer() {
    auto text = sys::read_file("/proc/self/cgroup").value_or("");
    for (auto line : split_lines(text)) {
        auto parts = split(line, ':');
        if (parts.size() < 3)
            continue;
        auto controllers = split(parts[1], ',');
        if (std::find(controllers.begin(), controllers.end(), "freezer") != controllers.end())
            return std::string(parts[1]);
    }
    return "";
}

void thaw_old_groups() {
    auto controllers = hierarchy_of_freezer();
    if (controllers.empty())
        return;
    with_mounted("cgroup", controllers, [] {
        auto top = sys::open_file(place, O_RDONLY | O_DIRECTORY);
        auto thaw = [](const sys::WalkEntry& entry) -> Result<bool> {
            if (entry.type == DT_DIR)
                if (auto state =
                        sys::open_at(entry.directory, entry.name + "/freezer.state", O_WRONLY))
                    std::ignore = sys::write_all(*state, "THAWED");
            return true;
        };
        if (top)
            std::ignore = sys::walk_tree(*top, {.enter = thaw});
    });
}

} // namespace

void release_killed() {
    std::ignore = sys::write_file("/proc/sysrq-trigger", "j"); // emergency thaw of filesystems
    resume_mappings();
    abort_fuse();
    thaw_old_groups();
}

} // namespace slipway::boot
