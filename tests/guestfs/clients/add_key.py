# SPDX-License-Identifier: Apache-2.0
"""Lets a key into root's account, as tools that prepare images do: add_key.py IMAGE FORMAT."""
import sys

import guestfs

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDFvbsYxdNOkeyOfATestOnly operator@example.com"


def add_key(g, user):
    entry = next(line.split(":") for line in g.read_lines("/etc/passwd") if line.startswith(user + ":"))
    owner, group, home = int(entry[2]), int(entry[3]), entry[5]
    directory, keys = home + "/.ssh", home + "/.ssh/authorized_keys"
    if not g.is_dir(directory):
        g.mkdir_mode(directory, 0o700)
        g.chown(owner, group, directory)
    present = g.read_lines(keys) if g.exists(keys) else []
    if KEY not in present:
        g.write_append(keys, KEY + "\n")
    g.chmod(0o600, keys)
    g.chown(owner, group, keys)
    return keys


with_key = None
image, image_format = sys.argv[1:3]
for _ in range(2):
    g = guestfs.GuestFS(python_return_dict=True)
    g.add_drive(image, format=image_format)
    g.launch()
    (root,) = g.inspect_os()
    for place, device in sorted(g.inspect_get_mountpoints(root).items()):
        g.mount(device, place)
    with_key = add_key(g, "root")
    info = g.stat(with_key)
    print(with_key, oct(info["mode"]), info["uid"], info["gid"], info["size"], g.wc_l(with_key))
    print(g.checksum("sha256", with_key))
    g.umount_all()
    g.shutdown()
    g.close()
