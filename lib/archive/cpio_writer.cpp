// SPDX-License-Identifier: Apache-2.0
#include "archive/cpio_writer.hpp"

#include <algorithm>
#include <memory>

#include <archive.h>
#include <archive_entry.h>
#include <lz4hc.h>
#include <sys/stat.h>

#include <fmt/format.h>

namespace slipway::archive {
namespace {

constexpr std::size_t lz4_chunk_size = 8 << 20;

using Writer = std::unique_ptr<struct ::archive, int (*)(struct ::archive*)>;
using Entry = std::unique_ptr<struct ::archive_entry, void (*)(struct ::archive_entry*)>;

tl::unexpected<Error> archive_failure(struct ::archive* writer, std::string_view doing) {
    const auto* text = ::archive_error_string(writer);
    return fail(Code::Internal,
                fmt::format("{}: {}", doing, text != nullptr ? text : "libarchive failed"));
}

la_ssize_t append_to_string(struct ::archive*, void* target, const void* bytes, std::size_t size) {
    static_cast<std::string*>(target)->append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
}

Status write_entry(struct ::archive* writer, const CpioEntry& entry, std::int64_t inode) {
    if (!S_ISREG(entry.mode) && !S_ISDIR(entry.mode) && !S_ISLNK(entry.mode))
        return fail(Code::InvalidArgument,
                    fmt::format("{} is neither file, directory nor link", entry.path));
    Entry head(::archive_entry_new(), ::archive_entry_free);
    ::archive_entry_set_pathname(head.get(), entry.path.c_str());
    ::archive_entry_set_mode(head.get(), entry.mode);
    ::archive_entry_set_nlink(head.get(), 1);
    ::archive_entry_set_ino64(head.get(), inode);
    auto size = S_ISREG(entry.mode) ? entry.content.size() : 0;
    ::archive_entry_set_size(head.get(), static_cast<la_int64_t>(size));
    if (S_ISLNK(entry.mode))
        ::archive_entry_set_symlink(head.get(), entry.content.c_str());
    if (::archive_write_header(writer, head.get()) != ARCHIVE_OK)
        return archive_failure(writer, fmt::format("writing {}", entry.path));
    if (size > 0 &&
        ::archive_write_data(writer, entry.content.data(), size) != static_cast<la_ssize_t>(size))
        return archive_failure(writer, fmt::format("writing {}", entry.path));
    return {};
}

void append_little_endian(std::string& text, std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8)
        text += static_cast<char>(value >> shift & 0xff);
}

// Beside content and name: its header, and what rounds them up.
constexpr std::size_t most_around = 128;

std::size_t size_at_most(const std::vector<CpioEntry>& entries) {
    std::size_t size = 1024; // the trailer
    for (const auto& entry : entries)
        size += entry.content.size() + entry.path.size() + most_around;
    return size;
}

} // namespace

void CpioTree::add(std::string_view path, mode_t mode, std::string content) {
    if (auto slash = path.rfind('/'); slash != 0 && slash != std::string_view::npos)
        add_directory(path.substr(0, slash));
    entries_.push_back({std::string(path.substr(1)), mode, std::move(content)});
}

void CpioTree::add_directory(std::string_view path) {
    for (auto slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        auto directory = path.substr(1, slash == std::string_view::npos ? slash : slash - 1);
        if (directories_.emplace(directory).second)
            entries_.push_back({std::string(directory), S_IFDIR | 0755});
        if (slash == std::string_view::npos)
            return;
    }
}

Result<std::string> write_cpio(const std::vector<CpioEntry>& entries) {
    std::string bytes;
    bytes.reserve(size_at_most(entries));
    Writer writer(::archive_write_new(), ::archive_write_free);
    ::archive_write_set_format_cpio_newc(writer.get());
    ::archive_write_set_bytes_in_last_block(writer.get(), 1); // no padding beyond the trailer
    if (::archive_write_open(writer.get(), &bytes, nullptr, append_to_string, nullptr) !=
        ARCHIVE_OK)
        return archive_failure(writer.get(), "opening an archive");
    std::int64_t inode = 0;
    for (const auto& entry : entries)
        SLIPWAY_CHECK(write_entry(writer.get(), entry, ++inode));
    if (::archive_write_close(writer.get()) != ARCHIVE_OK)
        return archive_failure(writer.get(), "ending an archive");
    return bytes;
}

Result<std::string> pack_lz4_legacy(std::string_view data) {
    std::string packed("\x02\x21\x4c\x18");
    for (std::size_t at = 0; at < data.size(); at += lz4_chunk_size) {
        auto chunk = data.substr(at, lz4_chunk_size);
        std::string space(
            static_cast<std::size_t>(::LZ4_compressBound(static_cast<int>(chunk.size()))), '\0');
        auto size = ::LZ4_compress_HC(chunk.data(), space.data(), static_cast<int>(chunk.size()),
                                      static_cast<int>(space.size()), LZ4HC_CLEVEL_DEFAULT);
        if (size <= 0)
            return fail(Code::Internal, "compressing with lz4 failed");
        append_little_endian(packed, static_cast<std::uint32_t>(size));
        packed.append(space, 0, static_cast<std::size_t>(size));
    }
    return packed;
}

} // namespace slipway::archive
