// SPDX-License-Identifier: Apache-2.0
// Calls on partition tables.
#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <set>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "calls/bind.hpp"
#include "calls/devices.hpp"
#include "calls/partition_tables.hpp"
#include "image/partition_table.hpp"

namespace slipway::calls {
namespace {

using image::Partition;
using image::PartitionTable;
using Kind = PartitionTable::Kind;
using Role = PartitionTable::Role;
using Strings = std::vector<std::string>;

// UEFI specification; Discoverable Partitions Specification.
constexpr auto system_partition = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
constexpr auto linux_data = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
constexpr std::uint64_t margin = 128; // sectors of `part_disk` before and behind the partition

Result<Kind> parse_kind(const std::string& parttype) {
    if (parttype == "gpt" || parttype == "efi")
        return Kind::Gpt;
    if (parttype == "mbr" || parttype == "msdos")
        return Kind::Mbr;
    for (std::string_view other :
         {"aix", "amiga", "rdb", "bsd", "dasd", "dvh", "mac", "pc98", "sun"})
        if (parttype == other)
            return fail(Code::Unsupported,
                        fmt::format("partition tables of the type {} are not made here", parttype),
                        R"(use "gpt" or "mbr")");
    return fail(Code::InvalidArgument,
                fmt::format("'{}' is no type of a partition table", printable(parttype)),
                R"(use "gpt" or "mbr")");
}

// Who uses it would go on with the old table: the kernel does not change it below a mount.
Status refuse_in_use(const std::string& node) {
    auto fd = sys::open_file(node, O_RDONLY | O_EXCL);
    if (!fd && fd.error().errno_value == EBUSY)
        return fail(std::move(fd.error()).in("changing the partition table"));
    return {};
}

Status refuse_used_disk(Machine& machine, const Device& device) {
    if (const auto* disk = machine.disk_of(device))
        for (const auto& partition : partitions_of(*disk))
            SLIPWAY_CHECK(refuse_in_use(partition.name));
    return refuse_in_use(device.name);
}

// Negative ones count from the end: the last sector is -1.
Result<std::uint64_t> sector_of(const PartitionTable& table, std::int64_t sector) {
    auto total = static_cast<std::int64_t>(table.sectors());
    auto wanted = sector < 0 ? total + sector : sector;
    if (wanted < 0 || wanted >= total)
        return fail(Code::InvalidArgument,
                    fmt::format("sector {} is outside of the device, which has {}", sector, total));
    return static_cast<std::uint64_t>(wanted);
}

struct RoleName {
    std::string_view shorter;
    std::string_view name;
    Role role;
};
constexpr std::array roles{RoleName{"p", "primary", Role::Primary},
                           RoleName{"e", "extended", Role::Extended},
                           RoleName{"l", "logical", Role::Logical}};

// Those that a new or larger partition must not reach into.
Status refuse_overlap(const PartitionTable& table, Role role, std::uint64_t first,
                      std::uint64_t last, unsigned except = 0) {
    const auto sector = table.sector_size();
    bool inside = role != Role::Logical;
    for (const auto& each : table.partitions()) {
        auto begin = each.start / sector, end = (each.start + each.size) / sector - 1;
        if (role == Role::Logical && each.is_extended)
            inside = first > begin && last <= end;
        bool counts = role == Role::Logical ? each.is_logical : !each.is_logical;
        if (counts && each.number != except && first <= end && last >= begin)
            return fail(Code::InvalidArgument, fmt::format("sectors {} to {} overlap partition {}",
                                                           first, last, each.number));
    }
    if (!inside)
        return fail(Code::InvalidArgument, "a logical partition lies in an extended one");
    if (table.kind() == Kind::Gpt && (first < table.first_usable() || last > table.last_usable()))
        return fail(Code::InvalidArgument,
                    fmt::format("the table has room for partitions from sector {} to {}",
                                table.first_usable(), table.last_usable()));
    return {};
}

std::set<unsigned> numbers_of(const PartitionTable& table) {
    std::set<unsigned> numbers;
    for (const auto& partition : table.partitions())
        numbers.insert(partition.number);
    return numbers;
}

Status add_named(PartitionTable& table, const RoleName& role, std::uint64_t first,
                 std::uint64_t last, const std::string& name) {
    if (last < first)
        return fail(Code::InvalidArgument,
                    fmt::format("a partition cannot end at sector {}, before {}", last, first));
    bool gpt = table.kind() == Kind::Gpt;
    auto wanted = gpt ? Role::Primary : role.role;
    SLIPWAY_CHECK(refuse_overlap(table, wanted, first, last));
    auto before = numbers_of(table);
    SLIPWAY_CHECK(table.add(wanted, first, last));
    if (!gpt)
        return {};
    for (auto number : numbers_of(table))
        if (!before.contains(number)) {
            SLIPWAY_CHECK(table.set_type(number, linux_data));
            SLIPWAY_CHECK(table.set_name(number, name));
        }
    return {};
}

Status part_init(Machine& machine, const Device& device, const std::string& parttype) {
    SLIPWAY_TRY(auto kind, parse_kind(parttype));
    SLIPWAY_CHECK(refuse_used_disk(machine, device));
    SLIPWAY_TRY(auto table, PartitionTable::create(device.name, kind));
    return save_table(machine, device, table);
}

Status part_add(Machine& machine, const Device& device, const std::string& prlogex,
                std::int64_t startsect, std::int64_t endsect) {
    const auto* role = std::find_if(roles.begin(), roles.end(), [&](const auto& each) {
        return prlogex == each.shorter || prlogex == each.name;
    });
    if (role == roles.end())
        return fail(
            Code::InvalidArgument,
            fmt::format("'{}' is neither primary, extended nor logical", printable(prlogex)));
    if (startsect < 0)
        return fail(Code::InvalidArgument, "the first sector of a partition is negative");
    SLIPWAY_TRY(auto table, table_of(device));
    SLIPWAY_TRY(auto first, sector_of(table, startsect));
    SLIPWAY_TRY(auto last, sector_of(table, endsect));
    SLIPWAY_CHECK(add_named(table, *role, first, last, std::string(role->name)));
    return save_table(machine, device, table);
}

Status part_disk(Machine& machine, const Device& device, const std::string& parttype) {
    SLIPWAY_TRY(auto kind, parse_kind(parttype));
    SLIPWAY_CHECK(refuse_used_disk(machine, device));
    SLIPWAY_TRY(auto table, PartitionTable::create(device.name, kind));
    if (table.sectors() < 2 * margin + 1)
        return fail(Code::NoSpace, fmt::format("{} is too small for a partition", device.name));
    SLIPWAY_CHECK(add_named(table, roles[0], margin, table.sectors() - margin, "p1"));
    return save_table(machine, device, table);
}

Status part_del(Machine& machine, const Device& device, std::int64_t partnum) {
    SLIPWAY_TRY(auto number, parse_number_of(partnum));
    // Before the table is opened, which makes the whole disk busy.
    if (const auto* disk = machine.disk_of(device))
        for (const auto& each : partitions_of(*disk))
            if (each.name == fmt::format("{}{}", device.name, number))
                SLIPWAY_CHECK(refuse_in_use(each.name));
    SLIPWAY_TRY(auto table, table_of(device));
    SLIPWAY_CHECK(table.remove(number));
    return save_table(machine, device, table);
}

Status part_resize(Machine& machine, const Device& device, std::int64_t partnum,
                   std::int64_t endsect) {
    SLIPWAY_TRY(auto table, table_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    SLIPWAY_TRY(auto last, sector_of(table, endsect));
    auto first = partition.start / table.sector_size();
    if (last < (partition.start + partition.size) / table.sector_size() - 1)
        return fail(Code::InvalidArgument,
                    fmt::format("partition {} of {} would become smaller, and lose data",
                                partition.number, device.name),
                    "part_del and part_add make a smaller one");
    auto role = partition.is_logical    ? Role::Logical
                : partition.is_extended ? Role::Extended
                                        : Role::Primary;
    SLIPWAY_CHECK(refuse_overlap(table, role, first, last, partition.number));
    SLIPWAY_CHECK(table.resize(partition.number, last));
    return save_table(machine, device, table);
}

Status part_expand_gpt(Machine& machine, const Device& device) {
    SLIPWAY_TRY(auto table, gpt_of(device));
    SLIPWAY_CHECK(table.move_to_end());
    return save_table(machine, device, table);
}

Json partition_record(std::uint64_t number, std::uint64_t start, std::uint64_t size) {
    return {{"part_num", number},
            {"part_start", start},
            {"part_end", start + size - 1},
            {"part_size", size}};
}

Result<Json> part_list(Machine&, const Device& device) {
    auto list = Json::array();
    auto table = table_of(device);
    if (!table) {
        if (!holds_filesystem_alone(device))
            return fail(std::move(table).error());
        SLIPWAY_TRY(auto size, size_of(device));
        list.push_back(partition_record(1, 0, size));
        return list;
    }
    for (const auto& each : table->partitions())
        list.push_back(partition_record(each.number, each.start, each.size));
    return list;
}

Result<std::string> part_get_parttype(Machine&, const Device& device) {
    return table_type_of(device);
}

Result<bool> part_get_bootable(Machine&, const Device& device, std::int64_t partnum) {
    SLIPWAY_TRY(auto table, table_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    return partition.bootable || partition.type == system_partition;
}

Status part_set_bootable(Machine& machine, const Device& device, std::int64_t partnum,
                         bool bootable) {
    SLIPWAY_TRY(auto table, table_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    // One is active at most. With GPT firmware starts what is on the system partition.
    if (table.kind() == Kind::Mbr)
        for (const auto& each : table.partitions()) {
            if (each.number == partition.number)
                SLIPWAY_CHECK(table.set_bootable(each.number, bootable));
            else if (bootable && each.bootable)
                SLIPWAY_CHECK(table.set_bootable(each.number, false));
        }
    else if (bootable != (partition.type == system_partition))
        SLIPWAY_CHECK(table.set_type(partition.number, bootable ? system_partition : linux_data));
    return save_table(machine, device, table);
}

// "/dev/sda" and 1 of "/dev/sda1", "/dev/md127" and 2 of "/dev/md127p2".
Result<std::pair<std::string, std::int64_t>> split_name(const Device& partition) {
    std::string_view name = partition.name;
    auto digits = name.size() - std::min(name.size(), name.find_last_not_of("0123456789") + 1);
    auto number = digits == 0 ? std::nullopt : parse_number(name.substr(name.size() - digits));
    auto disk = name.substr(0, name.size() - digits);
    bool of_md = disk.starts_with("/dev/md") && disk.ends_with("p");
    if (!number || (!of_md && !disk.starts_with("/dev/sd")))
        return fail(Code::InvalidArgument, fmt::format("{} is no partition", partition.name));
    return std::pair{std::string(of_md ? disk.substr(0, disk.size() - 1) : disk),
                     static_cast<std::int64_t>(*number)};
}

Result<std::string> part_to_dev(Machine&, const Device& partition) {
    SLIPWAY_TRY(auto parts, split_name(partition));
    return parts.first;
}

Result<std::int64_t> part_to_partnum(Machine&, const Device& partition) {
    SLIPWAY_TRY(auto parts, split_name(partition));
    return parts.second;
}

// With lines as sfdisk(8) takes them. The numbers of a geometry mean nothing to it any more.
Status run_sfdisk(Machine& machine, const Device& device, Strings options, const Strings& lines) {
    SLIPWAY_CHECK(refuse_used_disk(machine, device));
    options.insert(options.begin(), {"sfdisk", "--no-reread", "--no-tell-kernel", "--force"});
    options.push_back(device.name);
    SLIPWAY_TRY([[maybe_unused]] auto done,
                machine.run(std::move(options), join(lines, "\n") + "\n"));
    auto* disk = machine.disk_of(device);
    return disk == nullptr ? Status{} : machine.look_at(*disk);
}
Status sfdisk(Machine& machine, const Device& device, std::int64_t, std::int64_t, std::int64_t,
              const Strings& lines) {
    return run_sfdisk(machine, device, {}, lines);
}
Status sfdisk_N(Machine& machine, const Device& device, std::int64_t partnum, std::int64_t,
                std::int64_t, std::int64_t, const std::string& line) {
    SLIPWAY_TRY(auto number, parse_number_of(partnum));
    return run_sfdisk(machine, device, {"-N", std::to_string(number)}, {line});
}
Result<std::string> sfdisk_l(Machine& machine, const Device& device) {
    return machine.run({"sfdisk", "-l", device.name});
}
Result<std::string> geometry(Machine& machine, const Device& device) {
    return machine.run({"sfdisk", "-g", device.name});
}

} // namespace

Result<PartitionTable> table_of(const Device& device) {
    auto table = PartitionTable::read(device.name);
    if (!table && table.error().code == Code::NotFound)
        return fail(os_error(fmt::format("{} has no partition table", device.name), EINVAL));
    return table;
}

Result<PartitionTable> gpt_of(const Device& device) {
    SLIPWAY_TRY(auto table, table_of(device));
    if (table.kind() != Kind::Gpt)
        return fail(Code::InvalidArgument, fmt::format("{} has no GPT", device.name));
    return table;
}

Result<PartitionTable> mbr_of(const Device& device) {
    SLIPWAY_TRY(auto table, table_of(device));
    if (table.kind() != Kind::Mbr)
        return fail(Code::InvalidArgument, fmt::format("{} has no MBR", device.name));
    return table;
}

Result<unsigned> parse_number_of(std::int64_t partnum) {
    if (partnum < 1 || partnum > std::numeric_limits<int>::max())
        return fail(Code::InvalidArgument,
                    fmt::format("{}: partitions are numbered from 1", partnum));
    return static_cast<unsigned>(partnum);
}

Result<Partition> partition_of(const PartitionTable& table, const Device& device,
                               std::int64_t partnum) {
    SLIPWAY_TRY(auto number, parse_number_of(partnum));
    for (auto& partition : table.partitions())
        if (partition.number == number)
            return std::move(partition);
    return fail(Code::NotFound, fmt::format("{} has no partition {}", device.name, number));
}

Status save_table(Machine& machine, const Device& device, PartitionTable& table) {
    SLIPWAY_CHECK(table.write());
    auto* disk = machine.disk_of(device);
    return disk == nullptr ? Status{} : machine.look_at(*disk);
}

Calls partitions_calls() {
    static constexpr Call calls[] = {
        {"part_add", bind<part_add>},
        {"part_del", bind<part_del>},
        {"part_disk", bind<part_disk>},
        {"part_expand_gpt", bind<part_expand_gpt>},
        {"part_get_bootable", bind<part_get_bootable>},
        {"part_get_parttype", bind<part_get_parttype>},
        {"part_init", bind<part_init>},
        {"part_list", bind<part_list>},
        {"part_resize", bind<part_resize>},
        {"part_set_bootable", bind<part_set_bootable>},
        {"part_to_dev", bind<part_to_dev>},
        {"part_to_partnum", bind<part_to_partnum>},
        {"sfdisk", bind<sfdisk>},
        {"sfdisk_N", bind<sfdisk_N>},
        {"sfdisk_l", bind<sfdisk_l>},
        {"sfdisk_disk_geometry", bind<geometry>},
        {"sfdisk_kernel_geometry", bind<geometry>},
    };
    return calls;
}

} // namespace slipway::calls
