#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sources, destinations and reports of the wrong kind: refused before any work, and nothing is replaced."""
import json
import os
import stat
import subprocess
import unittest
from contextlib import contextmanager

from support import Case, digest, loop_device, mini, slipway


class Places(Case):
    def setUp(self):
        super().setUp()
        self.image = mini(self.scratch / "a.raw")
        self.before = digest(self.image)

    def tearDown(self):
        self.assertEqual(digest(self.image), self.before)

    def migrate(self, output, *options):
        return slipway("migrate", self.image, "--output", output, *options)


class Destination(Places):
    def test_what_is_there_already_is_never_replaced(self):
        (self.scratch / "directory").mkdir()
        (self.scratch / "file").write_text("precious")
        os.mkfifo(self.scratch / "fifo")
        os.symlink("/nonexistent/target", self.scratch / "dangling")
        os.symlink("file", self.scratch / "link")
        os.mknod(self.scratch / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        names = self.names()
        for name in ("directory", "file", "fifo", "dangling", "link", "null", "a.raw"):
            with self.subTest(name):
                self.refused(self.migrate(self.scratch / name), 4, name, "exists already", "try: ")
        self.assertEqual(self.names(), names)
        self.assertEqual((self.scratch / "file").read_text(), "precious")

    def test_block_device(self):
        target = self.scratch / "disk"
        target.write_bytes(b"precious" * (1 << 17))
        before = digest(target)
        with loop_device(target) as device:
            self.refused(self.migrate(device), 4, "exists already")
        self.assertEqual(digest(target), before)

    def test_names_that_are_none(self):
        self.refused(self.migrate(""), 2, "--output")
        self.refused(self.migrate(f"{self.scratch}/"), 2, "directory")
        self.refused(self.migrate(self.scratch / ("n" * 300)), 2, "too long")
        self.refused(self.migrate(self.scratch / "a.raw" / "x"), 4, "Not a directory")

    @contextmanager
    def read_only_directory(self):
        directory = self.scratch / "read-only"
        directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", directory], check=True)
        try:
            yield directory
        finally:
            subprocess.run(["umount", directory], check=True)

    def test_read_only_directory(self):
        with self.read_only_directory() as directory:
            self.refused(self.migrate(directory / "out.qcow2"), 3, "out.qcow2", "Read-only")
            self.refused(self.migrate(self.scratch / "out.qcow2", "--report", directory / "r.json"), 3, "r.json", "Read-only")
            self.refused(slipway("get", self.image, "/etc/fstab", directory / "fstab"), 3, "Read-only")
        self.assertEqual(self.names(), ["a.raw", "read-only"])

    def test_image_in_a_read_only_directory_can_be_migrated_and_not_fixed(self):
        copy = self.scratch / "copy"
        copy.mkdir()
        subprocess.run(["cp", "--sparse=always", self.image, copy], check=True)
        subprocess.run(["mount", "--bind", "-o", "ro", copy, copy], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", copy], check=True)
        try:
            self.ok(slipway("migrate", copy / "a.raw", "--output", self.scratch / "out.qcow2"))
            self.refused(slipway("fix", copy / "a.raw"), 3, "Read-only")
        finally:
            subprocess.run(["umount", copy], check=True)


class ReportFile(Places):
    def test_a_report_replaces_an_earlier_report_alone(self):
        letter, report = self.scratch / "letter", self.scratch / "r.json"
        letter.write_text("Dear Sir or Madam")
        os.symlink("a.raw", self.scratch / "link")
        (self.scratch / "directory").mkdir()
        os.mkfifo(self.scratch / "fifo")
        for name in ("a.raw", "link", "letter", "directory", "fifo"):
            with self.subTest(name):
                for verb in (["fix", self.image, "--dry-run"], ["migrate", self.image, "--output", self.scratch / "out.qcow2"]):
                    self.assertIn(self.refused(slipway(*verb, "--report", self.scratch / name), 4, name).returncode, (2, 4))
        self.assertEqual(letter.read_text(), "Dear Sir or Madam")
        self.assertFalse((self.scratch / "out.qcow2").exists())
        for _ in range(2):
            self.ok(slipway("fix", self.image, "--dry-run", "--report", report))
            self.assertTrue(json.loads(report.read_text())["run"]["dry_run"])

    def test_report_and_output_of_one_name(self):
        out = self.scratch / "out.qcow2"
        os.symlink(self.scratch, self.scratch / "here")
        self.refused(self.migrate(out, "--report", self.scratch / "here" / "out.qcow2"), 2, "--report")
        self.assertFalse(out.exists())

    def test_copy_over_the_image(self):
        self.refused(slipway("get", self.image, "/etc/fstab", self.image, "--force"), 4, "the image itself")


class Source(Places):
    def test_what_is_no_image(self):
        (self.scratch / "directory").mkdir()
        (self.scratch / "empty").touch()
        os.mkfifo(self.scratch / "fifo")
        os.symlink("/nonexistent/target", self.scratch / "dangling")
        for verb in ("inspect", "fix", "migrate"):
            more = ["--output", self.scratch / "out.qcow2"] if verb == "migrate" else []
            for name, status, words in (("directory", 2, "directory, not a disk image"), ("empty", 2, "is empty"), ("fifo", 2, "neither a file nor"),
                                        ("dangling", 4, "No such file"), ("/dev/zero", 2, "neither a file nor"), ("none", 4, "No such file")):
                with self.subTest(f"{verb} {name}"):
                    self.refused(slipway(verb, self.scratch / name, *more, timeout=20), status, words)
        self.assertEqual(self.names(), ["a.raw", "dangling", "directory", "empty", "fifo"])

    def test_block_device_is_only_read(self):
        for options in (["--read-only"], []):
            with loop_device(self.image, *options) as device, self.subTest(str(options)):
                out = self.scratch / f"out{len(options)}.qcow2"
                self.ok(slipway("migrate", device, "--output", out))
                self.assertIn("UUID=", self.ok(slipway("cat", out, "/etc/fstab")).stdout)
                self.assertIn("debian", self.ok(slipway("inspect", device)).stdout)
                self.assertEqual(digest(device), self.before)

    def test_block_device_that_is_mounted_is_in_use(self):
        with loop_device(self.image, "--offset", str(1 << 20)) as device:
            mountpoint = self.scratch / "mnt"
            mountpoint.mkdir()
            subprocess.run(["mount", "-o", "ro", device, mountpoint], check=True)
            try:
                self.refused(slipway("fix", device), 4, "in use")
            finally:
                subprocess.run(["umount", mountpoint], check=True)


if __name__ == "__main__":
    unittest.main()
