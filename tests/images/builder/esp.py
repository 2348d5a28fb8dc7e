# SPDX-License-Identifier: Apache-2.0
"""Makes a BIOS guest one that only UEFI can boot: GRUB on an EFI system partition behind its last
partition, and no code in the boot sector. Works on the image, since the kernel may have no vfat."""

import os
import tempfile
from pathlib import Path

from builder import minidisk
from builder.run import Runner
from recipes import MIB

ESP_MIB = 40
VOLUME_ID = "5119-00E5"
MODULES = ("part_msdos", "part_gpt", "ext2", "fat", "normal", "configfile", "linux", "search",
           "search_fs_uuid", "echo", "serial", "terminal", "terminfo", "gzio", "test", "loadenv")
EARLY_CONFIG = """\
search --no-floppy --fs-uuid --set=root {root}
set prefix=($root)/boot/grub
configfile $prefix/grub.cfg
"""
BOOT_CODE_BYTES = 440


def add(image: Path, root: str, runner: Runner) -> None:
    """`root`: UUID of the filesystem that has /boot/grub/grub.cfg."""
    start = image.stat().st_size
    with image.open("r+b") as file:
        file.write(bytes(BOOT_CODE_BYTES))
        file.truncate(start + (ESP_MIB + 1) * MIB)
    runner("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--append", image,
           text=f"start={start // 512}, size={ESP_MIB}MiB, type=ef\n")
    with tempfile.TemporaryDirectory(dir=image.parent) as work:
        tree, part = Path(work) / "tree", Path(work) / "esp"
        (tree / "EFI/BOOT").mkdir(parents=True)
        early = Path(work) / "early.cfg"
        early.write_text(EARLY_CONFIG.format(root=root))
        runner("grub-mkimage", "--format=x86_64-efi", "--prefix=/EFI/BOOT", f"--config={early}",
               f"--output={tree}/EFI/BOOT/BOOTX64.EFI", *MODULES)
        part.touch()
        os.truncate(part, ESP_MIB * MIB)
        runner("mkfs.vfat", "-F", "32", "-i", VOLUME_ID.replace("-", ""), "-n", "ESP", part)
        runner("mcopy", "-s", "-i", part, tree / "EFI", "::/")
        minidisk.put(part, image, start)
