// SPDX-License-Identifier: Apache-2.0
// Base64 of streams, in lines of 76 characters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::calls {

class Base64Encoder {
public:
    /// Text of all bytes that fill whole groups; the others wait.
    [[nodiscard]] std::string add(std::string_view bytes);
    /// What remains, with the last line's end.
    [[nodiscard]] std::string finish();

private:
    void put(std::string& text, std::string_view group);
    std::string pending_; ///< less than three bytes
    std::size_t column_ = 0;
};

class Base64Decoder {
public:
    /// Newlines are passed over. InvalidArgument: something that is no base64.
    [[nodiscard]] Result<std::string> add(std::string_view text);
    /// InvalidArgument: the text ends within a group.
    [[nodiscard]] Status finish() const;

private:
    std::uint32_t bits_ = 0;
    unsigned characters_ = 0; ///< of the group that is being read
    unsigned padding_ = 0;
    bool ended_ = false;
};

} // namespace slipway::calls
