// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/strings.hpp"
#include "enter/enter.hpp"

namespace slipway::enter {
namespace {

constexpr std::array known_tools{
    // GRUB
    "grub2-mkconfig", "grub-mkconfig", "update-grub", "update-grub2", "grub2-install",
    "grub-install", "grub2-probe", "grub-probe", "grub2-editenv", "grub-editenv", "grub2-mkimage",
    "grub-mkimage", "update-bootloader", "pbl",
    // initramfs generators
    "dracut", "update-initramfs", "mkinitramfs", "mkinitrd", "mkinitcpio", "mkinitfs",
    // other boot loaders and their front ends
    "kernel-install", "bootctl", "grubby", "installkernel", "extlinux", "zipl"};

constexpr std::string_view shell_punctuation = " \t\n;|&()<>`\"'$={}";

} // namespace

bool needs_mounts(std::string_view argv0) {
    auto name = basename_of(argv0);
    return std::find(known_tools.begin(), known_tools.end(), name) != known_tools.end();
}

bool needs_mounts(const std::vector<std::string>& argv) {
    for (std::string_view text : argv) {
        while (!text.empty()) {
            auto end = std::min(text.find_first_of(shell_punctuation), text.size());
            if (needs_mounts(text.substr(0, end)))
                return true;
            text.remove_prefix(std::min(end + 1, text.size()));
        }
    }
    return false;
}

} // namespace slipway::enter
