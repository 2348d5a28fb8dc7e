# SPDX-License-Identifier: Apache-2.0
"""An ordinary user with subordinate ids, who exists in a private mount namespace only: nothing of this machine's
accounts is changed. What may be made again is kept for the next run, where the cache of the test guests is."""
import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from support import SLIPWAY

from builder import cache

UID = 12345
FIRST_SUBORDINATE = 200000
BUILD = Path(SLIPWAY).resolve().parents[1]
PROGRAMS = ("bin/slipway", "libexec/slipway-worker", "libexec/slipway-uml.so")

ENTER = """
set -e
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/subuid" /etc/subuid
mount --bind "$1/subgid" /etc/subgid
mount --bind "$2" "$1/home/.cache"
home=$1/home
shift 2
exec setpriv --reuid {uid} --regid {uid} --clear-groups env -i PATH=/usr/bin:/bin HOME="$home" "$@"
"""


class OrdinaryUser:
    """With a home of its own, which goes with the tests."""

    def __init__(self):
        self.place = Path(tempfile.mkdtemp(prefix="slipway-user-", dir="/var/tmp"))
        atexit.register(shutil.rmtree, self.place, ignore_errors=True)
        self.place.chmod(0o755)
        accounts = Path("/etc/passwd").read_text()
        (self.place / "passwd").write_text(accounts + f"tester:x:{UID}:{UID}::{self.place}/home:/bin/sh\n")
        for name in ("subuid", "subgid"):
            (self.place / name).write_text(f"tester:{FIRST_SUBORDINATE}:65536\n")
        self.home = self.place / "home"
        (self.home / ".cache").mkdir(parents=True)
        self.kept = cache.root() / "ordinary-user"
        self.kept.mkdir(parents=True, exist_ok=True)
        for directory in (self.home, self.home / ".cache", self.kept):
            os.chown(directory, UID, UID)
        self.build = BUILD
        if self.call("test", "-x", BUILD / "bin/slipway").returncode != 0:
            self.build = self.place / "build"
            for name in PROGRAMS:
                (self.build / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(BUILD / name, self.build / name)

    def argv(self, *arguments, env=None):
        words = [f"{name}={value}" for name, value in (env or {}).items()]
        return ["unshare", "--mount", "sh", "-c", ENTER.format(uid=UID), "sh", self.place, self.kept, *words, *map(str, arguments)]

    def call(self, *arguments, timeout=120, input=None, env=None):
        return subprocess.run(self.argv(*arguments, env=env), capture_output=True, text=True, errors="replace", timeout=timeout, input=input,
                              stdin=subprocess.DEVNULL if input is None else None, check=False)

    def slipway(self, *arguments, **options):
        return self.call(self.build / "bin/slipway", *arguments, **options)

    def popen(self, *arguments, **options):
        """The process is slipway itself: no shell stays between."""
        return subprocess.Popen(self.argv(self.build / "bin/slipway", *arguments), stdin=subprocess.DEVNULL, **options)
