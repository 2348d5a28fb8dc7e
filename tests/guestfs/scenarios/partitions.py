# SPDX-License-Identifier: Apache-2.0
"""Devices, their names and sizes, and partition tables of both kinds."""
from recorder import fails

SEEDS = (1, 2)
MIB = 1 << 20
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"  # UEFI and Discoverable Partitions specifications
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
GUID = "5110C0DE-0001-4000-8000-0000000000AA"


def devices(g):
    g.list_devices()
    g.list_partitions()
    g.nr_devices()
    g.max_disks()
    g.list_disk_labels()
    for device in g.list_devices():
        g.device_index(device)
        g.blockdev_getsize64(device)
        g.blockdev_getsz(device)
        g.blockdev_getss(device)
        g.blockdev_getro(device)
        g.is_whole_device(device)
        fails(g.part_list, device)
        fails(g.part_get_parttype, device)
    for name in ("/dev/vda", "/dev/hda1", "/dev/sdb", "/dev/xvdc2", "/dev/mapper/a", "/dev/nothing", "/dev/sdz9"):
        g.canonical_device_name(name)
    for name in ("/dev/none", "/dev/sda1", "sda", "/etc"):
        fails(g.device_index, name)
    for call in (g.blockdev_getsize64, g.blockdev_getsz, g.blockdev_getss, g.blockdev_getro, g.is_whole_device, g.blockdev_getbsz,
                 g.blockdev_flushbufs, g.blockdev_rereadpt, g.blockdev_setrw, g.blockdev_setro, g.part_list, g.is_zero_device):
        fails(call, "/dev/sdz")
        fails(call, "relative")
    fails(g.blockdev_setra, "/dev/sdz", 8)
    fails(g.blockdev_setbsz, "/dev/sdz", 1024)


def block(g):
    g.blockdev_getbsz("/dev/sda")
    g.blockdev_setra("/dev/sda", 256)
    g.blockdev_flushbufs("/dev/sda")
    g.blockdev_rereadpt("/dev/sda")
    g.is_zero_device("/dev/sdb")
    g.pwrite_device("/dev/sdb", b"mark", 4096)
    g.pread_device("/dev/sdb", 8, 4094)
    g.is_zero_device("/dev/sdb")
    fails(g.pwrite_device, "/dev/sdz", b"x", 0)
    fails(g.pwrite_device, "/dev/sdb", b"x", -1)
    fails(g.pread_device, "/dev/sdz", 1, 0)
    fails(g.pread_device, "/dev/sdb", 1, -1)
    g.blockdev_setro("/dev/sdb")
    g.blockdev_getro("/dev/sdb")
    fails(g.pwrite_device, "/dev/sdb", b"x", 0)
    g.blockdev_setrw("/dev/sdb")
    g.blockdev_getro("/dev/sdb")
    g.zero("/dev/sdb")
    g.is_zero_device("/dev/sdb")
    g.zero_device("/dev/sdb")
    g.is_zero_device("/dev/sdb")
    fails(g.zero, "/dev/sdz")
    fails(g.zero_device, "/dev/sdz")
    g.pwrite_device("/dev/sdb", b"mark", 0)
    g.blkdiscard("/dev/sdb")
    fails(g.blkdiscard, "/dev/sdz")
    fails(g.blkdiscardzeroes, "/dev/sdz")
    g.blkdiscardzeroes("/dev/sdb")


def names(g):
    g.part_to_dev("/dev/sda1")
    fails(g.part_to_partnum, "/dev/sda2")  # it was deleted
    g.is_whole_device("/dev/sda1")
    for call in (g.part_to_dev, g.part_to_partnum):
        fails(call, "/dev/sda")
        fails(call, "/dev/none1")
        fails(call, "relative")
    fails(g.part_to_dev, "/dev/sda99x")


def table(g, device, parttype, work):
    total, sector = g.blockdev_getsz(device), g.blockdev_getss(device)
    total = total * 512 // sector
    first = MIB // sector
    g.part_init(device, parttype)
    g.part_get_parttype(device)
    g.part_list(device)
    g.list_partitions()
    step = (8 + work.random.randrange(4)) * MIB // sector
    g.part_add(device, "p", first, first + step - 1)
    g.part_add(device, "primary", first + step, first + 2 * step - 1)
    g.part_list(device)
    fails(g.part_add, device, "p", first, first + 10)  # overlaps
    fails(g.part_add, device, "p", total + 100, total + 200)
    fails(g.part_add, device, "nonsense", first, first + 10)
    fails(g.part_add, "/dev/sdz", "p", first, first + 10)
    fails(g.part_init, device, "nonsense")
    fails(g.part_init, "/dev/sdz", parttype)
    g.part_get_bootable(device, 1)
    g.part_set_bootable(device, 1, True)
    g.part_get_bootable(device, 1)
    g.part_get_bootable(device, 2)
    g.part_set_bootable(device, 1, False)
    g.part_get_bootable(device, 1)
    fails(g.part_get_bootable, device, 9)
    fails(g.part_get_bootable, device, 0)
    fails(g.part_set_bootable, device, 9, True)
    return first, step


def gpt(g, device, work):
    first, step = table(g, device, "gpt", work)
    g.part_set_name(device, 1, "root file system")
    g.part_get_name(device, 1)
    g.part_set_name(device, 2, "")
    g.part_get_name(device, 2)
    g.part_get_gpt_type(device, 1)
    g.part_set_gpt_type(device, 1, ESP)
    g.part_get_gpt_type(device, 1)
    g.part_get_bootable(device, 1)
    g.part_set_gpt_type(device, 1, LINUX.lower())
    g.part_get_gpt_type(device, 1)
    g.part_set_gpt_guid(device, 1, GUID)
    g.part_get_gpt_guid(device, 1)
    g.part_set_disk_guid(device, GUID)
    g.part_get_disk_guid(device)
    g.part_get_gpt_attributes(device, 1)
    g.part_set_gpt_attributes(device, 1, 4)
    g.part_get_gpt_attributes(device, 1)
    g.part_get_bootable(device, 1)
    g.part_set_gpt_attributes(device, 1, 0)
    g.part_get_mbr_part_type(device, 1)
    for call in (g.part_get_gpt_type, g.part_get_gpt_guid, g.part_get_gpt_attributes, g.part_get_name):
        fails(call, device, 9)
        fails(call, "/dev/sdz", 1)
    for call in (g.part_set_gpt_type, g.part_set_gpt_guid):
        fails(call, device, 1, "nonsense")
        fails(call, "/dev/sdz", 1, GUID)
    fails(g.part_set_disk_guid, device, "nonsense")
    fails(g.part_set_disk_guid, "/dev/sdz", GUID)
    fails(g.part_get_disk_guid, "/dev/sdz")
    fails(g.part_set_gpt_attributes, "/dev/sdz", 1, 4)
    fails(g.part_set_name, device, 9, "x")
    g.part_set_disk_guid_random(device)
    g.part_get_disk_guid(device)
    fails(g.part_set_disk_guid_random, "/dev/sdz")
    resizing(g, device, first, step)
    g.part_add(device, "p", first + 3 * step, -34 * 2)
    g.part_list(device)
    g.part_del(device, 2)
    g.list_partitions()
    fails(g.part_del, device, 2)
    fails(g.part_del, "/dev/sdz", 1)
    fails(g.part_get_mbr_id, device, 9)


def resizing(g, device, first, step):
    """The second partition grows, and is made again."""
    g.part_resize(device, 2, first + 2 * step + step // 2)
    g.part_list(device)
    fails(g.part_resize, device, 2, first + 2 * step - 1)  # asks back whether it may lose data
    g.part_del(device, 2)
    g.part_add(device, "p", first + step, first + 2 * step - 1)
    fails(g.part_resize, device, 1, first + step + step // 2)  # into the second
    fails(g.part_resize, device, 9, first + step)
    fails(g.part_resize, device, 1, first - 10)
    fails(g.part_resize, "/dev/sdz", 1, first)


def mbr(g, device, work):
    first, step = table(g, device, "mbr", work)
    g.part_get_mbr_id(device, 1)
    g.part_set_mbr_id(device, 1, 0x8e)
    g.part_get_mbr_id(device, 1)
    g.part_get_mbr_part_type(device, 1)
    for call in (g.part_get_mbr_id, g.part_get_mbr_part_type):
        fails(call, device, 4)
        fails(call, "/dev/sdz", 1)
    fails(g.part_set_mbr_id, device, 4, 0x83)
    fails(g.part_set_mbr_id, "/dev/sdz", 1, 0x83)
    fails(g.part_set_name, device, 1, "no names here")
    fails(g.part_get_name, device, 1)
    fails(g.part_set_gpt_type, device, 1, LINUX)
    resizing(g, device, first, step)
    g.part_add(device, "e", first + 2 * step, first + 5 * step)
    g.part_add(device, "l", first + 2 * step + MIB // 512, first + 3 * step)
    fails(g.part_add, device, "nonsense", first + 3 * step + MIB // 512, first + 4 * step)
    g.part_add(device, "l", first + 3 * step + MIB // 512, first + 4 * step)
    g.part_list(device)
    g.list_partitions()
    for number in (1, 3, 5, 6):
        g.part_get_mbr_part_type(device, number)
    g.part_to_partnum(device + "5")
    g.part_to_dev(device + "6")
    fails(g.part_add, device, "l", first, first + 10)
    g.part_del(device, 6)
    g.part_list(device)
    g.part_del(device, 3)
    g.part_list(device)
    fails(g.part_del, device, 3)


def whole(g, work, device):
    for parttype in ("mbr", "msdos", "gpt", "efi"):
        g.part_disk(device, parttype)
        g.part_get_parttype(device)
        g.part_list(device)
    fails(g.part_disk, device, "nonsense")
    fails(g.part_disk, "/dev/sdz", "gpt")
    g.part_expand_gpt(device)
    g.part_list(device)
    fails(g.part_expand_gpt, "/dev/sdz")
    g.part_disk(device, "mbr")
    fails(g.part_expand_gpt, device)


def scenario(g, work):
    blank = work.images.blank
    first = blank("gpt", 96, spread=64)
    work.launch(g, first, blank("mbr", 96, spread=64), blank("big-sectors", 80, spread=32, formats=("raw",), blocksizes=(4096,)),
                blank("small", 6, spread=3))
    devices(g)
    block(g)
    gpt(g, "/dev/sda", work)
    names(g)
    mbr(g, "/dev/sdb", work)
    gpt(g, "/dev/sdc", work)
    whole(g, work, "/dev/sdd")
    g.list_partitions()
    g.shutdown()
