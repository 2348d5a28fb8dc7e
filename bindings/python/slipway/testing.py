# SPDX-License-Identifier: Apache-2.0
"""FakeGuestFS: a handle without disks, for unit tests of programs that use one."""
import errno
from typing import Any, Callable, Dict, List, Tuple, Union

from ._calls import Calls
from ._fake_disks import FakeDisks
from ._fake_files import FakeFiles, failed, lines_of, refused
from .guestfs import ClosedHandle, GuestFSError

# What a handle keeps and tells.
_SETTINGS: Dict[str, Any] = {
    "append": "", "autosync": 1, "backend": "direct", "backend_settings": [], "cachedir": "/var/tmp", "direct": 0, "hv": "", "identifier": "",
    "memsize": 1280, "network": 0, "path": "", "pgroup": 0, "program": "python", "qemu": "", "recovery_proc": 1, "selinux": 0, "smp": 1,
    "sockdir": "/tmp", "tmpdir": "/tmp", "trace": 0, "verbose": 0}


class FakeGuestFS(FakeFiles, FakeDisks, Calls):
    """Its files are in memory, and may be put there and looked at:

    fs: path -> bytes; dirs: set of paths (those above a file are there anyhow); links: path -> target; modes, owners: of paths;
    filesystems: of devices, {"/dev/sda1": {"type": "ext4", "label": "root", "uuid": …, "size": bytes}};
    roots: what inspect_os gives, a dict of root -> {"type": …, "distro": …, "product_name": …, "mountpoints": {…}, …};
    command_results: {("uname", "-r"): "6.1"} or a function of the argv; commands: the argv's that were run;
    calls: (name, arguments) of every call. A call that it does not have fails with the code "unsupported".
    """

    def __init__(self, python_return_dict: bool = True, **_: Any):
        FakeFiles.__init__(self)
        FakeDisks.__init__(self)
        self._python_return_dict = python_return_dict
        self._closed = self._launched = False
        self.drives: List[str] = []
        self.mounted: Dict[str, str] = {}
        self.roots: Dict[str, Dict[str, Any]] = {}
        self.command_results: Union[Dict[Tuple[str, ...], str], Callable[[List[str]], str]] = {}
        self.commands: List[List[str]] = []
        self.calls: List[Tuple[str, tuple]] = []
        self._settings = dict(_SETTINGS)

    def _call(self, name: str, arguments: tuple) -> Any:
        if self._closed:
            raise ClosedHandle("GuestFS: method called on closed handle")
        self.calls.append((name, arguments))
        self._check_files()
        field = name[len("inspect_get_"):] if name.startswith("inspect_get_") and name != "inspect_get_roots" else ""
        method = getattr(self, "_fake_" + name, None)
        try:
            if method is not None:
                answer = method(*arguments)
            elif field:
                answer = self._root(arguments[0]).get(field, self._unsaid(field))
            elif name.startswith("get_") and name[4:] in self._settings:
                answer = self._settings[name[4:]]
            elif name.startswith("set_") and name[4:] in self._settings:
                answer = None
                self._settings[name[4:]] = arguments[0]
            else:
                raise GuestFSError("unsupported", "FakeGuestFS does not have this call")
        except GuestFSError as error:
            error.args = (f"{name}: {error.args[0]}",)
            raise
        return list(answer.items()) if isinstance(answer, dict) and self._is_hash(name) else answer

    def _is_hash(self, name: str) -> bool:
        return not self._python_return_dict and name in ("mountpoints", "inspect_get_mountpoints", "list_filesystems")

    def close(self) -> None:
        """Later calls fail."""
        self._closed = True

    def __enter__(self) -> "FakeGuestFS":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # Lifecycle and mounts.

    def _fake_add_drive(self, filename: str, *_: Any) -> None:
        self.drives.append(filename)

    def _fake_add_drive_ro(self, filename: str) -> None:
        self.drives.append(filename)

    def set_event_callback(self, _cb: Callable[..., None], _event_bitmask: int) -> int:
        """Nothing happens, and so nothing is told."""
        return 0

    def delete_event_callback(self, _event_handle: int) -> None:
        """Ends what set_event_callback began."""

    def _fake_launch(self) -> None:
        self._launched = True

    def _fake_shutdown(self) -> None:
        self._launched = False

    def _fake_sync(self) -> None:
        pass

    def _fake_mount(self, mountable: str, mountpoint: str) -> None:
        self.mounted[mountable] = mountpoint

    _fake_mount_ro = _fake_mount

    def _fake_mount_options(self, _options: str, mountable: str, mountpoint: str) -> None:
        self.mounted[mountable] = mountpoint

    def _fake_umount(self, path: str, *_: Any) -> None:
        gone = [device for device, place in self.mounted.items() if path in (device, place)]
        if not gone:
            raise failed(errno.EINVAL, path)
        self.mounted.pop(gone[-1])

    def _fake_umount_all(self) -> None:
        self.mounted.clear()

    def _fake_mounts(self) -> List[str]:
        return list(self.mounted)

    def _fake_mountpoints(self) -> Dict[str, str]:
        return dict(self.mounted)

    # Inspection and commands.

    @staticmethod
    def _unsaid(field: str) -> Any:
        if field.endswith("_version"):
            return 0
        return {"mountpoints": {}, "filesystems": [], "drive_mappings": {}}.get(field, "unknown")

    def _root(self, root: str) -> Dict[str, Any]:
        if root not in self.roots:
            raise refused(f"{root}: no such root: call inspect_os first")
        return self.roots[root]

    def _fake_inspect_os(self) -> List[str]:
        return list(self.roots)

    _fake_inspect_get_roots = _fake_inspect_os

    def _fake_command(self, arguments: List[str]) -> str:
        self.commands.append(list(arguments))
        if callable(self.command_results):
            return self.command_results(list(arguments))
        if tuple(arguments) not in self.command_results:
            raise GuestFSError("notFound", f"{arguments[0]}: FakeGuestFS has no result for it in command_results")
        return self.command_results[tuple(arguments)]

    def _fake_command_lines(self, arguments: List[str]) -> List[str]:
        return lines_of(self._fake_command(arguments))

    def _fake_command_with_mounts(self, cmd: List[str], _quiet: Any = None) -> str:
        return self._fake_command(cmd)

    _fake_command_quiet = _fake_command

    def _fake_sh(self, command: str) -> str:
        return self._fake_command(["sh", "-c", command])
