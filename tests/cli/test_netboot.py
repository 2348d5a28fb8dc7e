#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""slipway netboot: the folder, its servers, and machines that boot from them into images and come back."""
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

from support import SLIPWAY, Case, mini, slipway
from netboot_machine import PROMPT, Machine, Network

from builder import cache, kernel

HERE = Path(__file__).resolve().parent


def tree_of(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def build(folder, *options, append="panic=-1"):
    return slipway("netboot", "build", "--kernel", kernel.cached(kernel.STANDARD), "--output", folder, "--append", append, *options)


@contextlib.contextmanager
def serving(folder, *options, inside=(), said=None):
    """`slipway netboot serve` in the foreground; its URL. `inside` comes before its words; what it has said at its end is added to `said`."""
    server = subprocess.Popen([*inside, SLIPWAY, "netboot", "serve", str(folder), *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              start_new_session=True)
    try:
        first = server.stdout.readline()
        if not first.startswith("serving http"):
            raise AssertionError(first + server.communicate(timeout=20)[0])
        yield first.split()[1]
    finally:
        server.send_signal(signal.SIGINT)
        words = server.communicate(timeout=20)[0]
        if said is not None:
            said.append(words)


def image(release, kind):
    """A system of the profile in netboot.toml, packed; kept in the cache."""
    profile = HERE / "netboot.toml"
    key = hashlib.sha256(profile.read_bytes() + f"{release} {kind} 2".encode()).hexdigest()[:12]

    def make(work):
        for words in (("rootfs", "create", "--profile", profile, "--release", release, "--path", work / "root"),
                      ("netboot", "pack", work / "root", work / f"{release}.{kind}")):
            made = slipway(*words, timeout=400)
            if made.returncode != 0:
                raise RuntimeError(made.stderr)
        shutil.rmtree(work / "root")
    return cache.ensure(cache.root() / "netboot" / f"{release}-{kind}-{key}", make) / f"{release}.{kind}"


def small_tree(place, init=b"#!/bin/sh\n"):
    """A directory that looks like a system. Its init ends at once."""
    for directory in ("sbin", "bin"):
        (place / directory).mkdir(parents=True)
    shutil.copy("/bin/busybox", place / "bin/sh")
    (place / "usr").mkdir()
    (place / "etc").mkdir()
    (place / "etc/os-release").write_text("ID=tiny\n")
    (place / "etc/fstab").write_text("UUID=1234 / ext4 defaults 0 1\nproc /proc proc defaults 0 0\n")
    if init is not None:
        (place / "sbin/init").write_bytes(init)
        (place / "sbin/init").chmod(0o755)
    return place


def slope(values):
    """Of the line that fits best, for one step."""
    middle = (len(values) - 1) / 2
    mean = sum(values) / len(values)
    return sum((at - middle) * (value - mean) for at, value in enumerate(values)) / sum((at - middle) ** 2 for at in range(len(values)))


class TestBuild(Case):
    def test_the_same_parts_give_the_same_bytes(self):
        for name in ("one", "two"):
            self.ok(build(self.scratch / name))
        one, two = tree_of(self.scratch / "one"), tree_of(self.scratch / "two")
        one.pop("dnsmasq.conf"), two.pop("dnsmasq.conf")  # it names the folder
        self.assertEqual(one, two)
        self.assertLessEqual({"boot.ipxe", "pxelinux.0", "ldlinux.c32", "pxelinux.cfg/default", "grubx64.efi", "grub.pxe", "grub/grub.cfg", "ipxe.efi"}, set(one))

    def test_it_is_small(self):
        made = json.loads(self.ok(build(self.scratch / "folder", "--modules", "none", "--json")).stdout)
        self.assertLess(made["initramfs_bytes"], 8 << 20)  # with those for images and keyboards
        self.assertGreater(made["modules"], 10)

    def test_a_new_build_replaces_the_old_one_and_keeps_images(self):
        folder = self.scratch / "folder"
        self.ok(build(folder, "--modules", "none"))
        (folder / "images/mine").write_text("image")
        before = (folder / "boot.ipxe").read_text()
        for options in (("--modules", "none", "--with-shell"), ("--modules", "dummy")):
            self.ok(build(folder, *options))
            self.assertNotEqual((folder / "boot.ipxe").read_text(), before)
        self.assertEqual((folder / "images/mine").read_text(), "image")
        pairs = [entry for entry in (folder / "slipway").iterdir() if entry.is_dir()]
        self.assertEqual(len(pairs), 2)  # this one and the one before
        for word in (folder / "boot.ipxe").read_text().split():
            if word.startswith("slipway/"):
                self.assertTrue((folder / word).is_file(), word)

    def test_firmware_of_network_cards_comes_along(self):
        """As it lies there, and packed; what is missing is told."""
        there = self.scratch / "firmware"
        (there / "bnx2").mkdir(parents=True)
        release = kernel.cached(kernel.STANDARD).name.removeprefix("vmlinuz-")
        module = next((kernel.cached(kernel.STANDARD).parent.parent / "lib/modules" / release).rglob("bnx2.ko*"))
        names = subprocess.run(["modinfo", "-F", "firmware", module], check=True, capture_output=True, text=True).stdout.split()
        (there / names[0]).write_bytes(os.urandom(1000))
        (there / names[1]).write_bytes(os.urandom(2000))
        subprocess.run(["zstd", "-q", "--rm", there / names[1]], check=True)
        made = json.loads(self.ok(build(self.scratch / "folder", "--modules", "bnx2", "--firmware", there, "--json")).stdout)
        self.assertEqual(made["firmware"], 2)
        self.assertRegex(" ".join(made["notes"]), f"{there} does not have all firmware for the modules bnx2")
        listed = subprocess.run(f"zstdcat {self.scratch}/folder/slipway/*/initramfs.img | cpio -t", shell=True, check=True, capture_output=True, text=True).stdout
        self.assertLessEqual({f"lib/firmware/{name}" for name in names[:2]}, {line.lstrip("./") for line in listed.split()})
        none = json.loads(self.ok(build(self.scratch / "none", "--modules", "bnx2", "--firmware", "none", "--json")).stdout)
        self.assertEqual((none["firmware"], [note for note in none["notes"] if "firmware" in note]), (0, []))

    def test_what_cannot_be_built_is_refused(self):
        folder = self.scratch / "folder"
        other = self.scratch / "other"
        other.mkdir()
        (other / "thesis.txt").write_text("mine")
        private = self.scratch / "private.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
        garbage = self.scratch / "garbage"
        garbage.write_text("no key")
        self.refused(build(other), 4, "holds other things", "empty")
        self.refused(slipway("netboot", "build", "--kernel", "/nowhere", "--output", folder), 4, "no kernel /nowhere")
        self.refused(slipway("netboot", "build", "--kernel", "/usr/bin/linux.uml", "--output", folder), 3, "not a kernel that boot loaders start")
        self.refused(build(folder, "--modules", "flux_capacitor"), 4, "no module flux_capacitor")
        self.refused(build(folder, "--key", private), 2, "private key", "pubout")
        self.refused(build(folder, "--key", garbage), 2, str(garbage), "no public ed25519 key")
        other_kind = self.scratch / "rsa.pem"
        subprocess.run(f"openssl genrsa 2048 2>/dev/null | openssl pkey -pubout -out {other_kind}", shell=True, check=True)
        self.refused(build(folder, "--key", other_kind), 2, "no public ed25519 key")
        other_kind.unlink()
        self.refused(build(""), 2, "--output was given nothing", "variable")
        for words, told in (("root=/dev/sda; reboot", "means something to boot loaders"), ("x" * 2000, "1500 is the most"),
                            ("slipway.deadline=soon", "slipway.deadline=soon"), ("slipway.warp=9", "slipway.warp")):
            self.refused(build(folder, append=words), 2, "--append", told)
        self.refused(build(folder, "--server", "https://10.0.0.1:8443/here"), 2, "--server https://10.0.0.1:8443")
        for option in ("--key", "--ca"):
            self.refused(build(folder, option, ""), 2, f"{option} was given nothing", "variable")
        self.refused(build(folder, "--ca", garbage), 2, "no certificates")
        damaged = self.scratch / "damaged/slipway"
        damaged.mkdir(parents=True)
        (damaged / "netboot.json").write_text("{")
        self.refused(build(damaged.parent), 4, str(damaged / "netboot.json"), "delete the folder")
        shutil.rmtree(damaged.parent)
        self.assertEqual(sorted(self.names()), ["garbage", "other", "private.pem"])
        self.assertEqual(sorted(tree_of(other)), ["thesis.txt"])

    def test_a_kernel_without_what_is_needed_is_named(self):
        """The same kernel, and a configuration beside it that says less."""
        file = kernel.cached(kernel.STANDARD)
        poor = self.scratch / "boot"
        poor.mkdir()
        shutil.copy(file, poor / file.name)
        config = (file.parent / file.name.replace("vmlinuz", "config")).read_text()
        for option in ("CONFIG_PID_NS", "CONFIG_DEVTMPFS", "CONFIG_MAGIC_SYSRQ"):
            config = config.replace(f"{option}=y\n", f"# {option} is not set\n")
        (poor / file.name.replace("vmlinuz", "config")).write_text(config)
        shutil.copytree(file.parent.parent / "lib", self.scratch / "lib", copy_function=os.link)
        result = slipway("netboot", "build", "--kernel", poor / file.name, "--output", self.scratch / "folder")
        self.refused(result, 3, "CONFIG_DEVTMPFS, CONFIG_PID_NS")
        self.assertNotIn("MAGIC_SYSRQ", result.stderr)


class TestPack(Case):
    def pack(self, source, output, *options):
        return slipway("netboot", "pack", source, self.scratch / output, *options)

    def key(self):
        private, public = self.scratch / "key.pem", self.scratch / "key.pub"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
        return private, public

    def test_every_format_twice_the_same_with_what_belongs_to_it(self):
        tree = small_tree(self.scratch / "tree")
        private, public = self.key()
        for kind in ("squashfs", "erofs", "tar.zst", "tar.gz", "tar.xz", "tar"):
            with self.subTest(kind):
                (self.scratch / kind).mkdir()
                made = json.loads(self.ok(self.pack(tree, f"{kind}/a.{kind}", "--sign", private, "--json")).stdout)
                self.ok(self.pack(tree, f"{kind}/b.{kind}"))
                one, two = ((self.scratch / kind / f"{name}.{kind}").read_bytes() for name in "ab")
                if kind != "erofs":  # its UUID comes from its name
                    self.assertEqual(one, two)
                self.assertEqual(made["sha256"], hashlib.sha256(one).hexdigest())
                manifest = json.loads((self.scratch / kind / f"a.{kind}.manifest").read_text())
                self.assertEqual((manifest["name"], manifest["size"], manifest["sha256"]), (f"a.{kind}", len(one), made["sha256"]))
                blocks = b"".join(hashlib.sha256(one[at:at + 65536]).digest() for at in range(0, len(one), 65536))
                self.assertEqual((self.scratch / kind / f"a.{kind}.blocks").read_bytes(), blocks)
                self.assertEqual(manifest["blocks_sha256"], hashlib.sha256(blocks).hexdigest())
                subprocess.run(["sha256sum", "-c", "--quiet", f"a.{kind}.sha256"], cwd=self.scratch / kind, check=True)
                subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", f"a.{kind}.manifest",
                                "-sigfile", f"a.{kind}.manifest.sig"], cwd=self.scratch / kind, check=True, capture_output=True)

    def test_only_what_is_on_its_disks(self):
        """No mounts of the source, no excluded directories, and no disks in its fstab."""
        tree = small_tree(self.scratch / "tree")
        for directory in ("proc", "home/user", "data"):
            (tree / directory).mkdir(parents=True)
            (tree / directory / "file").write_text("x")
        subprocess.run(["mount", "-t", "tmpfs", "none", tree / "proc"], check=True)
        try:
            (tree / "proc/passing").write_text("x")
            self.ok(self.pack(tree, "a.tar", "--exclude", "/home"))
        finally:
            subprocess.run(["umount", tree / "proc"], check=True)
        names = subprocess.run(["tar", "-tf", self.scratch / "a.tar"], check=True, capture_output=True, text=True).stdout.split()
        self.assertIn("./data/file", names)
        self.assertIn("./home/", names)
        self.assertFalse([name for name in names if "passing" in name or "user" in name])
        fstab = subprocess.run(["tar", "-xOf", self.scratch / "a.tar", "./etc/fstab"], check=True, capture_output=True, text=True).stdout
        self.assertEqual(fstab, "# without its disks: UUID=1234 / ext4 defaults 0 1\nproc /proc proc defaults 0 0\n")
        self.assertIn("UUID=1234 /", (tree / "etc/fstab").read_text().splitlines()[0][:11])

    def test_a_disk_image(self):
        disk = mini(self.scratch / "disk.raw")
        made = json.loads(self.ok(self.pack(disk, "a.tar.zst", "--json")).stdout)
        self.assertTrue(made["sha256"])
        names = subprocess.run(["tar", "--zstd", "-tf", self.scratch / "a.tar.zst"], check=True, capture_output=True, text=True).stdout
        self.assertIn("./etc/os-release\n", names)
        self.assertEqual([], list((cache.root() / "netboot").glob(".unpacked*")))

    def test_what_cannot_be_packed_is_refused(self):
        tree = small_tree(self.scratch / "tree")
        (self.scratch / "empty").mkdir()
        (self.scratch / "there.tar").write_text("mine")
        _, public = self.key()
        self.refused(self.pack(tree, "a.zip"), 2, "no ending of an image", ".squashfs")
        self.refused(self.pack(self.scratch / "empty", "a.tar"), 4, "no operating system")
        shutil.copytree(tree, self.scratch / "script")
        (self.scratch / "script/bin/sh").unlink()
        self.refused(self.pack(self.scratch / "script", "a.tar"), 3, "which architecture")
        self.refused(self.pack("no-such-root", "a.tar"), 4, "no-such-root", "rootfs create")
        self.refused(self.pack(tree, "a.tar", "--sign", public), 2, "no private ed25519 key")
        self.refused(self.pack(tree, "a.tar", "--exclude", "nowhere"), 4, "nowhere is no directory")
        self.refused(self.pack(tree, "there.tar"), 4, "exists already", "--force")
        self.assertEqual(sorted(self.names()), ["empty", "key.pem", "key.pub", "script", "there.tar", "tree"])


class TestServe(Case):
    def test_files_with_ranges_and_a_clean_end(self):
        folder = self.scratch / "folder"
        self.ok(build(folder, "--modules", "none"))
        (folder / "images/big").write_bytes(bytes(range(256)) * 4096)
        with serving(folder, "--address", "127.0.0.1", "--port", "0") as url:
            asked = urllib.request.Request(url + "images/big", headers={"Range": "bytes=1000-1009"})
            with urllib.request.urlopen(asked, timeout=20) as answer:
                self.assertEqual((answer.status, answer.read()), (206, bytes(range(1000 % 256, 1000 % 256 + 10))))
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(url + "../../etc/passwd", timeout=20)
            self.assertIn(refused.exception.code, (400, 404))

    def test_disks_of_virtual_machines_are_served_raw(self):
        folder = self.scratch / "folder"
        self.ok(build(folder, "--modules", "none"))
        content = bytes(range(256)) * 8192
        (self.scratch / "raw").write_bytes(content)
        for kind in ("qcow2", "vmdk"):
            subprocess.run(["qemu-img", "convert", "-O", kind, self.scratch / "raw", folder / f"images/vm.{kind}"], check=True)
        with open(folder / "images/cut.qcow2", "wb") as cut:
            cut.write((folder / "images/vm.qcow2").read_bytes()[:70000])
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", folder / "images/leak.qcow2"], check=True)
        with serving(folder, "--address", "127.0.0.1", "--port", "0") as url:
            for kind in ("qcow2", "vmdk"):
                with urllib.request.urlopen(f"{url}images/vm.{kind}", timeout=60) as answer:
                    self.assertEqual(hashlib.sha256(answer.read()).digest(), hashlib.sha256(content).digest())
            asked = urllib.request.Request(url + "images/vm.qcow2", headers={"Range": "bytes=1000-1009"})
            with urllib.request.urlopen(asked, timeout=20) as answer:
                self.assertEqual(answer.read(), content[1000:1010])
            for name, words in (("cut", ""), ("leak", "backing")):  # what an image names is not opened
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(f"{url}images/{name}.qcow2", timeout=60)
                self.assertEqual(refused.exception.code, 500)
                self.assertIn(words, refused.exception.read().decode())

    def test_what_cannot_be_served_is_refused(self):
        folder = self.scratch / "folder"
        self.ok(build(folder, "--modules", "none"))
        self.refused(slipway("netboot", "serve", folder, "--dhcp", "10.0.0.5,10.0.0.9"), 2, "interface that was named", "--interface")
        self.refused(slipway("netboot", "serve", folder, "--interface", "lo", "--dhcp", "10.0.0.0,proxy"), 2, "lo has no address in the network 10.0.0.0")
        self.refused(slipway("netboot", "serve", folder, "--interface", "nowhere0"), 4, "no interface nowhere0")
        self.refused(slipway("netboot", "serve", folder, "--interface", "lo", "--dhcp", "all of them"), 2, "no range of addresses", "proxy")
        self.refused(slipway("netboot", "serve", self.scratch / "none"), 4, "none")
        self.refused(slipway("netboot", "serve", folder, "--certificate", "x"), 2, "its key")
        with serving(folder, "--address", "127.0.0.1", "--port", "0") as url:
            port = url.rstrip("/").rsplit(":", 1)[1]
            self.refused(slipway("netboot", "serve", folder, "--address", "127.0.0.1", "--port", port), 4, port)


class TestMachines(Case):
    """Each boots over the network."""

    IMAGES = (("bookworm", "squashfs"), ("bookworm", "erofs"), ("trixie", "tar.zst"))

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            return
        place = tempfile.TemporaryDirectory(prefix="slipway-netboot-", dir="/var/tmp")
        cls.addClassCleanup(place.cleanup)
        cls.folder = Path(place.name) / "folder"
        made = build(cls.folder, "--modules", "none")
        if made.returncode != 0:
            raise RuntimeError(made.stderr)
        for release, kind in cls.IMAGES:
            packed = image(release, kind)
            for beside in ("", ".sha256"):
                shutil.copy(f"{packed}{beside}", cls.folder / "images")

    def machine(self, **options):
        machine = Machine(self.scratch, **options)
        self.addCleanup(machine.stop)
        return machine

    def test_every_firmware_and_loader_leads_to_the_prompt(self):
        for bootfile in ("pxelinux.0", "grub.pxe", "grubx64.efi"):
            with self.subTest(bootfile):
                machine = self.machine(folder=self.folder, bootfile=bootfile, uefi=bootfile.endswith(".efi"))
                machine.expect(PROMPT, 120)
                machine.expect(r"eth0 has 10\.0\.2\.15", 60)
                machine.stop()

    def test_beside_the_network_s_own_dhcp_server(self):
        """A proxy tells what to boot, to iPXE and to UEFI; addresses are of the other server."""
        network = Network("10.0.2.9")
        self.addCleanup(network.remove)
        with serving(self.folder, "--interface", "tap0", "--dhcp", "10.0.2.0,proxy", inside=network.inside):
            for uefi in (False, True):
                with self.subTest(uefi=uefi):
                    machine = self.machine(network=network, leases=True, uefi=uefi)
                    machine.expect(PROMPT, 120)
                    machine.expect(r"eth0 has 10\.0\.2\.15", 60)
                    machine.stop()

    def test_load_and_return_again_and_again(self):
        """With our own DHCP and TFTP servers and iPXE: systemd to its login, and back in each of the ways; then other images."""
        network = Network()
        self.addCleanup(network.remove)
        cycles = 100 if os.environ.get("SLIPWAY_FULL") else 10
        with serving(self.folder, "--interface", "tap0", "--dhcp", "10.9.0.50,10.9.0.99", inside=network.inside) as url:
            self.assertEqual(url, "http://10.9.0.1:8080/")
            machine = self.machine(network=network)
            machine.expect(PROMPT, 120)
            machine.expect(r"eth0 has 10\.9\.0\.\d+", 60)
            ways = ("RETURN_TO_BOOTSTRAP", "/.bootstrap-return", "poweroff", "reboot")
            free, seconds = [], []
            for cycle in range(cycles):
                began = machine.seconds()
                self.visit(machine, f"{url}images/bookworm.squashfs", ways[cycle % len(ways)])
                seconds.append(machine.seconds() - began)
                free.append(int(machine.command("status", r"(\d+) MiB free")[1]))
            print(f"\nmemory that is free after each return, MiB: {free}; slope {slope(free[1:]):+.2f} MiB a cycle; "
                  f"{sum(seconds) / cycles:.1f} s a cycle", flush=True)
            # The first return leaves modules and caches of the kernel.
            self.assertGreater(slope(free[1:]), -1.0)
            # systemd 257 sees that it has a PID namespace of its own.
            self.visit(machine, f"{url}images/bookworm.erofs", "RETURN_TO_BOOTSTRAP", sees="none")
            self.visit(machine, f"{url}images/trixie.tar.zst", "RETURN_TO_BOOTSTRAP", sees="container-other")
            for image, way in (("bookworm.squashfs", "RETURN_TO_BOOTSTRAP"), ("trixie.tar.zst", "poweroff"), ("bookworm.erofs", "/.bootstrap-return")):
                self.visit(machine, f"{url}images/{image} --entry native", way, sees="none")
            self.visit(machine, f"{url}images/bookworm.squashfs", "poweroff", sees="none")

    def visit(self, machine, url, way, sees="none"):
        """Into the image, to a login, and back."""
        machine.command(f"load {url}", "entering", 60)
        machine.log_in()
        machine.command("systemctl is-system-running --wait", r"running\r\n")
        machine.command("systemd-detect-virt -c", rf"{sees}\r\n")
        machine.command(way, r"back after[^\n]*", 60)
        machine.expect(PROMPT)
        said = machine.text[machine.text.rindex("back after"):]
        self.assertNotIn("LEFT BEHIND", said)

    def test_trap15_what_is_bad_ends_at_the_prompt(self):
        images = self.folder / "images"
        good = (images / "bookworm.squashfs").read_bytes()
        (images / "cut.squashfs").write_bytes(good[:1 << 20])
        (images / "page.squashfs").write_text("<!DOCTYPE html><html>not here</html>")
        for name, init in (("empty", None), ("foreign", b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\xb7\0" + bytes(44)), ("short", b"#!/nowhere\n")):
            self.ok(slipway("netboot", "pack", small_tree(self.scratch / name, init), images / f"{name}.tar", "--force"))
        shutil.copy(images / "empty.tar", images / "wrong.tar")
        (images / "wrong.tar.sha256").write_text("0" * 64 + "  wrong.tar\n")
        subprocess.run(["tar", "-cPf", images / "climbing.tar", "--transform", "s,^,../../,", "-C", self.scratch / "empty", "etc"], check=True)
        with serving(self.folder, "--address", "127.0.0.1", "--port", "0") as served:
            url = served.replace("127.0.0.1", "10.0.2.2") + "images/"
            machine = self.machine(folder=self.folder, bootfile="boot.ipxe")
            machine.expect(PROMPT, 120)
            machine.expect(r"eth0 has", 60)
            for name, words in (("nothing.squashfs", "404"), ("cut.squashfs", "larger than|cut off|damaged"), ("page.squashfs", "web page"),
                                ("wrong.tar", "digest"), ("empty.tar", "no init"), ("foreign.tar", "aarch64"), ("climbing.tar", r"\.\./|escape|outside"),
                                ("short.tar", "did not start|init has ended"), ("", "404|URL")):
                with self.subTest(name):
                    machine.command(f"load {url}{name}", words, 60)
                    machine.expect(PROMPT)
            machine.command("load ftp://10.0.2.2/x", "http")
            machine.command("lod x", "no command lod")
            machine.command(f"load {url}bookworm.squashfs --sha256 " + "1" * 64, "digest", 60)
            self.visit(machine, f"{url}bookworm.squashfs --sha256 {hashlib.sha256(good).hexdigest()}", "RETURN_TO_BOOTSTRAP")

    def test_a_target_that_does_not_want_to_end(self):
        """It ignores what it is asked, and has forked many that do the same."""
        folder = self.scratch / "folder"
        self.ok(build(folder, "--modules", "none"))
        config = folder / "boot.ipxe"
        config.write_text(config.read_text().replace(" quiet", " quiet slipway.deadline=2"))
        stubborn = b"#!/bin/sh\ntrap '' TERM INT HUP\ni=0; while [ $i -lt 50 ]; do (while :; do read x < /dev/ptmx; done) & i=$((i+1)); done\n" \
                   b"echo I stay; while :; do read x < /dev/console; done\n"
        self.ok(slipway("netboot", "pack", small_tree(self.scratch / "stubborn", stubborn), folder / "images/stubborn.tar"))
        with serving(folder, "--address", "127.0.0.1", "--port", "0") as served:
            machine = self.machine(folder=folder, bootfile="boot.ipxe")
            machine.expect(PROMPT, 120)
            machine.expect(r"eth0 has", 60)
            for _ in range(2):
                machine.command(f"load {served.replace('127.0.0.1', '10.0.2.2')}images/stubborn.tar", "I stay", 60)
                asked = machine.seconds()
                machine.send("RETURN_TO_BOOTSTRAP\r")
                machine.expect("it did not end in time, and was killed", 30)
                print(f"\nback {machine.seconds() - asked:.1f} s after it was asked for, with a deadline of 2 s", flush=True)
                machine.expect(PROMPT)
            machine.command(f"load {served.replace('127.0.0.1', '10.0.2.2')}images/stubborn.tar --entry native", "for images with systemd", 60)

    def test_a_disk_keeps_images_and_what_is_written_to_them(self):
        """The machine is switched off in between, and the server has lost the image."""
        folder = self.scratch / "folder"
        self.ok(build(folder, "--modules", "none"))
        config = folder / "boot.ipxe"
        config.write_text(config.read_text().replace(" quiet", " quiet slipway.cache=KEPT slipway.persist=KEPT"))
        shutil.copytree(self.folder / "images", folder / "images", dirs_exist_ok=True)
        disk = self.scratch / "disk"
        subprocess.run(["truncate", "-s", "512M", disk], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-L", "KEPT", disk], check=True)
        with serving(folder, "--address", "127.0.0.1", "--port", "0") as served:
            load = f"load {served.replace('127.0.0.1', '10.0.2.2')}images/bookworm.squashfs"
            for boot in ("first", "second"):
                machine = self.machine(folder=folder, bootfile="boot.ipxe", options=("-drive", f"file={disk},if=virtio,format=raw"))
                machine.expect(PROMPT, 120)
                machine.expect(rf"images are kept on the disk KEPT, which has {'0' if boot == 'first' else '1'} now", 60)
                machine.command(load, "fetched [^\n]* onto the disk KEPT" if boot == "first" else "is here already, on the disk KEPT, and was read again", 60)
                machine.expect("what it writes stays on the disk KEPT")
                machine.log_in()
                if boot == "first":
                    machine.command("echo of the first visit > /root/note", r"target:~# ")
                else:
                    machine.command("cat /root/note", r"of the first visit\r\n")
                machine.command("poweroff", r"back after[^\n]*", 60)
                machine.expect(PROMPT)
                self.assertNotIn("LEFT BEHIND", machine.text)
                machine.command("list", r", on the disk KEPT\r\n")
                machine.stop()
                (folder / "images/bookworm.squashfs").unlink(missing_ok=True)

    def test_an_image_is_entered_before_all_of_it_is_here(self):
        """The server counts; it goes in the middle, and comes back; at the end it is gone, and the return works all the same."""
        folder = self.scratch / "folder"
        self.ok(build(folder, "--modules", "none"))
        config = folder / "boot.ipxe"
        config.write_text(config.read_text().replace(" quiet", " quiet slipway.deadline=5"))
        packed = image("bookworm", "squashfs")
        for beside in ("", ".manifest", ".blocks"):
            shutil.copy(f"{packed}{beside}", folder / "images")
        said = []
        with serving(folder, "--address", "127.0.0.1", "--port", "0", said=said) as served:
            machine = self.machine(folder=folder, bootfile="boot.ipxe")
            machine.expect(PROMPT, 120)
            machine.expect(r"eth0 has", 60)
            machine.command(f"load {served.replace('127.0.0.1', '10.0.2.2')}images/bookworm.squashfs --lazy", "entering", 60)
            machine.log_in()
        fetched = sum(int(line.split()[-1]) for line in said[0].splitlines() if " /images/bookworm.squashfs 206 " in line)
        size = packed.stat().st_size
        print(f"\n{fetched >> 10} KiB of {size >> 10} KiB fetched until the login: {100 * fetched / size:.1f} %", flush=True)
        self.assertGreater(fetched, 1 << 20)
        self.assertLess(fetched, 0.4 * size)
        machine.send("cat /usr/share/zoneinfo/*/* /usr/share/i18n/charmaps/* /usr/bin/* > /dev/null; echo read it $((40 + 2))\r")
        time.sleep(3)
        with self.assertRaises(AssertionError):
            machine.expect("read it 42", 3)
        with serving(folder, "--address", "127.0.0.1", "--port", served.rstrip("/").rsplit(":", 1)[1]):
            machine.expect("read it 42", 90)
            machine.command("echo again", r"target:~# ")
        machine.send("cat /usr/lib/*/* > /dev/null 2>&1\r")
        time.sleep(1)
        machine.send("RETURN_TO_BOOTSTRAP\r")
        machine.expect(r"back after[^\n]*", 60)
        machine.expect(PROMPT)
        self.assertNotIn("LEFT BEHIND", machine.text)
        machine.command("list", "no image was fetched")

    def test_by_https(self):
        """A server is trusted by the authorities that were built in, or on the operator's word."""
        for name, subject in (("own", "IP:10.0.2.2"), ("other", "DNS:elsewhere")):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test",
                            "-addext", f"subjectAltName={subject}", "-keyout", self.scratch / f"{name}.key", "-out", self.scratch / f"{name}.pem"],
                           check=True, capture_output=True)
        folder = self.scratch / "folder"
        self.ok(build(folder, "--modules", "none", "--ca", self.scratch / "own.pem"))
        self.ok(slipway("netboot", "pack", small_tree(self.scratch / "tree"), folder / "images/tree.tar"))
        machine = None
        for name, options, words in (("own", "", "verified by https://"), ("other", "", "certificate is not trusted"),
                                     ("other", " --insecure", "WARNING: certificates are not checked")):
            with serving(folder, "--address", "127.0.0.1", "--port", "0", "--certificate", self.scratch / f"{name}.pem", "--key",
                         self.scratch / f"{name}.key") as served:
                self.assertTrue(served.startswith("https://"))
                if machine is None:
                    machine = self.machine(folder=folder, bootfile="boot.ipxe")
                    machine.expect(PROMPT, 120)
                    machine.expect(r"eth0 has", 60)
                machine.command(f"load {served.replace('127.0.0.1', '10.0.2.2')}images/tree.tar --fetch-only{options}", words, 60)
                machine.expect(PROMPT)

    def test_with_a_key_only_what_it_signed_is_entered(self):
        private, public = TestPack.key(self)
        tree = small_tree(self.scratch / "tree")
        folder = self.scratch / "folder"
        self.ok(build(folder, "--modules", "none", "--key", public))
        self.ok(slipway("netboot", "pack", tree, folder / "images/signed.tar", "--sign", private))
        self.ok(slipway("netboot", "pack", tree, folder / "images/unsigned.tar"))
        other = self.scratch / "other.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", other], check=True)
        self.ok(slipway("netboot", "pack", tree, folder / "images/foreign.tar", "--sign", other))
        for beside in ("", ".manifest", ".manifest.sig"):
            shutil.copy(folder / f"images/signed.tar{beside}", folder / f"images/changed.tar{beside}")
        with open(folder / "images/signed.tar", "rb") as whole:
            digest = hashlib.sha256(whole.read()).hexdigest()
        with serving(folder, "--address", "127.0.0.1", "--port", "0") as served:
            url = served.replace("127.0.0.1", "10.0.2.2") + "images/"
            machine = self.machine(folder=folder, bootfile="boot.ipxe")
            machine.expect(PROMPT, 120)
            machine.expect(r"eth0 has", 60)
            for name, words in (("unsigned", "there is no signed manifest of unsigned.tar"), ("foreign", "is of none of the keys built in"), ("changed", "is the manifest of signed.tar")):
                machine.command(f"load {url}{name}.tar --fetch-only --sha256 {digest}", words, 60)
                machine.expect(PROMPT)
            machine.command(f"load {url}signed.tar --fetch-only", rf"fetched [^\n]*{digest}", 60)
            machine.expect(r"verified by the key 1\.pem")
            machine.command("list", digest)


if __name__ == "__main__":
    unittest.main()
