# SPDX-License-Identifier: Apache-2.0
"""Runs a build step in mount and PID namespaces of its own.

There is one way to stop a build, cleanly or not: kill the first process of its PID namespace.
The kernel then kills every process in it, drops its mounts, and lets go of its loop devices,
which carry AUTOCLEAR. So SIGKILL of the builder leaves as little behind as Ctrl-C does."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

CLONE_NEWNS, CLONE_NEWPID = 0x00020000, 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG = 1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_libc = ctypes.CDLL(None, use_errno=True)


class Stopped(Exception):
    """A signal ended the build."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def stop_on_signals() -> None:
    """Makes the signals that end a program raise Stopped, so that `finally` blocks run."""
    def stop(number: int, _frame: object) -> None:
        raise Stopped(number)

    for number in STOP_SIGNALS:
        signal.signal(number, stop)


def _check(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def mount(source: str, target: Path | str, fstype: str = "", flags: int = 0,
          data: str = "") -> None:
    _check(_libc.mount(source.encode(), str(target).encode(), fstype.encode(),
                       ctypes.c_ulong(flags), data.encode()), f"mount {target}")


def _become_first_process() -> None:
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    _check(_libc.unshare(CLONE_NEWNS), "unshare")
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def _child(step: Callable[[], None], parent_lives: int) -> int:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)  # which the first process of a namespace ignores
    try:
        _become_first_process()
        os.set_blocking(parent_lives, False)
        try:
            if os.read(parent_lives, 1) == b"":
                return 1
        except BlockingIOError:
            pass  # the parent still holds the other end: its death signal was armed in time
        step()
        return 0
    except Exception as error:  # the one place where a build's failure becomes text
        print(f"guest: {error}", file=sys.stderr)
        return 1


def _fork_into_new_pid_namespace() -> int:
    own = os.open("/proc/self/ns/pid", os.O_RDONLY)
    try:
        _check(_libc.unshare(CLONE_NEWPID), "unshare (this needs root)")
        pid = os.fork()
        if pid != 0:
            _check(_libc.setns(own, CLONE_NEWPID), "setns")
        return pid
    finally:
        os.close(own)


def run(step: Callable[[], None], work: Path) -> bool:
    """Runs `step`, which may use files under `work`; True when it returned without an error.
    Raises Stopped after a signal, once everything the step held is gone."""
    sys.stderr.flush()
    reader, writer = os.pipe()
    caught: list[int] = []
    pid = 0

    def stop(number: int, _frame: object) -> None:
        caught.append(number)
        if pid:
            os.kill(pid, signal.SIGKILL)

    previous = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        pid = _fork_into_new_pid_namespace()
        if pid == 0:
            os.close(writer)
            _exit_with(lambda: _child(step, reader))
        if caught:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
        _wait_for_loops(work)
    if caught:
        raise Stopped(caught[0])
    return os.waitstatus_to_exitcode(status) == 0


def _exit_with(call: Callable[[], int]) -> None:
    code = 70
    try:
        code = call()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _loops_on(work: Path) -> list[str]:
    found = []
    for entry in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            backing = entry.read_text()
        except OSError:
            continue  # detached meanwhile
        if backing.startswith(f"{work}/"):
            found.append(entry.parts[3])
    return found


def _wait_for_loops(work: Path) -> None:
    """The kernel detaches after the last mount is gone, a moment later than the processes."""
    deadline = time.monotonic() + 10
    while loops := _loops_on(work):
        if time.monotonic() > deadline:
            print(f"guest: still attached: {', '.join(loops)}", file=sys.stderr)
            return
        time.sleep(0.02)
