#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A report or a copy whose name is that of something else: nothing but an earlier report is replaced."""
import json
import os
import unittest

from support import UnchangedImage, slipway


class ReportFile(UnchangedImage):
    def test_a_report_replaces_an_earlier_report_alone(self):
        letter, report = self.scratch / "letter", self.scratch / "r.json"
        letter.write_text("Dear Sir or Madam")
        os.symlink("a.raw", self.scratch / "link")
        (self.scratch / "directory").mkdir()
        os.mkfifo(self.scratch / "fifo")
        for name in ("a.raw", "link", "letter", "directory", "fifo"):
            with self.subTest(name):
                for verb in (["fix", self.image, "--dry-run"], ["migrate", self.image, "--output", self.scratch / "out.qcow2"]):
                    self.refused(slipway(*verb, "--report", self.scratch / name), 4, name)
        self.assertEqual(letter.read_text(), "Dear Sir or Madam")
        self.assertFalse((self.scratch / "out.qcow2").exists())
        for _ in range(2):
            self.ok(slipway("fix", self.image, "--dry-run", "--report", report))
            self.assertTrue(json.loads(report.read_text())["run"]["dry_run"])

    def test_report_and_output_of_one_name(self):
        out = self.scratch / "out.qcow2"
        os.symlink(self.scratch, self.scratch / "here")
        self.refused(slipway("migrate", self.image, "--output", out, "--report", self.scratch / "here" / "out.qcow2"), 2, "--report")
        self.assertFalse(out.exists())

    def test_copy_over_the_image(self):
        self.refused(slipway("get", self.image, "/etc/fstab", self.image, "--force"), 4, "the image itself")


if __name__ == "__main__":
    unittest.main()
