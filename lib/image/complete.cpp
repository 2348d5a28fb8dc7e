// SPDX-License-Identifier: Apache-2.0
#include "image/complete.hpp"

#include <cstddef>
#include <span>

#include <sys/stat.h>

#include <fmt/format.h>

#include "image/byte_order.hpp"
#include "image/qemu_img.hpp"

namespace slipway::image {
namespace {

Error cut_off(std::string what) {
    return {.code = Code::Corrupt,
            .what = std::move(what),
            .hint = "copy the image again from its origin"};
}

// With lazy refcounts a qcow2 that nobody closed has stale counts, which are no damage: QEMU's
// docs/interop/qcow2.txt, "incompatible_features".
bool has_stale_refcounts(sys::BorrowedFd file) {
    std::string head(80, '\0');
    if (!sys::read_exactly_at(file, std::as_writable_bytes(std::span(head)), 0))
        return false;
    constexpr std::uint64_t dirty_bit = 1;
    return big_endian<std::uint32_t>(head, 4) >= 3 &&
           (big_endian<std::uint64_t>(head, 72) & dirty_bit) != 0;
}

// UEFI specification, "Protective MBR": without one of its type a GPT is a leftover.
bool has_protective_mbr(sys::BorrowedFd file) {
    std::string sector(512, '\0');
    if (!sys::read_exactly_at(file, std::as_writable_bytes(std::span(sector)), 0) ||
        !sector.ends_with("\x55\xaa"))
        return false;
    constexpr std::size_t first_type = 446 + 4, entry = 16, entries = 4;
    for (std::size_t i = 0; i < entries; ++i)
        if (sector[first_type + i * entry] == '\xee')
            return true;
    return false;
}

// UEFI specification, "GPT Header": LastUsableLBA. Neither Linux nor libblkid reads such a table.
Status check_gpt_end(sys::BorrowedFd file) {
    struct stat info {};
    if (::fstat(file.raw(), &info) != 0 || !S_ISREG(info.st_mode) || !has_protective_mbr(file))
        return {};
    constexpr std::size_t last_at = 48;
    for (std::uint64_t sector : {512, 4096}) {
        std::string head(last_at + 8, '\0');
        if (!sys::read_exactly_at(file, std::as_writable_bytes(std::span(head)), sector) ||
            !head.starts_with("EFI PART"))
            continue;
        auto last = little_endian<std::uint64_t>(head, last_at);
        auto sectors = static_cast<std::uint64_t>(info.st_size) / sector;
        if (last >= sectors)
            return fail(cut_off(fmt::format("the image is cut off: its partition table (GPT) names "
                                            "sector {}, and there are {}",
                                            last, sectors)));
    }
    return {};
}

} // namespace

Status check_vdi_length(sys::BorrowedFd file) {
    // VirtualBox, include/VBox/vdi.h (VDIHEADER1), little-endian.
    constexpr std::uint64_t data_offset = 0x158, block_size = 0x178, block_count = 0x184;
    auto field = [&](std::uint64_t at) -> std::uint64_t {
        std::string bytes(4, '\0');
        if (!sys::read_exactly_at(file, std::as_writable_bytes(std::span(bytes)), at))
            return 0;
        return little_endian<std::uint32_t>(bytes, 0);
    };
    struct stat info {};
    if (::fstat(file.raw(), &info) != 0)
        return fail_errno("looking at the image");
    auto wanted = field(data_offset) + field(block_size) * field(block_count);
    if (!S_ISREG(info.st_mode) || static_cast<std::uint64_t>(info.st_size) >= wanted)
        return {};
    return fail(
        cut_off(fmt::format("the image is cut off: its header speaks of {} bytes, and there are {}",
                            wanted, info.st_size)));
}

Status check_complete(const sys::Host& host, const Source& source) {
    Status checked;
    switch (source.format()) {
    case Format::Vdi:
        checked = check_vdi_length(source.fd());
        break;
    case Format::Qcow2:
        if (!has_stale_refcounts(source.fd()))
            checked = check_tables(host, source.graph());
        break;
    case Format::Vmdk:
        checked = check_tables(host, source.graph());
        break;
    case Format::Raw:
        checked = check_gpt_end(source.fd());
        break;
    default:
        break;
    }
    if (!checked)
        return fail(std::move(checked.error()).in(source.path()));
    return source.backing() == nullptr ? Status{} : check_complete(host, *source.backing());
}

} // namespace slipway::image
