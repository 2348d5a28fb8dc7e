#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""slipway boot: kernels under test in virtual machines, as an ordinary user and as root."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from support import SLIPWAY, Case, OrdinaryUser, slipway

from builder import cache, kernel

UID = OrdinaryUser.UID
UML = "/usr/bin/linux.uml"
CRASH = "echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger; sleep 60"


class Kernels(Case):
    """An ordinary user with a fstests root of their own."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            return
        place = tempfile.TemporaryDirectory(prefix="slipway-user-", dir="/var/tmp")
        cls.addClassCleanup(place.cleanup)
        cls.user = OrdinaryUser(Path(place.name), cache.root() / "ordinary-user")
        made = cls.user.slipway("rootfs", "create", "fstests", timeout=300)
        if made.returncode != 0:
            raise RuntimeError(made.stderr)
        cls.root = cls.user.home / ".local/share/slipway/rootfs/fstests"
        # Debian's package, where the user can read it.
        cls.package = cls.user.home / "linux-image.deb"
        shutil.copy(kernel.package(), cls.package)

    def boot(self, *command, kernel=UML, root="fstests", options=(), timeout=180, input=None):
        return self.user.slipway("boot", "--kernel", kernel, *(["--root", root] if root else []), *options, "--", *command,
                                 timeout=timeout, input=input)

    def directory_beside_this_machines_tree(self, kernel):
        mine = self.own("beside")
        result = self.ok(self.boot("sh", "-c", "mkdir /work/new && echo result > /work/file && chmod 640 /work/file && stat -c %u /work/file",
                                   kernel=kernel, root="host", options=["--rwdir", f"/work={mine}"]))
        self.assertEqual((result.stdout, result.stderr), (f"{UID}\n", ""))
        self.assertEqual([(path.stat().st_mode & 0o777, path.stat().st_uid) for path in (mine / "file", mine / "new")], [(0o640, UID), (0o755, UID)])

    def own(self, name):
        """A directory of the user."""
        directory = self.user.home / name
        directory.mkdir()
        os.chown(directory, UID, UID)
        self.addCleanup(shutil.rmtree, directory)
        return directory


class TestUserModeLinux(Kernels):
    def test_output_errors_status_and_input_are_the_commands(self):
        result = self.ok(self.boot("sh", "-c", "read word; echo out $word; echo err >&2; exit 3", input="hello\n"), 3)
        self.assertEqual((result.stdout, result.stderr), ("out hello\n", "err\n"))

    def test_variables_replace_the_usual_ones(self):
        """The first of equal ones would count for most programs."""
        result = self.ok(self.boot("env", options=["--env", "HOME=/mine", "--env", "PATH=/bin:/mine", "--env", "LC_ALL=C"]))
        for wanted in ("HOME=/mine", "PATH=/bin:/mine", "LC_ALL=C", "USER=root"):
            self.assertEqual([line for line in result.stdout.splitlines() if line.split("=")[0] == wanted.split("=")[0]], [wanted])

    def test_command_that_is_not_there_or_is_killed(self):
        self.assertIn("no-such in the machine: No such file", self.ok(self.boot("no-such"), 127).stderr)
        self.ok(self.boot("sh", "-c", "kill -9 $$"), 137)

    def test_owners_are_right(self):
        result = self.ok(self.boot("sh", "-c", "su fsgqa -c 'id -un; id -u'; su fsgqa2 -c 'id -u'; su 123456-fsgqa -c id; "
                                   "stat -c '%U:%G %a' /etc/shadow /usr/bin/passwd; su fsgqa -c 'passwd -S fsgqa'"))
        self.assertIn("fsgqa\n1002\n1001\n", result.stdout)
        self.assertIn("root:shadow 640\nroot:root 4755\n", result.stdout)
        # passwd is set-uid: only so it reads /etc/shadow.
        self.assertRegex(result.stdout, r"(?m)^fsgqa [LNP]+ ")

    def test_changes_stay_in_memory(self):
        before = sorted((path, path.lstat().st_mtime_ns) for path in self.root.rglob("*"))
        self.ok(self.boot("sh", "-c", "echo changed > /etc/passwd; rm -rf /usr/share; touch /new; mkdir /etc/new; sync"))
        self.assertEqual(sorted((path, path.lstat().st_mtime_ns) for path in self.root.rglob("*")), before)

    def test_with_rw_changes_go_to_the_root(self):
        self.ok(self.user.slipway("rootfs", "create", "written", "--profile", "minimal", timeout=300))
        self.ok(self.boot("sh", "-c", "echo kept > /etc/kept; install -o 33 -g 33 -m 640 /etc/passwd /etc/theirs", root="written",
                          options=["--rw"]))
        root = self.root.parent / "written"
        self.assertEqual((root / "etc/kept").read_text(), "kept\n")
        self.assertEqual((root / "etc/theirs").stat().st_uid, 200000 + 32)
        self.ok(self.user.slipway("rootfs", "delete", "written"))
        self.assertFalse(root.exists())

    def test_directories_for_writing_and_for_reading(self):
        mine, theirs = self.own("mine"), self.own("theirs")
        (theirs / "file").write_text("text")
        result = self.ok(self.boot("sh", "-c", "cat /theirs/file; touch /theirs/new; echo result > /mnt/deep/below/file; stat -c %u /mnt/deep/below/file",
                                   options=["--rwdir", f"/mnt/deep/below={mine}", "--rodir", f"/theirs={theirs}"]))
        self.assertEqual(result.stdout, "text0\n")
        self.assertIn("Read-only file system", result.stderr)
        self.assertEqual((mine / "file").read_text(), "result\n")
        self.assertEqual((mine / "file").stat().st_uid, UID)
        self.assertEqual(list(theirs.iterdir()), [theirs / "file"])

    def test_trap13_disks_are_found_by_serial_number(self):
        disk = self.own("disks") / "disk.raw"
        with disk.open("wb") as file:
            file.truncate(64 << 20)
        os.chown(disk, UID, UID)
        first, second = f"{disk},serial=first", "1G,serial=second"
        for options in ([first, second], [second, first]):
            result = self.ok(self.boot("sh", "-c", "for name in first second; do blockdev --getsize64 /dev/disk/by-id/virtio-$name; done",
                                       options=["--disk", options[0], "--disk", options[1]]))
            self.assertEqual(result.stdout.split(), [str(64 << 20), str(1 << 30)])
        self.ok(self.boot("sh", "-c", "mkfs.ext4 -q /dev/disk/by-id/virtio-first && mount /dev/disk/by-id/virtio-first /mnt && echo kept > /mnt/file",
                          options=["--disk", first]))
        result = self.ok(self.boot("sh", "-c", "mount /dev/disk/by-id/virtio-first /mnt && cat /mnt/file", options=["--disk", first]))
        self.assertEqual(result.stdout, "kept\n")
        held = self.user.start("boot", "--kernel", UML, "--root", "fstests", "--disk", first, "--", "sh", "-c", "echo begun; sleep 600")
        self.addCleanup(held.communicate)
        self.addCleanup(held.kill)
        self.assertEqual(held.stdout.readline(), "begun\n")
        self.refused(self.boot("true", options=["--disk", first]), 125, "disk.raw", "in use")

    def test_its_modules_are_there(self):
        result = self.ok(self.boot("sh", "-c", "modprobe dm-flakey && grep -c ^dm_flakey /proc/modules; ls /lib/modules"))
        self.assertEqual(result.stdout.split()[0], "1")
        self.assertEqual(len(result.stdout.split()), 2)

    def test_panic_is_found_and_named(self):
        result = self.ok(self.boot("sh", "-c", CRASH), 125)
        self.assertRegex(result.stderr, r"kernel panic at \d+\.\d+ s in \w*sysrq\w* \(line \d+ of the console\): Kernel panic - not syncing: sysrq triggered crash")
        told = json.loads(self.user.slipway("boot", "--kernel", UML, "--root", "fstests", "--json", "--", "sh", "-c",
                                            "echo before; sleep 1; " + CRASH).stdout)
        self.assertEqual((told["end"], told["status"], told["stdout"]), ("panicked", None, "before\n"))
        self.assertEqual([(report["kind"], report["fatal"]) for report in told["reports"]], [("panic", True)])

    def test_a_restart_is_the_end(self):
        result = self.boot("sh", "-c", CRASH.replace("echo c", "echo b"), options=["--timeout", "60"])
        self.refused(result, 125, "the machine ended while the command ran")

    def test_hang_is_ended_by_the_timeout(self):
        started = time.monotonic()
        result = self.ok(self.boot("sh", "-c", "echo begun; sleep 600", options=["--timeout", "8"]), 124)
        self.assertEqual(result.stdout, "begun\n")
        self.assertLess(time.monotonic() - started, 60)

    def test_who_eats_all_memory_is_killed(self):
        result = self.ok(self.boot("sh", "-c", "echo 1000 > /proc/self/oom_score_adj; exec tail /dev/zero",
                                   options=["--memory", "256M"]), 137)
        self.assertIn("kernel oom", result.stderr)

    def test_what_a_command_leaves_behind_does_not_keep_it(self):
        started = time.monotonic()
        self.assertEqual(self.ok(self.boot("sh", "-c", "sleep 600 & echo done")).stdout, "done\n")
        self.assertLess(time.monotonic() - started, 60)

    def test_killed_at_any_moment_nothing_is_left(self):
        for delay in (0.05, 0.3, 0.8, 2.5):
            running = self.user.start("boot", "--kernel", UML, "--root", "fstests", "--disk", "100M,serial=a", "--", "sleep", "600")
            time.sleep(delay)
            running.send_signal(signal.SIGKILL)
            running.communicate()
            self.assertEqual(self.settled_leaks(), {}, delay)

    def test_stopped_by_ctrl_c(self):
        running = self.user.start("boot", "--kernel", UML, "--root", "fstests", "--", "sh", "-c", "echo begun; sleep 600")
        self.assertEqual(running.stdout.readline(), "begun\n")
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
        self.assertEqual(running.returncode, 130)

    def test_the_root_is_not_deleted_meanwhile(self):
        link = self.user.home / "link"
        link.symlink_to(json.loads(self.ok(self.user.slipway("rootfs", "check", "fstests", "--json")).stdout)["root"]["path"])
        running = self.user.start("boot", "--kernel", UML, "--root", link, "--", "sh", "-c", "echo begun; sleep 600")
        self.assertEqual(running.stdout.readline(), "begun\n")
        self.refused(self.user.slipway("rootfs", "delete", "fstests"), 4, "in use", "end the machine")
        self.refused(self.boot("true", options=["--rw"]), 125, "in use", "end the machine")
        running.kill()
        running.communicate()

    def test_this_machines_own_tree(self):
        result = self.ok(self.boot("sh", "-c", "id -u; stat -c %u /usr/bin/su; touch /etc/slipway-was-here && echo written", root="host"))
        self.assertEqual(result.stdout, "0\n0\nwritten\n")
        self.assertFalse(Path("/etc/slipway-was-here").exists())
        self.refused(self.boot("true", root="host", options=["--rw"]), 125, "only read")
        self.directory_beside_this_machines_tree(UML)

    def test_without_a_root_the_minimal_one_is_made(self):
        result = self.ok(self.boot("cat", "/etc/os-release", root="", timeout=300))
        self.assertIn("ID=debian", result.stdout)
        self.assertTrue((self.root.parent / "minimal/etc/slipway-rootfs.json").exists())

    def test_an_image_as_the_root(self):
        image = self.user.home / "root.erofs"
        self.addCleanup(image.unlink)
        self.ok(self.user.slipway("rootfs", "create", "--profile", "minimal", "--format", "erofs", "--path", image, timeout=300))
        result = self.ok(self.boot("sh", "-c", "stat -c %G /etc/shadow; touch /etc/new && echo written", root=image))
        self.assertEqual(result.stdout, "shadow\nwritten\n")
        self.refused(self.boot("true", root=image, options=["--rw"]), 125, "is an image", "leave --rw out")

    def test_a_package_of_user_mode_linux(self):
        subprocess.run(["apt-get", "download", "-qq", "user-mode-linux"], cwd=self.user.home, check=True, capture_output=True)
        package = next(self.user.home.glob("user-mode-linux*.deb"))
        self.addCleanup(package.unlink)
        result = self.ok(self.boot("sh", "-c", "modprobe dm-mod && echo loaded", kernel=package))
        self.assertEqual(result.stdout, "loaded\n")

    def test_bad_kernels(self):
        home = self.user.home
        arm = home / "Image"
        arm.write_bytes(bytes(0x38) + b"ARM\x64" + bytes(4096))
        (home / "tree").mkdir()
        (home / "built").mkdir()
        (home / "built/.config").write_text("CONFIG_X86_64=y\n")
        for path, words in ((home / "none", ["there is no kernel"]), ("/etc/passwd", ["no Linux kernel"]), ("/usr/bin/env", ["no Linux kernel"]),
                            (arm, ["a kernel for aarch64"]), (home / "tree", ["no .config"]), (home / "built", ["is not built", "run make"]),
                            ("/dev/null", ["no Linux kernel"])):
            self.refused(self.boot("true", kernel=path), 125, *words)

    def test_bad_requests(self):
        for options, status, words in (
                (["--disk", "/dev/null"], 125, ["no regular file"]), (["--disk", "1G,serial=a/b"], 2, ["serial number"]),
                (["--disk", "1G,serial=slipway-root"], 2, ["slipway-root is kept"]), (["--disk", "0"], 2, ["has no size", "./0"]),
                (["--disk", "1G,serial=a", "--disk", "1G,serial=a"], 2, ["two disks"]), (["--disk", "1G,colour=red"], 2, ["no option of a disk"]),
                (["--disk", "/none/a,b,serial=x,y"], 2, ["'x,y'", "serial number"]), (["--disk", "/none/a,b,serial=x"], 125, ["/none/a,b"]),
                (["--disk", "1G"] * 13, 2, ["at most 12 disks"]),
                (["--disk", "/none/disk.raw"], 125, ["/none/disk.raw"]), (["--rwdir", "relative=/tmp"], 2, ["absolute path"]),
                (["--rwdir", "/x=/none"], 125, ["/none"]), (["--memory", "10"], 2, ["64M"]), (["--memory", "9999999T"], 2, ["no memory"]),
                (["--accel", "hax"], 2, ["no accelerator", "auto, kvm or tcg"]), (["--accel", "kvm"], 125, ["User-mode Linux", "leave --accel out"]),
                (["--env", "NAME"], 2, ["sets no variable", "NAME=value"]), (["--cwd", "tmp"], 2, ["absolute path"]),
                (["--cwd", "/none"], 125, ["no directory /none in the machine"]),
                (["--rw", "--overlay"], 2, ["excludes"]), (["--timeout", "-1"], 2, ["--timeout"]), (["--timeout", "1e300"], 2, ["--timeout"])):
            self.refused(self.boot("true", options=options), status, *words)
        self.refused(self.boot("true", root="none"), 125, "there is no root", "rootfs create")
        self.refused(self.boot("true", root="/", options=["--rw"]), 125, "this host's tree is only read")
        self.refused(self.boot(), 2, "no command was given")
        self.refused(self.user.slipway("boot", "--", "true"), 2, "--kernel")


class TestQemu(Kernels):
    """Debian's own kernel, out of its package."""

    def test_what_user_mode_linux_does_too(self):
        mine = self.own("mine")
        result = self.ok(self.boot(
            "sh", "-c", "su fsgqa -c 'id -u; passwd -S fsgqa'; modprobe xfs && echo loaded; "
            "mkfs.xfs -q /dev/disk/by-id/virtio-second && mount /dev/disk/by-id/virtio-second /mnt && echo mounted; "
            "blockdev --getsize64 /dev/disk/by-id/virtio-first; echo result > /work/file; chown 33:33 /work/file; cat; echo err >&2; exit 4",
            kernel=self.package, input="from outside\n",
            options=["--rwdir", f"/work={mine}", "--disk", "64M,serial=first", "--disk", "1G,serial=second", "--cpus", "1"]), 4)
        self.assertRegex(result.stdout, r"^1002\nfsgqa [LNP]+ .*\nloaded\nmounted\n67108864\nfrom outside\n$")
        self.assertEqual(result.stderr, "err\n")
        self.assertEqual((mine / "file").stat().st_uid, 200000 + 32)
        told = json.loads(self.user.slipway("boot", "--kernel", self.package, "--root", "fstests", "--json", "--", "sh", "-c", CRASH).stdout)
        self.assertEqual((told["end"], told["machine"], told["root_share"]), ("panicked", "qemu", "9p"))
        self.assertRegex(told["accelerator"], "^(tcg|kvm): ")
        self.assertEqual([(report["kind"], report["function"], report["process"]) for report in told["reports"]],
                         [("panic", "sysrq_handle_crash", "sh")])
        self.assertEqual(self.settled_leaks(), {})
        self.disk_of_one_machine()
        self.directory_beside_this_machines_tree(self.package)

    def disk_of_one_machine(self):
        disk = self.own("disk") / "disk.raw"
        with open(disk, "wb") as file:
            file.truncate(1 << 20)
        os.chown(disk, UID, UID)
        with subprocess.Popen(["qemu-io", "-f", "raw", disk], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            holder.stdin.write("read 0 512\n")
            holder.stdin.flush()
            self.assertIn("read 512/512", holder.stdout.readline())
            self.refused(self.boot("true", kernel=self.package, options=["--disk", f"{disk},serial=one"]), 125, "in use")
            holder.communicate("quit\n")
        self.refused(self.boot("true", kernel=self.package, options=["--disk", f"{disk},serial=one", "--disk", f"{disk},serial=two"]), 125, "in use")

    def test_a_kernel_without_9p_gets_its_root_as_a_disk(self):
        cloud = kernel.cached()
        copy = self.user.home / "cloud"
        shutil.copytree(cloud.parents[1], copy)
        self.addCleanup(shutil.rmtree, copy)
        image = copy / "boot" / cloud.name
        told = json.loads(self.user.slipway("boot", "--kernel", image, "--root", "fstests", "--json", "--", "sh", "-c",
                                            "su fsgqa -c 'passwd -S fsgqa'; ls /lib/modules; touch /etc/new && echo written",
                                            timeout=180).stdout)
        self.assertEqual((told["end"], told["root_share"]), ("exited", "disk"))
        self.assertRegex(told["stdout"], r"^fsgqa [LNP]+ .*\n.*cloud-amd64\nwritten\n$")
        self.refused(self.boot("true", kernel=image, options=["--rwdir", "/x=/tmp"]), 125, "lacks CONFIG_NET_9P_VIRTIO, CONFIG_9P_FS")

    def test_an_accelerator_counts_when_it_is_proven(self):
        result = self.boot("true", kernel=self.package, options=["--accel", "kvm"])
        if result.returncode != 0:
            self.refused(result, 125, "KVM does not work here", "--accel auto or tcg")
        self.refused(self.boot("true", kernel=self.package, options=["--accel", "hax"]), 2, "'hax' is no accelerator")


class TestAsRoot(Case):
    def test_a_root_of_roots(self):
        place = self.scratch / "root"
        self.ok(slipway("rootfs", "create", "--profile", "minimal", "--path", place, timeout=300))
        mine = self.scratch / "mine"
        mine.mkdir()
        result = self.ok(slipway("boot", "--kernel", UML, "--root", place, "--rwdir", f"/mnt={mine}", "--", "sh", "-c",
                                 "id -u; stat -c %G /etc/shadow; install -o 33 -g 33 /etc/passwd /mnt/file"))
        self.assertEqual(result.stdout, "0\nshadow\n")
        self.assertEqual((mine / "file").stat().st_uid, 33)
        self.ok(slipway("rootfs", "delete", place))

    def test_a_root_as_a_disk_is_that_root(self):
        place = self.scratch / "root"
        self.ok(slipway("rootfs", "create", "--profile", "minimal", "--path", place, timeout=300))
        (place / "mark").write_text("of this root")
        booted = self.ok(slipway("boot", "--kernel", kernel.cached(), "--root", place, "--accel", "tcg", "--", "cat", "/mark", timeout=180))
        self.assertEqual(booted.stdout, "of this root")

    def test_no_space_for_a_disk_is_an_error_of_the_disk(self):
        """QEMU would stand still otherwise, without a word."""
        place = self.scratch / "small"
        place.mkdir()
        result = subprocess.run(["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size=30M none {place} && exec \"$@\"", "sh", SLIPWAY, "boot", "--kernel",
                                 kernel.package(), "--root", "host", "--disk", "1G,serial=a", "--timeout", "120", "--", "sh", "-c",
                                 "dd if=/dev/zero of=/dev/disk/by-id/virtio-a bs=1M count=100 conv=fsync; echo status $?"],
                                capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, env={**os.environ, "TMPDIR": str(place)}, timeout=180)
        self.assertIn("status 1", self.ok(result).stdout)
        self.assertIn("Input/output error", result.stderr)


if __name__ == "__main__":
    unittest.main()
