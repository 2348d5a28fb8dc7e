# SPDX-License-Identifier: Apache-2.0
"""The files of FakeGuestFS: names, content, trees."""
import errno
import fnmatch
import hashlib
import io
import os
import posixpath
import re
import stat as modes
import tarfile
from typing import Any, Dict, List, Tuple, Union

from .guestfs import GuestFSError, InvalidArgument

_LINKS_AT_MOST = 40
_LONGEST_NAME = 255


def failed(number: int, path: str) -> GuestFSError:
    """As the system call with this errno, on a path."""
    codes = {errno.ENOENT: "notFound", errno.EEXIST: "exists"}
    return GuestFSError(codes.get(number, "invalidArgument"), f"{path}: {os.strerror(number)}", number)


def refused(message: str) -> InvalidArgument:
    """For what a handle refuses before anything runs."""
    return InvalidArgument("invalidArgument", message)


def lines_of(text: str) -> List[str]:
    """Text between newlines, and no other characters that Python ends lines at."""
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


class FakeFiles:
    """See FakeGuestFS."""

    def __init__(self) -> None:
        self.fs: Dict[str, bytes] = {}
        self.dirs = {"/"}
        self.links: Dict[str, str] = {}
        self.modes: Dict[str, int] = {}
        self.owners: Dict[str, Tuple[int, int]] = {}

    def _check_files(self) -> None:
        """What the user has put there."""
        for path in [*self.fs, *self.links, *self.dirs]:
            if not path.startswith("/"):
                raise ValueError(f"FakeGuestFS: {path!r} is no absolute path")
        for path, content in self.fs.items():
            if not isinstance(content, bytes):
                raise TypeError(f"FakeGuestFS: fs[{path!r}] must be bytes, not {type(content).__name__}")

    # Paths.

    def _resolve(self, path: str, follow_last: bool = True) -> str:
        """The path without links. It need not be there."""
        if "\0" in path or not path.startswith("/") or ".." in path.split("/"):
            raise refused(f"{path!r}: a path is absolute, without '..' and NUL bytes")
        if any(len(os.fsencode(name)) > _LONGEST_NAME for name in path.split("/")):
            raise refused(f"{path[:20]}…: a name has more than {_LONGEST_NAME} bytes")
        done, rest, steps = "/", [part for part in path.split("/") if part not in ("", ".")], 0
        while rest:
            step = posixpath.join(done, rest.pop(0))
            target = self.links.get(step)
            if target is None or (not rest and not follow_last):
                done = step
                continue
            steps += 1
            if steps > _LINKS_AT_MOST:
                raise failed(errno.ELOOP, path)
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
            raise failed(errno.EISDIR, path)
        if real not in self.fs:
            raise failed(errno.ENOENT, f"opening {path} in the guest")
        return real

    def _new(self, path: str) -> str:
        """Where a file may be made."""
        real = self._resolve(path)
        if self._is_directory(real):
            raise failed(errno.EISDIR, path)
        if not self._is_directory(posixpath.dirname(real)):
            raise failed(errno.ENOENT, path)
        return real

    def _children(self, path: str) -> List[str]:
        real = self._resolve(path)
        if not self._is_there(real):
            raise failed(errno.ENOENT, path)
        if not self._is_directory(real):
            raise failed(errno.ENOTDIR, path)
        prefix = real.rstrip("/") + "/"
        return [each for each in self._all() if each.startswith(prefix) and each != "/"]

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
            raise failed(errno.ENOENT, path)
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

    def _fake_glob_expand(self, pattern: str, directoryslash: Any = None) -> List[str]:
        parts = pattern.split("/")
        found = [each for each in self._all() if len(each.split("/")) == len(parts) and
                 all(fnmatch.fnmatchcase(mine, theirs) for mine, theirs in zip(each.split("/"), parts))]
        mark = "/" if directoryslash is None or directoryslash else ""
        return [each + mark if self._is_directory(self._resolve(each)) else each for each in found]

    def _fake_readlink(self, path: str) -> str:
        real = self._resolve(path, False)
        if real not in self.links:
            raise failed(errno.EINVAL if self._is_there(real) else errno.ENOENT, path)
        return self.links[real]

    def _fake_realpath(self, path: str) -> str:
        real = self._resolve(path)
        if not self._is_there(real):
            raise failed(errno.ENOENT, path)
        return real

    # Content.

    def _fake_read_file(self, path: str) -> bytes:
        return self.fs[self._file(path)]

    def _fake_cat(self, path: str) -> str:
        return self._fake_read_file(path).decode("utf-8", "surrogateescape")

    def _fake_read_lines(self, path: str) -> List[str]:
        return lines_of(self._fake_cat(path))

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
            raise failed(errno.EINVAL, csumtype)
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
            raise failed(errno.EEXIST, path)
        if not self._is_directory(posixpath.dirname(real)):
            raise failed(errno.ENOENT, path)
        self.dirs.add(real)

    def _fake_mkdir_mode(self, path: str, mode: int) -> None:
        self._fake_mkdir(path)
        self.modes[self._resolve(path)] = mode

    def _fake_mkdir_p(self, path: str) -> None:
        real = self._resolve(path)
        while real != "/":
            if real in self.fs:
                raise failed(errno.ENOTDIR, path)
            self.dirs.add(real)
            real = posixpath.dirname(real)

    def _fake_ln_s(self, target: str, linkname: str) -> None:
        real = self._resolve(linkname, False)
        if self._is_there(real):
            raise failed(errno.EEXIST, linkname)
        self.links[real] = target

    def _fake_ln_sf(self, target: str, linkname: str) -> None:
        real = self._resolve(linkname, False)
        self.fs.pop(real, None)
        self.links[real] = target

    def _fake_rm(self, path: str) -> None:
        real = self._resolve(path, False)
        if self._is_directory(real) and real not in self.links:
            raise failed(errno.EISDIR, path)
        if self.links.pop(real, None) is None and self.fs.pop(real, None) is None:
            raise failed(errno.ENOENT, path)

    def _fake_rm_f(self, path: str) -> None:
        real = self._resolve(path, False)
        self.links.pop(real, None)
        self.fs.pop(real, None)

    def _fake_rmdir(self, path: str) -> None:
        if self._children(path):
            raise failed(errno.ENOTEMPTY, path)
        self.dirs.discard(self._resolve(path))

    def _tables(self) -> List[Dict[str, Any]]:
        return [self.fs, self.links, self.modes, self.owners]  # type: ignore[list-item]

    @staticmethod
    def _is_below(path: str, top: str) -> bool:
        return path == top or path.startswith(top.rstrip("/") + "/")

    def _fake_rm_rf(self, path: str) -> None:
        real = self._resolve(path, False)
        for known in self._tables():
            for each in [each for each in known if self._is_below(each, real)]:
                del known[each]
        self.dirs = {each for each in self.dirs if not self._is_below(each, real)} | {"/"}

    def _copy_tree(self, source: str, target: str) -> None:
        for known in self._tables():
            known.update({target + each[len(source):]: value for each, value in known.items() if self._is_below(each, source)})
        self.dirs |= {target + each[len(source):] for each in self.dirs if self._is_below(each, source)}

    def _under(self, source: str, target: str) -> Tuple[str, str]:
        """Where a tree is, and where it goes: below the target where that is a directory."""
        real = self._resolve(source, False)
        if not self._is_there(real):
            raise failed(errno.ENOENT, source)
        place = self._resolve(target)
        if self._is_directory(place):
            place = posixpath.join(place, posixpath.basename(real))
        if not self._is_directory(posixpath.dirname(place)):
            raise failed(errno.ENOENT, target)
        return real, place

    def _fake_cp_a(self, src: str, dest: str) -> None:
        source, place = self._under(src, dest)
        if self._is_below(place, source):
            raise refused(f"{src} cannot be copied into itself")
        if self._is_directory(source):
            self.dirs.add(place)
        self._copy_tree(source, place)

    _fake_cp_r = _fake_cp_a

    def _fake_cp(self, src: str, dest: str) -> None:
        content = self._fake_read_file(src)
        real = self._resolve(dest)
        self._fake_write(posixpath.join(real, posixpath.basename(src)) if self._is_directory(real) else dest, content)

    def _fake_mv(self, src: str, dest: str) -> None:
        source, place = self._under(src, dest)
        if source != place:
            self._fake_cp_a(src, dest)
            self._fake_rm_rf(src)

    def _fake_rename(self, oldpath: str, newpath: str) -> None:
        source, place = self._resolve(oldpath, False), self._resolve(newpath, False)
        if self._is_directory(place) and place != source:
            raise failed(errno.ENOTEMPTY if self._children(place) else errno.EISDIR, newpath)
        self._fake_mv(oldpath, newpath)

    def _fake_chmod(self, mode: int, path: str) -> None:
        self._fake_realpath(path)
        self.modes[self._resolve(path)] = mode

    def _fake_chown(self, owner: int, group: int, path: str) -> None:
        self._fake_realpath(path)
        self.owners[self._resolve(path)] = (owner, group)
