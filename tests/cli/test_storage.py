#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Roots on LVM, LUKS, BitLocker, MD and btrfs of several devices, opened by an ordinary user in the sandbox."""
import json
import os
import signal
import subprocess
import time
import unittest

from support import IMAGES, SLIPWAY, Case, digest, mini, slipway
from test_sandbox import USER, USER_SLIPWAY, by_user
from test_windows import HIVES, windows_tree

ROOT_OF = {"lvm": "a-b/root-fs", "lvm-on-luks": "a-b/root-fs", "luks-on-lvm": "luks:a-b/root-fs", "lvm-on-raid1": "a-b/root-fs",
           "raid1-degraded": "md:root", "btrfs-two": "sda1", "xfs": "sda1"}


class StorageCase(Case):
    def setUp(self):
        super().setUp()
        os.chown(self.scratch, USER, USER)
        self.key = self.key_file("key", "open sesame\n")

    def stacked(self, layout, *options):
        image = self.scratch / f"{layout}.raw"
        subprocess.run([IMAGES / "stacked", layout, image, *options], check=True, capture_output=True)
        os.chown(image, USER, USER)
        return image

    def key_file(self, name, text):
        path = self.scratch / name
        path.write_text(text, encoding="utf-8")
        os.chown(path, USER, USER)
        return path


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

    def test_snapshot_is_no_further_system(self):
        image = self.stacked("lvm-snapshot")
        inventory = self.report(self.ok(by_user("inspect", image, "--json")))
        self.assertEqual(inventory["root"], "a-b/root-fs")
        self.assertIn("a-b/before", [volume["name"] for volume in inventory["volumes"]])
        self.assertNotIn("duplicate-uuid", [finding["id"] for finding in inventory["findings"]])
        self.ok(by_user("put", image, "-", "/etc/hostname", input="later\n"))
        self.assertEqual(self.ok(by_user("cat", image, "/etc/hostname")).stdout, "later\n")
        self.assertEqual(self.ok(by_user("cat", image, "/etc/hostname", "--root", "a-b/before")).stdout, "mini\n")

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
        wrong = self.key_file("wrong", "not it")
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

    def test_names_in_a_hostile_crypttab(self):
        """The name in it becomes a node in the guest's /dev, and nowhere else."""
        image = self.stacked("luks")
        key = ("--key", f"all:file:{self.key}")
        uuid = next(volume["uuid"] for volume in self.report(self.ok(by_user("inspect", image, "--json", *key)))["volumes"]
                    if volume["type"] == "crypto_LUKS")
        for name, seen in (("sda1_crypt", ["sda1", "sda1_crypt"]), ("../../evil", ["sda1"]), ("..", ["sda1"]), ("a/b", ["sda1"]),
                           ("x" * 200, ["sda1"]), ("sda1", ["sda1"])):
            with self.subTest(name):
                self.ok(by_user("put", image, "-", "/etc/crypttab", *key, input=f"{name} UUID={uuid} none luks\n"))
                nodes = self.ok(by_user("run", image, *key, "--", "/bin/sh", "-c", "cd /dev/mapper && echo *; echo /evil* /dev/evil*"))
                self.assertEqual(nodes.stdout.split(), [*seen, "/evil*", "/dev/evil*"])

    def test_missing_volume_of_a_group(self):
        self.refused(by_user("ls", self.stacked("lvm-missing"), "/"), 4, "a-b", "missing")

    def test_root_gets_the_sandbox_where_its_kernel_lacks_lvm(self):
        if os.path.exists("/sys/class/misc/device-mapper"):
            self.skipTest("this kernel has device-mapper")
        report = self.report(self.ok(slipway("fix", self.stacked("lvm"), "--json", "--dry-run")))
        self.assertEqual(report["run"]["engine"], "sandbox")
        self.assertIn("LVM", report["run"]["engine_reason"])


class BitLocker(StorageCase):
    """NTFS with the files of a Windows in a volume of tests/images/bitlocker; Windows itself has made none of these."""

    recovery = "000011-022264-345565-299002-005621-720885-051260-108636\n"
    other_recovery = "000022-022264-345565-299002-005621-720885-051260-108636\n"

    def make(self, protectors="password,recovery"):
        tree = self.scratch / "tree"
        if not tree.exists():
            windows_tree(tree, hibernated=False)
        image = self.stacked("bitlocker", "--tree", tree, "--protectors", protectors)
        # The signature that the hive has for C:, whose partition begins at 1 MiB.
        subprocess.run(["sfdisk", "--disk-id", image, "0x76543210"], check=True, capture_output=True)
        return image

    def test_read_and_write(self):
        image = self.make()
        key = ("--key", f"sda1:file:{self.key}")
        before = digest(image)
        inventory = self.report(self.ok(by_user("inspect", image, *key, "--json")))
        self.assertEqual(inventory["root"], "bitlocker:sda1")
        self.assertEqual(inventory["os"]["product"], "Windows Server 2022 Standard")
        self.assertEqual(inventory["os"]["windows"]["drive_mappings"], [{"letter": "C", "volume": "bitlocker:sda1"}])
        self.assertEqual([(volume["name"], volume["type"], volume["kind"], volume["stands_on"]) for volume in inventory["volumes"]],
                         [("sda1", "BitLocker", "", []), ("bitlocker:sda1", "ntfs", "bitlocker", ["sda1"])])
        self.assertEqual(self.ok(by_user("ls", image, "/WINDOWS/system32", *key)).stdout, "config\n")
        got = self.scratch / "software"
        self.ok(by_user("get", image, "/WINDOWS/system32/config/software", got, *key))
        self.assertEqual(digest(got), digest(HIVES / "software"))
        self.assertEqual(digest(image), before, "looking has written")
        new = self.scratch / "new"
        new.write_bytes(bytes(range(256)) * 4096)
        self.ok(by_user("put", image, new, "/WINDOWS/Temp.bin", *key))
        self.ok(by_user("get", image, "/WINDOWS/Temp.bin", got, "--force", *key))
        self.assertEqual(digest(got), digest(new))
        self.assertNotIn(new.read_bytes()[:512], image.read_bytes(), "it was written in clear")

    def listed(self, image, *keys):
        return by_user("ls", image, "/", *(word for key in keys for word in ("--key", f"sda1:file:{key}")))

    def test_keys(self):
        keys = [self.key_file("wrong", "not it\n"), self.key_file("other", self.other_recovery), self.key_file("recovery", self.recovery)]
        image = self.make("recovery,password")
        self.refused(self.listed(image), 4, "sda1", "BitLocker", "no key was given", "--key sda1:")
        # libcryptsetup says something else of a key that looks right, and of one behind which no other protector comes.
        for wrong in keys[:2]:
            self.refused(self.listed(image, wrong), 4, "sda1", "the key given for it does not open it", "48 digits")
        self.assertEqual(self.ok(self.listed(image, *keys)).stdout, "WINDOWS\n")
        image = self.make("tpm,recovery")
        self.refused(self.listed(image, self.key, keys[0]), 4, "sda1", "none of the 2 keys")
        self.ok(self.listed(image, keys[2]))

    def test_no_key_helps(self):
        for protectors in ("tpm", "clear,password"):  # a suspended protection leaves its key in clear
            self.refused(self.listed(self.make(protectors), self.key), 3, "sda1 (BitLocker)", "manage-bde")

    def test_headers(self):
        image = self.make()
        # The boot sector of Windows Vista; and the version of the metadata, whose first block begins 1 MiB before the end.
        for at, wrong, status, words in (((1 << 20) + 1, b"\x52", 3, "version 1"), ((17 << 20) + 10, b"\x09", 4, "header of sda1")):
            with open(image, "r+b") as file:
                file.seek(at)
                right = file.read(1)
                file.seek(at)
                file.write(wrong)
            self.refused(self.listed(image, self.key), status, "sda1", words)
            with open(image, "r+b") as file:
                file.seek(at)
                file.write(right)
        self.ok(self.listed(image, self.key))


class KeysThatCannotBeRead(StorageCase):
    def test_are_told_with_their_option(self):
        image = self.scratch / "any.raw"
        image.write_bytes(bytes(1 << 20))
        self.refused(by_user("ls", image, "/", "--key", "sda1:fd:9"), 2, "--key sda1:fd:9", "Bad file descriptor")
        self.refused(by_user("ls", image, "/", "--key", "all:file:/none"), 4, "--key all:file:/none")

    def test_descriptors_of_ours_are_no_keys(self):
        image = mini(self.scratch / "a.raw")
        for number in range(3, 12):
            self.refused(slipway("ls", image, "/", "--key", f"all:fd:{number}", timeout=20), 2, f"descriptor {number}", "Bad file descriptor")

    def test_a_pipe_without_a_writer_can_be_left(self):
        image, pipe = mini(self.scratch / "a.raw"), self.scratch / "pipe"
        os.mkfifo(pipe)
        waits = subprocess.Popen([SLIPWAY, "ls", image, "/", "--key", f"all:file:{pipe}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        time.sleep(1)
        self.assertIsNone(waits.poll())
        waits.terminate()
        self.assertEqual(waits.wait(10), 128 + signal.SIGTERM)


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

    def test_volume_group(self):
        first, second = self.split("lvm-two")
        before = digest(first), digest(second)
        blob = self.scratch / "blob"
        blob.write_bytes(os.urandom(64 << 20)) # no disk has that much room alone
        self.ok(by_user("put", first, "--disk", second, blob, "/srv/blob"))
        self.assertNotIn(digest(first), before)
        self.assertNotIn(digest(second), before)
        self.ok(by_user("get", first, "--disk", second, "/srv/blob", self.scratch / "back"))
        self.assertEqual(digest(self.scratch / "back"), digest(blob))
        report = self.report(self.ok(by_user("fix", second, "--disk", first, "--json")))
        self.assertEqual(report["destination"]["way"], "journal")
        self.assertEqual(self.report(self.ok(by_user("fix", first, "--disk", second, "--json")))["changes"], [])
        self.ok(by_user("run", "--write", first, "--disk", second, "--", "/bin/rm", "/srv/blob"))
        self.assertEqual(self.ok(by_user("ls", first, "--disk", second, "/srv")).stdout, "")
        self.assertEqual(self.names(), ["a.raw", "b.qcow2", "b.raw", "back", "blob", "key", "lvm-two.raw"])

    def test_array_is_written_on_both_disks(self):
        first, second = self.split("raid1")
        self.ok(by_user("put", first, "--disk", second, "-", "/etc/motd", input="hello\n"))
        for alone in (first, second):
            self.assertEqual(self.ok(by_user("cat", alone, "/etc/motd")).stdout, "hello\n")

    def test_array_that_cannot_run(self):
        first, second = self.split("raid0")
        self.refused(by_user("ls", first, "/"), 4, "md:root cannot run with 1 of its 2 members", "--disk")
        self.assertEqual(self.ok(by_user("cat", first, "/etc/hostname", "--disk", second)).stdout, "mini\n")

    def test_btrfs(self):
        first, second = self.split("btrfs-two")
        self.assertEqual(self.ok(by_user("cat", first, "/etc/hostname", "--disk", second)).stdout, "mini\n")
        self.assertEqual(self.ok(by_user("cat", second, "/etc/hostname", "--disk", first)).stdout, "mini\n")

    def test_btrfs_without_its_other_device(self):
        first, second = self.split("btrfs-two")
        for alone in (first, second):
            seen = self.ok(by_user("cat", alone, "/etc/hostname"))
            self.assertEqual(seen.stdout, "mini\n")
            self.assertIn("of 2 devices, of which 1 is here", seen.stderr)
            self.assertIn("--disk", seen.stderr)
        self.assertEqual(self.ok(by_user("run", first, "--", "/bin/cat", "/etc/hostname")).stdout, "mini\n")
        before = digest(first)
        self.refused(by_user("fix", first), 3, "of 2 devices, of which 1 is here", "--disk")
        self.assertEqual(digest(first), before)

    def test_host_engine(self):
        # What was killed while it had a btrfs of this UUID leaves its devices in the kernel's memory.
        subprocess.run(["btrfs", "device", "scan", "--forget"], check=True, capture_output=True)
        first, second = self.split("btrfs-two")
        self.refused(slipway("fix", "--engine", "host", first), 3, "of 2 devices, of which 1 is here", "--disk")
        self.assertEqual(self.ok(slipway("cat", "--engine", "host", first, "/etc/hostname", "--disk", second)).stdout, "mini\n")

    def test_refused(self):
        first, second = self.split("btrfs-two")
        vdi = self.scratch / "b.vdi"
        subprocess.run(["qemu-img", "convert", "-O", "vdi", second, vdi], check=True)
        os.chown(vdi, USER, USER)
        before = digest(first), digest(vdi)
        self.refused(by_user("run", "--write", first, "--disk", vdi, "--", "/bin/true"), 125, f"{vdi} is a vdi image", "qemu-img convert")
        self.assertEqual((digest(first), digest(vdi)), before)
        self.refused(by_user("ls", first, "/", "--disk", self.scratch / "none"), 4, "none")
        self.refused(by_user("ls", first, "/", "--disk", self.scratch), 3, str(self.scratch))
        self.refused(by_user("ls", first, "/", "--disk", first), 2, "given twice")
        self.refused(by_user("ls", "/etc", "/", "--disk", first), 2, "/etc is no disk")


if __name__ == "__main__":
    unittest.main()
