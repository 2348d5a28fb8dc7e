# SPDX-License-Identifier: Apache-2.0
"""Between guest and host: upload and download, tar and cpio, whole trees, compressed and encoded files."""
import base64
import bz2
import gzip
import hashlib
import io
import lzma
import os
import subprocess
import tarfile
from pathlib import Path

from _cpio import newc
from _disk import OLD, ext4

from recorder import fails, note

SEEDS = (1,)


def told(g, call, path):
    """What a call left in a file of the host."""
    note(g, call, lambda: [os.path.getsize(path), hashlib.sha256(Path(path).read_bytes()).hexdigest()])


def members(g, call, path, mode="r:*"):
    """What a call packed, without the order."""
    def look():
        with tarfile.open(path, mode) as archive:
            return sorted([m.name, m.type.decode(), m.mode, m.uid, m.gid, m.size if m.isreg() else 0, m.linkname,
                           int(m.mtime) if m.mtime < OLD + 1000 else "now"] for m in archive)
    note(g, call, look)


def tar(*entries, mode="w"):
    """An archive of (name, content) files, directories (None) and links (a tuple)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.mtime, info.uid, info.gid, info.mode = OLD, 1000, 1001, 0o640
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o2755
            elif isinstance(content, tuple):
                info.type, info.linkname = tarfile.SYMTYPE, content[0]
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def single_files(g, work):
    data = work.random.randbytes(300_000)
    local, back = work.path("local", data), work.path("back")
    g.upload(local, "/up")
    g.filesize("/up")
    g.checksum("sha256", "/up")
    g.upload(work.path("empty", b""), "/empty")
    g.upload(work.path("small", b"small"), "/up2")
    g.download("/up", back)
    told(g, "download", back)
    g.download("/empty", back)
    told(g, "download", back)
    fails(g.upload, work.path("absent"), "/x")
    fails(g.upload, local, "/none/x")
    fails(g.upload, local, "/dir")
    fails(g.upload, local, "relative")
    fails(g.download, "/none", back)
    fails(g.download, "/dir", back)
    fails(g.download, "/up", work.path("no/such/directory"))
    g.upload_offset(work.path("small"), "/up", 1000)
    g.pread("/up", 20, 995)
    g.upload_offset(work.path("small"), "/fresh", 10)
    g.read_file("/fresh")
    g.upload_offset(work.path("small"), "/dev/sdb", 512)
    g.pread_device("/dev/sdb", 10, 510)
    fails(g.upload_offset, work.path("absent"), "/up", 0)
    fails(g.upload_offset, work.path("small"), "/none/up", 0)
    fails(g.upload_offset, work.path("small"), "/dev/sdz", 0)
    for offset, size in ((0, 10), (1000, 5), (299_990, 10), (500, 0)):
        g.download_offset("/up", back, offset, size)
        told(g, "download_offset", back)
    g.download_offset("/dev/sdb", back, 512, 5)
    told(g, "download_offset", back)
    fails(g.download_offset, "/none", back, 0, 1)
    fails(g.download_offset, "/up", back, -1, 1)
    fails(g.download_offset, "/up", back, 0, -1)
    g.download_offset("/up", back, 299_990, 100)  # beyond the end
    told(g, "download_offset", back)
    fails(g.download_offset, "/dev/sdz", back, 0, 1)
    g.upload(local, "/dev/sdb")
    g.download("/dev/sdb", back)
    told(g, "download", back)


def encoded(g, work):
    local = work.path("base64", base64.encodebytes(b"decoded words"))
    g.base64_in(local, "/decoded")
    g.cat("/decoded")
    g.base64_out("/decoded", work.path("base64-out"))
    note(g, "base64_out", lambda: base64.b64decode(Path(work.path("base64-out")).read_bytes()).decode())
    fails(g.base64_in, work.path("absent"), "/x")
    fails(g.base64_in, local, "/none/x")
    fails(g.base64_out, "/none", work.path("base64-out"))
    unpack = {"gzip": gzip.decompress, "bzip2": bz2.decompress, "xz": lzma.decompress}
    for kind in ("gzip", "bzip2", "xz"):
        path, back = work.path(f"packed-{kind}"), unpack[kind]
        g.compress_out(kind, "/dir/a", path, level=3)
        note(g, "compress_out", lambda: back(Path(path).read_bytes()).decode())
        g.compress_device_out(kind, "/dev/sdb", path)
        note(g, "compress_device_out", lambda: hashlib.sha256(back(Path(path).read_bytes())).hexdigest())
    for call, name in ((g.compress_out, "/dir/a"), (g.compress_device_out, "/dev/sdb")):
        fails(call, "nonsense", name, work.path("packed"))
        fails(call, "gzip", name, work.path("packed"), level=99)
        fails(call, "gzip", name, work.path("no/such/directory"))
    fails(g.compress_out, "gzip", "/none", work.path("packed"))
    fails(g.compress_device_out, "gzip", "/dev/sdz", work.path("packed"))
    for kind, content in (("gzip", gzip.compress(b"text\n", mtime=0)), ("bzip2", bz2.compress(b"text\n"))):
        g.write("/packed", content)
        g.zfile(kind, "/packed")
    fails(g.zfile, "nonsense", "/packed")


def tars_in(g, work):
    entries = (("t", None), ("t/a", b"aaa"), ("t/link", ("a",)), ("t/big", b"x" * 70_000))
    g.mkdir("/in")
    g.tar_in(work.path("plain.tar", tar(*entries)), "/in")
    for path in ("/in/t", "/in/t/a", "/in/t/link", "/in/t/big"):
        g.lstatns(path)
    for kind in ("gz", "bz2", "xz"):
        g.mkdir(f"/in/{kind}")
        g.tar_in(work.path(kind, tar(*entries, mode=f"w:{kind}")), f"/in/{kind}",
                 compress={"gz": "gzip", "bz2": "bzip2", "xz": "xz"}[kind])
        g.find(f"/in/{kind}")
    g.mkdir("/in/tgz")
    g.tgz_in(work.path("gz"), "/in/tgz")
    g.mkdir("/in/txz")
    g.txz_in(work.path("xz"), "/in/txz")
    g.find("/in/tgz")
    g.find("/in/txz")
    g.tar_in(work.path("plain.tar"), "/in", xattrs=False, selinux=False, acls=False)
    for call, name in ((g.tar_in, "plain.tar"), (g.tgz_in, "gz"), (g.txz_in, "xz")):
        fails(call, work.path(name), "/none")
        fails(call, work.path("absent"), "/in")
        fails(call, work.path("noise", b"this is no archive" * 100), "/in")
        fails(call, work.path(name), "/dir/a")


def tars_out(g, work):
    out = work.path("out.tar")
    g.tar_out("/dir", out)
    members(g, "tar_out", out, "r:")
    g.tar_out("/dir", out, excludes=["b*", "sub/*"])
    members(g, "tar_out", out)
    g.tar_out("/dir", out, numericowner=True)
    members(g, "tar_out", out)
    for kind in ("gzip", "bzip2", "xz"):
        g.tar_out("/dir", out, compress=kind)
        members(g, "tar_out", out, {"gzip": "r:gz", "bzip2": "r:bz2", "xz": "r:xz"}[kind])
    g.tgz_out("/dir", out)
    members(g, "tgz_out", out, "r:gz")
    g.txz_out("/dir", out)
    members(g, "txz_out", out, "r:xz")
    g.setxattr("user.kept", "yes", 3, "/dir/a")
    g.tar_out("/dir", out, xattrs=True)
    g.mkdir("/again")
    g.tar_in(out, "/again", xattrs=True)
    g.getxattrs("/again/a")
    for call in (g.tar_out, g.tgz_out, g.txz_out):
        fails(call, "/none", out)
        fails(call, "/dir/a", out)
        fails(call, "/dir", work.path("no/such/directory"))
    fails(g.tar_out, "/dir", out, compress="nonsense")
    for kind in ("newc", "crc"):
        g.cpio_out("/dir", work.path("out.cpio"), format=kind)
        listed(g, work.path("out.cpio"))
    g.cpio_out("/dir", work.path("out.cpio"))
    fails(g.cpio_out, "/none", work.path("out.cpio"))
    fails(g.cpio_out, "/dir", work.path("out.cpio"), format="nonsense")
    fails(g.cpio_out, "/dir", work.path("no/such/directory"))


def listed(g, path):
    def look():
        with open(path, "rb") as file:
            names = subprocess.run(["cpio", "-t", "--quiet"], stdin=file, capture_output=True, check=True, text=True).stdout
        return [Path(path).read_bytes()[:6].decode(), *sorted(names.splitlines())]
    note(g, "cpio_out", look)


def trees(g, work):
    local = Path(work.path("tree"))
    (local / "sub").mkdir(parents=True)
    (local / "one").write_bytes(b"one")
    (local / "sub/two").write_bytes(b"two" * 1000)
    (local / "sub/link").symlink_to("two")
    os.chmod(local / "one", 0o604)
    os.utime(local / "one", (OLD, OLD))
    g.mkdir("/copied")
    g.copy_in(str(local), "/copied")
    g.copy_in(work.path("small"), "/copied")
    g.find("/copied")
    g.lstat("/copied/tree/one")
    g.readlink("/copied/tree/sub/link")
    fails(g.copy_in, work.path("absent"), "/copied")
    fails(g.copy_in, str(local), "/none")
    fails(g.copy_in, str(local), "/dir/a")
    target = Path(work.path("target"))
    target.mkdir()
    g.copy_out("/copied/tree", str(target))
    g.copy_out("/dir/a", str(target))
    note(g, "copy_out", lambda: sorted([str(path.relative_to(target)), path.read_text() if path.is_file() else ""]
                                       for path in target.rglob("*")))
    fails(g.copy_out, "/none", str(target))
    fails(g.copy_out, "/dir/a", work.path("no/such/directory"))
    fails(g.copy_out, "/dir/a", work.path("small"))


def initrds(g, work):
    archive = newc({"bin": None, "bin/sh": b"#!shell\n", "init": b"init", "etc": None, "etc/fstab": b""})
    for name, content in (("plain", archive), ("gz", gzip.compress(archive, mtime=0))):
        g.write(f"/initrd.{name}", content)
    g.initrd_list("/initrd.gz")
    g.initrd_cat("/initrd.gz", "bin/sh")
    g.initrd_cat("/initrd.gz", "etc/fstab")
    fails(g.initrd_list, "/none")
    fails(g.initrd_list, "/dir/a")
    fails(g.initrd_cat, "/initrd.gz", "none")
    fails(g.initrd_cat, "/none", "init")


def scenario(g, work):
    work.launch(g, work.images.blank("disk", 96), work.images.blank("second", 2))
    fails(g.download, "/etc/fstab", work.path("back"))  # nothing is mounted
    fails(g.upload, work.path("small", b""), "/x")
    g.part_disk("/dev/sda", "mbr")
    ext4(g)
    g.mount("/dev/sda1", "/")
    g.mkdir("/dir")
    g.write("/dir/a", "a\n")
    g.write("/dir/b", "bb\n" * 500)
    g.mkdir("/dir/sub")
    g.write("/dir/sub/c", "c")
    g.ln_s("a", "/dir/link")
    g.chmod(0o4750, "/dir/b")
    g.chown(1000, 1001, "/dir/b")
    for name in ("a", "b", "sub/c", "sub"):
        g.utimens(f"/dir/{name}", OLD, 0, OLD + 1, 0)
    single_files(g, work)
    encoded(g, work)
    tars_in(g, work)
    tars_out(g, work)
    trees(g, work)
    initrds(g, work)
    g.shutdown()
