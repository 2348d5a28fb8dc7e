# SPDX-License-Identifier: Apache-2.0
"""Starts the tools a build needs. Their output goes to the build's log; standard output of the
program carries paths alone."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8", "HOME": "/root", "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive",
}
PACKAGE_OF_TOOL = {
    "mmdebstrap": "mmdebstrap", "sfdisk": "fdisk", "partx": "util-linux", "tar": "tar",
    "mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs", "mkfs.btrfs": "btrfs-progs",
    "btrfs": "btrfs-progs", "qemu-img": "qemu-utils", "qemu-system-x86_64": "qemu-system-x86",
    "mkfs.vfat": "dosfstools", "mcopy": "mtools", "cryptsetup": "cryptsetup-bin",
    "zstd": "zstd", "chroot": "coreutils", "mkswap": "util-linux",
    "setpriv": "util-linux", "linux.uml": "user-mode-linux", "mkfs.erofs": "erofs-utils",
    "cpio": "cpio", "sh": "dash",
}


# Before the name of a program that must not outlive us (inside confine.run none does).
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")


class Failed(Exception):
    """Something the build needs is missing or did not work."""


def say(text: str) -> None:
    print(f"guest: {text}", file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    say(f"{text}: {time.monotonic() - start:.1f} s")


def require(*tools: str) -> None:
    missing = [tool for tool in tools if not shutil.which(tool, path=CLEAN_ENVIRONMENT["PATH"])]
    if missing:
        packages = sorted({PACKAGE_OF_TOOL.get(tool, tool) for tool in missing})
        raise Failed(f"missing {', '.join(missing)} (needs: apt install {' '.join(packages)})")


class Runner:
    """Runs commands, with what they print appended to one log."""

    def __init__(self, log: Path):
        self.log = log

    def __call__(self, *argv: str | Path, text: str = "", extra: dict[str, str] | None = None,
                 ) -> None:
        words = [str(word) for word in argv]
        require(words[0])
        with self.log.open("ab") as log:
            log.write(f"+ {' '.join(words)}\n".encode())
            log.flush()
            done = subprocess.run(words, input=text.encode(), stdout=log, stderr=log,
                                  env=CLEAN_ENVIRONMENT | (extra or {}), check=False)
        if done.returncode != 0:
            raise Failed(f"{words[0]} ended with status {done.returncode}:\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def output(*argv: str) -> str:
    require(argv[0])
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=CLEAN_ENVIRONMENT, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def copy_data(source: int, target: int, offset: int = 0) -> None:
    """Copies what a sparse file holds to `offset` of another; holes are left out."""
    size, position = os.fstat(source).st_size, 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            return
        position = os.lseek(source, start, os.SEEK_HOLE)
        while start < position:
            start += os.copy_file_range(source, target, position - start, start, offset + start)
