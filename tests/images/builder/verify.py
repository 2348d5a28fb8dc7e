# SPDX-License-Identifier: Apache-2.0
"""Boots a guest in QEMU without KVM and looks for what its recipe promises on the console."""

import os
import re
import selectors
import subprocess
import time
from pathlib import Path

from builder.run import CLEAN_ENVIRONMENT, DIES_WITH_US, require, say
from recipes import Expect, Silent

DEADLINE, SILENCE = 480, 60  # seconds
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x1f]")
BUSES = {
    "sata": ["-device", "ahci,id=ahci", "-device", "ide-hd,bus=ahci.0,drive=disk"],
    "virtio": ["-device", "virtio-blk-pci,drive=disk"],
    "uefi": ["-bios", "/usr/share/ovmf/OVMF.fd", "-device", "virtio-blk-pci,drive=disk"],
}


def qemu_argv(image: Path, bus: str) -> list[str]:
    return ["qemu-system-x86_64", "-accel", "tcg", "-m", "768", "-nographic", "-no-reboot",
            "-nic", "none", "-snapshot", "-drive", f"file={image},format=raw,if=none,id=disk",
            *BUSES[bus]]


class Console:
    """What a machine has printed so far."""

    def __init__(self, process: subprocess.Popen):
        self.stream, self.seen = process.stdout.fileno(), b""
        self.ready = selectors.DefaultSelector()
        self.ready.register(self.stream, selectors.EVENT_READ)

    def read(self, until: float) -> bool:
        """Takes what comes next; False when nothing came in time or the machine is gone."""
        left = until - time.monotonic()
        if left <= 0 or not self.ready.select(left):
            return False
        chunk = os.read(self.stream, 65536)
        self.seen += chunk
        return bool(chunk)

    def shows(self, pattern: str, until: float) -> bool:
        expected = re.compile(pattern.encode())
        while not expected.search(self.seen):
            if not self.read(until):
                return False
        return True

    def stays_silent(self, pattern: str, seconds: float) -> bool:
        end = re.compile(pattern.encode()).search(self.seen).end()
        until = time.monotonic() + seconds
        while self.read(until):
            pass
        return not CONTROL.sub(b"", self.seen[end:]).strip()


def boot(image: Path, bus: str, expected: str | Silent, transcript: Path | None) -> float | None:
    """Seconds until the console showed what was expected, or None. Stops there."""
    require("qemu-system-x86_64")
    pattern = expected.pattern if isinstance(expected, Silent) else expected
    start = time.monotonic()
    process = subprocess.Popen([*DIES_WITH_US, *qemu_argv(image, bus)],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, env=CLEAN_ENVIRONMENT)
    console = Console(process)
    try:
        if not console.shows(pattern, start + DEADLINE):
            return None
        seconds = time.monotonic() - start
        if isinstance(expected, Silent) and not console.stays_silent(pattern, SILENCE):
            return None
        return seconds
    finally:
        process.kill()
        process.wait()
        if transcript:
            transcript.write_bytes(console.seen)


def verify(name: str, expect: Expect, image: Path, keep: Path | None) -> bool:
    good = True
    for bus, expected in expect.items():
        seconds = boot(image, bus, expected, keep and keep / f"{name}-{bus}.log")
        if seconds is None:
            say(f"{name} on {bus}: the console did not show {expected}")
            good = False
        else:
            print(f"{name} {bus} {seconds:.1f} s {expected}", flush=True)
    return good
