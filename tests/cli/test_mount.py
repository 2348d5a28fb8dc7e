#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""slipway mount, and mount_local of the API: what programs see and do below the directory, what reaches the image, and that
nothing stays behind, however it ends."""
import contextlib
import errno
import os
import pwd
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

from support import SLIPWAY, Case, digest, mini, mini_tree, mounted, slipway
from test_sandbox import AS_USER, USER_SLIPWAY, USER as UNNAMED

sys.path.insert(0, str(Path(SLIPWAY).parents[1] / "python"))
import slipway as module  # noqa: E402

USER = pwd.getpwnam("nobody")  # fusermount3 wants one with a name
AS_NAMED_USER = [str(USER.pw_uid) if word == str(UNNAMED) else word for word in AS_USER]


def is_mounted(directory):
    return any(line.split()[4] == str(directory) for line in Path("/proc/self/mountinfo").read_text().splitlines())


def errno_of(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return error.errno
    return 0


class MountCase(Case):
    def setUp(self):
        super().setUp()
        if not os.path.exists("/dev/fuse"):
            self.skipTest("this kernel has no FUSE")
        self.directory = self.scratch / "guest"
        self.directory.mkdir()

    def image(self, *options):
        return mini(self.scratch / "disk.raw", *options)

    def wait_until(self, condition, what):
        until = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), until, what)
            time.sleep(0.02)

    @contextlib.contextmanager
    def mounted(self, image, *options, command=(SLIPWAY,), status=0, end=None):
        """Mounted in the foreground while the block runs; then `end` ends it, by default fusermount3."""
        program = subprocess.Popen([*command, "mount", image, self.directory, *options], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   text=True, cwd="/var/tmp")
        try:
            self.wait_until(lambda: is_mounted(self.directory) or program.poll() is not None, "mounting")
            self.assertIsNone(program.poll(), program.poll() is None or program.stderr.read())
            yield program
            if end:
                end(program)
            else:
                subprocess.run(["fusermount3", "-u", self.directory], check=True)
            said = program.communicate(timeout=60)[1]
            self.assertEqual(program.returncode, status, said)
            self.assertFalse(is_mounted(self.directory))
        finally:
            program.kill()
            program.communicate()


class Reading(MountCase):
    def setUp(self):
        super().setUp()
        tree = mini_tree(self.scratch / "tree")
        (tree / "srv/link").symlink_to("/etc/hostname")
        (tree / "srv/big").write_bytes(os.urandom(5 << 20))
        os.setxattr(tree / "srv/big", "user.note", b"kept")
        os.utime(tree / "srv/big", ns=(10**18 + 1, 10**18 + 2))
        os.chown(tree / "srv/big", 1000, 1001)
        (tree / "srv/big").chmod(0o640)
        many = tree / "srv/many"
        many.mkdir()
        for number in range(2100):
            (many / os.fsdecode(b"%d \xe4" % number)).touch()
        os.setxattr(many / os.fsdecode(b"7 \xe4"), "user.note", b"seven")
        self.tree = tree
        self.disk = self.image("--tree", tree)
        self.original = digest(self.disk)

    def compare(self):
        """A copy with all attributes is what the image was made of."""
        copy = self.scratch / "copy"
        subprocess.run(["cp", "-a", self.directory, copy], check=True)
        subprocess.run(["diff", "-r", "--no-dereference", "--exclude=lost+found", copy, self.tree], check=True)
        for path in ("srv/big", "srv/link", "etc/fstab", "etc"):
            was, now = os.lstat(self.tree / path), os.lstat(copy / path)
            for fact in ("st_mode", "st_uid", "st_gid", "st_size"):
                self.assertEqual(getattr(now, fact), getattr(was, fact), path)
        self.assertEqual(int(os.stat(copy / "srv/big").st_mtime), 10**9)
        self.assertEqual(os.getxattr(copy / "srv/big", "user.note"), b"kept")
        self.assertEqual(os.readlink(self.directory / "srv/link"), "/etc/hostname")

    def test_all_is_there_and_nothing_is_written(self):
        with self.mounted(self.disk):
            self.compare()
            self.assertEqual(errno_of((self.directory / "etc/none").read_bytes), errno.ENOENT)
            self.assertEqual(errno_of((self.directory / "new").write_bytes, b""), errno.EROFS)
            self.assertEqual(errno_of((self.directory / "etc/fstab").unlink), errno.EROFS)
            self.assertEqual(errno_of(os.getxattr, self.directory / "etc/fstab", "user.note"), errno.ENODATA)
            self.assertGreater(os.statvfs(self.directory).f_blocks, 0)
        self.assertEqual(digest(self.disk), self.original)

    def test_as_an_ordinary_user(self):
        self.scratch.chmod(0o755)
        os.chown(self.directory, USER.pw_uid, USER.pw_gid)
        as_user = lambda *words: subprocess.run([*AS_NAMED_USER, *words], capture_output=True, text=True, check=False)  # noqa: E731
        end = lambda program: self.ok(as_user("fusermount3", "-u", self.directory))  # noqa: E731
        with self.mounted(self.disk, command=(*AS_NAMED_USER, USER_SLIPWAY), end=end):
            self.assertEqual(self.ok(as_user("cat", self.directory / "etc/hostname")).stdout, "mini\n")
            self.assertIn("shadow", self.ok(as_user("ls", self.directory / "etc")).stdout)
            self.ok(as_user("cmp", self.directory / "srv/big", self.tree / "srv/big"), 2)  # the guest's root reads, this user does not
            self.ok(as_user("sha256sum", self.directory / "srv/big"))
        self.assertEqual(digest(self.disk), self.original)

    def test_many_names(self):
        many = self.directory / "srv/many"
        for engine in ("host", "sandbox"):
            with self.mounted(self.disk, "--engine", engine):
                listed = subprocess.run(["ls", "-l", many], capture_output=True, check=True, timeout=60).stdout
                self.assertEqual(len(listed.splitlines()), 2101)
                self.assertEqual(sorted(os.listdir(many)), sorted(os.listdir(self.tree / "srv/many")))
                with_attributes = [each for each in many.iterdir() if os.listxattr(each)]
                self.assertEqual(with_attributes, [many / os.fsdecode(b"7 \xe4")])
                self.assertEqual(os.getxattr(with_attributes[0], "user.note"), b"seven")

    def test_in_the_background(self):
        self.ok(slipway("mount", self.disk, self.directory, "--background"))
        self.assertEqual((self.directory / "etc/hostname").read_text(), "mini\n")
        subprocess.run(["fusermount3", "-u", self.directory], check=True)
        self.refused(slipway("mount", "/none.raw", self.directory, "--background"), 4, "/none.raw: No such file")

    def test_several_filesystems_have_files_of_their_own(self):
        fstab = self.tree / "etc/fstab"
        fstab.write_text(fstab.read_text() + "/dev/sdb /srv ext4 defaults 0 0\n")
        root = mini(self.scratch / "root.raw", "--tree", self.tree)
        data = self.scratch / "data.raw"
        data.touch()
        os.truncate(data, 64 << 20)
        subprocess.run(["mkfs.ext4", "-q", data], check=True)
        with self.mounted(root, "--disk", data):
            self.assertEqual(os.listdir(self.directory / "srv"), ["lost+found"])
            self.assertNotEqual(os.stat(self.directory / "srv").st_ino, os.stat(self.directory).st_ino)  # both 2 in their own
            found = subprocess.run(["find", self.directory], capture_output=True, text=True, check=False)
            self.assertEqual((found.returncode, found.stderr), (0, ""))


class Ends(MountCase):
    def test_however_it_ends_nothing_stays(self):
        disk = self.image()
        for number, status in ((signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGKILL, -9)):
            with self.subTest(number), self.mounted(disk, "--write", status=status, end=lambda program: program.send_signal(number)):  # noqa: B023
                (self.directory / "etc/hostname").write_text(f"{number:d}\n")
                busy = open(self.directory / "etc/passwd", encoding="ascii")  # noqa: SIM115
                self.addCleanup(busy.close)
            self.wait_until(lambda: not self.new_leaks(), "leaving nothing")
            kept = number if status == 0 else signal.SIGHUP  # what the one before wrote
            self.assertEqual(self.ok(slipway("cat", disk, "/etc/hostname")).stdout, f"{kept:d}\n")

    def test_a_kill_changes_nothing(self):
        disk = self.image()
        before = digest(disk)
        with self.mounted(disk, "--write", status=-9, end=lambda program: program.kill()):
            (self.directory / "etc/hostname").write_text("lost\n")
        self.assertEqual(digest(disk), before)
        self.assertEqual(os.listdir(self.directory), [])

    def test_the_worker_dies(self):
        disk = self.image()
        before = digest(disk)

        def kill_worker(program):
            below = subprocess.run(["pgrep", "-P", str(program.pid), "-f", "supervise"], capture_output=True, text=True, check=True).stdout.split()
            for worker in subprocess.run(["pgrep", "-P", below[0]], capture_output=True, text=True, check=True).stdout.split():
                os.kill(int(worker), signal.SIGKILL)
            self.assertEqual(errno_of(os.listdir, self.directory / "var"), errno.EIO)
        with self.mounted(disk, "--write", "--engine", "host", status=5, end=kill_worker):
            (self.directory / "etc/hostname").write_text("lost\n")
        self.assertEqual(digest(disk), before)

    def test_refusals(self):
        disk = self.image()
        (self.scratch / "full").mkdir()
        (self.scratch / "full/file").touch()
        self.refused(slipway("mount", disk, self.scratch / "none"), 4, "No such file or directory")
        self.refused(slipway("mount", disk, disk), 4, "Not a directory")
        self.refused(slipway("mount", disk, self.scratch / "full"), 2, "not empty", "give an empty directory")
        self.refused(slipway("mount", disk, self.directory, "--write", "--background"), 2, "--background")
        self.refused(slipway("mount", disk, self.directory, "-o", "nonsense=1"), 2, "nonsense=1")
        data = mini(self.scratch / "two.raw", "--tree", self.scratch / "full")
        self.refused(slipway("mount", data, self.directory, "--root", "sda7"), 4, "sda7")
        self.scratch.chmod(0o755)
        self.refused(subprocess.run([*AS_NAMED_USER, USER_SLIPWAY, "mount", disk, self.directory], capture_output=True, text=True, check=False),
                     3, "could not be mounted on", "must be yours")


class Writing(MountCase):
    def test_what_was_written_is_in_the_image(self):
        disk = self.image()
        before = digest(disk)
        with self.mounted(disk, "--write"):
            guest = self.directory
            (guest / "etc/hostname").write_text("web1\n")
            with open(guest / "etc/hosts", "a", encoding="ascii") as hosts:
                hosts.write("192.0.2.1\tother\n")
            (guest / "srv/a").write_bytes(b"0123456789")
            os.truncate(guest / "srv/a", 4)
            os.rename(guest / "srv/a", guest / "srv/b")
            os.link(guest / "srv/b", guest / "srv/c")
            self.assertEqual(os.stat(guest / "srv/b").st_nlink, 2)
            self.assertEqual(os.stat(guest / "srv/b").st_ino, os.stat(guest / "srv/c").st_ino)
            (guest / "srv/soft").symlink_to("nowhere")
            os.utime(guest / "srv/soft", (5, 6), follow_symlinks=False)
            mask = os.umask(0o002)
            (guest / "srv/dir").mkdir()
            (guest / "srv/dir/shared").touch()
            os.umask(mask)
            os.chown(guest / "srv/b", 1000, 1001)
            os.chmod(guest / "srv/b", 0o4711)
            os.utime(guest / "srv/b", ns=(10**18 + 5, 10**18 + 7))
            os.setxattr(guest / "srv/b", "user.note", b"new")
            os.mkfifo(guest / "srv/fifo")
            (guest / "etc/machine-id").unlink()
            (guest / "srv/gone").mkdir()
            (guest / "srv/gone").rmdir()
            with open(guest / "srv/open", "w+b") as file:  # is there for as long as it is open
                file.write(b"content")
                file.flush()
                (guest / "srv/open").unlink()
                file.seek(0)
                self.assertEqual(file.read(), b"content")
            for code, call, *arguments in ((errno.EEXIST, os.mkdir, guest / "etc"), (errno.ENOTEMPTY, os.rmdir, guest / "etc"),
                                           (errno.ENOTDIR, os.listdir, guest / "etc/hosts"), (errno.ENOENT, os.unlink, guest / "none"),
                                           (errno.ENAMETOOLONG, os.mkdir, guest / ("x" * 256)), (errno.EISDIR, os.rename, guest / "srv/b", guest / "etc")):
                self.assertEqual(errno_of(call, *arguments), code, f"{call} {arguments}")
            self.assertEqual(digest(disk), before)
        self.assertNotEqual(digest(disk), before)
        with mounted(disk) as root:
            self.assertEqual((root / "etc/hostname").read_text(), "web1\n")
            self.assertTrue((root / "etc/hosts").read_text().endswith("192.0.2.1\tother\n"))
            self.assertEqual(sorted(os.listdir(root / "srv")), ["b", "c", "dir", "fifo", "soft"])
            self.assertEqual((root / "srv/c").read_bytes(), b"0123")
            made = os.stat(root / "srv/b")
            self.assertEqual((made.st_mode & 0o7777, made.st_uid, made.st_gid, made.st_mtime_ns), (0o4711, 1000, 1001, 10**18 + 7))
            self.assertEqual(os.getxattr(root / "srv/b", "user.note"), b"new")
            self.assertEqual((os.readlink(root / "srv/soft"), os.lstat(root / "srv/soft").st_mtime), ("nowhere", 6))
            self.assertEqual([os.stat(root / "srv" / name).st_mode & 0o777 for name in ("dir", "dir/shared")], [0o775, 0o664])
            self.assertFalse((root / "etc/machine-id").exists())

    def test_a_full_filesystem(self):
        with self.mounted(self.image(), "--write"):
            self.assertEqual(errno_of((self.directory / "srv/all").write_bytes, bytes(128 << 20)), errno.ENOSPC)
            (self.directory / "srv/all").unlink()
            (self.directory / "srv/some").write_bytes(bytes(1 << 20))

    def test_in_the_sandbox(self):
        disk = self.image()
        with self.mounted(disk, "--write", "--engine", "sandbox"):
            (self.directory / "srv/data").write_bytes(bytes(range(256)) * 8192)
        with mounted(disk) as root:
            self.assertEqual((root / "srv/data").read_bytes(), bytes(range(256)) * 8192)


class Handles(MountCase):
    """mount_local of the API."""

    def open(self, engine="host", readonly=True):
        disk = mini(self.scratch / f"{engine}.raw")
        program = f"""
import sys, threading
sys.path.insert(0, {str(Path(module.__file__).parents[1])!r})
import slipway
g = slipway.create_guestfs(backend={engine!r})
g.add_drive_opts({str(disk)!r}, readonly={readonly})
g.launch()
g.mount("/dev/sda1", "/")
directory = {str(self.directory)!r}
def fails(call, *arguments, **more):
    try:
        call(*arguments, **more)
    except RuntimeError as error:
        return str(error)
    raise AssertionError(call)
def serve():
    thread = threading.Thread(target=g.mount_local_run, daemon=True)
    thread.start()
    return thread
"""
        return disk, program

    def python(self, program, *more):
        return self.ok(subprocess.run(["/usr/bin/python3", "-B", "-c", program + "\n".join(more)], capture_output=True, text=True, check=False,
                                      timeout=100, stdin=subprocess.DEVNULL)).stdout

    def test_in_both_engines(self):
        for engine in ("host", "sandbox"):
            disk, program = self.open(engine, readonly=False)
            self.python(program, """
assert "nothing is mounted" in fails(g.mount_local_run)
assert "nothing is mounted" in fails(g.umount_local)
assert "No such file" in fails(g.mount_local, directory + "/none")
g.mount_local(directory)
assert "mounted locally already" in fails(g.mount_local, directory)
thread = serve()
open(directory + "/etc/hostname", "w").write("api")
assert g.cat("/etc/hostname") == "api"
g.write("/etc/hostname", "of the handle")
assert open(directory + "/etc/hostname").read() == "of the handle"
assert "another thread" in fails(g.mount_local_run)
busy = open(directory + "/etc/hosts")
assert "busy" in fails(g.umount_local)
busy.close()
g.umount_local()
thread.join()
assert "nothing is mounted" in fails(g.umount_local)
g.mount_local(directory, readonly=True, cachetimeout=1)
thread = serve()
assert open(directory + "/etc/hostname").read() == "of the handle"
try:
    open(directory + "/new", "w")
    raise AssertionError("written")
except OSError as error:
    assert error.errno == 30
g.umount_local()
thread.join()
g.close()
""")
            with mounted(disk) as root:
                self.assertEqual((root / "etc/hostname").read_text(), "of the handle")
            disk.unlink()

    def test_close_ends_it(self):
        disk, program = self.open(readonly=False)
        self.python(program, """
g.mount_local(directory)
thread = serve()
busy = open(directory + "/etc/hosts", "a")
print("more", file=busy, flush=True)
g.close()
thread.join()
import os
assert os.listdir(directory) == []
""")
        with mounted(disk) as root:
            self.assertTrue((root / "etc/hosts").read_text().endswith("more\n"))

    def test_a_worker_that_dies_ends_it(self):
        _, program = self.open()
        self.python(program, """
import os, subprocess
g.mount_local(directory)
said = []
thread = threading.Thread(target=lambda: said.append(fails(g.mount_local_run)))
thread.start()
os.listdir(directory)
supervisor = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "supervise"], capture_output=True, text=True).stdout.split()[0]
for worker in subprocess.run(["pgrep", "-P", supervisor], capture_output=True, text=True).stdout.split():
    os.kill(int(worker), 9)
try:
    os.listdir(directory + "/var")
    raise AssertionError("listed")
except OSError as error:
    assert error.errno == 5, error
thread.join()
assert "mount_local_run" in said[0], said
assert os.listdir(directory) == []
fails(g.ls, "/")
""")

    def test_killed_it_leaves_nothing(self):
        _, program = self.open()
        self.ok(subprocess.run(["/usr/bin/python3", "-B", "-c", program + """
g.mount_local(directory)
thread = serve()
import os
os.listdir(directory)
os.kill(os.getpid(), 9)
"""], capture_output=True, text=True, check=False, timeout=100), -9)
        self.wait_until(lambda: not is_mounted(self.directory), "unmounting")


if __name__ == "__main__":
    unittest.main()
