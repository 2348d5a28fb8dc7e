# SPDX-License-Identifier: Apache-2.0
"""The default content of a `mini` image: what a repair or an inspection of a Debian system looks
at, in a few files. With busybox-static its programs run in a chroot."""

import shutil
from pathlib import Path

from builder.run import write

KERNEL = "6.1.0-1-amd64"
BUSYBOX = Path("/bin/busybox")
APPLETS = ("cat", "cp", "echo", "env", "false", "grep", "hostname", "id", "ls", "mkdir", "mount",
           "mv", "ps", "pwd", "readlink", "rm", "sed", "sh", "sleep", "stat", "sync", "test",
           "touch", "true", "tty", "umount", "uname", "wc")
FOLDERS = ("dev", "etc", "home", "mnt", "proc", "root", "run", "srv", "sys", "tmp", "usr/bin",
           "usr/lib", "usr/lib64", "usr/sbin", "var/lib", "var/log", "var/tmp")

FILES = {
    "usr/lib/os-release": """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
""",
    "etc/debian_version": "12.0\n",
    "etc/hostname": "mini\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tmini\n",
    "etc/machine-id": "5119a0000000400080000000000000a1\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/shadow": "root::19700:0:99999:7:::\n",
    "etc/network/interfaces": "auto lo\niface lo inet loopback\n\n"
                              "allow-hotplug ens192\niface ens192 inet dhcp\n",
    "etc/default/grub": 'GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=""\n'
                        'GRUB_CMDLINE_LINUX="console=ttyS0"\n',
    "etc/initramfs-tools/initramfs.conf": "MODULES=list\nCOMPRESS=zstd\n",
    "etc/initramfs-tools/modules": "ahci\nsd_mod\next4\n",
    "boot/grub/device.map": "(hd0)\t/dev/disk/by-id/scsi-36000c29d4a1f0b7e52c8936f1e07ab45\n",
    f"boot/vmlinuz-{KERNEL}": "not a kernel, only its name\n",
    f"boot/config-{KERNEL}": "CONFIG_VIRTIO_BLK=m\nCONFIG_EXT4_FS=m\n",
}
PACKAGES = {f"linux-image-{KERNEL}": "6.1.0-1", "grub-pc": "2.06-13", "initramfs-tools": "0.142"}
MODULES = ("drivers/ata/ahci.ko", "drivers/block/virtio_blk.ko", "drivers/scsi/sd_mod.ko",
           "drivers/virtio/virtio_pci.ko", "fs/ext4/ext4.ko")
IN_INITRAMFS = ("drivers/ata/ahci.ko", "drivers/scsi/sd_mod.ko", "fs/ext4/ext4.ko")

GRUB_CFG = """\
set default="0"
set timeout=5
menuentry 'Debian GNU/Linux' --class debian --class gnu-linux --class gnu --class os {{
\tinsmod {filesystem}
\tset root='hd0{partition}'
\tlinux\t{prefix}/vmlinuz-{kernel} root={root} ro console=ttyS0
\tinitrd\t{prefix}/initrd.img-{kernel}
}}
"""


def _cpio_entry(name: str, mode: int, data: bytes = b"") -> bytes:
    fields = (1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def _module_index(modules: tuple[str, ...]) -> str:
    return "".join(f"kernel/{module}:\n" for module in modules)


def initramfs() -> bytes:
    """An uncompressed newc archive with modules of a VMware guest, without virtio."""
    files = {"init": b"#!/bin/sh\n", "conf/modules": b"ahci\nsd_mod\next4\n"}
    for module in IN_INITRAMFS:
        files[f"usr/lib/modules/{KERNEL}/kernel/{module}"] = b"module\n"
    files[f"usr/lib/modules/{KERNEL}/modules.dep"] = _module_index(IN_INITRAMFS).encode()
    folders = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    entries = [_cpio_entry(folder, 0o040755) for folder in sorted(folders)]
    entries += [_cpio_entry(name, 0o100755 if name == "init" else 0o100644, data)
                for name, data in files.items()]
    return b"".join([*entries, _cpio_entry("TRAILER!!!", 0)])


def _grub_cfg(mounts: dict[str, tuple[str, str]], table: str) -> str:
    boot_device, boot_fs = mounts.get("/boot", mounts["/"])
    number = boot_device.removeprefix("/dev/sda")
    return GRUB_CFG.format(
        filesystem={"ext4": "ext2"}.get(boot_fs, boot_fs), kernel=KERNEL,
        partition=f",{table}{number}" if number else "", root=mounts["/"][0],
        prefix="" if "/boot" in mounts else "/boot")


def _fstab(mounts: dict[str, tuple[str, str]]) -> str:
    lines = [f"{device} {point} {fs} {'errors=remount-ro' if fs == 'ext4' else 'defaults'} "
             f"0 {1 if point == '/' else 2}\n" for point, (device, fs) in mounts.items()]
    return "# <file system> <mount point> <type> <options> <dump> <pass>\n" + "".join(lines)


def _dpkg_status() -> str:
    return "\n".join(f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n"
                     f"Version: {version}\n" for name, version in PACKAGES.items())


def _add_programs(tree: Path) -> None:
    if not BUSYBOX.exists():
        return
    shutil.copy(BUSYBOX, tree / "usr/bin/busybox")
    (tree / "usr/sbin/init").symlink_to("../bin/busybox")
    for name in APPLETS:
        (tree / "usr/bin" / name).symlink_to("busybox")


def make(tree: Path, layout: tuple[str, dict[str, tuple[str, str]]]) -> None:
    table, mounts = layout
    for folder in FOLDERS:
        (tree / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (tree / folder).chmod(0o1777)
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / name).symlink_to(f"usr/{name}")
    for name, text in FILES.items():
        write(tree / name, text)
    (tree / "etc/shadow").chmod(0o640)
    (tree / "etc/os-release").symlink_to("../usr/lib/os-release")
    write(tree / "etc/fstab", _fstab(mounts))
    write(tree / "boot/grub/grub.cfg", _grub_cfg(mounts, table))
    write(tree / "var/lib/dpkg/status", _dpkg_status())
    for module in MODULES:
        write(tree / f"usr/lib/modules/{KERNEL}/kernel/{module}", "module\n")
    write(tree / f"usr/lib/modules/{KERNEL}/modules.dep", _module_index(MODULES))
    (tree / f"boot/initrd.img-{KERNEL}").write_bytes(initramfs())
    _add_programs(tree)


def make_esp(tree: Path) -> None:
    write(tree / "EFI/BOOT/BOOTX64.EFI", "MZ not a loader, only its name\n")
    write(tree / "EFI/debian/grub.cfg", "search.fs_uuid 5119a000-0000-4000-8000-0000000000b0 root\n"
                                        "set prefix=($root)'/boot/grub'\n"
                                        "configfile $prefix/grub.cfg\n")
