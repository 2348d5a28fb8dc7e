#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One machine booted over the network, and what its keyboard, its screen, its network and its images do to the bootstrap."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from support import SLIPWAY, Case, slipway
from netboot_machine import PROMPT, Machine, Monitor, Network
from test_netboot import HERE, build, image, serving, small_tree

INIT = Path(SLIPWAY).parent.parent / "tests/unfriendly_init"
HOTKEY = ("ctrl", "alt", "f12")


def unfriendly(place, mode):
    """A system whose init does what the mode says."""
    tree = small_tree(place, INIT.read_bytes())
    (tree / "etc/mode").write_text(mode + "\n")
    (tree / "bin/ip").symlink_to("sh")
    return tree


@unittest.skipIf(os.geteuid() != 0, "needs root")
class TestMachine(Case):
    """All on one machine: each begins and ends at the prompt."""

    MODES = ("screen", "memory", "fork", "traces", "harm")

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
        config.write_text(config.read_text().replace(" quiet", " quiet slipway.deadline=8 bootstrap_debug"))
        packed = image("bookworm", "squashfs")
        for beside in ("", ".sha256"):
            shutil.copy(f"{packed}{beside}", folder / "images")
        for mode in cls.MODES:
            made = slipway("netboot", "pack", unfriendly(top / mode, mode), folder / f"images/{mode}.tar")
            if made.returncode != 0:
                raise RuntimeError(made.stderr)
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
        self.monitor.release(*HOTKEY)
        self.load("bookworm.squashfs")
        self.log_in()  # those of before do not count
        self.monitor.ask("device_del", id="keyboard")
        self.machine.command("poweroff", r"back after[^\n]*", 60)
        self.machine.expect(PROMPT)

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

    def test_what_the_network_gives_is_kept(self):
        """The last of these: there was time enough for both kinds to be renewed."""
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
        time.sleep(15)
        self.machine.send("RETURN_TO_BOOTSTRAP\r")
        self.back("killed", 60)

    def test_a_system_that_forks_without_end(self):
        self.load("fork.tar", "I fork")
        time.sleep(10)
        self.machine.send("RETURN_TO_BOOTSTRAP\r")
        self.back("killed", 90)

    def test_trap_16_what_a_systems_root_can_do_to_the_bootstrap(self):
        self.load("harm.tar", "harm was tried")
        said = self.machine.text[self.machine.text.rindex("mode harm"):]
        self.assertNotIn("POSSIBLE", said)
        self.assertIn("frozen: 1", said)  # the bootstrap's group, which does not last
        self.machine.send("RETURN_TO_BOOTSTRAP\r")
        self.assertNotIn("LEFT BEHIND", self.back("killed"))
        self.load("bookworm.squashfs")
        self.log_in()
        self.machine.command("poweroff", r"back after[^\n]*", 60)
        self.machine.expect(PROMPT)


if __name__ == "__main__":
    unittest.main()
