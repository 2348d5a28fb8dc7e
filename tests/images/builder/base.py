# SPDX-License-Identifier: Apache-2.0
"""Base trees: packages of one suite, unpacked and configured, as a tar archive."""

import os
import sys
from pathlib import Path

from builder import cache, confine
from builder.run import Failed, Runner, output, require, say, step
from recipes import BASES, Base

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
UNUSED_FILES = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*",
                "/usr/share/man/*")
PROXY_SETTINGS = ("Acquire::http::Proxy", "Acquire::https::Proxy")


def mirror_of_host() -> str:
    """The mirror apt on this machine takes Debian from. Every suite is below the same URI."""
    rows = output("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)")
    uris = [row.split()[0] for row in rows.splitlines()
            if row.endswith(" main") and "security" not in row]
    for uri in uris:
        if uri.rstrip("/").endswith("/debian"):
            return uri
    raise Failed("apt on this machine names no Debian mirror; give one: --mirror URL")


def _source_line(suite: str, mirror: str) -> str:
    options = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    return f"deb {options}{mirror} {suite} main"


def _proxy_options() -> list[str]:
    rows = output("apt-config", "dump", "Acquire")
    return [f"--aptopt={row}" for row in rows.splitlines()
            if row.split(" ")[0] in PROXY_SETTINGS]


def _excludes(base: Base) -> list[str]:
    modules = [f"{root}/*/kernel/{folder}/*" for folder in base.excluded_modules
               for root in ("/lib/modules", "/usr/lib/modules")]
    return [f"--dpkgopt=path-exclude={pattern}" for pattern in [*UNUSED_FILES, *modules]]


def _build(base: Base, mirror: str, work: Path) -> None:
    # INITRD=No: each guest makes its own initramfs, so one here would be work for nothing.
    Runner(work / "build.log")(
        "mmdebstrap", "--mode=root", "--variant=apt", "--architectures=amd64",
        f"--include={','.join(base.packages)}", *_excludes(base), *_proxy_options(),
        base.suite, work / "tree.tar.zst", _source_line(base.suite, mirror),
        extra={"INITRD": "No", "TMPDIR": str(work)})


def ensure(name: str, mirror: str = "") -> Path:
    """The archive of a base tree, made when it is not cached."""
    def make(work: Path) -> None:
        base = BASES[name]
        require("mmdebstrap", "tar", "zstd")
        if os.geteuid() != 0:
            raise Failed("building a guest needs root")
        uri = mirror or mirror_of_host()
        say(f"base {name}: {len(base.packages)} packages and what they need, from {uri}")
        with step(f"base {name}"):
            if not confine.run(lambda: _build(base, uri, work), work):
                sys.exit(1)

    return cache.ensure(cache.base_entry(name), make) / "tree.tar.zst"
