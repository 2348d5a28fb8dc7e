// SPDX-License-Identifier: Apache-2.0
#include "archive/compression.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <fmt/format.h>

namespace slipway::archive {
namespace {

constexpr std::size_t block_size = 256 << 10;
constexpr std::uint64_t max_window = 128 << 20; // also the kernel's limit for zstd (lib/zstd)
constexpr int max_window_log = 27;              // the same as a power of two
constexpr std::uint32_t lz4_magic = 0x184C2102;
constexpr std::size_t lz4_chunk_size = 8 << 20; // of every legacy chunk but the last

struct Magic {
    Compression compression;
    std::string_view bytes;
};
constexpr std::array magics{
    Magic{Compression::Gzip, "\x1f\x8b"},
    Magic{Compression::Bzip2, "BZh"},
    Magic{Compression::Xz,
          {"\xfd"
           "7zXZ\0",
           6}},
    Magic{Compression::Lzma, {"\x5d\0\0", 3}},
    Magic{Compression::Lzo, "\x89LZO"},
    Magic{Compression::Lz4Legacy, "\x02\x21\x4c\x18"},
    Magic{Compression::Zstd, "\x28\xb5\x2f\xfd"},
};

/// What one call of a decompressor did.
struct Step {
    std::size_t consumed = 0;
    std::size_t produced = 0;
    bool ended = false;
    bool broken = false;
};
using Space = std::span<unsigned char>;

class GzipCodec {
public:
    // 16: expects a gzip header.
    GzipCodec() : ready_(::inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK) {}
    GzipCodec(const GzipCodec&) = delete;
    GzipCodec& operator=(const GzipCodec&) = delete;
    ~GzipCodec() {
        if (ready_)
            ::inflateEnd(&stream_);
    }
    Step step(Bytes in, Space out) {
        stream_.next_in =
            const_cast<unsigned char*>(in.data()); // zlib's old interface; it only reads
        stream_.avail_in = static_cast<unsigned>(in.size());
        stream_.next_out = out.data();
        stream_.avail_out = static_cast<unsigned>(out.size());
        auto result = ready_ ? ::inflate(&stream_, Z_NO_FLUSH) : Z_MEM_ERROR;
        return {in.size() - stream_.avail_in, out.size() - stream_.avail_out,
                result == Z_STREAM_END,
                result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR};
    }

private:
    z_stream stream_{};
    bool ready_;
};

class Bzip2Codec {
public:
    Bzip2Codec() : ready_(::BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK) {}
    Bzip2Codec(const Bzip2Codec&) = delete;
    Bzip2Codec& operator=(const Bzip2Codec&) = delete;
    ~Bzip2Codec() {
        if (ready_)
            ::BZ2_bzDecompressEnd(&stream_);
    }
    Step step(Bytes in, Space out) {
        // The old interface takes char pointers that it does not write through.
        stream_.next_in = reinterpret_cast<char*>(const_cast<unsigned char*>(in.data()));
        stream_.avail_in = static_cast<unsigned>(in.size());
        stream_.next_out = reinterpret_cast<char*>(out.data());
        stream_.avail_out = static_cast<unsigned>(out.size());
        auto result = ready_ ? ::BZ2_bzDecompress(&stream_) : BZ_MEM_ERROR;
        return {in.size() - stream_.avail_in, out.size() - stream_.avail_out,
                result == BZ_STREAM_END, result != BZ_OK && result != BZ_STREAM_END};
    }

private:
    bz_stream stream_{};
    bool ready_;
};

class LzmaCodec {
public:
    explicit LzmaCodec(Compression which)
        : ready_((which == Compression::Xz
                      ? ::lzma_stream_decoder(&stream_, max_window, 0)
                      : ::lzma_alone_decoder(&stream_, max_window)) == LZMA_OK) {}
    LzmaCodec(const LzmaCodec&) = delete;
    LzmaCodec& operator=(const LzmaCodec&) = delete;
    ~LzmaCodec() { ::lzma_end(&stream_); }
    Step step(Bytes in, Space out) {
        stream_.next_in = in.data();
        stream_.avail_in = in.size();
        stream_.next_out = out.data();
        stream_.avail_out = out.size();
        auto result = ready_ ? ::lzma_code(&stream_, LZMA_RUN) : LZMA_MEM_ERROR;
        return {in.size() - stream_.avail_in, out.size() - stream_.avail_out,
                result == LZMA_STREAM_END,
                result != LZMA_OK && result != LZMA_STREAM_END && result != LZMA_BUF_ERROR};
    }

private:
    lzma_stream stream_ = LZMA_STREAM_INIT;
    bool ready_;
};

class ZstdCodec {
public:
    ZstdCodec() : context_(::ZSTD_createDCtx(), ::ZSTD_freeDCtx) {
        ::ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, max_window_log);
    }
    // One frame, as the kernel does it: what follows is the next segment.
    Step step(Bytes in, Space out) {
        ZSTD_inBuffer source{in.data(), in.size(), 0};
        ZSTD_outBuffer target{out.data(), out.size(), 0};
        auto result = ::ZSTD_decompressStream(context_.get(), &target, &source);
        return {source.pos, target.pos, result == 0, ::ZSTD_isError(result) != 0};
    }

private:
    std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context_;
};

tl::unexpected<Error> corrupt(Compression compression, std::string_view how) {
    return fail(Code::Corrupt, fmt::format("the {} data {}", name_of(compression), how));
}

template <class Codec> class CodecStream final : public BlockStream {
public:
    template <class... Args>
    CodecStream(Compression compression, ByteCursor& packed, Args... args)
        : compression_(compression), packed_(packed), codec_(args...) {}

    Result<Bytes> next() override {
        std::size_t filled = 0;
        while (!ended_ && filled < block_.size()) {
            SLIPWAY_TRY(auto in, packed_.peek());
            auto step = codec_.step(in, Space(block_).subspan(filled));
            packed_.advance(step.consumed);
            filled += step.produced;
            ended_ = step.ended;
            if (step.broken)
                return corrupt(compression_, "is damaged");
            if (in.empty() && !ended_ && step.produced == 0)
                return corrupt(compression_, "ends in the middle");
        }
        return Bytes(block_.data(), filled);
    }

private:
    Compression compression_;
    ByteCursor& packed_;
    Codec codec_;
    std::vector<unsigned char> block_ = std::vector<unsigned char>(block_size);
    bool ended_ = false;
};

std::uint32_t little_endian(Bytes four) {
    return static_cast<std::uint32_t>(four[0]) | static_cast<std::uint32_t>(four[1]) << 8 |
           static_cast<std::uint32_t>(four[2]) << 16 | static_cast<std::uint32_t>(four[3]) << 24;
}

/// Magic, then chunks of {packed size, data} without any end mark; magics may come again between.
class Lz4LegacyStream final : public BlockStream {
public:
    explicit Lz4LegacyStream(ByteCursor& packed) : packed_(packed) {}

    Result<Bytes> next() override {
        SLIPWAY_TRY(auto size, next_chunk_size());
        if (size == 0)
            return Bytes{};
        in_.resize(size);
        out_.resize(lz4_chunk_size);
        SLIPWAY_CHECK(packed_.read(in_));
        auto produced = ::LZ4_decompress_safe(
            reinterpret_cast<const char*>(in_.data()), reinterpret_cast<char*>(out_.data()),
            static_cast<int>(size), static_cast<int>(out_.size()));
        if (produced <= 0)
            return corrupt(Compression::Lz4Legacy, "is damaged");
        return Bytes(out_.data(), static_cast<std::size_t>(produced));
    }

private:
    // 0 at the end: of the file, or where padding begins.
    Result<std::uint32_t> next_chunk_size() {
        while (true) {
            SLIPWAY_TRY(auto head, packed_.peek(4));
            if (std::all_of(head.begin(),
                            head.begin() +
                                static_cast<std::ptrdiff_t>(std::min<std::size_t>(head.size(), 4)),
                            [](unsigned char byte) { return byte == 0; }))
                return 0;
            auto size = head.size() < 4 ? UINT32_MAX : little_endian(head);
            if (size != lz4_magic &&
                size > static_cast<std::uint32_t>(LZ4_compressBound(lz4_chunk_size)))
                return corrupt(Compression::Lz4Legacy,
                               "is followed by something else, which the kernel "
                               "takes for the size of a chunk");
            packed_.advance(4);
            if (size != lz4_magic)
                return size;
        }
    }

    ByteCursor& packed_;
    std::vector<unsigned char> in_;
    std::vector<unsigned char> out_;
};

} // namespace

std::string_view name_of(Compression compression) {
    switch (compression) {
    case Compression::None:
        return "none";
    case Compression::Gzip:
        return "gzip";
    case Compression::Bzip2:
        return "bzip2";
    case Compression::Lzma:
        return "lzma";
    case Compression::Xz:
        return "xz";
    case Compression::Lzo:
        return "lzo";
    case Compression::Lz4Legacy:
        return "lz4";
    case Compression::Zstd:
        return "zstd";
    }
    return "none";
}

Compression identify_compression(Bytes head) {
    std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
    for (const auto& magic : magics)
        if (text.substr(0, magic.bytes.size()) == magic.bytes)
            return magic.compression;
    return Compression::None;
}

std::uint64_t BlockStream::skip(std::uint64_t) {
    return 0;
}

Result<std::unique_ptr<BlockStream>> open_decoder(Compression compression, ByteCursor& packed) {
    std::unique_ptr<BlockStream> stream;
    switch (compression) {
    case Compression::Gzip:
        stream = std::make_unique<CodecStream<GzipCodec>>(compression, packed);
        break;
    case Compression::Bzip2:
        stream = std::make_unique<CodecStream<Bzip2Codec>>(compression, packed);
        break;
    case Compression::Lzma:
    case Compression::Xz:
        stream = std::make_unique<CodecStream<LzmaCodec>>(compression, packed, compression);
        break;
    case Compression::Zstd:
        stream = std::make_unique<CodecStream<ZstdCodec>>(compression, packed);
        break;
    case Compression::Lz4Legacy:
        stream = std::make_unique<Lz4LegacyStream>(packed);
        break;
    case Compression::Lzo:
    case Compression::None:
        return fail(Code::Unsupported,
                    fmt::format("unpacking {} is not supported", name_of(compression)));
    }
    return stream;
}

Result<std::string> unpack(std::string_view data, std::size_t limit) {
    Bytes bytes(reinterpret_cast<const unsigned char*>(data.data()), data.size());
    auto compression = identify_compression(bytes);
    if (compression == Compression::None)
        return std::string(data);
    ByteCursor cursor(bytes);
    SLIPWAY_TRY(auto stream, open_decoder(compression, cursor));
    std::string unpacked;
    while (true) {
        SLIPWAY_TRY(auto block, stream->next());
        if (block.empty())
            return unpacked;
        if (unpacked.size() + block.size() > limit)
            return fail(Code::Unsupported, fmt::format("it unpacks to more than {} bytes", limit));
        unpacked.append(reinterpret_cast<const char*>(block.data()), block.size());
    }
}

} // namespace slipway::archive
