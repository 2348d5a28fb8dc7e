#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Guests that are damaged, full, foreign or hostile: the rest goes on where that is right, and says so."""
import json
import os
import shutil
import subprocess
import time
import unittest
from pathlib import Path

from support import IMAGES, Case, digest, mini, mounted, slipway

KERNEL = "6.1.0-1-amd64"
FSTAB = "/dev/sda1 / auto errors=remount-ro 0 1\n"


class BadGuests(Case):
    def migrated(self, image, *options, status=0):
        """Migrates to out.qcow2; the report. The source stays as it is."""
        before = digest(image)
        result = self.ok(slipway("migrate", image, "--output", self.scratch / "out.qcow2", "--json", *options), status)
        self.assertEqual(digest(image), before)
        return json.loads(result.stdout)

    def findings(self, report):
        return {finding["id"]: finding for finding in report["findings"]}

    def inspect(self, image):
        return json.loads(self.ok(slipway("inspect", "--json", image)).stdout)


class DirtyJournal(BadGuests):
    def dirty(self, *options):
        """An image copied from under a running guest, whose journal holds a new fstab."""
        image, copy = mini(self.scratch / "running.raw", *options), self.scratch / "dirty.raw"
        with mounted(image) as top:
            subprocess.run(["sync", "-f", top], check=True)
            with open(top / "etc" / "fstab", "w", encoding="ascii") as file:
                file.write(f"# journalled\n{FSTAB}")
                file.flush()
                os.fsync(file.fileno())
            shutil.copyfile(image, copy)
        return copy

    def check(self, *options):
        image = self.dirty(*options)
        before = digest(image)
        read = self.ok(slipway("cat", image, "/etc/fstab"))
        self.assertIn("not unmounted cleanly", read.stderr)
        self.assertNotIn("journalled", read.stdout, "the journal was replayed already: this test shows nothing")
        self.assertIn("journal-dirty", self.findings(self.inspect(image)))
        self.assertEqual(digest(image), before)
        self.migrated(image)
        fstab = self.ok(slipway("cat", self.scratch / "out.qcow2", "/etc/fstab")).stdout
        self.assertIn("# journalled\nUUID=", fstab)

    def test_ext4_is_replayed_in_the_overlay_and_never_in_the_source(self):
        self.check()

    def test_xfs_is_replayed_in_the_overlay_and_never_in_the_source(self):
        self.check("--fs", "xfs", "--size", "320M")


class WithoutVfat(BadGuests):
    def test_esp_that_cannot_be_mounted_is_a_finding(self):
        if "\tvfat" in Path("/proc/filesystems").read_text(encoding="ascii"):
            self.skipTest("this kernel has vfat")
        esp, root, disk = self.scratch / "esp.raw", self.scratch / "root.raw", self.scratch / "disk.raw"
        mini(esp, "--fs", "vfat", "--table", "none")
        mini(root, "--table", "none")
        with open(disk, "wb") as file:
            file.truncate(200 << 20)
        subprocess.run(["sfdisk", "-q", "--no-reread", "--no-tell-kernel", disk], input="label: gpt\nsize=64MiB,type=U\nsize=64MiB\n", text=True, check=True)
        for part, seek in ((esp, 1), (root, 65)):
            subprocess.run(["dd", f"if={part}", f"of={disk}", "bs=1M", f"seek={seek}", "conv=notrunc,sparse", "status=none"], check=True)
        with mounted(disk, 65 << 20) as top:
            (top / "boot" / "efi").mkdir()
            (top / "etc" / "fstab").write_text("/dev/sda2 / ext4 defaults 0 1\n/dev/sda1 /boot/efi vfat umask=0077 0 1\n")
            config = top / "boot" / "grub" / "grub.cfg"
            config.write_text(config.read_text().replace("root=/dev/sda", "root=/dev/sda2"))
        report = self.migrated(disk)
        self.assertIn("modprobe vfat", self.findings(report)["esp-unreadable"]["remedy"])
        self.assertEqual(self.inspect(disk)["firmware"], "uefi")
        fstab = self.ok(slipway("cat", self.scratch / "out.qcow2", "/etc/fstab")).stdout
        self.assertNotIn("/dev/sda", fstab)
        self.refused(slipway("ls", disk, "/", "--root", "sda1"), 3, "this kernel has no vfat", "modprobe vfat")


class GuestTools(BadGuests):
    def guest(self, script):
        """A guest whose update-initramfs is this script."""
        image = mini(self.scratch / "a.raw")
        with mounted(image) as top:
            tool = top / "usr" / "sbin" / "update-initramfs"
            tool.write_text("#!/bin/sh\n" + script)
            tool.chmod(0o755)
            (top / "usr" / "share" / "initramfs-tools" / "hooks").mkdir(parents=True)
        return image

    def check(self, script, *words, state="failed", timeout=60):
        report = self.migrated(self.guest(script), "--regen-initramfs", "--tool-timeout", timeout)
        run = [change for change in report["changes"] if change["kind"] == "run-tool"]
        self.assertEqual([change["state"] for change in run], [state], run)
        for word in words:
            self.assertIn(word, run[0]["detail"])
        # The kernel that it left without virtio gets a segment all the same.
        self.assertIn("virtio inside", self.ok(slipway("inspect", "--deep", self.scratch / "out.qcow2")).stdout)

    def test_one_that_fails(self):
        self.check("echo no such module; exit 3\n", "status 3", "no such module")

    def test_one_that_is_killed(self):
        self.check("kill -9 $$\n", "status 137")

    def test_one_that_does_nothing(self):
        self.check("exit 0\n", state="done")

    def test_one_that_hangs_and_leaves_a_child(self):
        started = time.monotonic()
        self.check("trap '' TERM\nsleep 1000 &\nsleep 1000\n", "did not end within 1", timeout=1)
        self.assertLess(time.monotonic() - started, 30)

    def test_one_that_fills_the_disk(self):
        self.check("cat /dev/zero > /big\nexit 1\n", "No space left")

    def test_one_that_breaks_the_initramfs_is_a_blocker(self):
        report = self.migrated(self.guest(f"echo broken > /boot/initrd.img-{KERNEL}\n"), "--regen-initramfs", status=1)
        self.assertIn("blocker", [finding["severity"] for finding in report["findings"]])


class ForeignArchitecture(BadGuests):
    def test_no_program_of_it_runs_and_the_segment_is_appended(self):
        image = mini(self.scratch / "a.raw")
        with mounted(image) as top:
            with open(top / "usr" / "bin" / "busybox", "r+b") as file:
                file.seek(18)
                file.write((183).to_bytes(2, "little"))  # e_machine: EM_AARCH64
            tool = top / "usr" / "sbin" / "update-initramfs"
            tool.write_text("#!/bin/sh\n")
            tool.chmod(0o755)
            (top / "usr" / "share" / "initramfs-tools" / "hooks").mkdir(parents=True)
        report = self.migrated(image, "--regen-initramfs")
        self.assertEqual(self.inspect(image)["os"]["arch"], "aarch64")
        kinds = [change["kind"] for change in report["changes"] if change["state"] == "done"]
        self.assertIn("append-initramfs", kinds)
        self.assertNotIn("run-tool", kinds)
        self.refused(slipway("run", image, "--", "/bin/true"), 126)


class FullGuest(BadGuests):
    def test_repairs_that_find_no_room_are_reported(self):
        image = mini(self.scratch / "a.raw")
        with mounted(image) as top:
            with open(top / "fill", "wb", buffering=0) as file:
                for size in (1 << 20, 4096, 512):
                    try:
                        while True:
                            file.write(bytes(size))
                    except OSError:
                        continue
        before = digest(image)
        result = slipway("put", image, IMAGES / "mini", "/etc/new")
        self.refused(result, 4, "No space left", "/etc/new")
        self.assertEqual(digest(image), before)
        # Whatever was possible: no file is cut short.
        result = slipway("fix", image, "--json")
        if result.returncode == 4:
            self.assertEqual(digest(image), before)
        fstab = self.ok(slipway("cat", image, "/etc/fstab")).stdout
        self.assertTrue(fstab.endswith("0 1\n"), fstab)


if __name__ == "__main__":
    unittest.main()
