// SPDX-License-Identifier: Apache-2.0
// Compresses a stream.
#pragma once

#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::archive {

struct CompressOptions {
    std::string type{};         ///< "gzip", "bzip2", "xz", "zstd" or "compress"
    std::optional<int> level{}; ///< 1 to 9 (zstd: 19), the program's own default otherwise
    std::string name{};         ///< of the file, which gzip keeps
    std::time_t time = 0;       ///< of the file, which gzip keeps
};

class Compressor {
public:
    using Sink = std::function<Status(std::string_view)>;
    /// InvalidArgument: an unknown type or level.
    [[nodiscard]] static Result<std::unique_ptr<Compressor>> open(const CompressOptions& options,
                                                                  Sink sink);
    Compressor() = default;
    Compressor(const Compressor&) = delete;
    Compressor& operator=(const Compressor&) = delete;
    virtual ~Compressor() = default;
    /// Errors of the sink come back.
    [[nodiscard]] virtual Status write(std::string_view bytes) = 0;
    [[nodiscard]] virtual Status finish() = 0;
};

} // namespace slipway::archive
