// SPDX-License-Identifier: Apache-2.0
// Calls on filesystems of any type.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/devices.hpp"
#include "calls/filesystems.hpp"
#include "calls/volumes.hpp"
#include "image/partition_table.hpp"
#include "mount/ladder.hpp"

namespace slipway::calls {
namespace {

using sys::GuestPath;
using Strings = std::vector<std::string>;

// Parts of Windows' dynamic disks, and what Windows keeps free.
constexpr std::array<std::string_view, 3> without_filesystem{
    "5808C8AA-7E8F-42E0-85D2-E1E90434CFB3", "AF9B60A0-1431-4F62-BC68-3311714A69AD",
    "E3C9E316-0B5C-4DB8-817D-F92DF00215AE"};

std::vector<Device> partitions_with_filesystems(const image::AttachedDisk& disk) {
    auto all = partitions_of(disk);
    auto node = "/dev/" + disk.disk().name;
    auto table = image::PartitionTable::read(node);
    if (!table)
        return all;
    for (const auto& partition : table->partitions()) {
        bool none = partition.is_extended || partition.type == "0x42" ||
                    std::find(without_filesystem.begin(), without_filesystem.end(),
                              partition.type) != without_filesystem.end();
        if (none)
            std::erase(all, Device{fmt::format("{}{}", node, partition.number)});
    }
    return all;
}

// Where a filesystem may be: no disk that has partitions.
std::vector<Device> candidates(const Machine& machine) {
    std::vector<Device> disks, partitions;
    auto add = [](std::vector<Device>& to, const std::vector<Device>& more) {
        to.insert(to.end(), more.begin(), more.end());
    };
    for (const auto& disk : machine.disks) {
        if (partitions_of(disk).empty())
            disks.push_back({"/dev/" + disk.disk().name});
        add(partitions, partitions_with_filesystems(disk));
    }
    add(disks, partitions);
    auto with_partitions = arrays(machine, true);
    for (const auto& device : with_partitions) {
        bool has_some =
            std::any_of(with_partitions.begin(), with_partitions.end(),
                        [&](const auto& each) { return each.name.starts_with(device.name + "p"); });
        if (!has_some)
            disks.push_back(device);
    }
    add(disks, mapped_devices(machine));
    return disks;
}

Status add_filesystem(Machine& machine, const Device& device, const std::string& type,
                      Json& found) {
    if (type.ends_with("_member") || type == "crypto_LUKS" || type == "BitLocker")
        return {};
    found[device.name] = type.empty() ? "unknown" : type;
    if (type != "btrfs")
        return {};
    if (auto subvolumes = btrfs_subvolumes(machine, {device}))
        for (const auto& each : subvolumes->all)
            if (each.id != subvolumes->default_id)
                found[Mountable{device, each.path}.str()] = type;
    return machine.host.cancel.check();
}

std::string type_of(const Device& device) {
    auto probed = probe(device);
    return probed ? probed->volume.type : std::string{};
}

Result<Json> list_filesystems(Machine& machine) {
    auto found = Json::object();
    bool has_groups = false;
    for (const auto& device : candidates(machine)) {
        auto type = type_of(device);
        has_groups = has_groups || type == "LVM2_member";
        SLIPWAY_CHECK(add_filesystem(machine, device, type, found));
    }
    if (!has_groups)
        return found;
    SLIPWAY_TRY(auto volumes, lvm_volumes(machine));
    for (auto& name : volumes) {
        Device device{std::move(name)};
        SLIPWAY_CHECK(add_filesystem(machine, device, type_of(device), found));
    }
    return found;
}

// A module that the kernel has not loaded is asked for.
Result<bool> filesystem_available(Machine&, const std::string& filesystem) {
    if (filesystem.empty() ||
        !std::all_of(filesystem.begin(), filesystem.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; }))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no type of a filesystem", printable(filesystem)));
    if (mount::is_mountable_type(filesystem) && mount::kernel_mounts(filesystem))
        return true;
    // Those of "nodev" are no filesystems of a disk.
    SLIPWAY_TRY(auto known, sys::read_file("/proc/filesystems"));
    for (auto line : split_lines(known))
        if (!line.starts_with("nodev") && trim(line) == filesystem)
            return true;
    return false;
}

Result<std::string> find_device_with(Machine& machine, std::string report::Volume::*what,
                                     const std::string& value) {
    for (const auto& each : all_devices(machine))
        if (auto found = probe(each); found && !value.empty() && found->volume.*what == value)
            return each.name;
    return fail(Code::NotFound,
                fmt::format("no filesystem has the label or UUID '{}'", printable(value)));
}
Result<std::string> findfs_label(Machine& machine, const std::string& label) {
    return find_device_with(machine, &report::Volume::label, label);
}
Result<std::string> findfs_uuid(Machine& machine, const std::string& uuid) {
    return find_device_with(machine, &report::Volume::uuid, uuid);
}

Result<std::int64_t> fsck(Machine& machine, const std::string& fstype, const Device& device) {
    if (fstype.empty() || !std::all_of(fstype.begin(), fstype.end(), [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '_';
        }))
        return fail(Code::InvalidArgument,
                    fmt::format("'{}' is no type of a filesystem", printable(fstype)));
    // As fsck(8) does, which takes what nobody can check for good.
    if (!sys::find_program("fsck." + fstype))
        return 0;
    constexpr int most = 15; // the bits of fsck(8) that speak of the filesystem, not of the tool
    sys::ProcessSpec spec{.argv = {"fsck." + fstype, "-a", device.name}};
    auto words = "checking " + device.name;
    SLIPWAY_TRY(auto captured,
                sys::run(*machine.host.runner, spec, {.deadline = std::chrono::hours(12)}));
    if (captured.status > most)
        SLIPWAY_CHECK(sys::check_tool(spec, captured, words));
    return captured.status;
}

Result<Json> statvfs(Machine& machine, const GuestPath& path) {
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto fd, root.open_path(path, O_PATH));
    struct statvfs info {};
    if (::statvfs(sys::proc_path(fd.raw()).c_str(), &info) != 0)
        return fail_errno(path.str());
    return Json{{"bsize", info.f_bsize},
                {"frsize", info.f_frsize},
                {"blocks", info.f_blocks},
                {"bfree", info.f_bfree},
                {"bavail", info.f_bavail},
                {"files", info.f_files},
                {"ffree", info.f_ffree},
                {"favail", info.f_favail},
                {"fsid", static_cast<std::int64_t>(info.f_fsid)},
                {"flag", info.f_flag},
                {"namemax", info.f_namemax}};
}

std::string human(std::uint64_t bytes) {
    constexpr std::string_view units = "BKMGTPE";
    std::size_t unit = 0;
    auto value = static_cast<double>(bytes);
    for (; value >= 1024 && unit + 1 < units.size(); ++unit)
        value /= 1024;
    if (unit == 0)
        return std::to_string(bytes);
    return value < 10 ? fmt::format("{:.1f}{}", std::ceil(value * 10) / 10, units[unit])
                      : fmt::format("{:.0f}{}", std::ceil(value), units[unit]);
}

// As df(1) shows them, of the guest's mounts alone.
Result<std::string> table_of_mounts(Machine& machine, bool for_people) {
    constexpr std::uint64_t unit = 1024;
    auto text = fmt::format("{:<20} {:>10} {:>10} {:>10} {:>4} {}\n", "Filesystem",
                            for_people ? "Size" : "1K-blocks", "Used",
                            for_people ? "Avail" : "Available", "Use%", "Mounted on");
    SLIPWAY_TRY([[maybe_unused]] auto root, machine.root());
    for (const auto& each : machine.mounted) {
        struct statvfs info {};
        if (::statvfs(each.volume.target().c_str(), &info) != 0)
            return fail_errno(each.place);
        auto size = std::uint64_t{info.f_blocks} * info.f_frsize;
        auto used = size - std::uint64_t{info.f_bfree} * info.f_frsize;
        auto available = std::uint64_t{info.f_bavail} * info.f_frsize;
        auto share =
            used + available == 0 ? 0 : (used * 100 + used + available - 1) / (used + available);
        auto words = [&](std::uint64_t bytes) {
            return for_people ? human(bytes) : std::to_string(bytes / unit);
        };
        text += fmt::format("{:<20} {:>10} {:>10} {:>10} {:>3}% {}\n", each.source, words(size),
                            words(used), words(available), share, each.place);
    }
    return text;
}
Result<std::string> df(Machine& machine) {
    return table_of_mounts(machine, false);
}
Result<std::string> df_h(Machine& machine) {
    return table_of_mounts(machine, true);
}

Status fstrim(Machine& machine, const GuestPath& mountpoint, std::optional<std::int64_t> offset,
              std::optional<std::int64_t> length, std::optional<std::int64_t> minimum) {
    for (const auto& value : {offset, length, minimum})
        if (value.value_or(0) < 0)
            return fail(Code::InvalidArgument, "a number of bytes is negative");
    SLIPWAY_TRY(auto root, machine.root());
    SLIPWAY_TRY(auto directory, root.open_path(mountpoint, O_RDONLY | O_DIRECTORY));
    ::fsync(directory.raw());
    fstrim_range range{static_cast<std::uint64_t>(offset.value_or(0)),
                       length ? static_cast<std::uint64_t>(*length)
                              : std::numeric_limits<std::uint64_t>::max(),
                       static_cast<std::uint64_t>(minimum.value_or(0))};
    if (::ioctl(directory.raw(), FITRIM, &range) != 0)
        return fail_errno(fmt::format("trimming {}", mountpoint.str()));
    return {};
}

// A file of zeros until the filesystem is full; it has no name, so that it goes with us.
Status zero_free_space(Machine& machine, const GuestPath& directory) {
    SLIPWAY_TRY(auto root, machine.root());
    auto unnamed = root.open_path(directory, O_TMPFILE | O_WRONLY, 0600);
    const auto name = directory / fmt::format(".slipway-{}", random_uuid().substr(0, 8));
    bool named = !unnamed && unnamed.error().errno_value == EOPNOTSUPP;
    if (named)
        unnamed = root.open_path(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!unnamed)
        return fail(std::move(unnamed).error());
    const std::string zeros(512 << 10, '\0');
    Status status;
    for (std::size_t size = zeros.size(); size > 0 && status;) {
        auto done = ::write(unnamed->raw(), zeros.data(), size);
        if (done < 0 && errno != ENOSPC && errno != EINTR)
            status = fail_errno(fmt::format("filling {}", directory.str()));
        else if (done < 0 && errno == ENOSPC)
            size /= 2;
        if (auto stop = machine.host.cancel.check(); !stop && status)
            status = std::move(stop);
    }
    if (status)
        ::fsync(unnamed->raw());
    if (named)
        if (auto removed = root.remove(name); !removed && status)
            status = std::move(removed);
    return status;
}

std::int64_t number_behind(std::string_view text, std::string_view mark) {
    auto found = text.find(mark);
    if (found == std::string_view::npos)
        return -1;
    auto words = split_words(text.substr(found + mark.size()));
    auto number = words.empty() ? std::nullopt : parse_number(words.front());
    return number ? static_cast<std::int64_t>(*number) : -1;
}

Result<std::int64_t> minimum_of_ext(Machine& machine, const Device& device) {
    SLIPWAY_TRY(auto done, machine.run({"resize2fs", "-P", "-f", device.name}));
    SLIPWAY_TRY(auto info, machine.run({"tune2fs", "-l", device.name}));
    auto blocks = number_behind(done, "filesystem:"), size = number_behind(info, "Block size:");
    if (blocks < 0 || size < 0)
        return fail(Code::ToolFailed, "resize2fs does not say how small the filesystem can be");
    return blocks * size;
}

Result<std::int64_t> minimum_of_ntfs(Machine& machine, const Device& device) {
    SLIPWAY_TRY(auto done, machine.run({"ntfsresize", "--info", "--force", device.name}));
    auto bytes = number_behind(done, "You might resize at ");
    if (bytes < 0)
        return fail(Code::ToolFailed, "ntfsresize does not say how small the filesystem can be");
    return bytes;
}

Result<std::int64_t> minimum_of_btrfs(Machine& machine, const Device& device) {
    auto mounted = std::find_if(machine.mounted.begin(), machine.mounted.end(),
                                [&](const auto& each) { return each.source == device.name; });
    if (mounted == machine.mounted.end())
        return fail(Code::InvalidArgument, fmt::format("{} is not mounted", device.name));
    SLIPWAY_TRY(auto done, machine.run({"btrfs", "inspect-internal", "min-dev-size",
                                        mounted->volume.target()}));
    auto words = split_words(done);
    auto bytes = words.empty() ? std::nullopt : parse_number(words.front());
    if (!bytes)
        return fail(Code::ToolFailed, "btrfs does not say how small the filesystem can be");
    return static_cast<std::int64_t>(*bytes);
}

Result<std::int64_t> vfs_minimum_size(Machine& machine, const Mountable& mountable) {
    SLIPWAY_TRY(auto found, probe(mountable.device));
    const auto& type = found.volume.type;
    if (type.starts_with("ext"))
        return minimum_of_ext(machine, mountable.device);
    if (type == "ntfs")
        return minimum_of_ntfs(machine, mountable.device);
    if (type == "btrfs")
        return minimum_of_btrfs(machine, mountable.device);
    // These never become smaller.
    if (type == "xfs" || type == "vfat" || type == "dosfs" || type == "exfat") {
        SLIPWAY_TRY(auto size, size_of(mountable.device));
        return static_cast<std::int64_t>(size);
    }
    return fail(Code::Unsupported,
                fmt::format("how small a filesystem of type '{}' can be is not known", type));
}

} // namespace

Calls filesystems_calls() {
    static constexpr Call calls[] = {
        {"df", bind<df>},
        {"df_h", bind<df_h>},
        {"filesystem_available", bind<filesystem_available>},
        {"findfs_label", bind<findfs_label>},
        {"findfs_uuid", bind<findfs_uuid>},
        {"fsck", bind<fsck>},
        {"fstrim", bind<fstrim>},
        {"list_filesystems", bind<list_filesystems>},
        {"statvfs", bind<statvfs>},
        {"vfs_minimum_size", bind<vfs_minimum_size>},
        {"zero_free_space", bind<zero_free_space>},
    };
    return calls;
}

} // namespace slipway::calls
