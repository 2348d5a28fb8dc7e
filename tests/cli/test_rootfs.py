#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Test roots, made by an ordinary user and by root from the real archive: what is in them, the same twice, each on its own, and what
happens when something is wrong."""
import contextlib
import fcntl
import http.server
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import time
import unittest
from pathlib import Path

import support
from support import digest, slipway

from builder import cache  # noqa: E402

USER_CACHE = cache.root() / "ordinary-user"
OWN, FIRST = support.OrdinaryUser.UID, support.OrdinaryUser.FIRST
SMALL = 'name = "small"\npackages = ["kmod", "procps"]\n'


def inner_id(number):
    """As the root itself sees it."""
    return 0 if number == OWN else number - FIRST + 1 if FIRST <= number < FIRST + 65536 else number


def fingerprint(tree, times=True):
    """All that can be compared of a tree's files, by path."""
    found = {}
    for folder, folders, files in os.walk(tree):
        for name in [".", *files, *(each for each in folders if os.path.islink(os.path.join(folder, each)))]:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            content = digest(path) if stat.S_ISREG(info.st_mode) else os.readlink(path) if stat.S_ISLNK(info.st_mode) else ""
            attributes = {each: os.getxattr(path, each, follow_symlinks=False) for each in os.listxattr(path, follow_symlinks=False)
                          if each != "security.capability"}
            found[os.path.normpath(os.path.relpath(path, tree))] = (oct(info.st_mode), inner_id(info.st_uid), inner_id(info.st_gid),
                                                                  info.st_mtime_ns if times else 0, content, attributes)
    return found


def inodes(tree):
    return {os.lstat(os.path.join(folder, name)).st_ino for folder, _, files in os.walk(tree) for name in files}


class RootfsCase(support.Case):
    def setUp(self):
        super().setUp()
        self.user = support.OrdinaryUser(self.scratch, USER_CACHE)
        self.roots = self.user.home / ".local/share/slipway/rootfs"
        self.layers = USER_CACHE / "rootfs/layers"
        self.others = set(self.layers.glob(".new-*"))

    def profile(self, text, name="small.toml"):
        path = self.user.home / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        return path

    def create(self, *arguments):
        return json.loads(self.ok(self.user.slipway("rootfs", "create", *arguments, "--json")).stdout)

    def check(self, name, status=0, *arguments):
        return json.loads(self.ok(self.user.slipway("rootfs", "check", name, *arguments, "--json"), status).stdout)

    def left(self):
        """What stands in the place of roots, and of layers that are not whole."""
        roots = [entry.name for entry in self.roots.iterdir()] if self.roots.is_dir() else []
        return sorted(roots), sorted(entry.name for entry in set(self.layers.glob(".new-*")) - self.others)


class TestMinimal(RootfsCase):
    def test_create_check_list_delete(self):
        made = self.create("--profile", "minimal")
        root = self.roots / "minimal"
        self.assertEqual(made["root"]["path"], str(root))
        text = self.ok(self.user.slipway("rootfs", "check", "minimal")).stdout
        self.assertIn(f"✓ Rootfs is configured and ready at {root}\n\nSize: ", text)
        self.assertRegex(text, r"\nRelease: \w+ \(\w.*\)\nTest users: none\n")
        facts = self.check("minimal")
        self.assertEqual((facts["state"], facts["problems"], facts["remedy"]), ("ready", [], ""))
        self.assertGreater(facts["root"]["size"], 50 << 20)
        self.assertIn("procps", facts["root"]["packages"])
        listed = json.loads(self.ok(self.user.slipway("rootfs", "list", "--json")).stdout)
        self.assertEqual([each["name"] for each in listed["roots"]], ["minimal"])
        self.assertEqual(stat.S_IMODE(self.roots.stat().st_mode), 0o700, "others could start its set-uid programs")
        self.refused(self.user.slipway("rootfs", "create", "--profile", "minimal"), 4, "is there already", "--force")
        self.ok(self.user.slipway("rootfs", "delete", "minimal"))
        self.assertEqual(self.left(), ([], []))
        self.refused(self.user.slipway("rootfs", "check", "minimal"), 4, "there is no root", "slipway rootfs create")

    def test_each_root_is_on_its_own(self):
        self.create("one", "--profile", "minimal")
        second = self.create("two", "--profile", "minimal")
        self.assertFalse(second["base_built"] or second["layer_built"])
        one, two = self.roots / "one", self.roots / "two"
        before = fingerprint(two)
        self.assertEqual(fingerprint(one), before)
        layers = set().union(*(inodes(layer) for layer in self.layers.iterdir() if layer.is_dir()))
        self.assertFalse(inodes(one) & inodes(two) or inodes(one) & layers, "files are shared")
        for path in ("etc/passwd", "usr/bin/env", "etc/slipway-rootfs.json"):
            (one / path).write_bytes(b"changed")
        shutil.rmtree(one / "usr/share")
        self.assertEqual(fingerprint(two), before)
        third = self.create("three", "--profile", "minimal")
        self.assertEqual(fingerprint(third["root"]["path"]), before)

    def test_the_same_bytes_twice_and_as_root(self):
        self.create("one", "--profile", "minimal")
        with contextlib.ExitStack() as stack:
            for layer in [entry for entry in self.layers.iterdir() if entry.is_dir()]:
                layer.rename(layer.with_name("." + layer.name))
                stack.callback(shutil.rmtree, layer.with_name("." + layer.name))
            again = self.create("two", "--profile", "minimal")
        self.assertTrue(again["base_built"])
        first = fingerprint(self.roots / "one")
        self.assertEqual(fingerprint(self.roots / "two"), first)
        self.ok(slipway("rootfs", "create", "--profile", "minimal", "--path", self.scratch / "by-root", timeout=300))
        self.assertEqual(fingerprint(self.scratch / "by-root"), first)
        self.assertEqual(first["etc/resolv.conf"][4], digest("/dev/null"))
        host = socket.gethostname().encode()
        named = [path for path in first if (each := self.roots / "one" / path).is_file() and not each.is_symlink()
                 and path.startswith(("etc/host", "etc/mail", "etc/machine", "etc/apt")) and len(host) > 2 and host in each.read_bytes()]
        self.assertEqual(named, [])
        for empty in ("dev", "run", "tmp", "var/tmp", "var/cache/apt", "var/lib/apt/lists"):
            self.assertEqual(os.listdir(self.roots / "one" / empty), [], empty)


class TestFstests(RootfsCase):
    def test_trap12_users_and_programs(self):
        made = self.create("t")
        root = self.roots / "t"
        self.assertEqual([user["name"] for user in made["root"]["users"]], ["fsqa", "fsgqa2", "fsgqa", "123456-fsgqa"])
        passwd = (root / "etc/passwd").read_text(encoding="utf-8")
        for line in ("fsqa:x:1000:1000::/home/fsqa:/bin/bash", "fsgqa2:x:1001:1001::/home/fsgqa2:/bin/bash", "123456-fsgqa:x:1003:1003:"):
            self.assertIn(line, passwd)
        self.assertIn("\nfsgqa:x:1002:fsqa\n", (root / "etc/group").read_text(encoding="utf-8"))
        self.assertEqual((root / "home/fsgqa2").stat().st_uid, FIRST + 1000)
        self.assertTrue((root / "home/fsqa/.bashrc").is_file())
        sudo = (root / "usr/bin/sudo").stat()
        self.assertEqual((sudo.st_uid, stat.S_IMODE(sudo.st_mode)), (OWN, 0o4755))
        self.assertIn("Test users: fsqa, fsgqa2, fsgqa, 123456-fsgqa\n", self.ok(self.user.slipway("rootfs", "check", "t")).stdout)
        self.spoil(root)

    def spoil(self, root):
        """What is missing is told; without what no system lives without, it is broken."""
        passwd = root / "etc/passwd"
        passwd.write_text("".join(line for line in passwd.read_text().splitlines(True) if not line.startswith("fsgqa:")))
        (root / "usr/sbin/xfs_io").unlink()
        found = self.check("t", 4)
        self.assertEqual(found["state"], "partial")
        self.assertEqual(found["problems"], ["the user fsgqa is missing", "the program xfs_io is missing"])
        self.assertRegex(found["remedy"], r"^slipway rootfs create t --profile fstests --release \w+ --force$")
        passwd.rename(root / "etc/kept")
        passwd.mkdir()
        found = self.check("t", 4)
        self.assertEqual((found["state"], found["problems"]), ("broken", ["/etc/passwd is no regular file"]))
        (root / "etc/slipway-rootfs.json").write_text('{"schema": "slipway.rootfs.v0"}')
        self.assertEqual(self.check("t", 4)["state"], "broken")
        self.refused(self.user.slipway("rootfs", "delete", root), 4, "manifest", f"slipway rootfs delete {root} --force")
        self.assertIn("broken: `slipway rootfs check t`", self.ok(self.user.slipway("rootfs", "list")).stdout)
        self.refused(self.user.slipway("rootfs", "create", "t", "--force"), 4, "manifest")
        moved = self.user.home / "a broken root"
        root.rename(moved)
        remedy = self.check(moved, 4)["remedy"]
        self.assertTrue(remedy.startswith(f"slipway rootfs delete '{moved}' --force; "), remedy)
        self.ok(self.user.slipway("rootfs", "delete", moved, "--force"))
        self.assertFalse(moved.exists())
        self.assertEqual(self.left(), ([], []))


class TestProfile(RootfsCase):
    EDITED = SMALL + '''
commands = ["test $(id -u) = 0 && echo made > /etc/by-command && ! test -e /sys/kernel && ls /dev/null /proc/self > /dev/null"]
checks = ["/etc/by-command"]
[[users]]
name = "u"
uid = 1005
[[files]]
path = "/srv/deep/file"
mode = "4711"
owner = "u:daemon"
content = "text"
'''

    def test_an_edit_rebuilds_its_layer_only(self):
        path = self.profile(SMALL)
        self.create("r", "--profile", path)
        self.assertEqual(self.check("r", 0, "--profile", path)["state"], "ready")
        self.profile(self.EDITED.replace("text", f"text of {time.time_ns()}"))  # in no cache
        found = self.check("r", 1, "--profile", path)
        self.assertEqual((found["state"], found["problems"]), ("stale", ["the profile small has changed since"]))
        made = self.create("r", "--profile", path, "--force")
        self.assertEqual((made["base_built"], made["layer_built"]), (False, True))
        self.addCleanup(shutil.rmtree, self.layers / json.loads((self.roots / "r/etc/slipway-rootfs.json").read_text())["layer"])
        self.assertEqual(self.check("r", 0, "--profile", path)["state"], "ready")
        root = self.roots / "r"
        self.assertEqual((root / "etc/by-command").read_text(), "made\n")
        file = (root / "srv/deep/file").stat()
        self.assertEqual((file.st_uid, file.st_gid, stat.S_IMODE(file.st_mode)), (FIRST + 1004, FIRST, 0o4711))
        newest = max(entry[3] for entry in fingerprint(root).values())
        self.assertLessEqual(newest, time.time_ns() - 3600 * 10**9, "a time of this build is in it")

    def test_a_command_that_fails_leaves_nothing(self):
        path = self.profile(SMALL + 'commands = ["echo to you >&2; exit 3"]\n')
        self.refused(self.user.slipway("rootfs", "create", "r", "--profile", path), 4, "exit 3", "to you", "exit status 3")
        self.assertEqual(self.left(), ([], []))
        self.refused(self.user.slipway("rootfs", "create", "--path", self.user.home / "new/deep/root", "--profile", path), 4)
        self.assertFalse((self.user.home / "new").exists())

    def test_mistakes(self):
        for text, words in (("name = 'a'\nnmae = 1\n", ("line 2", "'nmae'")), ("name = \n", ("line 1",)),
                            ("name = 'a'\npackages = ['no package']\n", ("'no package'",))):
            self.refused(self.user.slipway("rootfs", "create", "--profile", self.profile(text)), 2, "small.toml", *words)
        shipped = self.ok(self.user.slipway("rootfs", "profile", "minimal")).stdout
        self.refused(self.user.slipway("rootfs", "create", "--profile", self.profile(shipped.replace("packages = [", "packages = ['bc', "))), 2,
                     "is called 'minimal'", "a name of its own")
        os.mkfifo(self.user.home / "pipe.toml", 0o666)
        self.refused(self.user.slipway("rootfs", "create", "--profile", self.user.home / "pipe.toml", timeout=30), 2, "pipe.toml")
        self.refused(self.user.slipway("rootfs", "create", "--profile", "nothing"), 4, "no profile 'nothing'", "fstests, minimal")
        self.assertIn('name = "fstests"', self.ok(self.user.slipway("rootfs", "profile", "fstests")).stdout)
        self.assertEqual(self.left(), ([], []))


class TestPlace(RootfsCase):
    def test_what_is_not_ours_stays(self):
        mine = self.user.home / "mine"
        mine.mkdir()
        (mine / "file").write_text("a", encoding="utf-8")
        (self.user.home / "link").symlink_to(mine)
        for command in (("create", "--profile", "minimal", "--force", "--path"), ("delete",), ("check",)):
            for path, word in ((mine, "no test root"), (self.user.home / "link", "symbolic link"), (mine / "file", "directory")):
                self.refused(self.user.slipway("rootfs", *command, path), 2, word)
        refused = self.user.slipway("rootfs", "delete", self.user.home / "link", "--force")
        self.assertNotIn("--force", refused.stderr)
        for path in ("/", self.user.home):
            self.refused(self.user.slipway("rootfs", "create", "--profile", "minimal", "--path", path), 2, "no place for a test root")
            self.refused(self.user.slipway("rootfs", "delete", path), 2)
        (mine / "etc").mkdir()
        for marker in ("", "{}"):
            (mine / "etc/slipway-rootfs.json").write_text(marker)
            self.refused(self.user.slipway("rootfs", "delete", mine, "--force"), 4, "only roots of Slipway's are deleted")
        for name in ("..", "a b", ".hidden"):
            self.refused(self.user.slipway("rootfs", "create", name, "--profile", "minimal"), 2, "no name of a root")
        self.refused(self.user.slipway("rootfs", "create", ""), 2, "NAME", "empty")
        self.refused(self.user.slipway("rootfs", "create", "name", "--path", self.user.home / "path"), 2, "not both")
        self.assertEqual((mine / "file").read_text(encoding="utf-8"), "a")

    def test_what_is_mounted_in_it_stays(self):
        if os.geteuid() != 0:
            self.skipTest("not root")
        self.create("r", "--profile", "minimal")
        root, mine = self.roots / "r", self.user.home / "mine"
        mine.mkdir()
        (mine / "file").write_text("a", encoding="utf-8")
        subprocess.run(["mount", "--bind", mine, root / "mnt"], check=True)
        self.addCleanup(subprocess.run, ["umount", root / "mnt"], check=True)
        for command in (("delete", "r"), ("create", "r", "--profile", "minimal", "--force")):
            self.refused(self.user.slipway("rootfs", *command), 4, f"something is mounted at {root}/mnt", "umount")
        self.assertEqual((mine / "file").read_text(encoding="utf-8"), "a")

    def test_a_root_in_use_stays(self):
        self.create("r", "--profile", "minimal")
        root = os.open(self.roots / "r", os.O_RDONLY)
        try:
            fcntl.flock(root, fcntl.LOCK_SH)
            for command in (("delete", "r"), ("create", "r", "--profile", "minimal", "--force")):
                self.assertIn("is in use", self.refused(self.user.slipway("rootfs", *command), 4).stderr)
        finally:
            os.close(root)
        self.assertEqual(self.check("r")["state"], "ready")
        self.ok(self.user.slipway("rootfs", "delete", "r"))

    def test_no_space(self):
        with support.small_filesystem(self.user.home / "full", "20m") as full:
            os.chown(full, OWN, OWN)
            self.user.mounts.append((full, full))
            self.refused(self.user.slipway("rootfs", "create", "--profile", "minimal", "--path", full / "r"), 4, "no room", "choose another place")
            self.assertEqual(os.listdir(full), [])
            self.refused(self.user.slipway("rootfs", "create", "--profile", "minimal", "--format", "tar", "--path", full / "r.tar"), 4, "No space left")
            self.assertEqual(os.listdir(full), [])


class TestSources(RootfsCase):
    def refuse(self, status, *words, arguments=()):
        self.refused(self.user.slipway("rootfs", "create", "r", "--profile", "minimal", *arguments), status, *words)
        self.assertEqual(self.left(), ([], []))

    def test_releases_mirrors_and_keys(self):
        self.refuse(2, "'warty'", "jammy", arguments=("--release", "warty"))
        if not Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg").exists():
            self.refuse(4, "Ubuntu", "--keyring", arguments=("--release", "jammy"))
        self.refuse(2, "'ftp://x'", arguments=("--mirror", "ftp://x"))
        self.refuse(4, "127.0.0.1:9/", "--mirror", arguments=("--mirror", "http://127.0.0.1:9/debian"))
        self.refuse(4, "keys", arguments=("--keyring", "/nonexistent"))
        empty = self.profile("", "no-keys.gpg")
        self.refuse(4, "not signed by a key", "no-keys.gpg", arguments=("--keyring", empty))

    def test_a_mirror_without_the_release(self):
        handler = lambda *given: http.server.SimpleHTTPRequestHandler(*given, directory=str(self.user.home))  # noqa: E731
        handler.log_message = lambda *_: None
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                self.refuse(4, "has no release bookworm", "--release",
                            arguments=("--release", "bookworm", "--mirror", f"http://127.0.0.1:{server.server_port}/debian"))
            finally:
                server.shutdown()

    def test_a_package_that_is_not_there(self):
        self.refuse(4, "no package nosuchpackage", arguments=("--packages", "nosuchpackage"))
        self.refuse(2, "'--bad'", arguments=("--packages=--bad",))

    def test_a_user_without_subordinate_ids(self):
        self.user = support.OrdinaryUser(self.scratch, USER_CACHE, subordinate=False)
        self.refuse(3, "subordinate ids", "usermod", arguments=())


class TestInterrupted(RootfsCase):
    def settle(self, process):
        process.wait(60)
        if not process.stdout.closed:
            process.communicate()
        until = time.monotonic() + 10
        while support.our_processes() and time.monotonic() < until:
            time.sleep(0.05)
        self.assertEqual(support.our_processes(), [])

    def unfinished_build(self, until_there="usr/bin"):
        """A build of packages that no other test wants, in the middle of its work."""
        path = self.profile(SMALL.replace("procps", "sl"))
        process = self.user.start("rootfs", "create", "r", "--profile", path)
        until = time.monotonic() + 120
        while not {path for each in set(self.layers.glob(".new-*")) - self.others for path in each.glob(until_there)}:
            self.assertIsNone(process.poll(), process.poll() and process.stderr.read())
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)
        return process

    def test_trap12_killed_while_packages_are_installed(self):
        process = self.unfinished_build()
        process.kill()  # unshare, sh, setpriv and env have each become the next
        self.settle(process)
        self.assertEqual(self.left()[0], [])
        self.assertEqual(len(self.left()[1]), 1)
        told = self.ok(self.user.slipway("cleanup", "--dry-run")).stdout
        self.assertIn("a test root that was not finished", told)
        self.ok(self.user.slipway("cleanup"))
        self.assertEqual(self.left(), ([], []))

    def test_stopped_by_the_user(self):
        for moment in ("usr/bin", "var/log/dpkg.log"):  # the latter is written while /proc and /dev are mounted in it
            with self.subTest(moment=moment):
                process = self.unfinished_build(moment)
                process.send_signal(signal.SIGINT)
                _, told = process.communicate(timeout=60)
                self.settle(process)
                self.assertEqual(process.returncode, 130)
                self.assertEqual(told, "slipway: mmdebstrap was stopped on request\n")
                self.assertEqual(self.left(), ([], []))

    def test_trap12_killed_while_the_root_is_copied(self):
        self.create("r", "--profile", "minimal")
        self.ok(self.user.slipway("rootfs", "delete", "r"))
        for delay in (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6):
            process = self.user.start("rootfs", "create", "r", "--profile", "minimal")
            time.sleep(delay)
            process.kill()
            self.settle(process)
            if (self.roots / "r").exists():
                self.assertEqual(self.check("r")["state"], "ready")
                self.ok(self.user.slipway("rootfs", "delete", "r"))
        self.create("r", "--profile", "minimal")
        self.assertEqual(self.left(), (["r"], []))

    def test_two_at_once(self):
        ends = [self.user.start("rootfs", "create", name, "--profile", "minimal") for name in ("a", "b", "b")]
        statuses = [process.wait(120) for process in ends]
        for process in ends:
            process.communicate()
        self.assertEqual(sorted(statuses), [0, 0, 4], "one of the two of one name comes too late")
        self.assertEqual(self.left()[0], ["a", "b"])
        self.assertEqual(fingerprint(self.roots / "a"), fingerprint(self.roots / "b"))


class TestFiles(RootfsCase):
    def image(self, kind):
        path = self.user.home / f"root.{kind}"
        self.create("--profile", self.profile(TestProfile.EDITED), "--format", kind, "--path", path)
        self.assertEqual(path.stat().st_uid, OWN)
        return path

    def test_formats(self):
        tar = self.image("tar")
        with tarfile.open(tar) as archive:
            members = {member.name: member for member in archive}
        self.assertEqual(list(members), sorted(members, key=lambda name: name.split("/")))
        file = members["./srv/deep/file"]
        self.assertEqual((file.uid, file.gid, file.mode), (1005, 1, 0o4711))
        first = digest(tar)
        self.refused(self.user.slipway("rootfs", "create", "--profile", self.user.home / "small.toml", "--format", "tar", "--path", tar), 4, "--force")
        tar.unlink()
        self.assertEqual(digest(self.image("tar")), first)
        listing = subprocess.run(["unsquashfs", "-lln", self.image("squashfs"), "srv/deep/file"], check=True, capture_output=True, text=True).stdout
        self.assertRegex(listing, r"-rws--x--x 1005/1 +4 .*srv/deep/file")
        dump = subprocess.run(["dump.erofs", "--path=/srv/deep/file", self.image("erofs")], check=True, capture_output=True, text=True).stdout
        self.assertRegex(dump, r"Uid: 1005 +Gid: 1 +Access: 0711")
        raw = self.scratch / "raw"
        qcow2 = self.image("qcow2")
        subprocess.run(["qemu-img", "convert", "-O", "raw", qcow2, raw], check=True)
        found = subprocess.run(["debugfs", "-R", "stat /srv/deep/file", raw], check=True, capture_output=True, text=True).stdout
        self.assertRegex(found, r"User: +1005 +Group: +1 ")
        for kind in ("squashfs", "erofs", "qcow2"):
            first = digest(self.user.home / f"root.{kind}")
            (self.user.home / f"root.{kind}").unlink()
            self.assertEqual(digest(self.image(kind)), first, kind)
        self.refused(self.user.slipway("rootfs", "create", "--format", "zip", "--path", "/tmp/x"), 2, "'zip'")
        self.refused(self.user.slipway("rootfs", "create", "--format", "tar"), 2, "--path")

    def check_what_only_root_makes(self, root):
        os.setxattr(root / "etc", "trusted.overlay.opaque", b"y")
        for name, number in (("null", os.makedev(1, 3)), ("mem", os.makedev(1, 1))):
            os.mknod(root / "dev" / name, stat.S_IFCHR | 0o666, number)
        self.assertEqual(self.ok(slipway("rootfs", "export", root, self.scratch / "r.tar", "-q")).stdout, "")
        done = self.ok(slipway("rootfs", "import", self.scratch / "r.tar", "--path", self.scratch / "new/again"))
        self.assertIn("left out: ./dev/mem\n", done.stderr)
        self.assertEqual(os.listdir(self.scratch / "new/again/dev"), ["null"])
        self.assertEqual(os.listxattr(self.scratch / "new/again/etc"), [])
        # An ordinary user may make no device node at all; what is in /dev comes with the machine.
        for name in ("r.tar", "r.tar.sha256"):
            shutil.copy(self.scratch / name, self.user.home / name)
            (self.user.home / name).chmod(0o644)
        done = self.ok(self.user.slipway("rootfs", "import", self.user.home / "r.tar", "from-root"))
        self.assertIn("left out: ./dev/mem, ./dev/null\n", done.stderr)
        self.assertEqual(os.listdir(self.roots / "from-root/dev"), [])
        self.ok(self.user.slipway("rootfs", "delete", "from-root"))

    def test_export_and_import(self):
        path = self.profile(TestProfile.EDITED)
        self.create("r", "--profile", path)
        file = self.user.home / "r.tar.zst"
        told = json.loads(self.ok(self.user.slipway("rootfs", "export", "r", file, "--json")).stdout)
        self.assertEqual(told["sha256"], digest(file))
        subprocess.run(["sha256sum", "-c", "r.tar.zst.sha256"], cwd=self.user.home, check=True, capture_output=True)
        self.ok(self.user.slipway("rootfs", "import", file, "copy"))
        self.assertEqual(fingerprint(self.roots / "copy"), fingerprint(self.roots / "r"))
        self.assertEqual(self.check("copy", 0, "--profile", path)["state"], "ready")
        self.ok(slipway("rootfs", "import", file, "--path", self.scratch / "by-root"))
        self.assertEqual(fingerprint(self.scratch / "by-root"), fingerprint(self.roots / "r"))
        self.check_what_only_root_makes(self.scratch / "by-root")
        self.refused(self.user.slipway("rootfs", "import", file, "name", "--path", self.user.home / "x"), 2, "not both")
        self.refused(self.user.slipway("rootfs", "export", "r", file), 4, "--force")
        self.refused(self.user.slipway("rootfs", "export", "r", self.user.home / "r.zip"), 2, ".tar.zst")
        self.refused(self.user.slipway("rootfs", "import", file, "r"), 4, "is there already")
        self.refused(self.user.slipway("rootfs", "import", file, "other", "--sha256", "0" * 64), 4, "checksum")
        self.refused(self.user.slipway("rootfs", "import", file, "other", "--sha256", "12"), 2, "64 hexadecimal")
        with open(file, "r+b") as archive:
            archive.truncate(file.stat().st_size // 2)
        self.refused(self.user.slipway("rootfs", "import", file, "other"), 4, "checksum")
        self.refused(self.user.slipway("rootfs", "import", file, "other", "--sha256", digest(file)), 4)
        self.refused(self.user.slipway("rootfs", "import", self.user.home / "none.tar", "other"), 4, "none.tar: No such file")
        self.assertEqual([each["size"] for each in json.loads(self.ok(self.user.slipway("rootfs", "list", "--json")).stdout)["roots"]], [None, None])
        Path(f"{file}.sha256").unlink()
        self.refused(self.user.slipway("rootfs", "import", file, "other"), 2, "--sha256")
        os.mkfifo(self.user.home / "pipe.tar", 0o666)
        self.refused(self.user.slipway("rootfs", "import", self.user.home / "pipe.tar", "other", "--sha256", "0" * 64), 2, "no regular file")
        with tarfile.open(self.user.home / "no-root.tar", "w") as archive:
            archive.add(path, "etc/passwd")
        foreign = self.user.home / "no-root.tar"
        foreign.chmod(0o644)
        self.refused(self.user.slipway("rootfs", "import", foreign, "other", "--sha256", digest(foreign)), 4, "no test root")
        self.assertEqual(self.left(), (["copy", "r"], []))


if __name__ == "__main__":
    sys.exit(unittest.main())
