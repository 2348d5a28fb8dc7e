#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two writers on one image, and images that a virtual machine or a storage daemon has open."""
import contextlib
import json
import os
import socket
import subprocess
import time
import unittest

from support import SLIPWAY, Case, digest, loop_device, mini, slipway


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.02)


class InUse(Case):
    def setUp(self):
        super().setUp()
        self.image = mini(self.scratch / "a.raw")

    @contextlib.contextmanager
    def holder(self, question, answer, *argv):
        """A program of QEMU that has the image, from its answer on a socket on: it locks in several steps."""
        process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(20)
                wait_for(lambda: connection.connect_ex(str(self.scratch / "socket")) == 0)
                connection.sendall(question)
                said = b""
                while answer not in said:
                    said += connection.recv(4096)
                yield
        finally:
            process.terminate()
            process.wait()
            (self.scratch / "socket").unlink(missing_ok=True)

    def machine(self, *drive):
        # -S: a machine that exists and has not been started. The disk is locked all the same.
        return self.holder(b'{"execute": "qmp_capabilities"}', b"return", "qemu-system-x86_64", "-S", "-display", "none", "-nodefaults", "-m", "32", "-accel", "tcg",
                           "-qmp", f"unix:{self.scratch}/socket,server=on,wait=off",
                           "-drive", ",".join(["if=virtio", "format=raw", f"file={self.image}", *drive]))

    def daemon(self):
        return self.holder(b"", b"NBDMAGIC", "qemu-storage-daemon", "--blockdev", f"driver=file,node-name=f,filename={self.image}",
                           "--blockdev", "driver=raw,node-name=d,file=f", "--nbd-server", f"addr.type=unix,addr.path={self.scratch}/socket",
                           "--export", "type=nbd,id=e,node-name=d,writable=on")

    def all_are_refused(self, *argvs):
        for argv in argvs:
            self.refused(slipway(*argv), 125 if argv[0] == "run" else 4, "in use", "wait for the other program")

    def changes(self):
        return (["fix", self.image], ["put", self.image, __file__, "/x"], ["run", self.image, "--write", "--", "true"])

    def looks(self):
        return (["inspect", self.image], ["cat", self.image, "/etc/hostname"], ["run", self.image, "--", "true"], ["prove", self.image],
                ["migrate", self.image, "--output", self.scratch / "out.qcow2"])

    def test_a_machine_that_writes_keeps_everybody_out(self):
        before = digest(self.image)
        with self.machine():
            self.all_are_refused(*self.changes(), *self.looks())
        self.assertEqual((digest(self.image), self.names()), (before, ["a.raw"]))
        self.ok(slipway("fix", self.image))

    def test_a_machine_that_reads_keeps_writers_out(self):
        with self.machine("readonly=on"):
            self.all_are_refused(*self.changes())
            self.assertEqual(self.ok(slipway("cat", self.image, "/etc/hostname")).stdout, "mini\n")

    def test_a_storage_daemon_that_exports_it(self):
        with self.daemon():
            self.all_are_refused(*self.changes(), *self.looks())

    def test_the_second_writer_is_refused_and_the_first_is_not_disturbed(self):
        before = digest(self.image)
        first = subprocess.Popen([SLIPWAY, "run", self.image, "--write", "--", "/bin/sh", "-c", "echo kept > /etc/first; echo ready; read line"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(first.stdout.readline(), b"ready\n")
        self.all_are_refused(*self.changes(), *self.looks())
        self.assertEqual(digest(self.image), before)
        first.communicate(b"go on\n")
        self.assertEqual(first.returncode, 0)
        self.assertEqual(self.ok(slipway("cat", self.image, "/etc/first")).stdout, "kept\n")
        self.assertEqual(self.names(), ["a.raw"])

    def test_two_that_start_at_once_do_both_changes_or_refuse_one(self):
        argvs = [[SLIPWAY, "run", self.image, "--write", "--", "/bin/sh", "-c", f"echo {name} > /etc/{name}"] for name in ("one", "two")]
        for _ in range(4):
            done = [process.wait() for process in [subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for argv in argvs]]
            self.assertTrue(set(done) <= {0, 125} and 0 in done, done)
            there = self.ok(slipway("ls", self.image, "/etc")).stdout.split()
            for name, status in zip(("one", "two"), done):
                if status == 0:
                    self.assertIn(name, there)

    def test_readers_share(self):
        first = subprocess.Popen([SLIPWAY, "run", self.image, "--", "/bin/sh", "-c", "echo ready; read line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(first.stdout.readline(), b"ready\n")
        self.ok(slipway("inspect", self.image))
        self.ok(slipway("migrate", self.image, "--output", self.scratch / "out.qcow2"))
        self.all_are_refused(["fix", self.image])
        first.communicate(b"\n")
        self.assertEqual(first.returncode, 0)

    def test_what_slipway_holds_a_machine_cannot_open(self):
        first = subprocess.Popen([SLIPWAY, "run", self.image, "--", "/bin/sh", "-c", "echo ready; read line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(first.stdout.readline(), b"ready\n")
        refused = subprocess.run(["qemu-io", "-f", "raw", "-c", "read 0 512", self.image], capture_output=True, text=True, check=False)
        self.assertIn("lock", refused.stdout + refused.stderr)
        first.communicate(b"\n")


class BlockDevice(Case):
    def test_a_mounted_one_is_looked_at_with_a_warning_and_not_migrated(self):
        image, out, point = mini(self.scratch / "a.raw", "--table", "none"), self.scratch / "out.qcow2", self.scratch / "mnt"
        point.mkdir()
        with loop_device(image) as device:
            subprocess.run(["mount", "-o", "ro", device, point], check=True)
            try:
                looked = self.ok(slipway("cat", device, "/etc/hostname"))
                self.assertEqual(looked.stdout, "mini\n")
                self.assertIn("in use on this machine", looked.stderr)
                self.refused(slipway("migrate", device, "--output", out), 4, "in use on this machine", "unmount it")
            finally:
                subprocess.run(["umount", point], check=True)
            self.assertNotIn("in use", self.ok(slipway("cat", device, "/etc/hostname")).stderr)

    def test_it_is_read_and_never_written(self):
        image, out = mini(self.scratch / "a.raw"), self.scratch / "out.qcow2"
        before = digest(image)
        with loop_device(image) as device:
            self.assertEqual(json.loads(self.ok(slipway("inspect", device, "--json")).stdout)["os"]["distro"], "debian")
            self.ok(slipway("migrate", device, "--output", out))
            self.assertEqual(self.ok(slipway("run", device, "--", "/bin/sh", "-c", "echo new > /etc/new; cat /etc/new")).stdout, "new\n")
            for argv, status in ((["fix", device], 3), (["put", device, __file__, "/x"], 3), (["run", device, "--write", "--", "true"], 125)):
                self.refused(slipway(*argv), status, "block device", "slipway migrate")
            self.assertEqual([name for name in os.listdir("/dev") if "slipway" in name], [])
        self.assertEqual(digest(image), before)
        self.assertIn("UUID=", self.ok(slipway("cat", out, "/etc/fstab")).stdout)


if __name__ == "__main__":
    unittest.main()
