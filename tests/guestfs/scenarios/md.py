# SPDX-License-Identifier: Apache-2.0
"""Software RAID."""
from _disk import ext4

from recorder import fails

SEEDS = (1, 2)


def scenario(g, work):
    disks = [work.images.blank(f"disk{n}", 48, spread=8) for n in range(4)]
    work.launch(g, *disks)
    for device in ("/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd"):
        g.part_disk(device, "gpt")
    fails(g.md_create, "r1", ["/dev/sdz1", "/dev/sda1"])
    fails(g.md_create, "r1", ["/dev/sda1", "/dev/sdb1"], level="nonsense")
    fails(g.md_create, "r1", [])
    fails(g.md_detail, "/dev/md/r1")
    fails(g.md_detail, "/dev/sda1")
    fails(g.md_stat, "/dev/md/r1")
    fails(g.md_stop, "/dev/md/r1")
    fails(g.list_md_devices, "argument")
    g.list_md_devices()
    g.md_create("r1", ["/dev/sda1", "/dev/sdb1"])
    arrays = g.list_md_devices()
    first = arrays[0] if arrays else "/dev/md127"
    g.md_detail(first)
    g.md_stat(first)
    g.blockdev_getss(first)
    ext4(g, first, 1)
    g.mount(first, "/")
    g.write("/kept", "on RAID 1")
    g.mounts()
    g.list_filesystems()
    g.is_whole_device(first)
    fails(g.md_stop, first)
    g.umount_all()
    fails(g.md_create, "r2", ["/dev/sda1", "/dev/sdc1"])  # in use
    g.md_stop(first)
    g.list_md_devices()
    fails(g.md_stop, first)
    chunk = work.random.choice((64, 128)) << 10
    g.md_create("stripe", ["/dev/sdc1", "/dev/sdd1"], level="raid0", chunk=chunk)
    arrays = g.list_md_devices()
    second = arrays[0] if arrays else "/dev/md127"
    g.md_detail(second)
    g.md_stat(second)
    g.md_stop(second)
    for device in ("/dev/sda1", "/dev/sdb1", "/dev/sdc1", "/dev/sdd1"):
        g.vfs_type(device)
        g.wipefs(device)
    g.md_create("five", ["/dev/sda1", "/dev/sdb1", "/dev/sdc1", "/dev/sdd1"], level="raid5", nrdevices=3, spare=1)
    arrays = g.list_md_devices()
    third = arrays[0] if arrays else "/dev/md127"
    g.md_detail(third)
    g.md_stop(third)
    g.list_md_devices()
    g.shutdown()
    fails(g.list_md_devices)
