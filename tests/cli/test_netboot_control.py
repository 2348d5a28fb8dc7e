#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Machines that were booted over the network take orders: by the command line, and by the page in a browser."""
import json
import re
import socket
import subprocess
import time
import unittest

from support import SLIPWAY, Case, slipway
from browser import Browser
from netboot_machine import PROMPT, Machine
from test_netboot import build, serving, small_tree

# It answers at the machine's console, until it is asked to end.
TALKS = b"#!/bin/sh\necho the image runs\nwhile read line; do echo \"heard $line\"; done < /dev/console\n"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class TestControl(Case):
    """One machine, one server; what operators do with them."""

    def setUp(self):
        super().setUp()
        self.folder, self.state = self.scratch / "folder", self.scratch / "state"
        self.port = free_port()
        self.ok(build(self.folder, "--modules", "none", "--server", f"https://10.0.2.2:{self.port}", "--state", self.state))
        self.ok(slipway("netboot", "pack", small_tree(self.scratch / "talks", TALKS), self.folder / "images/talks.tar"))
        # The second partition of a disk; the first has nothing.
        with (self.scratch / "disk.raw").open("wb") as disk:
            disk.truncate(12 << 20)
        for words, given in ((("sfdisk", "-q", self.scratch / "disk.raw"), "label: gpt\nstart=2048,size=2048\nstart=4096,size=16384\n"),
                             (("mke2fs", "-q", "-F", "-t", "ext4", "-E", f"offset={2 << 20}", "-d", self.scratch / "talks",
                               self.scratch / "disk.raw", "8M"), ""),
                             (("qemu-img", "convert", "-O", "qcow2", self.scratch / "disk.raw", self.folder / "images/disk.qcow2"), "")):
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL, input=given, text=True)
        self.url = f"https://127.0.0.1:{self.port}/"

    def serve(self):
        return serving(self.folder, "--address", "127.0.0.1", "--port", "0", "--state", str(self.state))

    def boot(self):
        machine = Machine(self.scratch, folder=self.folder, bootfile="boot.ipxe")
        self.addCleanup(machine.stop)
        machine.expect(PROMPT, 120)
        return machine

    def ask(self, verb, *words, **more):
        return slipway("netboot", verb, *words, "--state", self.state, **more)

    def machines(self):
        return json.loads(self.ok(self.ask("machines", "--json")).stdout)["machines"]

    def until(self, wanted, what, timeout=60):
        end = time.monotonic() + timeout
        while not wanted():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.3)

    def test_orders_of_the_command_line(self):
        self.refused(self.ask("machines"), 4, "slipway netboot serve")  # nobody has ever served
        with self.serve() as served:
            images = served.replace("127.0.0.1", "10.0.2.2") + "images/"
            machine = self.boot()
            number = machine.expect(r"this machine is ([0-9a-f]{16}) and waits to be approved", 60).group(1)
            [one] = self.machines()
            self.assertEqual((one["id"], one["approved"], one["connected"]), (number, False, True))
            self.assertEqual(one["mac"], "52:54:00:12:34:56")
            # Nobody gives orders to a machine that was not approved, nor sees its console.
            for words in (("load", number, images + "talks.tar"), ("return", number), ("console", number, "--once"), ("log", number)):
                self.refused(self.ask(*words), 3, "was not approved", number)
            self.refused(self.ask("approve", "zzzz"), 4, "no machine zzzz")
            self.ok(self.ask("approve", number[:6]))
            machine.expect("this machine was approved")
            self.assertIn(number, self.ok(self.ask("machines")).stdout)

            self.refused(self.ask("return", number), 4, "nothing runs")
            self.refused(self.ask("load", number, images + "none.tar"), 4, "404")
            # By its name it is looked for where the machine was booted from, as iPXE has told it.
            self.refused(self.ask("load", number, "none.tar"), 4, "http://10.0.2.2:8080/images/none.tar")
            self.refused(self.ask("load", number, images + "talks.tar", "--nonsense"), 2, "has no option --nonsense")
            loaded = self.ok(self.ask("load", number, images + "talks.tar"))
            self.assertIn("entering", loaded.stdout)
            machine.expect("the image runs")
            self.until(lambda: self.machines()[0]["phase"] == "target", "the server knows")
            self.refused(self.ask("load", "52:54:00:12:34:56", images + "talks.tar"), 4, "an image is entered")
            # What is typed there goes to the image, and its answer comes back; so does the machine, by the word.
            console = subprocess.Popen([SLIPWAY, "netboot", "console", number, "--state", self.state], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            console.stdin.write(b"good day\r")
            console.stdin.flush()
            said = b""
            while b"heard good day" not in said:
                said += console.stdout.read1(4096)
            console.terminate()
            console.communicate(timeout=20)
            self.assertIn(b"the image runs", said)
            machine.expect("heard good day")

            back = self.ok(self.ask("return", number))
            self.assertRegex(back.stdout, "back after")
            machine.expect(PROMPT)
            self.assertIn("entering", self.ok(self.ask("log", number)).stdout)
            self.assertIn("heard good day", self.ok(self.ask("console", number, "--once")).stdout)
            self.until(lambda: self.machines()[0]["phase"] == "bootstrap", "the server knows")
            self.assertEqual(self.machines()[0]["returns"], 1)
            # A virtual machine's disk, which the server makes raw.
            self.ok(self.ask("load", number, images + "disk.qcow2"))
            machine.expect("the image runs")
            self.assertRegex(self.ok(self.ask("return", number)).stdout, "back after")
            machine.expect(PROMPT)

        machine.expect("remote control: ")  # that nobody is there
        with self.serve():
            machine.expect(f"knows this machine as {number}", 60)
            self.until(lambda: self.machines()[0]["connected"], "it is there again, and approved")
            self.ok(self.ask("approve", "--forget", number))
            machine.expect("waits to be approved", 60)
            self.refused(self.ask("return", number), 3, "was not approved")

    def test_a_server_that_is_another(self):
        """A machine takes no orders of one that lacks the key, and no operator gets in without the token."""
        other = self.scratch / "other"
        self.ok(build(self.scratch / "else", "--modules", "none", "--server", f"https://10.0.2.2:{self.port}", "--state", other))
        with serving(self.scratch / "else", "--address", "127.0.0.1", "--port", "0", "--state", str(other)):
            machine = self.boot()
            machine.expect("remote control: .*certificate is not trusted", 60)
            self.assertEqual(json.loads(self.ok(slipway("netboot", "machines", "--json", "--state", other)).stdout), {"machines": []})
            (other / "token").write_text("0" * 64 + "\n")
            self.refused(slipway("netboot", "machines", "--state", other), 3, "not the operator's token")
            # Of somebody else's server, an operator's program is not content with any certificate either.
            self.refused(self.ask("machines", "--server", self.url), 3, "certificate")

    def test_the_page(self):
        with self.serve() as served:
            images = served.replace("127.0.0.1", "10.0.2.2") + "images/"
            machine = self.boot()
            number = machine.expect(r"this machine is ([0-9a-f]{16}) and waits", 60).group(1)
            page = Browser(self.scratch / "profile")
            self.addCleanup(page.close)
            page.open(self.url)
            page.type("#token", "wrong")
            page.click("#enter button")
            page.wait("#connection", "not the operator's token")
            page.run("document.querySelector('#token').value = ''")
            page.type("#token", (self.state / "token").read_text().strip())
            page.click("#enter button")
            self.assertIn("waits to be approved", page.wait("#machines", number))
            page.click(f"tr[data-id='{number}']")
            page.click("#approve")
            machine.expect("this machine was approved")
            page.wait("#console", "[bootstrap] #")
            page.type("#console", "help load\ue007")  # the last is the return key
            page.wait("#console", "fetch an image")
            page.type("#url", images + "none.tar")
            page.click("#load-button")
            page.wait("#outcome", "404")
            page.run("document.querySelector('#url').value = ''")
            page.type("#url", images + "talks.tar")
            page.click("#load-button")
            page.wait("#console", "the image runs")
            page.wait("#machines", "target")
            page.type("#console", "from a browser\ue007")
            page.wait("#console", "heard from a browser")
            page.click("button[data-view=screen]")
            page.wait("#screen pre", "bootstrap")  # what its screen showed before it was lent
            page.click("button[data-view=log]")
            page.wait("#log", "entering")
            page.click("#return")
            page.wait("#outcome", "back after")
            machine.expect(PROMPT)
            page.click("button[data-view=leaks]")
            self.assertRegex(page.wait("#leaks", ""), ".+")
            page.wait("#machines", "1 / 1")
            self.assertEqual(page.run("return document.querySelectorAll('#console *').length"), 0)  # text only


if __name__ == "__main__":
    unittest.main()
