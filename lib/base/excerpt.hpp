// SPDX-License-Identifier: Apache-2.0
// What a tool said, short enough for a message.
#pragma once

#include <string>
#include <string_view>

namespace slipway {

/// Text of more than `most` bytes as its beginning and its end: some tools give the reason first
/// and their usage after it, others end with the reason.
[[nodiscard]] std::string excerpt(std::string_view text, std::size_t most);

} // namespace slipway
