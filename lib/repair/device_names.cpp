// SPDX-License-Identifier: Apache-2.0
#include "repair/device_names.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "guest/fstab.hpp"

namespace slipway::repair {
namespace {

using report::Inventory;
using report::Volume;

// dd-made clones share the partition's UUID too; members of one btrfs do not.
bool is_clone(const Volume& a, const Volume& b) {
    if (a.name == b.name || a.name.starts_with("btrfs:") || b.name.starts_with("btrfs:"))
        return false;
    if (a.type != "btrfs" || b.type != "btrfs")
        return true;
    return a.partuuid == b.partuuid && a.size == b.size;
}

Status check_unique(const Inventory& inventory, const Volume& volume,
                    std::string Volume::*property) {
    auto wanted = to_lower(volume.*property);
    for (const auto& other : inventory.volumes)
        if (to_lower(other.*property) == wanted && is_clone(volume, other))
            return fail(Code::Corrupt,
                        fmt::format("{} and {} of the guest carry the same UUID {}", volume.name,
                                    other.name, volume.*property),
                        "give one of the two a new UUID, or leave out the disk that is a copy");
    return {};
}

} // namespace

Result<const Volume*> find_device(const Inventory& inventory, std::string_view spec,
                                  std::string_view type) {
    const auto* root = inventory.find_volume(inventory.root);
    if (root != nullptr && !spec.empty() && spec == guest::root_spec(inventory))
        return root;
    auto found = guest::devices_of(inventory).resolve(spec, type);
    if (found.ambiguous)
        return fail(Code::Unsupported,
                    fmt::format("it cannot be told which volume of the guest {} is", spec),
                    "give all disks of the guest in the order in which it saw them");
    if (found.volume == nullptr)
        return fail(Code::NotFound, fmt::format("no disk of the guest has a volume {}", spec));
    return found.volume;
}

Result<std::string> stable_name(const Inventory& inventory, const Volume& volume) {
    if (volume.uuid.empty())
        return partition_name(inventory, volume);
    SLIPWAY_CHECK(check_unique(inventory, volume, &Volume::uuid));
    return "UUID=" + volume.uuid;
}

Result<std::string> partition_name(const Inventory& inventory, const Volume& volume) {
    if (volume.partuuid.empty())
        return fail(Code::Unsupported,
                    fmt::format("{} has no UUID that could stand for it", volume.name));
    SLIPWAY_CHECK(check_unique(inventory, volume, &Volume::partuuid));
    return "PARTUUID=" + volume.partuuid;
}

bool is_device_number(std::string_view device) {
    // Kernel: name_to_dev_t() in init/do_mounts.c.
    return device.size() >= 3 && device.size() <= 8 &&
           std::isdigit(static_cast<unsigned char>(device.front())) != 0 &&
           std::all_of(device.begin(), device.end(),
                       [](unsigned char c) { return std::isxdigit(c) != 0 || c == ':'; });
}

bool is_host_device(std::string_view path) {
    constexpr std::string_view dev = "/dev/", mapper = "mapper/";
    if (!path.starts_with(dev))
        return false;
    path.remove_prefix(dev.size());
    if (path.starts_with(mapper)) {
        path.remove_prefix(mapper.size());
        if (path.starts_with("osprober-"))
            return std::all_of(path.begin(), path.end(),
                               [](unsigned char c) { return std::isgraph(c) != 0; });
    }
    // "nbd0", "loop3p1": text that only begins like one is none.
    for (std::string_view prefix : {"loop", "nbd"})
        if (path.starts_with(prefix)) {
            auto numbers = split(path.substr(prefix.size()), 'p');
            return numbers.size() <= 2 &&
                   std::all_of(numbers.begin(), numbers.end(),
                               [](auto number) { return parse_number(number).has_value(); });
        }
    return false;
}

} // namespace slipway::repair
