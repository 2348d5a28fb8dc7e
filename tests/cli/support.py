# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command line share: running slipway, small images, and the leak check."""
import contextlib
import hashlib
import json
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SLIPWAY = os.environ.get("SLIPWAY_BIN", str(HERE.parent.parent / "build" / "bin" / "slipway"))
IMAGES = HERE.parent / "images"


def slipway(*arguments, timeout=120, input=None, env=None, cwd=None):
    """Runs the program; returns the CompletedProcess with text output."""
    return subprocess.run([SLIPWAY, *map(str, arguments)], capture_output=True, text=True, errors="replace", timeout=timeout,
                          input=input, stdin=subprocess.DEVNULL if input is None else None, check=False,
                          env=dict(os.environ, **(env or {})), cwd=cwd)


def guest(name, image_format="raw"):
    return subprocess.run([IMAGES / "guest", "build", name, "--format", image_format], check=True, capture_output=True, text=True).stdout.strip()


def mini(path, *options):
    """A tiny image with a plausible guest, made in a moment."""
    subprocess.run([IMAGES / "mini", path, *map(str, options)], check=True, capture_output=True)
    return Path(path)


@contextlib.contextmanager
def mounted(image, offset=1 << 20):
    """The filesystem at this offset of a raw image, mounted by the test itself; a directory."""
    with tempfile.TemporaryDirectory(prefix="slipway-mnt-", dir="/var/tmp") as directory:
        subprocess.run(["mount", "-o", f"loop,offset={offset}", image, directory], check=True, capture_output=True)
        try:
            yield Path(directory)
        finally:
            subprocess.run(["umount", directory], check=True)


@contextlib.contextmanager
def small_filesystem(directory, size):
    """A tmpfs of this size, for what happens when a disk is full."""
    directory.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "slipway-test", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def our_loops():
    """Loop devices over files of ours: exports of a worker, or anything below a test's directory."""
    listed = subprocess.run(["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"], capture_output=True, text=True, check=False).stdout
    return sorted(line for line in listed.splitlines() if "slipway" in line or "/disk0" in line)


def our_processes():
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            name = (process / "comm").read_text().strip()
            state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z" and (name.startswith("slipway") or name.startswith("qemu-storage-da") or name == "qemu-img"):
            found.append(f"{name} {process.name}")
    return sorted(found)


def our_mounts():
    return sorted(line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "slipway" in line)


def our_cgroups():
    """Groups that nobody is in: a worker makes its own beside itself, so look as deep as we are ourselves."""
    found = []
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        for name in [name for name in names if name.startswith("slipway-")]:
            with contextlib.suppress(OSError):
                if not Path(folder, name, "cgroup.procs").read_text(encoding="ascii"):
                    found.append(f"{folder}/{name}")
    return sorted(found)


def leaks():
    """What is there and should not be, after everything has ended."""
    return {"loops": our_loops(), "processes": our_processes(), "mounts": our_mounts(), "cgroups": our_cgroups()}


class Case(unittest.TestCase):
    """A scratch directory per test, and the leak check after it."""

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("not root")
        self.before = leaks()
        scratch = tempfile.TemporaryDirectory(prefix="slipway-test-", dir="/var/tmp")
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.addCleanup(self.check_leaks)

    def check_leaks(self):
        self.assertEqual(self.settled_leaks(), {})

    def settled_leaks(self, seconds=3.0):
        """The kernel takes a moment to clear a loop device whose last user was killed."""
        until = time.monotonic() + seconds
        while (new := self.new_leaks()) and time.monotonic() < until:
            time.sleep(0.02)
        return new

    def new_leaks(self):
        """What came since the test began and is still there."""
        new = {kind: [one for one in found if one not in self.before[kind]] for kind, found in leaks().items()}
        return {kind: found for kind, found in new.items() if found}

    def names(self):
        return sorted(entry.name for entry in self.scratch.iterdir())

    def ok(self, result, status=0):
        self.assertEqual(result.returncode, status, f"stdout: {result.stdout}\nstderr: {result.stderr}")
        return result

    def refused(self, result, status, *words):
        """Failed with this exit code, and the message has these words and says what to do."""
        self.assertEqual(result.returncode, status, f"stdout: {result.stdout}\nstderr: {result.stderr}")
        for word in words:
            self.assertIn(word, result.stderr)
        return result

    def report(self, result):
        return json.loads(result.stdout)
