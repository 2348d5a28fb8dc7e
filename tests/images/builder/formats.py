# SPDX-License-Identifier: Apache-2.0
"""The formats a guest's disk is offered in, each made from the raw one by qemu-img."""

from pathlib import Path

from builder import cache
from builder.run import DIES_WITH_US, Runner, require, step

# name: (file, qemu-img format, options)
FORMATS = {
    "qcow2": ("disk.qcow2", "qcow2", ""),
    "vmdk-stream": ("disk.vmdk", "vmdk", "subformat=streamOptimized"),
    "vmdk-sparse": ("disk.vmdk", "vmdk", "subformat=monolithicSparse"),
    "vmdk-flat": ("disk.vmdk", "vmdk", "subformat=monolithicFlat"),
    "vmdk-split": ("disk.vmdk", "vmdk", "subformat=twoGbMaxExtentSparse"),
    "vhd": ("disk.vhd", "vpc", "subformat=dynamic,force_size=on"),
    "vhdx": ("disk.vhdx", "vhdx", ""),
    "vdi": ("disk.vdi", "vdi", ""),
}
NAMES = ("raw", *FORMATS)


def path_in(guest: Path, name: str) -> Path:
    if name == "raw":
        return guest / "disk.raw"
    return guest / name / FORMATS[name][0]


def ensure(guest: Path, name: str) -> Path:
    target = path_in(guest, name)
    if name == "raw":
        return target
    file, kind, options = FORMATS[name]

    def make(work: Path) -> None:
        chosen = ["-o", options] if options else []
        require("qemu-img")
        with step(f"{guest.name}: {name}"):
            Runner(work / "build.log")(*DIES_WITH_US, "qemu-img", "convert", "-f", "raw",
                                       "-O", kind, *chosen, guest / "disk.raw", work / file)

    cache.ensure(guest / name, make)
    return target
