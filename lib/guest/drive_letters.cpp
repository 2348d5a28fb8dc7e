// SPDX-License-Identifier: Apache-2.0
#include "guest/drive_letters.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "image/byte_order.hpp"

namespace slipway::guest {
namespace {

using image::little_endian;
using report::Inventory;
using report::Volume;

constexpr std::string_view gpt_mark = "DMIO:ID:";

// The first three fields of a GUID are little-endian numbers.
std::string guid_text(std::string_view bytes) {
    auto tail = [&](std::size_t from, std::size_t to) {
        std::string text;
        for (auto at = from; at < to; ++at)
            text += fmt::format("{:02x}", static_cast<unsigned char>(bytes[at]));
        return text;
    };
    return fmt::format("{:08x}-{:04x}-{:04x}-{}-{}", little_endian<std::uint32_t>(bytes, 0),
                       little_endian<std::uint16_t>(bytes, 4),
                       little_endian<std::uint16_t>(bytes, 6), tail(8, 10), tail(10, 16));
}

const Volume* volume_with_partuuid(const Inventory& inventory, const std::string& guid) {
    for (const auto& volume : inventory.volumes)
        if (to_lower(volume.partuuid) == guid)
            return &volume;
    return nullptr;
}

const Volume* volume_at(const Inventory& inventory, const std::string& signature,
                        std::uint64_t start) {
    for (const auto& disk : inventory.disks)
        if (to_lower(disk.table_id) == signature)
            for (const auto& volume : inventory.volumes)
                if (volume.disk == disk.name && volume.partition != 0 && volume.start == start)
                    return &volume;
    return nullptr;
}

/// "DMIO:ID:" and the GUID of a GPT partition, or signature and offset of an MBR partition.
const Volume* volume_of(const Inventory& inventory, std::string_view value) {
    if (value.starts_with(gpt_mark) && value.size() >= gpt_mark.size() + 16)
        return volume_with_partuuid(inventory, guid_text(value.substr(gpt_mark.size())));
    if (value.size() != 12)
        return nullptr;
    return volume_at(inventory, fmt::format("{:08x}", little_endian<std::uint32_t>(value, 0)),
                     little_endian<std::uint64_t>(value, 4));
}

/// Windows has the letter of a BitLocker volume for what is in it.
const Volume& unlocked(const Inventory& inventory, const Volume& volume) {
    for (const auto& inner : inventory.volumes)
        if (inner.kind == "bitlocker" && inner.stands_on == std::vector{volume.name})
            return inner;
    return volume;
}

/// The letter of "\DosDevices\C:", or "".
std::string letter_of(std::string_view name) {
    constexpr std::string_view prefix = "\\dosdevices\\";
    auto folded = to_lower(name);
    if (!folded.starts_with(prefix) || folded.size() != prefix.size() + 2 || folded.back() != ':')
        return {};
    char letter = folded[prefix.size()];
    if (letter < 'a' || letter > 'z')
        return {};
    return {static_cast<char>(letter - 'a' + 'A')};
}

} // namespace

std::vector<report::DriveMapping> map_drives(const std::vector<RegistryValue>& mounted_devices,
                                             const Inventory& inventory) {
    std::vector<report::DriveMapping> drives;
    for (const auto& value : mounted_devices) {
        auto letter = letter_of(value.name);
        const auto* volume = letter.empty() ? nullptr : volume_of(inventory, value.bytes);
        if (volume != nullptr)
            drives.push_back({letter, unlocked(inventory, *volume).name});
    }
    std::sort(drives.begin(), drives.end(),
              [](const auto& a, const auto& b) { return a.letter < b.letter; });
    return drives;
}

} // namespace slipway::guest
