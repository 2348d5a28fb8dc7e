# SPDX-License-Identifier: Apache-2.0
"""Files of small systems, enough for inspection to know them; and the questions of inspection."""
from _disk import OLD

from recorder import fails

STRUCTURES = {"x86_64": (2, 62), "i386": (1, 3), "aarch64": (2, 183)}


def elf(architecture):
    """The header of a program."""
    bits, machine = STRUCTURES[architecture]
    return (b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9) + (2).to_bytes(2, "little") + machine.to_bytes(2, "little") +
            (1).to_bytes(4, "little") + bytes(40))


def debian(boot="UUID=5110c0de-0001-4000-8000-000000000001"):
    return {
        "/etc/debian_version": "12.5\n",
        "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n'
                           'VERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n',
        "/etc/hostname": "debianguest\n",
        "/etc/fstab": f"# a comment\nUUID=5110c0de-0002-4000-8000-000000000002 / ext4 errors=remount-ro 0 1\n{boot} /boot ext2 defaults 0 2\n"
                      "LABEL=swapped none swap sw 0 0\n/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\ntmpfs /tmp tmpfs defaults 0 0\n",
        "/bin/bash": elf("x86_64"), "/bin/ls": elf("x86_64"), "/sbin/init": elf("x86_64"), "/usr/bin/dpkg": "",
        "/var/lib/dpkg/status": package("adduser", "3.134") + package("bash", "5.2.15-2+b2") + package("epoch-name", "2:1.0~rc1-3") +
                                package("removed", "1.0", "deinstall ok config-files"),
        "/usr/share/doc/x": "", "/home/x": "", "/root/x": "", "/lib/x": "",
    }


def package(name, version, status="install ok installed"):
    return (f"Package: {name}\nStatus: {status}\nPriority: important\nSection: admin\nInstalled-Size: 123\nMaintainer: A. Nobody <a@example.org>\n"
            f"Architecture: amd64\nVersion: {version}\nDescription: about {name}\n a second line of it\nHomepage: https://example.org/{name}\n\n")


def fedora():
    return {
        "/etc/redhat-release": "Fedora release 38 (Thirty Eight)\n", "/etc/fedora-release": "Fedora release 38 (Thirty Eight)\n",
        "/etc/os-release": 'NAME="Fedora Linux"\nVERSION="38 (Server Edition)"\nID=fedora\nVERSION_ID=38\nVARIANT="Server Edition"\n'
                           'PRETTY_NAME="Fedora Linux 38 (Server Edition)"\nVARIANT_ID=server\n',
        "/etc/hostname": "fedora.example\n",
        "/etc/fstab": "/dev/mapper/fedora-root / ext4 defaults 0 0\n/dev/fedora/home /home ext4 defaults 0 0\n/dev/sdb1 /boot ext4 defaults 1 2\n",
        "/bin/bash": elf("aarch64"), "/bin/ls": elf("aarch64"), "/usr/bin/x": "", "/var/lib/x": "", "/root/x": "", "/lib/x": "", "/usr/bin/dnf": "",
    }


def alpine():
    return {
        "/etc/alpine-release": "3.19.1\n",
        "/etc/os-release": 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME="Alpine Linux v3.19"\n',
        "/etc/hostname": "alp\n", "/etc/fstab": "/dev/sdc / ext4 rw,relatime 0 1\n",
        "/bin/busybox": elf("i386"), "/bin/ls": elf("i386"), "/usr/bin/x": "", "/var/x": "", "/root/x": "", "/lib/x": "", "/home/x": "",
        "/lib/apk/db/installed": "C:Q1\nP:musl\nV:1.2.4-r2\nA:x86\nS:383\nI:634\nT:the musl c library\nU:https://musl.libc.org/\nL:MIT\no:musl\n\n"
                                 "C:Q2\nP:busybox\nV:1.36.1-r15\nA:x86\nS:509\nI:960\nT:small programs\nU:https://busybox.net/\nL:GPL\no:busybox\n\n",
    }


def install(g, files):
    """Writes the files below the root that is mounted."""
    for directory in sorted({path.rsplit("/", 1)[0] for path in files} - {""}):
        g.mkdir_p(directory)
    for path, content in files.items():
        g.write(path, content)
        g.utimens(path, OLD, 0, OLD, 0)


def ask(g, root):
    """All questions about a root."""
    for call in (g.inspect_get_type, g.inspect_get_distro, g.inspect_get_product_name, g.inspect_get_product_variant,
                 g.inspect_get_major_version, g.inspect_get_minor_version, g.inspect_get_arch, g.inspect_get_hostname,
                 g.inspect_get_osinfo, g.inspect_get_package_format, g.inspect_get_package_management, g.inspect_get_mountpoints,
                 g.inspect_get_filesystems, g.inspect_get_drive_mappings, g.inspect_get_format, g.inspect_is_live, g.inspect_is_multipart,
                 g.inspect_is_netinst):
        call(root)


def windows_only(g):
    return (g.inspect_get_windows_systemroot, g.inspect_get_windows_current_control_set, g.inspect_get_windows_software_hive,
            g.inspect_get_windows_system_hive)


def refuse(g, root, inspected=True):
    """The questions with a root that there is not."""
    for call in (g.inspect_get_type, g.inspect_get_distro, g.inspect_get_product_name, g.inspect_get_product_variant,
                 g.inspect_get_major_version, g.inspect_get_minor_version, g.inspect_get_arch, g.inspect_get_hostname,
                 g.inspect_get_osinfo, g.inspect_get_package_format, g.inspect_get_package_management, g.inspect_get_mountpoints,
                 g.inspect_get_filesystems, g.inspect_get_drive_mappings, g.inspect_list_applications, g.inspect_list_applications2):
        fails(call, root)
    for call in (g.inspect_get_format, g.inspect_is_live, g.inspect_is_multipart, g.inspect_is_netinst):
        if inspected:
            call(root)  # they answer the same for every name
        else:
            fails(call, root)
    for call in windows_only(g):
        fails(call, root)


def mount_all(g, root):
    """As scripts do it: the shortest mount point first."""
    for mountpoint, device in sorted(g.inspect_get_mountpoints(root).items(), key=lambda item: len(item[0])):
        g.mount_ro(device, mountpoint)
