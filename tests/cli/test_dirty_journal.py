#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Disks that were copied while their filesystem was mounted: what was only in the journal."""
import os
import shutil
import subprocess
import unittest

from support import Case, digest, loop_device, mini, slipway

FIRST_PARTITION = 1 << 20


class DirtyJournal(Case):
    def dirty(self, fs):
        """A guest whose /etc/late is in the journal alone, or on btrfs in the log tree."""
        image, copy = mini(self.scratch / f"{fs}.raw", "--fs", fs), self.scratch / f"dirty-{fs}.raw"
        length = os.path.getsize(image) - FIRST_PARTITION
        point = self.scratch / "mnt"
        point.mkdir(exist_ok=True)
        with loop_device(image, "--offset", str(FIRST_PARTITION), "--sizelimit", str(length)) as device:
            subprocess.run(["mount", device, point], check=True)
            try:
                file = os.open(point / "etc/late", os.O_CREAT | os.O_WRONLY, 0o644)
                os.write(file, b"synced\n")
                os.fsync(file)
                os.close(file)
                shutil.copyfile(image, copy)
            finally:
                subprocess.run(["umount", point], check=True)
        image.unlink()
        return copy

    def test_looking_writes_nothing_and_says_what_was_not_replayed(self):
        for fs in ("ext4", "xfs", "btrfs"):
            with self.subTest(fs):
                image = self.dirty(fs)
                before = digest(image)
                self.assertIn("journal was not replayed", self.ok(slipway("inspect", image)).stdout)
                result = self.ok(slipway("cat", image, "/etc/hostname"))
                self.assertEqual(result.stdout, "mini\n")
                self.assertIn("journal was not replayed", result.stderr)
                self.assertIn("journal was not replayed", self.ok(slipway("ls", image, "/etc")).stderr)
                self.assertIn("journal was not replayed", self.ok(slipway("fix", image, "--dry-run")).stdout)
                self.assertEqual(digest(image), before)

    def test_a_command_sees_all_in_an_overlay_that_is_dropped(self):
        for fs in ("ext4", "xfs"):
            with self.subTest(fs):
                image = self.dirty(fs)
                before = digest(image)
                self.assertEqual(self.ok(slipway("run", image, "--", "cat", "/etc/late")).stdout, "synced\n")
                self.assertEqual(digest(image), before)

    def test_migrate_and_fix_recover_it_and_say_so(self):
        for fs in ("ext4", "xfs", "btrfs"):
            with self.subTest(fs):
                image, out = self.dirty(fs), self.scratch / f"{fs}.qcow2"
                before = digest(image)
                done = self.report(self.ok(slipway("migrate", image, "--output", out, "--json")))
                self.assertEqual(digest(image), before)
                self.ok(slipway("fix", image))
                if fs != "xfs": # which does not tell whether its log is clean
                    self.assertIn("journal-replayed", [finding["id"] for finding in done["findings"]])
                for result in (out, image):
                    shown = self.ok(slipway("cat", result, "/etc/late"))
                    self.assertEqual((shown.stdout, shown.stderr), ("synced\n", ""))


if __name__ == "__main__":
    unittest.main()
