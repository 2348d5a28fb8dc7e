#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, SIGTERM and SIGHUP at random moments: a status that tells, nothing lost, nothing left."""
import os
import pty
import random
import shutil
import signal
import subprocess
import time
import unittest

from support import SLIPWAY, Case, digest, mini, slipway

ROUNDS = 12 if not os.environ.get("SLIPWAY_FULL") else 200
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals(Case):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("SLIPWAY_SEED", time.time_ns() % 1_000_000))
        self.random = random.Random(self.seed)

    def interrupt(self, argv, longest, number):
        """Runs slipway, sends the signal at a random moment; the status and what it said."""
        process = subprocess.Popen([SLIPWAY, *map(str, argv)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(self.random.uniform(0.01, longest))
        process.send_signal(number)
        sent = time.monotonic()
        errors = process.communicate(timeout=60)[1]
        self.assertLess(time.monotonic() - sent, 10, f"{argv} took long to stop; seed {self.seed}")
        return process.returncode, errors

    def check_stop(self, status, errors, number, *finished):
        """Stopped by us: 128+N and a word about it; or before the handler was there; or it was done."""
        self.assertIn(status, (128 + number, -number, *finished), f"seed {self.seed}: {errors}")
        if status == 128 + number:
            self.assertIn("stopped on request", errors)
            self.assertNotIn("qemu-img: ", errors)
            self.assertNotIn("bug", errors)

    def longest(self, argv, *statuses):
        started = time.monotonic()
        self.assertIn(slipway(*argv).returncode, statuses)
        return time.monotonic() - started

    def test_run_passes_on_each_of_several_that_come_together(self):
        image = mini(self.scratch / "a.raw")
        # It ends when it has seen all of them: which comes first is nobody's promise.
        script = "n=0; for s in USR1 USR2 TERM; do trap \"echo $s; n=\\$((n+1))\" $s; done; echo ready; while [ $n -lt 3 ]; do sleep 0.1; done; exit 9"
        process = subprocess.Popen([SLIPWAY, "run", image, "--", "/bin/sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.assertEqual(process.stdout.readline(), "ready\n")
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
            process.send_signal(number)
        said = process.communicate(timeout=30)[0]
        self.assertEqual((process.returncode, sorted(said.split())), (9, ["TERM", "USR1", "USR2"]))

    def test_put_of_a_pipe_without_a_writer_can_be_stopped(self):
        image, fifo = mini(self.scratch / "a.raw"), self.scratch / "fifo"
        os.mkfifo(fifo)
        process = subprocess.Popen([SLIPWAY, "put", image, fifo, "/srv/x"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=10), 128 + signal.SIGTERM)

    def test_they_may_come_until_the_very_end(self):
        for _ in range(60):
            process = subprocess.Popen([SLIPWAY, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(self.random.uniform(0.002, 0.02))
            while process.poll() is None:
                process.send_signal(signal.SIGTERM)
            self.assertIn(process.returncode, (0, -signal.SIGTERM, 128 + signal.SIGTERM))

    def test_migrate_leaves_a_whole_output_or_none(self):
        source, out = mini(self.scratch / "a.raw"), self.scratch / "out.qcow2"
        before = digest(source)
        argv = ["migrate", source, "--output", out, "-q"]
        longest = self.longest(argv, 0)
        for round_number in range(ROUNDS):
            out.unlink(missing_ok=True)
            number = SIGNALS[round_number % 3]
            status, errors = self.interrupt(argv, longest, number)
            self.check_stop(status, errors, number, 0)
            self.assertEqual(out.exists(), status == 0, f"seed {self.seed}")
            if out.exists():
                subprocess.run(["qemu-img", "check", "-q", out], check=True)
            self.assertEqual(set(self.names()) - {"out.qcow2"}, {"a.raw"})
            self.assertEqual(self.settled_leaks(), {}, f"seed {self.seed}")
        self.assertEqual(digest(source), before)

    def test_fix_and_put_change_all_or_nothing(self):
        original, image, blob = mini(self.scratch / "original.raw"), self.scratch / "a.raw", self.scratch / "blob"
        blob.write_bytes(os.urandom(2 << 20))
        before = digest(original)
        for argv, shown in ((["fix", image, "-q"], lambda: "UUID=" in slipway("cat", image, "/etc/fstab").stdout),
                            (["put", image, blob, "/srv/blob"], lambda: "blob" in slipway("ls", image, "/srv").stdout)):
            shutil.copyfile(original, image)
            longest = self.longest(argv, 0)
            for round_number in range(ROUNDS):
                shutil.copyfile(original, image)
                number = SIGNALS[round_number % 3]
                status, errors = self.interrupt(argv, longest, number)
                self.check_stop(status, errors, number, 0)
                # What is committed is finished even when the signal comes in the middle of it.
                self.assertEqual(digest(image) != before, status == 0, f"seed {self.seed}")
                self.assertEqual(shown(), status == 0, f"seed {self.seed}")
                self.assertEqual(self.names(), ["a.raw", "blob", "original.raw"], f"seed {self.seed}")
                self.assertEqual(self.settled_leaks(), {}, f"seed {self.seed}")

    def test_run_passes_them_on_and_drops_the_changes_when_slipway_stops(self):
        image = mini(self.scratch / "a.raw")
        before = digest(image)
        for round_number in range(ROUNDS):
            number = SIGNALS[round_number % 3]
            status, errors = self.interrupt(["run", image, "--", "/bin/sh", "-c", "echo x > /etc/x; sleep 20"], 0.4, number)
            self.assertIn(status, (128 + number, -number), f"seed {self.seed}: {errors}")
            self.assertEqual(digest(image), before)
            self.assertEqual(self.settled_leaks(), {}, f"seed {self.seed}")

    def test_run_waits_for_a_command_that_takes_its_time_over_a_signal(self):
        image = mini(self.scratch / "a.raw")
        process = subprocess.Popen([SLIPWAY, "run", image, "--write", "--", "/bin/sh", "-c", "trap 'echo bye > /etc/bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        process.terminate()
        self.assertEqual(process.wait(20), 7)
        process.stdout.close()
        self.assertEqual(self.ok(slipway("cat", image, "/etc/bye")).stdout, "bye\n")

    def test_prove_stops_its_machine(self):
        image = mini(self.scratch / "a.raw")
        before = digest(image)
        slipway("prove", image, "--timeout", "1") # the choice of an accelerator is remembered
        for number in SIGNALS:
            status, errors = self.interrupt(["prove", image, "--timeout", "60", "-q"], 1.5, number)
            self.check_stop(status, errors, number)
            self.assertEqual(self.settled_leaks(), {}, f"seed {self.seed}")
        self.assertEqual((digest(image), self.names()), (before, ["a.raw"]))


class Terminal(Case):
    """`run` on a terminal: keys go to the guest's program, as the terminal of a shell."""

    def on_terminal(self, script, keys):
        """Types `keys` when the program says "ready"; its status and all that was shown."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(SLIPWAY, [SLIPWAY, "run", str(self.image), "--", "/bin/sh", "-c", script])
        shown, typed = b"", False
        while True:
            try:
                piece = os.read(terminal, 4096)
            except OSError: # EIO: nobody has it open any more
                break
            if not piece:
                break
            shown += piece
            if b"ready" in shown and not typed:
                os.write(terminal, keys)
                typed = True
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown

    def setUp(self):
        super().setUp()
        self.image = mini(self.scratch / "a.raw")

    def test_control_c_ends_the_guests_command_and_not_slipway(self):
        started = time.monotonic()
        status, shown = self.on_terminal("echo ready; sleep 30; echo not reached", b"\x03")
        self.assertEqual(status, 130)
        self.assertNotIn(b"not reached", shown)
        self.assertNotIn(b"slipway:", shown)
        self.assertLess(time.monotonic() - started, 15)

    def test_a_command_may_catch_control_c(self):
        status, shown = self.on_terminal("trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done", b"\x03")
        self.assertEqual((status, b"caught" in shown), (9, True))

    def test_it_is_a_terminal_with_a_line_discipline(self):
        status, shown = self.on_terminal("test -t 0 && tty; echo ready; read line; echo got $line", b"helo\x7f\x7fllo\r")
        self.assertEqual(status, 0)
        self.assertIn(b"/dev/pts/0", shown)
        self.assertIn(b"got hello", shown)


if __name__ == "__main__":
    unittest.main()
