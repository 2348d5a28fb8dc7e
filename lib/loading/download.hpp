// SPDX-License-Identifier: Apache-2.0
// Fetches a file that may be large over a network that may fail.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.hpp"
#include "base/error.hpp"
#include "http/client.hpp"
#include "sys/fd.hpp"

namespace slipway::loading {

struct Progress {
    std::uint64_t done = 0;               ///< bytes
    std::optional<std::uint64_t> total{}; ///< bytes
    std::chrono::duration<double> spent{};
    std::uint64_t here = 0; ///< bytes since the transfer began or went on, for the rate
};
/// "[#####.....]  50 %  120 MiB  11.5 MiB/s  10 s left"; pure. At most `columns` wide.
[[nodiscard]] std::string render_progress(const Progress& progress, std::size_t columns);

struct DownloadRequest {
    std::vector<http::Url> urls;           ///< of the same file; the first that has it is taken
    std::string sha256{};                  ///< "": unknown
    std::optional<std::uint64_t> size{};   ///< bytes that it must have
    std::uint64_t limit = 0;               ///< bytes that there is room for; 0: any
    unsigned tries = 5;                    ///< without a byte more
    std::chrono::milliseconds pause{1000}; ///< before the second try; doubled each time, to 15 s
    /// Called before the first byte, with the size where the server tells it; an error ends the
    /// transfer.
    std::function<Status(std::optional<std::uint64_t>)> on_length{};
    std::size_t head_size = 0; ///< bytes that on_first_bytes wants, or the whole file
    std::function<Status(std::string_view, std::optional<std::uint64_t>)> on_first_bytes{};
    std::function<void(const Progress&)> on_progress{}; ///< a few times a second
    std::function<void(const Error&)> on_retry{};       ///< why a transfer broke
};

struct Downloaded {
    http::Url url{};
    std::uint64_t size = 0; ///< bytes
    std::string sha256{};
};

/// Into an empty file. A transfer that breaks goes on where it broke, where the server still has
/// the same file; where it is not what it should be the next server is asked. Errors: those of
/// http::Client; NotFound: no server has it; Corrupt: its size or digest is another; NoSpace: it is
/// larger than the limit, which is known before the first byte where the server tells its size.
[[nodiscard]] Result<Downloaded> download(http::Client& client, const DownloadRequest& request,
                                          sys::BorrowedFd file, const Cancel& cancel);

} // namespace slipway::loading
