#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ZFS: on a host whose kernel has it, beside a pool of the same name, and in a sandbox with that kernel. Compiles the module
when the guest is not cached."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from stock_host import StockHost
from support import SLIPWAY, Case, digest, guest, mini_tree

GUEST_UUID = "5119a000-0000-4000-8000-000000000041"
KEY = "--key all:file:/cargo/key"
# As installers make it; the image is taken while the pool is open, as of a machine that was not shut down.
MAKE = f"""\
set -e
modprobe zfs
truncate -s 200M guest.raw; printf 'label: gpt\\nsize=20M\\n,\\n' | sfdisk -q guest.raw
loop=$(losetup -f --show -P guest.raw); settle
make() {{ zpool create -f -o cachefile=none -R /mnt/guest "$@"; }}
make -o ashift=12 -O canmount=off -O mountpoint=none -O acltype=posixacl -O xattr=sa rpool ${{loop}}p2
zfs create -o mountpoint=none -o canmount=off rpool/ROOT
for name in debian old; do zfs create -o mountpoint=/ -o canmount=noauto rpool/ROOT/$name; done
zpool set bootfs=rpool/ROOT/debian rpool
zfs mount rpool/ROOT/debian
zfs create -o mountpoint=/home rpool/home
zfs create -o mountpoint="/srv/with blank" "rpool/srv data"
zfs create -o mountpoint=legacy rpool/by-fstab
zfs create -o encryption=on -o keyformat=passphrase -o keylocation=prompt -o mountpoint=/secret rpool/secret </cargo/key
zfs create rpool/secret/below
zfs create -V 16M -s rpool/volume; settle
mkfs.ext4 -q -U {GUEST_UUID} /dev/zvol/rpool/volume; settle
cp -a /cargo/tree/. /mnt/guest; mkdir -p /mnt/guest/opt
echo 'rpool/by-fstab /opt zfs defaults 0 0' >/mnt/guest/etc/fstab
head -c 4M /dev/urandom >/mnt/guest/large; echo home >/mnt/guest/home/file; echo blank >"/mnt/guest/srv/with blank/file"; echo secret >/mnt/guest/secret/below/file
zpool sync rpool; sync; cp guest.raw /dev/disk/by-id/virtio-guest; sync
zpool export rpool
for size in 1 2; do truncate -s 80M part$size.raw; done
one=$(losetup -f --show part1.raw) two=$(losetup -f --show part2.raw)
make -O mountpoint=/ tank $one $two
cp -a /cargo/tree/. /mnt/guest; zpool export tank
losetup -d $loop $one $two
dd if=/dev/disk/by-id/virtio-guest of=guest.raw bs=1M count=200 conv=sparse status=none
zpool create -f -O mountpoint=/mnt/host rpool /dev/disk/by-id/virtio-host
echo host >/mnt/host/whose
settle
"""
# What a run must leave as it was.
STATE = """\
settle
ls -d /proc/spl/kstat/zfs/slipway-* 2>&1
zpool list -H -o name,guid,health
zfs list -H -o name,mounted
losetup --list --noheadings
ls /dev/disk/by-uuid; ls /dev/zvol /dev/zd* 2>&1
findmnt --noheadings --list -o TARGET,FSTYPE | grep -v /proc/sys
pgrep -a 'slipway|qemu-'
cat /mnt/host/whose
find /etc/zfs /etc/hostid /etc/exports* -type f -exec sha256sum {} + 2>&1 | sort
sha256sum *.raw
"""


def setUpModule():
    """One machine for all."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("not root")
    if not os.environ.get("SLIPWAY_FULL"):
        raise unittest.SkipTest("only with --full")
    with tempfile.TemporaryDirectory(prefix="slipway-test-", dir="/var/tmp") as folder:
        cargo = Path(folder)
        mini_tree(cargo / "tree")
        (cargo / "key").write_text("open sesame\n", encoding="ascii")
        ZfsCase.host = StockHost(cargo, {"guest": 200, "host": 128}, "debian12-zfs")
    unittest.addModuleCleanup(ZfsCase.host.stop)
    made = ZfsCase.host.run(MAKE)
    assert made.returncode == 0, made.stderr
    ZfsCase.before = ZfsCase.host.run(STATE).stdout
    assert "rpool/ROOT" not in ZfsCase.before and "zpool.cache" in ZfsCase.before, ZfsCase.before


def pool_state(image):
    """Of the first label: 0 is open, 1 exported."""
    with open(image, "rb") as file:
        file.seek(21 << 20)
        label = file.read(256 << 10)
    name = b"\0\0\0\5state\0\0\0"  # of an nvlist in XDR: its length, then type and number
    value = label.index(name) + len(name) + 8
    return int.from_bytes(label[value:value + 8], "big")


class ZfsCase(unittest.TestCase):
    host = before = None
    maxDiff = None


class OnAHost(ZfsCase):
    """After each the machine is as it was, and so are the images."""

    def tearDown(self):
        self.assertEqual(self.host.run(STATE).stdout, self.before)

    def ok(self, script):
        done = self.host.run(script)
        self.assertEqual(done.returncode, 0, f"{script}\nstdout: {done.stdout}\nstderr: {done.stderr}")
        return done.stdout

    def refused(self, script, *words):
        done = self.host.run(script)
        self.assertNotEqual(done.returncode, 0, done)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_looks_at_a_pool_named_like_the_hosts(self):
        said = json.loads(self.ok(f"slipway inspect --engine host --json {KEY} guest.raw"))
        self.assertEqual(said["root"], "rpool/ROOT/debian")
        self.assertEqual({each["path"]: each["volume"] for each in said["mountpoints"]}, {
            "/": "rpool/ROOT/debian", "/home": "rpool/home", "/opt": "rpool/by-fstab", "/secret": "rpool/secret",
            "/secret/below": "rpool/secret/below", "/srv/with blank": "rpool/srv data"})
        self.assertNotIn("slipway-", json.dumps(said))
        self.assertEqual(self.ok(f"""slipway cat {KEY} guest.raw /etc/hostname
            slipway cat guest.raw '/srv/with blank/file'; slipway cat {KEY} guest.raw /secret/below/file"""), "mini\nblank\nsecret\n")

    def test_says_what_is_locked(self):
        self.assertIn("--key rpool/secret:prompt", self.ok("slipway inspect --engine host guest.raw"))
        self.assertIn("no key fits rpool/secret", self.ok("slipway inspect --engine host --key rpool/secret:file:/etc/passwd guest.raw"))

    def test_writes_nothing_and_opens_nothing_that_a_process_serves(self):
        self.refused("slipway put --engine host guest.raw - /etc/motd </etc/hostname", "raw images only", "--engine sandbox")
        self.refused("slipway run --engine host guest.raw -- /bin/true", "raw images only", "--engine sandbox")
        self.refused("qemu-img convert -O qcow2 guest.raw a.qcow2; slipway ls --engine host a.qcow2 /; s=$?; rm a.qcow2; exit $s",
                     "raw images only", "--engine sandbox")

    def test_pool_of_two_disks(self):
        self.assertEqual(self.ok("slipway cat --engine host part1.raw --disk part2.raw /etc/hostname"), "mini\n")
        self.refused("slipway cat --engine host part1.raw /etc/hostname", "the ZFS pool tank lacks devices: 1 of its 2 parts", "--disk")

    def open_with(self, then):
        """A client waits with a pipe that nobody reads from, so that its image stays open."""
        return self.ok(f"""
            rm -f hold; mkfifo hold; slipway cat --engine host guest.raw /large >hold 2>/dev/null &
            client=$!; exec 9<>hold
            for i in $(seq 100); do ls -d /proc/spl/kstat/zfs/slipway-* >/dev/null 2>&1 && break; sleep 0.1; done
            sleep 1; settle
            ls -d /proc/spl/kstat/zfs/slipway-* || exit 1
            {then}
            exec 9>&-; rm hold; wait
            for i in $(seq 100); do pgrep 'slipway|qemu-' >/dev/null || break; sleep 0.1; done""")

    def test_udev_leaves_block_devices_of_the_pool_alone(self):
        said = self.open_with("ls /dev/disk/by-uuid /dev/zvol; ls /sys/block")
        self.assertIn("zd0", said)
        self.assertNotIn(GUEST_UUID, said)

    def test_second_client(self):
        self.open_with("slipway ls --engine host guest.raw / 2>err; grep -q 'open already' err && rm err")

    def test_killed_client(self):
        self.open_with("kill -9 $client")

    def test_killed_worker(self):
        self.open_with("kill -9 $(pgrep -f '^/proc/self/fd/4 --serve')")

    def test_killed_all(self):
        # Nobody is left to mend it; the next run does, or cleanup.
        self.open_with("kill -9 $(pgrep 'slipway|^4$')")
        self.assertIn("slipway-", self.ok("ls /proc/spl/kstat/zfs"))
        self.ok("slipway cleanup")


class InASandbox(ZfsCase, Case):
    """On this machine: its own kernel has no ZFS, but that of the host above can be that of a sandbox."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Not mounted: the leak checks of other tests look at loop devices.
        cls.system = Path(tempfile.mkdtemp(prefix="slipway-test-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.system)
        subprocess.run(["fsck.erofs", f"--extract={cls.system}", "--overwrite", guest("debian12-zfs")], check=True, capture_output=True)

    def setUp(self):
        super().setUp()
        self.image = self.scratch / "guest.raw"
        shutil.copy(self.host.folder / "guest", self.image)
        (self.scratch / "key").write_text("open sesame\n", encoding="ascii")

    def slipway(self, *arguments, input=""):
        """With what the packages would add to this machine: the programs, their libraries, a kernel with its modules."""
        add = " && ".join(f'mount -t overlay -o "lowerdir=/{at}:$1/{at}" slipway-test /{at}' for at in ("usr/sbin", "usr/lib/x86_64-linux-gnu"))
        script = f'{add} && export SLIPWAY_SANDBOX_KERNEL=$(ls "$1"/boot/vmlinuz-*) && shift && exec "$@"'
        return subprocess.run(["unshare", "--mount", "bash", "-c", script, "bash", self.system, SLIPWAY, *map(str, arguments)],
                              input=input, text=True, capture_output=True, timeout=600, check=False)

    def test_looks_and_reads_by_itself(self):
        before = digest(self.image)
        said = self.report(self.ok(self.slipway("inspect", "--json", "--key", f"all:file:{self.scratch}/key", self.image)))
        self.assertEqual(said, json.loads(self.host.run(f"slipway inspect --engine host --json {KEY} guest.raw").stdout))
        self.assertEqual(digest(self.image), before)

    def test_runs_and_writes(self):
        before, before_state = digest(self.image), pool_state(self.image)
        self.ok(self.slipway("run", self.image, "--", "/bin/sh", "-c", "echo gone >/home/new"))
        self.assertEqual(digest(self.image), before)
        self.ok(self.slipway("put", self.image, "-", "/home/new", input="stays\n"))
        self.assertEqual(self.ok(self.slipway("cat", self.image, "/home/new")).stdout, "stays\n")
        self.assertEqual((before_state, pool_state(self.image)), (0, 1), "closed as zpool export does: the guest takes it without -f")

    def test_without_them_it_says_what_is_missing(self):
        result = subprocess.run([SLIPWAY, "ls", self.image, "/"], capture_output=True, text=True, check=False)
        self.refused(result, 3, "no ZFS here: zpool is missing", "apt install zfsutils-linux")


if __name__ == "__main__":
    unittest.main()
