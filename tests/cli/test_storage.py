#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Roots on LVM, LUKS, MD and btrfs of several devices, opened by an ordinary user in the sandbox."""
import json
import os
import subprocess
import unittest

from support import IMAGES, Case, digest, slipway
from test_sandbox import USER, USER_SLIPWAY, by_user

ROOT_OF = {"lvm": "a-b/root-fs", "lvm-on-luks": "a-b/root-fs", "luks-on-lvm": "luks:a-b/root-fs", "lvm-on-raid1": "a-b/root-fs",
           "raid1-degraded": "md:root", "btrfs-two": "sda1", "xfs": "sda1"}


class StorageCase(Case):
    def setUp(self):
        super().setUp()
        os.chown(self.scratch, USER, USER)
        self.key = self.scratch / "key"
        self.key.write_text("open sesame\n", encoding="ascii")
        os.chown(self.key, USER, USER)

    def stacked(self, layout):
        image = self.scratch / f"{layout}.raw"
        subprocess.run([IMAGES / "stacked", layout, image], check=True, capture_output=True)
        os.chown(image, USER, USER)
        return image


class Roots(StorageCase):
    """Each layout is looked at, written and repaired."""

    def walk(self, layout):
        image = self.stacked(layout)
        keys = ["--key", f"all:file:{self.key}"] if "luks" in layout else []
        before = digest(image)
        inventory = self.report(self.ok(by_user("inspect", image, "--json", *keys)))
        self.assertEqual(inventory["root"], ROOT_OF[layout])
        self.assertEqual(inventory["os"]["hostname"], "mini")
        self.assertEqual(digest(image), before, "looking has written")
        self.ok(by_user("put", image, "-", "/etc/motd", *keys, input="hello\n"))
        self.assertEqual(self.ok(by_user("cat", image, "/etc/motd", *keys)).stdout, "hello\n")
        report = self.report(self.ok(by_user("fix", image, "--json", *keys)))
        self.assertIn("stale-files", [change["repair"] for change in report["changes"]])
        self.assertEqual(self.report(self.ok(by_user("fix", image, "--json", *keys)))["changes"], [])
        self.assertEqual(self.ok(by_user("run", image, *keys, "--", "/bin/cat", "/etc/hostname")).stdout, "mini\n")
        return inventory

    def test_lvm(self):
        inventory = self.walk("lvm")
        names = {volume["name"]: volume for volume in inventory["volumes"]}
        self.assertEqual(names["a-b/swap-1"]["stands_on"], ["sda1"])
        self.assertEqual(names["a-b/root-fs"]["kind"], "lvm")
        self.assertEqual(inventory["fstab"][0]["volume"], "a-b/root-fs")

    def test_lvm_on_luks(self):
        self.walk("lvm-on-luks")

    def test_luks_on_lvm(self):
        self.walk("luks-on-lvm")

    def test_lvm_on_an_array(self):
        self.walk("lvm-on-raid1")

    def test_degraded_array(self):
        inventory = self.walk("raid1-degraded")
        self.assertIn("md-degraded", [finding["id"] for finding in inventory["findings"]])

    def test_btrfs_of_two_devices(self):
        self.walk("btrfs-two")

    def test_raid6(self):
        # The machine starts without that code, sees that it is wanted, and is started again with it.
        for layout, root in (("raid6", "md:root"), ("btrfs-raid6", "sda1")):
            image = self.stacked(layout)
            self.assertEqual(self.report(self.ok(by_user("inspect", image, "--json")))["root"], root)
            self.assertEqual(self.ok(by_user("cat", image, "/etc/hostname")).stdout, "mini\n")

    def test_xfs(self):
        self.walk("xfs")

    def test_thin_volume(self):
        # A thin pool cannot be opened without a write: that goes to an overlay.
        image = self.stacked("thin")
        before = digest(image)
        self.assertEqual(self.ok(by_user("cat", image, "/etc/hostname")).stdout, "mini\n")
        # Root comes there by way of the host engine, where that cannot open it.
        self.assertEqual(self.ok(slipway("cat", image, "/etc/hostname")).stdout, "mini\n")
        self.assertEqual(digest(image), before)


class Closed(StorageCase):
    def test_keys(self):
        image = self.stacked("luks-on-lvm")
        self.refused(by_user("ls", image, "/"), 4, "a-b/root-fs", "no key", "--key")
        wrong = self.scratch / "wrong"
        wrong.write_text("not it", encoding="ascii")
        os.chown(wrong, USER, USER)
        self.refused(by_user("ls", image, "/", "--key", f"all:file:{wrong}"), 4, "a-b/root-fs")
        self.refused(by_user("ls", image, "/", "--key", "all:key:slipway"), 2, "everybody")
        self.refused(by_user("ls", image, "/", "--key", "nonsense"), 2, "--key")
        self.refused(by_user("ls", image, "/", "--key", f"all:file:{self.scratch}/none"), 4, "none")
        self.ok(by_user("ls", image, "/", "--key", f"all:file:{wrong}", "--key", f"a-b/root-fs:file:{self.key}"))
        with open(self.key, encoding="ascii") as file:
            self.ok(subprocess.run(["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups", USER_SLIPWAY, "ls", image, "/",
                                    "--key", "all:fd:0"], stdin=file, capture_output=True, text=True, check=False))
        report = self.scratch / "report.json"
        self.ok(by_user("fix", image, "--key", f"all:file:{self.key}", "--report", report))
        self.assertNotIn("sesame", report.read_text(encoding="utf-8"))

    def test_missing_volume_of_a_group(self):
        self.refused(by_user("ls", self.stacked("lvm-missing"), "/"), 4, "a-b", "missing")

    def test_root_gets_the_sandbox_where_its_kernel_lacks_lvm(self):
        if os.path.exists("/sys/class/misc/device-mapper"):
            self.skipTest("this kernel has device-mapper")
        report = self.report(self.ok(slipway("fix", self.stacked("lvm"), "--json", "--dry-run")))
        self.assertEqual(report["run"]["engine"], "sandbox")
        self.assertIn("LVM", report["run"]["engine_reason"])


class Disks(StorageCase):
    """One machine of two disks: what is on them needs both."""

    def split(self, layout):
        """The two partitions of an image, as two disks without a partition table, of two formats."""
        image = self.stacked(layout)
        table = json.loads(subprocess.run(["sfdisk", "--json", image], check=True, capture_output=True, text=True).stdout)
        disks = []
        with open(image, "rb") as whole:
            for name, part in zip(("a.raw", "b.raw"), table["partitiontable"]["partitions"]):
                whole.seek(part["start"] * 512)
                disks.append(self.scratch / name)
                disks[-1].write_bytes(whole.read(part["size"] * 512))
        second = self.scratch / "b.qcow2"
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", disks[1], second], check=True)
        for path in (disks[0], second):
            os.chown(path, USER, USER)
        return disks[0], second

    def test_array(self):
        first, second = self.split("raid1")
        before = digest(first), digest(second)
        inventory = self.report(self.ok(by_user("inspect", first, "--disk", second, "--json")))
        self.assertEqual([(disk["name"], disk["format"]) for disk in inventory["disks"]], [("sda", "raw"), ("sdb", "qcow2")])
        self.assertEqual(inventory["root"], "md:root")
        self.assertEqual([volume["stands_on"] for volume in inventory["volumes"] if volume["name"] == "md:root"], [["sda", "sdb"]])
        self.assertNotIn("md-degraded", [found["id"] for found in inventory["findings"]])
        self.assertEqual(self.ok(by_user("run", first, "--disk", second, "--", "/bin/cat", "/etc/hostname")).stdout, "mini\n")
        self.assertEqual((digest(first), digest(second)), before)
        alone = self.report(self.ok(by_user("inspect", second, "--json")))
        self.assertIn("md-degraded", [found["id"] for found in alone["findings"]])

    def test_btrfs(self):
        first, second = self.split("btrfs-two")
        self.assertEqual(self.ok(by_user("cat", first, "/etc/hostname", "--disk", second)).stdout, "mini\n")
        self.assertEqual(self.ok(by_user("cat", second, "/etc/hostname", "--disk", first)).stdout, "mini\n")

    def test_host_engine(self):
        first, second = self.split("btrfs-two")
        self.assertEqual(self.ok(slipway("cat", "--engine", "host", first, "/etc/hostname", "--disk", second)).stdout, "mini\n")

    def test_refused(self):
        first, second = self.split("btrfs-two")
        self.refused(by_user("run", "--write", first, "--disk", second, "--", "/bin/true"), 125, "several disks", "without --write")
        self.refused(by_user("ls", first, "/", "--disk", self.scratch / "none"), 4, "none")
        self.refused(by_user("ls", first, "/", "--disk", self.scratch), 3, str(self.scratch))
        self.refused(by_user("ls", first, "/", "--disk", first), 2, "given twice")
        self.refused(by_user("ls", "/etc", "/", "--disk", first), 2, "/etc is no disk")


if __name__ == "__main__":
    unittest.main()
