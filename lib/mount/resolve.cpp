// SPDX-License-Identifier: Apache-2.0
#include "mount/resolve.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/strings.hpp"
#include "mount/fstab.hpp"

namespace slipway::mount {
namespace {

using report::Volume;
using Volumes = std::span<const Volume>;

struct Tag {
    std::string_view name;         ///< before "="
    std::string_view directory;    ///< below /dev/disk/
    std::string Volume::*property; ///< what it compares
    bool ignore_case;
};
constexpr std::array tags{
    Tag{"UUID", "by-uuid", &Volume::uuid, true},
    Tag{"LABEL", "by-label", &Volume::label, false},
    Tag{"PARTUUID", "by-partuuid", &Volume::partuuid, true},
    Tag{"PARTLABEL", "by-partlabel", &Volume::partlabel, false},
};

std::string_view unquote(std::string_view text) {
    if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
        text.back() == text.front())
        return text.substr(1, text.size() - 2);
    return text;
}

// udev writes unsafe characters of a link's name as \xNN (see udev_list_entry of libudev).
std::string decode_udev_escapes(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned byte = 0;
        if (i + 3 < text.size() && text.substr(i, 2) == "\\x" &&
            std::from_chars(&text[i + 2], &text[i + 2] + 2, byte, 16).ptr == &text[i + 2] + 2) {
            out += static_cast<char>(byte);
            i += 3;
        } else
            out += text[i];
    }
    return out;
}

// The members of one array or pool share its UUID by design.
bool shares_uuid_by_design(const Volume& volume) {
    return volume.type == "btrfs" || volume.type == "linux_raid_member" ||
           volume.type == "zfs_member";
}

Resolution by_tag(const Tag& tag, std::string_view value, Volumes volumes) {
    Resolution result{.is_device = true};
    auto wanted = tag.ignore_case ? to_lower(value) : std::string(value);
    for (const auto& volume : volumes) {
        const auto& has = volume.*tag.property;
        if (has.empty() || (tag.ignore_case ? to_lower(has) : has) != wanted)
            continue;
        if (result.volume == nullptr)
            result.volume = &volume;
        else if (tag.property != &Volume::uuid || !shares_uuid_by_design(volume))
            result.ambiguous = true;
    }
    return result;
}

Resolution by_position(const DiskPartition& place, Volumes volumes) {
    Resolution result{.is_device = true};
    for (const auto& volume : volumes) {
        auto disk = parse_device_name("/dev/" + volume.disk);
        if (disk && disk->disk == place.disk && volume.partition == place.partition) {
            result.volume = &volume;
            break;
        }
    }
    return result;
}

// "pci-0000:03:00.0-scsi-0:0:0:0-part2" ends in its partition; without "-part" it is a whole disk.
unsigned partition_of_link(std::string_view link) {
    constexpr std::string_view mark = "-part";
    auto at = link.rfind(mark);
    if (at == std::string_view::npos)
        return 0;
    return static_cast<unsigned>(parse_number(link.substr(at + mark.size())).value_or(0));
}

bool type_agrees(std::string_view fstab_type, const Volume& volume) {
    if (fstab_type.empty() || fstab_type == "auto" || volume.type == fstab_type)
        return true;
    return fstab_type == "swap" && volume.type == "swsuspend";
}

Resolution by_hardware_link(std::string_view link, std::string_view type, Volumes volumes) {
    Resolution result{.is_device = true};
    for (const auto& volume : volumes) {
        if (volume.partition != partition_of_link(link) || !type_agrees(type, volume))
            continue;
        if (result.volume != nullptr)
            return {.is_device = true, .ambiguous = true};
        result.volume = &volume;
    }
    return result;
}

Resolution by_name(std::string_view name, Volumes volumes) {
    Resolution result{.is_device = true};
    auto found = std::find_if(volumes.begin(), volumes.end(),
                              [&](const auto& volume) { return volume.name == name; });
    if (found != volumes.end())
        result.volume = &*found;
    return result;
}

// An array or mapping is called as a file of the guest says; where the image has one alone, it is
// that.
Resolution by_kind(std::string_view kind, Volumes volumes) {
    Resolution result{.is_device = true};
    auto carries = [&](const Volume& volume) {
        return std::any_of(volumes.begin(), volumes.end(), [&](const auto& upper) {
            return std::find(upper.stands_on.begin(), upper.stands_on.end(), volume.name) !=
                   upper.stands_on.end();
        });
    };
    for (const auto& volume : volumes) {
        if (volume.kind != kind || carries(volume))
            continue;
        if (result.volume != nullptr)
            return {.is_device = true, .ambiguous = true};
        result.volume = &volume;
    }
    return result;
}

// "md0", "md/data": the array of that name, without its home host.
Resolution by_array(std::string_view name, Volumes volumes) {
    auto named =
        by_name("md:" + std::string(name.substr(name.starts_with("md/") ? 3 : 2)), volumes);
    return named.volume != nullptr ? named : by_kind("md", volumes);
}

Resolution by_mapping(std::string_view name, Volumes volumes) {
    auto logical = volume_of_mapper_name(name);
    return logical.empty() ? by_kind("luks", volumes) : by_name(logical, volumes);
}

bool is_array(std::string_view name) {
    return name.starts_with("md/") ||
           (name.starts_with("md") && parse_number(name.substr(2)).has_value());
}

bool is_removable(std::string_view name) {
    return name.starts_with("sr") || name.starts_with("scd") || name.starts_with("cdrom") ||
           name.starts_with("dvd") || name.starts_with("fd") || name == "floppy";
}

Resolution by_device_path(std::string_view name, std::string_view type, Volumes volumes) {
    constexpr std::string_view disk = "disk/", mapper = "mapper/";
    if (name.starts_with(disk)) {
        auto link = name.substr(disk.size());
        for (const auto& tag : tags)
            if (link.starts_with(tag.directory) &&
                link.substr(tag.directory.size()).starts_with('/'))
                return by_tag(tag, decode_udev_escapes(link.substr(tag.directory.size() + 1)),
                              volumes);
        return by_hardware_link(link, type, volumes);
    }
    if (auto place = parse_device_name("/dev/" + std::string(name)))
        return by_position(*place, volumes);
    if (name.starts_with(mapper))
        return by_mapping(name.substr(mapper.size()), volumes);
    if (is_array(name))
        return by_array(name, volumes);
    if (is_removable(name))
        return {.is_device = true, .removable = true};
    return by_name(name, volumes);
}

} // namespace

Resolution resolve_device(std::string_view spec, std::string_view type, Volumes volumes) {
    spec = unquote(spec);
    for (const auto& tag : tags)
        if (spec.starts_with(tag.name) && spec.substr(tag.name.size()).starts_with('='))
            return by_tag(tag, unquote(spec.substr(tag.name.size() + 1)), volumes);
    constexpr std::string_view dev = "/dev/";
    if (spec.starts_with(dev))
        return by_device_path(spec.substr(dev.size()), type, volumes);
    // A dataset; where its pool is not open, this is no name of a device.
    for (std::string_view before : {"ZFS=", "zfs:", ""}) {
        if (!spec.starts_with(before) || (before.empty() && type != "zfs"))
            continue;
        auto found = by_name(spec.substr(before.size()), volumes);
        if (found.volume != nullptr && found.volume->type == "zfs")
            return found;
    }
    return {};
}

GuestDevices::GuestDevices(Volumes volumes, const Volume* root, std::string_view root_spec)
    : volumes_(volumes), root_(root), root_spec_(root_spec) {
    auto theirs = parse_device_name(root_spec);
    auto ours = root == nullptr ? std::nullopt : parse_device_name("/dev/" + root->disk);
    if (!theirs || !ours || theirs->partition != root->partition || theirs->disk == ours->disk)
        return;
    shifted_ = true;
    guests_root_disk_ = theirs->disk;
    our_root_disk_ = ours->disk;
}

Resolution GuestDevices::resolve(std::string_view spec, std::string_view type) const {
    auto place = parse_device_name(spec);
    if (!shifted_ || !place) {
        auto found = resolve_device(spec, type, volumes_);
        bool is_root = !place && found.is_device && found.volume == nullptr && spec == root_spec_;
        return is_root && root_ != nullptr ? Resolution{root_, true} : found;
    }
    if (place->disk == guests_root_disk_)
        return by_position({our_root_disk_, place->partition}, volumes_);
    // The place that the root's disk has in our order belongs to another disk of the guest, and
    // nothing says which one.
    if (place->disk == our_root_disk_)
        return {.is_device = true, .ambiguous = true};
    return by_position(*place, volumes_);
}

std::string volume_of_mapper_name(std::string_view name) {
    std::string out;
    bool split_seen = false;
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] != '-') {
            out += name[i];
        } else if (i + 1 < name.size() && name[i + 1] == '-') {
            out += '-';
            ++i;
        } else if (split_seen) {
            return {};
        } else {
            out += '/';
            split_seen = true;
        }
    }
    return split_seen ? out : std::string{};
}

} // namespace slipway::mount
