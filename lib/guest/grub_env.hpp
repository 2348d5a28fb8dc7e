// SPDX-License-Identifier: Apache-2.0
// GRUB's environment block: a signature line, NAME=value lines, and "#" up to exactly 1024 bytes,
// for GRUB itself writes it in place through block lists. See the GRUB manual, "The GRUB
// environment block", and grub-core/lib/envblk.c.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace slipway::guest {

constexpr std::size_t grub_env_size = 1024;

/// A variable; offsets of its value in the block. In the block a backslash stands before a newline
/// or backslash of the value.
struct GrubVariable {
    std::string name;
    std::size_t begin = 0;
    std::size_t end = 0;
};
/// Variables of a block; empty where it has no signature.
[[nodiscard]] std::vector<GrubVariable> parse_grub_env(std::string_view block);
/// The value of a variable as it stands in the block.
[[nodiscard]] std::optional<std::string_view> grub_variable(std::string_view block,
                                                            std::string_view name);
/// The block brought back to the size it had (1024 bytes as a rule) by more or less padding.
/// NoSpace where the variables do not fit.
[[nodiscard]] Result<std::string> pad_grub_env(std::string_view edited,
                                               std::size_t size = grub_env_size);

} // namespace slipway::guest
