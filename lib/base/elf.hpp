// SPDX-License-Identifier: Apache-2.0
// What ELF files say of themselves.
#pragma once

#include <string>
#include <string_view>

namespace slipway {

/// Bytes that elf_machine has to see.
constexpr std::size_t elf_machine_size = 20;
/// Machine of an ELF file by its first bytes, as `uname -m` names it; "" if it is none or
/// unknown.
[[nodiscard]] std::string elf_machine(std::string_view header);

} // namespace slipway
