// SPDX-License-Identifier: Apache-2.0
// Where kernel arguments stand in a guest's boot configuration. Only arguments count: never
// "set root=" of GRUB, never a comment.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::repair {

enum class BootFileKind {
    None,              ///< holds no kernel arguments
    GrubConfig,        ///< grub.cfg
    GrubLegacy,        ///< menu.lst, grub.conf
    GrubDefaults,      ///< /etc/default/grub and grub.d/*.cfg
    GrubEnvironment,   ///< grubenv
    BlsEntry,          ///< loader/entries/*.conf
    KernelCommandLine, ///< /etc/kernel/cmdline
    Extlinux,          ///< extlinux.conf, syslinux.cfg
    ExtlinuxDefaults,  ///< Alpine's /etc/update-extlinux.conf, Debian's /etc/default/extlinux
    InitramfsTools,    ///< RESUME= of /etc/initramfs-tools
    Dracut,            ///< kernel_cmdline of dracut.conf
};
[[nodiscard]] BootFileKind kind_of_boot_file(std::string_view guest_path);
/// Whether the boot itself reads the file, other than one that a tool makes boot files from.
[[nodiscard]] bool is_read_at_boot(BootFileKind kind);

enum class Initramfs {
    Unknown, ///< the file serves several kernels
    With,
    Without, ///< the kernel itself looks for its root
};
struct ArgumentSite {
    std::size_t begin = 0; ///< offsets in the text of the file
    std::size_t end = 0;
    /// "root" or "resume" where the text is the bare device; "" where it is a command line.
    std::string bare_key{};
    Initramfs initramfs = Initramfs::Unknown;
};
[[nodiscard]] std::vector<ArgumentSite> argument_sites(BootFileKind kind, std::string_view text);

} // namespace slipway::repair
