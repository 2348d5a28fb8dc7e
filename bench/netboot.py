# SPDX-License-Identifier: Apache-2.0
"""Machines that boot over the network, in QEMU: the initramfs, memory at the prompt, and how fast one comes back."""
import hashlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "tests/cli"), str(HERE.parent / "tests/images")]

# pylint: disable=wrong-import-position
from builder import cache, kernel
from netboot_machine import PROMPT, Machine

ENDS = b"#!/bin/sh\necho it en'ds'\n"
STAYS = b"#!/bin/sh\ntrap '' TERM INT HUP\ni=0; while [ $i -lt 50 ]; do (while :; do sleep 1000; done) & i=$((i+1)); done\necho it sta'ys'; wait\n"
DEADLINE = 2  # seconds


def slipway(build, *words):
    subprocess.run([str(each) for each in (build / "bin/slipway", "netboot", *words)], check=True, stdout=subprocess.DEVNULL)


def tree(place, init):
    for name in ("sbin", "bin"):
        (place / name).mkdir(parents=True)
    (place / "etc").mkdir()
    (place / "etc/os-release").write_text("ID=tiny\n")
    for applet in ("sh", "sleep"):
        shutil.copy("/bin/busybox", place / "bin" / applet)
    (place / "sbin/init").write_bytes(init)
    (place / "sbin/init").chmod(0o755)
    return place


def folder(build, scratch):
    """What machines boot from, with two images."""
    made = scratch / "folder"
    slipway(build, "build", "--kernel", kernel.cached(kernel.STANDARD), "--output", made, "--modules", "none", "--append", f"slipway.deadline={DEADLINE}")
    for name, init in (("ends", ENDS), ("stays", STAYS)):
        slipway(build, "pack", tree(scratch / name, init), made / f"images/{name}.tar")
    return made


def busybox_alone(scratch):
    """An initramfs that tells its memory, packed like ours."""
    place = scratch / "busybox"
    for name in ("bin", "proc", "dev"):
        (place / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", place / "bin/sh")
    for applet in ("mount", "cat", "sleep"):
        (place / "bin" / applet).symlink_to("sh")
    (place / "init").write_text("#!/bin/sh\nmount -t proc proc /proc\ncat /proc/meminfo\nsleep 1000\n")
    (place / "init").chmod(0o755)
    file = scratch / "busybox.img"
    subprocess.run(f"cd {place} && find . | cpio -o -H newc --quiet | zstd -q -9 -o {file}", shell=True, check=True)
    return file


def memory_of_a_shell(scratch, initramfs):
    """MiB in use of a machine that has started nothing but busybox."""
    machine = subprocess.Popen(["qemu-system-x86_64", "-machine", "q35,graphics=off", "-accel", "tcg", "-m", "1024", "-nodefaults", "-vga", "std", "-display",
                                "none", "-serial", "stdio", "-no-reboot", "-device", "virtio-rng-pci", "-netdev", "user,id=net", "-device",
                                "virtio-net-pci,netdev=net", "-kernel", str(kernel.cached(kernel.STANDARD)), "-initrd", str(initramfs), "-append",
                                "console=ttyS0 quiet"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace", cwd=scratch)
    try:
        numbers = {}
        for line in machine.stdout:
            if found := re.search(r"Mem(Total|Available): +(\d+) kB", line):
                numbers[found[1]] = int(found[2]) / 1024
            if len(numbers) == 2:
                return numbers["Total"] - numbers["Available"]
        return sys.exit("bench: busybox did not say how much memory there is")
    finally:
        machine.kill()
        machine.communicate()


def memory_at_prompt(machine):
    total, free = map(int, machine.command("status", r"memory +(\d+) MiB, (\d+) MiB free").groups())
    machine.expect(PROMPT)
    return total - free


def netboot(build, record, runs=5):
    scratch = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    try:
        made = folder(build, scratch)
        busybox = busybox_alone(scratch)
        sizes = {"ours": next(made.glob("slipway/*/initramfs.img")).stat().st_size, "busybox alone": busybox.stat().st_size}
        memory, boots, returns, hung = [], [], [], []
        server = subprocess.Popen([build / "bin/slipway", "netboot", "serve", made, "--address", "127.0.0.1", "--port", "0"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        url = server.stderr.readline().split()[1].replace("127.0.0.1", "10.0.2.2")
        try:
            for _ in range(3):
                machine = Machine(scratch, folder=made, bootfile="boot.ipxe")
                try:
                    machine.expect(PROMPT, 120)
                    boots.append(machine.seconds())
                    machine.expect(r"eth0 has", 60)
                    memory.append(memory_at_prompt(machine))
                    for _ in range(runs):
                        machine.command(f"load {url}images/ends.tar", "it ends", 60)
                        gone = machine.seconds()
                        machine.expect(PROMPT)
                        returns.append(machine.seconds() - gone)
                    machine.command(f"load {url}images/stays.tar", "it stays", 60)
                    asked = machine.seconds()
                    machine.send("RETURN_TO_BOOTSTRAP\r")
                    machine.expect(PROMPT, 60)
                    hung.append(machine.seconds() - asked)
                finally:
                    machine.stop()
        finally:
            server.terminate()
            server.communicate()
        shell = [memory_of_a_shell(scratch, busybox) for _ in range(3)]
        ours = statistics.median(memory)
        again = {"booting it again": statistics.median(boots)}
        return [record("netboot_initramfs", "MiB", sizes["ours"] / 2**20, {"busybox alone": sizes["busybox alone"] / 2**20}),
                record("netboot_memory", "MiB", ours, {"busybox alone": statistics.median(shell)}),
                record("netboot_return", "s", statistics.median(returns), again),
                record("netboot_return_hung", "s", statistics.median(hung), {f"its deadline of {DEADLINE} s": DEADLINE, **again})]
    finally:
        shutil.rmtree(scratch)


def large_image(build):
    """Of a Debian system with much in it, packed; kept in the cache."""
    profile = HERE / "netboot.toml"
    key = hashlib.sha256(profile.read_bytes()).hexdigest()[:12]

    def make(work):
        subprocess.run([build / "bin/slipway", "rootfs", "create", "--profile", profile, "--release", "bookworm", "--path", work / "root"], check=True,
                       stdout=subprocess.DEVNULL)
        slipway(build, "pack", work / "root", work / "large.squashfs")
        shutil.rmtree(work / "root")
    return cache.ensure(cache.root() / "netboot" / f"large-{key}", make)


def netboot_lazy(build, record):
    """Percent of an image that was fetched when its login came, and the time to it."""
    scratch = Path(tempfile.mkdtemp(prefix="slipway-bench-", dir="/var/tmp"))
    try:
        made = folder(build, scratch)
        for part in large_image(build).iterdir():
            shutil.copy(part, made / "images" / part.name)
        size = (made / "images/large.squashfs").stat().st_size
        share, took = {}, {}
        for way, options in (("lazy", " --lazy"), ("whole", "")):
            log = scratch / f"{way}.log"
            with open(log, "w", encoding="utf-8") as told:
                server = subprocess.Popen([build / "bin/slipway", "netboot", "serve", made, "--address", "127.0.0.1", "--port", "0"], stdout=subprocess.DEVNULL,
                                          stderr=told)
            machine = Machine(scratch, folder=made, bootfile="boot.ipxe", memory=2048)
            try:
                machine.expect(PROMPT, 120)
                machine.expect(r"eth0 has", 60)
                url = log.read_text().split()[1].replace("127.0.0.1", "10.0.2.2")
                started = machine.seconds()
                machine.command(f"load {url}images/large.squashfs{options}", "entering", 300)
                machine.expect("login: ", 300)
                took[way] = machine.seconds() - started
                share[way] = 100 * sum(int(line.split()[-1]) for line in log.read_text().splitlines() if re.search(r"large\.squashfs 20[06] ", line)) / size
            finally:
                machine.stop()
                server.terminate()
                server.communicate()
        return [record("netboot_lazy_fetched", "%", share["lazy"], {"whole": share["whole"]}, image_bytes=size),
                record("netboot_lazy_login", "s", took["lazy"], {"whole": took["whole"]})]
    finally:
        shutil.rmtree(scratch)
