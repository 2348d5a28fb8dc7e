# SPDX-License-Identifier: Apache-2.0
"""A machine with Debian's stock kernel, systemd and udev, in which the build that is tested runs as it would on a user's
host: tests send it shell scripts, one at a time."""
import base64
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from support import HERE, IMAGES, SLIPWAY, guest

from builder.run import DIES_WITH_US

TREE = HERE.parent.parent
BUILD = Path(SLIPWAY).resolve().parent.parent
CARGO = "/cargo"
AGENT = f"""\
mkfs.ext4 -q -E nodiscard /dev/vdc && mount /dev/vdc /var/tmp && chmod 1777 /var/tmp
mkdir -p {TREE}/tests {BUILD}
mount --bind {CARGO}/tests {TREE}/tests
mount --bind {CARGO}/build {BUILD}
udevadm wait --timeout=120 /dev/virtio-ports/agent
udevadm settle --timeout=120
exec 3<>/dev/virtio-ports/agent
while read -r line <&3; do
    base64 -d <<<"$line" >/run/script
    timeout -k 5 600 bash /run/script >/run/out 2>/run/err </dev/null 3>&-
    echo "$? $(base64 -w0 /run/out)- $(base64 -w0 /run/err)-" >&3
done
"""
# What a script may lean on. The paths of the build are those of this machine.
PRELUDE = f"""\
export PATH={BUILD}/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root TMPDIR=/var/tmp
settle() {{ udevadm settle --timeout=60; }}
cd /var/tmp
"""
UNWANTED_UNITS = ("systemd-timesyncd", "keyboard-setup", "console-setup", "e2scrub_reap", "getty.target", "serial-getty@ttyS0",
                  "apt-daily.timer", "systemd-update-utmp", "systemd-hwdb-update", "systemd-firstboot", "systemd-pstore",
                  "systemd-random-seed", "systemd-journal-flush", "fstrim.timer", "dpkg-db-backup.timer")


class StockHost:
    """`cargo` holds what the machine shall find under /cargo; `disks` empty ones, by serial and MiB; `system` is the recipe of
    its root. /var/tmp is on a disk, as it mostly is."""

    def __init__(self, cargo, disks, system="debian12-host"):
        self.system = system
        self.folder = Path(tempfile.mkdtemp(prefix="slipway-stock-", dir="/var/tmp"))
        self.process = None
        try:
            self._start(cargo, disks)
        except BaseException:
            self.stop()
            raise

    def _start(self, cargo, disks):
        root = Path(guest(self.system))
        (cargo / "agent").write_text(AGENT, encoding="ascii")
        for part in ("bin", "libexec", "tests"):
            (cargo / "build" / part).mkdir(parents=True)
            for program in (BUILD / part).iterdir():
                if program.is_file() and not program.name.startswith("test_unit"):
                    shutil.copy(program, cargo / "build" / part)
        shutil.copytree(TREE / "tests", cargo / "tests", ignore=shutil.ignore_patterns("__pycache__", "corpus"))
        subprocess.run(["mkfs.erofs", "--quiet", self.folder / "cargo", cargo], check=True)
        ours, theirs = socket.socketpair()
        self.agent, self.answers = ours, ours.makefile("rb")
        drives = [("root", root, "on"), ("cargo", self.folder / "cargo", "on")]
        for serial, size in {"scratch": 2048, **disks}.items():
            with open(self.folder / serial, "wb") as file:
                file.truncate(size << 20)
            drives.append((serial, self.folder / serial, "off"))
        command = f"mkdir -p {CARGO} && mount -t erofs -o ro /dev/vdb {CARGO} && exec bash {CARGO}/agent"
        kernel = ["console=ttyS0", "quiet", "panic=-1", "mitigations=off", f'systemd.run="/bin/bash -c \'{command}\'"',
                  *[f"systemd.mask={unit}" if "." in unit else f"systemd.mask={unit}.service" for unit in UNWANTED_UNITS]]
        argv = [*DIES_WITH_US, "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-smp", "2", "-cpu", "max", "-m", "2048", "-nographic", "-no-reboot",
                "-nic", "none", "-kernel", root.parent / "vmlinuz", "-initrd", root.parent / "initrd", "-append", " ".join(kernel),
                "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,fd={theirs.fileno()}",
                "-device", "virtserialport,chardev=agent,name=agent"]
        for serial, file, read_only in drives:
            argv += ["-drive", f"file={file},format=raw,if=none,id={serial},read-only={read_only}",
                     "-device", f"virtio-blk-pci,drive={serial},serial={serial}"]
        with open(self.folder / "console", "wb") as console:
            self.process = subprocess.Popen([*map(str, argv)], stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                            pass_fds=[theirs.fileno()], start_new_session=True)
        theirs.close()

    def console(self):
        return (self.folder / "console").read_text(encoding="utf-8", errors="replace")[-4000:]

    def run(self, script, timeout=240):
        """A CompletedProcess with text output, as of `support.slipway`."""
        self.agent.settimeout(timeout + 30)
        text = f"{PRELUDE}{script}\n"
        try:
            self.agent.sendall(base64.b64encode(text.encode()) + b"\n")
            answer = self.answers.readline()
        except OSError as error:
            raise AssertionError(f"the machine does not answer ({error}); its console:\n{self.console()}") from error
        if not answer:
            raise AssertionError(f"the machine has gone; its console:\n{self.console()}")
        status, out, err = answer.decode().split(" ")
        out, err = (base64.b64decode(part.rstrip("\n-")).decode(errors="replace") for part in (out, err))
        return subprocess.CompletedProcess(script, int(status), out, err)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        if os.environ.get("SLIPWAY_KEEP_CONSOLE"):
            shutil.copy(self.folder / "console", os.environ["SLIPWAY_KEEP_CONSOLE"])
        shutil.rmtree(self.folder)


def stacked(layout, path):
    """An image of tests/images/stacked as qcow2, which is small in the cargo."""
    subprocess.run([IMAGES / "stacked", layout, f"{path}.raw"], check=True, capture_output=True)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", f"{path}.raw", path], check=True)
    os.unlink(f"{path}.raw")
