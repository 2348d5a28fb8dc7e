# SPDX-License-Identifier: Apache-2.0
"""Inspection of Linux guests: a separate /boot, LVM, a filesystem without partitions, btrfs with subvolumes, several systems."""
from _disk import UUIDS
from _guest import alpine, ask, debian, fedora, install, mount_all, refuse, windows_only

from recorder import fails

SEEDS = (1, 2)


def nothing_yet(g):
    g.inspect_os()
    g.inspect_get_roots()
    refuse(g, "/dev/sda2", inspected=False)
    refuse(g, "/dev/sdz1", inspected=False)


def make_debian(g, work):
    g.part_init("/dev/sda", work.random.choice(("gpt", "mbr")))
    boot = 20 + work.random.randrange(10)
    for start, end in ((1, boot), (boot, boot + 50), (boot + 50, boot + 60)):
        g.part_add("/dev/sda", "p", start * 2048, end * 2048 - 1)
    g.mkfs("ext2", "/dev/sda1")
    g.set_uuid("/dev/sda1", UUIDS[1])
    g.mkfs("ext4", "/dev/sda2", label="root")
    g.set_uuid("/dev/sda2", UUIDS[2])
    g.mkswap("/dev/sda3", label="swapped")
    g.mount("/dev/sda2", "/")
    install(g, debian(f"UUID={UUIDS[1]}"))
    g.mkdir("/boot")
    g.mount("/dev/sda1", "/boot")
    install(g, {"/boot/vmlinuz-6.1.0-1-amd64": "kernel", "/boot/grub/grub.cfg": "menu"})
    g.umount_all()


def ask_debian(g):
    g.inspect_os()
    g.inspect_get_roots()
    ask(g, "/dev/sda2")
    for call in windows_only(g):
        fails(call, "/dev/sda2")
    fails(g.inspect_list_applications, "/dev/sda2")  # nothing is mounted
    fails(g.inspect_list_applications2, "/dev/sda2")
    mount_all(g, "/dev/sda2")
    g.inspect_list_applications("/dev/sda2")
    g.inspect_list_applications2("/dev/sda2")
    g.cat("/etc/hostname")
    g.ls("/boot")
    g.inspect_get_icon("/dev/sda2", favicon=False)
    fails(g.inspect_get_icon, "/dev/sdz1")
    g.umount_all()
    refuse(g, "/dev/sda1")


def make_fedora(g):
    g.part_init("/dev/sdb", "gpt")
    g.part_add("/dev/sdb", "p", 2048, 40 * 2048 - 1)
    g.part_add("/dev/sdb", "p", 40 * 2048, -2048)
    g.mkfs("ext4", "/dev/sdb1")
    g.pvcreate("/dev/sdb2")
    g.vgcreate("fedora", ["/dev/sdb2"])
    g.lvcreate("root", "fedora", 60)
    g.lvcreate("home", "fedora", 24)
    g.mkfs("ext4", "/dev/fedora/root")
    g.mkfs("ext4", "/dev/fedora/home")
    g.mount("/dev/fedora/root", "/")
    install(g, fedora())
    g.mkdir("/boot")
    g.mkdir("/home")
    g.umount_all()


def make_others(g):
    g.mkfs("ext4", "/dev/sdc")
    g.mount("/dev/sdc", "/")
    install(g, alpine())
    g.umount_all()
    g.mkfs("btrfs", "/dev/sdd")
    g.mount("/dev/sdd", "/")
    g.btrfs_subvolume_create("/@")
    g.btrfs_subvolume_create("/@home")
    g.umount_all()
    g.mount("btrfsvol:/dev/sdd/@", "/")
    install(g, dict(debian(), **{
        "/etc/fstab": "/dev/sdd / btrfs defaults,subvol=@ 0 0\n/dev/sdd /home btrfs defaults,subvol=@home 0 0\n",
        "/etc/os-release": 'NAME="Ubuntu"\nVERSION_ID="22.04"\nVERSION="22.04.4 LTS (Jammy Jellyfish)"\nID=ubuntu\nID_LIKE=debian\n'
                           'PRETTY_NAME="Ubuntu 22.04.4 LTS"\n',
        "/etc/lsb-release": 'DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\nDISTRIB_CODENAME=jammy\nDISTRIB_DESCRIPTION="Ubuntu 22.04.4 LTS"\n',
        "/etc/hostname": "subvolumes\n"}))
    g.umount_all()


def scenario(g, work):
    blank = work.images.blank
    work.launch(g, blank("debian", 110, spread=20), blank("fedora", 150, spread=20), blank("alpine", 64, spread=20), blank("btrfs", 200))
    fails(g.inspect_os, "argument")
    nothing_yet(g)
    make_debian(g, work)
    ask_debian(g)
    make_fedora(g)
    make_others(g)
    g.inspect_get_roots()  # as they were at the last inspection
    g.inspect_os()
    g.inspect_get_roots()
    for root in ("/dev/fedora/root", "/dev/sdc", "btrfsvol:/dev/sdd/@", "/dev/sda2"):
        ask(g, root)
        mount_all(g, root)
        if root == "/dev/fedora/root":
            fails(g.inspect_list_applications2, root)  # it has no database of packages
        else:
            g.inspect_list_applications2(root)
        g.cat("/etc/fstab")
        g.mountpoints()
        g.umount_all()
    g.list_filesystems()
    g.shutdown()
    fails(g.inspect_os)
