// SPDX-License-Identifier: Apache-2.0
// A part of a file, by a range request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "http/client.hpp"

namespace slipway::loading {

/// For one thread.
class RangeFetch {
public:
    struct Options {
        std::vector<http::Url> urls; ///< of the same file
        http::ClientOptions client{};
        std::uint64_t size = 0; ///< bytes of the file
    };
    explicit RangeFetch(Options options) : options_(std::move(options)) {}

    /// From the server that answered last; the next one is asked after a failure. Errors: those of
    /// http::Client; Unsupported: the server sends no parts; NotFound, Protocol.
    [[nodiscard]] Result<std::string> fetch(std::uint64_t offset, std::uint64_t bytes,
                                            const Cancel& cancel);
    /// What came was of no use.
    void turn_to_next() { server_ = (server_ + 1) % options_.urls.size(); }

private:
    Options options_;
    std::optional<http::Client> client_;
    std::size_t server_ = 0;
};

} // namespace slipway::loading
