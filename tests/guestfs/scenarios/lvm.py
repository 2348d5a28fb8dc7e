# SPDX-License-Identifier: Apache-2.0
"""Physical volumes, volume groups and logical volumes."""
from _disk import ext4

from recorder import fails

SEEDS = (1, 2)
ABSENT = "/dev/sdz"


def nothing_yet(g):
    for call in (g.pvs, g.vgs, g.lvs, g.pvs_full, g.vgs_full, g.lvs_full):
        call()
    g.vgscan()
    g.lvm_scan(True)
    fails(g.vgcreate, "vg", [ABSENT])
    fails(g.vgcreate, "vg", [])
    g.vgcreate("vg", ["/dev/sda1"])  # makes a physical volume of it
    g.lvcreate("lv", "vg", 8)
    fails(g.lvcreate_free, "lv", "vg", 50)  # there is one of that name
    g.vgremove("vg")  # with the volume in it
    for call, args in ((g.vgrename, ("vg", "vg2")), (g.lvremove, ("/dev/vg/lv",)), (g.lvrename, ("/dev/vg/lv", "/dev/vg/lv2")), (g.lvresize, ("/dev/vg/lv", 8)),
                       (g.lvresize_free, ("/dev/vg/lv", 50)), (g.pvremove, (ABSENT,)), (g.pvresize, (ABSENT,)), (g.pvresize_size, (ABSENT, 1)),
                       (g.pvcreate, (ABSENT,)), (g.pvuuid, (ABSENT,)), (g.vguuid, ("vg",)), (g.lvuuid, ("/dev/vg/lv",)),
                       (g.vglvuuids, ("vg",)), (g.vgpvuuids, ("vg",)), (g.vgmeta, ("vg",)), (g.vg_activate, (True, ["vg"])),
                       (g.lvm_canonical_lv_name, ("/dev/vg/lv",)), (g.is_lv, ("relative",)), (g.is_lv, (ABSENT,)),
                       (g.vgchange_uuid, ("vg",)), (g.pvchange_uuid, (ABSENT,))):
        fails(call, *args)
    g.pvuuid("/dev/sda1")
    fails(g.pvremove, "relative")
    fails(g.lvm_set_filter, [ABSENT])


def volumes(g, work):
    g.pvcreate("/dev/sda1")
    g.pvcreate("/dev/sda2")
    g.pvcreate("/dev/sdb")
    g.pvs()
    g.pvs_full()
    g.vgcreate("vg1", ["/dev/sda1", "/dev/sda2"])
    g.vgcreate("vg_two", ["/dev/sdb"])
    fails(g.vgcreate, "vg1", ["/dev/sdb"])
    fails(g.vgcreate, "no/slash", ["/dev/sdb"])
    fails(g.pvremove, "/dev/sda1")  # in use
    g.vgs()
    g.vgs_full()
    g.lvcreate("lv1", "vg1", 16 + 4 * work.random.randrange(3))
    g.lvcreate("with-dash_1", "vg1", 10)  # is rounded up to whole extents
    g.lvcreate_free("rest", "vg1", 50)
    g.lvcreate_free("all", "vg_two", 100)
    fails(g.lvcreate, "lv1", "vg1", 8)
    fails(g.lvcreate, "big", "vg1", 1 << 20)
    fails(g.lvcreate, "no/slash", "vg1", 8)
    fails(g.lvcreate_free, "none", "vg1", 101)
    fails(g.lvcreate_free, "none", "vg1", -1)
    fails(g.lvcreate_free, "none", "vg_two", 100)
    g.lvs()
    g.lvs_full()
    for call in (g.vguuid, g.vglvuuids, g.vgpvuuids, g.vgmeta):
        call("vg1")
    g.lvuuid("/dev/vg1/lv1")
    g.pvuuid("/dev/sda2")
    g.list_filesystems()
    g.list_dm_devices()


def names(g):
    for name in ("/dev/vg1/lv1", "/dev/mapper/vg1-lv1", "/dev/mapper/vg1-with--dash_1", "/dev/vg1/with-dash_1"):
        g.lvm_canonical_lv_name(name)
        g.is_lv(name)
        g.blockdev_getsize64(name)
    fails(g.lvm_canonical_lv_name, "/dev/sda1")
    g.is_lv("/dev/sda1")
    g.is_lv("/dev/sda")
    g.is_whole_device("/dev/vg1/lv1")
    g.part_to_dev("/dev/vg1/lv1")  # takes the digit off
    g.canonical_device_name("/dev/mapper/vg1-with--dash_1")


def resizing(g):
    ext4(g, "/dev/vg1/lv1", 1)
    g.mount("/dev/vg1/lv1", "/")
    g.write("/kept", "kept")
    g.mounts()
    g.mountpoints()
    fails(g.lvremove, "/dev/vg1/lv1")
    g.umount_all()
    g.lvresize("/dev/vg1/lv1", 32)
    g.e2fsck_f("/dev/vg1/lv1")
    g.resize2fs("/dev/vg1/lv1")
    g.blockdev_getsize64("/dev/vg1/lv1")
    g.lvresize_free("/dev/vg1/rest", 100)
    g.blockdev_getsize64("/dev/vg1/rest")
    fails(g.lvresize, "/dev/vg1/lv1", 1 << 20)
    fails(g.lvresize, "/dev/sda1", 8)
    fails(g.lvresize_free, "/dev/vg1/rest", 101)
    g.mount("/dev/mapper/vg1-lv1", "/")
    g.cat("/kept")
    g.umount_all()


def renaming(g):
    g.lvrename("/dev/vg1/lv1", "/dev/vg1/renamed")
    fails(g.lvrename, "/dev/vg1/renamed", "/dev/vg1/rest")
    g.vgrename("vg_two", "vg2")
    fails(g.vgrename, "vg2", "vg1")
    g.lvs()
    g.vgs()
    g.vg_activate(False, ["vg2"])
    fails(g.blockdev_getsize64, "/dev/vg2/all")
    g.vg_activate(True, ["vg2"])
    g.blockdev_getsize64("/dev/vg2/all")
    g.vg_activate_all(False)
    g.list_dm_devices()
    fails(g.mount, "/dev/vg1/renamed", "/")
    g.vgchange_uuid("vg2")
    g.pvchange_uuid("/dev/sdb")
    g.vgchange_uuid_all()
    g.pvchange_uuid_all()
    g.vg_activate_all(True)
    g.mount("/dev/vg1/renamed", "/")
    g.cat("/kept")
    fails(g.vg_activate_all, False)  # one is mounted
    g.umount_all()
    g.vg_activate(True, [])
    g.lvm_scan(True)
    g.lvm_scan(False)


def filters(g):
    g.lvm_set_filter(["/dev/sdb"])
    g.vgs()
    g.lvs()
    g.lvm_set_filter(["/dev/sda"])
    g.vgs()
    fails(g.lvm_set_filter, ["relative"])
    g.lvm_clear_filter()
    g.vgs()


def removing(g):
    g.lvremove("/dev/vg1/with-dash_1")
    fails(g.lvremove, "/dev/vg1/with-dash_1")
    fails(g.lvremove, "/dev/sda1")
    g.lvs()
    g.lvremove("/dev/vg2")  # the volumes of a group
    g.lvs()
    g.pvresize_size("/dev/sdb", 30 << 20)
    g.pvs_full()
    fails(g.pvresize_size, "/dev/sda1", 1 << 20)
    g.pvresize("/dev/sdb")
    g.pvs_full()
    fails(g.pvresize, "/dev/sdc")
    g.vgremove("vg2")
    g.vgs()
    g.pvremove("/dev/sdb")
    g.pvs()
    g.pvremove("/dev/sdc")  # it never was one
    g.lvm_remove_all()
    for call in (g.pvs, g.vgs, g.lvs):
        call()
    g.lvm_remove_all()


def scenario(g, work):
    work.launch(g, work.images.blank("disk", 160, spread=40), work.images.blank("second", 64, spread=20), work.images.blank("third", 8))
    fails(g.lvm_remove_all, "argument")
    half = 70 + work.random.randrange(10)
    g.part_init("/dev/sda", "gpt")
    g.part_add("/dev/sda", "p", 2048, half * 2048 - 1)
    g.part_add("/dev/sda", "p", half * 2048, -2048)
    nothing_yet(g)
    volumes(g, work)
    names(g)
    resizing(g)
    renaming(g)
    filters(g)
    removing(g)
    g.shutdown()
    for call in (g.pvs, g.vgs, g.lvs, g.pvs_full, g.vgs_full, g.lvs_full, g.vgscan, g.lvm_remove_all, g.lvm_clear_filter,
                 g.vgchange_uuid_all, g.pvchange_uuid_all, g.list_dm_devices, g.list_filesystems):
        fails(call)  # the handle is not launched any more
    fails(g.lvm_scan, True)
