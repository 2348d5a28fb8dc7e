#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input: a clear error, the right exit code, nothing lost, nothing left."""
import json
import os
import subprocess
import unittest

from support import Case, digest, guest, mini, mini_tree, slipway


class BadInput(Case):
    def migrate(self, source, *options, **more):
        return slipway("migrate", source, "--output", self.scratch / "out.qcow2", *options, **more)

    def test_not_an_image(self):
        text = self.scratch / "letter.txt"
        text.write_text("Dear Sir or Madam,\n" * 500)
        self.refused(self.migrate(text), 4, "letter.txt")
        self.assertEqual(self.names(), ["letter.txt"])

    def test_missing_empty_and_directory(self):
        self.refused(slipway("inspect", self.scratch / "none.raw"), 4, "none.raw", "No such file")
        (self.scratch / "empty.raw").touch()
        self.refused(slipway("inspect", self.scratch / "empty.raw"), 2, "empty")
        self.refused(slipway("inspect", self.scratch), 4, "no operating system")
        self.refused(slipway("fix", self.scratch), 3, "directory")

    def test_usage(self):
        self.refused(slipway("inspect"), 2, "IMAGE", "--help")
        self.refused(slipway("frobnicate"), 2)
        self.refused(slipway("migrate", "a.raw", "--output", "b", "--format", "floppy"), 2, "floppy", "qcow2")
        self.refused(slipway("migrate", "a.raw", "--output", "b", "--resize", "-1G"), 2, "--resize")
        self.refused(slipway("fix", "a.raw", "--fstab-mode", "wild"), 2, "wild")
        self.refused(slipway("inspect", "a.raw", "--", "b.raw"), 2, "nothing may stand after --")
        self.refused(slipway("rootfs", "create", "--force", "--", "name"), 2, "create starts no program")

    def test_a_word_that_is_no_command(self):
        self.refused(slipway("migrat"), 2, "'migrat' is no command", "slipway --help")
        self.refused(slipway("rootfs", "foo"), 2, "'rootfs foo' is no command", "slipway rootfs --help")
        self.refused(slipway("fstests", "baseline", "keep", "x"), 2, "'fstests baseline keep' is no command")
        self.refused(slipway("rootfs"), 2, "subcommand is required")
        self.refused(slipway("fstests", "baseline", "save", "a/b"), 2, "a/b")  # whether there is a run or not

    def test_truncated_qcow2_and_vmdk(self):
        image = mini(self.scratch / "a.raw")
        for image_format, options in (("qcow2", []), ("vmdk", ["-o", "subformat=streamOptimized"])):
            whole = self.scratch / f"a.{image_format}"
            subprocess.run(["qemu-img", "convert", "-O", image_format, *options, image, whole], check=True)
            os.truncate(whole, os.path.getsize(whole) // 3)
            result = self.migrate(whole)
            self.assertIn(result.returncode, (4,), result.stderr)
            self.assertFalse((self.scratch / "out.qcow2").exists())

    def test_backing_file_is_refused_unless_allowed(self):
        base = mini(self.scratch / "base.raw")
        top = self.scratch / "top.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", top], check=True)
        self.refused(slipway("ls", top, "/etc"), 3, "base.raw", "--allow-backing")
        self.assertIn("fstab", self.ok(slipway("ls", top, "/etc", "--allow-backing")).stdout)

    def test_external_data_file_is_refused(self):
        image = self.scratch / "d.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={self.scratch}/d.data", image, "8M"], check=True)
        self.refused(slipway("inspect", image), 3, "data file", "--allow-backing")

    def test_raw_image_that_imitates_qcow2(self):
        # The boot sector of a hostile guest: a qcow2 header that names a file of the host.
        image = mini(self.scratch / "a.raw")
        head = self.scratch / "head.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", head, "64M"], check=True)
        with open(head, "rb") as source, open(image, "r+b") as target:
            target.write(source.read(440))
        result = slipway("ls", image, "/etc")
        self.refused(result, 3, "--source-format raw")
        self.assertNotIn("root:", result.stdout + result.stderr)
        self.assertIn("fstab", self.ok(slipway("ls", image, "/etc", "--source-format", "raw")).stdout)

    def test_vmdk_descriptor_that_leaves_its_directory(self):
        secret = self.scratch / "secret"
        secret.write_bytes(b"\0" * (1 << 20))
        folder = self.scratch / "vm"
        folder.mkdir()
        descriptor = folder / "a.vmdk"
        head = '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
        descriptor.write_text(head + 'RW 2048 FLAT "../secret" 0\n')
        self.refused(slipway("inspect", descriptor), 2, "secret")
        os.symlink("../secret", folder / "link.raw")
        descriptor.write_text(head + 'RW 2048 FLAT "link.raw" 0\n')
        result = slipway("inspect", descriptor)
        self.assertEqual(result.returncode, 2, result.stderr)

    def test_no_operating_system(self):
        tree = self.scratch / "tree"
        (tree / "pictures").mkdir(parents=True)
        image = mini(self.scratch / "data.raw", "--tree", tree)
        self.refused(slipway("inspect", image), 4)
        self.refused(self.migrate(image), 4)
        # Its files can be had all the same.
        self.assertIn("pictures", self.ok(slipway("ls", image, "/")).stdout)

    def test_two_operating_systems_need_a_choice(self):
        image = guest("debian12-two")
        result = self.refused(slipway("inspect", image), 2, "--root")
        self.assertIn("sda", result.stderr)

    def test_the_environment_can_ask_for_the_sandbox(self):
        image = mini(self.scratch / "a.raw")
        self.refused(slipway("inspect", image, "--engine", "host", env={"SLIPWAY_UNTRUSTED": "1"}), 2, "untrusted")
        self.ok(slipway("inspect", image, "--engine", "host", env={"SLIPWAY_UNTRUSTED": "0"}))

    def test_a_proof_never_has_a_root_of_our_making(self):
        tree = mini_tree(self.scratch / "tree")
        menu = tree / "boot/grub/grub.cfg"
        menu.write_text(menu.read_text().replace("root=/dev/sda1", "$where"))
        proof = json.loads(slipway("prove", mini(self.scratch / "a.raw", "--tree", tree), "--timeout", "4", "--json").stdout)
        self.assertIn("booted as it is only", proof["method_reason"])
        self.assertFalse([stage for stage in proof["stages"] if stage["method"] == "direct-kernel"])

    def test_luks_and_lvm_say_what_they_want(self):
        luks = slipway("inspect", mini(self.scratch / "luks.raw", "--luks-header"))
        self.refused(luks, 4, "sda1", "--key")
        lvm = slipway("inspect", mini(self.scratch / "lvm.raw", "--lvm"))
        self.assertIn(lvm.returncode, (3, 4), lvm.stderr)
        self.assertIn("LVM", lvm.stderr)

    def test_destination_exists_or_cannot_be_written(self):
        image = mini(self.scratch / "a.raw")
        out = self.scratch / "out.qcow2"
        out.write_text("precious")
        self.refused(self.migrate(image), 4, "exists")
        self.assertEqual(out.read_text(), "precious")
        self.refused(slipway("migrate", image, "--output", self.scratch / "no" / "such" / "dir" / "x"), 4, "No such file")
        self.refused(slipway("migrate", image, "--output", "/proc/x.qcow2"), 4)

    def test_no_space_at_the_destination(self):
        image = mini(self.scratch / "a.raw")
        with open(image, "r+b") as file: # incompressible, so that holes do not save it
            file.seek(48 << 20)
            file.write(os.urandom(12 << 20))
        small = self.scratch / "small"
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", small], check=True)
        try:
            result = slipway("migrate", image, "--output", small / "out.qcow2")
            self.refused(result, 4)
            self.assertEqual(os.listdir(small), [])
        finally:
            subprocess.run(["umount", small], check=True)

    def test_stream_optimised_vmdk_cannot_be_fixed_in_place(self):
        image = mini(self.scratch / "a.raw")
        vmdk = self.scratch / "a.vmdk"
        subprocess.run(["qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", image, vmdk], check=True)
        before = digest(vmdk)
        self.refused(slipway("fix", vmdk), 3, "slipway migrate")
        self.assertEqual(digest(vmdk), before)

    def test_image_in_use_by_a_virtual_machine(self):
        image = mini(self.scratch / "a.raw")
        holder = subprocess.Popen(["qemu-io", "-f", "raw", image], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            holder.stdin.write(b"read 0 512\n")
            holder.stdin.flush()
            holder.stdout.readline()
            self.refused(slipway("fix", image), 4, "in use")
            self.refused(slipway("inspect", image), 4, "in use")
        finally:
            holder.stdin.close()
            holder.wait()
            holder.stdout.close()

    def test_block_device_as_source(self):
        image = mini(self.scratch / "a.raw")
        loop = subprocess.run(["losetup", "--find", "--show", "--read-only", image], check=True, capture_output=True, text=True).stdout.strip()
        try:
            self.assertIn("fstab", self.ok(slipway("ls", loop, "/etc")).stdout)
        finally:
            subprocess.run(["losetup", "--detach", loop], check=True)

    def test_trap10_paths_that_leave_the_guest(self):
        tree = self.scratch / "tree"
        (tree / "etc").mkdir(parents=True)
        (tree / "etc" / "os-release").write_text("ID=debian\n")
        (tree / "etc" / "fstab").write_text("")
        (tree / "usr" / "bin").mkdir(parents=True)
        (tree / "etc" / "shadow").write_text("guest's own\n")
        os.symlink("/etc/shadow", tree / "absolute")
        os.symlink("../../../../../../etc/shadow", tree / "relative")
        image = mini(self.scratch / "a.raw", "--tree", tree)
        for name in ("absolute", "relative"):
            self.assertEqual(self.ok(slipway("cat", image, f"/{name}")).stdout, "guest's own\n")
        self.refused(slipway("cat", image, "/../etc/shadow"), 2, "..")


if __name__ == "__main__":
    unittest.main()
