#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Windows guest from the outside: its files on ext4, and on NTFS, which ntfs-3g reads in the sandbox. What they hold is tested
in tests/unit/guest_windows_test.cpp."""
import shutil
import subprocess
import unittest
from pathlib import Path

import schema_check
import test_sandbox  # noqa: F401: chooses the sandbox's machine
from support import IMAGES, Case, digest, mini, slipway

HIVES = Path(__file__).resolve().parents[1] / "fuzz/corpus/registry"


def windows_tree(tree, hibernated):
    config = tree / "WINDOWS/system32/config"
    config.mkdir(parents=True)
    shutil.copy(HIVES / "software", config / "software")
    shutil.copy(HIVES / "system", config / "SYSTEM")
    if hibernated:
        (tree / "hiberfil.sys").write_bytes(b"HIBR" + bytes(4092))
    return tree


class Windows(Case):
    def setUp(self):
        super().setUp()
        tree = windows_tree(self.scratch / "tree", hibernated=True)
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


class Ntfs(Case):
    def make(self, hibernated=False):
        image = self.scratch / "ntfs.raw"
        tree = windows_tree(self.scratch / "tree", hibernated)
        subprocess.run([IMAGES / "stacked", "ntfs", image, "--tree", tree], check=True, capture_output=True)
        return image

    def sandboxed(self, verb, image, *arguments, **more):
        return slipway(verb, "--engine", "sandbox", image, *arguments, **more)

    def test_read_and_write(self):
        image = self.make()
        inventory = self.report(self.ok(self.sandboxed("inspect", image, "--json")))
        self.assertEqual(inventory["os"]["product"], "Windows Server 2022 Standard")
        self.assertEqual([volume["type"] for volume in inventory["volumes"]], ["ntfs"])
        self.assertEqual(self.ok(self.sandboxed("ls", image, "/WINDOWS/system32")).stdout, "config\n")
        before = digest(image)
        got = self.scratch / "software"
        self.ok(self.sandboxed("get", image, "/WINDOWS/system32/config/software", got))
        self.assertEqual(digest(got), digest(HIVES / "software"))
        self.assertEqual(digest(image), before)  # not even its log was replayed
        new = self.scratch / "new"
        new.write_bytes(bytes(range(256)) * 4096)
        self.ok(self.sandboxed("put", image, new, "/WINDOWS/Temp.bin"))
        self.ok(self.sandboxed("get", image, "/WINDOWS/Temp.bin", got, "--force"))
        self.assertEqual(digest(got), digest(new))

    def test_hibernated_is_only_read(self):
        image = self.make(hibernated=True)
        before = digest(image)
        self.assertIn("hiberfil.sys", self.ok(self.sandboxed("ls", image, "/")).stdout)
        self.refused(self.sandboxed("put", image, "/etc/hostname", "/new"), 3, "hibernated", "shutdown /s")
        self.assertEqual(digest(image), before)


if __name__ == "__main__":
    unittest.main()
