// SPDX-License-Identifier: Apache-2.0
#include "archive/compress.hpp"

#include <algorithm>
#include <array>

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

#include <fmt/format.h>

#include "archive/writer_handle.hpp"
#include "base/strings.hpp"

namespace slipway::archive {
namespace {

// libarchive's gzip has no place for the file's name.
class Gzip final : public Compressor {
public:
    Gzip(const CompressOptions& options, Sink sink)
        : sink_(std::move(sink)), name_(options.name), block_(512 << 10, '\0') {
        constexpr int largest_window = 15, with_gzip_header = 16, usual_memory = 8;
        (void)::deflateInit2(&stream_, options.level.value_or(Z_DEFAULT_COMPRESSION), Z_DEFLATED,
                             largest_window + with_gzip_header, usual_memory, Z_DEFAULT_STRATEGY);
        header_.time = static_cast<uLong>(std::max<std::time_t>(options.time, 0));
        header_.os = 3; // Unix
        header_.name = name_.empty() ? nullptr : reinterpret_cast<Bytef*>(name_.data());
        (void)::deflateSetHeader(&stream_, &header_);
    }
    ~Gzip() override { (void)::deflateEnd(&stream_); }

    Status write(std::string_view bytes) override {
        for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), block_.size()))) {
            // zlib takes no pointer to const, and does not write there.
            stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())); // NOLINT
            stream_.avail_in = static_cast<uInt>(std::min(bytes.size(), block_.size()));
            SLIPWAY_CHECK(drain(Z_NO_FLUSH));
        }
        return {};
    }
    Status finish() override { return drain(Z_FINISH); }

private:
    Status drain(int flush) {
        do {
            stream_.next_out = reinterpret_cast<Bytef*>(block_.data());
            stream_.avail_out = static_cast<uInt>(block_.size());
            if (::deflate(&stream_, flush) == Z_STREAM_ERROR)
                return fail(Code::Internal, "gzip has lost its state");
            auto size = block_.size() - stream_.avail_out;
            if (size > 0)
                SLIPWAY_CHECK(sink_(std::string_view(block_).substr(0, size)));
        } while (stream_.avail_out == 0);
        return {};
    }

    Sink sink_;
    std::string name_;
    std::string block_;
    z_stream stream_{};
    gz_header header_{};
};

class Filtered final : public Compressor {
public:
    explicit Filtered(Sink sink) : sink_(std::move(sink)), handle_(sink_) {}

    Status open(const CompressOptions& options) {
        ::archive_write_set_format_raw(handle_.get());
        SLIPWAY_CHECK(handle_.add_filter(options.type, options.level));
        SLIPWAY_CHECK(handle_.open());
        std::unique_ptr<struct ::archive_entry, FreeEntry> entry(::archive_entry_new());
        ::archive_entry_set_filetype(entry.get(), AE_IFREG);
        return ::archive_write_header(handle_.get(), entry.get()) < ARCHIVE_WARN
                   ? Status(fail(handle_.error_of("compressing")))
                   : Status{};
    }
    Status write(std::string_view bytes) override {
        return ::archive_write_data(handle_.get(), bytes.data(), bytes.size()) < 0
                   ? Status(fail(handle_.error_of("compressing")))
                   : Status{};
    }
    Status finish() override { return handle_.close(); }

private:
    Sink sink_;
    WriterHandle handle_;
};

} // namespace

Result<std::unique_ptr<Compressor>> Compressor::open(const CompressOptions& options, Sink sink) {
    int highest = options.type == "zstd" ? 19 : 9;
    if (options.level && (*options.level < 1 || *options.level > highest))
        return fail(Code::InvalidArgument,
                    fmt::format("{}: a level of compression is 1 to {}", *options.level, highest));
    if (options.type == "gzip")
        return std::make_unique<Gzip>(options, std::move(sink));
    auto filtered = std::make_unique<Filtered>(std::move(sink));
    SLIPWAY_CHECK(filtered->open(options));
    return filtered;
}

} // namespace slipway::archive
