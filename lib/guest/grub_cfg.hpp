// SPDX-License-Identifier: Apache-2.0
// grub.cfg as grub-mkconfig writes it: which kernels it starts with which arguments. Not an
// interpreter: variables and conditions are not evaluated, every branch counts.
// Language: GRUB manual, "Shell-like scripting".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace slipway::guest {

/// A line that loads a kernel: linux, linux16, linuxefi, linuxxen, module, module2, kernel.
struct GrubKernel {
    int line_no = 0;
    std::string image;               ///< as written: "/vmlinuz-6.1.0-13-amd64", "($root)/vmlinuz"
    std::size_t arguments_begin = 0; ///< offsets of the arguments in the text
    std::size_t arguments_end = 0;
    std::vector<std::string> initrds{}; ///< of the initrd lines that follow it
    std::string search_uuid{};          ///< of the last search --fs-uuid before it in its entry
    std::string entry{};                ///< title of its menuentry, "" outside
};

/// All of them, in the order of the file. Reads GRUB legacy's menu.lst too.
[[nodiscard]] std::vector<GrubKernel> parse_grub_kernels(std::string_view text);
/// Corrupt where quotes, braces or if/fi do not balance, naming the line; also where the text holds
/// nothing but blanks and comments. A light check: what passes may still be wrong.
[[nodiscard]] Status check_grub_syntax(std::string_view text);
/// A stub that only finds another grub.cfg and loads it, as on an ESP. Never to be regenerated.
[[nodiscard]] bool is_grub_stub(std::string_view text);

} // namespace slipway::guest
