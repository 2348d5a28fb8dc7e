// SPDX-License-Identifier: Apache-2.0
#include "loading/image_format.hpp"

#include <bit>
#include <cstring>
#include <optional>
#include <vector>

#include <endian.h>
#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/units.hpp"

namespace slipway::loading {
namespace {

using namespace std::string_view_literals;

struct Magic {
    std::size_t at;
    std::string_view bytes;
    std::optional<ImageFormat> format;
    std::string_view instead{}; ///< of what is none
};

constexpr std::string_view as_raw =
    "`slipway netboot serve` offers it raw; or make an image of its "
    "root with `slipway netboot pack`";
constexpr std::string_view not_packed = "pack it as squashfs, erofs or tar";

const std::vector<Magic>& magics() {
    static const std::vector<Magic> all{
        {0, "hsqs"sv, ImageFormat::Squashfs},
        {1024, "\xe2\xe1\xf5\xe0"sv, ImageFormat::Erofs},
        {1080, "\x53\xef"sv, ImageFormat::Ext4},
        {0, "XFSB"sv, ImageFormat::Xfs},
        {65600, "_BHRfS_M"sv, ImageFormat::Btrfs},
        {257, "ustar"sv, ImageFormat::Tar},
        {0, "\x1f\x8b"sv, ImageFormat::Tar},
        {0,
         "\xfd"
         "7zXZ\0"sv,
         ImageFormat::Tar},
        {0, "\x28\xb5\x2f\xfd"sv, ImageFormat::Tar},
        {0, "QFI\xfb"sv, std::nullopt, "a qcow2 disk"},
        {0, "KDMV"sv, std::nullopt, "a VMDK disk"},
        {0, "vhdxfile"sv, std::nullopt, "a VHDX disk"},
        {0, "conectix"sv, std::nullopt, "a VHD disk"},
        {64, "\x7f\x10\xda\xbe"sv, std::nullopt, "a VDI disk"},
        {32769, "CD001"sv, std::nullopt, "an ISO image"},
        {512, "EFI PART"sv, ImageFormat::Disk},
        {0,
         "\x7f"
         "ELF"sv,
         std::nullopt, "a program"},
        {4096, "EFI PART"sv, ImageFormat::Disk},
        {510, "\x55\xaa"sv, ImageFormat::Disk},
    };
    return all;
}

// Of a head that is long enough.
template <class T> T number_at(std::string_view head, std::size_t at) {
    T value{};
    std::memcpy(&value, head.data() + at, sizeof value);
    return value;
}

// What the filesystem says of its own size, in bytes; 0 where it is not looked at.
std::uint64_t declared_size(std::string_view head, ImageFormat format) {
    constexpr std::size_t looked_at = 2048;
    if (head.size() < looked_at)
        return 0;
    auto shifted = [](std::uint64_t blocks, unsigned bits) {
        return bits < 32 && blocks < std::uint64_t{1} << 32 ? blocks << bits : 0;
    };
    switch (format) {
    case ImageFormat::Squashfs: // bytes_used
        return le64toh(number_at<std::uint64_t>(head, 40));
    case ImageFormat::Erofs: // blocks, blkszbits
        return shifted(le32toh(number_at<std::uint32_t>(head, 1024 + 36)),
                       static_cast<std::uint8_t>(head[1024 + 12]));
    case ImageFormat::Ext4: // s_blocks_count_lo, s_log_block_size
        return shifted(le32toh(number_at<std::uint32_t>(head, 1024 + 4)),
                       10 + le32toh(number_at<std::uint32_t>(head, 1024 + 24)) % 16);
    case ImageFormat::Xfs: // sb_dblocks, sb_blocklog
        return shifted(be64toh(number_at<std::uint64_t>(head, 8)),
                       static_cast<std::uint8_t>(head[120]));
    default:
        return 0;
    }
}

} // namespace

std::string_view name_of(ImageFormat format) {
    switch (format) {
    case ImageFormat::Squashfs:
        return "squashfs";
    case ImageFormat::Erofs:
        return "erofs";
    case ImageFormat::Ext4:
        return "ext4";
    case ImageFormat::Xfs:
        return "xfs";
    case ImageFormat::Btrfs:
        return "btrfs";
    case ImageFormat::Tar:
        return "tar";
    case ImageFormat::Disk:
        return "disk";
    }
    return "";
}

Result<ImageFormat> identify_image(std::string_view head) {
    for (const auto& magic : magics()) {
        if (head.size() < magic.at + magic.bytes.size() ||
            head.substr(magic.at, magic.bytes.size()) != magic.bytes)
            continue;
        if (magic.format)
            return *magic.format;
        bool is_disk = magic.instead.ends_with("disk");
        return fail(Code::Unsupported, fmt::format("the image is {}", magic.instead),
                    std::string(is_disk ? as_raw : not_packed));
    }
    auto text = to_lower(head.substr(0, 256));
    if (text.find("<html") != std::string::npos || text.find("<!doctype") != std::string::npos)
        return fail(Code::Unsupported, "what the server sent is a web page",
                    "look at the address in a browser: it may be a page about the image");
    return fail(Code::Unsupported, "the image has no format that is known here",
                std::string(not_packed));
}

Status check_whole(std::string_view head, ImageFormat format, std::uint64_t size) {
    auto declared = declared_size(head, format);
    if (declared <= size)
        return {};
    return fail(Code::Corrupt,
                fmt::format("the image is cut off: its {} has {}, and the file {}", name_of(format),
                            format_size(declared), format_size(size)),
                "make it again, or look whether the server has all of it");
}

} // namespace slipway::loading
