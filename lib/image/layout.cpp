// SPDX-License-Identifier: Apache-2.0
#include "image/layout.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include <blkid/blkid.h>
#include <fmt/format.h>

namespace slipway::image {
namespace {

using ProbePtr = std::unique_ptr<std::remove_pointer_t<blkid_probe>, void (*)(blkid_probe)>;

ProbePtr new_probe() {
    return ProbePtr(blkid_new_probe(), blkid_free_probe);
}

std::string text_of(const char* text) {
    return text == nullptr ? std::string{} : std::string(text);
}

std::string value_of(blkid_probe probe, const char* name) {
    const char* data = nullptr;
    std::size_t size = 0;
    if (blkid_probe_lookup_value(probe, name, &data, &size) != 0 || data == nullptr)
        return {};
    return std::string(data, ::strnlen(data, size));
}

// ext2/3/4: s_state and s_feature_incompat of the superblock, see the kernel's
// Documentation/filesystems/ext4/super.rst; needs_recovery is INCOMPAT_RECOVER.
bool ext_needs_recovery(sys::BorrowedFd disk, std::uint64_t start) {
    constexpr std::uint64_t superblock = 1024, feature_incompat = 0x60;
    constexpr unsigned needs_recovery = 0x4;
    std::byte bits{};
    if (!sys::read_exactly_at(disk, {&bits, 1}, start + superblock + feature_incompat))
        return false;
    return (std::to_integer<unsigned>(bits) & needs_recovery) != 0;
}

void probe_filesystem(sys::BorrowedFd disk, report::Volume& volume) {
    auto probe = new_probe();
    if (!probe ||
        blkid_probe_set_device(probe.get(), disk.raw(), static_cast<blkid_loff_t>(volume.start),
                               static_cast<blkid_loff_t>(volume.size)) != 0)
        return;
    blkid_probe_enable_superblocks(probe.get(), 1);
    blkid_probe_set_superblocks_flags(probe.get(),
                                      BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
    // Ambivalent results (-2) and none (1) both mean: unknown.
    if (blkid_do_safeprobe(probe.get()) != 0)
        return;
    volume.type = value_of(probe.get(), "TYPE");
    volume.label = value_of(probe.get(), "LABEL");
    volume.uuid = value_of(probe.get(), "UUID");
    if (volume.type == "ext3" || volume.type == "ext4")
        volume.dirty = ext_needs_recovery(disk, volume.start);
}

report::Volume volume_of(blkid_partition partition, const std::string& disk, bool gpt) {
    constexpr std::uint64_t sector = 512; // libblkid's unit, whatever the disk's sector size is
    auto number = blkid_partition_get_partno(partition);
    return {.name = fmt::format("{}{}", disk, number),
            .disk = disk,
            .partition = static_cast<unsigned>(number),
            .start = static_cast<std::uint64_t>(blkid_partition_get_start(partition)) * sector,
            .size = static_cast<std::uint64_t>(blkid_partition_get_size(partition)) * sector,
            .type = "",
            .partuuid = text_of(blkid_partition_get_uuid(partition)),
            .partlabel = text_of(blkid_partition_get_name(partition)),
            .parttype = gpt ? text_of(blkid_partition_get_type_string(partition))
                            : fmt::format("0x{:02x}", blkid_partition_get_type(partition)),
            .bootable = !gpt && (blkid_partition_get_flags(partition) & 0x80) != 0};
}

} // namespace

report::Volume probe_volume(sys::BorrowedFd device, const std::string& name, std::uint64_t size) {
    report::Volume volume{.name = name, .disk = name, .start = 0, .size = size, .type = ""};
    probe_filesystem(device, volume);
    return volume;
}

std::string table_type(sys::BorrowedFd disk, std::uint64_t size) {
    auto probe = new_probe();
    if (!probe ||
        blkid_probe_set_device(probe.get(), disk.raw(), 0, static_cast<blkid_loff_t>(size)) != 0)
        return {};
    blkid_probe_enable_partitions(probe.get(), 1);
    auto* partitions = blkid_probe_get_partitions(probe.get());
    auto* table = partitions == nullptr ? nullptr : blkid_partlist_get_table(partitions);
    return table == nullptr ? std::string{} : text_of(blkid_parttable_get_type(table));
}

Status wipe_signatures(sys::BorrowedFd device) {
    auto probe = new_probe();
    if (!probe || blkid_probe_set_device(probe.get(), device.raw(), 0, 0) != 0)
        return fail_errno("looking for what is on a device");
    blkid_probe_enable_superblocks(probe.get(), 1);
    blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM);
    blkid_probe_enable_partitions(probe.get(), 1);
    blkid_probe_set_partitions_flags(probe.get(), BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
    while (blkid_do_probe(probe.get()) == 0)
        if (blkid_do_wipe(probe.get(), 0) != 0)
            return fail_errno("taking off what is on a device");
    return {};
}

std::string disk_name(unsigned index, std::string_view prefix) {
    std::string letters;
    for (unsigned rest = index + 1; rest > 0; rest = (rest - 1) / 26)
        letters.insert(letters.begin(), static_cast<char>('a' + (rest - 1) % 26));
    return fmt::format("{}{}", prefix, letters);
}

Result<DiskLayout> probe_layout(sys::BorrowedFd disk, const std::string& name, std::uint64_t size) {
    DiskLayout layout{.table = "none"};
    auto probe = new_probe();
    if (!probe ||
        blkid_probe_set_device(probe.get(), disk.raw(), 0, static_cast<blkid_loff_t>(size)) != 0)
        return fail(Code::Internal, "libblkid could not be set up");
    blkid_probe_enable_partitions(probe.get(), 1);
    auto* partitions = blkid_probe_get_partitions(probe.get());
    auto* table = partitions == nullptr ? nullptr : blkid_partlist_get_table(partitions);
    if (table == nullptr) {
        auto whole = probe_volume(disk, name, size);
        if (!whole.type.empty())
            layout.volumes.push_back(std::move(whole));
        return layout;
    }
    layout.table = text_of(blkid_parttable_get_type(table));
    layout.table_id = text_of(blkid_parttable_get_id(table));
    for (int i = 0; i < blkid_partlist_numof_partitions(partitions); ++i) {
        auto* partition = blkid_partlist_get_partition(partitions, i);
        if (blkid_partition_is_extended(partition) != 0)
            continue;
        auto volume = volume_of(partition, name, layout.table == "gpt");
        if (volume.start > size || volume.size > size - volume.start)
            return fail(Code::Corrupt,
                        fmt::format("partition {} reaches past the end of the disk", volume.name),
                        "the image may be truncated: copy it again from its origin");
        probe_filesystem(disk, volume);
        layout.volumes.push_back(std::move(volume));
    }
    std::sort(layout.volumes.begin(), layout.volumes.end(),
              [](const auto& a, const auto& b) { return a.partition < b.partition; });
    return layout;
}

} // namespace slipway::image
