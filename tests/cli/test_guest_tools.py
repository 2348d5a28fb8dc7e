#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs of the guest that fail, hang, fill the disk or lie; and those of another architecture."""
import shutil
import struct
import time
import unittest

from support import INITRAMFS, Case, digest, mini, mini_tree, slipway


class GuestTools(Case):
    def migrate(self, tools, *options):
        shutil.rmtree(self.scratch / "tree", ignore_errors=True)
        (self.scratch / "out.qcow2").unlink(missing_ok=True)
        image = mini(self.scratch / "a.raw", "--tree", mini_tree(self.scratch / "tree", tools))
        before = digest(image)
        result = slipway("migrate", image, "--output", self.scratch / "out.qcow2", "--json", *options)
        self.assertEqual(digest(image), before)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        self.assertIn("UUID=", self.ok(slipway("cat", self.scratch / "out.qcow2", "/etc/fstab")).stdout)
        return result.returncode, self.report(result)

    def failed(self, report):
        return {change["repair"]: change["detail"] for change in report["changes"] if change["state"] == "failed"}

    def blockers(self, report):
        return {finding["id"] for finding in report["findings"] if finding["severity"] == "blocker"}

    def has_segment(self, report):
        """A kernel that its generator left without virtio gets a segment after all."""
        return ("append-initramfs", "done") in [(change["kind"], change["state"]) for change in report["changes"]]

    def test_a_tool_that_fails_is_told_with_its_last_words(self):
        status, report = self.migrate({"update-initramfs": "echo E: no room in the inn >&2; exit 1", "update-grub": "exit 3"}, "--regen-initramfs", "--update-grub")
        self.assertEqual(status, 0)
        self.assertTrue(self.has_segment(report))
        self.assertEqual(self.failed(report), {"initramfs": "update-initramfs ended with status 1: E: no room in the inn",
                                               "grub-config": "/usr/sbin/update-grub ended with status 3"})
        self.assertFalse(report["bootloader"]["success"])

    def test_a_tool_that_hangs_is_killed_at_its_deadline_and_the_rest_goes_on(self):
        script = "trap '' TERM HUP INT; sleep 1000 & sleep 1000; sleep 1000"
        started = time.monotonic()
        status, report = self.migrate({"update-initramfs": script, "update-grub": "exit 0"}, "--regen-initramfs", "--update-grub", "--tool-timeout", "1")
        self.assertLess(time.monotonic() - started, 20)
        self.assertEqual(status, 0)
        self.assertTrue(self.has_segment(report))
        self.assertIn("did not end within 1.00 s", self.failed(report)["initramfs"])
        self.assertIn("grub-config", [change["repair"] for change in report["changes"] if change["state"] == "done"])

    def test_a_tool_that_fills_the_disk_leaves_a_configuration_that_can_be_judged(self):
        status, report = self.migrate({"update-grub": "cat /dev/zero > /boot/grub/grub.cfg"}, "--update-grub")
        self.assertEqual(status, 1)
        self.assertIn("grub-config", self.failed(report))
        self.assertIn("No space left", self.failed(report)["grub-config"])
        self.assertTrue(self.blockers(report))

    def test_a_full_disk_is_told_also_when_the_tool_is_content(self):
        status, report = self.migrate({"update-grub": "cat /dev/zero > /var/log/noise; exit 0"}, "--update-grub")
        self.assertIn("filesystem-full", [finding["id"] for finding in report["findings"]])

    def test_status_0_proves_nothing(self):
        status, report = self.migrate({"update-initramfs": "exit 0"}, "--regen-initramfs")
        self.assertEqual(status, 0)
        self.assertTrue(self.has_segment(report))
        for script in (f": > {INITRAMFS}", f"rm {INITRAMFS}", f"echo garbage > {INITRAMFS}"):
            with self.subTest(script):
                status, report = self.migrate({"update-initramfs": script}, "--regen-initramfs")
                self.assertEqual(status, 1)
                self.assertIn("kernel-without-virtio", self.blockers(report))

    def test_an_emptied_boot_menu_is_a_blocker(self):
        status, report = self.migrate({"update-grub": ": > /boot/grub/grub.cfg"}, "--update-grub")
        self.assertEqual(status, 1)
        self.assertTrue(self.blockers(report))
        self.assertFalse(report["bootloader"]["success"])


AARCH64 = 183 # EM_AARCH64 of elf(5)


def foreign_program():
    """An ELF header of another machine, and nothing behind it."""
    return b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, AARCH64, 1, 0, 64, 0, 0, 64, 56, 0, 64, 0, 0)


class ForeignGuest(Case):
    def setUp(self):
        super().setUp()
        tree = mini_tree(self.scratch / "tree", {name: "touch /ran" for name in ("update-initramfs", "update-grub", "grub-mkconfig")})
        (tree / "usr/bin/busybox").write_bytes(foreign_program())
        self.image = mini(self.scratch / "a.raw", "--tree", tree)

    def test_its_architecture_is_told(self):
        self.assertEqual(self.report(self.ok(slipway("inspect", self.image, "--json")))["os"]["arch"], "aarch64")

    def test_no_program_is_run_and_the_appended_segment_still_works(self):
        out = self.scratch / "out.qcow2"
        report = self.report(self.ok(slipway("migrate", self.image, "--output", out, "--json", "--regen-initramfs", "--update-grub")))
        self.assertEqual({change["kind"] for change in report["changes"]} & {"run-tool"}, set())
        self.assertIn(("append-initramfs", "done"), [(change["kind"], change["state"]) for change in report["changes"]])
        reasons = [finding["text"] for finding in report["findings"] if "cannot be run here" in finding["text"]]
        self.assertTrue(any("segment" in text for text in reasons) and any("GRUB" in text for text in reasons), report["findings"])
        self.assertNotIn("ran", self.ok(slipway("ls", out, "/")).stdout.split())

    def test_run_says_that_it_cannot(self):
        result = slipway("run", self.image, "--", "/bin/sh", "-c", "true")
        self.refused(result, 126, "Exec format error")


if __name__ == "__main__":
    unittest.main()
