#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A change of a guest's several disks in one step: killed at each step of its commit, and of the recovery, all images
are as before or all are as after, whichever of them the next command is about."""
import re
import shutil
import subprocess
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from support import SLIPWAY, Case, mini, mini_tree, slipway, small_filesystem

UUID = "5119a000-0000-4000-8000-0000000000d2"
CHANGE = "echo new > /etc/motd; echo new > /srv/motd"
# What the client does: names for the list and two journals, which are taken again; each is synced before, and its
# directory after, and the images in between.
STEPS = ("linkat", "fsync", "unlink")
COMMIT = "linkat:signal=KILL:when=3"   # the journal of the first image: nothing is changed before it
WRITTEN = "fsync:signal=KILL:when=8"   # one image is whole
COPIED = "unlink:signal=KILL:when=1"   # the same journal, when both images are whole
BUSY = re.compile("another slipway|in use by another program")


class SeveralDisks(Case):
    def setUp(self):
        super().setUp()
        template = self.scratch / "template"
        template.mkdir()
        tree = mini_tree(template / "tree")
        with open(tree / "etc/fstab", "a", encoding="ascii") as file:
            file.write(f"UUID={UUID} /srv ext4 defaults 0 2\n")
        (tree / "etc/motd").write_text("old\n")
        data = template / "data"
        data.mkdir()
        (data / "motd").write_text("old\n")
        mini(template / "a.raw", "--tree", tree)
        subprocess.run(["mkfs.ext4", "-qF", "-U", UUID, "-d", data, template / "b.raw", "16M"], check=True, capture_output=True)
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", template / "b.raw", template / "b.qcow2"], check=True)
        self.template = template
        self.system, self.data = self.scratch / "system/a.raw", self.scratch / "d a%ta/b.qcow2"
        for image in (self.system, self.data):
            image.parent.mkdir()
        self.fresh()

    def fresh(self):
        for image in (self.system, self.data):
            shutil.rmtree(image.parent)
            image.parent.mkdir()
            shutil.copyfile(self.template / image.name, image)

    def command(self):
        return [SLIPWAY, "run", "--engine", "host", "--write", str(self.system), "--disk", str(self.data), "--", "/bin/sh", "-c", CHANGE]

    def killed(self, inject, argv=None, *options):
        """The command under strace; True where it was killed. Without -f the client alone is."""
        argv = argv or self.command()
        calls = inject.split(":")[0]
        ended = subprocess.run(["strace", "-qqq", "-o", "/dev/null", "-e", "signal=none", "-e", f"trace={calls}", "-e", f"inject={inject}", *options, *argv],
                               capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        self.settled_leaks()
        if ended.returncode == 0:
            return False
        self.assertEqual(ended.returncode, -9, ended.stderr)
        return True

    def beside(self):
        return sorted(entry.name for image in (self.system, self.data) for entry in image.parent.iterdir())

    def look(self, image, path="/"):
        return slipway("ls", "--engine", "host", image, path)

    def motds(self):
        return [self.ok(slipway("cat", "--engine", "host", image, path)).stdout.strip()
                for image, path in ((self.system, "/etc/motd"), (self.data, "/motd"))]

    def recovered_from(self, image, expected=None):
        self.ok(self.look(image))
        self.assertEqual([name for name in self.beside() if name.endswith("-journal")], [])
        found = self.motds()
        self.assertEqual(self.beside(), ["a.raw", "b.qcow2"])
        self.assertEqual(found[0], found[1])
        if expected:
            self.assertEqual(found[0], expected)
        for path in (self.system, self.data):
            checked = subprocess.run(["qemu-img", "check", path], capture_output=True, text=True, check=False)
            self.assertIn(checked.returncode, (0, 3, 63), checked.stdout + checked.stderr)  # 3: leaks, 63: raw
        return found[0]

    def steps(self, argv=None, prepare=None):
        """Each call of STEPS that the command makes, after it was killed there."""
        for call in STEPS:
            for count in range(1, 100):
                self.fresh()
                if prepare:
                    self.assertTrue(self.killed(prepare))
                if not self.killed(f"{call}:signal=KILL:when={count}", argv):
                    break
                yield call, count

    def test_trap5_killed_at_each_step_of_the_commit(self):
        for image in (self.system, self.data):
            seen = {}
            for call, count in self.steps():
                with self.subTest(f"{call} {count}, then {image.name}"):
                    seen[call, count] = self.recovered_from(image)
            # Nothing is changed before the third name, that of the first image's journal, is given.
            expected = {(call, count): "old" if call == "linkat" or (call == "fsync" and count <= 5) else "new" for call, count in seen}
            self.assertEqual(seen, expected)
            self.assertEqual(len(seen), 3 + 11 + 3)

    def test_trap5_the_recovery_is_killed_at_each_step(self):
        for image, other in ((self.system, self.data), (self.data, self.system)):
            for commit, expected, least in ((WRITTEN, "new", 8), (COPIED, "new", 8), (COMMIT, "old", 4)):
                tried = 0
                for call, count in self.steps([SLIPWAY, "ls", "--engine", "host", str(image), "/"], commit):
                    with self.subTest(f"{commit}, {call} {count} from {image.name}"):
                        self.recovered_from(other, expected)
                    tried += 1
                self.assertEqual(tried, least)

    def test_killed_while_an_image_is_written(self):
        for image in (self.system, self.data):
            self.fresh()
            writes = "pwrite64,pwritev,fallocate,pwritev2"
            ended = subprocess.run(["strace", "-f", "-qqq", "-o", "/dev/null", "-P", image, "-e", "signal=none", "-e", f"trace={writes}", "-e", f"inject={writes}:signal=KILL:when=1",
                                    *self.command()], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
            self.assertNotEqual(ended.returncode, 0)
            self.assertIn(f"the changes are safe in {image}.slipway-journal", ended.stderr)
            self.settled_leaks()
            self.recovered_from(self.data, "new")

    def test_trap5_the_order_of_a_commit(self):
        trace = self.scratch / "trace"
        subprocess.run(["strace", "-qqq", "-y", "-o", trace, "-e", "signal=none", "-e", f"trace={','.join(STEPS)}", *self.command()], check=True, stdin=subprocess.DEVNULL)
        said = []
        for line in trace.read_text().splitlines():
            call = line.split("(")[0]
            names = re.findall(r'[<"]([^<>"]*)[>"]', line)
            said.append((call, names[-1].removesuffix(" (deleted)") if call != "linkat" else names[-1]))
        steps = [(call, name.rsplit("/", 1)[-1]) for call, name in said if not re.search(r"/#\d+$", name)]
        system, data = self.system.parent.name, self.data.parent.name
        self.assertEqual(steps, [("linkat", "a.raw.slipway-group"), ("fsync", system), ("linkat", "b.qcow2.slipway-journal"), ("fsync", data),
                                 ("linkat", "a.raw.slipway-journal"), ("fsync", system), ("fsync", "a.raw"), ("fsync", "b.qcow2"),
                                 ("unlink", "a.raw.slipway-journal"), ("fsync", system), ("unlink", "b.qcow2.slipway-journal"), ("fsync", data),
                                 ("unlink", "a.raw.slipway-group"), ("fsync", system)])
        nameless = [i for i, (call, name) in enumerate(said) if re.search(r"/#\d+$", name)]
        self.assertEqual([said[i + 1][0] for i in nameless], ["linkat"] * 3)  # each is durable when it is named

    def test_two_recoveries_at_once(self):
        for commit, expected in ((COMMIT, "old"), (COPIED, "new"), (WRITTEN, "new")):
            self.fresh()
            self.assertTrue(self.killed(commit))
            with ThreadPoolExecutor(4) as pool:
                for result in pool.map(self.look, [self.system, self.data] * 2):
                    if result.returncode != 0:
                        self.assertRegex(result.stderr, BUSY)
            self.recovered_from(self.system, expected)
            self.assertEqual(self.motds(), [expected] * 2)

    def test_journal_of_a_change_that_never_was(self):
        for image in (self.system, self.data):
            self.fresh()
            self.assertTrue(self.killed(COMMIT))
            self.assertEqual(self.beside(), ["a.raw", "a.raw.slipway-group", "b.qcow2", "b.qcow2.slipway-journal"])
            self.ok(slipway("put", "--engine", "host", image, "-", "/motd", input="later\n"))
            self.assertEqual(self.beside(), ["a.raw", "b.qcow2"])
            self.assertEqual(self.ok(slipway("cat", "--engine", "host", image, "/motd")).stdout, "later\n")

    def test_both_are_looked_at_or_changed_again(self):
        for verb in (["cat", "--engine", "host", self.system, "--disk", self.data, "/srv/motd"], ["run", "--engine", "host", self.data, "--disk", self.system, "--", "/bin/cat", "/srv/motd"],
                     ["run", "--engine", "host", "--write", self.data, "--disk", self.system, "--", "/bin/cat", "/srv/motd"]):
            self.fresh()
            self.assertTrue(self.killed(COPIED))
            self.assertEqual(self.ok(slipway(*verb)).stdout, "new\n")
            self.assertEqual(self.beside(), ["a.raw", "b.qcow2"])

    def test_cleanup_finishes_it(self):
        for directory in (self.system.parent, self.data.parent):
            self.fresh()
            self.assertTrue(self.killed(COPIED))
            self.ok(slipway("cleanup", directory))
            self.assertEqual(self.beside(), ["a.raw", "b.qcow2"])
            self.assertEqual(self.motds(), ["new", "new"])

    def test_an_image_that_is_not_there(self):
        self.assertTrue(self.killed(COPIED))
        away = self.scratch / "away.qcow2"
        for path in (self.data, self.data.with_name("b.qcow2.slipway-journal")):
            path.rename(away)
            self.refused(self.look(self.system), 4, f"{path} is not there", "put it back", f"{self.system}.slipway-group")
            away.rename(path)
        self.system.rename(away)
        self.refused(self.look(self.data), 4, f"{self.system} is not there", "put it back")
        self.system.symlink_to(away)  # its journal is not beside the file now
        self.refused(self.look(self.data), 4, f"{self.system} is not there", "put it back")
        self.system.unlink()
        away.rename(self.system)
        self.recovered_from(self.data, "new")

    def test_the_first_image_was_moved_with_all_that_is_beside_it(self):
        self.assertTrue(self.killed(COPIED))
        moved = self.scratch / "moved"
        self.system.parent.rename(moved)
        self.refused(self.look(self.data), 4, f"{self.data}.slipway-journal belongs to a change of several images", f"{self.system}.slipway-group", "put that back")
        self.ok(self.look(moved / "a.raw"))  # it knows where the other one is
        moved.rename(self.system.parent)
        self.recovered_from(self.data, "new")

    def test_images_of_one_directory_move_together(self):
        elsewhere = self.scratch / "elsewhere"
        self.data.rename(self.system.with_name("b.qcow2"))
        self.data = self.system.with_name("b.qcow2")
        self.assertTrue(self.killed(COPIED))
        self.system.parent.rename(elsewhere)
        self.system, self.data = elsewhere / "a.raw", elsewhere / "b.qcow2"
        self.ok(self.look(self.data))
        self.assertEqual(sorted(entry.name for entry in elsewhere.iterdir()), ["a.raw", "b.qcow2"])
        self.assertEqual(self.motds(), ["new", "new"])

    def test_an_image_that_is_lost_is_taken_out_of_the_list(self):
        self.assertTrue(self.killed(COPIED))
        shutil.rmtree(self.data.parent)
        self.refused(self.look(self.system), 4, f"{self.data} is not there", "take its line out of")
        names = self.system.with_name("a.raw.slipway-group")
        names.write_text("".join(line for line in names.read_text().splitlines(True) if "b.qcow2" not in line))
        self.ok(self.look(self.system))
        self.assertEqual(self.ok(slipway("cat", "--engine", "host", self.system, "/etc/motd")).stdout, "new\n")
        self.data.parent.mkdir()

    def test_another_file_has_the_name_of_an_image(self):
        self.assertTrue(self.killed(COPIED))
        away = self.scratch / "away.qcow2"
        self.data.rename(away)
        shutil.copyfile(self.template / "b.qcow2", self.data)
        self.refused(self.look(self.system), 4, f"{self.data}.slipway-journal belongs to another file than {self.data}")
        away.rename(self.data)
        self.recovered_from(self.system, "new")

    def test_no_space_for_the_second_image(self):
        blob = self.scratch / "blob"
        with small_filesystem(self.data.parent, "22m") as small:
            subprocess.run(["qemu-img", "convert", "-O", "qcow2", self.template / "b.raw", self.data], check=True)
            subprocess.run(["fallocate", "-l", "10M", small / "filler"], check=True)
            blob.write_bytes(bytes(range(256)) * (6 << 12))
            self.refused(slipway("put", "--engine", "host", self.system, "--disk", self.data, blob, "/srv/blob"), 4, "No space left", f"{self.data}.slipway-journal", "make room")
            self.refused(self.look(self.system), 4, f"{self.data}.slipway-journal", "make room")
            (small / "filler").unlink()
            self.ok(self.look(self.system))
            self.assertEqual(self.ok(self.look(self.data)).stdout, "blob\nlost+found\nmotd\n")
            self.assertEqual(self.beside(), ["a.raw", "b.qcow2"])

    def test_a_stop_before_the_commit_leaves_nothing(self):
        ended = subprocess.run(["timeout", "--signal=TERM", "3", *self.command()[:-1], "sleep 60"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        self.assertNotEqual(ended.returncode, 0)
        time.sleep(0.1)
        self.assertEqual(self.beside(), ["a.raw", "b.qcow2"])
        self.assertEqual(self.motds(), ["old", "old"])


if __name__ == "__main__":
    unittest.main()
