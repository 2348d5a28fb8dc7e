# SPDX-License-Identifier: Apache-2.0
"""Guests that are another guest's disk with a few edits. Paths are globs in the guest's first
partition, which holds all of its files; none may lead through a link of the guest."""

import glob
import os
from pathlib import Path

from builder import disk, esp
from builder.confine import mount
from builder.run import Failed, Runner, copy_data
from recipes import Derived

TARGET = Path("/dev/target")


def _matches(pattern: str) -> list[Path]:
    found = [TARGET / name for name in glob.glob(pattern, root_dir=TARGET)]
    if not found:
        raise Failed(f"the guest has no {pattern}")
    return found


def _remove(pattern: str) -> None:
    for path in _matches(pattern):
        path.unlink()


def _garbage(pattern: str, size: str) -> None:
    """Overwrites the start of a file and cuts it there; size 0 keeps its length."""
    for path in _matches(pattern):
        length = int(size) or path.stat().st_size
        path.write_bytes(b"\x5anot what this file should be\n" * (length // 28 + 1))
        os.truncate(path, length)


def _replace(pattern: str, old: str, new: str) -> None:
    for path in _matches(pattern):
        text = path.read_text()
        if old not in text:
            raise Failed(f"{pattern} does not contain {old}")
        path.write_text(text.replace(old, new))


def _append(pattern: str, text: str) -> None:
    for path in _matches(pattern):
        with path.open("a") as file:
            file.write(text)


def _mkdir(pattern: str, name: str) -> None:
    for path in _matches(pattern):
        (path / name).mkdir()


def _zero_disk(offset: str, size: str) -> None:
    device = os.open("/dev/sda", os.O_RDWR)
    os.pwrite(device, bytes(int(size)), int(offset))
    os.fsync(device)
    os.close(device)


EDITS = {"remove": _remove, "garbage": _garbage, "replace": _replace, "append": _append,
         "mkdir": _mkdir, "zero-disk": _zero_disk}


def _copy_sparse(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        writer.truncate(source.stat().st_size)
        copy_data(reader.fileno(), writer.fileno())


def build(recipe: Derived, parent: Path, work: Path) -> None:
    image, runner = work / "disk.raw", Runner(work / "build.log")
    _copy_sparse(parent, image)
    if recipe.uefi_root:
        esp.add(image, recipe.uefi_root, runner)
    with disk.attached(image, runner):
        TARGET.mkdir()
        mount("/dev/sda1", TARGET, "ext4")
        for name, *arguments in recipe.edits:
            EDITS[name](*arguments)
        runner("umount", TARGET)
