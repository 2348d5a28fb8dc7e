// SPDX-License-Identifier: Apache-2.0
// What is inside an image: disks, volumes, operating system, boot, kernels, fstab. Plain records.
// Volume names are the same in every engine: "sda", "sda2", "btrfs:sda2/@".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "report/finding.hpp"
#include "report/packages.hpp"

namespace slipway::report {

struct Disk {
    std::string name;       ///< "sda" for the first in the order given
    std::string format;     ///< raw, qcow2, vmdk, vpc, vhdx, vdi
    std::uint64_t size = 0; ///< bytes, virtual
    std::string table;      ///< "dos", "gpt", or "none"
    std::string table_id{};
    std::string serial{}; ///< as it was given, "" without
};

/// A partition, or a whole disk that carries a filesystem itself, or a subvolume.
struct Volume {
    std::string name;
    std::string disk;
    unsigned partition = 0;  ///< 0: the whole disk
    std::uint64_t start = 0; ///< bytes from the start of the disk
    std::uint64_t size = 0;  ///< bytes
    std::string type;        ///< as libblkid names it: ext4, xfs, btrfs, vfat, swap, crypto_LUKS,
                             ///< LVM2_member, …; "" unknown
    std::string label{};
    std::string uuid{};
    std::string partuuid{};
    std::string partlabel{};
    std::string parttype{};              ///< type GUID, or "0x83"
    bool bootable = false;               ///< active flag of an MBR partition
    std::optional<std::uint64_t> used{}; ///< bytes; only of mounted filesystems
    bool dirty = false;                  ///< its journal waits for recovery
    /// Of a volume inside others: "luks", "bitlocker", "md", "lvm", "snapshot" (of LVM: it has no
    /// UUID or label of its own), "partition"; "" for a partition of a disk.
    std::string kind{};
    std::vector<std::string> stands_on{}; ///< names of the volumes right below it
};

/// A drive letter, without its colon, and the volume of the image behind it.
struct DriveMapping {
    std::string letter;
    std::string volume;
};

/// What only Windows has.
struct WindowsSystem {
    std::string system_root{}; ///< guest path, as it is spelled: "/Windows"
    std::string control_set{}; ///< "ControlSet001", the one in use
    std::string edition{};     ///< "Professional", "ServerStandard", …
    std::string build{};       ///< "19045"
    bool hibernated = false;   ///< also by fast startup
    std::vector<DriveMapping> drives{};
};

struct OperatingSystem {
    std::string type;                ///< "linux", "windows", "freebsd", "netbsd", "openbsd", or ""
    std::string distro;              ///< ID of os-release: debian, ubuntu, rhel, opensuse-leap, …
    std::vector<std::string> like{}; ///< ID_LIKE
    std::string product;             ///< PRETTY_NAME
    std::string version;             ///< VERSION_ID
    std::uint64_t major_version = 0, minor_version = 0; ///< of the version; 0 where it has none
    std::string variant{}; ///< VARIANT_ID; of Windows "Client", "Server", …
    std::string codename{};
    std::string arch; ///< of /bin programs: x86_64, i386, aarch64, …; "" unknown
    std::string hostname{};
    std::string package_manager{}; ///< apt, dnf, yum, zypper, pacman, apk
    std::string package_format{};  ///< deb, rpm, pacman, apk, ebuild, xbps, pkg, …
    std::string init_system{};     ///< systemd, openrc, sysvinit, busybox
    std::optional<WindowsSystem> windows{};
};

struct BootLoader {
    std::string kind;                        ///< grub2, grub-legacy, systemd-boot, extlinux, or ""
    std::vector<std::string> config_files{}; ///< guest paths that exist
    std::string grub_config{};               ///< the grub.cfg that mkconfig shall write, "" if none
    bool uses_bls = false;                   ///< boot entries are /boot/loader/entries/*.conf
    std::string mkconfig{}; ///< guest path of update-grub, grub2-mkconfig, or grub-mkconfig
};

struct Kernel {
    std::string version;       ///< as of /lib/modules
    std::string image{};       ///< guest path of vmlinuz
    std::string initramfs{};   ///< guest path; "" when there is none
    std::string modules_dir{}; ///< guest path of /lib/modules/VERSION; "" when absent
    bool rescue = false;
    // Filled by a deep inspection only:
    bool examined = false;
    bool virtio_in_initramfs = false; ///< a disk on virtio-blk and virtio-scsi can be found at boot
    bool virtio_builtin = false;
    std::vector<std::string> missing_modules{}; ///< of those that virtio needs and this kernel has
    std::string initramfs_error{};              ///< why it could not be read
    /// Text of the files inside the initramfs that give kernel arguments and name a device, by
    /// their path there. Not part of the JSON form.
    std::map<std::string, std::string> initramfs_files{};
};

/// A line of /etc/fstab that mounts something.
struct FstabEntry {
    int line_no = 0;
    std::string spec;
    std::string mountpoint;
    std::string type;
    std::string options;
    std::string volume{};  ///< name of the volume that it resolves to, "" if none or not a device
    bool unstable = false; ///< names a device by bus, which changes with the move
};

struct Inventory {
    std::vector<Disk> disks;
    std::vector<Volume> volumes;
    std::string root; ///< volume of /
    OperatingSystem os;
    std::string firmware; ///< "bios", "uefi", "bios+uefi", or "" unknown
    BootLoader boot_loader;
    std::string
        initramfs_generator{};   ///< initramfs-tools, dracut, mkinitcpio, mkinitfs, mkinitrd, or ""
    std::vector<Kernel> kernels; ///< newest first, rescue kernels last
    std::vector<FstabEntry> fstab;
    std::map<std::string, std::string> mountpoints; ///< guest path -> volume, as mounted here
    Findings findings;
    std::optional<PackageList> packages{}; ///< only where it was asked for

    /// Small configuration files of the guest by path: the input of pure planning. Not in the JSON.
    std::map<std::string, std::string> files{};

    /// "btrfs:sda2/@" finds the volume that carries the subvolume, sda2.
    [[nodiscard]] const Volume* find_volume(std::string_view name) const;
    [[nodiscard]] const Volume* volume_with_uuid(std::string_view uuid) const;
    /// Whether a volume stands on this one: a container that was opened.
    [[nodiscard]] bool is_opened(const Volume& container) const;
    [[nodiscard]] const std::string* file(const std::string& path) const;
};

/// "schema":"slipway.inspect.v1"
[[nodiscard]] Json to_json(const Inventory& inventory);
[[nodiscard]] Inventory inventory_from_json(const Json& json);
/// The text of `slipway inspect` for a person.
[[nodiscard]] std::string render_text(const Inventory& inventory);

} // namespace slipway::report
