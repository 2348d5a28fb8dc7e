# SPDX-License-Identifier: Apache-2.0
"""LVM, LUKS and MD under a guest. The host's kernel has none of them, so they are made in
User-mode Linux; the guest is installed on partitions of a second disk that have the names of the
volumes, and these are copied to their places at the end: a filesystem does not know what it is on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder import disk
from builder.run import Runner, require
from recipes import Installed, Layer, Layered, Upper

IMAGES = Path(__file__).resolve().parents[1]
IN_UML = IMAGES.parent / "storage" / "in_uml"


def upper_of(recipe: Installed) -> tuple[Upper, ...]:
    return recipe.upper if isinstance(recipe, Layered) else ()


def files_of(recipe: Installed) -> tuple[tuple[str, str], ...]:
    return recipe.files if isinstance(recipe, Layered) else ()


def _stand_ins(image: Path) -> Path:
    return image.with_name("upper.raw")


def _argument(recipe: Layered, layer: Layer) -> str:
    """A layer as guest-layers takes it."""
    what = layer.uuid
    if layer.kind == "lvm":
        prefix = f"mapper/{layer.name.replace('-', '--')}-"
        what = ",".join(f"{volume.node.removeprefix(prefix).replace('--', '-')}={volume.mib}"
                        for volume in recipe.upper if volume.node.startswith(prefix))
    elif layer.kind == "md":  # as mdadm writes it
        what = layer.uuid.replace("-", "")
    return f"{layer.kind}:{layer.name}:{what}:{','.join(layer.on)}"


def _in_uml(recipe: Layered, action: str, disks: list[Path], runner: Runner, *more: str) -> None:
    require("linux.uml")
    arguments = [_argument(recipe, layer) for layer in recipe.layers]
    options = [option for one in disks for option in ("--disk", one)]
    runner(IN_UML, *options, "bash", IMAGES / "guest-layers", action, *arguments, *more)


def make(recipe: Installed, image: Path, runner: Runner) -> None:
    if isinstance(recipe, Layered):
        _in_uml(recipe, "make", [image], runner)


@contextmanager
def stood_for(recipe: Installed, image: Path, runner: Runner) -> Iterator[None]:
    """While /dev/sda is attached: nodes with the names of the upper volumes."""
    upper = upper_of(recipe)
    if not upper:
        yield
        return
    size = sum(volume.mib for volume in upper) + 2
    script = disk.partition_script("gpt", "5119a000-0000-4000-8000-000000000000", upper)
    disk.make_partitioned(_stand_ins(image), size, script, runner)
    with disk.volumes_attached(_stand_ins(image), [volume.node for volume in upper], runner):
        yield


def fill(recipe: Installed, image: Path, runner: Runner) -> None:
    if isinstance(recipe, Layered):
        nodes = [volume.node for volume in recipe.upper]
        _in_uml(recipe, "fill", [image, _stand_ins(image)], runner, "--", *nodes)
        _stand_ins(image).unlink()
