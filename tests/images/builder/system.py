# SPDX-License-Identifier: Apache-2.0
"""Puts a base tree on a disk and makes it a guest: its files, initramfs and boot loader."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from builder import disk, layers
from builder.confine import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, mount
from builder.run import Runner, require, step, write
from recipes import Installed, Volume

TARGET = Path("/dev/target")  # on the private tmpfs: the mount point vanishes with the namespace

HOSTS = "127.0.0.1\tlocalhost\n127.0.1.1\t{hostname}\n"
INTERFACES = """\
# The loopback network interface
auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug ens192
iface ens192 inet dhcp
"""
RESOLV_CONF = "nameserver 192.0.2.53\n"
FSTAB_HEAD = "# <file system> <mount point>   <type>  <options>       <dump>  <pass>\n"
GRUB_DEFAULTS = """\
GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="{cmdline}"
"""


def volumes_of(recipe: Installed) -> list[tuple[Volume, str]]:
    """With the names by which the guest knows them."""
    return [(volume, f"/dev/sda{number}") for number, volume in enumerate(recipe.volumes, 1)] + [
        (volume, f"/dev/{volume.node}") for volume in layers.upper_of(recipe)]


class System:
    """One operating system of a recipe while it is being made."""

    def __init__(self, recipe: Installed, index: int, runner: Runner):
        self.recipe, self.index, self.run = recipe, index, runner
        self.name = recipe.systems[index].hostname
        self.volumes = [(volume, node) for volume, node in volumes_of(recipe)
                        if volume.system == index or volume.fs == "swap"]

    def device(self, volume: Volume, node: str) -> str:
        return f"UUID={volume.uuid}" if self.recipe.names == "uuid" else node

    def mounts(self) -> list[tuple[str, Volume, str, str]]:
        """(mount point, volume, node, options), parents first."""
        rows = []
        for volume, node in self.volumes:
            if volume.mount:
                rows.append((volume.mount, volume, node, volume.options))
            for name, point in volume.subvolumes:
                rows.append((point, volume, node, f"{volume.options},subvol={name}"))
        return sorted(rows, key=lambda row: row[0])

    def mount(self) -> None:
        TARGET.mkdir()
        for point, volume, node, options in self.mounts():
            place = TARGET / point.lstrip("/")
            place.mkdir(exist_ok=True)
            data = options.partition("subvol=")
            mount(node, place, volume.fs, data="".join(data[1:]))

    def unpack(self, archive: Path) -> None:
        self.run("tar", "--extract", "--zstd", "--file", archive, "--directory", TARGET,
                 "--numeric-owner", "--same-permissions", "--xattrs", "--xattrs-include=*")

    def fstab(self) -> str:
        lines = [FSTAB_HEAD]
        for point, volume, node, options in self.mounts():
            check = 0 if volume.fs in ("btrfs", "xfs") else 1 if point == "/" else 2
            lines.append(f"{self.device(volume, node)} {point} {volume.fs} {options} 0 {check}\n")
        for volume, node in self.volumes:
            if volume.fs == "swap":
                lines.append(f"{self.device(volume, node)} none swap sw 0 0\n")
        lines.append("/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n")
        return "".join(lines)

    def write_files(self) -> None:
        write(TARGET / "etc/hostname", f"{self.name}\n")
        write(TARGET / "etc/hosts", HOSTS.format(hostname=self.name))
        write(TARGET / "etc/network/interfaces", INTERFACES)
        (TARGET / "etc/resolv.conf").unlink(missing_ok=True)  # mmdebstrap leaves this machine's
        write(TARGET / "etc/resolv.conf", RESOLV_CONF)
        write(TARGET / "etc/fstab", self.fstab())
        machine_id = hashlib.md5(self.name.encode(), usedforsecurity=False).hexdigest()
        write(TARGET / "etc/machine-id", f"{machine_id}\n")
        for path, text in layers.files_of(self.recipe):
            write(TARGET / path, text)
        (TARGET / "media/cdrom0").mkdir(parents=True, exist_ok=True)
        self.edit("etc/shadow", lambda text: text.replace("root:*:", "root::", 1))

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        before = (TARGET / path).read_text()
        after = change(before)
        assert before != after, f"the edit of {path} changed nothing"
        (TARGET / path).write_text(after)

    def configure_initramfs(self) -> None:
        swaps = [self.device(volume, node) for volume, node in self.volumes
                 if volume.fs == "swap"]
        write(TARGET / "etc/initramfs-tools/conf.d/resume", f"RESUME={(swaps or ['none'])[0]}\n")
        if self.recipe.modules:
            self.edit("etc/initramfs-tools/initramfs.conf",
                      lambda text: text.replace("MODULES=most", "MODULES=list"))
            self.edit("etc/initramfs-tools/modules",
                      lambda text: text + "\n".join(self.recipe.modules) + "\n")

    def configure_loader(self) -> None:
        text = GRUB_DEFAULTS.format(cmdline=self.recipe.cmdline)
        if self.recipe.names == "device":
            text += "GRUB_DISABLE_LINUX_UUID=true\n"
        if self.recipe.grub_terminal:
            text += f"GRUB_TERMINAL={self.recipe.grub_terminal}\n"
        write(TARGET / "etc/default/grub", text)
        write(TARGET / "boot/grub/device.map", "(hd0) /dev/sda\n")  # while we work

    def chroot(self, *argv: str, text: str = "") -> None:
        self.run("chroot", TARGET, *argv, text=text)

    def enter(self) -> None:
        """Mounts what the guest's programs look at. /sys/firmware is covered, else a host with
        UEFI would get into the guest's boot menu."""
        quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC
        mount("proc", TARGET / "proc", "proc", quiet)
        mount("sysfs", TARGET / "sys", "sysfs", quiet)
        mount("none", TARGET / "sys/firmware", "tmpfs", quiet)
        mount("none", TARGET / "run", "tmpfs", quiet, "mode=0755")
        # update-initramfs unpacks 100 MB here: on the disk its freed blocks would stay in the image
        mount("none", TARGET / "var/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
        mount("/dev", TARGET / "dev", flags=MS_BIND)
        if self.recipe.names == "uuid":
            self.make_uuid_links()

    def make_uuid_links(self) -> None:
        """Without these grub-mkconfig falls back to device names."""
        links = Path("/dev/disk/by-uuid")
        links.mkdir(parents=True)
        for volume, node in self.volumes:
            os.symlink(node, links / volume.uuid)

    def leave(self) -> None:
        for place in ("dev", "var/tmp", "run", "sys/firmware", "sys", "proc"):
            self.run("umount", TARGET / place)

    def install_loader(self) -> None:
        if self.index == 0:  # the boot sector belongs to the first system
            self.chroot("grub-install", "--target=i386-pc", "/dev/sda")
            self.chroot("debconf-set-selections",
                        text="grub-pc grub-pc/install_devices multiselect /dev/sda\n")
        self.chroot("update-grub")
        device_map = TARGET / "boot/grub/device.map"
        if self.recipe.vanished_disk:
            device_map.write_text(f"(hd0)\t{self.recipe.vanished_disk}\n")
        else:
            device_map.unlink()

    def link_initramfs(self) -> None:
        """Beside /vmlinuz, as the kernel package does where it makes the initramfs itself."""
        for name in ("vmlinuz", "vmlinuz.old"):
            kernel = os.readlink(TARGET / name)
            (TARGET / name.replace("vmlinuz", "initrd.img")).symlink_to(
                kernel.replace("vmlinuz", "initrd.img"))

    def install(self, archive: Path) -> None:
        self.mount()
        with step(f"{self.name}: unpack"):
            self.unpack(archive)
        self.write_files()
        self.configure_initramfs()
        self.configure_loader()
        self.enter()
        with step(f"{self.name}: initramfs"):
            self.chroot("update-initramfs", "-c", "-k", "all")
        self.link_initramfs()
        with step(f"{self.name}: boot loader"):
            self.install_loader()
        self.leave()
        self.run("umount", "--recursive", TARGET)
        TARGET.rmdir()


def build(recipe: Installed, archives: list[Path], work: Path) -> None:
    require("sfdisk", "partx", "tar", "zstd", "chroot", "mkswap")
    image, runner = work / "disk.raw", Runner(work / "build.log")
    script = disk.partition_script(recipe.table, recipe.label_id, recipe.volumes)
    disk.make_partitioned(image, recipe.disk_mib, script, runner)
    layers.make(recipe, image, runner)
    with disk.attached(image, runner), layers.stood_for(recipe, image, runner):
        for volume, node in volumes_of(recipe):
            disk.make_filesystem(volume, node, runner)
        for index, archive in enumerate(archives):
            System(recipe, index, runner).install(archive)
    layers.fill(recipe, image, runner)
