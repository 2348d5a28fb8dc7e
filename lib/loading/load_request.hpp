// SPDX-License-Identifier: Apache-2.0
// What is to be loaded, from where.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/url.hpp"

namespace slipway::loading {

/// How a system is entered; see docs/netboot.md.
enum class Entry { Contained, Native, Kexec };
[[nodiscard]] std::optional<Entry> entry_named(std::string_view name);

struct LoadRequest {
    std::vector<http::Url> urls; ///< of the same image; the first that has it is taken
    std::string sha256{};        ///< "": see ask_what_to_expect
    Entry entry = Entry::Contained;
    bool insecure = false;       ///< any certificate will do
    std::string persist{};       ///< the label of the disk that keeps what it writes; "": in memory
    bool lazy = false;           ///< enter it before all of it is here
    std::string blocks_sha256{}; ///< of NAME.blocks, where no key is built in; "": unknown
    std::optional<std::chrono::seconds> return_after{};
    std::chrono::seconds deadline{20};
    std::chrono::milliseconds pause{1000}; ///< before a second try
};

} // namespace slipway::loading
