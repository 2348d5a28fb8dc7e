# SPDX-License-Identifier: Apache-2.0
"""Packs a directory of a guest, and says what is in it: tar_out_directory.py IMAGE FORMAT DIRECTORY."""
import os
import sys
import tarfile
import tempfile

import guestfs

image, image_format, directory = sys.argv[1:4]
g = guestfs.GuestFS(python_return_dict=True)
g.add_drive_ro(image)
g.launch()
(root,) = g.inspect_os()
for place, device in sorted(g.inspect_get_mountpoints(root).items()):
    g.mount_ro(device, place)
with tempfile.TemporaryDirectory() as scratch:
    for name, options in (("plain.tar", {}), ("packed.tar.gz", {"compress": "gzip"}),
                          ("some.tar", {"excludes": ["*.d", "*.conf"], "numericowner": True})):
        local = os.path.join(scratch, name)
        g.tar_out(directory, local, **options)
        with tarfile.open(local) as archive:
            members = sorted((each.name, each.type.decode(), oct(each.mode), each.uid, each.gid, each.linkname,
                              each.size if each.isfile() else 0) for each in archive.getmembers())
        print(name, len(members))
        for member in members:
            print(" ", *member)
    try:
        g.tar_out("/no/such/directory", os.path.join(scratch, "none.tar"))
    except RuntimeError as error:
        print("failed:", "No such file or directory" in str(error))
g.close()
