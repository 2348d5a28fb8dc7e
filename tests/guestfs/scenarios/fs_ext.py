# SPDX-License-Identifier: Apache-2.0
"""ext2, ext3, ext4 and swap space: making them, their labels and UUIDs, tuning, checking and resizing."""
from _disk import UUIDS

from recorder import fails

SEEDS = (1, 2)
ABSENT = "/dev/sdz"


def made(g, device):
    g.vfs_type(device)
    g.vfs_label(device)
    g.vfs_uuid(device)


def making(g, work):
    g.mkfs("ext2", "/dev/sda1", label="second ext", blocksize=1024)
    g.set_uuid("/dev/sda1", UUIDS[1])
    made(g, "/dev/sda1")
    g.mkfs("ext3", "/dev/sda1", inode=256)
    g.set_uuid("/dev/sda1", UUIDS[2])
    made(g, "/dev/sda1")
    g.mkfs("ext4", "/dev/sda1", features="^has_journal,^metadata_csum", label="fourth")
    g.set_uuid("/dev/sda1", UUIDS[3])
    made(g, "/dev/sda1")
    fails(g.mkfs, "nonsense", "/dev/sda1")
    fails(g.mkfs, "ext4", ABSENT)
    fails(g.mkfs, "ext4", "/dev/sda1", blocksize=12345)
    fails(g.mkfs, "ext4", "/dev/sda1", features="nonsense")
    fails(g.mkfs, "ext4", "/dev/sda1", inode=7)
    fails(g.mkfs, "ext4", "/dev/sda1", label="much too long for a label of ext4")
    g.mkfs_b("ext4", 4096, "/dev/sda1")
    fails(g.mkfs_b, "ext4", 4096, ABSENT)
    fails(g.mkfs_b, "ext4", 1000, "/dev/sda1")
    for options in ({"fstype": "ext4", "blocksize": 1024, "label": "made", "inodesize": 256, "reservedblockspercentage": 1},
                    {"fstype": "ext2", "blocksize": 4096, "numberofinodes": 512, "blockscount": 3000},
                    {"fstype": "ext3", "journalsize": 4, "bytesperinode": 16384, "lastmounteddir": "/srv"},
                    {"fstype": "ext4", "hasjournal": False, "sparsesuper": True, "filetype": True, "extent": True, "largefile": True},
                    {"fstype": "ext4", "creatoros": "Linux", "discard": False, "lazyitableinit": False, "resizeinode": True}):
        number = work.random.randrange(4, 20)
        g.mke2fs("/dev/sda1", uuid=UUIDS[number], **options)
        made(g, "/dev/sda1")
        g.tune2fs_l("/dev/sda1")
    for options in ({"fstype": "nonsense"}, {"blocksize": 1000}, {"uuid": "nonsense"}):
        fails(g.mke2fs, "/dev/sda1", **options)
    g.mke2fs("/dev/sda1", label="x" * 40)  # is cut off
    for options in ({"inodesize": 3}, {"blockscount": 1 << 40}):
        fails(g.mke2fs, "/dev/sda1", **options)
    fails(g.mke2fs, ABSENT)
    fails(g.tune2fs_l, ABSENT)
    fails(g.tune2fs_l, "/dev/sda3")
    for call in (g.vfs_type, g.vfs_label, g.vfs_uuid):
        fails(call, ABSENT)
        fails(call, "relative")
    made(g, "/dev/sdb")  # nothing is on it
    journals(g)


def journals(g):
    g.mke2journal(4096, "/dev/sda2")
    g.vfs_type("/dev/sda2")
    g.mke2journal_L(4096, "journal", "/dev/sda2")
    g.vfs_label("/dev/sda2")
    g.mke2fs_JL("ext4", 4096, "/dev/sda1", "journal")
    g.vfs_type("/dev/sda1")
    g.mke2journal_U(4096, UUIDS[30], "/dev/sda2")
    g.vfs_uuid("/dev/sda2")
    g.mke2fs_JU("ext4", 4096, "/dev/sda1", UUIDS[30])
    g.vfs_type("/dev/sda1")
    g.mke2fs_J("ext3", 4096, "/dev/sda1", "/dev/sda2")
    g.vfs_type("/dev/sda1")
    fails(g.mke2journal, 4096, ABSENT)
    fails(g.mke2journal, 1000, "/dev/sda2")
    fails(g.mke2journal_L, 4096, "journal", ABSENT)
    fails(g.mke2journal_U, 4096, "nonsense", "/dev/sda2")
    fails(g.mke2fs_J, "ext4", 4096, "/dev/sda1", "/dev/sdb")
    fails(g.mke2fs_JL, "ext4", 4096, "/dev/sda1", "none")
    fails(g.mke2fs_JU, "ext4", 4096, "/dev/sda1", UUIDS[40])


def labels(g):
    g.mkfs("ext4", "/dev/sda1")
    g.set_label("/dev/sda1", "labelled")
    g.vfs_label("/dev/sda1")
    g.get_e2label("/dev/sda1")
    g.set_e2label("/dev/sda1", "again")
    g.get_e2label("/dev/sda1")
    g.vfs_label("/dev/sda1")
    g.set_e2uuid("/dev/sda1", UUIDS[21])
    g.get_e2uuid("/dev/sda1")
    g.findfs_label("again")
    g.findfs_uuid(UUIDS[21])
    g.set_uuid("/dev/sda1", UUIDS[22])
    g.vfs_uuid("/dev/sda1")
    fails(g.findfs_label, "none")
    fails(g.findfs_uuid, UUIDS[50])
    g.set_label("/dev/sda1", "")
    g.vfs_label("/dev/sda1")
    fails(g.set_label, "/dev/sda1", "much too long for a label of ext4")
    fails(g.set_label, "/dev/sdb", "x")
    fails(g.set_label, ABSENT, "x")
    fails(g.set_uuid, "/dev/sda1", "nonsense")
    fails(g.set_uuid, "/dev/sdb", UUIDS[1])
    fails(g.set_uuid, ABSENT, UUIDS[1])
    fails(g.set_uuid_random, ABSENT)
    fails(g.set_uuid_random, "/dev/sdb")
    for call in (g.get_e2label, g.get_e2uuid):
        fails(call, ABSENT)
    fails(g.set_e2label, "/dev/sdb", "x")
    fails(g.set_e2uuid, "/dev/sdb", UUIDS[1])
    fails(g.set_e2uuid, "/dev/sda1", "nonsense")
    g.set_uuid_random("/dev/sda1")
    g.vfs_uuid("/dev/sda1")
    g.set_uuid("/dev/sda1", UUIDS[23])
    g.blkid("/dev/sda1")
    fails(g.blkid, ABSENT)


def tuning(g):
    g.tune2fs("/dev/sda1", maxmountcount=17, mountcount=3, errorbehavior="remount-ro", intervalbetweenchecks=86400)
    g.tune2fs("/dev/sda1", reservedblockspercentage=2, lastmounteddirectory="/data", user=7, group=8)
    g.tune2fs_l("/dev/sda1")
    g.tune2fs("/dev/sda1", force=True, maxmountcount=0, reservedblockscount=10)
    g.tune2fs_l("/dev/sda1")
    fails(g.tune2fs, "/dev/sda1", errorbehavior="nonsense")
    fails(g.tune2fs, "/dev/sda1", reservedblockspercentage=99)
    fails(g.tune2fs, "/dev/sdb", maxmountcount=1)
    fails(g.tune2fs, ABSENT, maxmountcount=1)


def resizing(g):
    g.mkfs("ext4", "/dev/sda1", blocksize=4096)
    g.e2fsck_f("/dev/sda1")
    g.resize2fs_size("/dev/sda1", 20 << 20)
    g.tune2fs_l("/dev/sda1")
    g.mount("/dev/sda1", "/")
    g.write("/kept", "kept")
    g.fill(1, 3 << 20, "/some")
    g.umount_all()
    g.vfs_minimum_size("/dev/sda1")
    fails(g.vfs_minimum_size, "/dev/sdb")
    fails(g.vfs_minimum_size, ABSENT)
    g.resize2fs("/dev/sda1")
    g.e2fsck("/dev/sda1", forceall=True)
    g.resize2fs_M("/dev/sda1")
    g.e2fsck("/dev/sda1", correct=True)
    g.mount("/dev/sda1", "/")
    g.cat("/kept")
    g.resize2fs("/dev/sda1")  # while it is mounted
    g.fstrim("/")
    g.fstrim("/", minimumfreeextent=65536)
    fails(g.fstrim, "/none")
    fails(g.fstrim, "/", offset=-5)
    g.zero_free_space("/")
    fails(g.zero_free_space, "/none")
    g.ls("/")
    g.umount_all()
    fails(g.resize2fs_size, "/dev/sda1", 1 << 50)
    for call in (g.resize2fs, g.resize2fs_M, g.e2fsck, g.e2fsck_f, g.zerofree):
        fails(call, ABSENT)
        fails(call, "/dev/sdb")
    fails(g.resize2fs_size, ABSENT, 1 << 20)
    g.zerofree("/dev/sda1")
    g.fsck("ext4", "/dev/sda1")
    g.e2fsck_f("/dev/sda1")


def generations(g):
    g.mkfs("ext2", "/dev/sda1", features="^metadata_csum")
    g.mount("/dev/sda1", "/")
    g.touch("/file")
    g.set_e2generation("/file", 1234)
    g.get_e2generation("/file")
    fails(g.set_e2generation, "/none", 1)
    fails(g.get_e2generation, "/none")
    g.set_e2attrs("/file", "dSs")
    g.get_e2attrs("/file")
    g.umount_all()


def swap(g):
    g.mkswap("/dev/sda3")
    g.vfs_type("/dev/sda3")
    g.mkswap("/dev/sda3", label="swapped", uuid=UUIDS[31])
    made(g, "/dev/sda3")
    g.mkswap_L("swap2", "/dev/sda3")
    g.vfs_label("/dev/sda3")
    g.mkswap_U(UUIDS[32], "/dev/sda3")
    g.vfs_uuid("/dev/sda3")
    g.set_uuid("/dev/sda3", UUIDS[33])
    made(g, "/dev/sda3")
    fails(g.mkswap, ABSENT)
    fails(g.mkswap, "/dev/sda3", uuid="nonsense")
    fails(g.mkswap_L, "x", ABSENT)
    fails(g.mkswap_U, "nonsense", "/dev/sda3")


def wiping(g):
    g.list_filesystems()
    g.wipefs("/dev/sda1")
    g.vfs_type("/dev/sda1")
    fails(g.wipefs, ABSENT)
    g.mkfs("ext2", "/dev/sda1")
    g.zero("/dev/sda1")
    g.vfs_type("/dev/sda1")
    g.list_filesystems()
    fails(g.mount, "/dev/sda1", "/")


def scenario(g, work):
    first = 80 + work.random.randrange(20)
    work.launch(g, work.images.blank("disk", 200, spread=60), work.images.blank("second", 8))
    g.part_init("/dev/sda", work.random.choice(("gpt", "mbr")))
    for start, end in ((1, first), (first, first + 24), (first + 24, first + 40)):
        g.part_add("/dev/sda", "p", start * 2048, end * 2048 - 1)
    making(g, work)
    labels(g)
    tuning(g)
    resizing(g)
    generations(g)
    swap(g)
    wiping(g)
    g.shutdown()
