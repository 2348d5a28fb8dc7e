#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real guests, broken the way guests break, migrated, and booted to their login prompt on virtio."""
import json
import unittest

from support import Case, guest, slipway


class Boot(Case):
    def comes_up(self, name, *options, image_format="raw"):
        source = guest(name, image_format)
        result = slipway("migrate", source, "--output", self.scratch / "out.qcow2", "--prove", "--timeout", "600", "--json", *options, timeout=900)
        report = json.loads(result.stdout)
        self.assertEqual(result.returncode, 0, f"{result.stderr}\n{json.dumps(report['findings'], indent=1)}\n{json.dumps(report['validation']['proof'], indent=1)}")
        self.assertTrue(report["validation"]["proof"]["login"])
        return report

    def test_debian_12_ext4_by_appended_segment(self):
        report = self.comes_up("debian12-ext4", image_format="vmdk-stream")
        append = next(change for change in report["changes"] if change["kind"] == "append-initramfs")
        # Else each boot waits half a minute for the old machine's swap.
        self.assertEqual(append["files"], ["conf/conf.d/resume"])

    def test_debian_12_ext4_with_the_guests_own_tools(self):
        report = self.comes_up("debian12-ext4", "--regen-initramfs", "--update-grub")
        kinds = [change["kind"] for change in report["changes"]]
        self.assertIn("run-tool", kinds)
        self.assertNotIn("append-initramfs", kinds)

    def test_trap6_debian_13_xfs_with_separate_boot(self):
        self.comes_up("debian13-xfs-boot")

    def test_trap6_debian_12_btrfs_with_subvolumes(self):
        self.comes_up("debian12-btrfs")


if __name__ == "__main__":
    unittest.main()
