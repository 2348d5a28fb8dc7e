# SPDX-License-Identifier: Apache-2.0
"""Partitions and filesystems of a `mini` image, made in plain files."""

import json
import os
import stat
import struct
import subprocess
import zlib
from pathlib import Path

from builder.run import CLEAN_ENVIRONMENT, Failed, copy_data, output, require
from recipes import MIB

SECTOR = 512
BOOT_MIB = 16
DOS_TYPES = {"vfat": "ef", "lvm": "8e", "luks": "83"}
GPT_TYPES = {"vfat": "U", "lvm": "V", "luks": "CA7D7CCB-63ED-4C53-861C-1742536059CC"}
LUKS_KEY = "slipway"


def uuid(index: int) -> str:
    return f"5119a000-0000-4000-8000-0000000000b{index}"


def mount_table(table: str, first: str, fs: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """The table's name in GRUB, and mount point: (device, filesystem) as on a VMware guest."""
    if table == "none":
        return table, {"/": ("/dev/sda", fs)}
    if first:
        return table, {"/": ("/dev/sda2", fs),
                       first: ("/dev/sda1", "vfat" if first == "/boot/efi" else "ext4")}
    return table, {"/": ("/dev/sda1", fs)}


def _run(*argv: str | Path, text: str = "") -> None:
    words = [str(word) for word in argv]
    require(words[0])
    done = subprocess.run(words, input=text, capture_output=True, text=True,
                          env=CLEAN_ENVIRONMENT, check=False)
    if done.returncode != 0:
        text = (done.stderr or done.stdout).strip()
        raise Failed(f"{words[0]}: status {done.returncode}: {text}")


def _script(table: str, kinds: list[str]) -> str:
    types = DOS_TYPES if table == "msdos" else GPT_TYPES
    label = ("label: dos", "label-id: 0x511900b0") if table == "msdos" else (
        "label: gpt", f"label-id: {uuid(9)}")
    lines = [*label, "unit: sectors"]
    for index, kind in enumerate(kinds):
        fields = [f"size={BOOT_MIB}MiB"] if index + 1 < len(kinds) else []
        fields += [f"type={types[kind]}"] if kind in types else []
        fields += [f"uuid={uuid(index + 4)}"] if table == "gpt" else []
        lines.append(", ".join(fields) or ",")
    return "\n".join(lines) + "\n"


def partition(image: Path, table: str, kinds: list[str]) -> list[tuple[int, int]]:
    """(offset, length) of every partition, in bytes."""
    if table == "none":
        return [(0, image.stat().st_size)]
    _run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", image,
         text=_script(table, kinds))
    if table == "msdos":
        _mark_as_grub(image)
    rows = json.loads(output("sfdisk", "--json", str(image)))["partitiontable"]["partitions"]
    return [(row["start"] * SECTOR, row["size"] * SECTOR) for row in rows]


def _mark_as_grub(image: Path) -> None:
    """The words by which a boot sector of GRUB is recognised; there is no code."""
    with image.open("r+b") as file:
        file.seek(0x180)
        file.write(b"GRUB \0Geom\0Hard Disk\0Read\0 Error\r\n\0")


def make_filesystem(part: Path, length: int, kind: str, tree: Path, index: int) -> None:
    """Fills a new file of `length` bytes with a filesystem that holds `tree`."""
    with part.open("wb") as file:
        file.truncate(length)
    MAKERS[kind](part, tree, uuid(index))


def put(part: Path, image: Path, offset: int) -> None:
    with part.open("rb") as reader, image.open("r+b") as writer:
        copy_data(reader.fileno(), writer.fileno(), offset)


def _make_ext4(part: Path, tree: Path, name: str) -> None:
    _run("mkfs.ext4", "-q", "-F", "-U", name, "-m", "0", "-E", f"hash_seed={name}",
         "-d", tree, part)


def _make_btrfs(part: Path, tree: Path, name: str) -> None:
    _run("mkfs.btrfs", "-q", "-U", name, "--rootdir", tree, part)


def _make_vfat(part: Path, tree: Path, name: str) -> None:
    require("mcopy")
    _run("mkfs.vfat", "-i", f"5119{name[-4:]}", "-n", "MINI", part)
    entries = sorted(tree.iterdir())
    if entries:
        _run("mcopy", "-s", "-i", part, *entries, "::/")


def _make_xfs(part: Path, tree: Path, name: str) -> None:
    prototype = part.with_suffix(".prototype")
    prototype.write_text("/\n0 0\n" + "\n".join(_prototype(tree)) + "\n")
    # --unsupported: mkfs.xfs otherwise wants 300 MB
    _run("mkfs.xfs", "-q", "--unsupported", "-m", f"uuid={name}", "-p", prototype, part)
    prototype.unlink()


def _prototype(folder: Path, name: str = "") -> list[str]:
    """The lines of mkfs.xfs(8)'s prototype for a folder and what is below it."""
    lines = [f"{name} {_mode('d', folder.lstat())}".lstrip()]
    for entry in sorted(folder.iterdir()):
        facts = entry.lstat()
        if any(letter.isspace() for letter in f"{entry.name}{entry}"):
            raise Failed(f"{entry}: mkfs.xfs cannot take a name with a space")
        if stat.S_ISDIR(facts.st_mode):
            lines += _prototype(entry, entry.name)
        elif stat.S_ISLNK(facts.st_mode):
            lines.append(f"{entry.name} {_mode('l', facts)} {os.readlink(entry)}")
        elif stat.S_ISREG(facts.st_mode):
            lines.append(f"{entry.name} {_mode('-', facts)} {entry}")
        else:
            raise Failed(f"{entry}: only folders, files and links can be put on XFS here")
    return [*lines, "$"]


def _mode(kind: str, facts: os.stat_result) -> str:
    setuid = "u" if facts.st_mode & stat.S_ISUID else "-"
    setgid = "g" if facts.st_mode & stat.S_ISGID else "-"
    return f"{kind}{setuid}{setgid}{facts.st_mode & 0o777:03o} {facts.st_uid} {facts.st_gid}"


def _make_luks(part: Path, _tree: Path, name: str) -> None:
    _run("cryptsetup", "luksFormat", "--type", "luks2", "--batch-mode", "--uuid", name,
         "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "-", part,
         text=LUKS_KEY)


def _make_lvm(part: Path, _tree: Path, _name: str) -> None:
    """An LVM2 label with a physical volume header that lists one data area and no metadata."""
    area = struct.pack("<QQ", MIB, 0) + bytes(16) + bytes(16)
    header = b"511900LVM2PhysicalVolumeLabelb00" + struct.pack("<Q", part.stat().st_size) + area
    body = (struct.pack("<I", 32) + b"LVM2 001" + header).ljust(SECTOR - 20, b"\0")
    crc = zlib.crc32(body, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
    with part.open("r+b") as file:
        file.seek(SECTOR)
        file.write(b"LABELONE" + struct.pack("<QI", 1, crc) + body)


MAKERS = {"ext4": _make_ext4, "xfs": _make_xfs, "btrfs": _make_btrfs, "vfat": _make_vfat,
          "luks": _make_luks, "lvm": _make_lvm}
