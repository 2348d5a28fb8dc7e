#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random times, from outside, of any one process of a run: nothing is left, nothing is lost."""
import os
import random
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

from support import SLIPWAY, Case, digest, mini, slipway

KILLS = 200 if not os.environ.get("SLIPWAY_FULL") else 2000


def family(pid):
    """The process and all below it, as {pid: name}."""
    found, waiting = {}, [pid]
    while waiting:
        one = waiting.pop()
        try:
            found[one] = Path(f"/proc/{one}/comm").read_text().strip()
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


class KillSweep(Case):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("SLIPWAY_SEED", time.time_ns() % 1_000_000))
        self.random = random.Random(self.seed)
        self.victims = {}

    def strike(self, argv, longest):
        """Starts a run, kills one of its processes at a random moment, and waits for the rest."""
        process = subprocess.Popen([SLIPWAY, *map(str, argv)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(self.random.uniform(0, longest))
        members = family(process.pid)
        if members:
            victim = self.random.choice(sorted(members))
            try:
                os.kill(victim, signal.SIGKILL)
                self.victims[members[victim]] = self.victims.get(members[victim], 0) + 1
            except ProcessLookupError:
                pass
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.fail(f"slipway did not end after a kill of {members}; seed {self.seed}")
        self.assertEqual(self.settled_leaks(10), {}, f"seed {self.seed}, family {members}")

    def duration(self, argv, prepare):
        prepare()
        started = time.monotonic()
        self.ok(slipway(*argv), 0) if argv[0] == "run" else self.assertIn(slipway(*argv).returncode, (0, 1))
        return (time.monotonic() - started) * 1.1

    def test_trap5_migrate_leaves_the_source_and_a_whole_output_or_none(self):
        source = mini(self.scratch / "a.raw")
        vmdk, out = self.scratch / "a.vmdk", self.scratch / "out.qcow2"
        subprocess.run(["qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", source, vmdk], check=True)
        before = digest(vmdk)
        argv = ["migrate", vmdk, "--output", out, "-q"]
        longest = self.duration(argv, lambda: None)
        for _ in range(KILLS * 2 // 5):
            out.unlink(missing_ok=True)
            self.strike(argv, longest)
            self.assertEqual(digest(vmdk), before)
            self.assertIn(set(self.names()) - {"a.raw", "a.vmdk"}, (set(), {"out.qcow2"}), f"seed {self.seed}")
            if out.exists():
                subprocess.run(["qemu-img", "check", "-q", out], check=True)
        print(f"killed: {self.victims}")

    def test_trap5_fix_leaves_the_image_as_before_or_as_after(self):
        original, image = mini(self.scratch / "original.raw"), self.scratch / "a.raw"
        argv = ["fix", image, "-q"]
        longest = self.duration(argv, lambda: shutil.copyfile(original, image))
        before = digest(original)
        seen = set()
        for _ in range(KILLS * 2 // 5):
            shutil.copyfile(original, image)
            self.strike(argv, longest)
            # Any command on the image finishes what was interrupted.
            fstab = self.ok(slipway("cat", image, "/etc/fstab")).stdout
            state = "before" if digest(image) == before else "after"
            self.assertEqual("/dev/sda" in fstab, state == "before", f"seed {self.seed}: {fstab}")
            seen.add(state)
            self.assertEqual(self.names(), ["a.raw", "original.raw"], f"seed {self.seed}")
        print(f"killed: {self.victims}, seen: {seen}")

    def test_trap5_run_dies_with_the_guests_tool(self):
        image = mini(self.scratch / "a.raw")
        argv = ["run", image, "--", "/bin/sh", "-c", "sleep 0.2; sleep 0.2"]
        longest = self.duration(argv, lambda: None)
        before = digest(image)
        for _ in range(KILLS - 2 * (KILLS * 2 // 5)):
            self.strike(argv, longest)
        self.assertEqual(digest(image), before)
        print(f"killed: {self.victims}")


if __name__ == "__main__":
    unittest.main()
