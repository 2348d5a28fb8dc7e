# SPDX-License-Identifier: Apache-2.0
"""A cpio archive in the "newc" form of Documentation/driver-api/early-userspace/buffer-format.rst."""


def newc(files):
    """`files`: content by name; None is a directory."""
    archive = b""
    for number, (name, content) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        mode = 0o40755 if content is None else 0o100644
        data, text = content or b"", name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(text), 0)
        archive += padded(b"070701" + b"".join(b"%08X" % field for field in fields) + text) + padded(data)
    return archive


def padded(data):
    return data + bytes(-len(data) % 4)
