# SPDX-License-Identifier: Apache-2.0
"""A kernel for QEMU sandboxes: unpacked from Debian's package, because installing it runs hooks for minutes."""

import re
import subprocess
from pathlib import Path

from builder import cache

META_PACKAGE = "linux-image-cloud-amd64"


def _package() -> str:
    said = subprocess.run(["apt-cache", "depends", META_PACKAGE], check=True, capture_output=True, text=True).stdout
    return re.search(r"Depends: (linux-image-\S+)", said)[1]


def _make(work: Path, package: str) -> None:
    subprocess.run(["apt-get", "download", "-qq", package], cwd=work, check=True, capture_output=True)
    archive = next(work.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive, work], check=True)
    archive.unlink()
    release = package.removeprefix("linux-image-")
    subprocess.run(["depmod", "-b", work, release], check=True)


def cached() -> Path:
    """Its file; the modules are where Slipway looks by itself, in ../lib/modules."""
    package = _package()
    entry = cache.ensure(cache.root() / "kernels" / package, lambda work: _make(work, package))
    return next((entry / "boot").glob("vmlinuz-*"))
