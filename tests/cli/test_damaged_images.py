#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Images that are cut off, damaged, encrypted, or name other files."""
import os
import random
import re
import shutil
import subprocess
import tarfile
import unittest

import schema_check
from support import Case, digest, mini, slipway

FORMATS = (("qcow2", []), ("qcow2", ["-c"]), ("vmdk", []), ("vmdk", ["-o", "subformat=streamOptimized"]), ("vmdk", ["-o", "subformat=monolithicFlat"]),
           ("vmdk", ["-o", "subformat=twoGbMaxExtentSparse"]), ("vhdx", []), ("vdi", []), ("vpc", []), ("vpc", ["-o", "subformat=fixed"]), ("raw", []))


def convert(source, target, image_format, *options):
    subprocess.run(["qemu-img", "convert", "-O", image_format, *options, source, target], check=True)
    return target


class CutOff(Case):
    def test_an_image_that_lacks_its_end_is_refused_whatever_the_format(self):
        # QEMU reads zeros behind the end of a file, and would copy them without a word.
        image, out = mini(self.scratch / "a.raw"), self.scratch / "out.qcow2"
        for image_format, options in FORMATS:
            folder = self.scratch / "disk"
            folder.mkdir()
            disk = convert(image, folder / f"d.{image_format}", image_format, *options)
            data = max(folder.iterdir(), key=os.path.getsize)
            whole = os.path.getsize(data)
            for keep in (whole - 70_000, whole // 3):
                with self.subTest(f"{image_format} {options}: {keep} of {whole} bytes"):
                    os.truncate(data, keep)
                    before = digest(data)
                    for argv in (["migrate", disk, "--output", out], *([["fix", disk]] if image_format in ("qcow2", "vdi") else [])):
                        result = slipway(*argv)
                        self.refused(result, 4, "try:")
                        self.assertNotIn("json:{", result.stderr)
                    self.assertEqual(digest(data), before)
                    self.assertEqual(self.names(), ["a.raw", "disk"])
            shutil.rmtree(folder)

    def test_looking_at_it_says_why_nothing_is_found(self):
        image = mini(self.scratch / "a.raw")
        for name, image_format, options in (("q.qcow2", "qcow2", []), ("v.vmdk", "vmdk", []), ("s.vmdk", "vmdk", ["-o", "subformat=streamOptimized"]), ("i.vdi", "vdi", [])):
            with self.subTest(name):
                disk = convert(image, self.scratch / name, image_format, *options)
                os.truncate(disk, 70_000)
                self.refused(slipway("inspect", disk), 4, "cut off", "copy")

    def test_a_partition_table_of_a_larger_disk(self):
        image = mini(self.scratch / "a.raw", "--table", "gpt")
        os.truncate(image, 40 << 20)
        for verb in (["inspect", image], ["cat", image, "/etc/fstab"], ["fix", image], ["migrate", image, "--output", self.scratch / "out.qcow2"]):
            self.refused(slipway(*verb), 4, "cut off", "GPT", "copy")
        self.assertEqual(self.names(), ["a.raw"])

    def test_a_partition_table_that_was_given_up(self):
        image, other = mini(self.scratch / "a.raw"), self.scratch / "gpt.raw"
        other.write_bytes(b"")
        os.truncate(other, 200 << 20)
        subprocess.run(["sfdisk", "-q", other], input="label: gpt\n", text=True, check=True)
        with open(image, "r+b") as file, open(other, "rb") as table:
            table.seek(512)
            file.seek(512)
            file.write(table.read(33 * 512))
        self.ok(slipway("inspect", image))
        self.ok(slipway("migrate", image, "--output", self.scratch / "out.qcow2"))

    def test_half_a_guest_is_not_taken_for_a_whole_one(self):
        disk = convert(mini(self.scratch / "a.raw", "--size", "256M"), self.scratch / "a.qcow2", "qcow2")
        os.truncate(disk, os.path.getsize(disk) // 2)
        self.refused(slipway("inspect", disk), 4, "cut off", "copy")

    def test_a_whole_image_of_each_format_passes(self):
        image = mini(self.scratch / "a.raw")
        for number, (image_format, options) in enumerate(FORMATS):
            with self.subTest(f"{image_format} {options}"):
                disk = convert(image, self.scratch / f"{number}.{image_format}", image_format, *options)
                self.ok(slipway("migrate", disk, "--output", self.scratch / f"{number}.out"))

    def test_counts_left_stale_by_a_crash_are_no_damage(self):
        image = mini(self.scratch / "a.raw")
        disk = convert(image, self.scratch / "a.qcow2", "qcow2", "-o", "compat=1.1,lazy_refcounts=on")
        writer = subprocess.Popen(["qemu-io", disk], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        writer.stdin.write(b"write 40M 1M\n")
        writer.stdin.flush()
        writer.stdout.readline()
        writer.kill()
        writer.communicate()
        self.assertNotEqual(subprocess.run(["qemu-img", "check", "-q", disk], capture_output=True, check=False).returncode, 0)
        self.ok(slipway("migrate", disk, "--output", self.scratch / "out.qcow2"))

    def test_tables_that_contradict_each_other(self):
        disk = convert(mini(self.scratch / "a.raw"), self.scratch / "a.qcow2", "qcow2")
        with open(disk, "r+b") as file: # the L1 table: docs/interop/qcow2.txt, offset 40
            file.seek(40)
            file.seek(int.from_bytes(file.read(8), "big"))
            file.write((0x8000_0000_0000_0000 | 0x1_0000).to_bytes(8, "big"))
        before = digest(disk)
        self.refused(slipway("migrate", disk, "--output", self.scratch / "out.qcow2"), 4, "damaged")
        self.refused(slipway("fix", disk), 4, "damaged")
        self.assertEqual((digest(disk), self.names()), (before, ["a.qcow2", "a.raw"]))


class References(Case):
    def setUp(self):
        super().setUp()
        self.raw = mini(self.scratch / "a.raw")

    def chain(self):
        names = [self.scratch / f"{number}.qcow2" for number in range(3)]
        convert(self.raw, names[0], "qcow2")
        for below, name in zip(names, names[1:]):
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", name], check=True)
        return names

    def rebase(self, image, name, image_format="qcow2"):
        subprocess.run(["qemu-img", "rebase", "-u", "-b", name, "-F", image_format, image], check=True)

    def test_a_chain_is_followed_on_request_and_only_its_top_is_changed(self):
        names = self.chain()
        before = [digest(name) for name in names[:2]]
        self.refused(slipway("fix", names[2]), 3, "1.qcow2", "--allow-backing")
        self.ok(slipway("fix", names[2], "--allow-backing"))
        self.assertEqual([digest(name) for name in names[:2]], before)
        self.assertIn("UUID=", self.ok(slipway("cat", names[2], "/etc/fstab", "--allow-backing")).stdout)

    def test_a_loop_a_gap_and_an_address_in_the_chain(self):
        names = self.chain()
        for below, word in ((names[1], "backing files"), (names[0], "backing files"), ("/none/x.qcow2", "No such file"), ("nbd://localhost:1/x", "No such file")):
            with self.subTest(str(below)):
                self.rebase(names[0], below)
                self.refused(slipway("cat", names[2], "/etc/fstab", "--allow-backing"), 4, word)
                self.refused(slipway("cat", names[2], "/etc/fstab"), 3, "--allow-backing")

    def test_a_loop_of_one(self):
        names = self.chain()
        self.rebase(names[0], names[0])
        self.refused(slipway("fix", names[0], "--allow-backing"), 4)

    def test_an_external_data_file_is_followed_on_request(self):
        disk, data = self.scratch / "d.qcow2", self.scratch / "d.data"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw=on", disk, "64M"], check=True)
        shutil.copyfile(self.raw, data)
        self.assertEqual(self.ok(slipway("cat", disk, "/etc/hostname", "--allow-backing")).stdout, "mini\n")
        self.refused(slipway("fix", disk, "--allow-backing"), 3, "several files", "slipway migrate")

    def test_snapshots_inside_an_image_survive_a_fix(self):
        disk = convert(self.raw, self.scratch / "s.qcow2", "qcow2")
        subprocess.run(["qemu-img", "snapshot", "-c", "before", disk], check=True)
        self.ok(slipway("fix", disk))
        subprocess.run(["qemu-img", "check", "-q", disk], check=True)
        self.assertIn("UUID=", self.ok(slipway("cat", disk, "/etc/fstab")).stdout)
        subprocess.run(["qemu-img", "snapshot", "-a", "before", disk], check=True)
        self.assertIn("/dev/sda1", self.ok(slipway("cat", disk, "/etc/fstab")).stdout)

    def test_an_encrypted_qcow2_is_unsupported_with_the_remedy(self):
        disk = self.scratch / "e.qcow2"
        # The old cipher: LUKS takes seconds to make a key.
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=k,data=abc", "-o", "encrypt.format=aes,encrypt.key-secret=k", disk, "8M"], check=True)
        for argv in (["inspect", disk], ["migrate", disk, "--output", self.scratch / "out.qcow2"], ["fix", disk]):
            self.refused(slipway(*argv), 3, "encrypted", "qemu-img convert")


class Choice(Case):
    def test_a_volume_that_is_not_there_or_holds_no_system(self):
        image = mini(self.scratch / "a.raw", "--separate-boot")
        for verb in (["inspect", image], ["fix", image], ["migrate", image, "--output", self.scratch / "out.qcow2"]):
            for volume, status in (("sda9", 4), ("../sda1", 4), ("sda1", 4)):
                result = slipway(*verb, "--root", volume)
                self.assertIn(result.returncode, (2, status), result.stderr)
                self.assertIn(volume.strip("./"), result.stderr)
            self.assertEqual(self.names(), ["a.raw"])
        self.ok(slipway("inspect", image, "--root", "sda2"))

    def test_luks_and_lvm_for_every_verb(self):
        for option, word in (("--luks-header", "LUKS"), ("--lvm", "LVM")):
            image = mini(self.scratch / "x.raw", option)
            before = digest(image)
            for argv in (["inspect", image], ["fix", image], ["migrate", image, "--output", self.scratch / "out.qcow2"], ["ls", image, "/"]):
                result = slipway(*argv)
                self.assertIn(result.returncode, (3, 4), result.stderr)
                self.assertIn(word, result.stderr)
                self.assertIn("try:", result.stderr)
            self.refused(slipway("run", image, "--", "true"), 125, word, "try:")
            self.assertEqual((digest(image), self.names()), (before, ["x.raw"]))


class NoSystem(Case):
    """What is there is shown all the same, and why there is no system."""

    def survey(self, image, status, *words):
        seen = self.refused(slipway("inspect", image, "--json"), status, *words)
        inventory = self.report(seen)
        self.assertEqual(schema_check.check(inventory, schema_check.load("inspect.v1")), [])
        self.assertEqual(inventory["os"]["type"], "")
        self.assertIn("No operating system", self.refused(slipway("inspect", image), status).stdout)
        return [(volume["name"], volume["type"]) for volume in inventory["volumes"]], [found["id"] for found in inventory["findings"]]

    def test_data_and_nothing(self):
        image = mini(self.scratch / "a.raw", "--esp")
        with open(image, "r+b") as file:  # the root filesystem's superblock
            start = int(subprocess.run(["sfdisk", "--json", image], check=True, capture_output=True, text=True).stdout.split('"start": ')[2].split(",")[0])
            file.seek(start * 512)
            file.write(bytes(8192))
        volumes, _ = self.survey(image, 4, "no operating system")
        self.assertEqual(volumes, [("sda1", "vfat"), ("sda2", "")])
        (self.scratch / "zeros").write_bytes(bytes(1 << 20))
        self.assertEqual(self.survey(self.scratch / "zeros", 4, "no filesystem in it is known"), ([], []))

    def test_locked(self):
        image = mini(self.scratch / "a.raw", "--luks-header")
        volumes, findings = self.survey(image, 4, "encrypted", "--key sda1:file:PATH")
        self.assertEqual(volumes, [("sda1", "crypto_LUKS")])
        self.assertEqual(findings, ["storage-locked"])


class Ladder(Case):
    """A filesystem that the kernel refuses, and its own tool repairs, on an overlay only."""

    def test_what_may_be_written_is_repaired_and_that_is_told(self):
        image = mini(self.scratch / "a.raw")
        subprocess.run(["debugfs", "-w", "-R", "set_inode_field <8> mode 0", f"{image}?offset={1 << 20}"], check=True, capture_output=True)
        before = digest(image)
        for engine in ("host", "sandbox"):
            with self.subTest(engine):
                result = self.ok(slipway("run", image, "--engine", engine, "--", "/bin/sh", "-c", "echo $((20 + 3))"))
                self.assertEqual(result.stdout, "23\n")
                for words in ("sda1 could not be mounted", "e2fsck: sda1:"):
                    self.assertIn(words, result.stderr)
                looked = self.ok(slipway("ls", image, "--engine", engine))
                self.assertIn("etc\n", looked.stdout)
                self.assertIn("e2fsck: sda1:", looked.stderr)
                inventory = self.report(self.ok(slipway("inspect", image, "--json", "--engine", engine)))
                self.assertIn("filesystem-repaired", [found["id"] for found in inventory["findings"]])
                self.assertEqual(digest(image), before)
        (self.scratch / "new").write_text("x")
        self.ok(slipway("put", image, self.scratch / "new", "/etc/new"))
        self.assertEqual(self.ok(slipway("cat", image, "/etc/new")).stdout, "x")

    def test_damage_that_only_shows_inside(self):
        """The checksum of one inode: it mounts, and that file cannot be read."""
        image, out = mini(self.scratch / "a.raw"), self.scratch / "out.qcow2"
        place = f"{image}?offset={1 << 20}"
        asked = subprocess.run(["debugfs", "-R", "imap /etc/fstab", place], check=True, capture_output=True, text=True).stdout
        block, offset = re.search(r"block (\d+), offset 0x([0-9a-f]+)", asked).groups()
        size = int(re.search(r"Block size:\s+(\d+)", subprocess.run(["dumpe2fs", "-h", place], capture_output=True, text=True, check=True).stdout)[1])
        change_time = 12
        with open(image, "r+b") as file:
            file.seek((1 << 20) + int(block) * size + int(offset, 16) + change_time)
            file.write(b"\x01\x02")
        before = digest(image)
        for engine in ("host", "sandbox"):
            with self.subTest(f"{engine}: what has begun begins anew"):
                local = self.scratch / "etc.tar"
                self.ok(slipway("get", image, "/etc", local, "--tar", "--engine", engine))
                with tarfile.open(local) as archive:
                    self.assertIn("fstab", {name.split("/")[-1] for name in archive.getnames()})
                local.unlink()
                self.refused(slipway("get", image, "/etc", "-", "--tar", "--engine", engine), 4, "written to a file")
            with self.subTest(engine):
                self.assertIn("/dev/sda1 / ext4", self.ok(slipway("cat", image, "/etc/fstab", "--engine", engine)).stdout)
                inventory = self.report(self.ok(slipway("inspect", image, "--json", "--engine", engine)))
                found = [finding["id"] for finding in inventory["findings"]]
                self.assertIn("filesystem-repaired", found)
                self.assertNotIn("file-damaged", found)
                self.assertEqual(len(inventory["fstab"]), 1)
                self.assertIn("UUID", self.ok(slipway("migrate", image, "--output", out, "--engine", engine)).stdout)
                self.assertIn("UUID=", self.ok(slipway("cat", out, "/etc/fstab")).stdout)
                out.unlink()
                self.assertEqual(digest(image), before)
        self.ok(slipway("fix", image))
        self.assertIn("UUID=", self.ok(slipway("cat", image, "/etc/fstab")).stdout)

    def test_what_cannot_be_repaired_is_told(self):
        image = mini(self.scratch / "a.raw")
        with open(image, "r+b") as file:  # all behind the superblock: group descriptors, bitmaps, inodes
            file.seek((1 << 20) + 4096)
            file.write(random.Random(1).randbytes(2 << 20))
        for engine in ("host", "sandbox"):
            self.refused(slipway("ls", image, "--engine", engine), 4, "sda1", "try:")


if __name__ == "__main__":
    unittest.main()
