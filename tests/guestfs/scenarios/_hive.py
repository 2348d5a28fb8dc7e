# SPDX-License-Identifier: Apache-2.0
"""The smallest registry hive that libhivex opens for writing: a header, one bin, a root key and its security descriptor.

After "Windows registry file format specification" of M. Suhanov (github.com/msuhanov/regf)."""
import struct

NONE = 0xFFFFFFFF
BIN = 4096


def cell(content):
    """A used cell: its size is negative, and a multiple of eight."""
    size = (len(content) + 4 + 7) // 8 * 8
    return struct.pack("<i", -size) + content.ljust(size - 4, b"\0")


def hive(name=b"ROOT"):
    first = 32  # the bin's own header
    descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)  # self-relative, and empty
    flags = 0x0004 | 0x0008 | 0x0020  # the root of a hive, not to be deleted, its name in Latin-1

    def key(security):
        return struct.pack("<2sHQIIIIIIIIIIIIIIIHH", b"nk", flags, 0, 0, NONE, 0, 0, NONE, NONE, 0, NONE, security, NONE, 0, 0, 0, 0, 0,
                           len(name), 0) + name

    security = first + len(cell(key(0)))
    cells = cell(key(security)) + cell(struct.pack("<2sHIIII", b"sk", 0, security, security, 1, len(descriptor)) + descriptor)
    free = BIN - first - len(cells)
    data = struct.pack("<4sIIQQI", b"hbin", 0, BIN, 0, 0, 0) + cells + struct.pack("<i", free).ljust(free, b"\0")
    header = struct.pack("<4sIIQIIIIIII", b"regf", 1, 1, 0, 1, 3, 0, 1, first, BIN, 1).ljust(508, b"\0")
    checksum = 0
    for (word,) in struct.iter_unpack("<I", header):
        checksum ^= word
    return (header + struct.pack("<I", checksum)).ljust(4096, b"\0") + data


def text(value):
    """A REG_SZ."""
    return value.encode("utf-16-le") + b"\0\0"


def number(value):
    """A REG_DWORD."""
    return struct.pack("<I", value)
