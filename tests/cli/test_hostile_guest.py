#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Links, FIFOs, sockets and devices of a hostile guest in the place of kernels, modules, programs and mount points:
inotify sees no file of the host opened, nothing hangs, nothing crashes. See test_escapes.py for configuration files."""
import contextlib
import ctypes
import os
import shutil
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import KERNEL, SLIPWAY, Case, digest, mini, mini_tree, slipway

SECRET = "this-is-of-the-host"
KERNEL_FILES = (f"boot/vmlinuz-{KERNEL}", f"boot/initrd.img-{KERNEL}", f"boot/config-{KERNEL}", f"usr/lib/modules/{KERNEL}/modules.dep",
                f"usr/lib/modules/{KERNEL}/kernel/drivers/block/virtio_blk.ko", f"usr/lib/modules/{KERNEL}/modules.builtin",
                f"usr/lib/modules/{KERNEL}/modules.alias")
SYSTEM_FILES = ("etc/os-release", "usr/lib/os-release", "etc/debian_version", "usr/bin/busybox", "usr/sbin/init")
MOUNT_POINTS = ("dev", "proc", "run", "sys")


class Watch:
    """What is opened, read or changed in a directory tree of the host: inotify(7)."""
    OPEN, ACCESS, CHANGES = 0x20, 0x1, 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200

    def __init__(self, top):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for directory, _, _ in os.walk(top):
            added = self.libc.inotify_add_watch(self.fd, os.fsencode(directory), self.OPEN | self.ACCESS | self.CHANGES)
            assert added >= 0, os.strerror(ctypes.get_errno())
        self.seen()  # our own walk

    def seen(self):
        try:
            return os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return b""

    def close(self):
        os.close(self.fd)


class HostileGuest(Case):
    def setUp(self):
        super().setUp()
        host = tempfile.TemporaryDirectory(prefix="host-canary-", dir="/var/tmp")
        self.addCleanup(host.cleanup)
        # It looks like the guest, so whoever follows a link finds what it expects.
        self.host = mini_tree(Path(host.name) / "top")
        for name in ("etc/fstab", *KERNEL_FILES):
            (self.host / name).parent.mkdir(parents=True, exist_ok=True)
            with open(self.host / name, "a", encoding="utf-8") as file:
                file.write(f"# {SECRET} root=/dev/sda1\n")
        self.tree = mini_tree(self.scratch / "tree", {"update-initramfs": "exit 0", "update-grub": "exit 0"})

    @contextlib.contextmanager
    def untouched_host(self):
        def state():
            return sorted((str(path), path.lstat().st_mode, path.lstat().st_mtime_ns) for path in self.host.rglob("*"))
        before, watch = state(), Watch(self.host)
        try:
            yield
            self.assertEqual(watch.seen(), b"", "a file of the host was opened")
        finally:
            watch.close()
        self.assertEqual(state(), before)

    def image(self):
        return mini(self.scratch / "a.raw", "--tree", self.tree)

    def put_there(self, name, make):
        """Puts what `make(path)` makes in the place of a file of the guest."""
        path = self.tree / name
        if os.path.lexists(path) and stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)

    # What a hostile guest has in the place of a file.
    def absolute_link(self, path):
        os.symlink(self.host / path.relative_to(self.tree), path)

    def relative_link(self, path):
        os.symlink("../" * 40 + str(self.host / path.relative_to(self.tree))[1:], path)

    def loop(self, path):
        os.symlink(path.name, path)

    def fifo(self, path):
        os.mkfifo(path)

    def device(self, path):
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero has no end

    def directory(self, path):
        path.mkdir()

    def go_through(self, image):
        """Everything that reads or writes the guest: it ends, and not by a bug."""
        out, before = self.scratch / "out.qcow2", digest(image)
        for argv in (["inspect", image, "--deep"], ["fix", image, "--dry-run"], ["migrate", image, "--output", out],
                     ["migrate", image, "--output", self.scratch / "two.qcow2", "--regen-initramfs", "--update-grub"],
                     ["run", image, "--", "/bin/true"]):
            result = slipway(*argv, timeout=30)
            self.assertIn(result.returncode, (0, 1, 2, 4, 125, 126, 127), f"{argv}: {result.stderr}")
            self.assertNotIn(SECRET, result.stdout + result.stderr)
        self.assertEqual(digest(image), before)
        for one in (out, self.scratch / "two.qcow2"):
            if one.exists():
                self.assertNotIn(SECRET.encode(), one.read_bytes())
                one.unlink()

    def check_all(self, names, kinds):
        for kind in kinds:
            with self.subTest(kind.__name__):
                for name in names:
                    self.put_there(name, kind)
                image = self.image()
                with self.untouched_host():
                    self.go_through(image)


class Touched(HostileGuest):
    def test_the_watch_sees_a_file_that_is_opened(self):
        watch = Watch(self.host)
        (self.host / "etc/fstab").read_bytes()
        self.assertNotEqual(watch.seen(), b"")
        watch.close()

    def test_trap10_kernels_and_modules(self):
        self.check_all(KERNEL_FILES, (self.absolute_link, self.relative_link, self.fifo, self.device, self.directory))

    def test_trap10_what_tells_the_system(self):
        self.check_all(SYSTEM_FILES, (self.absolute_link, self.fifo, self.device, self.directory))

    def test_trap10_mount_points_that_are_links(self):
        self.check_all(MOUNT_POINTS, (self.absolute_link, self.relative_link, self.loop, self.fifo))

    def test_links_within_the_guest_are_followed_and_stay(self):
        (self.tree / "srv/real").mkdir()
        for name, target in (("etc/fstab", "/srv/real/fstab"), ("boot/grub/grub.cfg", "../../srv/real/grub.cfg")):
            shutil.move(self.tree / name, self.tree / "srv/real")
            os.symlink(target, self.tree / name)
        image, out = self.image(), self.scratch / "out.qcow2"
        self.ok(slipway("migrate", image, "--output", out))
        for name in ("fstab", "grub.cfg"):
            self.assertIn("UUID=", self.ok(slipway("cat", out, f"/srv/real/{name}")).stdout)
        self.assertEqual(self.ok(slipway("run", out, "--", "readlink", "/etc/fstab")).stdout, "/srv/real/fstab\n")


    def test_names_with_control_characters(self):
        directory = self.tree / "srv/names"
        directory.mkdir()
        names = ["two\nlines", "esc\x1b[2Jclear", "-rf", "$(touch x)", "a b\t", "ü"]
        for name in names:
            (directory / name).write_text("content")
        image = self.image()
        result = subprocess.run([os.environ.get("SLIPWAY_BIN", "build/bin/slipway"), "ls", image, "/srv/names"], capture_output=True, check=True)
        self.assertNotIn(b"\x1b", result.stderr)
        self.assertEqual(len(result.stdout.splitlines()), len(names) + 1)  # as ls(1) into a pipe
        for name in names:
            with self.subTest(repr(name)):
                self.assertEqual(self.ok(slipway("cat", image, f"/srv/names/{name}")).stdout, "content")

    def test_a_name_of_the_guest_in_an_error_is_printable(self):
        os.symlink("nowhere", self.tree / "etc/\x1b[2J")
        result = slipway("cat", self.image(), "/etc/\x1b[2J")
        self.assertEqual(result.returncode, 4)
        self.assertNotIn("\x1b", result.stderr)


class Worker(Case):
    LOADER = r"""
    static long call(long number, long a, long b, long c) {
        long result;
        __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
        return result;
    }
    void _start(void) {
        long file = call(2, (long)"/proc/self/exe", 0, 0);
        long writable = call(2, (long)"/proc/self/exe", 1, 0), mode = call(91, file, 06777, 0), owner = call(93, file, 1234, 1234);
        call(231, file >= 0 && writable < 0 && mode == -30 && owner == -30 ? 42 : 43, 0, 0);
    }"""

    @unittest.skipUnless(os.uname().machine == "x86_64", "this kernel has no x86-64 system calls")
    def test_the_workers_own_file_cannot_be_changed(self):
        """A guest's script can name /proc/self/exe as its interpreter: that is the worker, with the guest's loader."""
        worker = self.scratch / "slipway-worker"
        shutil.copy(Path(SLIPWAY).parents[1] / "libexec/slipway-worker", worker)
        tree = mini_tree(self.scratch / "tree", {})
        (tree / "usr/sbin/update-initramfs").write_text("#!/proc/self/exe\n")
        (self.scratch / "loader.c").write_text(self.LOADER)
        (tree / "lib64").mkdir(exist_ok=True)
        subprocess.run(["gcc", "-nostdlib", "-static-pie", "-fPIE", "-O1", "-fno-stack-protector", "-o", tree / "lib64/ld-linux-x86-64.so.2",
                        self.scratch / "loader.c"], check=True)
        image = mini(self.scratch / "a.raw", "--tree", tree)
        before = (digest(worker), os.stat(worker))
        result = slipway("run", image, "--", "update-initramfs", env={"SLIPWAY_WORKER": str(worker)})
        after = (digest(worker), os.stat(worker))
        self.assertEqual((after[0], after[1].st_mode, after[1].st_uid), (before[0], before[1].st_mode, before[1].st_uid))
        self.assertEqual(result.returncode, 42, result.stderr)


class Extents(Case):
    def test_trap10_parts_of_a_vmdk_that_are_no_plain_files(self):
        descriptor = self.scratch / "vm" / "a.vmdk"
        descriptor.parent.mkdir()
        head = '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
        os.mkfifo(descriptor.parent / "fifo")
        os.mknod(descriptor.parent / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        (descriptor.parent / "directory").mkdir()
        os.symlink("/etc/passwd", descriptor.parent / "link")
        for name in ("fifo", "zero", "directory", "link", "..", "/etc/passwd", "a.vmdk"):
            with self.subTest(name):
                descriptor.write_text(f'{head}RW 2048 FLAT "{name}" 0\n')
                self.assertIn(slipway("inspect", descriptor, timeout=20).returncode, (2, 4))


if __name__ == "__main__":
    unittest.main()
