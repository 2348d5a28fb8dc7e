# SPDX-License-Identifier: Apache-2.0
"""Runs scenarios against a module named guestfs; shared by `record` and `compare`."""
import hashlib
import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from images import Images
from recorder import Recorder

HERE = Path(__file__).resolve().parent
ORACLE = HERE / "oracle"
SCENARIOS = HERE / "scenarios"
# KVM and libvirt are not asked for: recordings come from any machine, and force_tcg is needed where /dev/kvm only seems usable.
# Both modules get it, since the handle tells it.
BACKEND = {"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}


def families():
    return sorted(path.stem for path in SCENARIOS.glob("*.py") if not path.stem.startswith("_"))


def source(family):
    """Digest of all that decides which calls a scenario makes."""
    digest = hashlib.sha256()
    scenario = SCENARIOS / f"{family}.py"
    shared = [path for path in sorted(SCENARIOS.glob("_*.py")) if path.stem in scenario.read_text(encoding="utf-8")]
    for path in (scenario, HERE / "images.py", *shared):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def load(family):
    if str(SCENARIOS) not in sys.path:
        sys.path.insert(0, str(SCENARIOS))
    return importlib.import_module(family)


def module(python_path=None):
    """The module `guestfs`; found in python_path, or else where Python finds it."""
    if python_path:
        sys.path.insert(0, str(python_path))
    found = importlib.import_module("guestfs")
    if python_path and Path(python_path).resolve() not in Path(found.__file__).resolve().parents:
        raise SystemExit(f"no module guestfs in {python_path}: {found.__file__} was found instead")
    os.environ.update({key: os.environ.get(key, value) for key, value in BACKEND.items()})
    return found


class Work:
    """What a scenario needs beside the handle: a directory on the host, drives, more handles."""

    def __init__(self, guestfs, log, family, seed, directory):
        self.guestfs, self.log, self.seed, self.directory, self.handles = guestfs, log, seed, Path(directory), 0
        self.images = Images(directory, family, seed)
        self.random = self.images.random
        log.hide(directory, "work")

    def path(self, name, content=None):
        """A file's name in the directory; it is a string, as libguestfs wants it."""
        path = self.directory / name
        if content is not None:
            path.write_bytes(content)
        return str(path)

    def handle(self):
        """One more handle; its calls are in the same log."""
        self.handles += 1
        raw = self.guestfs.GuestFS(python_return_dict=True)
        return Recorder(raw, self.log, "" if self.handles == 1 else str(self.handles))

    def launch(self, g, *drives):
        for drive in drives:
            g.add_drive_opts(str(drive.path), **drive.options())
        g.launch()

    def hide(self, value, name):
        self.log.hide(value, name)
        return value


def run(guestfs, log, family, seed, scratch="/var/tmp"):
    """Makes all calls of a scenario; they are in `log` afterwards."""
    directory = tempfile.mkdtemp(prefix="guestfs-oracle-", dir=scratch)
    try:
        work = Work(guestfs, log, family, seed, directory)
        g = work.handle()
        load(family).scenario(g, work)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
