# SPDX-License-Identifier: Apache-2.0
"""A raw disk attached as /dev/sda in a /dev of our own, so that tools which write device names
into the guest (grub-mkconfig) write those of its future machine and never a loop device's.

Call only inside confine.run: nothing here undoes a mount when it fails."""

import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.confine import MS_NOEXEC, MS_NOSUID, mount
from builder.run import Failed, Runner
from recipes import MIB, Volume

# linux/loop.h
LOOP_CTL_GET_FREE, LOOP_CONFIGURE = 0x4C82, 0x4C0A
LO_FLAGS_AUTOCLEAR, LO_FLAGS_PARTSCAN = 4, 8
LOOP_CONFIG = struct.Struct("=II 52x I 176x 64x")  # fd, block_size, …, info.lo_flags, …

NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
         "tty": (5, 0), "loop-control": (10, 237)}
DOS_TYPES = {"swap": "82", "lvm": "8e", "md": "fd", "luks": "83"}
GPT_TYPES = {"bios_grub": "21686148-6449-6E6F-744E-656564454649",
             "swap": "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"}


def make_private_dev() -> None:
    mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=4m")
    for name, numbers in NODES.items():
        _node(name, os.makedev(*numbers), character=True)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"),
                         ("stderr", "fd/2"), ("ptmx", "pts/ptmx")):
        os.symlink(target, f"/dev/{name}")
    os.mkdir("/dev/pts")
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666")


def _node(name: str, numbers: int, character: bool = False) -> None:
    kind = 0o020666 if character else 0o060660
    os.mknod(f"/dev/{name}", kind, numbers)
    os.chmod(f"/dev/{name}", kind & 0o777)


def _configure_free_loop(backing: int) -> tuple[int, int]:
    """Returns the open device and its number. AUTOCLEAR frees it with the last close, and
    PARTSCAN makes its partitions go with it."""
    config = LOOP_CONFIG.pack(backing, 0, LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN)
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        while True:
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            _node(f"loop{number}", os.makedev(7, number))
            device = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_CLOEXEC)
            os.unlink(f"/dev/loop{number}")
            try:
                fcntl.ioctl(device, LOOP_CONFIGURE, config)
                return device, number
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:  # another process was faster
                    raise
    finally:
        os.close(control)


@contextmanager
def attached(image: Path, runner: Runner) -> Iterator[None]:
    """/dev/sda, /dev/sda1 … are the image's disk and partitions."""
    make_private_dev()
    with _disk(image, "sda", runner):
        yield
    runner("umount", "--lazy", "/dev")  # the machine's own /dev again


@contextmanager
def volumes_attached(image: Path, nodes: list[str], runner: Runner) -> Iterator[None]:
    """Beside /dev/sda: the partitions of another image under names of our own, below /dev."""
    with _disk(image, "upper", runner):
        for number, name in enumerate(nodes, 1):
            # A node and no link: what asks for the device of a mounted filesystem gets this name.
            Path(f"/dev/{name}").parent.mkdir(exist_ok=True)
            os.mknod(f"/dev/{name}", 0o060660, Path(f"/dev/upper{number}").stat().st_rdev)
            os.unlink(f"/dev/upper{number}")
        os.unlink("/dev/upper")
        yield


@contextmanager
def _disk(image: Path, name: str, runner: Runner) -> Iterator[None]:
    """/dev/NAME, /dev/NAME1 …"""
    backing = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    device, number = _configure_free_loop(backing)
    os.close(backing)
    sysfs = Path(f"/sys/block/loop{number}")
    _node(name, os.makedev(7, number))
    # --update, because a kernel that parses partition tables has added them already
    runner("partx", "--update", f"/dev/{name}")
    for entry in sorted(sysfs.glob(f"loop{number}p*")):
        major, minor = (entry / "dev").read_text().split(":")
        _node(f"{name}{entry.name.rpartition('p')[2]}", os.makedev(int(major), int(minor)))
    yield
    os.fsync(device)
    os.close(device)
    _wait_until_free(sysfs)


def _wait_until_free(sysfs: Path) -> None:
    deadline = time.monotonic() + 10
    while (sysfs / "loop").exists() or any(sysfs.glob(f"{sysfs.name}p*")):
        if time.monotonic() > deadline:
            raise Failed(f"{sysfs.name} is still in use")
        time.sleep(0.02)


def partition_script(table: str, label_id: str, volumes: tuple[Volume, ...]) -> str:
    """What sfdisk reads. Partitions start at 1 MiB."""
    types = DOS_TYPES if table == "dos" else GPT_TYPES
    lines = [f"label: {table}", f"label-id: {label_id}", "unit: sectors"]
    for index, volume in enumerate(volumes):
        fields = [f"size={volume.mib}MiB"] if volume.mib else []
        if volume.fs in types:
            fields.append(f"type={types[volume.fs]}")
        if table == "dos" and volume.mount == "/" and volume.system == 0:
            fields.append("bootable")
        if table == "gpt":
            fields.append(f"uuid={label_id[:-3]}9{index + 1:02d}")
        lines.append(", ".join(fields) or ",")
    return "\n".join(lines) + "\n"


def make_partitioned(image: Path, mib: int, script: str, runner: Runner) -> None:
    with image.open("wb") as file:
        file.truncate(mib * MIB)
    runner("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", image, text=script)


def make_filesystem(volume: Volume, node: str, runner: Runner) -> None:
    label = ["-L", volume.label] if volume.label else []
    if volume.fs == "ext4":
        runner("mkfs.ext4", "-q", "-F", "-U", volume.uuid, *label, "-m", "1",
               "-E", f"hash_seed={volume.uuid}", node)
    elif volume.fs == "xfs":
        runner("mkfs.xfs", "-q", "-f", "-m", f"uuid={volume.uuid}", *label, node)
    elif volume.fs == "btrfs":
        runner("mkfs.btrfs", "-q", "-f", "-U", volume.uuid, *label, node)
        _make_subvolumes(volume, node, runner)
    elif volume.fs == "swap":
        runner("mkswap", "-U", volume.uuid, *label, node)


def _make_subvolumes(volume: Volume, node: str, runner: Runner) -> None:
    top = Path("/dev/btrfs-top")
    top.mkdir()
    mount(node, top, "btrfs")
    for name, _ in volume.subvolumes:
        runner("btrfs", "subvolume", "create", top / name)
    runner("umount", top)
    top.rmdir()
