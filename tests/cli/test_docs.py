#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The pages in docs/commands: the options are those that the program has, and the examples run as they stand."""
import os
import re
import shutil
import subprocess
import textwrap
import unittest
from pathlib import Path

from support import SLIPWAY, Case, guest, mini, mini_tree, slipway

from builder import cache

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted((DOCS / "commands").glob("*.md"))


def section(page, title):
    """The lines of a page below a heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page.read_text(), re.S | re.M)
    return found[1].splitlines() if found else []


def examples(page):
    return [line.strip() for line in section(page, "Examples") if line.startswith("    ")]


class Options(Case):
    def help(self, *verb):
        """Of a verb, and of those below it."""
        said = self.ok(slipway(*verb, "--help")).stdout
        below = re.findall(r"^  (\w+) ", said.partition("Subcommands:")[2], re.M)
        return "".join([said, *(self.help(*verb, name) for name in below)])

    def test_each_page_has_the_options_of_its_verb(self):
        option = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")
        for page in PAGES:
            with self.subTest(page.stem):
                rows = [line.split("|")[1] for line in page.read_text().splitlines() if re.match(r"\| `-", line)]
                told = {name for row in rows for name in option.findall(row)}
                said = self.help(page.stem)
                there = {name for line in said.splitlines() if line.startswith("  -") for name in option.findall(line[:28])}
                self.assertEqual(told | {"-h", "--help", "--verbose", "--quiet"}, there)


class Examples(Case):
    """Booting ones are left to test_boot.py, and the network to nobody: a mirror may be out of reach."""

    def setUp(self):
        super().setUp()
        tools = mini(self.scratch / "vm.raw", "--tree", mini_tree(self.scratch / "tools", {}))
        subprocess.run(["qemu-img", "convert", "-O", "vhdx", tools, self.scratch / "vm.vhdx"], check=True)
        (self.scratch / "data/pictures").mkdir(parents=True)
        mini(self.scratch / "data.raw", "--tree", self.scratch / "data")
        (self.scratch / "two.raw").symlink_to(guest("debian12-two"))
        (self.scratch / "vm.vmdk").symlink_to(guest("debian12-ext4", "vmdk-stream"))
        (self.scratch / "files").mkdir()
        system = mini_tree(self.scratch / "rootfs")
        shutil.copy("/bin/busybox", system / "bin/true")
        subprocess.run(["tar", "-C", system, "-czf", self.scratch / "rootfs.tar.gz", "."], check=True)
        (self.scratch / "resolv.conf").write_text("nameserver 192.0.2.1\n")
        for name in ("images", "out", "home"):
            (self.scratch / name).mkdir()
        # A kernel of the user's own, a root to boot it with, and a test.
        (self.scratch / "home/linux").symlink_to("/usr/bin/linux.uml")
        (self.scratch / "home/xfstests").symlink_to(Path(__file__).resolve().parents[1] / "fstests-suite")
        self.ok(self.shell("slipway rootfs create fstests"))
        script = self.scratch / "test.sh"
        script.write_text("#!/bin/sh\ntrue\n")
        script.chmod(0o755)

    def shell(self, line):
        line = line.replace("/var/lib/images", "images").replace("/srv/out", "out")
        if output := re.search(r"--output (\S+)", line):
            (self.scratch / output[1]).unlink(missing_ok=True)
        return subprocess.run(["/bin/bash", "-euo", "pipefail", "-c", line], cwd=self.scratch, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=300, env=dict(os.environ, HOME=str(self.scratch / "home"), SLIPWAY_CACHE=str(cache.root()),
                                       PATH=f"{os.path.dirname(SLIPWAY)}:{os.environ['PATH']}"))

    def test_all_that_do_not_boot(self):
        lines = [line for page in PAGES for line in examples(page) if "prove" not in line and "--network" not in line]
        self.assertGreater(len(lines), 20)
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", guest("debian12-stock"), self.scratch / "vm.qcow2"], check=True)
        # Those that overwrite what others read come last.
        for line in sorted(lines, key=lambda line: ("--output" in line, "fix" in line or "--write" in line)):
            with self.subTest(line):
                result = self.shell(line)
                self.assertEqual(result.returncode, 0, result.stdout[-2000:] + result.stderr)


class PythonPage(Case):
    """docs/python.md: its programs run, and the script that says `import guestfs`."""

    def test_examples(self):
        blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", (DOCS / "python.md").read_text(), re.M)
        programs = [textwrap.dedent(block) for block in blocks if "import" in block]
        self.assertEqual(len(programs), 2)
        raw = mini(self.scratch / "vm.raw")
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, self.scratch / "vm.qcow2"], check=True)
        (self.scratch / "their_script.py").write_text("import guestfs\nprint(guestfs.GuestFS(python_return_dict=True).version()['major'])\n")
        package = Path(SLIPWAY).resolve().parents[1] / "python"
        said = [self.run_python(package, "-c", program) for program in programs]
        self.assertIn(" / ext4 ", said[0])
        self.assertEqual(self.run_python(package / "compat", "their_script.py"), "1\n")

    def run_python(self, path, *arguments):
        done = subprocess.run(["/usr/bin/python3", *arguments], cwd=self.scratch, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=120, env={**os.environ, "PYTHONPATH": str(path)})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


if __name__ == "__main__":
    unittest.main()
