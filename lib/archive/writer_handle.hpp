// SPDX-License-Identifier: Apache-2.0
// A writer of libarchive whose output goes to a function. Private to the module.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "archive/entry.hpp"
#include "base/error.hpp"

namespace slipway::archive {

class WriterHandle {
public:
    using Sink = std::function<Status(std::string_view)>;
    /// The sink is borrowed.
    explicit WriterHandle(const Sink& sink) : sink_(sink), handle_(::archive_write_new()) {}

    [[nodiscard]] struct ::archive* get() const { return handle_.get(); }
    /// "gzip", "bzip2", "xz", "zstd" or "compress"; InvalidArgument for others.
    [[nodiscard]] Status add_filter(std::string_view name, std::optional<int> level = {});
    [[nodiscard]] Status open();
    [[nodiscard]] Status close();
    /// What the last call failed with: the sink's error, or libarchive's.
    [[nodiscard]] Error error_of(std::string_view what);

private:
    static la_ssize_t write_block(struct ::archive* writer, void* context, const void* data,
                                  std::size_t size);
    const Sink& sink_;
    std::optional<Error> error_;
    std::unique_ptr<struct ::archive, FreeArchive> handle_; ///< its end may write
};

} // namespace slipway::archive
