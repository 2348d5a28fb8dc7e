# SPDX-License-Identifier: Apache-2.0
"""Runs the programs in clients/, which are written for libguestfs's module, with whichever module `guestfs` is in PYTHONPATH."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
IMAGES = HERE.parent / "images"
KEY = "open sesame"
# Program and image: where the output of the real module is kept, and what the program is given.
RUNS = {
    "inspect-qcow2": ("inspect_and_mount.py", "plain"),
    "inspect-lvm": ("inspect_and_mount.py", "lvm"),
    "inspect-lvm-on-luks": ("inspect_and_mount.py", "lvm-on-luks", KEY),
    "edit-qcow2": ("edit_file.py", "plain"),
    "edit-lvm": ("edit_file.py", "lvm"),
    "add-key": ("add_key.py", "plain"),
    "tar-out": ("tar_out_directory.py", "plain", "/etc"),
    "resize": ("resize_partition.py", None),
}


def make_image(kind, directory):
    """A small guest as a qcow2."""
    raw, image = Path(directory) / f"{kind}.raw", Path(directory) / f"{kind}.qcow2"
    if not image.exists():
        if kind == "plain":
            subprocess.run([IMAGES / "mini", raw, "--table", "gpt"], check=True, capture_output=True)
        else:
            subprocess.run([IMAGES / "stacked", kind, raw], check=True, capture_output=True)
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, image], check=True)
        raw.unlink()
    return image


def run(name, directory, command=("/usr/bin/python3",), owner=None):
    """The text that the client writes; `directory` keeps the images, a copy of which is used. Its error output where it fails."""
    program, kind, *more = RUNS[name]
    scratch = Path(directory) / name
    scratch.mkdir()
    if kind is None:
        arguments = [scratch]
    else:
        copy = shutil.copy(make_image(kind, directory), scratch / "disk.qcow2")
        arguments = [copy, "qcow2", *more]
        if owner is not None:
            os.chown(copy, owner, owner)
    if owner is not None:
        os.chown(scratch, owner, owner)
    done = subprocess.run([*command, "-B", HERE / "clients" / program, *arguments], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=900)
    shutil.rmtree(scratch)
    return done.stdout if done.returncode == 0 else f"status {done.returncode}\n{done.stdout}{done.stderr}"


def expected(name):
    """What libguestfs's module made of it."""
    return (HERE / "clients" / "expected" / f"{name}.txt").read_text(encoding="utf-8")


def main():
    """Records what the real module does: clients.py [NAME…]"""
    import tempfile  # pylint: disable=import-outside-toplevel
    os.environ.update(LIBGUESTFS_BACKEND="direct", LIBGUESTFS_BACKEND_SETTINGS="force_tcg")
    (HERE / "clients" / "expected").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        for name in sys.argv[1:] or RUNS:
            text = run(name, directory)
            print(f"== {name}\n{text}", end="", flush=True)
            if not text.startswith("status "):
                (HERE / "clients" / "expected" / f"{name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
