#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A wish to stop, at any step: the run ends by that signal's exit code, and it is as if it had never been
begun, or as if it had ended."""
import os
import pty
import random
import select
import shutil
import signal
import subprocess
import time
import unittest

from support import SLIPWAY, Case, digest, mini, slipway

ROUNDS = 12 if not os.environ.get("SLIPWAY_FULL") else 100
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption(Case):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("SLIPWAY_SEED", time.time_ns() % 1_000_000))
        self.random = random.Random(self.seed)

    def stop(self, argv, longest):
        """Starts a run and signals it at a random moment; returns (signal, exit status)."""
        process = subprocess.Popen([SLIPWAY, *map(str, argv)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            process.wait(self.random.uniform(0.02, longest))
        except subprocess.TimeoutExpired:
            pass
        number = self.random.choice(SIGNALS)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        self.assertIn(process.returncode, (0, 128 + number, -number), f"seed {self.seed}: {said}")  # -: before it could handle it
        if process.returncode == 128 + number:
            self.assertIn("stopped", said)
        self.assertEqual(self.settled_leaks(), {}, f"seed {self.seed}")
        return number, process.returncode

    def duration(self, *argv):
        started = time.monotonic()
        self.ok(slipway(*argv))
        return (time.monotonic() - started) * 1.1

    def test_migrate(self):
        source, out = mini(self.scratch / "a.raw"), self.scratch / "out.qcow2"
        before, argv = digest(source), ("migrate", source, "--output", out, "-q")
        longest, seen = self.duration(*argv), set()
        for _ in range(ROUNDS):
            out.unlink(missing_ok=True)
            _, status = self.stop(argv, longest)
            self.assertEqual(digest(source), before)
            self.assertEqual(out.exists(), status == 0, f"seed {self.seed}")
            self.assertEqual(set(self.names()) - {"out.qcow2"}, {"a.raw"})
            seen.add(status != 0)
        self.assertIn(True, seen, "every run came to its end: nothing was tried")

    def test_fix(self):
        original, image = mini(self.scratch / "original.raw"), self.scratch / "a.raw"
        shutil.copyfile(original, image)
        before, argv = digest(original), ("fix", image, "-q")
        longest = self.duration(*argv)
        for _ in range(ROUNDS):
            shutil.copyfile(original, image)
            _, status = self.stop(argv, longest)
            # Once the copying has begun it is finished.
            self.assertEqual(digest(image) == before, status != 0, f"seed {self.seed}")
            self.assertEqual(self.names(), ["a.raw", "original.raw"], f"seed {self.seed}")

    def test_run_passes_the_signal_to_the_program(self):
        image = mini(self.scratch / "a.raw")
        for number, name in ((signal.SIGINT, "INT"), (signal.SIGTERM, "TERM"), (signal.SIGHUP, "HUP"), (signal.SIGUSR1, "USR1")):
            process = subprocess.Popen([SLIPWAY, "run", image, "--", "/bin/sh", "-c", f"trap 'echo caught {name}; exit 7' {name}; echo ready; while :; do sleep 0.1; done"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            self.assertEqual(process.stdout.readline(), "ready\n")
            process.send_signal(number)
            said, _ = process.communicate(timeout=30)
            self.assertEqual((said, process.returncode), (f"caught {name}\n", 7))

    def test_run_ends_with_a_program_that_the_signal_kills(self):
        image = mini(self.scratch / "a.raw")
        process = subprocess.Popen([SLIPWAY, "run", image, "--", "/bin/sh", "-c", "echo ready; exec sleep 100"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 143)


class Terminal(Case):
    """slipway run on a terminal."""

    def setUp(self):
        super().setUp()
        self.image = mini(self.scratch / "a.raw")
        self.controller = None

    def start(self, script):
        pid, self.controller = pty.fork()
        if pid == 0:
            os.execv(SLIPWAY, [SLIPWAY, "run", str(self.image), "--", "/bin/sh", "-c", script])
        self.addCleanup(os.close, self.controller)
        return pid

    def read_until(self, word, seconds=20):
        text, until = "", time.monotonic() + seconds
        while word not in text and time.monotonic() < until:
            if select.select([self.controller], [], [], 0.2)[0]:
                try:
                    text += os.read(self.controller, 4096).decode(errors="replace")
                except OSError:
                    break
        self.assertIn(word, text)
        return text

    def status(self, pid):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_the_program_has_a_terminal_of_its_own(self):
        pid = self.start("tty; read line; echo got $line")
        self.read_until("/dev/pts/")
        os.write(self.controller, b"hello\n")
        self.read_until("got hello")
        self.assertEqual(self.status(pid), 0)

    def test_control_c_reaches_the_program(self):
        pid = self.start("trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.1; done")
        self.read_until("ready")
        os.write(self.controller, b"\x03")
        self.read_until("interrupted")
        self.assertEqual(self.status(pid), 9)

    def test_the_terminal_is_as_before(self):
        import termios
        parent, child = pty.openpty()
        self.addCleanup(os.close, parent)
        self.addCleanup(os.close, child)
        before = termios.tcgetattr(child)
        subprocess.run([SLIPWAY, "run", self.image, "--", "/bin/true"], stdin=child, stdout=child, stderr=child, check=True, start_new_session=True)
        self.assertEqual(termios.tcgetattr(child), before)


if __name__ == "__main__":
    unittest.main()
