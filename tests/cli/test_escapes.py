#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Paths of a hostile guest: links that lead to the host, pipes, sockets, device nodes, huge files, odd
names. A canary directory of the host is never read and never changed, and nothing hangs."""
import os
import shutil
import socket
import stat
import unittest
from pathlib import Path

from support import INITRAMFS, KERNEL, Case, mini, mini_tree, slipway

MODULES = f"usr/lib/modules/{KERNEL}"
SECRET = "CANARY-OF-THE-HOST"

# Every file that Slipway reads or writes in a guest, in groups that go into one image each.
FILES = {
    "configuration": ["etc/fstab", "etc/crypttab", "etc/default/grub", "etc/default/grub.d/x.cfg", "etc/hostname", "etc/machine-id",
                      "etc/kernel/cmdline", "etc/initramfs-tools/modules", "etc/initramfs-tools/initramfs.conf", "etc/dracut.conf",
                      "etc/sysconfig/kernel", "etc/mkinitcpio.conf", "etc/fstab.slipway-orig", "etc/network/interfaces", "var/lib/dpkg/status",
                      "etc/os-release", "usr/lib/os-release", "etc/passwd", "bin/sh", "sbin/init", "etc/lvm/cache/.cache", "etc/blkid.tab",
               "run/blkid/blkid.tab", "etc/lvm/devices/system.devices", "etc/lvm/archive/x.vg"],
    "boot loader and modules": ["boot/grub/grub.cfg", "boot/grub2/grub.cfg", "boot/grub/device.map", "boot/grub/grubenv", "boot/loader/entries/a.conf",
                    "boot/grub/grub.cfg.slipway-orig", f"{MODULES}/modules.dep", f"{MODULES}/modules.builtin"],
    "kernel": [INITRAMFS[1:], f"boot/vmlinuz-{KERNEL}", f"boot/config-{KERNEL}"],
}
DIRECTORIES = ["boot", "boot/grub", "boot/loader/entries", "etc/default", "etc/initramfs-tools", "etc/initramfs-tools/conf.d", "usr/lib/modules",
               MODULES, "etc/kernel", "etc/lvm", "etc/default/grub.d", "etc"]


def clear(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_socket(path, _target):
    here = os.getcwd()
    os.chdir(path.parent) # a socket's name has 107 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


# What stands in the place of a file; `target` is the canary's.
TRICKS = {
    "absolute link": lambda path, target: path.symlink_to(target),
    "relative link": lambda path, target: path.symlink_to("../" * 30 + str(target)[1:]),
    "magic link": lambda path, target: path.symlink_to(f"/proc/self/root{target}"),
    "loop": lambda path, target: path.symlink_to(path.name),
    "pipe": lambda path, target: os.mkfifo(path),
    "socket": make_socket,
    "block device": lambda path, target: os.mknod(path, stat.S_IFBLK | 0o666, os.makedev(7, 0)),
    "character device": lambda path, target: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
    "directory": lambda path, target: path.mkdir(),
}


class Escapes(Case):
    def setUp(self):
        super().setUp()
        self.tree, self.canary = self.scratch / "tree", self.scratch / "canary"
        self.out = self.scratch / "out.qcow2"
        (self.canary / "dir/entries").mkdir(parents=True)
        for name in ("file", "dir/grub.cfg", "dir/a.conf", "dir/entries/a.conf", "dir/modules.dep", "dir/fstab", "dir/os-release"):
            (self.canary / name).write_text(f"/dev/sda1 / ext4 {SECRET}\nroot=/dev/sda1 {SECRET}\nID={SECRET}\nPRETTY_NAME={SECRET}\n")
        self.canary_before = self.canary_state()

    def canary_state(self):
        """What would change if anybody wrote, created, removed or renamed; atime would if anybody read."""
        found = {}
        for folder, _, files in os.walk(self.canary):
            for path in [Path(folder), *(Path(folder) / name for name in files)]:
                facts = path.lstat()
                atime = 0 if path.is_dir() else facts.st_atime_ns # our own walk reads the directories
                found[path] = (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_mode, atime)
        return found

    def image_with(self, paths, trick, target):
        shutil.rmtree(self.tree, ignore_errors=True)
        mini_tree(self.tree)
        for path in paths:
            clear(self.tree / path)
            TRICKS[trick](self.tree / path, target)
        return mini(self.scratch / "a.raw", "--tree", self.tree)

    def nothing_escapes(self, argv, statuses):
        result = slipway(*argv, timeout=30)
        self.assertIn(result.returncode, statuses, result.stderr)
        self.assertNotIn(SECRET, result.stdout + result.stderr)
        self.assertEqual(self.canary_state(), self.canary_before)
        return result

    def test_trap10_each_file_that_is_read_or_written(self):
        for trick in TRICKS:
            for group, paths in FILES.items():
                with self.subTest(f"{trick}: {group}"):
                    image = self.image_with(paths, trick, self.canary / "file")
                    self.out.unlink(missing_ok=True)
                    self.nothing_escapes(["migrate", image, "--output", self.out, "--json"], (0, 1, 4))

    def test_trap10_each_directory(self):
        for trick in ("absolute link", "relative link", "loop"):
            for path in DIRECTORIES:
                if trick != "absolute link" and path not in ("etc", "boot", "boot/grub", MODULES): # those that are written into
                    continue
                with self.subTest(f"{trick}: {path}"):
                    image = self.image_with([path], trick, self.canary / "dir")
                    self.out.unlink(missing_ok=True)
                    self.nothing_escapes(["migrate", image, "--output", self.out, "--json"], (0, 1, 4))

    def test_trap10_paths_that_a_person_names(self):
        (self.scratch / "local").write_text("ours")
        for trick in TRICKS:
            with self.subTest(trick):
                image = self.image_with(["srv/x", "srv/y"], trick, self.canary / "file")
                self.nothing_escapes(["cat", image, "/srv/x"], (2, 4))
                self.nothing_escapes(["get", image, "/srv/x", self.scratch / "got"], (2, 4))
                self.assertFalse((self.scratch / "got").exists())
                self.nothing_escapes(["ls", image, "/srv/x"], (0, 2, 4))
                self.nothing_escapes(["put", image, self.scratch / "local", "/srv/x"], (0, 2, 4))
                self.nothing_escapes(["put", image, self.scratch / "local", "/srv/y/z"], (0, 2, 4))
        for path in ("/../../etc/passwd", "srv/../../x", "/srv/..", ""):
            self.refused(slipway("cat", image, path), 2)

    def test_trap10_directories_that_a_person_names(self):
        (self.scratch / "local").write_text("ours")
        for trick in ("absolute link", "relative link", "magic link"):
            image = self.image_with(["srv/dir"], trick, self.canary / "dir")
            for argv in (["ls", image, "/srv/dir"], ["cat", image, "/srv/dir/fstab"], ["put", image, self.scratch / "local", "/srv/dir/new"],
                         ["run", image, "--cwd", "/srv/dir", "--", "/bin/ls"]):
                self.assertNotEqual(self.nothing_escapes(argv, (0, 4, 125, 126, 127)).returncode, 0)

    def test_a_write_never_goes_through_a_hard_link_or_into_a_special_file(self):
        tree = mini_tree(self.tree)
        os.link(tree / "etc/fstab", tree / "etc/other-name")
        os.link(tree / "boot/grub/grub.cfg", tree / "srv/grub.cfg")
        image = mini(self.scratch / "a.raw", "--tree", tree)
        self.ok(slipway("migrate", image, "--output", self.out))
        self.assertIn("/dev/sda1", self.ok(slipway("cat", self.out, "/etc/other-name")).stdout)
        self.assertIn("UUID=", self.ok(slipway("cat", self.out, "/etc/fstab")).stdout)
        self.assertIn("root=/dev/sda1", self.ok(slipway("cat", self.out, "/srv/grub.cfg")).stdout)

    def test_huge_files_cost_neither_memory_nor_time(self):
        for paths in FILES.values():
            with self.subTest(paths[0]):
                shutil.rmtree(self.tree, ignore_errors=True)
                tree = mini_tree(self.tree)
                for path in paths:
                    clear(tree / path)
                    with open(tree / path, "wb") as file:
                        file.truncate(3 << 30)
                image = mini(self.scratch / "a.raw", "--tree", tree)
                self.out.unlink(missing_ok=True)
                self.nothing_escapes(["migrate", image, "--output", self.out, "--json"], (0, 1, 4))

    def test_names_with_control_characters(self):
        tree = mini_tree(self.tree)
        odd = "a\n\x1b]0;owned\x07b"
        for folder in ("boot/loader/entries", "etc/default/grub.d", "usr/lib/modules", "srv"):
            (tree / folder).mkdir(parents=True, exist_ok=True)
            (tree / folder / f"{odd}.conf").write_text(f"title x\noptions root=/dev/sda1 {odd}\nlinux /vmlinuz\n")
        (tree / f"boot/vmlinuz-{odd}").write_text("kernel")
        (tree / "etc/hostname").write_text(f"{odd}\n")
        (tree / "etc/fstab").write_text("/dev/sda1 / ext4 defaults 0 1\n/dev/\x1b[31msdz /\x1b[2Jx ext4 defaults 0 2\n")
        image = mini(self.scratch / "a.raw", "--tree", tree)
        for argv in (["inspect", image], ["inspect", image, "--json"], ["fix", image, "--dry-run"], ["migrate", image, "--output", self.out]):
            result = self.nothing_escapes(argv, (0, 1))
            for text in (result.stdout, result.stderr):
                self.assertFalse(set(text) & {"\x1b", "\x07", "\r"}, f"{argv[0]}: {text!r}")


if __name__ == "__main__":
    unittest.main()
