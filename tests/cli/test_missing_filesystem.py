#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Filesystems of the guest that are not there or that this kernel cannot mount, such as a vfat ESP."""
import unittest
from pathlib import Path

from support import Case, digest, mini, slipway


def kernel_has(filesystem):
    return any(line.split()[-1] == filesystem for line in Path("/proc/filesystems").read_text().splitlines())


class MissingFilesystem(Case):
    def findings(self, report):
        return {finding["id"]: finding for finding in report["findings"]}

    @unittest.skipIf(kernel_has("vfat"), "this kernel has vfat")
    def test_an_esp_that_cannot_be_mounted_is_a_finding_and_the_rest_goes_on(self):
        image, out = mini(self.scratch / "a.raw", "--table", "gpt", "--esp"), self.scratch / "out.qcow2"
        before = digest(image)
        for options in ([], ["--regen-initramfs", "--update-grub"]):
            out.unlink(missing_ok=True)
            report = self.report(self.ok(slipway("migrate", image, "--output", out, "--json", "--engine", "host", *options)))
            skipped = self.findings(report)["mount-skipped"]
            self.assertIn("no vfat", skipped["text"])
            self.assertEqual(skipped["severity"], "warning")
            self.assertIn("append-initramfs", [change["kind"] for change in report["changes"]])
        fstab = self.ok(slipway("cat", out, "/etc/fstab")).stdout
        self.assertIn("UUID=5119-00B0", fstab)
        self.assertNotIn("/dev/sda", fstab)
        self.assertEqual(digest(image), before)

    @unittest.skipIf(kernel_has("vfat"), "this kernel has vfat")
    def test_nothing_is_put_below_a_mount_point_whose_filesystem_is_missing(self):
        image = mini(self.scratch / "a.raw", "--table", "gpt", "--esp")
        before = digest(image)
        (self.scratch / "file").write_text("x")
        self.refused(slipway("put", image, self.scratch / "file", "/boot/efi/file", "--engine", "host"), 3, "/boot/efi", "no vfat", "try:")
        self.assertIn("no vfat", self.ok(slipway("ls", image, "/boot/efi", "--engine", "host")).stderr)
        self.assertEqual(digest(image), before)
        self.ok(slipway("put", image, self.scratch / "file", "/boot/file", "--engine", "host"))
        # Left to itself it takes the sandbox, which has vfat.
        self.ok(slipway("put", image, self.scratch / "file", "/boot/efi/file"))
        self.assertIn("file", self.ok(slipway("ls", image, "/boot/efi")).stdout)

    def test_a_boot_filesystem_that_is_damaged_is_a_blocker(self):
        image, out = mini(self.scratch / "a.raw", "--separate-boot"), self.scratch / "out.qcow2"
        with open(image, "r+b") as file: # the inode tables of the first partition, not its superblock
            file.seek((1 << 20) + 4096)
            file.write(b"\xff" * (200 << 10))
        result = slipway("migrate", image, "--output", out, "--json")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(self.findings(self.report(result))["mount-skipped"]["severity"], "blocker")


if __name__ == "__main__":
    unittest.main()
