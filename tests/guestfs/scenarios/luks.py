# SPDX-License-Identifier: Apache-2.0
"""LUKS volumes: formatting, opening, keys, and filesystems in them."""
from _disk import ext4

from recorder import fails

SEEDS = (1, 2)
ABSENT = "/dev/sdz"


def closed(g):
    for call, args in ((g.luks_open, ("/dev/sda1", "key", "x")), (g.luks_open_ro, ("/dev/sda1", "key", "x")),
                       (g.cryptsetup_open, ("/dev/sda1", "key", "x")), (g.luks_close, ("/dev/mapper/x",)),
                       (g.cryptsetup_close, ("/dev/mapper/x",)), (g.luks_uuid, ("/dev/sda1",)), (g.luks_uuid, (ABSENT,)),
                       (g.luks_add_key, ("/dev/sda1", "a", "b", 1)), (g.luks_kill_slot, ("/dev/sda1", "a", 1)),
                       (g.luks_format, (ABSENT, "key", 0)), (g.luks_format_cipher, (ABSENT, "key", 0, "aes-xts-plain64"))):
        fails(call, *args)


def opening(g, device, key):
    g.vfs_type(device)
    g.luks_uuid(device)
    fails(g.luks_open, device, "wrong", "opened")
    g.luks_open(device, key, "opened")
    fails(g.luks_open, device, key, "opened")
    g.list_dm_devices()
    g.blockdev_getsize64("/dev/mapper/opened")
    ext4(g, "/dev/mapper/opened", 2)
    g.mount("/dev/mapper/opened", "/")
    g.write("/secret", "inside\n")
    g.mounts()
    g.mountpoints()
    fails(g.luks_close, "/dev/mapper/opened")
    g.umount_all()
    g.list_filesystems()
    g.luks_close("/dev/mapper/opened")
    g.list_dm_devices()
    g.list_filesystems()
    fails(g.luks_close, "/dev/mapper/opened")


def read_only(g, device, key):
    g.luks_open_ro(device, key, "ro")
    g.blockdev_getro("/dev/mapper/ro")
    g.mount_ro("/dev/mapper/ro", "/")
    g.cat("/secret")
    fails(g.write, "/new", "x")
    g.umount_all()
    fails(g.mkfs, "ext4", "/dev/mapper/ro")
    g.luks_close("/dev/mapper/ro")
    fails(g.luks_open_ro, device, "wrong", "ro")


def keys(g, device, key):
    g.luks_add_key(device, key, "second", 1)
    g.luks_add_key(device, "second", "third", 5)
    fails(g.luks_add_key, device, "wrong", "x", 2)
    fails(g.luks_add_key, device, key, "x", 1)  # taken
    fails(g.luks_add_key, device, key, "x", 99)
    g.luks_open(device, "third", "opened")
    g.cryptsetup_close("/dev/mapper/opened")
    g.luks_kill_slot(device, key, 5)
    fails(g.luks_open, device, "third", "opened")
    fails(g.luks_kill_slot, device, key, 5)
    fails(g.luks_kill_slot, device, "wrong", 1)
    g.luks_open(device, "second", "opened")
    g.luks_close("/dev/mapper/opened")


def by_cryptsetup(g, device, key):
    g.cryptsetup_open(device, key, "crypt")
    g.mount("/dev/mapper/crypt", "/")
    g.cat("/secret")
    fails(g.cryptsetup_close, "/dev/mapper/crypt")
    g.umount_all()
    g.cryptsetup_close("/dev/mapper/crypt")
    g.cryptsetup_open(device, key, "crypt", readonly=True, crypttype="luks")
    g.blockdev_getro("/dev/mapper/crypt")
    g.cryptsetup_close("/dev/mapper/crypt")
    fails(g.cryptsetup_open, device, "wrong", "crypt")
    fails(g.cryptsetup_open, device, key, "crypt", crypttype="nonsense")
    fails(g.cryptsetup_open, ABSENT, key, "crypt")


def with_lvm(g, device, key):
    """A volume group within."""
    g.luks_open(device, key, "pv")
    g.pvcreate("/dev/mapper/pv")
    g.vgcreate("vgc", ["/dev/mapper/pv"])
    g.lvcreate("root", "vgc", 16)
    ext4(g, "/dev/vgc/root", 3)
    g.list_filesystems()
    g.pvs()
    fails(g.luks_close, "/dev/mapper/pv")
    g.vg_activate_all(False)
    g.luks_close("/dev/mapper/pv")
    g.pvs()
    g.lvs()


def scenario(g, work):
    work.launch(g, work.images.blank("disk", 150, spread=40), work.images.blank("second", 60, spread=20))
    key = f"key {work.random.randrange(1000)}"
    g.part_disk("/dev/sda", work.random.choice(("mbr", "gpt")))
    closed(g)
    g.luks_format("/dev/sda1", key, 0)
    opening(g, "/dev/sda1", key)
    read_only(g, "/dev/sda1", key)
    keys(g, "/dev/sda1", key)
    by_cryptsetup(g, "/dev/sda1", key)
    g.luks_format_cipher("/dev/sdb", "other", 3, "aes-cbc-essiv:sha256")
    fails(g.luks_format_cipher, "/dev/sdb", "other", 0, "nonsense")
    fails(g.luks_format, "/dev/sdb", "other", 99)
    with_lvm(g, "/dev/sda1", key)
    g.shutdown()
