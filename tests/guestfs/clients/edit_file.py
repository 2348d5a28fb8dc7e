# SPDX-License-Identifier: Apache-2.0
"""Changes files of a guest, and shows that they are changed: edit_file.py IMAGE FORMAT."""
import sys

import guestfs


def mount_all(g):
    """The first system, as its fstab says."""
    root = g.inspect_os()[0]
    places = g.inspect_get_mountpoints(root)
    for place in sorted(places, key=len):
        g.mount(places[place], place)


def handle(image, image_format, readonly):
    g = guestfs.GuestFS(python_return_dict=True)
    g.add_drive_opts(image, format=image_format, readonly=readonly)
    g.launch()
    mount_all(g)
    return g


def main():
    image, image_format = sys.argv[1:3]
    g = handle(image, image_format, False)
    g.write("/etc/hostname", "edited\n")
    g.write_append("/etc/hosts", "192.0.2.1 edited\n")
    g.chmod(0o640, "/etc/hosts")
    content = g.cat("/etc/fstab")
    g.write("/etc/fstab", content.replace("defaults", "defaults,noatime") + "# edited\n")
    g.mkdir_p("/srv/made/by/script")
    g.ln_sf("../hosts", "/etc/alternatives-of-hosts")
    try:
        g.write("/srv/none/file", "x")
    except RuntimeError as error:
        print("failed:", str(error).rsplit(": ", maxsplit=1)[-1])
    g.shutdown()
    g.close()
    g = handle(image, image_format, True)
    print(repr(g.cat("/etc/hostname")), oct(g.stat("/etc/hosts")["mode"]))
    print(g.grep("edited", "/etc/hosts"), g.readlink("/etc/alternatives-of-hosts"))
    print(g.tail_n(1, "/etc/fstab"), g.find("/srv/made"), g.exists("/srv/none"))
    g.close()


main()
