// SPDX-License-Identifier: Apache-2.0
#include "calls/guest_view.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/devices.hpp"
#include "image/layout.hpp"

namespace slipway::calls {
namespace {

using mount::MountableVolume;

constexpr std::string_view dev = "/dev/";

dev_t number_of(const std::string& node) {
    struct stat info {};
    return ::stat(node.c_str(), &info) == 0 ? info.st_rdev : dev_t{0};
}

std::string sys_directory(dev_t number) {
    return fmt::format("/sys/dev/block/{}:{}", major(number), minor(number));
}

std::string sys_text(dev_t number, std::string_view name) {
    auto text = sys::read_file(fmt::format("{}/{}", sys_directory(number), name), 4096);
    return text ? std::string(trim(*text)) : std::string{};
}

/// Numbers of the devices right below a mapped one.
std::vector<dev_t> below(dev_t number) {
    std::vector<dev_t> found;
    std::error_code failed;
    std::filesystem::directory_iterator entries(sys_directory(number) + "/slaves", failed);
    if (failed)
        return found;
    for (const auto& entry : entries)
        if (auto text = sys::read_file(entry.path().string() + "/dev", 64)) {
            auto parts = split(trim(*text), ':');
            if (parts.size() == 2)
                found.push_back(makedev(parse_number(parts[0]).value_or(0),
                                        parse_number(parts[1]).value_or(0)));
        }
    return found;
}

std::string kind_of(dev_t number) {
    auto uuid = sys_text(number, "dm/uuid");
    if (uuid.starts_with("LVM-"))
        return "lvm";
    if (uuid.starts_with("CRYPT-"))
        return "luks";
    return std::filesystem::exists(sys_directory(number) + "/md") ? "md" : "";
}

// Through its own node: the kernel keeps pages for it, and others for the whole disk, where what a
// call has just written may be missing.
void read_content(MountableVolume& volume) {
    auto found = probe({volume.node});
    if (!found)
        return;
    auto& now = found->volume;
    volume.volume.type = std::move(now.type);
    volume.volume.label = std::move(now.label);
    volume.volume.uuid = std::move(now.uuid);
    volume.volume.dirty = now.dirty;
}

void add_disk(const Machine& machine, std::size_t index, mount::Volumes& volumes) {
    const auto& disk = machine.disks[index];
    const auto& name = disk.disk().name;
    auto layout = image::probe_layout(disk.fd(), name, disk.disk().size);
    if (!layout)
        return;
    for (auto& volume : layout->volumes) {
        auto node = std::string(dev) + volume.name;
        if (number_of(node) == 0)
            continue;
        volumes.push_back({.volume = std::move(volume), .node = std::move(node)});
        read_content(volumes.back());
    }
}

/// What stands on others: logical volumes, arrays, opened LUKS.
std::vector<Device> upper_devices(const Machine& machine) {
    auto devices = all_devices(machine);
    std::erase_if(devices, [&](const Device& device) {
        return std::any_of(machine.disks.begin(), machine.disks.end(), [&](const auto& disk) {
            auto node = std::string(dev) + disk.disk().name;
            return device.name == node ||
                   (device.name.starts_with(node) &&
                    parse_number(std::string_view(device.name).substr(node.size())));
        });
    });
    return devices;
}

MountableVolume upper_volume(const Device& device, const mount::Volumes& known) {
    auto found = probe(device);
    MountableVolume volume{.volume = found ? std::move(found->volume)
                                           : report::Volume{.name = "", .disk = "", .type = ""},
                           .node = device.name};
    auto& record = volume.volume;
    record.name = device.name.substr(dev.size());
    record.disk.clear();
    auto number = number_of(device.name);
    record.kind = kind_of(number);
    for (auto lower : below(number))
        for (const auto& each : known)
            if (number_of(each.node) == lower)
                record.stands_on.push_back(each.volume.name);
    return volume;
}

enter::GuestPartition partition_for_guest(const report::Volume& volume) {
    return {.name = volume.name,
            .disk = volume.disk,
            .number = volume.partition,
            .device = number_of(std::string(dev) + volume.name),
            .start = volume.start,
            .size = volume.size,
            .uuid = volume.uuid,
            .label = volume.label,
            .partuuid = volume.partuuid,
            .partlabel = volume.partlabel,
            .fstype = volume.type};
}

enter::GuestMapped mapped_for_guest(const MountableVolume& volume) {
    auto number = number_of(volume.node);
    auto mapping = sys_text(number, "dm/name");
    return {.name = mapping.empty() ? volume.volume.name : "mapper/" + mapping,
            .device = number,
            .size = volume.volume.size,
            .uuid = volume.volume.uuid,
            .label = volume.volume.label,
            .mapping = mapping,
            .mapping_uuid = sys_text(number, "dm/uuid"),
            .below = below(number)};
}

bool has_firmware_partition(const Machine& machine) {
    return std::any_of(machine.mounted.begin(), machine.mounted.end(), [](const auto& each) {
        return each.place == "/boot/efi" || each.place == "/efi";
    });
}

} // namespace

mount::Volumes volumes_of(const Machine& machine) {
    mount::Volumes volumes;
    for (std::size_t index = 0; index < machine.disks.size(); ++index)
        add_disk(machine, index, volumes);
    for (const auto& device : upper_devices(machine))
        volumes.push_back(upper_volume(device, volumes));
    return volumes;
}

report::Disk record_of(const image::AttachedDisk& disk) {
    auto record = disk.disk();
    if (auto layout = image::probe_layout(disk.fd(), record.name, record.size)) {
        record.table = std::move(layout->table);
        record.table_id = std::move(layout->table_id);
    }
    return record;
}

std::string api_name(const std::string& volume_name) {
    constexpr std::string_view subvolume = "btrfs:";
    if (volume_name.starts_with(subvolume))
        return fmt::format("btrfsvol:/dev/{}", volume_name.substr(subvolume.size()));
    return std::string(dev) + volume_name;
}

enter::RootSpec root_spec_of(const Machine& machine) {
    enter::RootSpec spec{.directory = machine.sysroot,
                         .uefi = has_firmware_partition(machine),
                         .host_network = machine.host_network,
                         .makes_places = false};
    if (auto root = machine.root())
        if (auto name = root->read(sys::GuestPath("/etc/hostname"), 4096))
            spec.hostname = trim(*name);
    for (const auto& disk : machine.disks) {
        auto node = std::string(dev) + disk.disk().name;
        spec.disks.push_back(
            {.name = disk.disk().name, .device = number_of(node), .size = disk.disk().size});
    }
    for (const auto& volume : volumes_of(machine)) {
        if (volume.volume.disk.empty())
            spec.mapped.push_back(mapped_for_guest(volume));
        else
            spec.partitions.push_back(partition_for_guest(volume.volume));
    }
    return spec;
}

} // namespace slipway::calls
