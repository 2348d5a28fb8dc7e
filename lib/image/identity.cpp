// SPDX-License-Identifier: Apache-2.0
#include "image/identity.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/strings.hpp"

namespace slipway::image {
namespace {

constexpr std::uint64_t sector = 512;
constexpr std::uint64_t max_descriptor = 1 << 20;

std::uint64_t little_endian(std::span<const std::byte> bytes) {
    std::uint64_t value = 0;
    for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte)
        value = value << 8 | std::to_integer<std::uint64_t>(*byte);
    return value;
}

// The descriptor with another name in its extent line; "" without such a line.
std::string renamed(const std::string& descriptor, const std::string& name) {
    for (const auto* kind : {" SPARSE \"", " FLAT \""}) {
        auto begin = descriptor.find(kind);
        if (begin == std::string::npos)
            continue;
        begin += std::string_view(kind).size();
        auto end = descriptor.find('"', begin);
        if (end != std::string::npos)
            return descriptor.substr(0, begin) + name + descriptor.substr(end);
    }
    return {};
}

} // namespace

Status name_vmdk_extent(sys::BorrowedFd file, const std::string& name) {
    // SparseExtentHeader: magic, version, flags, capacity, grainSize, descriptorOffset and
    // descriptorSize in sectors.
    constexpr std::uint64_t descriptor_offset = 28, descriptor_size = 36;
    std::array<std::byte, 44> head{};
    SLIPWAY_CHECK(sys::read_exactly_at(file, head, 0));
    auto header = std::span<const std::byte>(head);
    auto offset = little_endian(header.subspan(descriptor_offset, 8)) * sector;
    auto size = little_endian(header.subspan(descriptor_size, 8)) * sector;
    if (offset == 0 || size == 0 || size > max_descriptor)
        return {};
    std::string descriptor(size, '\0');
    SLIPWAY_CHECK(
        sys::read_exactly_at(file, std::as_writable_bytes(std::span(descriptor)), offset));
    descriptor.resize(std::min(descriptor.find('\0'), descriptor.size()));
    auto text = renamed(descriptor, name);
    if (text.empty() || text.size() >= size || name != printable(name) ||
        name.find('"') != std::string::npos)
        return {};
    text.resize(size);
    return sys::write_all_at(file, text, offset);
}

// VirtualBox, include/VBox/vdi.h (VDIHEADER1).
Status copy_vdi_uuids(sys::BorrowedFd from, sys::BorrowedFd to) {
    constexpr std::uint64_t uuids = 0x188;
    std::string four(std::size_t{4} * 16, '\0'); // image, last modification, link, parent
    SLIPWAY_CHECK(sys::read_exactly_at(from, std::as_writable_bytes(std::span(four)), uuids));
    return sys::write_all_at(to, four, uuids);
}

bool is_static_vdi(sys::BorrowedFd file) {
    constexpr std::uint64_t image_type = 0x4c, fixed = 2;
    std::array<std::byte, 4> type{};
    return sys::read_exactly_at(file, type, image_type) && little_endian(type) == fixed;
}

} // namespace slipway::image
