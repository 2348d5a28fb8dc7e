// SPDX-License-Identifier: Apache-2.0
// The format: two numbers (entries of the index, bytes of data), the index, the data. An entry is
// tag, type, offset into the data, count. Big-endian. See rpm's docs/manual/hregions.md.
#include "guest/rpm_header.hpp"

#include <algorithm>

#include "guest/package_texts.hpp"
#include "image/byte_order.hpp"

namespace slipway::guest {
namespace {

using image::big_endian;

constexpr std::size_t intro_size = 8, entry_size = 16;
// Real headers have about a hundred entries, and the names that we want lie before the lists of
// files. A hostile database shall not make us read more than that of each of its packages.
constexpr std::size_t most_entries = 1024, furthest_value = 256 << 10;

enum Tag : std::uint32_t {
    Name = 1000,
    Version = 1001,
    Release = 1002,
    Epoch = 1003,
    Summary = 1004,
    Description = 1005,
    Url = 1020,
    Arch = 1022,
};
enum Type : std::uint32_t { Int32 = 4, String = 6 };

auto corrupt() {
    return fail(Code::Corrupt, "the header of a package contradicts itself");
}

class Header {
public:
    Header(HeaderBlob& blob, std::size_t data_at) : blob_(blob), data_at_(data_at) {}

    [[nodiscard]] Status take(std::string_view entry, report::Package& package) {
        auto type = big_endian<std::uint32_t>(entry, 4);
        auto offset = big_endian<std::uint32_t>(entry, 8);
        switch (big_endian<std::uint32_t>(entry, 0)) {
        case Name:
            return take_string(type, offset, package.name);
        case Version:
            return take_string(type, offset, package.version);
        case Release:
            return take_string(type, offset, package.release);
        case Arch:
            return take_string(type, offset, package.arch);
        case Url:
            package.url = package_field(text(offset));
            return {};
        case Summary:
            package.summary = package_field(text(offset));
            return {};
        case Description:
            package.description = package_lines(text(offset));
            return {};
        case Epoch: {
            if (type != Int32)
                return corrupt();
            SLIPWAY_TRY(auto bytes, read(offset, 4));
            if (bytes.size() < 4)
                return corrupt();
            package.epoch = big_endian<std::uint32_t>(bytes, 0);
            return {};
        }
        default:
            return {};
        }
    }

private:
    // Fewer bytes where the header ends before.
    [[nodiscard]] Result<std::string> read(std::size_t offset, std::size_t count) {
        if (offset >= blob_.size() - data_at_ || offset > furthest_value)
            return corrupt();
        return blob_.read(data_at_ + offset, std::min(count, blob_.size() - data_at_ - offset));
    }

    // Of what is only shown; of translations the first, which is English. "" where it is damaged.
    [[nodiscard]] std::string text(std::size_t offset) {
        constexpr std::size_t longest = 8 << 10;
        auto bytes = read(offset, longest);
        return bytes ? bytes->substr(0, bytes->find('\0')) : std::string{};
    }

    [[nodiscard]] Status take_string(std::uint32_t type, std::size_t offset, std::string& value) {
        constexpr std::size_t longest = 256;
        if (type != String)
            return corrupt();
        SLIPWAY_TRY(auto bytes, read(offset, longest));
        value = package_field(std::string_view(bytes).substr(0, bytes.find('\0')));
        return {};
    }

    HeaderBlob& blob_;
    std::size_t data_at_;
};

} // namespace

Result<report::Package> parse_rpm_header(HeaderBlob& blob) {
    if (blob.size() < intro_size)
        return corrupt();
    SLIPWAY_TRY(auto intro, blob.read(0, intro_size));
    std::size_t entries = big_endian<std::uint32_t>(intro, 0);
    std::size_t data_size = big_endian<std::uint32_t>(intro, 4);
    if (entries > most_entries || intro_size + entries * entry_size + data_size > blob.size())
        return corrupt();
    SLIPWAY_TRY(auto index, blob.read(intro_size, entries * entry_size));
    Header header(blob, intro_size + entries * entry_size);
    report::Package package;
    for (std::size_t i = 0; i < entries; ++i)
        SLIPWAY_CHECK(
            header.take(std::string_view(index).substr(i * entry_size, entry_size), package));
    if (package.name.empty())
        return corrupt();
    return package;
}

} // namespace slipway::guest
