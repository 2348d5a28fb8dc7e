#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A hostile guest: each path that is read or written is a symbolic link to a place of the host, a pipe
that nobody writes, a device or a directory. Nothing of the host is read or changed, and nothing hangs."""
import os
import pty
import shutil
import socket
import stat
import subprocess
import unittest

from support import SLIPWAY, Case, digest, mini, mounted, slipway

KERNEL = "6.1.0-1-amd64"
SECRET = "root=/dev/secret-of-the-host ID=secret-of-the-host UUID=secret-of-the-host"
FILES = ("etc/os-release", "usr/lib/os-release", "etc/hostname", "etc/machine-id", "etc/fstab", "etc/crypttab", "etc/default/grub",
         "etc/kernel/cmdline", "etc/initramfs-tools/modules", "etc/lvm/devices/system.devices", "etc/blkid.tab", "boot/grub/grub.cfg",
         "boot/grub/device.map", "boot/grub/grubenv", "boot/loader/entries/a.conf", f"boot/initrd.img-{KERNEL}", f"boot/vmlinuz-{KERNEL}",
         f"usr/lib/modules/{KERNEL}/modules.dep", f"usr/lib/modules/{KERNEL}/kernel/drivers/block/virtio_blk.ko", "usr/bin/sh")
FOLDERS = ("etc", "boot", "boot/grub", "boot/loader", "boot/loader/entries", "etc/initramfs-tools", "etc/default", "etc/lvm",
           f"usr/lib/modules/{KERNEL}", "usr/lib/modules", "usr", "dev", "proc", "sys", "run", "tmp")


def replace(path):
    """An empty place in an existing folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


def up_and_to(target):
    return "../" * 30 + str(target).lstrip("/")


def on_terminal(*argv):
    """What slipway writes on a terminal."""
    parent, child = pty.openpty()
    subprocess.run([SLIPWAY, *map(str, argv)], stdin=subprocess.DEVNULL, stdout=child, stderr=child, check=True)
    os.close(child)
    text = os.read(parent, 65536).decode(errors="replace")
    os.close(parent)
    return text


class Escapes(Case):
    def setUp(self):
        super().setUp()
        self.canary = self.scratch / "canary"
        self.canary.mkdir()
        (self.canary / "file").write_text(SECRET + "\n")
        for folder in FOLDERS:  # what would be found below a link to the canary
            (self.canary / "tree" / folder).mkdir(parents=True, exist_ok=True)
        for file in FILES:
            (self.canary / "tree" / file).parent.mkdir(parents=True, exist_ok=True)
            (self.canary / "tree" / file).write_text(SECRET + "\n")
        self.before_canary = self.state()
        self.original = mini(self.scratch / "original.raw")

    def state(self):
        found = {}
        for directory, _, names in os.walk(self.canary):
            info = os.lstat(directory)
            found[directory] = (info.st_mtime_ns, info.st_mode)
            for name in names:
                path = os.path.join(directory, name)
                info = os.lstat(path)
                found[path] = (info.st_mtime_ns, info.st_size, info.st_mode, info.st_uid, digest(path))
        return found

    def check(self, name, change):
        image = self.scratch / "a.raw"
        shutil.copyfile(self.original, image)
        with mounted(image) as top:
            change(top / name)
        with self.subTest(path=name):
            for argv in (("inspect", "--deep", "--json", image), ("cat", image, f"/{name}"), ("ls", image, f"/{name}"), ("fix", "--json", image)):
                result = slipway(*argv, timeout=30)
                self.assertIn(result.returncode, (0, 1, 2, 3, 4), f"{argv}: {result.stderr}")
                self.assertNotIn("secret-of-the-host", result.stdout + result.stderr, argv)
            self.assertEqual(self.state(), self.before_canary)

    def test_trap10_files_that_link_to_the_host(self):
        for name in FILES:
            self.check(name, lambda path: replace(path).symlink_to(self.canary / "file"))
            self.check(name, lambda path: replace(path).symlink_to(up_and_to(self.canary / "file")))

    def test_trap10_folders_that_link_to_the_host(self):
        for name in FOLDERS:
            self.check(name, lambda path, name=name: replace(path).symlink_to(up_and_to(self.canary / "tree" / name)))

    def test_trap10_pipes_sockets_and_devices(self):
        loop = subprocess.run(["losetup", "--find", "--show", "--read-only", self.canary / "file"], capture_output=True, text=True, check=True).stdout.strip()
        self.addCleanup(subprocess.run, ["losetup", "--detach", loop], check=True)
        device = os.stat(loop).st_rdev
        for name in FILES:
            self.check(name, lambda path: os.mkfifo(replace(path)))
            self.check(name, lambda path: os.mknod(replace(path), stat.S_IFBLK | 0o644, device))
        for name in FILES[:5]:
            self.check(name, self.make_socket)
            self.check(name, lambda path: replace(path).mkdir())
            self.check(name, lambda path: replace(path).symlink_to(path.name))

    @staticmethod
    def make_socket(path):
        replace(path)
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's name may have 107 bytes
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path.name)
        finally:
            os.chdir(here)

    def test_trap10_put_and_get_through_links(self):
        image, local = self.scratch / "a.raw", self.scratch / "local"
        local.write_text("new\n")
        for target in (str(self.canary), up_and_to(self.canary)):
            shutil.copyfile(self.original, image)
            with mounted(image) as top:
                (top / "srv" / "out").symlink_to(target)
                (top / "srv" / "file").symlink_to(f"{target}/file")
            for path in ("/srv/out/file", "/srv/out/new", "/srv/file"):
                slipway("put", image, local, path)
                self.assertEqual(self.state(), self.before_canary, path)
                self.assertNotIn("secret-of-the-host", slipway("cat", image, path).stdout)

    def test_names_that_would_move_the_cursor(self):
        image = self.scratch / "a.raw"
        shutil.copyfile(self.original, image)
        with mounted(image) as top:
            (top / "srv" / "a\nb\x1b[2J").write_text("x")
            (top / "etc" / "hostname").write_text("evil\x1b[2J\n")
            (top / "etc" / "fstab").write_text("/dev/sda1 / ext4 defaults 0 1\n/dev/\x1b[31msdb1 /mnt\x07 ext4 defaults 0 2\n")
        for argv in (("inspect", image), ("fix", "--dry-run", image), ("fix", image)):
            result = slipway(*argv)
            self.assertNotIn("\x1b", result.stdout + result.stderr, argv)
            self.assertNotIn("\x07", result.stdout + result.stderr, argv)
        self.assertNotIn("\x1b", on_terminal("ls", image, "/srv"))

    def test_trap10_an_output_that_is_a_link_is_not_followed(self):
        link = self.scratch / "out.qcow2"
        for target in (self.canary / "file", self.canary / "new"):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
            self.refused(slipway("migrate", self.original, "--output", link), 4, "exists")
            self.assertEqual(self.state(), self.before_canary)
        self.refused(slipway("migrate", self.original, "--output", self.original), 4, "exists")


if __name__ == "__main__":
    unittest.main()
