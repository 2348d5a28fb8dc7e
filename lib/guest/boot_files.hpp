// SPDX-License-Identifier: Apache-2.0
// Where kernel arguments stand in a guest's boot configuration. Only arguments count: never
// "set root=" of GRUB, never a comment.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::guest {

enum class BootFileKind {
    None,              ///< holds no kernel arguments
    GrubConfig,        ///< grub.cfg
    GrubSnippet,       ///< what becomes part of a menu: custom.cfg, /etc/grub.d/40_custom
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
/// Of a file inside an initramfs, by its path there: RESUME= of initramfs-tools, command lines of
/// dracut.
[[nodiscard]] BootFileKind kind_of_initramfs_file(std::string_view path);

/// A file of an initramfs, by its path there, that names devices other than by kernel arguments.
enum class DeviceTable { None, Crypttab, MdadmConfig };
[[nodiscard]] DeviceTable device_table_at(std::string_view path_in_initramfs);

/// Files that stand at a fixed place. What boot loaders read themselves is told by its name alone,
/// for there the place differs (see `report::BootLoader::config_files`).
struct BootFilePlace {
    std::string_view path;
    BootFileKind kind;
};
inline constexpr std::array boot_file_places{
    BootFilePlace{"/etc/default/grub", BootFileKind::GrubDefaults},
    BootFilePlace{"/etc/default/extlinux", BootFileKind::ExtlinuxDefaults},
    BootFilePlace{"/etc/update-extlinux.conf", BootFileKind::ExtlinuxDefaults},
    BootFilePlace{"/etc/kernel/cmdline", BootFileKind::KernelCommandLine},
    BootFilePlace{"/usr/lib/kernel/cmdline", BootFileKind::KernelCommandLine},
    BootFilePlace{"/etc/initramfs-tools/initramfs.conf", BootFileKind::InitramfsTools},
    BootFilePlace{"/etc/dracut.conf", BootFileKind::Dracut},
    BootFilePlace{"/boot/grub/custom.cfg", BootFileKind::GrubSnippet},
    BootFilePlace{"/boot/grub2/custom.cfg", BootFileKind::GrubSnippet},
    BootFilePlace{"/boot/grub/grubenv", BootFileKind::GrubEnvironment},
    BootFilePlace{"/boot/grub2/grubenv", BootFileKind::GrubEnvironment},
};
/// Directories each of whose files with this ending counts.
struct BootFileDirectory {
    std::string_view path;
    std::string_view ending;
    BootFileKind kind;
};
inline constexpr std::array boot_file_directories{
    BootFileDirectory{"/etc/default/grub.d", ".cfg", BootFileKind::GrubDefaults},
    BootFileDirectory{"/etc/grub.d", "_custom", BootFileKind::GrubSnippet},
    BootFileDirectory{"/etc/cmdline.d", ".conf", BootFileKind::KernelCommandLine},
    BootFileDirectory{"/etc/initramfs-tools/conf.d", "", BootFileKind::InitramfsTools},
    BootFileDirectory{"/etc/dracut.conf.d", ".conf", BootFileKind::Dracut},
    BootFileDirectory{"/boot/loader/entries", ".conf", BootFileKind::BlsEntry},
    BootFileDirectory{"/boot/efi/loader/entries", ".conf", BootFileKind::BlsEntry},
    BootFileDirectory{"/efi/loader/entries", ".conf", BootFileKind::BlsEntry},
};

enum class InitramfsUse {
    Unknown, ///< the file serves several kernels
    With,
    Without, ///< the kernel itself looks for its root
};
struct ArgumentSite {
    std::size_t begin = 0; ///< offsets in the text of the file
    std::size_t end = 0;
    /// "root" or "resume" where the text is the bare device; "" where it is a command line.
    std::string bare_key{};
    InitramfsUse initramfs = InitramfsUse::Unknown;
    /// The boot itself reads it, other than text that a tool makes boot files from.
    bool read_at_boot = true;
};
[[nodiscard]] std::vector<ArgumentSite> argument_sites(BootFileKind kind, std::string_view text);

} // namespace slipway::guest
