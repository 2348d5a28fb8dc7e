# SPDX-License-Identifier: Apache-2.0
"""Inspection of a guest that looks like Windows: NTFS, a few files, and the registry that says which Windows it is."""
import struct

from _guest import ask, mount_all, refuse, windows_only
from _hive import hive, number, text

from recorder import fails

SEEDS = (1,)
CONFIG = "/Windows/System32/config"
DISK_ID = 0x51105110


def program():
    """The header of a 64-bit console program."""
    stub = b"MZ".ljust(60, b"\0") + (64).to_bytes(4, "little")
    coff = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 512, 0, 0, 4096, 4096).ljust(68, b"\0") + struct.pack("<HH", 3, 0)
    return (stub + b"PE\0\0" + coff + optional.ljust(240, b"\0") + b".text\0\0\0".ljust(40, b"\0")).ljust(1024, b"\0")


def key(g, path):
    """A key of the open hive, made where it is missing."""
    node = g.hivex_root()
    for name in path.split("/"):
        node = g.hivex_node_get_child(node, name) or g.hivex_node_add_child(node, name)
    return node


def values(g, node, **words):
    for name, value in words.items():
        if isinstance(value, int):
            g.hivex_node_set_value(node, name, 4, number(value))
        else:
            g.hivex_node_set_value(node, name, 1, text(value))


def software(g):
    g.hivex_open(f"{CONFIG}/SOFTWARE", write=True)
    values(g, key(g, "Microsoft/Windows NT/CurrentVersion"), ProductName="Windows Server 2019 Standard", CurrentVersion="6.3",
           CurrentMajorVersionNumber=10, CurrentMinorVersionNumber=0, InstallationType="Server", CurrentBuild="17763")
    values(g, key(g, "Microsoft/Windows/CurrentVersion/Uninstall/Editor"), DisplayName="An editor", DisplayVersion="1.2.3",
           InstallLocation="C:\\Editor", Publisher="Nobody", URLInfoAbout="https://example.org/", Comments="edits")
    values(g, key(g, "Microsoft/Windows/CurrentVersion/Uninstall/NoName"), DisplayVersion="9")
    g.hivex_commit(None)
    g.hivex_close()


def system(g, start):
    g.hivex_open(f"{CONFIG}/SYSTEM", write=True)
    values(g, key(g, "Select"), Current=1, Default=1)
    values(g, key(g, "ControlSet001/Services/Tcpip/Parameters"), Hostname="WINGUEST", Domain="example.org")
    g.hivex_node_set_value(key(g, "MountedDevices"), "\\DosDevices\\C:", 3, struct.pack("<IQ", DISK_ID, start))
    g.hivex_commit(None)
    g.hivex_close()


def scenario(g, work):
    work.launch(g, work.images.blank("windows", 160, spread=40))
    g.part_init("/dev/sda", "mbr")
    g.part_add("/dev/sda", "p", 2048, -2048)
    g.pwrite_device("/dev/sda", DISK_ID.to_bytes(4, "little"), 440)
    g.part_set_mbr_id("/dev/sda", 1, 7)
    g.part_set_bootable("/dev/sda", 1, True)
    g.mkfs("ntfs", "/dev/sda1", label="System")
    g.mount("/dev/sda1", "/")
    for name in (f"{CONFIG}", "/Windows/System32/Drivers/etc", "/Program Files", "/Users/Someone"):
        g.mkdir_p(name)
    for name in ("cmd.exe", "winload.exe"):
        g.write(f"/Windows/System32/{name}", program())
    g.write("/Windows/explorer.exe", program())
    g.file_architecture("/Windows/System32/cmd.exe")
    for name in ("SOFTWARE", "SYSTEM"):
        g.write(f"{CONFIG}/{name}", hive())
    software(g)
    system(g, 2048 * 512)
    g.umount_all()
    g.inspect_os()
    g.inspect_get_roots()
    ask(g, "/dev/sda1")
    for call in windows_only(g):
        call("/dev/sda1")
    fails(g.inspect_list_applications, "/dev/sda1")
    mount_all(g, "/dev/sda1")
    g.inspect_list_applications("/dev/sda1")
    g.inspect_list_applications2("/dev/sda1")
    g.case_sensitive_path("/windows/system32/CONFIG/software")
    g.umount_all()
    refuse(g, "/dev/sda")
    g.shutdown()
