// SPDX-License-Identifier: Apache-2.0
#include "image/kind.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace slipway::image {
namespace {

constexpr std::array names{"disk", "archive", "directory", "scratch"};

// RFC 1952, the bzip2 and xz file formats, RFC 8878.
constexpr std::array<std::string_view, 4> compressed{
    "\x1f\x8b\x08", "BZh", std::string_view("\xfd\x37zXZ\0", 6), "\x28\xb5\x2f\xfd"};

// POSIX, pax(1), "ustar Interchange Format"; GNU tar puts blanks in place of the version. The sum
// is that of all bytes with its own field taken as blanks.
bool is_tar_header(std::string_view block) {
    constexpr std::size_t size = 512, sum_at = 148, sum_size = 8, magic_at = 257;
    if (block.size() < size || block.substr(magic_at, 5) != "ustar")
        return false;
    unsigned long told = 0;
    for (char digit : block.substr(sum_at, sum_size))
        if (digit >= '0' && digit <= '7')
            told = told * 8 + static_cast<unsigned long>(digit - '0');
    auto add = [](unsigned long sum, char byte) { return sum + static_cast<unsigned char>(byte); };
    auto sum = std::accumulate(block.begin(), block.begin() + size, 0UL, add);
    auto field = block.substr(sum_at, sum_size);
    return told == sum - std::accumulate(field.begin(), field.end(), 0UL, add) + sum_size * ' ';
}

bool is_archive(sys::BorrowedFd file) {
    std::array<char, 512> head{};
    auto got = ::pread(file.raw(), head.data(), head.size(), 0);
    std::string_view text(head.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    return is_tar_header(text) ||
           std::any_of(compressed.begin(), compressed.end(),
                       [text](std::string_view magic) { return text.starts_with(magic); });
}

} // namespace

std::string_view name_of(Kind kind) {
    return names.at(static_cast<std::size_t>(kind));
}

Result<Kind> parse_kind(std::string_view name) {
    const auto* found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
        return fail(Code::Protocol, fmt::format("'{}' is no kind of image", name));
    return static_cast<Kind>(found - names.begin());
}

Result<Kind> kind_of_file(sys::BorrowedFd file, const std::string& path) {
    struct stat info {};
    if (::fstat(file.raw(), &info) != 0)
        return fail_errno(fmt::format("looking at {}", path));
    if (S_ISDIR(info.st_mode))
        return Kind::Directory;
    if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode))
        return fail(Code::InvalidArgument,
                    fmt::format("{} is neither a file nor a block device", path));
    if (S_ISREG(info.st_mode) && info.st_size == 0)
        return fail(Code::InvalidArgument, fmt::format("{} is empty, not a disk image", path));
    return S_ISREG(info.st_mode) && is_archive(file) ? Kind::Archive : Kind::Disk;
}

bool is_block_device(sys::BorrowedFd file) {
    struct stat info {};
    return ::fstat(file.raw(), &info) == 0 && S_ISBLK(info.st_mode);
}

Status refuse_kind(Kind kind, const std::string& path) {
    if (kind == Kind::Directory)
        return fail(Code::Unsupported, fmt::format("{} is a directory, not a disk image", path),
                    "inspect, ls, cat, get, and run without --write take directories");
    return fail(Code::Unsupported, fmt::format("{} is an archive, not a disk image", path),
                "if it is a compressed disk image, unpack it first; inspect, ls, cat, get, and run "
                "without --write take tar archives");
}

} // namespace slipway::image
