# SPDX-License-Identifier: Apache-2.0
"""Base trees: packages of one suite, unpacked and configured, as a tar archive."""

import os
import sys
from pathlib import Path

from builder import cache, confine
from builder.run import Failed, Runner, output, require, say, step
from recipes import BASES, Base, WithModules

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


def _source_line(base: Base, mirror: str) -> str:
    options = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    components = base.components if isinstance(base, WithModules) else ("main",)
    return f"deb {options}{mirror} {base.suite} {' '.join(components)}"


def _proxy_options() -> list[str]:
    rows = output("apt-config", "dump", "Acquire")
    return [f"--aptopt={row}" for row in rows.splitlines()
            if row.split(" ")[0] in PROXY_SETTINGS]


def _excludes(base: Base) -> list[str]:
    modules = [f"{root}/*/kernel/{folder}/*" for folder in base.excluded_modules
               for root in ("/lib/modules", "/usr/lib/modules")]
    return [f"--dpkgopt=path-exclude={pattern}" for pattern in [*UNUSED_FILES, *modules]]


def _packages(base: Base) -> tuple[str, ...]:
    return (*base.packages, base.source, *base.compiler) if isinstance(base, WithModules) else base.packages


def _hooks(base: Base) -> list[str]:
    """The modules stay, what made them goes."""
    if not isinstance(base, WithModules):
        return []
    keep = ('set -- "$1" "$(ls "$1/lib/modules")"; mkdir "$1/lib/modules/$2/extra" && '
            'cp "$1/lib/modules/$2/updates/dkms/"*.ko "$1/lib/modules/$2/extra/"')
    purge = f'chroot "$1" apt-get --yes --autoremove purge {base.source} {" ".join(base.compiler)}'
    return [f"--customize-hook={hook}" for hook in (keep, purge, 'chroot "$1" depmod "$(ls "$1/lib/modules")"')]


def _build(base: Base, mirror: str, work: Path) -> None:
    # INITRD=No: each guest makes its own initramfs, so one here would be work for nothing.
    Runner(work / "build.log")(
        "mmdebstrap", "--mode=root", "--variant=apt", "--architectures=amd64",
        f"--include={','.join(_packages(base))}", *_hooks(base), *_excludes(base),
        *_proxy_options(), base.suite, work / "tree.tar.zst", _source_line(base, mirror),
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
