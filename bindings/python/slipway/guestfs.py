# SPDX-License-Identifier: Apache-2.0
"""GuestFS: a handle on disk images, with the calls that users of libguestfs know."""
import os
import sys
import traceback
import weakref
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import _native
from ._calls import Calls

EVENT_CLOSE = 0x1
EVENT_SUBPROCESS_QUIT = 0x2
EVENT_LAUNCH_DONE = 0x4
EVENT_PROGRESS = 0x8
EVENT_APPLIANCE = 0x10
EVENT_LIBRARY = 0x20
EVENT_TRACE = 0x40
EVENT_ENTER = 0x80
EVENT_LIBVIRT_AUTH = 0x100
EVENT_WARNING = 0x200
EVENT_ALL = 0x3ff

_EVENTS = ("close", "subprocess_quit", "launch_done", "progress", "appliance", "library", "trace", "enter", "libvirt_auth", "warning")

_CLOSED = "GuestFS: method called on closed handle"
_INVALID = "invalidArgument"


def event_to_string(events: int) -> str:
    """The names of the EVENT_* in a mask, with commas between them."""
    return ",".join(name for bit, name in enumerate(_EVENTS) if events & 1 << bit)


class GuestFSError(RuntimeError):
    """A call failed. The message names the call.

    code: "notFound", "invalidArgument", "busy", …; errno: of the system call, or 0; hint: what to do, or "";
    argv, exit_status, stderr: of the tool that failed, if it was one.
    """

    def __init__(self, code: str, message: str, errno: int = 0, hint: str = "", argv: Optional[List[str]] = None,
                 exit_status: int = 0, stderr: bytes = b""):
        super().__init__(message)
        self.code, self.errno, self.hint = code, errno, hint
        self.argv, self.exit_status, self.stderr = argv or [], exit_status, stderr.decode("utf-8", "replace")


class InvalidArgument(GuestFSError, ValueError):
    """A call was refused for what it was given, or for its time: the code is "invalidArgument"."""


class ClosedHandle(InvalidArgument):
    """A method was called on a handle that is closed."""

    def __init__(self, message: str):
        super().__init__(_INVALID, message)


class GuestFS(Calls):
    """One handle: add drives, launch, ask, close. What is written reaches the images at `shutdown` or `close`.

    Several threads may use one handle, one call after the other; handles know nothing of each other. Works as a context
    manager, which closes it.
    """

    def __init__(self, python_return_dict: bool = False, environment: bool = True, close_on_exit: bool = True,
                 engine: str = "auto"):
        """engine: "auto", "host" or "sandbox"; python_return_dict: hashes as dict, not as a list of pairs."""
        self._o: Optional[_native.Handle] = None
        if engine not in ("auto", "host", "sandbox"):
            raise ValueError(f"{engine!r} is no engine: use auto, host or sandbox")
        self._python_return_dict = python_return_dict
        self._callbacks: Dict[int, Callable[..., None]] = {}
        self._o = _native.Handle(engine, environment)
        self._call("set_program", (os.path.basename(sys.argv[0]) if sys.argv else "python",))

    def _handle(self) -> Any:
        if self._o is None:
            raise ClosedHandle(_CLOSED)
        return self._o

    def _call(self, name: str, arguments: tuple) -> Any:
        answer, failure = self._handle().call(name, arguments)
        if failure is not None:
            raise (InvalidArgument if failure[0] == _INVALID else GuestFSError)(*failure)
        if _native.gives_hash(name) and not self._python_return_dict:
            return list(answer.items())
        return answer

    def _tell(self, event: int, number: int, text: Optional[str], array: List[int]) -> None:
        try:
            self._callbacks[number](event, number, text, array)
        except Exception:  # pylint: disable=broad-except  # what a call does is not the callback's to decide
            traceback.print_exc()

    def set_event_callback(self, cb: Callable[..., None], event_bitmask: int) -> int:
        """Has `cb(event, event_handle, buf, array)` called for the EVENT_* in the mask, in the thread of the call. What it raises is
        printed, and changes nothing. EVENT_PROGRESS comes after two seconds of a call, three times a second; its array is
        [0, 0, position, total] in bytes, or [0, 0, 0, 1] and at the end [0, 0, 1, 1] where the total is unknown. EVENT_APPLIANCE,
        EVENT_LIBVIRT_AUTH and EVENT_WARNING never come. Returns what delete_event_callback takes."""
        handle = self._handle()
        if not callable(cb):
            raise TypeError("the callback must be callable")
        this = weakref.ref(self)  # the native part is not searched for cycles

        def tell(event: int, number: int, text: Optional[str], array: List[int]) -> None:
            held = this()
            if held is not None:
                held._tell(event, number, text, array)  # pylint: disable=protected-access

        if not isinstance(event_bitmask, int):
            raise TypeError(f"the mask must be int, not {type(event_bitmask).__name__}")
        number: int = handle.set_event_callback(tell, event_bitmask & EVENT_ALL)
        self._callbacks[number] = cb
        return number

    def delete_event_callback(self, event_handle: int) -> None:
        """Ends what set_event_callback began."""
        handle = self._handle()
        if event_handle not in self._callbacks:
            raise InvalidArgument(_INVALID, f"delete_event_callback: there is no callback {event_handle!r}")
        handle.delete_event_callback(event_handle)
        self._callbacks.pop(event_handle, None)

    def close(self) -> None:
        """Brings the changes into the images, and ends everything. No method may be called after it."""
        handle = self._handle()
        self._o = None
        failure = handle.close()
        if failure is not None:
            raise (InvalidArgument if failure[0] == _INVALID else GuestFSError)(*failure)

    def __enter__(self) -> "GuestFS":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._o is not None:
            self.close()

    def __del__(self) -> None:
        if getattr(self, "_o", None) is not None:
            self.close()


def command_with_mounts(g: Any, cmd: List[str], quiet: bool = False) -> str:
    """Runs a program of the guest with /proc, /dev and /sys in place, where the back end can; else as it can."""
    if hasattr(g, "command_with_mounts"):
        return g.command_with_mounts(cmd, quiet)
    if quiet and hasattr(g, "command_quiet"):
        return g.command_quiet(cmd)
    return g.command(cmd)
