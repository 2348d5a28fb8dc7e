// SPDX-License-Identifier: Apache-2.0
#include <string_view>

#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "enter/guest_machine.hpp"

namespace slipway::enter {
namespace {

// A value with a line break could add records of its own, and udev itself never writes one.
void add_property(std::string& record, std::string_view name, const std::string& value) {
    if (!value.empty() && value.find_first_of("\n\r") == std::string::npos)
        record += fmt::format("E:{}={}\n", name, value);
}

std::string render_record(const GuestPartition& partition) {
    std::string record = "I:1\n";
    add_property(record, "ID_FS_TYPE", partition.fstype);
    add_property(record, "ID_FS_UUID", partition.uuid);
    add_property(record, "ID_FS_UUID_ENC", encode_udev_name(partition.uuid));
    add_property(record, "ID_FS_LABEL", encode_udev_name(partition.label));
    add_property(record, "ID_FS_LABEL_ENC", encode_udev_name(partition.label));
    add_property(record, "ID_PART_ENTRY_UUID", partition.partuuid);
    add_property(record, "ID_PART_ENTRY_NAME", encode_udev_name(partition.partlabel));
    if (partition.number != 0)
        add_property(record, "ID_PART_ENTRY_NUMBER", std::to_string(partition.number));
    return record + "V:1\n";
}

} // namespace

Tree plan_udev_database(const RootSpec& spec) {
    Tree tree{{TreeEntry::Kind::Directory, fmt::format("{}/data", udev_directory)}};
    for (const auto& partition : spec.partitions)
        tree.push_back({TreeEntry::Kind::File,
                        fmt::format("{}/data/b{}:{}", udev_directory, major(partition.device),
                                    minor(partition.device)),
                        render_record(partition)});
    return tree;
}

} // namespace slipway::enter
