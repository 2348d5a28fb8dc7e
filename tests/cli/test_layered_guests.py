#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whole Debian guests, broken as after a move from VMware, repaired and proven by an ordinary user."""
import json
import os
import shutil
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support import Case, guest
from test_sandbox import USER, by_user

FULL = os.environ.get("SLIPWAY_FULL")
BOOT, CALL = 600, 900  # seconds: guards for a busy machine; a boot takes about one minute
PASSPHRASE = "open sesame"


class Watch(threading.Thread):
    """Looks for a text in the command lines of all processes until it is stopped."""

    def __init__(self, text):
        super().__init__(daemon=True)
        self.text, self.found, self.over = text.encode(), [], threading.Event()

    def run(self):
        while not self.over.wait(0.2):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = file.read_bytes()
                except OSError:
                    continue
                if self.text in line:
                    self.found.append(line)

    def stop(self):
        self.over.set()
        self.join()
        return self.found


class GuestCase(Case):
    def setUp(self):
        super().setUp()
        os.chown(self.scratch, USER, USER)
        self.output = self.scratch / "out.qcow2"

    def guest(self, name):
        """Where the user reaches it."""
        made, here = guest(name, "qcow2"), self.scratch / f"{name}.qcow2"
        if here.exists():
            return here
        try:
            os.link(made, here)
        except OSError:
            shutil.copyfile(made, here)
        return here

    def file(self, name, text):
        path = self.scratch / name
        path.write_text(text, encoding="ascii")
        os.chown(path, USER, USER)
        return path

    def migrated(self, name, *options):
        """The report of a migration that ends with a login prompt on virtio."""
        result = self.ok(by_user("migrate", self.guest(name), "--output", self.output, "--prove", "--timeout", BOOT, "--json", *options,
                                 timeout=CALL))
        report = self.report(result)
        self.assertEqual(report["run"]["engine"], "sandbox")
        self.assertTrue(report["validation"]["proof"]["login"])
        self.assertEqual([one for one in report["findings"] if one["severity"] in ("error", "blocker")], [])
        return report, result

    def changed(self, report, repair):
        """New texts by old ones."""
        return {line["old"]: line["new"] for change in report["changes"] if change["repair"] == repair for line in change.get("changes", [])}


class Layered(GuestCase):
    def test_lvm(self):
        # With the guest's own GRUB tools, which look for the disk below its root.
        report, _ = self.migrated("debian12-lvm", "--update-grub")
        states = {change["repair"]: change["state"] for change in report["changes"]}
        self.assertEqual(states["grub-config"], "done")
        # The names of LVM survive the move.
        self.assertEqual(self.changed(report, "fstab"), {"/dev/sda1": "UUID=5119a000-0000-4000-8000-000000000061"})
        self.assertEqual(self.changed(report, "kernel-arguments"), {})

    def test_md(self):
        report, _ = self.migrated("debian12-md")
        self.assertEqual(self.probed(self.guest("debian12-md")), ["mdraid1x", "5119a000-0000-4000-8000-000000000082"])
        self.assertEqual(self.changed(report, "mdadm-config"),
                         {"/dev/sda2": "partitions", "/dev/sda3": "", "devices=/dev/sda2,/dev/sda3": ""})
        segment = next(change for change in report["changes"] if change["kind"] == "append-initramfs")
        self.assertIn("etc/mdadm/mdadm.conf", segment["files"])

    def test_luks(self):
        watch = Watch(PASSPHRASE)
        watch.start()
        file = self.scratch / "report.json"
        report, result = self.migrated("debian12-luks", "--key", f"all:file:{self.file('key', PASSPHRASE)}", "--report", file)
        self.assertEqual(watch.stop(), [])
        self.assertEqual(self.probed(self.guest("debian12-luks"), "--key", f"all:file:{self.file('key', PASSPHRASE)}"),
                         ["5119a000-0000-4000-8000-000000000072"])
        self.assertEqual(self.changed(report, "crypttab"), {"/dev/sda2": "UUID=5119a000-0000-4000-8000-000000000074"})
        for text in (result.stdout, result.stderr, file.read_text(encoding="utf-8")):
            self.assertNotIn(PASSPHRASE, text)
        self.prove_without_the_right_key()

    def probed(self, image, *options):
        """What GRUB's own tool finds below the root, from inside."""
        script = "grub-probe -t abstraction / | grep raid; grub-probe -t fs_uuid /"
        return self.ok(by_user("run", image, *options, "--", "/bin/sh", "-c", script)).stdout.split()

    def prove_without_the_right_key(self):
        """A guest that asks is not one that hangs."""
        keys = {"no key was given": ()}
        if FULL:
            keys |= {"no key of --key that can be typed opens it": ("open says me",), "none is one line of text": ("two\nlines",)}

        def prove(item):
            number, texts = item
            options = [option for text in texts for option in ("--key", f"all:file:{self.file(f'key{number}', text)}")]
            return by_user("prove", self.output, "--json", *options, timeout=CALL)

        start = time.monotonic()
        with ThreadPoolExecutor(3) as pool:
            for why, result in zip(keys, pool.map(prove, enumerate(keys.values()))):
                proof = json.loads(self.ok(result, 1).stdout)
                self.assertEqual((proof["reached"], proof["waits_for_passphrase"]), ("initramfs", "sda2_crypt"))
                self.assertIn(why, proof["likely_cause"])
                self.assertNotIn("open says me", result.stdout + result.stderr)
        self.assertLess(time.monotonic() - start, BOOT, "this is the timeout and no finding")


class OnOnePartition(GuestCase):
    def setUp(self):
        super().setUp()
        if not FULL:
            self.skipTest("only with --full")

    def test_ext4(self):
        self.migrated("debian12-ext4")

    def test_xfs(self):
        self.migrated("debian13-xfs-boot")

    def test_btrfs(self):
        self.migrated("debian12-btrfs")

    def test_regenerated_in_the_sandbox(self):
        """The guest's own generator takes minutes there: it is announced, and its time is shown."""
        image = self.scratch / "debian.qcow2"
        shutil.copyfile(guest("debian12-ext4", "qcow2"), image)
        os.chown(image, USER, USER)
        fixed = self.ok(by_user("fix", image, "--regen-initramfs", "--update-grub", "--untrusted", timeout=900))
        self.assertRegex(fixed.stderr, r"running programs of the guest: update-initramfs, .*grub.*; about .* slow in the sandbox")
        self.assertRegex(fixed.stderr, r"run update-initramfs .* \(\d+ s\)")
        self.assertTrue(json.loads(self.ok(by_user("prove", image, "--json", timeout=CALL)).stdout)["login"])


class NoGuestPrograms(GuestCase):
    def test_none_is_run_by_default(self):
        report = self.report(self.ok(by_user("fix", self.guest("debian12-ext4"), "--dry-run", "--json")))
        self.assertIn("append-initramfs", [change["kind"] for change in report["changes"]])
        self.assertNotIn("run-tool", [change["kind"] for change in report["changes"]])


if __name__ == "__main__":
    unittest.main()
