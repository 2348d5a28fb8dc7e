#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The host engine on a host with what ours lacks: Debian's own kernel with device-mapper, MD, vfat and partition tables, and
a udev that looks into every disk that appears. The host has an LVM group of the same name as the guests'."""
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from stock_host import BUILD, StockHost, stacked
from support import mini, slipway

FULL = os.environ.get("SLIPWAY_FULL")
LAYOUTS = ("lvm", "thin", "lvm-on-luks", "raid1", "raid1-degraded", "lvm-on-raid1")
GUEST_UUID = "5119a000-0000-4000-8000-000000000031"
HOST_GROUP = """\
set -e
pvcreate -qq /dev/disk/by-id/virtio-host
vgcreate -qq a-b /dev/disk/by-id/virtio-host
lvcreate -qq -n root-fs -L 16M a-b
mkfs.ext4 -q /dev/a-b/root-fs
mkdir /mnt/host && mount /dev/a-b/root-fs /mnt/host && echo host >/mnt/host/whose
settle
"""
# What a run must leave as it was. Numbers of devices are used again.
STATE = """\
settle
dmsetup ls | sort
grep -v 'unused\\|Personalities\\|^$' /proc/mdstat
losetup --list --noheadings
lvs --noheadings -o vg_name,lv_name,lv_active
ls /dev/disk/by-uuid /dev/mapper
findmnt --noheadings --list -o TARGET,FSTYPE | grep -v '/proc/sys\|/sys/fs/fuse'
pgrep -a 'slipway|qemu-'
cat /mnt/host/whose
"""
KEY = "--key all:file:/cargo/key"


def image(layout):
    return f"/cargo/images/{layout}.qcow2"


def make_images(cargo):
    """Returns what the sandbox engine of this machine says of each."""
    (cargo / "images").mkdir()
    (cargo / "key").write_text("open sesame\n", encoding="ascii")
    for layout in LAYOUTS:
        stacked(layout, cargo / f"images/{layout}.qcow2")
    mini(cargo / "esp.raw", "--esp")
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", cargo / "esp.raw", cargo / "images/esp.qcow2"], check=True)
    (cargo / "esp.raw").unlink()
    said = {}
    for layout in (*LAYOUTS, "esp"):
        told = slipway("inspect", "--untrusted", "--json", "--key", f"all:file:{cargo}/key", cargo / f"images/{layout}.qcow2")
        assert told.returncode == 0, told
        said[layout] = json.loads(told.stdout)
    return said


def setUpModule():
    """One machine for all."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("not root")
    with tempfile.TemporaryDirectory(prefix="slipway-test-", dir="/var/tmp") as folder:
        StockHostCase.in_sandbox = make_images(Path(folder))
        StockHostCase.host = StockHost(Path(folder), {"host": 64})
    unittest.addModuleCleanup(StockHostCase.host.stop)
    made = StockHostCase.host.run(HOST_GROUP)
    assert made.returncode == 0, made
    StockHostCase.before = StockHostCase.host.run(STATE).stdout
    assert "a--b-root--fs" in StockHostCase.before, StockHostCase.before


class StockHostCase(unittest.TestCase):
    """After each the machine is as it was."""

    host = in_sandbox = before = None

    def tearDown(self):
        self.assertEqual(self.host.run(STATE).stdout, self.before)

    def ok(self, script, timeout=240):
        done = self.host.run(script, timeout)
        self.assertEqual(done.returncode, 0, f"{script}\nstdout: {done.stdout}\nstderr: {done.stderr}")
        return done.stdout


class HostEngine(StockHostCase):
    def look(self, layout):
        """Both engines say the same, and the guest's own file is read, not the host's."""
        said = json.loads(self.ok(f"slipway inspect --engine host --json {KEY} {image(layout)}"))
        self.assertEqual(said, self.in_sandbox[layout])
        self.assertEqual(self.ok(f"slipway cat --engine host {KEY} {image(layout)} /etc/hostname"), "mini\n")

    def test_group_named_like_the_hosts(self):
        self.look("lvm")
        self.ok(f"""set -e
            cp {image("lvm")} work.qcow2
            slipway put --engine host work.qcow2 - /etc/motd </etc/hostname
            slipway fix --engine host work.qcow2
            test "$(slipway run --engine host work.qcow2 -- /bin/cat /etc/motd)" = stock-host
            rm work.qcow2""")

    def test_what_only_lvm_opens_of_a_group_named_like_the_hosts(self):
        # A thin volume takes the name that the host has.
        done = self.host.run(f"slipway cat --engine host {image('thin')} /etc/hostname")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("this host has an active volume of the same name", done.stderr)
        self.assertIn("--engine sandbox", done.stderr)

    def test_group_in_an_encrypted_volume(self):
        self.look("lvm-on-luks")
        done = self.host.run(f"slipway ls --engine host {image('lvm-on-luks')} /")
        self.assertEqual(done.returncode, 4)
        self.assertIn("--key", done.stderr)

    def test_array(self):
        self.look("raid1")

    def test_array_that_lacks_a_member(self):
        self.look("raid1-degraded")

    def test_group_on_an_array(self):
        self.look("lvm-on-raid1")

    def test_efi_partition(self):
        self.look("esp")

    def test_udev_leaves_what_is_open_alone(self):
        for layout in ("lvm-on-raid1", "lvm-on-luks", "raid1"):
            said = self.ok(f"""
                slipway run --engine host {KEY} {image(layout)} -- /bin/sh -c 'echo open; read line' <>/run/hold >/run/said &
                for i in $(seq 150); do grep -q open /run/said && break; sleep 0.2; done
                sleep 1
                ls /dev/disk/by-uuid /dev/mapper
                dmsetup ls; systemctl list-units --all 'lvm-activate*' 'mdadm-last*'
                echo >/run/hold
                wait""".replace("slipway run", "rm -f /run/hold /run/said; mkfifo /run/hold; touch /run/said; slipway run", 1))
            self.assertNotIn(GUEST_UUID, said, layout)
            self.assertNotIn("a--b-swap", said, layout)
            self.assertNotIn("lvm-activate", said, layout)


class Killed(StockHostCase):
    """SIGKILL while an image is open, and the host is as before."""

    def kill(self, layout, whom):
        self.ok(f"""
            rm -f /run/said
            slipway run --engine host {KEY} {image(layout)} -- /bin/sh -c 'echo open; sleep 100' >/run/said 2>/dev/null </dev/null &
            for i in $(seq 150); do grep -q open /run/said 2>/dev/null && break; sleep 0.2; done
            grep -q open /run/said || exit 1
            kill -9 {whom}
            for i in $(seq 100); do pgrep 'slipway|qemu-' >/dev/null || break; sleep 0.1; done
            true""")

    def test_client(self):
        self.kill("lvm-on-raid1", "$!")

    def test_worker(self):
        self.kill("lvm-on-luks", "$(pgrep -f '^/proc/self/fd/4 --serve')")

    def test_all(self):
        # Nobody is left to mend it; the next run does, or cleanup.
        self.kill("lvm-on-raid1", "$(pgrep 'slipway|qemu-|^4$')")
        self.ok("slipway cleanup")


class TestsOfTheBuild(StockHostCase):
    """Those that need root, as they are."""

    def test_root(self):
        # At once: those of the mounts take half a minute, mostly in mkfs.
        said = self.ok(f"""
            for program in {BUILD}/tests/test_root_*; do
                ( $program --gtest_brief=1 >/run/${{program##*/}} 2>&1 || touch /run/failed ) &
            done
            wait
            tail -n 60 /run/test_root_*
            test ! -e /run/failed""")
        self.assertNotIn("FAILED", said)


class NbdCase(StockHostCase):
    """NBD takes the place of FUSE and loop devices; the module is loaded with room for two devices."""

    slots = "nbds_max=2 max_part=15"

    @classmethod
    def setUpClass(cls):
        done = cls.host.run(f"""
            mountpoint -q /sys/fs/fuse/connections && umount /sys/fs/fuse/connections
            printf 'install %s /bin/false\\n' loop fuse >/etc/modprobe.d/missing.conf
            modprobe -r loop fuse
            modprobe nbd {cls.slots}""")
        assert done.returncode == 0, done
        cls.before = cls.host.run(STATE).stdout

    @classmethod
    def tearDownClass(cls):
        done = cls.host.run("rm /etc/modprobe.d/missing.conf; modprobe -r nbd && modprobe -a loop fuse")
        assert done.returncode == 0, done

    def tearDown(self):
        super().tearDown()
        left = self.host.run("ls -d /sys/block/nbd*/pid /sys/block/nbd*/nbd*; cat /sys/block/nbd*/size | sort -u; ls /sys/block | grep nbd").stdout.split()
        self.assertEqual(left[:3], ["0", "nbd0", "nbd1"])
        # Where udev opens a device that the kernel has just made for a connection, before it is connected, the kernel makes another and
        # leaves that one idle (nbd_genl_connect in drivers/block/nbd.c), for the next that comes.
        self.assertLessEqual(len(left), 4, left)


@unittest.skipUnless(FULL, "only with --full")
class HostEngineWithoutFuseAndLoop(NbdCase, HostEngine):
    """All of that again."""


@unittest.skipUnless(FULL, "only with --full")
class KilledWithoutFuseAndLoop(NbdCase, Killed):
    """All of that again."""


class WithoutFuseAndLoop(NbdCase):
    def kill(self, whom, then="", command="run --engine host work.qcow2 -- /bin/sh -c 'while echo more >/filled && sync; do :; done'"):
        """SIGKILL for `whom` while a process waits for what the server, which is stopped, does not answer."""
        self.ok(f"""
            cp {image("esp")} work.qcow2
            slipway {command} >/run/said 2>&1 </dev/zero &
            for i in $(seq 300); do [ -e /sys/block/nbd0/pid ] && break; sleep 0.1; done
            sleep 1
            server=$(pgrep -f ^qemu-storage-daemon)
            kill -STOP $server || exit 1
            for i in $(seq 300); do ps -e -o stat= | grep -q ^D && break; sleep 0.1; done
            ps -e -o stat= | grep -q ^D || exit 1
            kill -9 {whom}
            {then}
            for i in $(seq 300); do pgrep 'slipway|qemu-' >/dev/null || break; sleep 0.1; done
            ps -e -o stat,pid,args | grep ^D && exit 1
            rm work.qcow2""")

    def test_says_which_way_and_why(self):
        done = self.host.run(f"slipway ls -v --engine host {image('esp')} /")
        self.assertIn("disk sda is nbd", done.stderr)
        self.assertIn("this kernel has no loop devices", done.stderr)
        checks = {check["name"]: check for check in json.loads(self.ok("slipway doctor --json"))["checks"]}
        self.assertTrue(checks["NBD"]["good"])
        self.assertFalse(checks["loop devices"]["needed"])

    def test_reads_what_the_sandbox_reads(self):
        said = json.loads(self.ok(f"slipway inspect --engine host --json {KEY} {image('lvm-on-raid1')}"))
        self.assertEqual(said, self.in_sandbox["lvm-on-raid1"])

    def test_writes(self):
        self.ok(f"""set -e
            cp {image("lvm")} work.qcow2
            slipway put --engine host work.qcow2 - /etc/motd </etc/hostname
            slipway fix --engine host work.qcow2
            test "$(slipway cat --engine host work.qcow2 /etc/motd)" = stock-host
            rm work.qcow2""")

    def test_trap11_each_gets_a_device_of_its_own(self):
        # More at once than the module had room for: the kernel makes another, and takes it away again.
        self.ok(f"""
            for i in 1 2 3 4 5; do
                slipway run --engine host {image("esp")} -- /bin/sh -c "echo $i >/mine; sync; sleep 15; cat /mine" >/run/mine$i &
            done
            for i in $(seq 300); do [ $(ls /sys/block/nbd*/pid 2>/dev/null | wc -l) = 5 ] && break; sleep 0.1; done
            ls /sys/block/nbd*/pid | wc -l >/run/together
            wait
            for i in 1 2 3 4 5; do test "$(cat /run/mine$i)" = $i || exit 1; done
            test $(cat /run/together) = 5""")

    def test_killed_client(self):
        self.kill("$!", "kill -CONT $server")

    def test_killed_worker(self):
        self.kill("$(pgrep -f '^/proc/self/fd/4 --serve' | head -n 1)", "kill -CONT $server")

    def test_killed_server(self):
        self.kill("$server")

    # Nobody is left to end what waits; the next run does, or cleanup.

    def test_killed_all(self):
        self.kill("$(pgrep 'slipway|qemu-')", "timeout 60 slipway cleanup")

    def test_killed_all_while_the_worker_itself_waits(self):
        self.kill("$(pgrep 'slipway|qemu-')", "timeout 60 slipway cleanup", "put --engine host work.qcow2 - /filled")


class WithoutFuseLoopAndSlots(NbdCase):
    """The last one: to take 4096 devices away takes minutes."""

    slots = "nbds_max=4096 max_part=255"  # all that the kernel has numbers for

    @classmethod
    def setUpClass(cls):
        done = cls.host.run("systemctl stop systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udevd")
        assert done.returncode == 0, done
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        pass

    def tearDown(self):
        pass

    def test_trap11_none_is_left(self):
        # Who only opens a device has taken it.
        self.ok(f"""
            python3 -c '
import resource, time
resource.setrlimit(resource.RLIMIT_NOFILE, (5000, 5000))
held = [open(f"/dev/nbd{{number}}", "rb", buffering=0) for number in range(4096)]
open("/run/held", "w").close()
time.sleep(1000)' &
            for i in $(seq 600); do [ -e /run/held ] && break; sleep 0.1; done
            slipway ls --engine host {image("esp")} / 2>/run/said
            status=$?
            kill $!; wait
            cat /run/said
            test $status = 4 && grep -q 'No free NBD devices available' /run/said && grep -q 'nbd-client -d' /run/said
            slipway ls --engine host {image("esp")} /""")


if __name__ == "__main__":
    unittest.main()
