# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command line share: running slipway, small images, and the leak check."""
import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SLIPWAY = os.environ.get("SLIPWAY_BIN", str(HERE.parent.parent / "build" / "bin" / "slipway"))
IMAGES = HERE.parent / "images"
sys.path.append(str(IMAGES))

from builder import minitree  # noqa: E402

KERNEL = minitree.KERNEL
INITRAMFS = f"/boot/initrd.img-{KERNEL}"


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


def mini_tree(path, tools=None):
    """The files of a `mini` guest in a directory, to be changed and given to `mini --tree`. `tools`:
    shell scripts by name, which make it a guest with initramfs-tools and GRUB."""
    path = Path(path)
    path.mkdir(parents=True)
    minitree.make(path, ("msdos", {"/": ("/dev/sda1", "ext4")}))
    if tools is not None:
        (path / "usr/share/initramfs-tools/hooks").mkdir(parents=True)
        for name, script in {"update-initramfs": "", "update-grub": "", "grub-mkconfig": "", **tools}.items():
            program = path / "usr/sbin" / name
            program.write_text("#!/bin/sh\n" + script + "\n")
            program.chmod(0o755)
    return path


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


@contextlib.contextmanager
def loop_device(image, *options):
    name = subprocess.run(["losetup", "--find", "--show", *options, image], check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield name
    finally:
        subprocess.run(["losetup", "--detach", name], check=True)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def loops_of_others():
    """Numbers of the loop devices that processes of other tests have open: these run beside ours."""
    ours, found = set(family()), set()
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) in ours:
            continue
        with contextlib.suppress(OSError):
            for file in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    info = file.stat()
                    if stat.S_ISBLK(info.st_mode) and os.major(info.st_rdev) == 7:  # Documentation/admin-guide/devices.txt
                        found.add(os.minor(info.st_rdev))
    return found


def our_loops():
    """Loop devices over files of ours: exports of a worker, or anything below a test's directory. With the sequence number
    of the disk, because numbers of devices are used again."""
    found, others = [], loops_of_others()
    for loop in Path("/sys/block").glob("loop*"):
        try:
            file, sequence = (loop / "loop/backing_file").read_text().strip(), (loop / "diskseq").read_text().strip()
        except OSError:
            continue
        if ("slipway" in file or "/disk0" in file) and int(loop.name.removeprefix("loop")) not in others:
            found.append(f"{loop.name} {file} {sequence}")
    return sorted(found)


def adopt_orphans():
    """What our children leave behind becomes ours: so the leak check knows it from that of other tests that run now."""
    set_child_subreaper = 36  # prctl(2)
    ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def family():
    """Name and state of all processes below us, and of ourselves, by number."""
    facts = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            name, rest = (process / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
            facts[int(process.name)] = (name, *rest.split()[:2])
        except OSError:
            continue
    ours = {os.getpid()}
    while more := {pid for pid, (_, _, parent) in facts.items() if int(parent) in ours} - ours:
        ours |= more
    return {pid: facts[pid][:2] for pid in ours if pid in facts}


def our_processes():
    """All below us, except for the dead."""
    return sorted(f"{name} {pid}" for pid, (name, state) in family().items()
                  if state != "Z" and name.startswith(("slipway", "qemu-", "linux.uml")))


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
        adopt_orphans()
        self.before = leaks()
        scratch = tempfile.TemporaryDirectory(prefix="slipway-test-", dir="/var/tmp")
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.addCleanup(self.check_leaks)

    def check_leaks(self):
        self.assertEqual(self.settled_leaks(), {})

    def settled_leaks(self, seconds=10.0):
        """The kernel takes a moment to clear a loop device whose last user was killed. What comes later is of others."""
        until = time.monotonic() + seconds
        new = self.new_leaks()
        while new and time.monotonic() < until:
            time.sleep(0.02)
            now = self.new_leaks()
            left = {kind: [one for one in found if one in now.get(kind, [])] for kind, found in new.items()}
            new = {kind: found for kind, found in left.items() if found}
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


class OrdinaryUser:
    """A user with subordinate ids, whatever this machine's users are: in a mount namespace with /etc/passwd, /etc/subuid and
    /etc/subgid of its own. Files of the root below `first` + N are those of uid N + 1 in its namespaces."""

    UID, FIRST = 12345, 200000

    def __init__(self, scratch, cache, subordinate=True):
        scratch.chmod(0o755)
        self.home = scratch / "home"
        self.files = scratch / "etc"
        for directory in (self.home, self.files, cache):
            directory.mkdir(parents=True, exist_ok=True)
        for directory in (self.home, cache):
            os.chown(directory, self.UID, self.UID)
        self.home.chmod(0o700)
        (self.home / "cache").mkdir(exist_ok=True)
        users = "".join(line for line in Path("/etc/passwd").read_text(encoding="utf-8").splitlines(keepends=True)
                        if line.split(":")[2] != str(self.UID))
        (self.files / "passwd").write_text(f"{users}tester:x:{self.UID}:{self.UID}::{self.home}:/bin/sh\n", encoding="utf-8")
        for name in ("subuid", "subgid"):
            (self.files / name).write_text(f"tester:{self.FIRST}:65536\n" if subordinate else "", encoding="utf-8")
        # The cache may lie where only root can reach it.
        self.mounts = [*((self.files / name, Path("/etc", name)) for name in ("passwd", "subuid", "subgid")), (cache, self.home / "cache")]
        self.program = SLIPWAY
        if subprocess.run(self.command("test", "-x", SLIPWAY), check=False).returncode != 0:
            build = Path(SLIPWAY).resolve().parents[1]
            for name in ("bin/slipway", "libexec/slipway-worker", "libexec/slipway-uml.so"):
                (scratch / name).parent.mkdir(exist_ok=True)
                shutil.copy(build / name, scratch / name)
            self.program = scratch / "bin/slipway"

    def command(self, *argv, **env):
        binds = " && ".join(f"mount --bind '{source}' '{target}'" for source, target in self.mounts)
        settings = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": self.home, "SLIPWAY_CACHE": self.home / "cache", **env}
        return ["unshare", "-m", "sh", "-c", f'{binds} && exec "$@"', "sh", "setpriv", f"--reuid={self.UID}", f"--regid={self.UID}",
                "--clear-groups", "env", "-i", *(f"{name}={value}" for name, value in settings.items()), *map(str, argv)]

    def slipway(self, *arguments, timeout=300, input=None, **env):
        return subprocess.run(self.command(self.program, *arguments, **env), capture_output=True, text=True, errors="replace", timeout=timeout,
                              input=input, stdin=subprocess.DEVNULL if input is None else None, check=False)

    def start(self, *arguments):
        return subprocess.Popen(self.command(self.program, *arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)


class UnchangedImage(Case):
    """Whatever is asked of it, the image stays as it was."""

    def setUp(self):
        super().setUp()
        self.image = mini(self.scratch / "a.raw")
        self.original = digest(self.image)

    def tearDown(self):
        self.assertEqual(digest(self.image), self.original)
        super().tearDown()
