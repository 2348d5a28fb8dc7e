# SPDX-License-Identifier: Apache-2.0
"""Mounting and unmounting, mount points, options, loops, swap, and what is told of mountables."""
from _disk import UUIDS, ext4

from recorder import fails

SEEDS = (1, 2)


def unmounted(g):
    g.mounts()
    g.mountpoints()
    fails(g.umount, "/")
    fails(g.umount, "/dev/sda1")
    fails(g.ls, "/")
    g.umount_all()


def plain(g):
    for call in (g.mount, g.mount_ro):
        fails(call, "/dev/sda1", "/below")  # no root yet
        fails(call, "/dev/sdz1", "/")
        fails(call, "/dev/sda3", "/")  # swap space
        fails(call, "/dev/sdb", "/")  # nothing on it
        fails(call, "/dev/sda1", "relative")
    g.mount("/dev/sda1", "/")
    g.mounts()
    g.mountpoints()
    g.write("/on-first", "1")
    g.mkdir_p("/mnt/second")
    g.mount("/dev/sda2", "/mnt/second")
    g.write("/mnt/second/on-second", "2")
    g.mounts()
    g.mountpoints()
    g.find("/mnt")
    fails(g.mount, "/dev/sda2", "/none")
    fails(g.mount, "/dev/sda2", "/on-first")
    fails(g.umount, "/mnt")
    fails(g.umount, "/dev/sdb")
    fails(g.umount, "/none")
    fails(g.umount, "relative")
    fails(g.rmdir, "/mnt/second")
    g.umount("/mnt/second")
    g.mountpoints()
    g.ls("/mnt/second")
    g.mount("/dev/sda2", "/mnt/second")
    g.umount("/dev/sda2")
    g.mount("/dev/sda2", "/mnt/second")
    g.umount("/mnt/second", lazyunmount=True)
    g.mount("/dev/sda2", "/mnt/second")
    g.umount("/mnt/second", force=True)
    g.mounts()
    g.mount("/dev/sda2", "/mnt/second")
    fails(g.umount, "/")  # busy: the other is below it
    g.umount_all()
    g.mounts()
    fails(g.cat, "/on-first")


def read_only(g):
    g.mount_ro("/dev/sda1", "/")
    g.cat("/on-first")
    fails(g.write, "/new", "x")
    g.remount("/", rw=True)
    g.write("/new", "x")
    g.remount("/", rw=False)
    fails(g.rm, "/new")
    fails(g.remount, "/none", rw=True)
    fails(g.remount, "/mnt", rw=True)
    g.umount("/")
    g.mount_options("ro,noatime", "/dev/sda1", "/")
    fails(g.touch, "/new")
    g.umount_all()
    g.mount_options("", "/dev/sda1", "/")
    g.touch("/new")
    g.umount_all()
    fails(g.mount_options, "nonsense", "/dev/sda1", "/")
    fails(g.mount_options, "ro", "/dev/sdz1", "/")
    g.mount_vfs("ro", "ext4", "/dev/sda1", "/")
    g.ls("/")
    g.umount_all()
    fails(g.mount_vfs, "", "btrfs", "/dev/sda1", "/")
    fails(g.mount_vfs, "", "ext4", "/dev/sdz1", "/")


def points(g):
    g.mkmountpoint("/one")
    g.mkmountpoint("/two")
    g.mount("/dev/sda1", "/one")
    g.mount("/dev/sda2", "/two")
    g.mountpoints()
    g.ls("/one")
    g.cat("/two/on-second")
    g.cp("/two/on-second", "/one/copied")
    g.cat("/one/copied")
    fails(g.mkmountpoint, "/one")
    fails(g.rmmountpoint, "/one")
    fails(g.rmmountpoint, "/none")
    g.umount("/one")
    g.umount("/two")
    g.rmmountpoint("/one")
    g.rmmountpoint("/two")
    g.mounts()


def loops(g):
    g.mount("/dev/sda1", "/")
    g.truncate_size("/new", 8 << 20)
    g.mkdir("/loop")
    fails(g.mount_loop, "/new", "/loop")  # no filesystem in it
    fails(g.mount_loop, "/none", "/loop")
    g.mkfs("ext2", "/dev/sdb")
    g.set_e2uuid("/dev/sdb", UUIDS[5])
    g.mount("/dev/sdb", "/loop")
    g.write("/loop/inside", "inside\n")
    g.umount("/loop")
    g.copy_device_to_file("/dev/sdb", "/image")
    g.mount_loop("/image", "/loop")
    g.cat("/loop/inside")
    fails(g.mount_loop, "/image", "/none")
    g.umount("/loop")
    g.umount_all()


def mountables(g):
    for name in ("/dev/sda1", "btrfsvol:/dev/sda4/sub", "btrfsvol:/dev/sda4/a/b"):
        g.mountable_device(name)
    g.mountable_subvolume("btrfsvol:/dev/sda4/sub")
    g.mountable_subvolume("btrfsvol:/dev/sda4/a/b")
    fails(g.mountable_subvolume, "/dev/sda1")
    fails(g.mountable_device, "relative")
    fails(g.mountable_device, "btrfsvol:/dev/sdz/a")
    fails(g.mountable_subvolume, "btrfsvol:nonsense")
    g.mount("btrfsvol:/dev/sda4/sub", "/")
    g.write("/in-sub", "s")
    g.mounts()
    g.mountpoints()
    g.umount_all()
    g.mount("/dev/sda4", "/")
    g.cat("/sub/in-sub")
    g.umount_all()
    fails(g.mount, "btrfsvol:/dev/sda4/none", "/")
    fails(g.mount, "btrfsvol:/dev/sda1/sub", "/")
    fails(g.mount_ro, "btrfsvol:/dev/sda4/none", "/")


def swaps(g):
    device = "/dev/sda3"
    g.swapon_device(device)
    g.swapoff_device(device)
    g.swapon_label("swapped")
    g.swapoff_label("swapped")
    g.swapon_uuid(UUIDS[3])
    g.swapoff_uuid(UUIDS[3])
    for call, good in ((g.swapon_device, "/dev/sda1"), (g.swapoff_device, device), (g.swapon_device, "/dev/sdz"), (g.swapon_label, "none"),
                       (g.swapoff_label, "none"), (g.swapon_uuid, UUIDS[9]), (g.swapoff_uuid, UUIDS[9])):
        fails(call, good)
    g.mount("/dev/sda1", "/")
    g.fill(0, 4 << 20, "/swapfile")
    fails(g.swapon_file, "/swapfile")
    g.mkswap_file("/swapfile")
    g.swapon_file("/swapfile")
    g.swapoff_file("/swapfile")
    fails(g.swapoff_file, "/swapfile")
    fails(g.swapon_file, "/none")
    fails(g.mkswap_file, "/none")
    g.umount_all()


def scenario(g, work):
    disk = work.images.blank("disk", 400, spread=60)
    work.launch(g, disk, work.images.blank("second", 8))
    step = (24 + work.random.randrange(8)) * 2048
    g.part_init("/dev/sda", work.random.choice(("gpt", "mbr")))
    for number in range(3):
        g.part_add("/dev/sda", "p", 2048 + number * step, 2048 + (number + 1) * step - 1)
    g.part_add("/dev/sda", "p", 2048 + 3 * step, -2048)
    ext4(g, "/dev/sda1", 1)
    ext4(g, "/dev/sda2", 2, "ext3")
    g.mkswap("/dev/sda3", label="swapped", uuid=UUIDS[3])
    g.mkfs("btrfs", "/dev/sda4")
    g.mount("/dev/sda4", "/")
    g.btrfs_subvolume_create("/sub")
    g.umount_all()
    g.sync()
    unmounted(g)
    plain(g)
    read_only(g)
    points(g)
    loops(g)
    mountables(g)
    swaps(g)
    g.list_filesystems()
    g.shutdown()
