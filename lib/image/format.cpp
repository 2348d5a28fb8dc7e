// SPDX-License-Identifier: Apache-2.0
#include "image/format.hpp"

#include <array>
#include <cstring>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "image/byte_order.hpp"

namespace slipway::image {
namespace {

struct FormatName {
    Format format;
    std::string_view name;
};
constexpr std::array format_names{
    FormatName{Format::Raw, "raw"},   FormatName{Format::Qcow2, "qcow2"},
    FormatName{Format::Vmdk, "vmdk"}, FormatName{Format::Vpc, "vpc"},
    FormatName{Format::Vhdx, "vhdx"}, FormatName{Format::Vdi, "vdi"}};
constexpr std::size_t max_descriptor = 64 << 10;

// Up to `size` bytes at `offset`; shorter at the end of the file.
std::string read_up_to(sys::BorrowedFd file, std::uint64_t offset, std::size_t size) {
    std::string bytes(size, '\0');
    auto got = ::pread(file.raw(), bytes.data(), size, static_cast<off_t>(offset));
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
}

// Field offsets and extension types: QEMU's docs/interop/qcow2.txt.
Result<Probe> probe_qcow2(sys::BorrowedFd file, std::string_view head) {
    constexpr std::size_t v2_header = 72, v3_header = 104;
    constexpr std::uint32_t data_file_extension = 0x44415441;
    constexpr std::uint64_t data_file_bit = 1U << 2;
    Probe probe{.format = Format::Qcow2};
    if (head.size() < v2_header)
        return fail(Code::Corrupt, "the qcow2 header is cut off");
    auto version = big_endian<std::uint32_t>(head, 4);
    if (version != 2 && version != 3)
        return fail(Code::Corrupt,
                    fmt::format("the qcow2 header has the unknown version {}", version),
                    "if this is a raw disk whose first bytes only look like qcow2, use "
                    "--source-format raw");
    if (big_endian<std::uint32_t>(head, 32) != 0)
        return fail(Code::Unsupported, "the qcow2 is encrypted, which this version cannot open",
                    "decrypt it first, with qemu-img convert --object secret,id=k,file=KEYFILE "
                    "--image-opts driver=qcow2,encrypt.key-secret=k,file.filename=IMAGE NEW.qcow2");
    auto backing_offset = big_endian<std::uint64_t>(head, 8);
    auto backing_size = big_endian<std::uint32_t>(head, 16);
    if (backing_offset != 0 && backing_size != 0) {
        if (backing_size > 1023)
            return fail(Code::Corrupt, "the qcow2 header's backing file name is too long");
        probe.backing_file = read_up_to(file, backing_offset, backing_size);
    }
    if (version < 3 || head.size() < v3_header)
        return probe;
    if ((big_endian<std::uint64_t>(head, 72) & data_file_bit) == 0)
        return probe;
    probe.data_file = "(unnamed)";
    std::size_t at = big_endian<std::uint32_t>(head, 100);
    while (at + 8 <= head.size()) {
        auto type = big_endian<std::uint32_t>(head, at);
        auto length = big_endian<std::uint32_t>(head, at + 4);
        if (type == 0 || length > head.size() - at - 8)
            break;
        if (type == data_file_extension)
            probe.data_file = std::string(head.substr(at + 8, length));
        at += 8 + (length + 7) / 8 * 8;
    }
    return probe;
}

// Field offsets: VMware Virtual Disk Format 5.0, "Hosted Sparse Extent Header".
Result<Probe> probe_sparse_vmdk(sys::BorrowedFd file, std::string_view head) {
    constexpr std::uint16_t compress_deflate = 1;
    if (head.size() < 512)
        return fail(Code::Corrupt, "the VMDK header is cut off");
    Probe probe{.format = Format::Vmdk};
    auto descriptor_offset = little_endian<std::uint64_t>(head, 28) * 512;
    auto descriptor_size = little_endian<std::uint64_t>(head, 36) * 512;
    bool compressed = little_endian<std::uint16_t>(head, 77) == compress_deflate;
    probe.subformat = compressed ? "streamOptimized" : "monolithicSparse";
    probe.rewritable = !compressed;
    // Capacity 0 means that the embedded descriptor lists other files, which QEMU would open by
    // name.
    if (little_endian<std::uint64_t>(head, 12) == 0)
        return fail(Code::Unsupported,
                    "the VMDK is a descriptor in a sparse file, which names other files",
                    "save its descriptor as a text file, or convert it with the tool that made it");
    if (descriptor_offset == 0 || descriptor_size == 0)
        return probe;
    auto text = read_up_to(file, descriptor_offset,
                           std::min<std::uint64_t>(descriptor_size, max_descriptor));
    // An embedded descriptor names the file itself as its one extent; only a parent matters here.
    for (auto line : split_lines(std::string_view(text.data(), std::strlen(text.c_str()))))
        if (line.starts_with("parentFileNameHint="))
            probe.backing_file = trim(line.substr(line.find('=') + 1));
    return probe;
}

bool is_plain_name(std::string_view name) {
    return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
           name.find('/') == std::string_view::npos && name.find(':') == std::string_view::npos &&
           name.find('\0') == std::string_view::npos;
}

Result<VmdkExtent> parse_extent(std::string_view line) {
    auto quote = line.find('"');
    auto words = split_words(line.substr(0, quote));
    VmdkExtent extent;
    auto sectors = words.size() > 1 ? parse_number(words[1]) : std::nullopt;
    if (words.size() < 3 || !sectors)
        return fail(
            Code::Corrupt,
            fmt::format("the VMDK descriptor has the malformed extent line '{}'", printable(line)));
    extent.access = words[0];
    extent.sectors = *sectors;
    extent.type = words[2];
    if (extent.type == "ZERO")
        return extent;
    auto end = quote == std::string_view::npos ? quote : line.find('"', quote + 1);
    if (end == std::string_view::npos)
        return fail(
            Code::Corrupt,
            fmt::format("the VMDK descriptor has the malformed extent line '{}'", printable(line)));
    extent.file = line.substr(quote + 1, end - quote - 1);
    if (!is_plain_name(extent.file))
        return fail(
            Code::InvalidArgument,
            fmt::format("the VMDK descriptor names the extent '{}', which is not a file beside it",
                        printable(extent.file)),
            "put all parts of the disk into one directory, and only open disks that you trust");
    auto rest = split_words(line.substr(end + 1));
    if (!rest.empty())
        extent.offset = parse_number(rest[0]).value_or(0);
    return extent;
}

Result<Probe> probe_as(Format format, sys::BorrowedFd file, std::string_view head) {
    switch (format) {
    case Format::Qcow2:
        return probe_qcow2(file, head);
    case Format::Vmdk:
        if (head.starts_with("KDMV"))
            return probe_sparse_vmdk(file, head);
        if (head.starts_with("COWD")) {
            Probe probe{.format = Format::Vmdk};
            probe.subformat = "vmfsSparse";
            probe.rewritable = false;
            return probe;
        }
        return parse_vmdk_descriptor(
            std::string_view(head.data(), ::strnlen(head.data(), head.size())));
    default: {
        Probe probe;
        probe.format = format;
        if (format == Format::Vpc && !head.starts_with("conectix"))
            probe.subformat = "fixed";
        return probe;
    }
    }
}

} // namespace

std::string_view name_of(Format format) {
    for (const auto& row : format_names)
        if (row.format == format)
            return row.name;
    return "raw";
}

Result<Format> parse_format(std::string_view name) {
    for (const auto& row : format_names)
        if (row.name == name || (name == "vhd" && row.format == Format::Vpc))
            return row.format;
    return fail(Code::InvalidArgument,
                fmt::format("'{}' is not a disk image format that Slipway knows", name),
                "use raw, qcow2, vmdk, vpc (VHD), vhdx or vdi");
}

Result<Probe> parse_vmdk_descriptor(std::string_view text) {
    Probe probe{.format = Format::Vmdk};
    probe.subformat = "descriptor";
    for (auto line : split_lines(text)) {
        line = trim(line);
        if (line.starts_with("createType")) {
            auto value = trim(line.substr(std::min(line.find('=') + 1, line.size())));
            if (value.size() >= 2 && value.front() == '"')
                value = value.substr(1, value.size() - 2);
            probe.create_type = value;
        } else if (line.starts_with("parentFileNameHint"))
            probe.backing_file = line.substr(std::min(line.find('=') + 1, line.size()));
        else if (line.starts_with("RW ") || line.starts_with("RDONLY ") ||
                 line.starts_with("NOACCESS ")) {
            SLIPWAY_TRY(auto extent, parse_extent(line));
            probe.extents.push_back(std::move(extent));
        }
    }
    if (probe.extents.empty())
        return fail(Code::Corrupt, "the VMDK descriptor lists no extents");
    for (const auto& extent : probe.extents)
        probe.rewritable = probe.rewritable && extent.type == "FLAT";
    return probe;
}

Result<Probe> probe_format(sys::BorrowedFd file, std::optional<Format> forced) {
    struct stat info {};
    if (::fstat(file.raw(), &info) != 0)
        return fail_errno("looking at the image");
    auto head = read_up_to(file, 0, max_descriptor);
    if (forced)
        return probe_as(*forced, file, head);
    if (head.starts_with("QFI\xfb"))
        return probe_as(Format::Qcow2, file, head);
    if (head.starts_with("KDMV") || head.starts_with("COWD") ||
        head.starts_with("# Disk DescriptorFile"))
        return probe_as(Format::Vmdk, file, head);
    if (head.starts_with("vhdxfile"))
        return probe_as(Format::Vhdx, file, head);
    if (head.size() >= 0x44 && little_endian<std::uint32_t>(head, 0x40) == 0xbeda107f)
        return probe_as(Format::Vdi, file, head);
    if (head.starts_with("conectix"))
        return probe_as(Format::Vpc, file, head);
    // A fixed VHD is a raw disk with a footer.
    if (S_ISREG(info.st_mode) && info.st_size >= 512 &&
        read_up_to(file, static_cast<std::uint64_t>(info.st_size) - 512, 8) == "conectix")
        return probe_as(Format::Vpc, file, head);
    return probe_as(Format::Raw, file, head);
}

} // namespace slipway::image
