#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Images that end in odd places, headers followed by noise, chains of images: what test_damaged_images.py has not."""
import os
import random
import subprocess
import unittest

from support import Case, digest, mini, slipway


def create(*arguments):
    subprocess.run(["qemu-img", "create", "-q", *map(str, arguments)], check=True)


class BadImage(Case):
    def setUp(self):
        super().setUp()
        self.out = self.scratch / "out" / "new.qcow2"
        self.out.parent.mkdir()

    def migrate(self, source, *options):
        return slipway("migrate", source, "--output", self.out, *options)

    def never_copied(self, image, status, *words, options=()):
        """migrate refuses the image, and leaves it and the destination's directory as they were."""
        before = digest(image)
        result = self.refused(self.migrate(image, *options), status, *words)
        self.assertEqual(os.listdir(self.out.parent), [])
        self.assertEqual(digest(image), before)
        return result


class CutOff(BadImage):
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

    def test_a_backing_file_that_is_cut_off_is_noticed(self):
        base, top = self.scratch / "base.qcow2", self.scratch / "top.qcow2"
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", mini(self.scratch / "base.raw"), base], check=True)
        create("-f", "qcow2", "-b", base, "-F", "qcow2", top)
        os.truncate(base, base.stat().st_size * 3 // 4)
        self.never_copied(top, 4, "base.qcow2", options=("--allow-backing",))

    def test_names_that_are_no_files_are_not_opened(self):
        for number, name in enumerate(("nbd://127.0.0.1:9/x", 'json:{"driver":"file","filename":"/etc/shadow"}', "/dev/full", "/etc")):
            with self.subTest(name):
                image = self.scratch / f"{number}.qcow2"
                create("-f", "qcow2", "-u", "-b", name, "-F", "raw", image, "8M")
                result = self.migrate(image, "--allow-backing")
                self.assertIn(result.returncode, (2, 3, 4), result.stderr)
                self.assertEqual(os.listdir(self.out.parent), [])


if __name__ == "__main__":
    unittest.main()
