# SPDX-License-Identifier: Apache-2.0
"""Machines that boot over the network: QEMU with an empty disk, and what an operator sees on its serial line."""
import json
import os
import re
import select
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROMPT = r"\[bootstrap\] # "
OVMF = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")


class Network:
    """A network namespace with a tap that a machine is plugged into; `address` is this side of it."""

    def __init__(self, address="10.9.0.1"):
        self.name = f"slipway-test-{os.getpid()}"
        self.inside = ("ip", "netns", "exec", self.name)
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        for words in ("link set lo up", "tuntap add dev tap0 mode tap", f"addr add {address}/24 dev tap0", "link set tap0 up"):
            subprocess.run([*self.inside, "ip", *words.split()], check=True)

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=True)


class Machine:
    """With `network`, in a network of its own, where somebody serves; with `leases`, it has a DHCP server already, at 10.0.2.2,
    which knows nothing of booting. Otherwise `folder` is served by TFTP, and `bootfile` is what firmware is told to begin with;
    the host is 10.0.2.2. `first`: options for what comes before its network card."""

    def __init__(self, directory, *, folder=None, bootfile="", network=None, leases=False, uefi=False, memory=1024, first=(), options=()):
        firmware = []
        if uefi:
            variables = Path(directory) / "variables.fd"
            shutil.copy(OVMF.with_name(OVMF.name.replace("CODE", "VARS")), variables)
            firmware = ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}", "-drive", f"if=pflash,format=raw,file={variables}"]
        inside, netdev = ((network.inside, "tap,ifname=tap0,script=no,downscript=no") if network else
                          ((), f"user,tftp={folder},bootfile={bootfile}"))
        if leases:
            first = [*first, "-netdev", f"{netdev},id=plug", "-netdev", "hubport,hubid=0,netdev=plug,id=first",
                     "-netdev", "user,restrict=on,id=leases", "-netdev", "hubport,hubid=0,netdev=leases,id=second"]
            netdev = "hubport,hubid=0"
        self.started = time.monotonic()
        self.text = ""    # all that came
        self.seen = 0     # up to where it was looked at
        self.process = subprocess.Popen(
            [*inside, "qemu-system-x86_64", "-machine", "q35,graphics=off", "-accel", "tcg", "-m", str(memory), "-nodefaults", "-vga", "std", "-display", "none",
             "-serial", "stdio", "-no-reboot", "-boot", "n", *firmware, "-device", "virtio-rng-pci", *first,
             "-netdev", f"{netdev},id=net", "-device", f"virtio-net-pci,netdev=net,bootindex=1{',romfile=' if uefi else ''}", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def stop(self):
        self.process.kill()
        self.process.communicate()

    def seconds(self):
        return time.monotonic() - self.started

    def expect(self, pattern, timeout=60):
        """Waits for it in what was not looked at yet; the match."""
        until = time.monotonic() + timeout
        while not (found := re.search(pattern, self.text[self.seen:])):
            left = until - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not seen in {timeout} s: {pattern}\n{self.text[self.seen:][-6000:]}")
            if select.select([self.process.stdout], [], [], min(left, 0.5))[0]:
                piece = os.read(self.process.stdout.fileno(), 65536)
                if not piece:
                    raise AssertionError(f"the machine ended before {pattern}\n{self.text[self.seen:][-6000:]}")
                self.text += piece.decode(errors="replace")
        self.seen += found.end()
        return found

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def command(self, line, pattern=PROMPT, timeout=60):
        """Types a line at a prompt, and waits for what comes after it."""
        self.send(line + "\r")
        self.expect(r"\n", timeout)
        return self.expect(pattern, timeout)

    def log_in(self, password="slipway", timeout=120):
        self.expect(r"login: ", timeout)
        self.command("root", r"Password: ")
        self.command(password, r"# ")


class Monitor:
    """QEMU's side of a machine: its keyboards and its screen."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile()
        self.lines.readline()  # the greeting
        self.ask("qmp_capabilities")

    def close(self):
        self.lines.close()
        self.socket.close()

    def ask(self, name, **arguments):
        self.socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode())
        while "event" in (answer := json.loads(self.lines.readline())):
            pass
        if "error" in answer:
            raise AssertionError(f"{name}: {answer['error']['desc']}")
        return answer["return"]

    def keys(self, names, down):
        self.ask("input-send-event", events=[{"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": name}}} for name in names])

    def hold(self, *names, seconds):
        self.keys(names, True)
        time.sleep(seconds)

    def release(self, *names):
        self.keys(names, False)
        time.sleep(0.1)

    def press(self, *names):
        self.hold(*names, seconds=0.1)
        self.release(*names)

    def screen(self, path):
        """What it shows, as a picture."""
        self.ask("screendump", filename=str(path))
        return Path(path).read_bytes()
