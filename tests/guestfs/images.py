# SPDX-License-Identifier: Apache-2.0
"""Blank drives for the scenarios, made from a seed: the same seed gives the same sizes, sector sizes and formats."""
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass
class Drive:
    path: Path
    format: str
    size: int
    blocksize: int  # 0: not told to add_drive

    def options(self):
        return {"format": self.format, **({"blocksize": self.blocksize} if self.blocksize else {})}


def create(path, size, image_format="raw"):
    path = Path(path)
    if image_format == "raw":
        with open(path, "wb") as file:
            file.truncate(size)
    else:
        subprocess.run(["qemu-img", "create", "-q", "-f", image_format, path, str(size)], check=True)
    return path


class Images:
    """The drives of one scenario and seed, in the given directory."""

    def __init__(self, directory, family, seed):
        self.directory, self.random = Path(directory), random.Random(f"{family} {seed}")

    def blank(self, name, mib, spread=0, formats=("raw", "qcow2"), blocksizes=(0,)):
        """A drive of `mib` MiB and up to `spread` more, never a whole number of MiB where a spread is given."""
        size = mib * MIB
        if spread:
            size += self.random.randrange(spread) * MIB + self.random.randrange(1, 255) * 4096
        image_format, blocksize = self.random.choice(formats), self.random.choice(blocksizes)
        path = create(self.directory / f"{name}.{image_format}", size, image_format)
        return Drive(path, image_format, size, blocksize)
