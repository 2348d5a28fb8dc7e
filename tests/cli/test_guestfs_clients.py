#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs written for libguestfs's Python module run unchanged with ours, as an ordinary user, and say the same."""
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

from support import Case
from test_sandbox import AS_USER, USER, USER_BUILD

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "guestfs"))

import clients  # noqa: E402


class Clients(Case):
    @classmethod
    def setUpClass(cls):
        cls.images = Path(tempfile.mkdtemp(prefix="slipway-clients-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.images)
        os.chmod(cls.images, 0o755)

    def same(self, name):
        command = [*AS_USER, f"PYTHONPATH={USER_BUILD}/python/compat", "/usr/bin/python3"]
        self.assertEqual(clients.run(name, self.images, command, USER), clients.expected(name))


def running(name):
    def test(self):
        self.same(name)
    test.__doc__ = f"{clients.RUNS[name][0]} on {clients.RUNS[name][1] or 'a new disk'}."
    return test


for _name in clients.RUNS:
    setattr(Clients, "test_" + _name.replace("-", "_"), running(_name))


if __name__ == "__main__":
    unittest.main(verbosity=2)
