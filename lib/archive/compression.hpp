// SPDX-License-Identifier: Apache-2.0
// Compressed data by its first bytes, and streams that unpack it block by block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "archive/byte_cursor.hpp"
#include "base/error.hpp"

namespace slipway::archive {

/// What the kernel can unpack an initramfs with (lib/decompress.c).
enum class Compression { None, Gzip, Bzip2, Lzma, Xz, Lzo, Lz4Legacy, Zstd };

[[nodiscard]] std::string_view name_of(Compression compression);
/// By magic number; None also for what nobody knows.
[[nodiscard]] Compression identify_compression(Bytes head);

/// Data that comes in blocks of its own choosing.
class BlockStream {
public:
    BlockStream() = default;
    BlockStream(const BlockStream&) = delete;
    BlockStream& operator=(const BlockStream&) = delete;
    virtual ~BlockStream() = default;
    /// The next block, valid until the next call; empty at the end. Corrupt.
    [[nodiscard]] virtual Result<Bytes> next() = 0;
    /// Passes over at most `count` bytes that need not be produced; returns how many.
    virtual std::uint64_t skip(std::uint64_t count);
};

/// Unpacks from the cursor's position on. When the stream has ended the cursor stands at the first
/// byte after the packed data, whatever comes there. Memory is bounded by what the kernel's own
/// decompressors allow: windows up to 128 MiB. Unsupported for Lzo. `packed` is borrowed.
[[nodiscard]] Result<std::unique_ptr<BlockStream>> open_decoder(Compression compression,
                                                                ByteCursor& packed);

/// Whole content of a small compressed file, such as a kernel module; data that is not compressed
/// comes back as it is. Unsupported when it unpacks to more than `limit` bytes.
[[nodiscard]] Result<std::string> unpack(std::string_view data, std::size_t limit);

} // namespace slipway::archive
