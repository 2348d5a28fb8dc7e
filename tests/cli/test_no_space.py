#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No space at each stage: the source is as it was, there is no output, and nothing is left."""
import os
import shutil
import subprocess
import unittest

from support import INITRAMFS, Case, digest, mini, mini_tree, slipway, small_filesystem


class NoSpaceOfTheHost(Case):
    def setUp(self):
        super().setUp()
        self.image = mini(self.scratch / "a.raw")
        self.source_digest = digest(self.image)
        # Incompressible data that the source has as a whole and an overlay does not.
        self.blob = self.scratch / "blob"
        self.blob.write_bytes(os.urandom(3 << 20))

    def unchanged(self):
        self.assertEqual(digest(self.image), self.source_digest)

    def test_overlay_cannot_even_be_made(self):
        with small_filesystem(self.scratch / "small", "64k") as small:
            result = slipway("run", self.image, "--", "true", env={"TMPDIR": str(small)})
            self.refused(result, 125, "No space left", "make room")
            self.assertEqual(os.listdir(small), [])
        self.unchanged()

    def test_scratch_fills_while_a_command_runs(self):
        with small_filesystem(self.scratch / "small", "1m") as small:
            script = "head -c 8000000 /dev/urandom > /srv/x && sync /srv/x || echo full"
            result = slipway("run", self.image, "--", "sh", "-c", script, env={"TMPDIR": str(small)})
            self.assertIn("full", result.stdout)
            self.assertEqual(os.listdir(small), [])
        self.unchanged()

    def test_output_that_can_be_seen_not_to_fit_is_refused_before_the_work(self):
        with small_filesystem(self.scratch / "small", "1m") as small:
            self.refused(slipway("migrate", self.image, "--output", small / "out.qcow2"), 4, "free", "another directory")
            self.assertEqual(os.listdir(small), [])
        self.unchanged()

    def test_output_directory_fills_during_the_conversion(self):
        # A qcow2 of compressed clusters takes less than what comes out of it.
        source = self.scratch / "a.qcow2"
        subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", self.image, source], check=True)
        before = digest(source)
        with small_filesystem(self.scratch / "small", "2500k") as small:
            result = self.refused(slipway("migrate", source, "--output", small / "out.raw", "--format", "raw"), 4, "No space left", "make room")
            self.assertIn("converting", result.stderr)
            self.assertEqual(os.listdir(small), [])
        self.assertEqual(digest(source), before)

    def test_changes_do_not_fit_beside_the_image(self):
        with small_filesystem(self.scratch / "small", "5500k") as small:
            image = small / "a.raw"
            subprocess.run(["cp", "--sparse=always", self.image, image], check=True)
            result = slipway("put", image, self.blob, "/srv/blob")
            self.refused(result, 4, "no space left in", "make room there")
            self.assertEqual(os.listdir(small), ["a.raw"])
            self.assertEqual(digest(image), self.source_digest)

    def test_the_journal_fits_and_the_image_does_not_grow(self):
        with small_filesystem(self.scratch / "small", "7500k") as small:
            image = small / "a.raw"
            subprocess.run(["cp", "--sparse=always", self.image, image], check=True)
            result = slipway("put", image, self.blob, "/srv/blob")
            self.refused(result, 4, "No space left", "a.raw.slipway-journal", "make room")
            self.refused(slipway("ls", image, "/srv"), 4, "a.raw.slipway-journal", "make room")
            subprocess.run(["mount", "-o", "remount,size=30m", "none", small], check=True)
            self.assertEqual(self.ok(slipway("ls", image, "/srv")).stdout, "blob\n")
            self.assertEqual(os.listdir(small), ["a.raw"])

    def test_report_that_cannot_be_written_is_an_error_before_the_work(self):
        for path in (self.scratch / "none" / "r.json", self.scratch, "/proc/r.json", "/dev/null"):
            result = slipway("migrate", self.image, "--output", self.scratch / "out.qcow2", "--report", path)
            self.refused(result, result.returncode, "report")
            self.assertIn(result.returncode, (2, 3, 4))
        self.assertEqual(self.names(), ["a.raw", "blob"])
        self.unchanged()


class NoSpaceInTheGuest(Case):
    def filled(self, spare, tools=None):
        """A guest with no more than `spare` bytes free."""
        image = mini(self.scratch / "a.raw", "--tree", mini_tree(self.scratch / "tree", tools))
        script = f"cat /dev/zero > /srv/big 2>/dev/null; dd if=/dev/null of=/srv/big bs=1 seek=$(( $(stat -c %s /srv/big) - {spare} )) 2>/dev/null"
        self.ok(slipway("run", image, "--write", "--", "/bin/busybox", "sh", "-c", script.replace("dd ", "/bin/busybox dd ")))
        shutil.rmtree(self.scratch / "tree")
        return image

    def test_not_even_a_configuration_file_fits(self):
        image = self.filled(0)
        before = digest(image)
        for argv in (["migrate", image, "--output", self.scratch / "out.qcow2"], ["fix", image], ["put", image, __file__, "/srv/x"]):
            self.refused(slipway(*argv), 4, "No space left", "make room in the guest")
            self.assertEqual(self.names(), ["a.raw"])
            self.assertEqual(digest(image), before)

    def test_the_initramfs_cannot_grow(self):
        image, out = self.filled(4 << 10), self.scratch / "out.qcow2"
        old = self.ok(slipway("get", image, INITRAMFS, self.scratch / "old")).returncode
        self.assertEqual(old, 0)
        result = slipway("migrate", image, "--output", out, "--json")
        self.assertEqual(result.returncode, 1, result.stderr)
        report = self.report(result)
        failed = [change for change in report["changes"] if change["state"] == "failed"]
        self.assertEqual([change["kind"] for change in failed], ["append-initramfs"])
        self.assertIn("No space left", failed[0]["detail"])
        self.assertIn("kernel-without-virtio", [finding["id"] for finding in report["findings"]])
        # The initramfs that was there is there, whole, and the files that fitted are mended.
        self.ok(slipway("get", out, INITRAMFS, self.scratch / "new"))
        self.assertEqual(digest(self.scratch / "old"), digest(self.scratch / "new"))
        self.assertIn("UUID=", self.ok(slipway("cat", out, "/etc/fstab")).stdout)

    def test_the_generator_finds_no_room(self):
        image, out = self.filled(64 << 10, {"update-initramfs": f"head -c 8000000 /dev/zero > {INITRAMFS}.new || {{ rm {INITRAMFS}.new; exit 1; }}"}), self.scratch / "out.qcow2"
        before = digest(image)
        result = slipway("migrate", image, "--output", out, "--json", "--regen-initramfs")
        self.assertEqual(result.returncode, 0, result.stderr) # a segment needs less
        report = self.report(result)
        self.assertIn("repair-failed", [finding["id"] for finding in report["findings"]])
        self.assertIn(("append-initramfs", "done"), [(change["kind"], change["state"]) for change in report["changes"]])
        self.assertEqual(digest(image), before)


if __name__ == "__main__":
    unittest.main()
