// SPDX-License-Identifier: Apache-2.0
#include "image/identity.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/strings.hpp"
#include "image/byte_order.hpp"

namespace slipway::image {
namespace {

constexpr std::uint64_t sector = 512;
constexpr std::uint64_t max_descriptor = 1 << 20;

std::span<std::byte> writable(std::string& bytes) {
    return std::as_writable_bytes(std::span(bytes));
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
    std::string head(descriptor_size + sizeof(std::uint64_t), '\0');
    SLIPWAY_CHECK(sys::read_exactly_at(file, writable(head), 0));
    auto offset = little_endian<std::uint64_t>(head, descriptor_offset) * sector;
    auto size = little_endian<std::uint64_t>(head, descriptor_size) * sector;
    if (offset == 0 || size == 0 || size > max_descriptor)
        return {};
    std::string descriptor(size, '\0');
    SLIPWAY_CHECK(sys::read_exactly_at(file, writable(descriptor), offset));
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
    SLIPWAY_CHECK(sys::read_exactly_at(from, writable(four), uuids));
    return sys::write_all_at(to, four, uuids);
}

bool is_static_vdi(sys::BorrowedFd file) {
    constexpr std::uint64_t image_type = 0x4c, fixed = 2;
    std::string type(4, '\0');
    return sys::read_exactly_at(file, writable(type), image_type) &&
           little_endian<std::uint32_t>(type, 0) == fixed;
}

} // namespace slipway::image
