// SPDX-License-Identifier: Apache-2.0
// Small text functions that the standard library of C++20 lacks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

[[nodiscard]] std::string_view trim(std::string_view text);
/// Splits at each separator; empty fields are kept.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
/// Splits at runs of spaces and tabs; no empty fields.
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view text);
/// Lines without their terminator ("\n" or "\r\n"); a last line without one counts.
[[nodiscard]] std::vector<std::string_view> split_lines(std::string_view text);
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);
[[nodiscard]] std::string replace_all(std::string text, std::string_view from, std::string_view to);
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] std::string_view basename_of(std::string_view path);
[[nodiscard]] std::string_view dirname_of(std::string_view path);
/// Whole text as a decimal number, or nothing.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);
/// Version-aware order as of `sort -V`: 5.14.0-9 comes before 5.14.0-70. Where one has a number and
/// the other a letter the number is newer, as rpm has it: 5.14.0-70.el9 comes before
/// 5.14.0-70.13.1.el9. Negative, 0 or positive.
[[nodiscard]] int compare_versions(std::string_view a, std::string_view b);
/// Control characters and broken UTF-8 replaced, for text of a guest that goes to a terminal.
[[nodiscard]] std::string printable(std::string_view text);
/// A word as one writes it in a shell, for commands that a message proposes: in quotes if it must be.
[[nodiscard]] std::string shell_quote(std::string_view word);
[[nodiscard]] std::string to_hex(const unsigned char* bytes, std::size_t size);

} // namespace slipway
