# SPDX-License-Identifier: Apache-2.0
"""What one handle takes, with whichever module `guestfs` is in PYTHONPATH: guestfs_api.py DISK FILE. Prints JSON, seconds and MB.

DISK is a raw disk that holds an ext4 filesystem with room for 3 GiB, FILE has 1 GiB.
"""
import json
import os
import sys
import time

import guestfs

NAMES = 100_000


def main():
    disk, file = sys.argv[1:3]
    figures = {}

    def timed(name, call, *arguments):
        started = time.monotonic()
        answer = call(*arguments)
        figures[name] = time.monotonic() - started
        return answer

    g = guestfs.GuestFS(python_return_dict=True)
    g.add_drive_opts(disk, format="raw", readonly=True)
    timed("launch", g.launch)
    g.mount("/dev/sda", "/")
    g.write("/file", "x")
    g.mkdir("/many")
    g.fill_dir("/many", NAMES)

    def stats():
        for _ in range(1000):
            g.stat("/file")

    timed("1000_stats", stats)
    assert len(timed("ls_100000", g.ls, "/many")) == NAMES
    timed("upload_1GiB", g.upload, file, "/large")
    timed("download_1GiB", g.download, "/large", "/dev/null")
    timed("checksum_1GiB", g.checksum, "sha256", "/large")
    timed("tar_out", g.tar_out, "/tree", "/dev/null")
    with open("/proc/self/status", encoding="ascii") as status:
        figures["python_memory"] = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    timed("shutdown", g.shutdown)
    g.close()
    json.dump({**figures, "pid": os.getpid()}, sys.stdout)


main()
