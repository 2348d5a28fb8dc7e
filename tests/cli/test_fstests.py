#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""slipway fstests on our small suite, in machines of User-mode Linux with this host's tree as their root."""
import json
import re
import shutil
import subprocess
import unittest
from pathlib import Path
from xml.etree import ElementTree

from support import Case, slipway

SUITE = Path(__file__).resolve().parents[1] / "fstests-suite"
UML = shutil.which("linux.uml")


@unittest.skipUnless(UML, "linux.uml is missing (package user-mode-linux)")
class Run(Case):
    def fstests(self, *arguments, timeout=600):
        homes = {f"XDG_{name}_HOME": str(self.scratch / name.lower()) for name in ("DATA", "STATE")}
        return slipway("fstests", *arguments, env=homes, timeout=timeout)

    def run_suite(self, *arguments):
        return self.fstests("run", "--kernel", UML, "--root", "host", "--fstests", SUITE, "--disk-size", "1G", *arguments)

    def rows_in_a_browser(self, page, script=""):
        """The names of the tests that a reader sees, after what the script does on the page; and how many bars the chart has."""
        seen = self.scratch / "seen.html"
        seen.write_text(page.read_text().replace("</body>", f"<script>{script}</script></body>"))
        done = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.scratch}/chromium", "--dump-dom",
                               f"file://{seen}"], capture_output=True, text=True, timeout=120, check=True)
        rows = re.findall(r'<tr class="[a-z]+" data-status="[a-z ]+"( hidden="")?><td>([^<]+)', done.stdout)
        return [name.removeprefix("plain:") for hidden, name in rows if not hidden], len(re.findall("<rect ", done.stdout))

    def test_a_root_that_is_not_there(self):
        done = self.fstests("run", "--kernel", UML, "--root", "nosuch", "--fstests", SUITE)
        self.refused(done, 4, "there is no root at", "slipway rootfs create")
        self.assertFalse((self.scratch / "state/slipway/fstests/runs").exists(), "a run that never began")

    def test_a_run_goes_on_after_a_hang_and_a_crash(self):
        config = self.scratch / "local.config"
        config.write_text("[plain]\nFSTYP=ext4\nCRASH_TRIGGER=/proc/sysrq-trigger\nTEST_DEV=/dev/sda\n")
        junit, html = self.scratch / "junit.xml", self.scratch / "page.html"
        done = self.run_suite("--sections", config, "--tests", "generic/* ext4/001 -e generic/009", "--timeout", "30",
                              "--save-baseline", "first", "--junit", junit, "--html", html, "--json")
        self.assertEqual(done.returncode, 1, done.stderr)
        run = json.loads(done.stdout)
        found = {test["name"]: test["status"] for test in run["tests"]}
        self.assertEqual(found, {
            "ext4/001": "passed", "generic/001": "passed", "generic/002": "passed", "generic/003": "failed",
            "generic/004": "failed", "generic/005": "not run", "generic/006": "not run", "generic/007": "timed out",
            "generic/008": "crashed", "generic/009": "expunged", "generic/010": "failed", "generic/011": "passed",
            "generic/012": "passed", "generic/013": "not run"})
        tests = {test["name"]: test for test in run["tests"]}
        self.assertEqual(tests["generic/008"]["complaints"][0]["kind"], "panic")
        self.assertIn("+a line that is not expected", tests["generic/003"]["diff"])
        self.assertTrue((Path(run["run"]["directory"]) / tests["generic/003"]["full"]).exists())
        self.assertEqual(len(run["machines"]), 3)
        self.assertEqual([need["name"] for need in run["needs"]], ["SCRATCH_DEV_POOL", "fio", "no-such-fsgqa"])
        self.assertIn("[plain] TEST_DEV", run["notes"][0])
        suite = ElementTree.parse(junit).getroot().find("testsuite")
        self.assertEqual((suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")), ("14", "3", "2", "4"))
        page = html.read_text()
        self.assertIn("generic/008", page)
        self.assertIn("<option>not reached</option>", page)
        self.assertNotIn("http", page.replace("http-equiv", ""))
        if shutil.which("chromium"):
            rows, bars = self.rows_in_a_browser(html)
            self.assertEqual(sorted(rows), sorted(found))
            self.assertGreater(bars, 5)
            rows, _ = self.rows_in_a_browser(html, "kind.value = 'bad'; kind.dispatchEvent(new Event('input'));")
            self.assertEqual(sorted(rows), [f"generic/{number}" for number in ("003", "004", "007", "008", "010")])
            rows, _ = self.rows_in_a_browser(html, "word.value = 'EXT4'; word.dispatchEvent(new Event('input'));")
            self.assertEqual(rows, ["ext4/001"])

        refused = self.run_suite("--tests", "generic/001", "--save-baseline", "first")
        self.assertEqual(refused.returncode, 4)
        self.assertIn("there is a baseline first already", refused.stderr)
        again = self.run_suite("--sections", config, "--tests", "generic/001 generic/004", "--compare", "first", "--json")
        self.assertEqual(again.returncode, 0, again.stderr)
        comparison = json.loads(again.stdout)["comparison"]
        self.assertEqual((comparison["unchanged"], comparison["still_bad"], comparison["not_selected"]), (2, 1, 12))
        self.assertEqual(self.fstests("baseline", "compare", "first").returncode, 0)
        self.assertIn("first", self.ok(self.fstests("baseline", "list")).stdout)
        failed = self.fstests("run", "--kernel", "/nowhere", "--root", "host", "--fstests", SUITE, "--fstype", "ext4", "--tests", "generic/001", "--compare", "first")
        self.assertEqual(failed.returncode, 4)
        compared = self.fstests("baseline", "compare", "first")  # with the newest, which that is
        self.assertEqual(compared.returncode, 4, compared.stdout)
        self.assertIn("ended early, and cannot be compared", compared.stderr)

    def test_shards_run_at_the_same_time(self):
        done = self.run_suite("--fstype", "xfs", "--shards", "2", "--tests", "-g quick -x broken", "--json")
        run = json.loads(self.ok(done).stdout)
        self.assertEqual(len(run["machines"]), 2)
        self.assertEqual({machine["shard"] for machine in run["machines"]}, {1, 2})
        self.assertEqual(run["summary"]["passed"], 5)

    def test_each_disk_for_its_purpose(self):
        done = self.run_suite("--fstype", "ext4", "--pool", "3", "--logwrites", "--tests", "generic/002 generic/013", "--json")
        tests = {test["name"]: test for test in json.loads(self.ok(done).stdout)["tests"]}
        self.assertEqual(tests["generic/013"]["status"], "passed", tests)
        self.assertEqual(tests["generic/002"]["status"], "not run")

    def test_nothing_on_a_disk_of_this_host(self):
        for arguments in (("--fstype", "tmpfs"), ("--fstype", "xfs", "--devices", "tmpfs")):
            with self.subTest(arguments):
                done = self.run_suite(*arguments, "--tests", "generic/001 generic/011", "--json")
                self.assertEqual(json.loads(self.ok(done).stdout)["summary"]["passed"], 2)

    def test_what_tests_missed_is_added_to_the_root(self):
        root = self.scratch / "root"
        self.ok(slipway("rootfs", "create", "--profile", "minimal", "--packages", "gawk", "--path", root, timeout=300))
        arguments = ("run", "--kernel", UML, "--root", root, "--fstests", SUITE, "--disk-size", "1G", "--tests", "generic/001 generic/005",
                     "--install-missing", "--json")
        elsewhere = json.loads(self.ok(self.fstests(*arguments, "--mirror", "http://127.0.0.1:1")).stdout)
        self.assertIn("127.0.0.1:1", elsewhere["notes"][0])
        done = self.fstests(*arguments)
        run = json.loads(self.ok(done).stdout)
        self.assertEqual({test["name"]: test["status"] for test in run["tests"]}, {"generic/001": "passed", "generic/005": "not run"})
        self.assertIn("was made anew with fio", run["notes"][0])
        self.assertTrue((root / "usr/bin/fio").exists())
        self.assertTrue((root / "usr/bin/gawk").exists(), "what was added before is kept")

    def test_a_kernel_without_the_file_system(self):
        done = self.run_suite("--fstype", "zonefs", "--tests", "generic/001")
        self.assertEqual(done.returncode, 3)
        self.assertIn("has no driver zonefs", done.stderr)


class WithoutMachines(Case):
    def test_groups(self):
        groups = json.loads(self.ok(slipway("fstests", "groups", "--fstests", SUITE, "--fstype", "xfs", "--json")).stdout)
        self.assertEqual({group["name"]: group["tests"] for group in groups["groups"]}["quick"], 9)

    def test_baselines_that_others_wrote(self):
        place = self.scratch / "slipway/baselines"
        place.mkdir(parents=True)
        (place / "odd.json").write_text(json.dumps({"schema": "slipway.fstests-baseline.v1", "name": "odd", "fstype": "ext4",
                                                    "tests": {"generic/\x1b[2J": {"status": "failed", "reason": "\x1b[31m"}}}))
        (place / "none.json").write_text("{}")
        (self.scratch / "result.json").write_text('{"schema": "slipway.fstests.v1"}')
        homes = {"XDG_DATA_HOME": str(self.scratch), "XDG_STATE_HOME": str(self.scratch)}
        shown = self.ok(slipway("fstests", "baseline", "show", "odd", env=homes)).stdout
        self.assertIn("generic/?[2J", shown)
        self.assertNotIn("\x1b", shown)
        listed = self.ok(slipway("fstests", "baseline", "list", env=homes))
        self.assertIn("none.json", listed.stderr)
        self.assertEqual(len(listed.stdout.splitlines()), 1)
        compared = slipway("fstests", "baseline", "compare", "odd", self.scratch / "result.json", env=homes)
        self.assertEqual(compared.returncode, 4)
        self.assertIn("lacks its id", compared.stderr)

    def test_what_cannot_be(self):
        for arguments, code, words in (
                (("run", "--kernel", "host", "--fstests", "/nowhere"), 4, "/nowhere"),
                (("run", "--kernel", "host", "--fstests", SUITE, "--fstype", "nfs"), 2, "needs a server"),
                (("run", "--kernel", "host", "--fstests", SUITE, "--tests", "generic/999"), 4, "generic/999"),
                (("run", "--kernel", "host", "--fstests", SUITE, "--compare", "no-such"), 4, "no-such"),
                (("run", "--kernel", "/nowhere", "--fstests", SUITE, "--root", "host", "--tests", "generic/001"), 4, "/nowhere"),
                (("run", "--kernel", UML or "host", "--root", "host", "--fstests", SUITE, "--save-baseline", "../x"), 2, "no name of a baseline"),
                (("run", "--kernel", UML or "host", "--root", "host", "--fstests", SUITE, "--html", "/nowhere/page"), 4, "/nowhere"),
                (("groups", "--fstests", SUITE, "--fstype", "nfs"), 2, "needs a server"),
                (("run", "--kernel", "host", "--fstests", SUITE, "--pool", "11"), 2, "2 to 10 disks"),
                (("baseline", "show", "../x"), 2, "no name of a baseline")):
            with self.subTest(arguments=arguments):
                done = slipway("fstests", *arguments, env={"XDG_DATA_HOME": str(self.scratch), "XDG_STATE_HOME": str(self.scratch)})
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
