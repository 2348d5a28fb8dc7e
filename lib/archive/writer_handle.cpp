// SPDX-License-Identifier: Apache-2.0
#include "archive/writer_handle.hpp"

#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "base/strings.hpp"

namespace slipway::archive {
namespace {

constexpr int block_size = 512 << 10;

struct Filter {
    std::string_view name;
    int (*add)(struct ::archive*);
};
constexpr std::array filters{Filter{"gzip", ::archive_write_add_filter_gzip},
                             Filter{"bzip2", ::archive_write_add_filter_bzip2},
                             Filter{"xz", ::archive_write_add_filter_xz},
                             Filter{"zstd", ::archive_write_add_filter_zstd},
                             Filter{"compress", ::archive_write_add_filter_compress}};

} // namespace

la_ssize_t WriterHandle::write_block(struct ::archive* writer, void* context, const void* data,
                                     std::size_t size) {
    auto& self = *static_cast<WriterHandle*>(context);
    auto taken = self.sink_({static_cast<const char*>(data), size});
    if (taken)
        return static_cast<la_ssize_t>(size);
    self.error_ = std::move(taken).error();
    ::archive_set_error(writer, EIO, "the reader has gone");
    return -1;
}

Status WriterHandle::add_filter(std::string_view name, std::optional<int> level) {
    for (const auto& filter : filters) {
        if (filter.name != name)
            continue;
        if (filter.add(handle_.get()) < ARCHIVE_WARN)
            return fail(error_of(name));
        // gzip's header has the time of its making, by default: the same tree, the same bytes.
        if (name == "gzip" && ::archive_write_set_filter_option(handle_.get(), nullptr, "timestamp",
                                                                nullptr) < ARCHIVE_WARN)
            return fail(error_of(name));
        if (level && name != "compress" &&
            ::archive_write_set_filter_option(handle_.get(), nullptr, "compression-level",
                                              std::to_string(*level).c_str()) < ARCHIVE_WARN)
            return fail(error_of(name));
        return {};
    }
    return fail(Code::InvalidArgument,
                fmt::format("compression by '{}' is not supported", printable(name)),
                "use gzip, bzip2, xz, zstd or compress");
}

Status WriterHandle::open() {
    ::archive_write_set_bytes_per_block(handle_.get(), block_size);
    ::archive_write_set_bytes_in_last_block(handle_.get(), 1);
    return ::archive_write_open2(handle_.get(), this, nullptr, write_block, nullptr, nullptr) ==
                   ARCHIVE_OK
               ? Status{}
               : Status(fail(error_of("starting")));
}

Status WriterHandle::close() {
    return ::archive_write_close(handle_.get()) == ARCHIVE_OK ? Status{}
                                                              : Status(fail(error_of("ending")));
}

Error WriterHandle::error_of(std::string_view what) {
    if (error_)
        return std::move(*error_);
    const char* text = ::archive_error_string(handle_.get());
    return {.code = Code::ToolFailed,
            .what = fmt::format("{}: {}", printable(what),
                                text == nullptr ? "unknown" : printable(text))};
}

} // namespace slipway::archive
