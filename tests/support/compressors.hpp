// SPDX-License-Identifier: Apache-2.0
// Makes compressed test data, with libarchive rather than with the code under test.
#pragma once

#include <stdexcept>
#include <string>

#include <archive.h>
#include <archive_entry.h>

#include "archive/compression.hpp"
#include "archive/cpio_writer.hpp"

namespace slipway::testing_support {

inline int add_filter(struct ::archive* writer, archive::Compression compression) {
    switch (compression) {
    case archive::Compression::Gzip:
        return ::archive_write_add_filter_gzip(writer);
    case archive::Compression::Bzip2:
        return ::archive_write_add_filter_bzip2(writer);
    case archive::Compression::Lzma:
        return ::archive_write_add_filter_lzma(writer);
    case archive::Compression::Xz:
        return ::archive_write_add_filter_xz(writer);
    case archive::Compression::Zstd:
        return ::archive_write_add_filter_zstd(writer);
    default:
        return ARCHIVE_FATAL;
    }
}

/// One stream. libarchive has no legacy lz4: that comes from our own writer.
inline std::string pack(archive::Compression compression, const std::string& data) {
    if (compression == archive::Compression::None)
        return data;
    if (compression == archive::Compression::Lz4Legacy)
        return *archive::pack_lz4_legacy(data);
    auto* writer = ::archive_write_new();
    std::string packed(data.size() * 2 + (1 << 16), '\0');
    std::size_t size = 0;
    auto* entry = ::archive_entry_new();
    ::archive_entry_set_pathname(entry, "data");
    ::archive_entry_set_filetype(entry, AE_IFREG);
    ::archive_entry_set_size(entry, static_cast<la_int64_t>(data.size()));
    bool good =
        add_filter(writer, compression) == ARCHIVE_OK &&
        ::archive_write_set_format_raw(writer) == ARCHIVE_OK &&
        ::archive_write_set_bytes_in_last_block(writer, 1) == ARCHIVE_OK &&
        ::archive_write_open_memory(writer, packed.data(), packed.size(), &size) == ARCHIVE_OK &&
        ::archive_write_header(writer, entry) == ARCHIVE_OK &&
        ::archive_write_data(writer, data.data(), data.size()) ==
            static_cast<la_ssize_t>(data.size()) &&
        ::archive_write_close(writer) == ARCHIVE_OK;
    ::archive_entry_free(entry);
    ::archive_write_free(writer);
    if (!good)
        throw std::runtime_error("libarchive could not compress test data");
    packed.resize(size);
    return packed;
}

} // namespace slipway::testing_support
