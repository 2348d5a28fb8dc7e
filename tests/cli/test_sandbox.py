#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The sandbox engine: as an ordinary user without any privilege, and as root for images that are not trusted. With
SLIPWAY_TEST_MACHINE=qemu all that, and what imports this, runs in QEMU in place of User-mode Linux."""
import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support import SLIPWAY, Case, digest, guest, mini, our_processes, slipway

from builder import kernel

QEMU = os.environ.get("SLIPWAY_TEST_MACHINE") == "qemu"
MACHINE = "qemu-system-x86" if QEMU else "linux.uml"  # as the kernel cuts it
uml_only = unittest.skipIf(QEMU, "only with User-mode Linux")


def readable_kernel():
    """A kernel for QEMU, which an ordinary user does not see in the cache of this one's home."""
    place = Path(tempfile.mkdtemp(prefix="slipway-kernel-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, place)
    place.chmod(0o755)
    cached = kernel.cached()
    shutil.copytree(cached.parents[1], place / "kernel")
    return place / "kernel/boot" / cached.name


if QEMU:
    os.environ.update(SLIPWAY_SANDBOX="qemu", SLIPWAY_SANDBOX_KERNEL=str(readable_kernel()))
USER = 12345
AS_USER = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups", "env", "-i", "PATH=/usr/bin:/bin",
           *(f"{name}={os.environ[name]}" for name in ("SLIPWAY_SANDBOX", "SLIPWAY_SANDBOX_KERNEL") if QEMU)]
BUILD = Path(SLIPWAY).resolve().parents[1]


def reachable(build):
    """A build that the user may run: this one, or a copy of its programs."""
    if subprocess.run([*AS_USER, "test", "-x", build / "bin/slipway"], check=False).returncode == 0:
        return build
    copy = Path(tempfile.mkdtemp(prefix="slipway-programs-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, copy)
    copy.chmod(0o755)
    for name in ("bin/slipway", "libexec/slipway-worker", "libexec/slipway-uml.so", "tests/sandbox_escape"):
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copy(build / name, copy / name)
    return copy


USER_BUILD = reachable(BUILD)
USER_SLIPWAY = USER_BUILD / "bin/slipway"
DYNAMIC_USERS = range(61184, 65520)


def by_user(*arguments, timeout=120, input=None):
    """slipway as somebody who is neither root nor in any group that matters."""
    return subprocess.run([*AS_USER, USER_SLIPWAY, *map(str, arguments)], capture_output=True, text=True, errors="replace",
                          timeout=timeout, input=input, stdin=subprocess.DEVNULL if input is None else None, check=False)


def is_below_this(pid):
    """Whether this process has started it: others may work with Slipway on this host, too."""
    while pid > 1 and pid != os.getpid():
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except OSError:
            return False
    return pid == os.getpid()


def processes(name):
    """Our processes of this name, the oldest first."""
    return sorted(int(pid) for found, pid in (one.rsplit(" ", 1) for one in our_processes()) if found == name and is_below_this(int(pid)))


class SandboxCase(Case):
    def setUp(self):
        super().setUp()
        os.chown(self.scratch, USER, USER)
        self.image = mini(self.scratch / "guest.raw")
        os.chown(self.image, USER, USER)
        self.digest = digest(self.image)

    def real_guest(self):
        """A whole Debian where the user reaches it."""
        made = guest("debian12-ext4", "qcow2")
        here = self.scratch / "debian.qcow2"
        try:
            os.link(made, here)
        except OSError:
            shutil.copyfile(made, here)
        return here

    def real_guest_copy(self):
        copy = self.scratch / "copy.qcow2"
        shutil.copyfile(self.real_guest(), copy)
        return copy

    def unchanged(self):
        self.assertEqual(digest(self.image), self.digest)

    def held(self, command):
        """A session that stays until something happens to it, when its machine is up."""
        held = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.addCleanup(held.wait)
        self.addCleanup(held.kill)
        self.assertEqual(held.stdout.readline(), "ready\n", "the guest's program did not start")
        self.assertTrue(processes(MACHINE))
        return held


WAIT = ["--", "/bin/sh", "-c", "echo ready; exec sleep 60"]


class OrdinaryUser(SandboxCase):
    def test_looks_at_files(self):
        self.assertIn("os-release", self.ok(by_user("ls", self.image, "/etc")).stdout)
        host = self.ok(slipway("cat", self.image, "/etc/fstab", "--engine", "host")).stdout
        self.assertEqual(self.ok(by_user("cat", self.image, "/etc/fstab")).stdout, host)
        self.refused(by_user("cat", self.image, "/etc/missing"), 4, "/etc/missing")
        self.unchanged()

    def test_inspects_as_the_host_engine_does(self):
        for deep in ([], ["--deep"]):
            host = self.report(self.ok(slipway("inspect", self.image, "--json", "--engine", "host", *deep)))
            self.assertEqual(self.report(self.ok(by_user("inspect", self.image, "--json", *deep))), host)

    def test_gives_a_directory_as_a_tar_archive(self):
        host = self.scratch / "host.tar"
        self.ok(slipway("get", self.image, "/etc", host, "--tar", "--engine", "host"))
        self.ok(by_user("get", self.image, "/etc", self.scratch / "etc.tar", "--tar"))
        self.assertEqual(digest(self.scratch / "etc.tar"), digest(host))
        listed = subprocess.run(["tar", "-tf", host], check=True, capture_output=True, text=True).stdout.splitlines()
        self.assertIn("./fstab", listed)
        self.assertEqual(listed[0], "./")
        self.refused(by_user("get", self.image, "/etc/fstab", "-", "--tar"), 2, "/etc/fstab in the guest is no directory")
        self.refused(by_user("get", self.image, "/none", "-", "--tar"), 4, "/none")
        self.refused(by_user("get", self.image, "/etc", "-"), 2, "--tar")

    def test_writes_in_place(self):
        self.ok(by_user("put", self.image, "-", "/etc/motd", input="hello\n"))
        self.assertEqual(self.ok(slipway("cat", self.image, "/etc/motd", "--engine", "host")).stdout, "hello\n")
        self.assertEqual(self.names(), ["guest.raw"])

    def test_repairs_and_migrates(self):
        output = self.scratch / "out.qcow2"
        report = self.report(self.ok(by_user("migrate", self.image, "--output", output, "--json")))
        self.assertEqual(report["run"]["engine"], "sandbox")
        self.assertIn("root", report["run"]["engine_reason"])
        self.unchanged()
        expected = self.report(self.ok(slipway("migrate", self.image, "--output", self.scratch / "host.qcow2", "--json", "--engine", "host")))
        for change in report["changes"] + expected["changes"]:
            change.pop("seconds")
        self.assertEqual(report["changes"], expected["changes"])
        self.ok(by_user("fix", self.image))
        self.assertEqual(self.report(self.ok(by_user("fix", self.image, "--json")))["changes"], [])

    def test_an_image_that_is_not_readable(self):
        self.image.chmod(0o600)
        os.chown(self.image, 0, 0)
        self.refused(by_user("ls", self.image, "/"), 3, "guest.raw", "Permission denied")
        os.chown(self.scratch, 0, 0)
        self.refused(by_user("ls", self.image, "/"), 3, "opening", "guest.raw: Permission denied")

    def test_asks_for_the_host_engine(self):
        self.refused(by_user("ls", self.image, "/", "--engine", "host"), 3, "needs root", "--engine sandbox")


class RealGuest(SandboxCase):
    def test_runs_its_programs(self):
        image = self.real_guest()
        before = digest(image)
        result = by_user("run", image, "--", "/bin/sh", "-c", "id -u; cat /etc/hostname; touch /gone; exit 7")
        self.ok(result, 7)
        self.assertEqual(result.stdout.split("\n")[0], "0")
        self.assertNotIn("gone", self.ok(by_user("ls", image, "/")).stdout)
        self.assertEqual(digest(image), before)

    def test_many_at_once(self):
        with ThreadPoolExecutor(20) as pool:
            for result in pool.map(lambda _: by_user("ls", self.image, "/etc", timeout=400), range(20)):
                self.ok(result)

    def test_takes_much_on_standard_input(self):
        # More than the serial line holds would stop it, now and then for good.
        for _ in range(5):
            with subprocess.Popen(["head", "-c", "100M", "/dev/zero"], stdout=subprocess.PIPE) as zeros:
                result = subprocess.run([*AS_USER, USER_SLIPWAY, "run", self.image, "--", "/bin/busybox", "wc", "-c"], stdin=zeros.stdout,
                                        capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual(self.ok(result).stdout.strip(), str(100 << 20))

    def test_gives_a_large_file_whole(self):
        big = self.scratch / "big"
        with open(big, "wb") as file:
            for block in range(64):
                file.write(bytes([block]) * 1_000_003)
        image = self.scratch / "data.raw"
        tree = self.scratch / "tree"
        tree.mkdir()
        os.link(big, tree / "big")
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, image, "256M"], check=True)
        os.chown(image, USER, USER)
        self.ok(by_user("get", image, "/big", self.scratch / "copy"))
        self.assertEqual(digest(self.scratch / "copy"), digest(big))
        with open(big, encoding="latin-1", newline="") as file:
            self.ok(subprocess.run([*AS_USER, USER_SLIPWAY, "put", image, "-", "/again"], stdin=file, capture_output=True, text=True, check=False))
        self.ok(slipway("get", image, "/again", self.scratch / "again", "--engine", "host"))
        self.assertEqual(digest(self.scratch / "again"), digest(big))


class Untrusted(SandboxCase):
    def test_root_gives_its_rights_away(self):
        held = self.held([SLIPWAY, "run", self.real_guest(), "--untrusted", *WAIT])
        seen = set()
        expected = {MACHINE} if QEMU else {MACHINE, "qemu-storage-da"}
        for name in expected:
            for pid in processes(name):
                try:
                    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
                except OSError:
                    continue  # a program of the guest that has ended
                status = dict(line.split(":", 1) for line in text.splitlines())
                seen.add(name)
                for user in status["Uid"].split():
                    self.assertIn(int(user), DYNAMIC_USERS)
                self.assertEqual(status["NoNewPrivs"].strip(), "1")
                self.assertEqual(status["Seccomp"].strip(), "2")
                # CAP_DAC_OVERRIDE, for who opens the image.
                allowed = 0 if name == "linux.uml" else 1 << 1
                self.assertEqual(int(status["CapPrm"], 16) & ~allowed, 0)
        self.assertEqual(seen, expected)
        held.kill()

    @uml_only
    def test_programs_that_only_root_can_read(self):
        hidden = self.scratch / "hidden"
        hidden.mkdir(mode=0o700)
        for name in ("bin/slipway", "libexec/slipway-worker", "libexec/slipway-uml.so"):
            (hidden / name).parent.mkdir(exist_ok=True)
            shutil.copy(BUILD / name, hidden / name)
        result = subprocess.run([hidden / "bin/slipway", "ls", self.image, "/etc", "--untrusted"], capture_output=True, text=True, check=False,
                                env={"PATH": os.environ["PATH"]})
        self.assertIn("os-release", self.ok(result).stdout)
        for copy in Path("/run/slipway/programs").glob("slipway-*"):
            if copy.name.split("-")[2:3] == [str((hidden / "libexec" / "-".join(copy.name.split("-")[:2])).stat().st_ino)]:
                copy.unlink()

    @uml_only
    def test_an_interrupt_after_the_machine_has_halted(self):
        for name in ("bin/slipway", "libexec/slipway-worker"):
            (self.scratch / name).parent.mkdir(exist_ok=True)
            shutil.copy(BUILD / name, self.scratch / name)
        shutil.copy(BUILD / "tests/uml_late_interrupt.so", self.scratch / "libexec/slipway-uml.so")
        result = subprocess.run([self.scratch / "bin/slipway", "put", self.image, __file__, "/etc/new", "--untrusted"],
                                capture_output=True, text=True, check=False)
        self.ok(result)
        self.assertEqual(self.ok(slipway("cat", self.image, "/etc/new")).stdout, Path(__file__).read_text(encoding="utf-8"))

    def test_what_a_killed_client_left_is_removed(self):
        left, other = self.scratch / "slipway-AbCd12", self.scratch / "slipway-AbCd13"
        left.mkdir()
        other.mkdir()
        (other / "mine").touch()
        names = [f".{name}.slipway-tmp.{pid}-3" for name, pid in (("dead", 2 ** 22), ("living", os.getpid()))]
        for name in names:
            (self.scratch / name).touch()
        with socket.socket(socket.AF_UNIX) as unused:
            unused.bind(str(left / "disk"))
        self.ok(slipway("cleanup", self.scratch))
        self.assertTrue(left.exists(), "it is as new as one in use")
        self.assertEqual([(self.scratch / name).exists() for name in names], [False, True])
        for folder in (left, other):
            os.utime(folder, (1, 1))
        self.assertIn("slipway-AbCd12", self.ok(slipway("cleanup", self.scratch)).stdout)
        self.assertEqual((left.exists(), other.exists()), (False, True))

    def test_the_environment_asks_for_it(self):
        report = self.report(self.ok(slipway("migrate", self.image, "--output", self.scratch / "out.qcow2", "--json", env={"SLIPWAY_UNTRUSTED": "1"})))
        self.assertEqual(report["run"]["engine"], "sandbox")
        self.refused(slipway("ls", self.image, "/", "--untrusted", "--engine", "host"), 2, "untrusted")


class Ends(SandboxCase):
    """Whatever of it is killed, all of it ends, and who asked is told."""

    def setUp(self):
        super().setUp()
        self.guest = self.real_guest()

    def check(self, choose, told=True):
        held = self.held([*AS_USER, USER_SLIPWAY, "run", self.guest, *WAIT])
        os.kill(choose(), signal.SIGKILL)
        _, errors = held.communicate(timeout=30)
        if told:
            self.assertIn(held.returncode, (4, 125), errors)
            self.assertRegex(errors, "sandbox's machine has ended|sandbox's kernel panicked")
        self.assertEqual(self.settled_leaks(), {})
        self.assertEqual(processes(MACHINE), [])

    @staticmethod
    def children(pid):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]

    def machine(self):
        return next(pid for pid in self.children(processes("slipway-super")[0]) if pid in processes(MACHINE))

    def parts(self):
        return self.children(self.machine())

    def test_the_machine(self):
        self.check(self.machine)

    @uml_only
    def test_its_helpers(self):
        self.check(lambda: self.parts()[0])
        self.check(lambda: self.parts()[1])

    @uml_only
    def test_a_program_in_it(self):
        # To the machine that is a crash of this program.
        held = self.held([*AS_USER, USER_SLIPWAY, "run", self.guest, *WAIT])
        time.sleep(1)  # the shell becomes sleep, with a new process on the host
        os.kill(self.parts()[-1], signal.SIGKILL)
        held.communicate(timeout=30)
        self.assertNotEqual(held.returncode, 0)

    def test_a_machine_that_hangs(self):
        held = self.held([*AS_USER, "SLIPWAY_SANDBOX_TIMEOUT=5", USER_SLIPWAY, "run", self.guest, *WAIT])
        os.kill(self.machine(), signal.SIGSTOP)
        _, errors = held.communicate(timeout=30)
        self.assertEqual(held.returncode, 125, errors)
        self.assertIn("no sign of life for 5 s", errors)
        self.assertEqual(self.settled_leaks(), {})

    @uml_only
    def test_the_storage_daemon(self):
        self.check(lambda: processes("qemu-storage-da")[0])

    def test_the_supervisor(self):
        # The shell of the guest is becoming sleep just then.
        for _ in range(3):
            self.check(lambda: processes("slipway-super")[0])

    def test_its_guard(self):
        self.check(lambda: processes("slipway-guard")[0])

    def test_the_client(self):
        self.check(lambda: processes("slipway")[0], told=False)


class Hostile(SandboxCase):
    @uml_only
    def test_root_in_it_has_no_way_to_the_host(self):
        for user in (True, False):
            with self.subTest(user=user):
                self.try_to_escape(user)

    def try_to_escape(self, user):
        home = self.scratch / f"home-{user}"
        home.mkdir()
        mine = home / "mine"
        mine.write_text("secret", encoding="ascii")
        os.utime(mine, (1, 1))
        os.chown(home, USER, USER)
        os.chown(mine, USER, USER)
        before = mine.stat()
        command = [*(AS_USER if user else ["env"]), f"SLIPWAY_WORKER={USER_BUILD}/libexec/slipway-worker", USER_BUILD / "tests/sandbox_escape", home]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        told = dict(line.split(" ", 1) for line in result.stdout.splitlines())
        # What is allowed proves that the rest was tried. hostfs does not report that it could not change a time.
        worked = {name for name, answer in told.items() if answer == "ok"} - {"touch-home"}
        self.assertEqual(worked, {"mount-hostfs", "read-program", "end", "finished"}, result.stdout + result.stderr)
        self.assertEqual(len(told), 26, result.stdout)
        self.assertEqual([entry.name for entry in home.iterdir()], ["mine"])
        self.assertEqual(mine.read_text(encoding="ascii"), "secret")
        after = mine.stat()
        self.assertEqual((after.st_mode, after.st_mtime, after.st_ctime), (before.st_mode, before.st_mtime, before.st_ctime))

    def test_a_filesystem_that_panics(self):
        image = self.scratch / "panic.raw"
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum", "-d", "/etc/apt", image, "32M"], check=True)
        subprocess.run(["tune2fs", "-e", "panic", image], check=True, capture_output=True)
        # The root directory's first block is somewhere else now.
        subprocess.run(["debugfs", "-w", "-R", "sif / block[0] 7", image], check=True, capture_output=True)
        subprocess.run(["debugfs", "-w", "-R", "sif / mode 0140755", image], check=True, capture_output=True)
        os.chown(image, USER, USER)
        before = digest(image)
        result = by_user("ls", image, "/")
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertEqual(digest(image), before)

    def test_a_machine_without_memory(self):
        def with_memory(amount, *arguments):
            return subprocess.run([*AS_USER, f"SLIPWAY_SANDBOX_MEMORY={amount}", USER_SLIPWAY, *arguments], capture_output=True, text=True, check=False)
        self.refused(with_memory(10, "ls", self.image, "/etc"), 2, "SLIPWAY_SANDBOX_MEMORY=10", "from 128")
        self.refused(with_memory(1 << 30, "ls", self.image, "/etc"), 2, "SLIPWAY_SANDBOX_MEMORY=", " to ")
        eats = "a=x; while :; do a=$a$a; done"
        self.ok(with_memory(128, "run", self.real_guest(), "--", "/bin/sh", "-c", eats), 137)

    def test_an_image_that_changes(self):
        held = self.held([*AS_USER, USER_SLIPWAY, "run", self.real_guest_copy(), "--", "/bin/sh", "-c", "echo ready; exec sleep 2"])
        with open(self.scratch / "copy.qcow2", "ab") as file:
            file.write(bytes(4096))
        _, said = held.communicate(timeout=60)
        self.assertEqual(held.returncode, 0, said)
        self.assertIn("copy.qcow2 changed its size", said)
        for engine in ("sandbox", "host"):
            for verb, made, arguments in (("get", "busybox", ("/bin/busybox",)), ("migrate", "out.qcow2", ("--output",))):
                with self.subTest(f"{verb} {engine}"):
                    copying = subprocess.Popen([SLIPWAY, verb, "--engine", engine, self.image, *arguments, self.scratch / made],
                                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True)
                    while copying.poll() is None:
                        os.utime(self.image)
                        time.sleep(0.02)
                    with copying.stderr as said:
                        self.assertIn("guest.raw was written to while it was read", said.read())
                    self.assertEqual(copying.returncode, 4)
                    self.assertFalse((self.scratch / made).exists())


if __name__ == "__main__":
    unittest.main()
