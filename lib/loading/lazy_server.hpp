// SPDX-License-Identifier: Apache-2.0
// The process that fetches an image's blocks when somebody reads them, for as long as a system runs
// from it.
//
// A process of its own: the bootstrap starts systems by clone3(2), which a program with threads
// must not. It is locked in memory, and systemd's last signals spare it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "http/url.hpp"

namespace slipway::loading {

struct LazySource {
    std::vector<http::Url> urls;            ///< of the same image
    std::uint64_t size = 0, block_size = 0; ///< bytes
    std::string sha256;                     ///< of all of it
    std::string blocks_sha256;
    std::string ca_file{};
    bool insecure = false;
    std::uint64_t blocks_here = 0;         ///< from the beginning, that were fetched before
    std::chrono::milliseconds pause{1000}; ///< before a second try; doubled each time, to 5 s
    /// The rest is fetched after so long, when nobody has had to wait for a block for a while.
    std::chrono::milliseconds rest_after{60'000}, rest_when_idle{10'000};
};
[[nodiscard]] std::string render_source(const LazySource& source);
[[nodiscard]] Result<LazySource> parse_source(std::string_view text);

/// The descriptors that it is started with.
enum LazyDescriptor { LazyDevice = 3, LazyFile, LazyBlockList, LazyWishes, LazyChannel };
/// What it says on its channel, a packet each: this, or a line for people.
constexpr std::string_view lazy_is_whole = "whole";

/// "--serve-blocks" of slipway-init; comes back when the image is not mounted any more. Its exit
/// status. After a packet on its channel all reads of what is not here fail.
int serve_blocks();

} // namespace slipway::loading
