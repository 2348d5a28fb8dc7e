#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is installed, beside what the guest's own package manager says of the same database."""
import shutil
import sqlite3
import struct
import subprocess
import unittest
import zlib

from support import SLIPWAY, Case, guest, mini, mini_tree, slipway

SPEC = """
Name: {name}
Version: {version}
Release: {release}
{epoch}
Summary: a package of a test
License: none
BuildArch: noarch
%description
{text}
%files
"""
PACKAGES = (("small", "1.0", "1", ""), ("with-epoch", "2.3.4~rc1", "5.el9", "Epoch: 3"), ("large", "10", "2.1", ""))


def build_rpms(folder):
    """Real packages. One has a description of many pages, so that its header does not fit into one."""
    for name, version, release, epoch in PACKAGES:
        spec = folder / f"{name}.spec"
        text = "\n".join(f"line {number}" for number in range(2000)) if name == "large" else "Nothing."
        spec.write_text(SPEC.format(name=name, version=version, release=release, epoch=epoch, text=text))
        subprocess.run(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {folder}", spec], check=True, capture_output=True)
    return sorted((folder / "RPMS/noarch").glob("*.rpm"))


def install(tree, rpms):
    """Into the database of a tree only; its folder is where rpm of Fedora has it."""
    options = ["--root", tree, "--define", "_db_backend sqlite", "--dbpath", "/usr/lib/sysimage/rpm"]
    subprocess.run(["rpm", *options, "--initdb"], check=True, capture_output=True)
    subprocess.run(["rpm", *options, "--justdb", "--nodeps", "--noscripts", "-i", *rpms], check=True, capture_output=True)
    said = subprocess.run(["rpm", *options, "-qa", "--qf", "%{NAME} %{EPOCHNUM} %{VERSION} %{RELEASE} %{ARCH}\n"], check=True, capture_output=True, text=True)
    return sorted(said.stdout.splitlines())


def lines_of(packages):
    return sorted("{name} {epoch} {version} {release} {arch}".format(**package) for package in packages["list"])


def berkeley(tree, database):
    """The headers of an sqlite database in a hash of Berkeley DB, as rpm had them before."""
    rows = sqlite3.connect(database).execute("SELECT hnum, blob FROM Packages").fetchall()
    text = "VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END\n 00000000\n 00000009\n"
    for number, blob in rows:
        text += f" {number.to_bytes(4, 'little').hex()}\n {blob.hex()}\n"
    (tree / "var/lib/rpm").mkdir(parents=True, exist_ok=True)
    subprocess.run(["db5.3_load", tree / "var/lib/rpm/Packages"], input=text + "DATA=END\n", text=True, check=True)


def ndb(tree, database):
    """The same as rpm's ndb (SUSE); Debian's rpm is built without it."""
    rows = sqlite3.connect(database).execute("SELECT hnum, blob FROM Packages").fetchall()
    slots, body = struct.pack("<4sIIIIIII", b"RpmP", 0, 1, 1, len(rows) + 1, 0, 0, 0), b""
    for number, blob in rows:
        stored = struct.pack("<4sIII", b"BlbS", number, 1, len(blob)) + blob
        stored += b"\0" * (-(len(stored) + 12) % 16) + struct.pack("<II4s", zlib.adler32(stored), len(blob), b"BlbE")
        slots += struct.pack("<4sIII", b"Slot", number, (4096 + len(body)) // 16, len(stored) // 16)
        body += stored
    slots += struct.pack("<4sIII", b"Slot", 0, 0, 0) * ((4096 - len(slots)) // 16)
    (tree / "usr/lib/sysimage/rpm/Packages.db").write_bytes(slots + body)


class Rpm(Case):
    def setUp(self):
        super().setUp()
        (self.scratch / "build").mkdir()
        self.rpms = build_rpms(self.scratch / "build")
        self.tree = mini_tree(self.scratch / "tree")
        (self.tree / "etc/os-release").write_text("ID=fedora\nPRETTY_NAME=Fedora\n")
        shutil.rmtree(self.tree / "var/lib/dpkg", ignore_errors=True)

    def packages(self):
        image = mini(self.scratch / "a.raw", "--tree", self.tree)
        inventory = self.report(self.ok(slipway("inspect", image, "--packages", "--json")))
        self.assertEqual([found for found in inventory["findings"] if found["id"].startswith("packages")], [])
        self.assertEqual(inventory["packages"]["database"], "rpm")
        return lines_of(inventory["packages"])

    def test_sqlite(self):
        told = install(self.tree, self.rpms)
        self.assertTrue((self.tree / "usr/lib/sysimage/rpm/rpmdb.sqlite").exists())
        self.assertEqual(len(told), len(PACKAGES))
        self.assertEqual(self.packages(), told)

    def test_ndb(self):
        told = install(self.tree, self.rpms)
        database = self.tree / "usr/lib/sysimage/rpm/rpmdb.sqlite"
        ndb(self.tree, database)
        database.unlink()
        self.assertEqual(self.packages(), told)

    def test_berkeley(self):
        told = install(self.tree, self.rpms)
        folder = self.tree / "usr/lib/sysimage/rpm"
        berkeley(self.tree, folder / "rpmdb.sqlite")
        shutil.rmtree(folder)
        self.assertEqual(self.packages(), told)

    def test_damaged(self):
        install(self.tree, self.rpms)
        database = self.tree / "usr/lib/sysimage/rpm/rpmdb.sqlite"
        database.write_bytes(database.read_bytes()[:5000] + b"\xff" * 20000)
        image = mini(self.scratch / "a.raw", "--tree", self.tree)
        inventory = self.report(self.ok(slipway("inspect", image, "--packages", "--json")))
        self.assertIn("packages-unreadable", [found["id"] for found in inventory["findings"]])


class Dpkg(Case):
    def test_a_real_guest_has_what_dpkg_says(self):
        image = guest("debian12-ext4")
        inventory = self.report(self.ok(slipway("inspect", image, "--packages", "--json")))
        status = self.scratch / "dpkg"
        status.mkdir()
        (status / "status").write_bytes(subprocess.run(
            [SLIPWAY, "cat", image, "/var/lib/dpkg/status"], check=True, capture_output=True).stdout)
        told = subprocess.run(["dpkg-query", f"--admindir={status}", "-W", "-f", "${db:Status-Status} ${Package} ${Version} ${Architecture}\n"],
                              check=True, capture_output=True, text=True).stdout.splitlines()
        told = sorted(line.split(" ", 1)[1] for line in told if line.startswith("installed "))
        self.assertGreater(len(told), 50)
        found = []
        for package in inventory["packages"]["list"]:
            version = package["version"] + (f"-{package['release']}" if package["release"] else "")
            found.append(f"{package['name']} {package['epoch'] or ''}{':' if package['epoch'] else ''}{version} {package['arch']}")
        self.assertEqual(sorted(found), told)
        self.assertEqual(inventory["packages"]["database"], "dpkg")
        text = self.ok(slipway("inspect", image, "--packages")).stdout
        self.assertIn(f"Installed packages: {len(told)} (dpkg)", text)
        self.assertNotIn("packages", self.report(self.ok(slipway("inspect", image, "--json"))))

    def test_more_than_fits_into_one_answer(self):
        tree = mini_tree(self.scratch / "tree")
        (tree / "var/lib/dpkg").mkdir(parents=True, exist_ok=True)
        number = 20000
        (tree / "var/lib/dpkg/status").write_text("".join(
            f"Package: package-with-a-long-name-{index:06}\nStatus: install ok installed\nVersion: 1:{index}-1\nArchitecture: amd64\n\n"
            for index in range(number)))
        image = mini(self.scratch / "a.raw", "--tree", tree)
        listed = self.report(self.ok(slipway("inspect", image, "--packages", "--json")))["packages"]["list"]
        self.assertEqual([package["version"] for package in listed], [str(index) for index in range(number)])


if __name__ == "__main__":
    unittest.main()
