# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels: unpacked from their packages, because installing them runs hooks for minutes."""

import re
import subprocess
from pathlib import Path

from builder import cache

CLOUD = "linux-image-cloud-amd64"  # the smaller one, for QEMU sandboxes
STANDARD = "linux-image-amd64"


def _package(meta: str) -> str:
    said = subprocess.run(["apt-cache", "depends", meta], check=True, capture_output=True, text=True).stdout
    return re.search(r"Depends: (linux-image-\S+)", said)[1]


def _make(work: Path, package: str) -> None:
    subprocess.run(["apt-get", "download", "-qq", package], cwd=work, check=True, capture_output=True)
    archive = next(work.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive, work], check=True)
    release = package.removeprefix("linux-image-")
    subprocess.run(["depmod", "-b", work, release], check=True)


def _entry(meta: str) -> Path:
    package = _package(meta)
    return cache.ensure(cache.root() / "kernels" / package, lambda work: _make(work, package))


def cached(meta: str = CLOUD) -> Path:
    """Its file; the modules are where Slipway looks by itself, in ../lib/modules."""
    return next((_entry(meta) / "boot").glob("vmlinuz-*"))


def package(meta: str = STANDARD) -> Path:
    """The DEB package that it comes in."""
    return next(_entry(meta).glob("*.deb"))
