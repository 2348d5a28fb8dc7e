# SPDX-License-Identifier: Apache-2.0
"""Says what is installed on a disk, and shows a few of its files: inspect_and_mount.py IMAGE FORMAT [KEY]."""
import sys

import guestfs

image, image_format = sys.argv[1:3]
g = guestfs.GuestFS(python_return_dict=True)
g.add_drive_opts(image, format=image_format, readonly=1)
g.launch()
if len(sys.argv) > 3:
    for device in g.list_partitions():
        if g.vfs_type(device) == "crypto_LUKS":
            g.cryptsetup_open(device, sys.argv[3], "opened")
    g.lvm_scan(True)
for device, kind in sorted(g.list_filesystems().items()):
    print(device, kind)
roots = g.inspect_os()
if not roots:
    sys.exit("no operating system")
for root in roots:
    print("root:", root)
    print("  type:", g.inspect_get_type(root), g.inspect_get_distro(root))
    print("  product:", g.inspect_get_product_name(root))
    print("  version:", g.inspect_get_major_version(root), g.inspect_get_minor_version(root))
    print("  packages:", g.inspect_get_package_format(root), g.inspect_get_package_management(root))
    print("  hostname:", g.inspect_get_hostname(root), "on", g.inspect_get_arch(root))
    for place, device in sorted(g.inspect_get_mountpoints(root).items(), key=lambda each: len(each[0])):
        try:
            g.mount_ro(device, place)
            print("  mounted:", device, place)
        except RuntimeError as error:
            print("  not mounted:", error)
    for path in ("/etc/hostname", "/etc/issue.net", "/etc/fstab"):
        if g.is_file(path):
            print(f"--- {path}")
            for line in g.head_n(20, path):
                print(line)
    names = [each["app2_name"] for each in g.inspect_list_applications2(root)]
    print("bash" in names, "no-such-package" in names)
    g.umount_all()
g.close()
