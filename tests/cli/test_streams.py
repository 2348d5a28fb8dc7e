#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Standard streams that are closed or full, and names and words of any bytes."""
import os
import subprocess
import unittest

from support import SLIPWAY, Case, mini, slipway


class Streams(Case):
    def setUp(self):
        super().setUp()
        self.image = mini(self.scratch / "a.raw")

    def shell(self, text):
        """Slipway as `text` says, started by a shell."""
        return subprocess.run(["/bin/sh", "-c", text.replace("slipway", SLIPWAY, 1)], cwd=self.scratch, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=20, check=False)

    def test_closed_ones_are_nobodys_sockets(self):
        for text, status in (("slipway inspect a.raw 2>&-", 0), ("slipway run a.raw -- cat <&-", 0), ("slipway put a.raw - /srv/empty <&-", 0),
                             ("slipway run a.raw -- sh -c 'echo no >&2' 2>&-", 0), ("slipway cat a.raw /usr/bin/busybox >&-", 2),
                             ("slipway run a.raw -- echo hi >&-", 125), ("slipway fix a.raw -q <&- >&- 2>&-", 0)):
            with self.subTest(text):
                self.assertEqual(self.shell(text).returncode, status)
        self.assertIn("UUID=", self.ok(slipway("cat", self.image, "/etc/fstab")).stdout)

    def test_a_full_one_is_told(self):
        for text in ("slipway cat a.raw /etc/fstab > /dev/full", "slipway ls a.raw /etc > /dev/full", "slipway inspect a.raw > /dev/full"):
            with self.subTest(text):
                result = self.shell(text)
                self.assertEqual(result.returncode, 4)
                self.assertIn("writing to standard output: No space left", result.stderr)
                self.assertNotIn("guest's filesystem", result.stderr)

    def test_names_and_words_that_are_no_utf8(self):
        name = b"/srv/\xff\xfe \xc3\xbc\xfc"
        local = self.scratch / "local"
        local.write_text("latin\n")
        raw = lambda *arguments: subprocess.run([SLIPWAY, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        self.assertEqual(raw("put", self.image, local, name).returncode, 0)
        self.assertEqual(raw("ls", self.image, "/srv").stdout, os.path.basename(name) + b"\n")
        self.assertEqual(raw("cat", self.image, name).stdout, b"latin\n")
        self.assertEqual(raw("run", self.image, "--", "cat", name).stdout, b"latin\n")
        self.assertEqual(raw("run", self.image, "--env", b"A=\xff", "--", "sh", "-c", b"echo $A \xfe").stdout, b"\xff \xfe\n")


if __name__ == "__main__":
    unittest.main()
