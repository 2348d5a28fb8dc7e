# SPDX-License-Identifier: Apache-2.0
"""Makes a disk with a filesystem, and gives it more room: resize_partition.py SCRATCH-DIRECTORY."""
import os
import sys

import guestfs

path = os.path.join(sys.argv[1], "made.qcow2")
MIB = 1024 * 1024
g = guestfs.GuestFS(python_return_dict=True)
g.disk_create(path, "qcow2", 512 * MIB)
g.add_drive_opts(path, format="qcow2")
g.launch()
g.part_init("/dev/sda", "gpt")
g.part_add("/dev/sda", "primary", 2048, 2048 + 128 * 2048 - 1)
g.part_set_name("/dev/sda", 1, "data")
g.mkfs("ext4", "/dev/sda1", label="DATA")
g.set_uuid("/dev/sda1", "5119a000-0000-4000-8000-0000000000aa")
g.mount("/dev/sda1", "/")
g.write("/before", "still here\n")
g.umount("/")
print(g.part_list("/dev/sda"), g.blockdev_getsize64("/dev/sda1"))
g.part_resize("/dev/sda", 1, 512 * 2048 - 2049)
g.e2fsck_f("/dev/sda1")
g.resize2fs("/dev/sda1")
print(g.part_list("/dev/sda"), g.blockdev_getsize64("/dev/sda1"), g.part_get_name("/dev/sda", 1))
print(g.vfs_type("/dev/sda1"), g.vfs_label("/dev/sda1"), g.vfs_uuid("/dev/sda1"), g.list_filesystems())
g.mount("/dev/sda1", "/")
room = g.statvfs("/")
print(room["bsize"], room["blocks"], g.cat("/before"))
try:
    g.part_add("/dev/sda", "primary", 4096, 8191)
except RuntimeError:
    print("a partition over another one is refused")
g.shutdown()
g.close()
g = guestfs.GuestFS()
g.add_drive_opts(path, readonly=True, format="qcow2")
g.launch()
g.mount_ro("/dev/sda1", "/")
print(g.list_filesystems(), g.read_file("/before"))
g.close()
