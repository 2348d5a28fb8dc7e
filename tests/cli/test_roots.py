#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What opens like an image and is none: directories, tar archives, filesystems without a disk; in both engines, and for
an ordinary user."""
import io
import os
import shutil
import subprocess
import tarfile
import unittest
from pathlib import Path

import schema_check
from support import Case, digest, mini, mini_tree, slipway, small_filesystem
from test_sandbox import USER_SLIPWAY

USER = 12345
MARK = "inside the archive\n"


def as_user(*arguments, timeout=120):
    """An ordinary user with nothing of ours in the environment."""
    return subprocess.run(["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "env", "-i", "PATH=/usr/bin:/bin", "TMPDIR=/var/tmp", USER_SLIPWAY,
                           *map(str, arguments)], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False, cwd="/")


def as_host(*arguments, **options):
    return slipway(*arguments, "--engine", "host", **options) if arguments[0] != "run" else slipway("run", "--engine", "host", *arguments[1:], **options)


def as_sandbox(*arguments, **options):
    return slipway(*arguments, "--engine", "sandbox", **options) if arguments[0] != "run" else slipway("run", "--engine", "sandbox", *arguments[1:], **options)


WAYS = {"host": as_host, "sandbox": as_sandbox, "user": as_user}


def tree_digest(directory):
    """What a change would change: names, modes, owners, times and contents."""
    lines = []
    for path in sorted(Path(directory).rglob("*")):
        info = path.lstat()
        content = digest(path) if path.is_file() and not path.is_symlink() else ""
        lines.append((str(path), info.st_mode, info.st_uid, info.st_size, info.st_mtime_ns, content))
    return lines


class Roots(Case):
    def setUp(self):
        super().setUp()
        self.scratch.chmod(0o755)

    def system(self):
        """The files of a guest with a shell."""
        tree = mini_tree(self.scratch / "tree")
        for name in ("bin", "tmp"):
            (tree / name).mkdir(exist_ok=True)
        if not (tree / "bin/busybox").exists():
            shutil.copy("/bin/busybox", tree / "bin/busybox")
        for name in ("sh", "cat", "touch", "id", "rm"):
            link = tree / "bin" / name
            if link.is_symlink() or link.exists():
                link.unlink()
            link.symlink_to("busybox")
        (tree / "etc/mark").write_text(MARK)
        return tree

    def check_all_verbs(self, image, ways=None, product="Debian"):
        for name in ways or WAYS:
            run = WAYS[name]
            with self.subTest(f"{Path(image).name} {name}"):
                self.assertIn("mark", self.ok(run("ls", image, "/etc")).stdout.split())
                self.assertEqual(self.ok(run("cat", image, "/etc/mark")).stdout, MARK)
                self.assertEqual(self.ok(run("get", image, "/etc/mark", "-")).stdout, MARK)
                self.assertIn(product, self.ok(run("inspect", image)).stdout)
                written = run("run", image, "--", "/bin/sh", "-c", "echo new > /etc/mark && rm /etc/fstab && cat /etc/mark && id -u")
                self.assertEqual(self.ok(written).stdout, "new\n0\n")
                self.assertEqual(self.ok(run("cat", image, "/etc/mark")).stdout, MARK)

    def check_refused_changes(self, image):
        for way in (as_host, as_sandbox):
            (self.scratch / "new").write_text("x")
            for arguments in (("put", image, self.scratch / "new", "/etc/mark"), ("fix", image), ("run", image, "--write", "--", "/bin/sh", "-c", ":"),
                              ("migrate", image, "--output", self.scratch / "out.qcow2")):
                with self.subTest(" ".join(map(str, arguments[:1])) + way.__name__):
                    self.refused(way(*arguments), 125 if arguments[0] == "run" else 3)
                    self.assertFalse((self.scratch / "out.qcow2").exists())
        self.assertEqual([name for name in self.names() if "journal" in name], [])


class Directories(Roots):
    def test_all_verbs_and_nothing_is_written(self):
        tree = self.system()
        before = tree_digest(tree)
        self.check_all_verbs(tree)
        link = self.scratch / "link"
        link.symlink_to(tree)
        self.assertEqual(self.ok(as_host("cat", link, "/etc/mark")).stdout, MARK)
        self.assertEqual(self.ok(as_user("cat", f"{link}/", "/etc/mark")).stdout, MARK)
        self.assertEqual(tree_digest(tree), before)

    def test_changes_are_refused(self):
        tree = self.system()
        before = tree_digest(tree)
        self.check_refused_changes(tree)
        self.assertEqual(tree_digest(tree), before)

    def test_both_engines_see_the_same(self):
        tree = self.system()
        host, sandbox = (self.report(self.ok(way("inspect", tree, "--json"))) for way in (as_host, as_sandbox))
        for seen in (host, sandbox):
            self.assertEqual(seen["root"], "dir")
            self.assertEqual(seen["disks"], [])
            self.assertEqual(schema_check.check(seen, schema_check.load("inspect.v1")), [])
        self.assertEqual(host, sandbox)

    def test_links_stay_inside(self):
        tree = self.system()
        (self.scratch / "secret").write_text("of the host\n")
        (tree / "etc/absolute").symlink_to(self.scratch / "secret")
        (tree / "etc/relative").symlink_to("../../secret")
        (tree / "secret").write_text("of the guest\n")
        for name, run in WAYS.items():
            with self.subTest(name):
                self.refused(run("cat", tree, "/etc/absolute"), 4)
                self.assertEqual(self.ok(run("cat", tree, "/etc/relative")).stdout, "of the guest\n")

    def test_what_a_user_may_not_read_stays_closed(self):
        tree = self.system()
        (tree / "etc/shadow").write_text("root:x:\n")
        (tree / "etc/shadow").chmod(0o600)
        self.assertEqual(self.ok(as_host("cat", tree, "/etc/shadow")).stdout, "root:x:\n")
        self.refused(as_user("cat", tree, "/etc/shadow"), 3, "/etc/shadow", "rights")
        self.assertIn("shadow", self.ok(as_user("ls", tree, "/etc")).stdout)
        self.ok(as_user("inspect", tree))
        tree.chmod(0o700)
        self.refused(as_user("ls", tree), 3, str(tree))

    def test_no_system_and_nothing_at_all(self):
        (self.scratch / "empty").mkdir()
        (self.scratch / "data/pictures").mkdir(parents=True)
        for name, run in WAYS.items():
            with self.subTest(name):
                self.assertEqual(self.ok(run("ls", self.scratch / "empty")).stdout, "")
                self.assertEqual(self.ok(run("ls", self.scratch / "data")).stdout, "pictures\n")
                self.refused(run("inspect", self.scratch / "data"), 4, "no operating system")

    def test_other_things(self):
        os.mkfifo(self.scratch / "fifo")
        self.refused(slipway("ls", self.scratch / "fifo"), 2, "neither a file nor a block device")
        self.refused(slipway("ls", self.scratch / "absent"), 4)
        self.refused(slipway("prove", self.system()), 3, "is a directory")


class Archives(Roots):
    def pack(self, tree, name="a.tar", *options):
        archive = self.scratch / name
        subprocess.run(["tar", "-C", tree, "-caf", archive, *options, "."], check=True)
        return archive

    def test_all_verbs_and_nothing_is_written(self):
        archive = self.pack(self.system())
        before = digest(archive)
        self.check_all_verbs(archive)
        self.check_refused_changes(archive)
        self.assertEqual(digest(archive), before)

    def test_every_compression(self):
        tree = self.system()
        for name in ("a.tar.gz", "a.tar.xz", "a.tar.zst", "a.tar.bz2"):
            archive = self.pack(tree, name)
            plain = archive.rename(self.scratch / "archive-without-a-telling-name")
            for way in (as_host, as_user):
                with self.subTest(f"{name} {way.__name__}"):
                    self.assertEqual(self.ok(way("cat", plain, "/etc/mark")).stdout, MARK)
        for kind in ("ustar", "pax", "gnu"):
            with self.subTest(kind):
                archive = self.pack(tree, f"{kind}.tar", f"--format={kind}")
                self.assertEqual(self.ok(as_host("cat", archive, "/etc/mark")).stdout, MARK)

    def test_attributes_are_kept(self):
        tree = self.system()
        (tree / "home").mkdir(exist_ok=True)
        for name in ("one", "Ünïcode ✓"):
            (tree / "home" / name).write_text(name)
        os.link(tree / "home/one", tree / "etc/two")
        os.chown(tree / "home/one", 1000, 1001)
        os.chmod(tree / "home/one", 0o4751)
        os.mknod(tree / "home/node", 0o020600, os.makedev(1, 3))
        with open(tree / "home/sparse", "wb") as sparse:
            sparse.truncate(8 << 30)
        archive = self.pack(tree, "a.tar.zst", "--sparse", "--xattrs", "--format=pax")
        for name, run in WAYS.items():
            with self.subTest(name):
                said = self.ok(run("run", archive, "--", "/bin/busybox", "stat", "-c", "%a %u %g %h %F %t:%T %s", "/home/one", "/etc/two", "/home/node", "/home/sparse"))
                one, two, node, sparse = said.stdout.splitlines()
                self.assertEqual(one, "4751 1000 1001 2 regular file 0:0 3")
                self.assertEqual(two, one)
                self.assertIn("character special file 1:3", node)
                self.assertTrue(sparse.endswith(str(8 << 30)), sparse)
                self.assertIn("Ünïcode ✓", self.ok(run("ls", archive, "/home")).stdout.splitlines())

    def hostile(self):
        """Every way that is known out of the directory that is unpacked into, and a file at the end."""
        archive = self.scratch / "hostile.tar"
        target = self.scratch / "target"
        target.mkdir(exist_ok=True)
        target.chmod(0o777)
        (target / "file").write_text("of the host\n")
        with tarfile.open(archive, "w") as tar:
            def add(name, content=b"evil\n", **fields):
                info = tarfile.TarInfo(name)
                for key, value in fields.items():
                    setattr(info, key, value)
                info.size = 0 if info.type != tarfile.REGTYPE else len(content)
                tar.addfile(info, io.BytesIO(content) if info.size else None)
            add(str(target / "absolute"))
            add("../" * 30 + str(target).lstrip("/") + "/dotdot")
            add("lead", type=tarfile.SYMTYPE, linkname=str(target))
            add("lead/through")
            add("up", type=tarfile.SYMTYPE, linkname="../" * 30)
            add("up" + str(target) + "/up")
            add("proc", type=tarfile.SYMTYPE, linkname="/proc/self/root")
            add("proc" + str(target) + "/magic")
            add("hard", type=tarfile.LNKTYPE, linkname=str(target / "file"))
            add("hard", b"replaced\n")
            add("hard2", type=tarfile.LNKTYPE, linkname="../" * 30 + str(target / "file").lstrip("/"))
            add("node", type=tarfile.BLKTYPE, devmajor=7, devminor=0, mode=0o666)
            add("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
            add(".", type=tarfile.DIRTYPE, mode=0o755)
            add("/", type=tarfile.DIRTYPE, mode=0o755)
            add("..", type=tarfile.DIRTYPE, mode=0o755)
            add("a" * 300)
            add("last", MARK.encode())
        return archive, target

    def test_hostile_names_lead_nowhere(self):
        archive, target = self.hostile()
        before = tree_digest(self.scratch)
        for name, run in WAYS.items():
            with self.subTest(name):
                self.assertEqual(self.ok(run("cat", archive, "/last")).stdout, MARK)
                self.assertEqual(self.ok(run("cat", archive, str(target / "absolute"))).stdout, "evil\n")
                self.assertNotEqual(run("cat", archive, "/null").returncode, 0)
        self.assertEqual(tree_digest(self.scratch), before)

    def test_damaged_and_other_content(self):
        archive = self.pack(self.system(), "a.tar.gz")
        plain = self.pack(self.scratch / "tree", "b.tar")
        for whole in (archive, plain):
            cut = self.scratch / f"cut-{whole.name}"
            cut.write_bytes(whole.read_bytes()[:whole.stat().st_size // 2 + 100])
            for way in (as_host, as_user):
                with self.subTest(f"{cut.name} {way.__name__}"):
                    self.refused(way("ls", cut), 4, "cut off", cut.name)
        image = mini(self.scratch / "disk.raw")
        subprocess.run(["gzip", image], check=True)
        for way in (as_host, as_user):
            self.refused(way("ls", self.scratch / "disk.raw.gz"), 3, "gzip", "unpack it first")
        (self.scratch / "junk.gz").write_bytes(b"\x1f\x8b\x08" + bytes(2000))
        self.assertIn(slipway("ls", self.scratch / "junk.gz").returncode, (3, 4))
        self.refused(slipway("ls", plain, "--source-format", "raw"), 4, "no filesystem in it is known")

    def test_a_full_disk(self):
        tree = self.system()
        (tree / "large").write_bytes(os.urandom(64 << 20))
        archive = self.pack(tree)
        with small_filesystem(self.scratch / "small", "40m") as small:
            self.refused(slipway("ls", archive, "--engine", "host", env={"TMPDIR": str(small)}), 4, "no space")


class Filesystems(Roots):
    def make(self, kind, tree):
        image = self.scratch / f"a.{kind}"
        command = {"squashfs": ["mksquashfs", tree, image, "-quiet", "-no-progress"],
                   "odd-squashfs": ["mksquashfs", tree, image, "-quiet", "-no-progress", "-nopad"],
                   "erofs": ["mkfs.erofs", image, tree], "iso": ["genisoimage", "-quiet", "-R", "-o", image, tree]}[kind]
        if shutil.which(command[0]) is None:
            self.skipTest(f"no {command[0]}")
        subprocess.run(command, check=True, capture_output=True)
        if kind == "odd-squashfs":
            # It ends within a sector, of which it has an even number: the kernel reads two at a time, and not what is
            # behind the last pair.
            with open(image, "ab") as file:
                file.write(bytes((1000 - image.stat().st_size) % 1024))
        return image

    def test_read_only_ones(self):
        tree = self.system()
        for kind in ("squashfs", "odd-squashfs", "erofs"):
            with self.subTest(kind):
                image = self.make(kind, tree)
                before = digest(image)
                self.check_all_verbs(image)
                self.check_refused_changes(image)
                self.assertEqual(digest(image), before)

    def test_a_truncated_squashfs(self):
        image = self.make("squashfs", self.system())
        image.write_bytes(image.read_bytes()[:image.stat().st_size // 2])
        for way in (as_host, as_user):
            with self.subTest(way.__name__):
                self.refused(way("ls", image), 4, image.name)

    def test_an_iso_in_the_sandbox(self):
        image = self.make("iso", self.system())
        self.assertEqual(self.ok(as_user("cat", image, "/etc/mark")).stdout, MARK)


if __name__ == "__main__":
    unittest.main()
