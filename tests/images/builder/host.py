# SPDX-License-Identifier: Apache-2.0
"""A machine that is booted by its kernel directly: disk.raw is its root, vmlinuz and initrd stand beside it."""

import shutil
from pathlib import Path

from builder.confine import mount
from builder.run import Runner, require

# What stands between the kernel and its root; erofs asks for the first by a softdep.
DRIVERS = ("crc32c_generic", "virtio_pci", "virtio_blk", "erofs", "overlay")
INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
mount -t erofs -o ro /dev/vda /below
mount -t tmpfs -o mode=0755 tmpfs /above
mkdir /above/upper /above/work
mount -t overlay -o lowerdir=/below,upperdir=/above/upper,workdir=/above/work overlay /root
umount /proc /sys /dev
exec switch_root /root /sbin/init
"""


def _files_of_drivers(tree: Path, release: str) -> list[Path]:
    """In the order in which they are to be loaded, by modules.dep: FILE: WHAT IT NEEDS, the last of it first."""
    top = tree / "lib/modules" / release
    needs = dict(line.split(":") for line in (top / "modules.dep").read_text().splitlines())
    found: list[str] = []
    for name in DRIVERS:
        file = next(file for file in needs if Path(file).stem == name)
        found += [each for each in (*reversed(needs[file].split()), file) if each not in found]
    return [top / file for file in found]


def _make_initramfs(tree: Path, release: str, work: Path, run: Runner) -> None:
    top = work / "initramfs"
    for name in ("bin", "proc", "sys", "dev", "below", "above", "root", "modules"):
        (top / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", top / "bin/busybox")
    (top / "init").write_text(INIT)
    (top / "init").chmod(0o755)
    files = _files_of_drivers(tree, release)
    for file in files:
        shutil.copy(file, top / "modules")
    (top / "modules/order").write_text("".join(f"{file.name}\n" for file in files))
    run("sh", "-c", 'cd "$1" && find . | cpio --quiet -o -H newc >"$2"', "sh", top, work / "initrd")
    shutil.rmtree(top)


def build(archive: Path, work: Path) -> None:
    require("tar", "zstd", "mkfs.erofs", "cpio")
    run, tree = Runner(work / "build.log"), work / "tree"
    tree.mkdir()
    mount("tmpfs", tree, "tmpfs", data="mode=0755")
    run("tar", "--extract", "--zstd", "--file", archive, "--directory", tree, "--numeric-owner", "--same-permissions")
    (tree / "etc/hostname").write_text("stock-host\n")
    (tree / "etc/machine-id").write_text("5119a00000004000800000000000000a\n")
    kernel = next((tree / "boot").glob("vmlinuz-*"))
    shutil.copy(kernel, work / "vmlinuz")
    _make_initramfs(tree, kernel.name.removeprefix("vmlinuz-"), work, run)
    run("mkfs.erofs", "--quiet", work / "disk.raw", tree)
    run("umount", tree)
    tree.rmdir()
