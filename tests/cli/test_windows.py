#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Windows guest from the outside. Its files stand on ext4, because not every kernel has NTFS; what they hold is tested in
tests/unit/guest_windows_test.cpp."""
import shutil
import subprocess
import unittest
from pathlib import Path

import schema_check
from support import Case, mini, slipway

HIVES = Path(__file__).resolve().parents[1] / "fuzz/corpus/registry"


class Windows(Case):
    def setUp(self):
        super().setUp()
        tree = self.scratch / "tree"
        config = tree / "WINDOWS/system32/config"
        config.mkdir(parents=True)
        shutil.copy(HIVES / "software", config / "software")
        shutil.copy(HIVES / "system", config / "SYSTEM")
        (tree / "hiberfil.sys").write_bytes(b"HIBR" + bytes(4092))
        self.image = mini(self.scratch / "a.raw", "--tree", tree)
        # The signature that the hive has for C:, whose partition begins at 1 MiB.
        subprocess.run(["sfdisk", "--disk-id", self.image, "0x76543210"], check=True, capture_output=True)

    def test_inspect(self):
        inventory = self.report(self.ok(slipway("inspect", self.image, "--json")))
        self.assertEqual(schema_check.check(inventory, schema_check.load("inspect.v1")), [])
        system = inventory["os"]
        self.assertEqual((system["type"], system["product"], system["variant"]), ("windows", "Windows Server 2022 Standard", "Server"))
        self.assertEqual((system["version"], system["arch"], system["hostname"]), ("10.0", "x86_64", "SRV1"))
        self.assertEqual(system["windows"], {
            "systemroot": "/WINDOWS", "current_control_set": "ControlSet001", "edition": "ServerStandard", "build": "20348",
            "hibernated": True, "drive_mappings": [{"letter": "C", "volume": "sda1"}]})
        self.assertIn("hibernated", [found["id"] for found in inventory["findings"]])

    def test_text_and_packages(self):
        said = self.ok(slipway("inspect", self.image, "--packages")).stdout
        self.assertIn("Windows in /WINDOWS: build 20348", said)
        self.assertIn("Drives: C: sda1", said)
        self.assertIn("no database of dpkg, rpm, pacman or apk was found", said)


if __name__ == "__main__":
    unittest.main()
