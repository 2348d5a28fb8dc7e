// SPDX-License-Identifier: Apache-2.0
#include "image/complete.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include <sys/stat.h>

#include <fmt/format.h>

#include "image/qemu_img.hpp"

namespace slipway::image {
namespace {

Error cut_off(std::string what) {
    return {.code = Code::Corrupt,
            .what = std::move(what),
            .hint = "copy the image again from its origin"};
}

std::uint64_t number(std::span<const std::byte> bytes) {
    std::uint64_t value = 0;
    for (auto byte : bytes)
        value = value << 8 | std::to_integer<std::uint64_t>(byte);
    return value;
}

// With lazy refcounts a qcow2 that nobody closed has stale counts, which are no damage: QEMU's
// docs/interop/qcow2.txt, "incompatible_features".
bool has_stale_refcounts(sys::BorrowedFd file) {
    std::array<std::byte, 80> head{};
    if (!sys::read_exactly_at(file, head, 0))
        return false;
    constexpr std::uint64_t dirty_bit = 1;
    auto bytes = std::span<const std::byte>(head);
    return number(bytes.subspan(4, 4)) >= 3 && (number(bytes.subspan(72, 8)) & dirty_bit) != 0;
}

} // namespace

Status check_vdi_length(sys::BorrowedFd file) {
    // VirtualBox, include/VBox/vdi.h (VDIHEADER1), little-endian.
    constexpr std::uint64_t data_offset = 0x158, block_size = 0x178, block_count = 0x184;
    auto field = [&](std::uint64_t at) -> std::uint64_t {
        std::array<std::byte, 4> bytes{};
        if (!sys::read_exactly_at(file, bytes, at))
            return 0;
        std::reverse(bytes.begin(), bytes.end());
        return number(bytes);
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
    default:
        break;
    }
    if (!checked)
        return fail(std::move(checked.error()).in(source.path()));
    return source.backing() == nullptr ? Status{} : check_complete(host, *source.backing());
}

} // namespace slipway::image
