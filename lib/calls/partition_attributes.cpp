// SPDX-License-Identifier: Apache-2.0
// Calls on what a partition table says of its partitions and of itself.
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

Result<std::string> part_get_name(Machine&, const Device& device, std::int64_t partnum) {
    SLIPWAY_TRY(auto table, gpt_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    return partition.name;
}

Status part_set_name(Machine& machine, const Device& device, std::int64_t partnum,
                     const std::string& name) {
    SLIPWAY_TRY(auto table, gpt_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    SLIPWAY_CHECK(table.set_name(partition.number, name));
    return save_table(machine, device, table);
}

Result<std::string> parse_guid(const std::string& text) {
    // "5110C0DE-0001-4000-8000-0000000000AA", with or without braces.
    auto guid = text;
    if (guid.size() == 38 && guid.front() == '{' && guid.back() == '}')
        guid = guid.substr(1, 36);
    constexpr std::array<std::size_t, 4> hyphens{8, 13, 18, 23};
    bool good = guid.size() == 36;
    for (std::size_t i = 0; good && i < guid.size(); ++i)
        good = std::find(hyphens.begin(), hyphens.end(), i) != hyphens.end()
                   ? guid[i] == '-'
                   : std::isxdigit(static_cast<unsigned char>(guid[i])) != 0;
    if (!good)
        return fail(Code::InvalidArgument, fmt::format("'{}' is no GUID", printable(text)));
    return guid;
}

Result<std::string> part_get_gpt_type(Machine&, const Device& device, std::int64_t partnum) {
    SLIPWAY_TRY(auto table, gpt_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    return partition.type;
}

Status part_set_gpt_type(Machine& machine, const Device& device, std::int64_t partnum,
                         const std::string& guid) {
    SLIPWAY_TRY(auto type, parse_guid(guid));
    SLIPWAY_TRY(auto table, gpt_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    SLIPWAY_CHECK(table.set_type(partition.number, type));
    return save_table(machine, device, table);
}

Result<std::string> part_get_gpt_guid(Machine&, const Device& device, std::int64_t partnum) {
    SLIPWAY_TRY(auto table, gpt_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    return partition.uuid;
}

Status part_set_gpt_guid(Machine& machine, const Device& device, std::int64_t partnum,
                         const std::string& guid) {
    SLIPWAY_TRY(auto uuid, parse_guid(guid));
    SLIPWAY_TRY(auto table, gpt_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    SLIPWAY_CHECK(table.set_uuid(partition.number, uuid));
    return save_table(machine, device, table);
}

Result<std::int64_t> part_get_gpt_attributes(Machine&, const Device& device, std::int64_t partnum) {
    SLIPWAY_TRY(auto table, gpt_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    SLIPWAY_TRY(auto bits, table.attributes(partition.number));
    return static_cast<std::int64_t>(bits);
}

Status part_set_gpt_attributes(Machine& machine, const Device& device, std::int64_t partnum,
                               std::int64_t attributes) {
    SLIPWAY_TRY(auto table, gpt_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    SLIPWAY_CHECK(table.set_attributes(partition.number, static_cast<std::uint64_t>(attributes)));
    return save_table(machine, device, table);
}

Result<std::string> part_get_disk_guid(Machine&, const Device& device) {
    SLIPWAY_TRY(auto table, gpt_of(device));
    return table.disk_id();
}

Status part_set_disk_guid(Machine& machine, const Device& device, const std::string& guid) {
    SLIPWAY_TRY(auto id, parse_guid(guid));
    SLIPWAY_TRY(auto table, gpt_of(device));
    SLIPWAY_CHECK(table.set_disk_id(id));
    return save_table(machine, device, table);
}

Status part_set_disk_guid_random(Machine& machine, const Device& device) {
    return part_set_disk_guid(machine, device, random_uuid());
}

Result<std::int64_t> part_get_mbr_id(Machine&, const Device& device, std::int64_t partnum) {
    SLIPWAY_TRY(auto table, mbr_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    return std::stoll(partition.type, nullptr, 16);
}

Status part_set_mbr_id(Machine& machine, const Device& device, std::int64_t partnum,
                       std::int64_t idbyte) {
    if (idbyte < 1 || idbyte > 255)
        return fail(Code::InvalidArgument, fmt::format("{} is no type of a partition", idbyte));
    SLIPWAY_TRY(auto table, mbr_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    SLIPWAY_CHECK(table.set_type(partition.number, fmt::format("{:02x}", idbyte)));
    return save_table(machine, device, table);
}

Result<std::string> part_get_mbr_part_type(Machine&, const Device& device, std::int64_t partnum) {
    SLIPWAY_TRY(auto table, table_of(device));
    SLIPWAY_TRY(auto partition, partition_of(table, device, partnum));
    return std::string(partition.is_extended  ? "extended"
                       : partition.is_logical ? "logical"
                                              : "primary");
}

} // namespace

Calls partition_attribute_calls() {
    static constexpr Call calls[] = {
        {"part_get_disk_guid", bind<part_get_disk_guid>},
        {"part_get_gpt_attributes", bind<part_get_gpt_attributes>},
        {"part_get_gpt_guid", bind<part_get_gpt_guid>},
        {"part_get_gpt_type", bind<part_get_gpt_type>},
        {"part_get_mbr_id", bind<part_get_mbr_id>},
        {"part_get_mbr_part_type", bind<part_get_mbr_part_type>},
        {"part_get_name", bind<part_get_name>},
        {"part_set_disk_guid", bind<part_set_disk_guid>},
        {"part_set_disk_guid_random", bind<part_set_disk_guid_random>},
        {"part_set_gpt_attributes", bind<part_set_gpt_attributes>},
        {"part_set_gpt_guid", bind<part_set_gpt_guid>},
        {"part_set_gpt_type", bind<part_set_gpt_type>},
        {"part_set_mbr_id", bind<part_set_mbr_id>},
        {"part_set_name", bind<part_set_name>},
    };
    return calls;
}

} // namespace slipway::calls
