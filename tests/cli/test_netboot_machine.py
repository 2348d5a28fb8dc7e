#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One machine booted over the network, and what its keyboard, its screen, its network and its images do to the bootstrap."""
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from support import SLIPWAY, Case, slipway
from netboot_machine import PROMPT, Machine, Monitor, Network
from test_netboot import build, image, serving, small_tree

from builder import kernel

INIT = Path(SLIPWAY).parent.parent / "tests/unfriendly_init"
HOTKEY = ("ctrl", "alt", "f12")


def unfriendly(place, mode):
    """A system whose init does what the mode says."""
    tree = small_tree(place, INIT.read_bytes())
    (tree / "etc/mode").write_text(mode + "\n")
    (tree / "bin/ip").symlink_to("sh")
    if mode == "hold":
        subprocess.run(["mkfs.ext4", "-q", tree / "image.ext4", "2M"], check=True, stderr=subprocess.DEVNULL)
    return tree


@unittest.skipIf(os.geteuid() != 0, "needs root")
class TestMachine(Case):
    """All on one machine: each begins and ends at the prompt."""

    MODES = ("screen", "memory", "fork", "traces", "harm", "hold", "starve", "end")

    @classmethod
    def setUpClass(cls):
        place = tempfile.TemporaryDirectory(prefix="slipway-netboot-", dir="/var/tmp")
        cls.addClassCleanup(place.cleanup)
        top = Path(place.name)
        folder = top / "folder"
        made = build(folder, "--modules", "none")
        if made.returncode != 0:
            raise RuntimeError(made.stderr)
        config = folder / "boot.ipxe"
        config.write_text(config.read_text().replace(" quiet", " quiet slipway.deadline=5 bootstrap_debug"))
        packed = image("bookworm", "squashfs")
        for beside in ("", ".sha256"):
            shutil.copy(f"{packed}{beside}", folder / "images")
        for mode in cls.MODES:
            made = slipway("netboot", "pack", unfriendly(top / mode, mode), folder / f"images/{mode}.tar")
            if made.returncode != 0:
                raise RuntimeError(made.stderr)
        cls.add_kernel(packed, top / "with-kernel", folder)
        network = Network()
        cls.addClassCleanup(network.remove)
        cls.serve_addresses(folder, network)
        server = serving(folder, "--address", "::", inside=network.inside)
        port = server.__enter__().rstrip("/").rsplit(":", 1)[1]
        cls.url, cls.url6 = f"http://10.9.0.1:{port}/", f"http://[fd09::1]:{port}/"
        cls.addClassCleanup(server.__exit__, None, None, None)
        # Its first network card has a cable that leads nowhere.
        cls.machine = Machine(top, network=network, first=("-netdev", "hubport,hubid=1,id=dead", "-device", "virtio-net-pci,netdev=dead,romfile="),
                              options=("-qmp", f"unix:{top}/monitor,server=on,wait=off", "-device", "qemu-xhci"))
        cls.addClassCleanup(cls.machine.stop)
        cls.machine.expect(PROMPT, 120)
        cls.top, cls.monitor = top, Monitor(top / "monitor")
        cls.addClassCleanup(cls.monitor.close)
        cls.machine.expect(r"eth1 has 10\.9\.0\.\d+", 60)

    @classmethod
    def add_kernel(cls, packed, tree, folder):
        """The same system with a kernel of its own, and those of its modules that matter here."""
        subprocess.run(["unsquashfs", "-q", "-n", "-d", tree, packed], check=True, stdout=subprocess.DEVNULL)
        file = kernel.cached(kernel.STANDARD)
        release = file.name.removeprefix("vmlinuz-")
        shutil.copy(file, tree / "boot" / file.name)
        source, target = (top / "lib/modules" / release for top in (file.parent.parent, tree / "usr"))
        for part in ("fs", "lib", "crypto", "arch", "drivers/block", "drivers/virtio", "drivers/input", "drivers/hid", "drivers/net/virtio_net.ko",
                     "drivers/net/net_failover.ko", "net/core", "drivers/char/hw_random"):
            (target / "kernel" / part).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", source / "kernel" / part, target / "kernel" / part], check=True)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            shutil.copy(source / name, target / name)
        subprocess.run(["depmod", "-b", tree, release], check=True)
        made = slipway("netboot", "pack", tree, folder / "images/kernel.squashfs")
        if made.returncode != 0:
            raise RuntimeError(made.stderr)

    @classmethod
    def serve_addresses(cls, folder, network):
        """The configuration that `build` writes, with addresses for two minutes, and IPv6."""
        subprocess.run([*network.inside, "ip", "addr", "add", "fd09::1/64", "dev", "tap0", "nodad"], check=True)
        config = cls.enterClassContext(tempfile.NamedTemporaryFile("w", suffix=".conf"))
        config.write((folder / "dnsmasq.conf").read_text() + "\ninterface=tap0\ndhcp-range=10.9.0.50,10.9.0.99,2m\ndhcp-option=option:T1,25\n"
                     "enable-ra\nra-param=tap0,10\ndhcp-range=fd09::100,fd09::1ff,slaac,64,2m\ndhcp-option=option6:dns-server,[fd09::53]\n")
        config.flush()
        dnsmasq = subprocess.Popen([*network.inside, "dnsmasq", "--no-daemon", f"--conf-file={config.name}", "--leasefile-ro"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(dnsmasq.wait, 20)
        cls.addClassCleanup(dnsmasq.terminate)

    def load(self, name, words="entering", timeout=60):
        self.machine.command(f"load {self.url}images/{name}", words, timeout)

    def back(self, why, timeout=40):
        """At the prompt again; what was left behind and undone."""
        self.machine.expect(r"back after[^\n]*" + why, timeout)
        self.machine.expect(PROMPT)
        self.machine.command("help", r"list [^\n]*\n")  # all has been said
        self.machine.expect(PROMPT)
        said = self.machine.text[self.machine.text.rindex("back after"):]
        print("\n" + said.split("[bootstrap]")[0].strip(), flush=True)
        return said

    def log_in(self):
        self.machine.log_in()
        self.machine.command("systemctl is-system-running --wait", r"running\r\n")

    def test_the_hotkey_on_a_keyboard_that_was_there(self):
        for way in ("contained", "native"):
            with self.subTest(way):
                self.load(f"bookworm.squashfs --entry {way}")
                self.log_in()
                self.monitor.press("f12")  # alone it is nothing
                self.monitor.press("ctrl", "alt", "f11")
                self.machine.command("echo still here", "still here\r\n")
                self.monitor.hold("ctrl", seconds=1)  # trap 15: longer than a console would take it for one
                self.monitor.hold("alt", "f12", seconds=0.2)
                self.monitor.release("f12", "alt", "ctrl")
                self.assertNotIn("LEFT BEHIND", self.back(r"\(Ctrl\+Alt\+F12\)"))

    def test_the_hotkey_on_a_keyboard_that_comes_later(self):
        self.load("bookworm.squashfs")
        self.log_in()
        self.monitor.ask("device_add", driver="usb-kbd", id="keyboard")
        self.machine.command("until grep -q QEMU.USB.Keyboard /proc/bus/input/devices; do sleep 1; done; echo it is there", "it is there\r\n", 60)
        time.sleep(1)
        self.monitor.hold(*HOTKEY, seconds=3)  # it repeats itself meanwhile
        self.back(r"\(Ctrl\+Alt\+F12\)")
        self.load("screen.tar", "the screen is mine")
        time.sleep(2)
        self.assertNotIn("back after", self.machine.text[self.machine.seen:])  # it is held since before
        self.monitor.release(*HOTKEY)
        self.monitor.ask("device_del", id="keyboard")
        self.machine.send("RETURN_TO_BOOTSTRAP\r")
        self.back("RETURN_TO_BOOTSTRAP")

    def test_the_screen_that_a_system_has_taken(self):
        self.load("screen.tar", "the screen is mine")
        self.monitor.press(*HOTKEY)
        self.back("killed")
        before = self.monitor.screen(self.top / "before.ppm")
        for key in "status":
            self.monitor.press(key)
        self.monitor.press("ret")
        self.machine.expect(r"phase +bootstrap", 20)  # what is said goes to all consoles
        self.machine.expect(PROMPT)
        time.sleep(1)
        self.assertNotEqual(self.monitor.screen(self.top / "after.ppm"), before)

    def test_the_network_gives_and_renews(self):
        """After others of these: there was time enough for both kinds to be renewed."""
        self.machine.command("status", r"eth1 +10\.9\.0\.\d+/24, [^\n]*\n")
        shown = self.machine.text[self.machine.text.rindex("eth1 "):]
        self.assertRegex(shown, r"fd09::1[0-9a-f]{2}/128")           # of DHCP
        self.assertRegex(shown, r"fd09::5054:ff:fe12:3457/64|fd09::5054:ff:fe12:3456/64")  # of its own making
        self.machine.expect(PROMPT)
        self.machine.command(f"load {self.url6}images/traces.tar --fetch-only", r"fetched|is here already", 60)
        self.machine.expect(PROMPT)
        until = time.monotonic() + 100
        while time.monotonic() < until:
            self.machine.command("log", r"eth1: DHCP ACK[^\0]*" + PROMPT, 60)
            said = self.machine.text[self.machine.text.rindex("Slipway's bootstrap, "):]
            acknowledged = said.count("eth1: DHCP ACK of 10.9.0.")
            if acknowledged >= 3 and said.count("eth1: DHCP answers fd09::1") >= 3:
                break
            time.sleep(10)
        else:
            self.fail(said)
        self.assertEqual(said.count("eth1: DHCP OFFER"), 1)
        self.assertIn("eth0: DHCP DISCOVER to", said)

    def test_traces_are_removed(self):
        self.load("traces.tar", "traces are left")
        self.machine.send("RETURN_TO_BOOTSTRAP\r")
        said = self.back("killed")
        for words in ("the interface left0", "the address 192.168.77.1/24 of eth1", "the route 10.77.0.0/16 by 192.168.77.2 of eth1",
                      "the address 127.0.0.1/8 of lo was not there any more", "the interface eth1: its MTU 1500 -> 1400",
                      "the clock, which it had set forward by", "vm.swappiness 60 -> 7", "files in /dev"):
            self.assertIn(words, said)
        self.assertNotIn("LEFT BEHIND", said)

    def test_a_system_that_eats_all_memory(self):
        self.load("memory.tar", "I eat")
        time.sleep(8)
        self.machine.send("RETURN_TO_BOOTSTRAP\r")
        self.back("killed", 60)

    def test_a_system_that_forks_without_end(self):
        self.load("fork.tar", "I fork")
        time.sleep(5)
        self.machine.send("RETURN_TO_BOOTSTRAP\r")
        self.back("killed", 90)

    def test_trap16_what_a_systems_root_can_do_to_the_bootstrap(self):
        self.load("harm.tar", "harm was tried")
        said = self.machine.text[self.machine.text.rindex("mode harm"):]
        self.assertNotIn("POSSIBLE", said)
        self.assertEqual(said.count(": no"), 12)
        self.assertIn("frozen: 1", said)  # the bootstrap's group, which does not last
        self.machine.send("RETURN_TO_BOOTSTRAP\r")
        self.assertNotIn("LEFT BEHIND", self.back("killed"))

    def test_trap16_killed_processes_that_the_kernel_holds(self):
        self.load("hold.tar", "I hold on")
        said = self.machine.text[self.machine.text.rindex("mode hold"):]
        self.assertEqual(said.count(": done"), 4, said)
        self.machine.expect("the bootstrap is free", 30)
        self.machine.send("RETURN_TO_BOOTSTRAP\r")
        said = self.back("killed")
        self.assertIn("/dev, which was read-only", said)
        self.assertNotIn("LEFT BEHIND", said)

    def test_trap16_a_system_that_never_gives_the_processor_away(self):
        self.load("starve.tar", "I starve all others: 1")
        time.sleep(5)
        self.monitor.press(*HOTKEY)
        said = self.back("killed")
        self.assertIn("kernel.sched_rt_runtime_us 950000 -> -1", said)
        self.assertNotIn("LEFT BEHIND", said)

    def test_trap16_a_system_that_ends_the_bootstrap_ends_with_it(self):
        """PID 1 begins again."""
        self.load("end.tar", "I end the bootstrap")
        self.machine.expect(r"Slipway's bootstrap, \d+ MiB", 60)
        self.machine.expect(PROMPT, 60)
        self.machine.expect(r"eth1 has 10\.9\.0\.\d+", 60)
        self.machine.command("status", r"entered +0 images")
        self.machine.expect(PROMPT)
        self.load("screen.tar", "the screen is mine")
        self.machine.send("RETURN_TO_BOOTSTRAP\r")
        self.assertNotIn("LEFT BEHIND", self.back("killed"))

    def test_without_return_the_images_own_kernel(self):
        """The last: another bootstrap is there then."""
        self.machine.command(f"load {self.url}images/bookworm.squashfs --entry kexec", "the image has no kernel in /boot", 60)
        self.machine.expect(PROMPT)
        self.load("kernel.squashfs --entry kexec", "there is no return", 120)
        self.machine.expect(r"Slipway's bootstrap, \d+ MiB", 90)
        self.machine.log_in()
        self.machine.command("cat /proc/cmdline", r"image_url=\S+/kernel.squashfs image_sha256=[0-9a-f]{64} slipway.entry=native\r\n")
        self.machine.command("systemd-detect-virt -c", r"none\r\n")
        self.machine.command("poweroff", r"back after[^\n]*", 60)
        self.machine.expect(PROMPT)


if __name__ == "__main__":
    unittest.main()
