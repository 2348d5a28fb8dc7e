#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The module `guestfs` of build/python/compat answers as libguestfs did when tests/guestfs/oracle was recorded."""
import json
import os
import subprocess
import unittest
from pathlib import Path

from support import Case

GUESTFS = Path(__file__).resolve().parent.parent / "guestfs"
COMPAT = Path(os.environ.get("SLIPWAY_PYTHON_COMPAT", GUESTFS.parent.parent / "build/python/compat"))
RECORDINGS = sorted(path.stem for path in (GUESTFS / "oracle").glob("*.json"))
# The same calls as in the first of their kind, in another order, for minutes.
ONLY_FULL = () if os.environ.get("SLIPWAY_FULL") else ("luks-2", "lvm-2")


def module_missing():
    return not any(COMPAT.glob("guestfs*"))


@unittest.skipIf(module_missing(), "no module guestfs in build/python/compat")
class Oracle(Case):
    """One test for each recording; they are made below."""
    totals = {}  # call -> number of differences
    compared = set()

    def compare(self, name):
        summary = self.scratch / "summary.json"
        result = subprocess.run([GUESTFS / "compare", "--python-path", COMPAT, "--quiet", "--scratch", self.scratch, "--summary", summary, name],
                                capture_output=True, text=True, errors="replace", timeout=1800, stdin=subprocess.DEVNULL, check=False)
        if summary.exists():
            self.compared.add(name)
            for call, (_, _, differences) in json.loads(summary.read_text(encoding="utf-8")).items():
                self.totals[call] = self.totals.get(call, 0) + differences
        self.assertEqual(result.returncode, 0, result.stdout[-20000:] + result.stderr[-4000:])

    def test_zz_unsupported_calls_do_not_work(self):
        """After the others: what works must leave unsupported.txt."""
        lines = (GUESTFS / "unsupported.txt").read_text(encoding="utf-8").splitlines()
        known = {words[0] for words in (line.split("#")[0].split() for line in lines) if words}
        if self.compared == set(RECORDINGS) - set(ONLY_FULL):
            self.assertEqual([call for call in sorted(known) if self.totals.get(call) == 0], [])


def recording(name):
    def test(self):
        if name in ONLY_FULL:
            self.skipTest("only with --full")
        self.compare(name)
    test.__doc__ = f"All calls of {name}."
    return test


for _name in RECORDINGS:
    setattr(Oracle, "test_" + _name.replace("-", "_"), recording(_name))


class Recordings(unittest.TestCase):
    """The files themselves, which need no module."""

    def test_every_recording_is_of_the_scenario_as_it_is(self):
        result = subprocess.run([GUESTFS / "compare", "--check"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_they_are_small_and_name_nothing_of_the_machine(self):
        texts = [path.read_text(encoding="utf-8") for path in (GUESTFS / "oracle").glob("*.json")]
        self.assertLess(sum(map(len, texts)), 1_500_000)
        for text in texts:
            self.assertNotIn("guestfs-oracle-", text)


if __name__ == "__main__":
    unittest.main()
