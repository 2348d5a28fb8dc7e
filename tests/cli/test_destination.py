#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Outputs and sources that are something else than a file that can be written or read."""
import os
import shutil
import subprocess
import unittest

from support import SLIPWAY, Case, UnchangedImage, mini, slipway, small_filesystem


class Destination(UnchangedImage):
    def to(self, output, *options):
        return slipway("migrate", self.image, "--output", output, *options)

    def test_whatever_is_there_stays_as_it_is(self):
        folder, dangling, link = self.scratch / "folder", self.scratch / "dangling", self.scratch / "link"
        folder.mkdir()
        dangling.symlink_to("nowhere")
        link.symlink_to("a.raw")
        os.link(self.image, self.scratch / "hard")
        for output in (folder, dangling, link, self.scratch / "hard", self.image, "/dev/null"):
            with self.subTest(str(output)):
                self.refused(self.to(output), 4, "exists already", "try:")
        self.assertEqual((os.readlink(dangling), (self.scratch / "nowhere").exists(), os.listdir(folder)), ("nowhere", False, []))

    def test_the_name_of_a_directory(self):
        self.refused(self.to(f"{self.scratch}/new/"), 2, "directory")
        self.refused(self.to(""), 2, "--output")
        self.refused(self.to(self.image / "below"), 4, "Not a directory")

    def test_read_only_filesystem(self):
        with small_filesystem(self.scratch / "ro", "4m") as point:
            inside = point / "a.raw"
            subprocess.run(["cp", "--sparse=always", self.image, inside], check=True)
            subprocess.run(["mount", "-o", "remount,ro", point], check=True)
            for argv in (["migrate", self.image, "--output", point / "x"], ["fix", inside], ["put", inside, __file__, "/x"],
                         ["get", self.image, "/etc/hostname", point / "x"]):
                self.refused(slipway(*argv), 3, "Read-only file system")
            # Reading needs no place beside the image.
            self.assertEqual(self.ok(slipway("cat", inside, "/etc/hostname")).stdout, "mini\n")
            self.ok(slipway("run", inside, "--", "true"))
            self.ok(slipway("migrate", inside, "--output", self.scratch / "out.qcow2"))

    def test_a_report_never_replaces_what_is_no_file(self):
        kind = os.stat("/dev/null").st_rdev
        self.refused(self.to(self.scratch / "out.qcow2", "--report", "/dev/null"), 4, "no regular file")
        (self.scratch / "link").symlink_to("precious")
        self.refused(self.to(self.scratch / "out.qcow2", "--report", self.scratch / "link"), 4, "no regular file")
        self.assertEqual((os.stat("/dev/null").st_rdev, self.names()), (kind, ["a.raw", "link"]))


class Source(Case):
    def test_what_is_no_image(self):
        os.mkfifo(self.scratch / "pipe")
        (self.scratch / "dangling").symlink_to("nowhere")
        (self.scratch / "loop").symlink_to("loop")
        for source, status, word in ((self.scratch / "pipe", 2, "neither a file"), ("/dev/zero", 2, "neither a file"), (self.scratch / "dangling", 4, "No such file"),
                                     (self.scratch / "loop", 2, "symbolic links"), (self.scratch, 2, "directory|no operating system")):
            for argv in (["inspect", source], ["migrate", source, "--output", self.scratch / "out.qcow2"], ["fix", source]):
                with self.subTest(f"{argv[0]} {source}"):
                    result = slipway(*argv, timeout=20)
                    self.assertIn(result.returncode, (status, 2, 3, 4))
                    self.assertRegex(result.stderr, word)
        self.assertEqual(self.names(), ["dangling", "loop", "pipe"])

    def test_a_file_that_this_user_may_not_read(self):
        image = mini(self.scratch / "a.raw")
        os.chmod(self.scratch, 0o755)
        os.chmod(image, 0o600)
        program = self.scratch / "slipway" # the tree of the build may be closed to others
        shutil.copy(SLIPWAY, program)
        result = subprocess.run([program, "inspect", image], user="nobody", group="nogroup", extra_groups=[], capture_output=True, text=True, check=False,
                                env={"PATH": "/usr/bin:/bin", "SLIPWAY_WORKER": os.environ.get("SLIPWAY_WORKER", str(SLIPWAY).replace("bin/slipway", "libexec/slipway-worker"))})
        self.assertEqual(result.returncode, 3, result.stderr)

    def test_an_image_behind_a_link_is_changed_itself_and_the_link_stays(self):
        original = mini(self.scratch / "original.raw")
        folder = self.scratch / "elsewhere"
        folder.mkdir()
        for image_format in ("raw", "vdi"): # through the journal; by a new file
            with self.subTest(image_format):
                image, link = folder / f"a.{image_format}", self.scratch / f"link.{image_format}"
                subprocess.run(["qemu-img", "convert", "-O", image_format, original, image], check=True)
                link.symlink_to(f"elsewhere/{image.name}")
                self.ok(slipway("fix", link))
                self.assertTrue(link.is_symlink())
                self.assertIn("UUID=", self.ok(slipway("cat", image, "/etc/fstab")).stdout)

    def test_a_journal_is_found_by_every_name_of_the_image(self):
        with small_filesystem(self.scratch / "small", "7500k") as small:
            image, link, blob = small / "a.raw", self.scratch / "link.raw", self.scratch / "blob"
            subprocess.run(["cp", "--sparse=always", mini(self.scratch / "whole.raw"), image], check=True)
            link.symlink_to(image)
            blob.write_bytes(os.urandom(3 << 20))
            self.refused(slipway("put", link, blob, "/srv/blob"), 4, f"{image}.slipway-journal") # the image cannot grow
            subprocess.run(["mount", "-o", "remount,size=30m", "none", small], check=True)
            self.assertEqual(self.ok(slipway("ls", image, "/srv")).stdout, "blob\n")
            self.assertEqual(os.listdir(small), ["a.raw"])


if __name__ == "__main__":
    unittest.main()
