// SPDX-License-Identifier: Apache-2.0
// Optional arguments of a call as words of a tool's command line. Pure. Private to the module.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace slipway::calls {

/// What becomes of one argument. "-b" and 1024: "-b" "1024". With a prefix the values of all that
/// have the same option are one word: "-E" "stride=4,stripe_width=8".
struct ToolOption {
    enum class Kind { Flag, Number, Text };
    Kind kind = Kind::Flag;
    std::string_view option;   ///< "": the argument is no word of the tool's
    std::string_view prefix{}; ///< of a Flag the whole value
    std::string_view off{};    ///< of a Flag that is given as false: the value in place of prefix
    std::int64_t least = 0;
};
/// The words for `arguments` from `first` on, which the options stand for one by one.
/// InvalidArgument for a number that is too small.
[[nodiscard]] Result<std::vector<std::string>> words_of(std::span<const ToolOption> options,
                                                        const Json& arguments, std::size_t first);

} // namespace slipway::calls
