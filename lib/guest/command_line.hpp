// SPDX-License-Identifier: Apache-2.0
// A kernel command line, edited argument by argument. Quoting as of the kernel's
// Documentation/admin-guide/kernel-parameters.rst: double quotes protect blanks. Single quotes too,
// for the same text stands in grub.cfg and in shell files.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::guest {

/// One argument; offsets count from the start of the text that was parsed.
struct Argument {
    std::string key;   ///< before the first "="; all of it where there is no value
    std::string value; ///< after it, without enclosing quotes
    bool has_value = false;
    std::size_t begin = 0; ///< of the whole argument, quotes included
    std::size_t end = 0;
    std::size_t value_begin = 0; ///< of what replaces the value
    std::size_t value_end = 0;
};

[[nodiscard]] std::vector<Argument> parse_command_line(std::string_view text);

/// A piece of a text and what takes its place.
struct Edit {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string text;
};
/// Applies edits that do not overlap, given in any order; all other bytes stay.
[[nodiscard]] std::string apply_edits(std::string_view text, std::vector<Edit> edits);
/// Number of the line, from 1, that holds the offset.
[[nodiscard]] int line_of(std::string_view text, std::size_t offset);

} // namespace slipway::guest
