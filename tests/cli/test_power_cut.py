#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A power cut at each write of a repair in place: the image as it was after each write, and after
what a disk that reorders may have kept of them, with the journal beside it; then recovery."""
import os
import random
import re
import shutil
import subprocess
import time
import unittest
from pathlib import Path

from support import SLIPWAY, Case, digest, mini, slipway

REORDERED = 30 if not os.environ.get("SLIPWAY_FULL") else 200
CALL = re.compile(r"^\d+ +(\w+)\(\d+<([^>]*)>(?:, (.*))?\) += (\d+)$")
HARMLESS = ("0", "FALLOC_FL_KEEP_SIZE")
ZEROING = ("FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE", "FALLOC_FL_ZERO_RANGE")
# What changes the content of a file; strace is told to show no other than these.
WRITING = ("pwrite64", "fallocate", "ftruncate", "write", "pwritev", "pwritev2", "copy_file_range", "writev")


def unescaped(text):
    return bytes.fromhex(text.replace("\\x", ""))


class Write:
    def __init__(self, offset, data):
        self.offset, self.data = offset, data


class PowerCut(Case):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("SLIPWAY_SEED", time.time_ns() % 1_000_000))
        self.random = random.Random(self.seed)

    def record(self, argv, image):
        """Runs slipway on the image; returns its writes to the image in order, None for each flush. The
        removal of the journal is made to fail, so that it is there afterwards."""
        trace, journal = self.scratch / "trace", Path(f"{image}.slipway-journal")
        calls = ",".join([*WRITING, "fdatasync", "fsync", "unlink"])
        ended = subprocess.run(["strace", "-f", "-qqq", "-y", "-xx", "-s", str(8 << 20), "-e", "signal=none", "-o", trace,
                                "-P", image, "-P", journal, "-e", f"trace={calls}", "-e", "inject=unlink:error=EIO",
                                SLIPWAY, *map(str, argv)], capture_output=True, text=True, check=False)
        self.assertIn("removing", ended.stderr)
        self.assertTrue(journal.exists(), ended.stderr)
        events = []
        for line in joined(trace.read_text().splitlines()):
            if "unlink(" in line:
                continue
            match = CALL.match(line)
            self.assertTrue(match and unescaped(match[2]) == bytes(image), f"not understood: {line[:200]}")
            events += self.writes_of(match[1], match[3], int(match[4]))
        self.assertIsNone(events[-1], "the image is not synced before its journal goes")
        return events

    def writes_of(self, call, arguments, result):
        if call in ("fsync", "fdatasync"):
            return [None]
        if call in ("pwrite64", "pwritev"):
            data = b"".join(map(unescaped, re.findall(r'"([^"]*)"', arguments)))
            self.assertEqual(len(data), result)
            return [Write(int(arguments.rsplit(", ", 1)[1]), data)]
        self.assertEqual(call, "fallocate")
        mode, offset, size = arguments.split(", ")
        if mode in HARMLESS:
            return []
        self.assertIn(mode, ZEROING)
        return [Write(int(offset), bytes(int(size)))]

    def states(self, events):
        """Lists of writes that a cut may have left on the disk."""
        for count in range(len(events) + 1):
            yield [event for event in events[:count] if event]
        for _ in range(REORDERED):
            cut = self.random.randrange(len(events) + 1)
            durable = max((i for i in range(cut) if events[i] is None), default=0)
            kept = [event for event in events[:durable] if event]
            pending = [event for event in events[durable:cut] if event]
            self.random.shuffle(pending)
            pending = pending[:self.random.randrange(len(pending) + 1)]
            if pending and self.random.random() < 0.5:  # torn in a sector's place
                torn = pending.pop()
                pending.append(Write(torn.offset, torn.data[:self.random.randrange(0, len(torn.data), 512)]))
            again = events[:self.random.randrange(len(events) + 1)] if self.random.random() < 0.3 else []
            yield kept + pending + [event for event in again if event]  # the recovery was cut, too

    def recover_from_all(self, argv, original, image):
        shutil.copyfile(original, image)
        events = self.record(argv, image)
        after = self.scratch / "after"
        shutil.copyfile(image, after)
        self.assertNotEqual(digest(after), digest(original))
        journal = Path(f"{image}.slipway-journal")
        kept = self.scratch / "journal"
        shutil.copyfile(journal, kept)
        tried = 0
        for writes in self.states(events):
            shutil.copyfile(original, image)  # in place: the journal knows the image by its inode
            with image.open("r+b") as file:
                for write in writes:
                    file.seek(write.offset)
                    file.write(write.data)
            shutil.copyfile(kept, journal)
            self.ok(slipway("ls", image, "/etc"))
            self.assertFalse(journal.exists())
            self.same_disk(image, after, f"seed {self.seed}, {len(writes)} writes of {len(events)}")
            tried += 1
        print(f"{tried} cuts in {len(events)} writes and flushes")

    def same_disk(self, image, after, where):
        compared = subprocess.run(["qemu-img", "compare", image, after], capture_output=True, text=True, check=False)
        self.assertEqual(compared.returncode, 0, f"{where}: {compared.stdout}{compared.stderr}")
        if image.suffix == ".qcow2":
            checked = subprocess.run(["qemu-img", "check", image], capture_output=True, text=True, check=False)
            self.assertIn(checked.returncode, (0, 3), f"{where}: {checked.stdout}{checked.stderr}")  # 3: leaked clusters

    def test_trap5_fix_of_a_raw_image(self):
        original = mini(self.scratch / "original.raw")
        self.recover_from_all(["fix", self.scratch / "a.raw", "-q"], original, self.scratch / "a.raw")

    def test_trap5_fix_of_a_qcow2_image(self):
        raw, original = mini(self.scratch / "mini.raw"), self.scratch / "original.qcow2"
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, original], check=True)
        self.recover_from_all(["fix", self.scratch / "a.qcow2", "-q"], original, self.scratch / "a.qcow2")

    def test_trap5_put_of_a_large_file(self):
        original, local = mini(self.scratch / "original.raw"), self.scratch / "large"
        local.write_bytes(random.Random(1).randbytes(5 << 20))
        self.recover_from_all(["put", self.scratch / "a.raw", local, "/srv/large"], original, self.scratch / "a.raw")

    def test_trap5_the_order_of_a_commit(self):
        image, trace = mini(self.scratch / "a.raw"), self.scratch / "trace"
        subprocess.run(["strace", "-f", "-qqq", "-y", "-s", "200", "-e", "signal=none", "-o", trace, "-e",
                        "trace=linkat,unlink,fsync,pwrite64,pwritev,fallocate", SLIPWAY, "fix", image, "-q"], check=False)
        lines = list(joined(trace.read_text().splitlines()))
        first = {step: next((i for i, line in enumerate(lines) if re.search(pattern, line)), None)
                 for step, pattern in {"link": r"linkat\(", "write": rf"(pwrite|fallocate).*<{image}>",
                                       "sync": rf"fsync\(\d+<{image}>", "unlink": r"unlink\(.*slipway-journal.*= 0"}.items()}
        self.assertNotIn(None, first.values(), first)
        self.assertRegex(lines[first["link"] - 1], r"fsync\(\d+<.*>\(deleted\)\) += 0", "the journal is not durable when it is named")
        directory = rf"fsync\(\d+<{self.scratch}>\).* = 0"
        self.assertRegex(lines[first["link"] + 1], directory, "its name is not durable")
        self.assertRegex(lines[first["unlink"] + 1], directory)
        self.assertEqual(list(first), sorted(first, key=first.get))


def joined(lines):
    """strace splits a call that another process interrupts into two lines."""
    begun = {}
    for line in lines:
        pid = line.split()[0]
        if line.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>").rstrip()
        elif match := re.match(r"^\d+ +<\.\.\. \w+ resumed>(.*)$", line):
            yield begun.pop(pid) + match[1]
        else:
            yield line


if __name__ == "__main__":
    unittest.main()
