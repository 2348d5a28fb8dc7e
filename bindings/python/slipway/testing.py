# SPDX-License-Identifier: Apache-2.0
"""FakeGuestFS: a handle without disks, for unit tests of programs that use one."""
import errno
import fnmatch
import hashlib
import io
import os
import posixpath
import re
import stat as modes
import tarfile
from typing import Any, Callable, Dict, List, Tuple, Union

from ._calls import Calls
from ._fake_disks import FakeDisks
from .guestfs import ClosedHandle, GuestFSError, InvalidArgument

_LINKS_AT_MOST = 40


def _failed(number: int, path: str) -> GuestFSError:
    codes = {errno.ENOENT: "notFound", errno.EEXIST: "exists"}
    return GuestFSError(codes.get(number, "invalidArgument"), f"{path}: {os.strerror(number)}", number)


class FakeGuestFS(FakeDisks, Calls):
    """Its files are in memory, and may be put there and looked at:

    fs: path -> bytes; dirs: set of paths (those above a file are there anyhow); links: path -> target; modes, owners: of paths;
    filesystems: of devices, {"/dev/sda1": {"type": "ext4", "label": "root", "uuid": …, "size": bytes}};
    roots: what inspect_os gives, a dict of root -> {"type": …, "distro": …, "product_name": …, "mountpoints": {…}, …};
    command_results: {("uname", "-r"): "6.1"} or a function of the argv; commands: the argv's that were run;
    calls: (name, arguments) of every call. A call that it does not have fails with the code "unsupported".
    """

    def __init__(self, python_return_dict: bool = True, **_: Any):
        super().__init__()
        self._python_return_dict = python_return_dict
        self._closed = self._launched = False
        self.fs: Dict[str, bytes] = {}
        self.dirs = {"/"}
        self.links: Dict[str, str] = {}
        self.modes: Dict[str, int] = {}
        self.owners: Dict[str, Tuple[int, int]] = {}
        self.drives: List[str] = []
        self.mounted: Dict[str, str] = {}
        self.roots: Dict[str, Dict[str, Any]] = {}
        self.command_results: Union[Dict[Tuple[str, ...], str], Callable[[List[str]], str]] = {}
        self.commands: List[List[str]] = []
        self.calls: List[Tuple[str, tuple]] = []

    def _call(self, name: str, arguments: tuple) -> Any:
        if self._closed:
            raise ClosedHandle("GuestFS: method called on closed handle")
        self.calls.append((name, arguments))
        field = name[len("inspect_get_"):] if name.startswith("inspect_get_") and name != "inspect_get_roots" else ""
        method = getattr(self, "_fake_" + name, None)
        try:
            if method is not None:
                answer = method(*arguments)
            elif field:
                answer = self._root(arguments[0]).get(field, self._unsaid(field))
            elif name.startswith(("set_", "get_")):
                answer = None
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

    # Paths.

    def _resolve(self, path: str, follow_last: bool = True) -> str:
        """The path without links. It need not be there."""
        if "\0" in path or not path.startswith("/") or ".." in path.split("/"):
            raise _failed(errno.EINVAL, path)
        done, rest, steps = "/", [part for part in path.split("/") if part not in ("", ".")], 0
        while rest:
            step = posixpath.join(done, rest.pop(0))
            target = self.links.get(step)
            if target is None or (not rest and not follow_last):
                done = step
                continue
            steps += 1
            if steps > _LINKS_AT_MOST:
                raise _failed(errno.ELOOP, path)
            whole = posixpath.normpath(posixpath.join(posixpath.dirname(step), target))
            rest, done = [part for part in whole.split("/") if part] + rest, "/"
        return done

    def _all(self) -> List[str]:
        """Every path that is there."""
        found = set(self.dirs)
        for path in [*self.fs, *self.links]:
            found.add(path)
            while path != "/":
                path = posixpath.dirname(path)
                found.add(path)
        return sorted(found)

    def _is_there(self, path: str) -> bool:
        return path in self.fs or path in self.links or self._is_directory(path)

    def _is_directory(self, path: str) -> bool:
        prefix = path.rstrip("/") + "/"
        return path in self.dirs or any(each.startswith(prefix) for each in [*self.fs, *self.links, *self.dirs])

    def _file(self, path: str) -> str:
        real = self._resolve(path)
        if self._is_directory(real):
            raise _failed(errno.EISDIR, path)
        if real not in self.fs:
            raise _failed(errno.ENOENT, path)
        return real

    def _new(self, path: str) -> str:
        """Where a file may be made."""
        real = self._resolve(path)
        if self._is_directory(real):
            raise _failed(errno.EISDIR, path)
        if not self._is_directory(posixpath.dirname(real)):
            raise _failed(errno.ENOENT, path)
        return real

    def _children(self, path: str) -> List[str]:
        real = self._resolve(path)
        if not self._is_there(real):
            raise _failed(errno.ENOENT, path)
        if not self._is_directory(real):
            raise _failed(errno.ENOTDIR, path)
        prefix = real.rstrip("/") + "/"
        return [each for each in self._all() if each.startswith(prefix) and each != "/"]

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
            raise _failed(errno.EINVAL, path)
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
            raise InvalidArgument("invalidArgument", f"{root}: no such root: call inspect_os first")
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
        return self._fake_command(arguments).splitlines()

    def _fake_command_with_mounts(self, cmd: List[str], _quiet: Any = None) -> str:
        return self._fake_command(cmd)

    _fake_command_quiet = _fake_command

    def _fake_sh(self, command: str) -> str:
        return self._fake_command(["sh", "-c", command])

    # What is there.

    def _fake_exists(self, path: str) -> int:
        return int(self._is_there(self._resolve(path)))

    def _fake_is_file(self, path: str, followsymlinks: Any = None) -> int:
        return int(self._resolve(path, bool(followsymlinks)) in self.fs)

    def _fake_is_dir(self, path: str, followsymlinks: Any = None) -> int:
        real = self._resolve(path, bool(followsymlinks))
        return int(real not in self.links and self._is_directory(real))

    def _fake_is_symlink(self, path: str) -> int:
        return int(self._resolve(path, False) in self.links)

    def _fake_filesize(self, file: str) -> int:
        return len(self.fs[self._file(file)])

    def _stat(self, path: str, follow: bool) -> Dict[str, int]:
        real = self._resolve(path, follow)
        if not self._is_there(real):
            raise _failed(errno.ENOENT, path)
        kind: int
        if real in self.links:
            kind, mode, size = modes.S_IFLNK, 0o777, len(self.links[real])
        elif real in self.fs:
            kind, mode, size = modes.S_IFREG, 0o644, len(self.fs[real])
        else:
            kind, mode, size = modes.S_IFDIR, 0o755, 4096
        owner, group = self.owners.get(real, (0, 0))
        names = ("dev", "ino", "nlink", "rdev", "blksize", "blocks", "atime", "mtime", "ctime")
        return {**dict.fromkeys(names, 0), "mode": kind | self.modes.get(real, mode), "uid": owner, "gid": group, "size": size}

    def _fake_stat(self, path: str) -> Dict[str, int]:
        return self._stat(path, True)

    def _fake_lstat(self, path: str) -> Dict[str, int]:
        return self._stat(path, False)

    def _fake_ls(self, directory: str) -> List[str]:
        depth = len([part for part in self._resolve(directory).split("/") if part])
        return sorted({each.split("/")[depth + 1] for each in self._children(directory)})

    def _fake_find(self, directory: str) -> List[str]:
        # As libguestfs: without the directory, whose slash stays unless it was given with one.
        start = len(self._resolve(directory).rstrip("/")) + directory.endswith("/")
        return [each[start:] for each in self._children(directory)]

    def _fake_glob_expand(self, pattern: str, *_: Any) -> List[str]:
        parts = pattern.split("/")
        return [each for each in self._all() if len(each.split("/")) == len(parts) and
                all(fnmatch.fnmatchcase(mine, theirs) for mine, theirs in zip(each.split("/"), parts))]

    def _fake_readlink(self, path: str) -> str:
        real = self._resolve(path, False)
        if real not in self.links:
            raise _failed(errno.EINVAL if self._is_there(real) else errno.ENOENT, path)
        return self.links[real]

    def _fake_realpath(self, path: str) -> str:
        real = self._resolve(path)
        if not self._is_there(real):
            raise _failed(errno.ENOENT, path)
        return real

    # Content.

    def _fake_read_file(self, path: str) -> bytes:
        return self.fs[self._file(path)]

    def _fake_cat(self, path: str) -> str:
        return self._fake_read_file(path).decode("utf-8", "surrogateescape")

    def _fake_read_lines(self, path: str) -> List[str]:
        return self._fake_cat(path).splitlines()

    def _fake_head_n(self, nrlines: int, path: str) -> List[str]:
        return self._fake_read_lines(path)[:nrlines]

    def _fake_head(self, path: str) -> List[str]:
        return self._fake_head_n(10, path)

    def _fake_tail_n(self, nrlines: int, path: str) -> List[str]:
        lines = self._fake_read_lines(path)
        return lines[max(len(lines) - nrlines, 0):]

    def _fake_tail(self, path: str) -> List[str]:
        return self._fake_tail_n(10, path)

    def _fake_wc_l(self, path: str) -> int:
        return self._fake_read_file(path).count(b"\n")

    def _fake_checksum(self, csumtype: str, path: str) -> str:
        if csumtype not in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512"):
            raise _failed(errno.EINVAL, csumtype)
        return hashlib.new(csumtype, self._fake_read_file(path)).hexdigest()

    def _fake_grep(self, regex: str, path: str, extended: Any = None, fixed: Any = None, insensitive: Any = None,
                   _compressed: Any = None) -> List[str]:
        """With Python's regular expressions, which are like those of "extended"."""
        del extended
        wanted = re.compile(re.escape(regex) if fixed else regex, re.IGNORECASE if insensitive else 0)
        return [line for line in self._fake_read_lines(path) if wanted.search(line)]

    def _fake_tar_out(self, directory: str, tarfile_: str, *_: Any) -> None:
        start = self._resolve(directory)
        with tarfile.open(tarfile_, "w") as archive:
            for path in self._children(directory):
                member, stat = tarfile.TarInfo("." + path[len(start.rstrip("/")):]), self._stat(path, False)
                member.mode, member.uid, member.gid = modes.S_IMODE(stat["mode"]), stat["uid"], stat["gid"]
                content = self.fs.get(path, b"")
                member.size, member.linkname = len(content), self.links.get(path, "")
                member.type = tarfile.SYMTYPE if path in self.links else tarfile.REGTYPE if path in self.fs else tarfile.DIRTYPE
                archive.addfile(member, io.BytesIO(content))

    def _fake_tar_in(self, tarfile_: str, directory: str, *_: Any) -> None:
        self._children(directory)
        with tarfile.open(tarfile_) as archive:
            for member in archive:
                path = self._resolve(posixpath.join(directory, member.name), False)
                self._fake_mkdir_p(path if member.isdir() else posixpath.dirname(path))
                if member.issym():
                    self.links[path] = member.linkname
                elif member.isreg():
                    content = archive.extractfile(member)
                    self.fs[path] = content.read() if content else b""
                self.modes[path], self.owners[path] = member.mode, (member.uid, member.gid)

    def _fake_write(self, path: str, content: Union[bytes, str]) -> None:
        self.fs[self._new(path)] = content.encode() if isinstance(content, str) else bytes(content)

    def _fake_write_append(self, path: str, content: Union[bytes, str]) -> None:
        real = self._new(path)
        self.fs[real] = self.fs.get(real, b"") + (content.encode() if isinstance(content, str) else bytes(content))

    def _fake_upload(self, filename: str, remotefilename: str) -> None:
        with open(filename, "rb") as local:
            self._fake_write(remotefilename, local.read())

    def _fake_download(self, remotefilename: str, filename: str) -> None:
        content = self._fake_read_file(remotefilename)
        with open(filename, "wb") as local:
            local.write(content)

    def _fake_touch(self, path: str) -> None:
        real = self._resolve(path)
        if not self._is_there(real):
            self.fs[self._new(path)] = b""

    def _fake_truncate(self, path: str) -> None:
        self.fs[self._file(path)] = b""

    def _fake_mkdir(self, path: str) -> None:
        real = self._resolve(path)
        if self._is_there(real):
            raise _failed(errno.EEXIST, path)
        if not self._is_directory(posixpath.dirname(real)):
            raise _failed(errno.ENOENT, path)
        self.dirs.add(real)

    def _fake_mkdir_p(self, path: str) -> None:
        real = self._resolve(path)
        while real != "/":
            if real in self.fs:
                raise _failed(errno.ENOTDIR, path)
            self.dirs.add(real)
            real = posixpath.dirname(real)

    def _fake_ln_s(self, target: str, linkname: str) -> None:
        real = self._resolve(linkname, False)
        if self._is_there(real):
            raise _failed(errno.EEXIST, linkname)
        self.links[real] = target

    def _fake_ln_sf(self, target: str, linkname: str) -> None:
        real = self._resolve(linkname, False)
        self.fs.pop(real, None)
        self.links[real] = target

    def _fake_rm(self, path: str) -> None:
        real = self._resolve(path, False)
        if self._is_directory(real) and real not in self.links:
            raise _failed(errno.EISDIR, path)
        if self.links.pop(real, None) is None and self.fs.pop(real, None) is None:
            raise _failed(errno.ENOENT, path)

    def _fake_rm_f(self, path: str) -> None:
        real = self._resolve(path, False)
        self.links.pop(real, None)
        self.fs.pop(real, None)

    def _fake_rmdir(self, path: str) -> None:
        if self._children(path):
            raise _failed(errno.ENOTEMPTY, path)
        self.dirs.discard(self._resolve(path))

    def _fake_rm_rf(self, path: str) -> None:
        real = self._resolve(path, False)
        tables: List[Dict[str, Any]] = [self.fs, self.links, self.modes, self.owners]  # type: ignore[list-item]
        for known in tables:
            for each in [each for each in known if each == real or each.startswith(real.rstrip("/") + "/")]:
                del known[each]
        self.dirs = {each for each in self.dirs if each != real and not each.startswith(real.rstrip("/") + "/")} | {"/"}

    def _fake_cp(self, src: str, dest: str) -> None:
        content = self._fake_read_file(src)
        real = self._resolve(dest)
        self._fake_write(posixpath.join(real, posixpath.basename(src)) if self._is_directory(real) else dest, content)

    def _fake_mv(self, src: str, dest: str) -> None:
        self._fake_cp(src, dest)
        self._fake_rm(src)

    def _fake_chmod(self, mode: int, path: str) -> None:
        self._fake_realpath(path)
        self.modes[self._resolve(path)] = mode

    def _fake_chown(self, owner: int, group: int, path: str) -> None:
        self._fake_realpath(path)
        self.owners[self._resolve(path)] = (owner, group)
