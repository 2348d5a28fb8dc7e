#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The sandbox engine with QEMU, without an accelerator where there is none: each test boots it a few times only."""
import os
import signal
import subprocess
import unittest
from pathlib import Path

from support import IMAGES, SLIPWAY, Case, digest, mini, mini_tree, our_processes, slipway
from test_sandbox import USER_SLIPWAY, readable_kernel

USER = 12345
QEMU = "qemu-system-x86"  # as the kernel cuts it


class QemuCase(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0:
            return
        cls.kernel = readable_kernel()

    def setUp(self):
        super().setUp()
        os.chown(self.scratch, USER, USER)
        self.image = self.scratch / "guest.raw"

    def make(self, *options):
        mini(self.image, *options)
        os.chown(self.image, USER, USER)
        self.digest = digest(self.image)

    def by_user(self, *arguments, input=None, stdout=subprocess.PIPE):
        """slipway as somebody who is neither root nor in any group that matters, and chooses by the environment."""
        command = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups", "env", "-i", "PATH=/usr/bin:/bin",
                   "SLIPWAY_SANDBOX=qemu", f"SLIPWAY_SANDBOX_KERNEL={self.kernel}", USER_SLIPWAY, *map(str, arguments)]
        return subprocess.run(command, text=True, input=input, stdout=stdout, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL if input is None else None, timeout=120, check=False)


class OrdinaryUser(QemuCase):
    def test_inspects_as_the_host_engine_does(self):
        self.make()
        host = self.ok(slipway("inspect", self.image, "--json", "--engine", "host"))
        result = self.ok(self.by_user("inspect", self.image, "--json"))
        self.assertEqual(self.report(result), self.report(host))
        self.assertEqual(digest(self.image), self.digest)

    def test_reads_and_writes_in_place(self):
        self.make()
        self.ok(self.by_user("put", self.image, "-", "/etc/motd", input="hello\n"))
        self.assertEqual(self.ok(slipway("cat", self.image, "/etc/motd", "--engine", "host")).stdout, "hello\n")
        self.ok(self.by_user("fix", self.image))
        self.ok(slipway("fix", self.image, "--dry-run", "--engine", "host"))
        self.assertEqual(self.names(), ["guest.raw"])

    def test_opens_layers(self):
        """The machine has the modules and the tools for what stands on other layers."""
        subprocess.run([IMAGES / "stacked", "lvm-on-luks", self.image], check=True, capture_output=True)
        os.chown(self.image, USER, USER)
        key = self.scratch / "key"
        key.write_text("open sesame")
        result = self.ok(self.by_user("cat", self.image, "/etc/hostname", "--key", f"all:file:{key}"))
        self.assertEqual(result.stdout, "mini\n")

    def test_gives_a_large_file_whole(self):
        tree = mini_tree(self.scratch / "tree")
        (tree / "large").write_bytes(os.urandom(64 << 20))
        self.make("--tree", tree, "--size", "192M")
        with open(self.scratch / "out", "wb") as out:
            self.ok(self.by_user("cat", self.image, "/large", stdout=out))
        self.assertEqual(digest(self.scratch / "out"), digest(tree / "large"))


class Root(QemuCase):
    def held(self):
        """A session that stays until something happens to it, with its machine's process."""
        held = subprocess.Popen([SLIPWAY, "run", self.image, "--sandbox", "qemu", "--sandbox-kernel", self.kernel, "--",
                                 "/bin/sh", "-c", "echo ready; exec sleep 60"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.addCleanup(held.wait)
        self.addCleanup(held.kill)
        self.assertEqual(held.stdout.readline(), "ready\n")
        machine, = self.machines()
        return held, machine

    def test_gives_its_rights_away_and_may_be_killed(self):
        """QEMU runs as a user that nobody is, and the engine is the sandbox because --sandbox names a machine."""
        self.make()
        held, machine = self.held()
        status = Path(f"/proc/{machine}/status").read_text()
        self.assertRegex(status, r"Uid:\t6[1-5]\d{3}\t")
        self.assertIn("NoNewPrivs:\t1", status)
        self.assertIn("Seccomp:\t2", status)
        os.kill(machine, signal.SIGKILL)
        _, told = held.communicate(timeout=30)
        self.assertEqual(held.returncode, 125, told)
        self.assertIn("the sandbox's machine has ended", told)
        self.assertEqual(self.machines(), [])
        self.assertEqual(digest(self.image), self.digest)

    def test_goes_with_its_client(self):
        self.make()
        held, _ = self.held()
        held.kill()
        held.communicate(timeout=30)
        self.assertEqual(self.settled_leaks(), {})
        self.assertEqual(digest(self.image), self.digest)

    def test_has_least_memory(self):
        self.make()
        self.ok(slipway("ls", self.image, "/etc", "--sandbox", "qemu", "--sandbox-kernel", self.kernel, env={"SLIPWAY_SANDBOX_MEMORY": "128"}))

    def test_says_what_is_missing(self):
        self.make()
        self.refused(slipway("ls", self.image, "/", "--sandbox", "qemu", "--sandbox-kernel", "/etc/passwd"), 4, "no x86 Linux kernel")
        self.refused(slipway("ls", self.image, "/", "--sandbox", "bochs"), 2, "'bochs'", "uml or qemu")
        self.refused(slipway("ls", self.image, "/", "--sandbox", "qemu", "--engine", "host"), 2, "--sandbox")

    @staticmethod
    def machines():
        return [int(pid) for name, pid in (one.rsplit(" ", 1) for one in our_processes()) if name.startswith(QEMU)]


if __name__ == "__main__":
    unittest.main()
