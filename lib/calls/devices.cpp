// SPDX-License-Identifier: Apache-2.0
#include "calls/devices.hpp"

#include <algorithm>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/volumes.hpp"
#include "image/layout.hpp"
#include "mount/ladder.hpp"

namespace slipway::calls {
namespace {

using Strings = std::vector<std::string>;

Strings names_of(const std::vector<Device>& devices) {
    Strings names;
    for (const auto& device : devices)
        names.push_back(device.name);
    return names;
}

Result<Strings> list_devices(Machine& machine) {
    return names_of(whole_disks(machine));
}

Result<Strings> list_partitions(Machine& machine) {
    Strings names;
    for (const auto& disk : machine.disks)
        for (const auto& device : partitions_of(disk))
            names.push_back(device.name);
    return names;
}

Result<std::int64_t> nr_devices(Machine& machine) {
    return static_cast<std::int64_t>(machine.disks.size());
}

Result<std::int64_t> device_index(Machine& machine, const Device& device) {
    for (std::size_t i = 0; i < machine.disks.size(); ++i)
        if (device.name == "/dev/" + machine.disks[i].disk().name)
            return static_cast<std::int64_t>(i);
    return fail(Code::NotFound, fmt::format("{}: device not found", device.name));
}

Result<std::string> vfs_type(Machine&, const Mountable& mountable) {
    SLIPWAY_TRY(auto found, probe(mountable.device));
    return found.volume.type;
}

Result<std::string> vfs_uuid(Machine&, const Mountable& mountable) {
    SLIPWAY_TRY(auto found, probe(mountable.device));
    return found.volume.uuid;
}

Result<std::string> vfs_label(Machine&, const Mountable& mountable) {
    SLIPWAY_TRY(auto found, probe(mountable.device));
    return found.volume.label;
}

Result<bool> is_whole_device(Machine& machine, const Device& device) {
    auto disks = whole_disks(machine);
    return std::find(disks.begin(), disks.end(), device) != disks.end();
}

Result<std::string> canonical_device_name(Machine& machine, const std::string& name) {
    for (std::string_view bus : {"/dev/hd", "/dev/vd", "/dev/xvd", "/dev/sd"})
        if (name.starts_with(bus))
            return "/dev/sd" + name.substr(bus.size());
    if (name.starts_with("/dev/mapper/"))
        for (const auto& volume : logical_volumes(machine))
            if (name == "/dev/mapper/" + volume.mapping)
                return volume.device.name;
    return name;
}

// What blkid(8) tells of a device on its own, with what the table says of a partition.
Result<Json> blkid(Machine& machine, const Device& device) {
    SLIPWAY_TRY(auto text,
                machine.run({"blkid", "-c", "/dev/null", "-p", "-i", "-o", "export", device.name}));
    auto values = Json::object();
    for (auto line : split_lines(text))
        if (auto equals = line.find('='); equals != std::string_view::npos)
            values[std::string(line.substr(0, equals))] = std::string(line.substr(equals + 1));
    return values;
}

Result<Json> list_disk_labels(Machine& machine) {
    auto labels = Json::object();
    for (const auto& disk : machine.disks)
        if (!disk.disk().serial.empty())
            labels[disk.disk().serial] = "/dev/" + disk.disk().name;
    return labels;
}

} // namespace

Result<sys::OwnedFd> open_device(const Device& device, int flags) {
    return sys::open_file(device.name, flags);
}

Result<std::uint64_t> size_of(const Device& device) {
    SLIPWAY_TRY(auto fd, open_device(device, O_RDONLY));
    auto end = ::lseek(fd.raw(), 0, SEEK_END);
    if (end < 0)
        return fail_errno(fmt::format("measuring {}", device.name));
    return static_cast<std::uint64_t>(end);
}

Result<mount::MountableVolume> probe(const Device& device) {
    SLIPWAY_TRY(auto size, size_of(device));
    SLIPWAY_TRY(auto fd, open_device(device, O_RDONLY));
    return mount::MountableVolume{image::probe_volume(fd, device.name, size), device.name};
}

Result<std::string> table_type_of(const Device& device) {
    SLIPWAY_TRY(auto size, size_of(device));
    SLIPWAY_TRY(auto fd, open_device(device, O_RDONLY));
    auto type = image::table_type(fd, size);
    if (type == "dos")
        return std::string("msdos");
    if (type == "sgi")
        return std::string("dvh");
    if (!type.empty())
        return type;
    return fail(os_error(fmt::format("{} has no partition table", device.name), EINVAL));
}

bool holds_filesystem_alone(const Device& device) {
    auto found = probe(device);
    return found && (found->volume.type == "swap" || mount::is_mountable_type(found->volume.type));
}

std::string random_uuid() {
    auto text = sys::read_file("/proc/sys/kernel/random/uuid", 64);
    return text ? std::string(trim(*text)) : std::string{};
}

std::vector<Device> whole_disks(const Machine& machine) {
    std::vector<Device> found;
    for (const auto& disk : machine.disks)
        found.push_back({"/dev/" + disk.disk().name});
    return found;
}

std::vector<Device> all_devices(const Machine& machine) {
    auto found = whole_disks(machine);
    auto add = [&found](std::vector<Device> more) {
        found.insert(found.end(), more.begin(), more.end());
    };
    for (const auto& disk : machine.disks)
        add(partitions_of(disk));
    add(arrays(machine, true));
    add(mapped_devices(machine));
    for (auto& volume : logical_volumes(machine))
        found.push_back(std::move(volume.device));
    return found;
}

std::vector<Device> partitions_of(const image::AttachedDisk& disk) {
    const auto& name = disk.disk().name;
    std::vector<std::uint64_t> numbers;
    for (const auto& entry : std::filesystem::directory_iterator("/dev")) {
        auto node = entry.path().filename().string();
        if (auto number =
                node.starts_with(name) ? parse_number(node.substr(name.size())) : std::nullopt)
            numbers.push_back(*number);
    }
    std::sort(numbers.begin(), numbers.end());
    std::vector<Device> found;
    for (auto number : numbers)
        found.push_back({fmt::format("/dev/{}{}", name, number)});
    return found;
}

Calls device_calls() {
    static constexpr Call calls[] = {
        {"list_devices", bind<list_devices>},
        {"list_partitions", bind<list_partitions>},
        {"nr_devices", bind<nr_devices>},
        {"device_index", bind<device_index>},
        {"vfs_type", bind<vfs_type>},
        {"vfs_uuid", bind<vfs_uuid>},
        {"vfs_label", bind<vfs_label>},
        {"is_whole_device", bind<is_whole_device>},
        {"canonical_device_name", bind<canonical_device_name>},
        {"blkid", bind<blkid>},
        {"list_disk_labels", bind<list_disk_labels>},
    };
    return calls;
}

} // namespace slipway::calls
