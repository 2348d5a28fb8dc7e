#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Image files that are cut off, damaged, encrypted, or stand on others: refused, and nothing is written."""
import os
import random
import shutil
import subprocess
import unittest

from support import Case, digest, mini, slipway

SPARSE, FLAT, STREAM = "subformat=monolithicSparse", "subformat=monolithicFlat", "subformat=streamOptimized"
FORMATS = (("a.qcow2", "qcow2", None), ("s.vmdk", "vmdk", SPARSE), ("o.vmdk", "vmdk", STREAM), ("l.vmdk", "vmdk", FLAT),
           ("a.vhdx", "vhdx", None), ("a.vdi", "vdi", None), ("a.vhd", "vpc", None), ("f.vhd", "vpc", "subformat=fixed"))


def convert(source, target, image_format, option=None):
    subprocess.run(["qemu-img", "convert", "-O", image_format, *(["-o", option] if option else []), source, target], check=True)
    return target


def create(*arguments):
    subprocess.run(["qemu-img", "create", "-q", *map(str, arguments)], check=True)


class BadImage(Case):
    def setUp(self):
        super().setUp()
        self.out = self.scratch / "out" / "new.qcow2"
        self.out.parent.mkdir()

    def migrate(self, source, *options):
        return slipway("migrate", source, "--output", self.out, *options)

    def never_copied(self, image, status, *words):
        """migrate refuses the image, and leaves it and the destination's directory as they were."""
        before = digest(image)
        result = self.refused(self.migrate(image), status, *words)
        self.assertEqual(os.listdir(self.out.parent), [])
        self.assertEqual(digest(image), before)
        return result


class CutOff(BadImage):
    def test_no_format_is_copied_with_zeros_in_place_of_what_is_missing(self):
        source = mini(self.scratch / "a.raw")
        for name, image_format, option in FORMATS:
            image = convert(source, self.scratch / name, image_format, option)
            data = self.scratch / name.replace(".vmdk", "-flat.vmdk") if option == FLAT else image
            whole = os.path.getsize(data)
            for share in (0.9, 0.3):
                with self.subTest(f"{name} {share}"):
                    os.truncate(data, int(whole * share))
                    self.never_copied(image, 4, "try: ", "copy")
                    before = digest(data)
                    result = slipway("fix", image)
                    self.assertEqual(result.returncode, 3 if option == STREAM else 4, result.stderr)
                    self.assertEqual(digest(data), before)
                    # What is left may be looked at; but no crash, and no bug of ours.
                    self.assertIn(slipway("inspect", image).returncode, (0, 4))

    def test_raw_disk_that_ends_within_a_partition(self):
        image = mini(self.scratch / "a.raw")
        for size in ((33 << 20) + 1, 33 << 20):  # with and without whole sectors
            os.truncate(image, size)
            self.never_copied(image, 4, "sda1 reaches past the end of the disk")
            self.refused(slipway("inspect", image), 4, "sda1 reaches past the end of the disk")

    def test_raw_disk_that_ends_within_its_partition_table(self):
        image = mini(self.scratch / "a.raw")
        for size in (1, 511, 513, 4097):
            os.truncate(image, size)
            self.never_copied(image, 4)


class Damaged(BadImage):
    def test_header_followed_by_noise(self):
        noise = random.Random(1).randbytes(1 << 20)
        for name, magic in (("a.qcow2", b"QFI\xfb\0\0\0\3" + bytes(28)), ("a.vmdk", b"KDMV"), ("a.vhdx", b"vhdxfile"), ("a.vhd", b"conectix"),
                            ("a.vdi", bytes(64) + b"\x7f\x10\xda\xbe"), ("t.vmdk", b"# Disk DescriptorFile\nRW x FLAT \"a\" 0\n")):
            with self.subTest(name):
                image = self.scratch / name
                image.write_bytes(magic + noise)
                self.never_copied(image, 4, name)

    def test_tables_that_point_outside_of_the_file(self):
        image = convert(mini(self.scratch / "a.raw"), self.scratch / "a.qcow2", "qcow2")
        with open(image, "r+b") as file:
            file.seek(40)
            table = int.from_bytes(file.read(8), "big")  # l1_table_offset
            file.seek(table)
            file.write((1 << 63 | 1 << 40).to_bytes(8, "big"))
        self.never_copied(image, 4, "damaged")


class Encrypted(BadImage):
    def test_qcow2_is_unsupported_with_the_remedy(self):
        for method in ("luks", "aes"):
            with self.subTest(method):
                image = self.scratch / f"{method}.qcow2"
                more = ["-o", "encrypt.iter-time=10"] if method == "luks" else []
                create("-f", "qcow2", "--object", "secret,id=s,data=x", "-o", f"encrypt.format={method},encrypt.key-secret=s", *more, image, "8M")
                for verb in ("inspect", "fix"):
                    self.refused(slipway(verb, image), 3, "encrypted", "try: ")
                self.never_copied(image, 3, "encrypted", "try: ")


class Chains(BadImage):
    def chain(self, length):
        below, image_format = mini(self.scratch / "base.raw"), "raw"
        for number in range(length):
            top = self.scratch / f"{number}.qcow2"
            create("-f", "qcow2", "-b", below, "-F", image_format, top, "64M")
            below, image_format = top, "qcow2"
        return below

    def test_a_chain_is_followed_only_when_allowed_and_never_written(self):
        top = self.chain(3)
        self.never_copied(top, 3, "1.qcow2", "--allow-backing")
        before = {name: digest(self.scratch / name) for name in self.names() if name != "out"}
        self.ok(self.migrate(top, "--allow-backing"))
        self.assertEqual({name: digest(self.scratch / name) for name in before}, before)
        self.out.rename(self.scratch / "alone.qcow2")
        for name in before:
            (self.scratch / name).unlink()
        self.assertIn("UUID=", self.ok(slipway("cat", self.scratch / "alone.qcow2", "/etc/fstab")).stdout)

    def test_fix_writes_the_top_alone(self):
        top = self.chain(2)
        before = {name: digest(self.scratch / name) for name in ("base.raw", "0.qcow2")}
        self.ok(slipway("fix", top, "--allow-backing"))
        self.assertEqual({name: digest(self.scratch / name) for name in before}, before)
        self.assertIn("UUID=", self.ok(slipway("cat", top, "/etc/fstab", "--allow-backing")).stdout)

    def test_a_chain_with_a_gap_a_circle_or_no_end(self):
        top = self.chain(2)
        os.rename(self.scratch / "0.qcow2", self.scratch / "gone")
        self.refused(self.migrate(top, "--allow-backing"), 4, "0.qcow2", "No such file")
        shutil.copyfile(top, self.scratch / "0.qcow2")  # it names itself
        self.refused(self.migrate(top, "--allow-backing"), 4, "chain")
        self.assertEqual(os.listdir(self.out.parent), [])

    def test_names_that_are_no_files_are_not_opened(self):
        for number, name in enumerate(("nbd://127.0.0.1:9/x", 'json:{"driver":"file","filename":"/etc/shadow"}', "/dev/full", "/etc")):
            with self.subTest(name):
                image = self.scratch / f"{number}.qcow2"
                create("-f", "qcow2", "-u", "-b", name, "-F", "raw", image, "8M")
                result = self.migrate(image, "--allow-backing")
                self.assertIn(result.returncode, (2, 4), result.stderr)
                self.assertEqual(os.listdir(self.out.parent), [])


if __name__ == "__main__":
    unittest.main()
