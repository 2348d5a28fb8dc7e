// SPDX-License-Identifier: Apache-2.0
#include "guest/find.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/os_release.hpp"
#include "guest/subvolumes.hpp"
#include "guest/system.hpp"
#include "sys/root_dir.hpp"

namespace slipway::guest {
namespace {

using mount::MountableVolume;
using mount::MountedVolume;
using mount::RootName;
using report::Severity;

// No system fits into less of a disk, and a bios_grub or ESP stub needs no look.
constexpr std::uint64_t min_root_size = 16 << 20;
constexpr auto top_level_id = "5"; // of a btrfs filesystem, see btrfs-subvolume(8)

std::string product_of(const sys::RootDir& root) {
    for (const auto* path : {"/etc/os-release", "/usr/lib/os-release"})
        if (auto text = root.read(sys::GuestPath(path), 65536))
            return printable(parse_os_release(*text)["PRETTY_NAME"]);
    return {};
}

/// Looks into one volume after the other; the first root that is found stays mounted.
class Searcher {
public:
    Searcher(const mount::Volumes& volumes, const std::string& target)
        : volumes_(volumes), target_(target) {}

    [[nodiscard]] Status look_into(const MountableVolume& volume, const RootName& name) {
        SLIPWAY_TRY(auto mounted, mount_volume(volume, target_,
                                               {.subvolume = name.subvolume,
                                                .other_nodes = sibling_nodes(volume, volumes_)}));
        SLIPWAY_TRY(auto found, judge_mounted());
        if (found) {
            add(std::move(*found), {.volume = mounted.volume(), .subvolume = mounted.subvolume()});
            return keep_or_close(std::move(mounted));
        }
        if (volume.volume.type != "btrfs" || !name.subvolume.empty())
            return mounted.unmount();
        if (mounted.subvolume().empty())
            return look_into_subvolumes(std::move(mounted));
        // The default subvolume holds something else: "@" of openSUSE, when its own is unset.
        SLIPWAY_CHECK(mounted.unmount());
        SLIPWAY_TRY(auto top, mount_volume(volume, target_,
                                           {.subvolume_id = top_level_id,
                                            .other_nodes = sibling_nodes(volume, volumes_)}));
        return look_into_subvolumes(std::move(top));
    }

    void look_into_all_of(const MountableVolume& volume) {
        if (auto looked = look_into(volume, {.volume = volume.volume.name}); !looked)
            note(volume, looked.error());
    }

    void note_closed(const MountableVolume& volume, std::string_view container) {
        search_.closed.push_back({.code = Code::Unsupported,
                                  .what = fmt::format("{} is {}", volume.volume.name, container),
                                  .hint = std::string(mount::container_remedy)});
    }

    [[nodiscard]] SystemSearch take() { return std::move(search_); }

private:
    [[nodiscard]] static std::optional<FoundSystem> judge(const sys::RootDir& root) {
        auto type = detect_system_type(root);
        if (type.empty())
            return std::nullopt;
        return FoundSystem{.root = "", .type = type, .product = product_of(root)};
    }

    // Closes its descriptors when it returns: open ones would keep the filesystem busy.
    [[nodiscard]] Result<std::optional<FoundSystem>> judge_mounted() const {
        SLIPWAY_TRY(auto root, sys::RootDir::open(target_));
        return judge(root);
    }

    void add(FoundSystem found, const RootName& name) {
        found.root = render_root_name(name);
        search_.systems.push_back(std::move(found));
    }

    [[nodiscard]] Status keep_or_close(MountedVolume mounted) {
        if (search_.mounted)
            return mounted.unmount();
        search_.mounted = std::move(mounted);
        return {};
    }

    [[nodiscard]] Status look_into_subvolumes(MountedVolume mounted) {
        std::string first;
        for (const auto& subvolume : find_system_subvolumes(mounted)) {
            SLIPWAY_TRY(auto directory, mounted.open_subvolume(subvolume));
            auto found = judge(sys::RootDir(std::move(directory)));
            if (!found)
                continue;
            add(std::move(*found), {.volume = mounted.volume(), .subvolume = subvolume});
            if (first.empty())
                first = subvolume;
        }
        if (first.empty() || search_.mounted)
            return mounted.unmount();
        SLIPWAY_CHECK(mounted.narrow_to_subvolume(first));
        return keep_or_close(std::move(mounted));
    }

    void note(const MountableVolume& volume, const Error& error) {
        if (error.code == Code::Unsupported || error.code == Code::Busy)
            search_.closed.push_back(error);
        if (error.code == Code::Corrupt)
            search_.damaged.push_back(render_line(error));
        search_.findings.push_back(
            {.id = "volume-not-mounted",
             .severity = Severity::Warning,
             .where = volume.volume.name,
             .text = fmt::format("{} was not searched: {}", volume.volume.name, render_line(error)),
             .remedy = error.hint});
    }

    const mount::Volumes& volumes_;
    const std::string& target_;
    SystemSearch search_;
};

bool may_hold_a_system(const MountableVolume& volume) {
    constexpr std::array never_a_root{"vfat", "exfat", "iso9660", "udf"};
    const auto& type = volume.volume.type;
    bool large_enough = volume.volume.partition == 0 || volume.volume.size >= min_root_size;
    return mount::is_mountable_type(type) && large_enough && !volume.node.empty() &&
           volume.may_be_root &&
           std::find(never_a_root.begin(), never_a_root.end(), type) == never_a_root.end();
}

// A further device of a btrfs filesystem shows the same files once more.
bool is_further_device(const MountableVolume& volume, const mount::Volumes& volumes) {
    if (volume.volume.type != "btrfs" || volume.volume.uuid.empty())
        return false;
    for (const auto& each : volumes)
        if (each.volume.uuid == volume.volume.uuid && !each.node.empty())
            return each.volume.name != volume.volume.name;
    return false;
}

bool is_opened(const MountableVolume& container, const mount::Volumes& volumes) {
    return std::any_of(volumes.begin(), volumes.end(), [&](const auto& each) {
        const auto& below = each.volume.stands_on;
        return std::find(below.begin(), below.end(), container.volume.name) != below.end();
    });
}

} // namespace

Result<SystemSearch> find_systems(const mount::Volumes& volumes, const std::string& target,
                                  const FindOptions& options) {
    Searcher searcher(volumes, target);
    if (!options.root.empty()) {
        SLIPWAY_TRY(auto name, parse_root_name(options.root, volumes));
        SLIPWAY_CHECK(searcher.look_into(*find_volume(volumes, name.volume), name));
        return searcher.take();
    }
    for (const auto& volume : volumes) {
        if (auto container = mount::container_of_type(volume.volume.type); !container.empty()) {
            if (!is_opened(volume, volumes))
                searcher.note_closed(volume, container);
        } else if (may_hold_a_system(volume) && !is_further_device(volume, volumes))
            searcher.look_into_all_of(volume);
    }
    return searcher.take();
}

Result<FoundSystem> pick_system(const SystemSearch& search) {
    if (search.systems.size() == 1)
        return search.systems.front();
    if (search.systems.empty()) {
        if (!search.damaged.empty())
            return fail(Code::Corrupt,
                        fmt::format("no operating system was found, but damage: {}",
                                    join(search.damaged, "; ")),
                        "copy the image again from its origin, or check its filesystems");
        if (search.closed.empty())
            return fail(Code::NotFound, "no operating system was found in the image");
        std::vector<std::string> reasons;
        for (const auto& error : search.closed)
            reasons.push_back(error.what);
        return fail(Code::Unsupported,
                    fmt::format("no operating system was found; what this engine cannot open: {}",
                                join(reasons, "; ")),
                    search.closed.front().hint);
    }
    std::vector<std::string> choices;
    for (const auto& system : search.systems)
        choices.push_back(fmt::format("--root {} ({})", system.root,
                                      system.product.empty() ? system.type : system.product));
    return fail(Code::InvalidArgument, "the image holds several operating systems",
                fmt::format("choose one: {}", join(choices, ", ")));
}

} // namespace slipway::guest
