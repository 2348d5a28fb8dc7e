# SPDX-License-Identifier: Apache-2.0
"""Looking at files: what they are, what is in them, what is in a directory."""
from pathlib import Path

from _disk import OLD, ext4

from recorder import fails, note

SEEDS = (1,)
TEXT = "first line\nsecond line\nthird: Ünïcödé\n\nlast line"
NUMBERS = "".join(f"line {n}\n" for n in range(1, 31))


def tree(g):
    g.mkdir("/dir")
    g.mkdir_p("/dir/sub/deep")
    g.write("/dir/text", TEXT)
    g.write("/dir/numbers", NUMBERS)
    g.write("/dir/binary", bytes(range(256)) * 3)
    g.write("/dir/empty", b"")
    g.write("/dir/.hidden", "h")
    g.write("/dir/sub/one", "1\n")
    g.write("/dir/sub/deep/two", "22\n")
    g.write("/dir/name with space", "x")
    g.ln_s("text", "/dir/link")
    g.ln_s("/dir/sub", "/dir/absolute")
    g.ln_s("missing", "/dir/dangling")
    g.ln_s("loop2", "/dir/loop1")
    g.ln_s("loop1", "/dir/loop2")
    g.ln_s("../../../../etc/passwd", "/dir/outside")
    g.mkfifo(0o644, "/dir/fifo")
    g.mknod_b(0o600, 8, 16, "/dir/block")
    g.mknod_c(0o666, 1, 3, "/dir/char")
    g.mknod(0o140755, 0, 0, "/dir/socket")
    for name in ("text", "numbers", "binary", "empty", "sub", "fifo", "block", "char", "socket"):
        g.utimens(f"/dir/{name}", OLD, 1000, OLD + 100, 2000)


NAMES = ("text", "link", "absolute", "dangling", "loop1", "sub", "fifo", "block", "char", "socket", "none", "empty", "outside")


def kinds(g):
    for call in (g.is_file, g.is_dir, g.is_blockdev, g.is_chardev, g.is_fifo, g.is_socket):
        for name in NAMES:
            call(f"/dir/{name}")
        for name in ("link", "absolute", "dangling"):
            call(f"/dir/{name}", followsymlinks=True)
        fails(call, "/dir/loop1", followsymlinks=True)
        fails(call, "dir/text")
    for call in (g.is_symlink, g.exists):
        for name in NAMES:
            call(f"/dir/{name}")
        call("/dir/text/below")
        call("/dir/absolute/one")
        fails(call, "relative")
        fails(call, "")
    fails(g.is_file, "/dir/" + "n" * 5000)


def stats(g):
    for name in ("text", "link", "absolute", "sub", "fifo", "block", "char", "socket", "binary", "empty"):
        for call in (g.stat, g.lstat, g.statns, g.lstatns):
            call(f"/dir/{name}")
    g.lstat("/dir/dangling")
    g.lstatns("/dir/outside")
    for call in (g.stat, g.lstat, g.statns, g.lstatns):
        fails(call, "/dir/none")
        fails(call, "/dir/text/below")
        fails(call, "relative")
    fails(g.stat, "/dir/dangling")
    fails(g.stat, "/dir/loop1")
    fails(g.statns, "/dir/loop1/x")
    for call in (g.lstatlist, g.lstatnslist):
        call("/dir", ["text", "none", "link", "sub"])
        call("/dir", [])
        fails(call, "/none", ["text"])
        fails(call, "/dir/text", ["text"])
    g.readlinklist("/dir", ["link", "text", "none", "dangling", "absolute"])
    g.readlinklist("/dir", [])
    fails(g.readlinklist, "/none", ["a"])
    g.filesize("/dir/binary")
    g.filesize("/dir/link")
    g.filesize("/dir/empty")
    fails(g.filesize, "/dir/none")
    fails(g.filesize, "/dir/loop1")
    g.statvfs("/")
    g.statvfs("/dir/text")
    fails(g.statvfs, "/none")
    g.du("/dir/numbers")
    fails(g.du, "/dir/none")
    g.df()
    g.df_h()
    g.readlink("/dir/link")
    g.readlink("/dir/outside")
    g.readlink("/dir/dangling")
    fails(g.readlink, "/dir/text")
    fails(g.readlink, "/dir/none")
    for name in ("link", "absolute", "absolute/one", "sub/../text", "sub/./deep"):
        g.realpath(f"/dir/{name}")
    for name in ("none", "loop1", "dangling"):
        fails(g.realpath, f"/dir/{name}")


def lists(g, work):
    for name in ("/", "/dir", "/dir/sub", "/dir/absolute"):
        g.ls(name)
        g.readdir(name)
        if name != "/dir/absolute":  # find follows the link out of the guest there
            g.find(name)
    for call in (g.ls, g.find, g.readdir, g.ll, g.llz):
        fails(call, "/none")
    for call in (g.ls, g.readdir):
        fails(call, "/dir/text")
    fails(g.find, "/dir/text")
    fails(g.ls, "relative")
    g.ll("/dir/sub")
    g.ll("/dir/text")
    g.llz("/dir/sub")
    for pattern in ("/dir/*", "/dir/s*/*", "/dir/[te]*", "/none*", "/dir/{text,empty,none}", "/dir/sub/*/", "/dir/t?xt", "/*", "/dir/\\*"):
        g.glob_expand(pattern)
    g.glob_expand("/dir/s*", directoryslash=False)
    g.glob_expand("/dir/*", directoryslash=True)
    fails(g.glob_expand, "relative/*")
    for path in ("/DIR/TEXT", "/dir/SUB/Deep/TWO", "/Dir", "/", "/dir/text", "/dir/newname", "/DIR/NewName", "/dir/absolute/ONE"):
        g.case_sensitive_path(path)
    fails(g.case_sensitive_path, "/none/Below")
    fails(g.case_sensitive_path, "/dir/none/below")
    fails(g.case_sensitive_path, "relative")
    for call, name in ((g.ls0, "ls0"), (g.find0, "find0")):
        local = work.path(name)
        call("/dir", local)
        names(g, name, local)
        fails(call, "/none", local)
        fails(call, "/dir", work.path("no/such/directory"))


def names(g, call, local):
    note(g, call, lambda: sorted(Path(local).read_text(encoding="utf-8").split("\0")))


def contents(g):
    for name in ("text", "numbers", "empty", "link", "sub/one"):
        for call in (g.cat, g.read_file, g.read_lines, g.head, g.tail):
            call(f"/dir/{name}")
        for call in (g.head_n, g.tail_n):
            for count in (0, 1, 3, -2, 100):
                call(count, f"/dir/{name}")
        for call in (g.wc_c, g.wc_l, g.wc_w):
            call(f"/dir/{name}")
        g.hexdump(f"/dir/{name}")
        g.is_zero(f"/dir/{name}")
    g.read_file("/dir/binary")
    g.read_file("/dir/name with space")
    g.hexdump("/dir/binary")
    for call in (g.cat, g.read_file, g.read_lines, g.head, g.tail, g.wc_c, g.wc_l, g.wc_w, g.hexdump, g.is_zero, g.strings):
        fails(call, "/dir/none")
        fails(call, "/dir/dangling")
        fails(call, "relative")
    for call in (g.cat, g.read_file, g.read_lines, g.wc_c, g.is_zero, g.head):
        fails(call, "/dir/sub")
    for call in (g.head_n, g.tail_n):
        fails(call, 3, "/dir/none")
    for offset in (0, 5, 255, 767, 768, 2000):
        g.pread("/dir/binary", 10, offset)
    g.pread("/dir/binary", 0, 0)
    g.pread("/dir/binary", 4096, 3)
    fails(g.pread, "/dir/none", 1, 0)
    fails(g.pread, "/dir/binary", -1, 0)
    fails(g.pread, "/dir/binary", 1, -1)
    fails(g.pread, "/dir/sub", 1, 0)
    g.strings("/dir/binary")
    g.strings("/dir/text")
    for encoding in ("s", "l", "b"):
        g.strings_e(encoding, "/dir/binary")
    fails(g.strings_e, "s", "/dir/none")
    fails(g.strings_e, "x", "/dir/text")
    g.fallocate64("/dir/zeros", 70000)
    g.is_zero("/dir/zeros")
    g.pwrite("/dir/zeros", b"\x01", 69999)
    g.is_zero("/dir/zeros")


def search(g, work):
    g.write("/dir/words", "alpha\nBeta\ngamma beta\nalpha.beta\n(x+y)\n-dash\n")
    g.write("/dir/plain", "alpha\nBeta\ngamma beta\n")
    g.utimens("/dir/words", OLD, 0, OLD, 0)
    g.compress_out("gzip", "/dir/words", work.path("words.gz"))
    g.upload(work.path("words.gz"), "/dir/words.gz")
    for call in (g.grep, g.egrep, g.fgrep, g.grepi, g.egrepi, g.fgrepi):
        for pattern in ("alpha", "beta", "none", "a.b", "(x+y)", "^Beta$"):
            call(pattern, "/dir/words")
        fails(call, "alpha", "/dir/none")
        fails(call, "alpha", "relative")
    for call in (g.zgrep, g.zegrep, g.zfgrep, g.zgrepi, g.zegrepi, g.zfgrepi):
        for pattern in ("alpha", "beta", "none", "a.b"):
            call(pattern, "/dir/words.gz")
        call("Beta", "/dir/plain")
        fails(call, "alpha", "/dir/none")
    g.grep("-dash", "/dir/words")
    g.grep("alpha|Beta", "/dir/words", extended=True)
    g.grep("a.b", "/dir/words", fixed=True)
    g.grep("BETA", "/dir/words", insensitive=True)
    g.grep("ALPHA", "/dir/words.gz", insensitive=True, compressed=True)
    g.grep("a.B", "/dir/words", fixed=True, insensitive=True)
    fails(g.grep, "a", "/dir/words", extended=True, fixed=True)
    fails(g.grep, "[", "/dir/words")
    fails(g.egrep, "(", "/dir/words")


def sums(g, work):
    for kind in ("crc", "md5", "sha1", "sha224", "sha256", "sha384", "sha512"):
        for name in ("text", "empty", "binary", "link"):
            g.checksum(kind, f"/dir/{name}")
        g.checksum_device(kind, "/dev/sdb")
        local = work.path(f"sums-{kind}")
        g.checksums_out(kind, "/dir/sub", local)
        note(g, "checksums_out", lambda: sorted(Path(local).read_text(encoding="utf-8").splitlines()))
    fails(g.checksum, "sha999", "/dir/text")
    fails(g.checksum, "md5", "/dir/none")
    fails(g.checksum, "md5", "/dir/sub")
    fails(g.checksum_device, "md5", "/dev/sdz")
    fails(g.checksum_device, "sha999", "/dev/sdb")
    fails(g.checksums_out, "md5", "/none", work.path("sums"))
    fails(g.checksums_out, "sha999", "/dir", work.path("sums"))
    g.equal("/dir/text", "/dir/link")
    g.equal("/dir/text", "/dir/numbers")
    g.equal("/dir/empty", "/dir/empty")
    fails(g.equal, "/dir/text", "/dir/none")
    fails(g.equal, "/dir/none", "/dir/text")


def guesses(g):
    g.file("/dir/text")
    g.file("/dir/empty")
    g.file("/dir/words.gz")
    g.file("/dir/sub")
    g.file("/dir/link")
    g.file("/dir/fifo")
    fails(g.file, "/dir/none")
    elf = bytearray(b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + (2).to_bytes(2, "little") + (62).to_bytes(2, "little") + bytes(44))
    for name, bits, order, machine in (("x86_64", 2, 1, 62), ("i386", 1, 1, 3), ("aarch64", 2, 1, 183), ("ppc64le", 2, 1, 21),
                                       ("riscv64", 2, 1, 243), ("arm", 1, 1, 40)):
        elf[4], elf[5] = bits, order
        elf[18:20] = machine.to_bytes(2, "little" if order == 1 else "big")
        elf[20:24] = (1).to_bytes(4, "little" if order == 1 else "big")
        g.write(f"/dir/elf-{name}", bytes(elf))
        g.file_architecture(f"/dir/elf-{name}")
    fails(g.file_architecture, "/dir/text")
    fails(g.file_architecture, "/dir/none")
    fails(g.file_architecture, "/dir/sub")


def scenario(g, work):
    g.add_drive_opts(str(work.images.blank("disk", 96, formats=("raw",)).path), format="raw")
    work.launch(g, work.images.blank("second", 2))
    fails(g.ls, "/")  # nothing is mounted
    fails(g.cat, "/etc/fstab")
    fails(g.write, "/a", "b")
    g.part_disk("/dev/sda", "mbr")
    ext4(g)
    g.mount("/dev/sda1", "/")
    tree(g)
    kinds(g)
    stats(g)
    lists(g, work)
    contents(g)
    search(g, work)
    sums(g, work)
    guesses(g)
    g.umount_all()
    g.shutdown()
