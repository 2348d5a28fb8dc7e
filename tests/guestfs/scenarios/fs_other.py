# SPDX-License-Identifier: Apache-2.0
"""XFS, btrfs, VFAT, NTFS and squashfs: making, labels, checking, growing, and which filesystems there are."""
from _disk import UUIDS

from recorder import fails, note

SEEDS = (1, 2)
ABSENT = "/dev/sdz"


def known(g):
    for name in ("ext2", "ext3", "ext4", "btrfs", "xfs", "vfat", "nonsense"):
        g.filesystem_available(name)
    fails(g.filesystem_available, "no/slash")


def made(g, device):
    g.vfs_type(device)
    g.vfs_label(device)
    g.vfs_uuid(device)


def xfs(g):
    g.mkfs("xfs", "/dev/sda1", label="xlabel", blocksize=4096)
    g.set_uuid("/dev/sda1", UUIDS[1])
    made(g, "/dev/sda1")
    g.set_label("/dev/sda1", "newlabel")
    g.xfs_admin("/dev/sda1", label="admin", uuid=UUIDS[2])
    made(g, "/dev/sda1")
    fails(g.xfs_admin, "/dev/sda2", label="x")
    fails(g.xfs_admin, ABSENT, label="x")
    fails(g.mkfs, "xfs", "/dev/sda1", blocksize=77)
    fails(g.set_label, "/dev/sda1", "too long for xfs")
    g.xfs_repair("/dev/sda1")
    g.xfs_repair("/dev/sda1", nomodify=True)
    fails(g.xfs_repair, ABSENT)
    g.mount("/dev/sda1", "/")
    g.xfs_info("/")
    fails(g.xfs_info, "/none")
    g.write("/kept", "kept")
    g.statvfs("/")
    g.xfs_growfs("/")
    g.xfs_growfs("/", datasec=True)
    fails(g.xfs_growfs, "/none")
    fails(g.xfs_growfs, "/", datasize=10)
    fails(g.set_uuid, "/dev/sda1", UUIDS[3])
    g.fstrim("/")
    g.umount_all()
    g.fsck("xfs", "/dev/sda1")
    fails(g.xfs_growfs, "/")


def vfat(g):
    for fstype in ("vfat", "msdos", "fat"):
        g.mkfs(fstype, "/dev/sda2")
        g.vfs_type("/dev/sda2")
    g.mkfs("vfat", "/dev/sda2", label="BOOT")
    g.vfs_label("/dev/sda2")
    g.set_label("/dev/sda2", "EFI")
    g.vfs_label("/dev/sda2")
    fails(g.set_uuid, "/dev/sda2", UUIDS[3])
    fails(g.mkfs, "vfat", ABSENT)
    g.mount("/dev/sda2", "/")
    g.mkdir_p("/EFI/Boot")
    g.write("/EFI/Boot/BootX64.efi", "program")
    g.write("/long name of a file.txt", "x")
    g.find("/")
    g.case_sensitive_path("/efi/boot/bootx64.EFI")
    fails(g.ln_s, "a", "/b")
    fails(g.mkfifo, 0o644, "/fifo")
    fails(g.write, "/ends with colon:", "x")
    g.umount_all()
    g.fsck("vfat", "/dev/sda2")


def btrfs(g):
    g.mkfs("btrfs", "/dev/sda3", label="tree")
    g.vfs_type("/dev/sda3")
    g.vfs_label("/dev/sda3")
    g.set_uuid("/dev/sda3", UUIDS[5])
    g.vfs_uuid("/dev/sda3")
    g.set_label("/dev/sda3", "other tree")
    g.vfs_label("/dev/sda3")
    g.mkfs_btrfs(["/dev/sda3"], label="made", nodesize=16384, sectorsize=4096, datatype="single", metadata="single")
    g.vfs_label("/dev/sda3")
    fails(g.mkfs_btrfs, [ABSENT])
    fails(g.mkfs_btrfs, ["/dev/sda3"], metadata="nonsense")
    fails(g.mkfs_btrfs, [])


def ntfs(g):
    g.mkfs("ntfs", "/dev/sda1", label="Windows")
    g.vfs_type("/dev/sda1")
    g.vfs_label("/dev/sda1")
    g.ntfs_3g_probe(True, "/dev/sda1")
    g.ntfs_3g_probe(False, "/dev/sda2")
    fails(g.ntfs_3g_probe, True, ABSENT)
    g.set_label("/dev/sda1", "Renamed")
    g.vfs_label("/dev/sda1")
    g.mount("/dev/sda1", "/")
    g.mkdir("/Windows")
    g.write("/Windows/Some File.txt", "text")
    g.case_sensitive_path("/windows/some file.TXT")
    g.umount_all()
    g.ntfsresize_size("/dev/sda1", 100 << 20)
    fails(g.ntfsresize_size, "/dev/sda1", 110 << 20)  # is to be checked first
    g.ntfsresize("/dev/sda1", force=True)
    g.ntfsfix("/dev/sda1")
    fails(g.ntfsfix, "/dev/sda2")
    fails(g.ntfsfix, ABSENT)
    fails(g.ntfsresize, "/dev/sda2")
    fails(g.ntfsresize_size, "/dev/sda2", 1 << 20)


def squash(g, work):
    g.mkfs("ext4", "/dev/sda1")
    g.mount("/dev/sda1", "/")
    g.mkdir("/data")
    g.write("/data/file", "in squashfs")
    local = work.path("image.squashfs")
    g.mksquashfs("/data", local)
    with_magic = lambda: open(local, "rb").read(4).decode()  # noqa: E731
    note(g, "mksquashfs", with_magic)
    g.mksquashfs("/data", local, compress="gzip", excludes=["file"])
    note(g, "mksquashfs", with_magic)
    fails(g.mksquashfs, "/none", local)
    fails(g.mksquashfs, "/data", local, compress="nonsense")
    g.umount_all()


def scenario(g, work):
    # mkfs.xfs of 6.1 makes nothing smaller than 300 MiB.
    first = 310 + work.random.randrange(20)
    work.launch(g, work.images.blank("disk", 640, spread=60), work.images.blank("second", 8))
    g.part_init("/dev/sda", "gpt")
    for start, end in ((1, first), (first, first + 40), (first + 40, first + 180)):
        g.part_add("/dev/sda", "p", start * 2048, end * 2048 - 1)
    known(g)
    xfs(g)
    vfat(g)
    btrfs(g)
    g.list_filesystems()
    ntfs(g)
    squash(g, work)
    fails(g.fsck, "ext4", "/dev/sdz")
    g.shutdown()
