// SPDX-License-Identifier: Apache-2.0
#include "guest/subvolumes.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <fcntl.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/files.hpp"
#include "guest/system.hpp"
#include "sys/root_dir.hpp"

namespace slipway::guest {
namespace {

using sys::GuestPath;

// Distributions put the root into a subvolume of such a name and boot it by rootflags=.
constexpr std::array usual_names{"@", "@rootfs", "root", "@root"};
constexpr std::size_t most_subvolumes = 256, most_snapshots = 1000;

struct Subvolume {
    std::string path;
    std::string uuid, parent; ///< 16 bytes; parent: of what it is a snapshot, all 0 if of none
    bool read_only = false;
};

// From linux/btrfs_tree.h, which does not go together with linux/btrfs.h in C++.
constexpr std::uint64_t read_only_flag = 1;

std::string uuid_of(const __u8 (&bytes)[BTRFS_UUID_SIZE]) {
    return {std::begin(bytes), std::end(bytes)};
}

/// Nothing where it is no subvolume, or holds no system.
std::optional<Subvolume> system_at(const mount::MountedVolume& top, const std::string& path) {
    auto directory = top.open_subvolume(path);
    if (!directory)
        return std::nullopt;
    sys::RootDir root(std::move(*directory));
    auto readable = root.open_path(GuestPath("/"), O_RDONLY | O_DIRECTORY);
    if (!readable || detect_system_type(root).empty())
        return std::nullopt;
    Subvolume found{.path = path};
    btrfs_ioctl_get_subvol_info_args info{};
    // Some kernels (6.18) answer 1 where all is well.
    if (::ioctl(readable->raw(), BTRFS_IOC_GET_SUBVOL_INFO, &info) >= 0) {
        found.uuid = uuid_of(info.uuid);
        found.parent = uuid_of(info.parent_uuid);
        found.read_only = (info.flags & read_only_flag) != 0;
    }
    return found;
}

bool has_parent(const Subvolume& subvolume) {
    return subvolume.parent.find_first_not_of('\0') != std::string::npos;
}

// One is a snapshot of the other, or both are of a third.
bool are_related(const Subvolume& a, const Subvolume& b) {
    return (has_parent(a) && (a.parent == b.uuid || a.parent == b.parent)) ||
           (has_parent(b) && b.parent == a.uuid);
}

std::vector<std::string> candidates(const GuestFiles& files) {
    std::vector<std::string> names(usual_names.begin(), usual_names.end());
    for (auto& name : files.list("/")) {
        bool is_usual =
            std::find(usual_names.begin(), usual_names.end(), name) != usual_names.end();
        if (!is_usual && !name.starts_with('.') && names.size() < most_subvolumes)
            names.push_back(std::move(name));
    }
    return names;
}

/// The snapshot that counts of those in "<base>.snapshots/<number>/snapshot".
std::optional<std::string> newest_snapshot(const mount::MountedVolume& top, const GuestFiles& files,
                                           const std::string& base) {
    std::vector<std::uint64_t> numbers;
    for (const auto& name : files.list(fmt::format("/{}.snapshots", base)))
        if (auto number = parse_number(name); number && std::to_string(*number) == name)
            numbers.push_back(*number);
    std::sort(numbers.rbegin(), numbers.rend());
    numbers.resize(std::min(numbers.size(), most_snapshots));
    std::optional<std::string> newest;
    for (auto number : numbers) {
        auto found = system_at(top, fmt::format("{}.snapshots/{}/snapshot", base, number));
        if (found && !found->read_only)
            return found->path;
        if (found && !newest)
            newest = found->path;
    }
    return newest;
}

} // namespace

std::vector<std::string> find_system_subvolumes(const mount::MountedVolume& top) {
    auto root = sys::RootDir::open(top.target());
    if (!root)
        return {};
    report::Findings unused;
    GuestFiles files(*root, unused);
    std::vector<Subvolume> systems;
    for (const auto& name : candidates(files)) {
        auto found = system_at(top, name);
        bool is_snapshot = found && (found->read_only ||
                                     std::any_of(systems.begin(), systems.end(), [&](auto& each) {
                                         return are_related(each, *found);
                                     }));
        if (found && !is_snapshot)
            systems.push_back(std::move(*found));
    }
    std::vector<std::string> paths;
    paths.reserve(systems.size());
    for (auto& system : systems)
        paths.push_back(std::move(system.path));
    for (const std::string base : {"@/", ""})
        if (paths.empty())
            if (auto snapshot = newest_snapshot(top, files, base))
                paths.push_back(std::move(*snapshot));
    return paths;
}

} // namespace slipway::guest
