#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`slipway mcp` with the official client of the protocol, and with a peer that keeps to nothing."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

import schema_check
from mcp_peers import CLIENT, Client, RawPeer
from support import SLIPWAY, Case, digest, guest, mini, mini_tree, mounted, slipway

READ_ONLY = {"inspect_image", "prove_boot", "doctor", "plan_fix", "check_test_rootfs", "list_test_rootfs", "fstests_groups", "fstests_baseline_list",
             "fstests_baseline_show", "fstests_baseline_compare", "job_list", "job_status", "job_result", "job_read"}
UML = "/usr/bin/linux.uml"
SUITE = str(Path(__file__).resolve().parents[1] / "fstests-suite")
SLEEP = ("/bin/sh", "-c", "echo begun; sleep 600")
MOST = 4000  # characters: under 1,000 tokens


def size(result):
    """Characters of a result, as the client's model would see it."""
    return len(json.dumps({key: value for key, value in result.items() if key != "progress"}, ensure_ascii=False))


class WithClient(Case):
    def setUp(self):
        super().setUp()
        if not shutil.which("node") or not (CLIENT / "node_modules").is_dir():
            self.skipTest("no MCP client: ./dev setup installs it")

    def done(self, result):
        self.assertFalse(result.get("isError"), result)
        self.assertLess(size(result), MOST)
        self.assertEqual(result["structuredContent"]["state"], "done")
        return result["structuredContent"]["result"]

    def failed(self, result, code, *words):
        self.assertTrue(result["isError"], result)
        self.assertLess(size(result), MOST)
        error = result["structuredContent"]["error"]
        self.assertEqual(error["code"], code)
        for word in words:
            self.assertIn(word, error["message"] + error["hint"])
            self.assertIn(word, result["content"][0]["text"])
        return error

    def wait_for_worker(self):
        """Until the guest's program runs: then there is something to be left behind."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if any(name.startswith(("slipway-worker", "linux")) for name in self.new_leaks().get("processes", [])):
                time.sleep(1)
                return
            time.sleep(0.05)
        self.fail("no worker was started")


class Guests(WithClient):
    def setUp(self):
        super().setUp()
        self.image = mini(self.scratch / "a.raw")

    def test_newest_revision_and_tools(self):
        with Client() as client:
            self.assertEqual(client.server["revision"], "2025-11-25")
            self.assertEqual(client.server["version"]["name"], "slipway")
            tools = {tool["name"]: tool for tool in client.server["tools"]}
            self.assertLessEqual(READ_ONLY | {"run_in_image", "apply_fix", "job_cancel"}, set(tools))
            for name, tool in tools.items():
                with self.subTest(name):
                    self.assertEqual(tool["annotations"]["readOnlyHint"], name in READ_ONLY)
                    self.assertFalse(tool["inputSchema"]["additionalProperties"])
                    for schema in (tool["inputSchema"], tool.get("outputSchema", {"properties": {}})):
                        self.assertTrue(all("description" in each for each in schema["properties"].values()))
            self.assertTrue(tools["apply_fix"]["annotations"]["destructiveHint"])
            self.assertFalse(tools["plan_fix"]["annotations"]["destructiveHint"])
            client.do("request", method="ping")
            self.assertEqual(client.close(), 0)

    def test_every_field_of_a_schema_is_checked_as_it_says(self):
        """A value of another type than the schema's is refused for each argument of each tool, with its name."""
        wrong = {"string": 7, "boolean": "yes", "integer": "1", "number": "1", "array": "x", "object": 3}
        with Client() as client:
            for tool in client.server["tools"]:
                for name, schema in tool["inputSchema"]["properties"].items():
                    given = {each: "x" if tool["inputSchema"]["properties"][each]["type"] == "string" else ["x"] for each in tool["inputSchema"].get("required", [])}
                    self.failed(client.call(tool["name"], **{**given, name: wrong[schema["type"]]}), "invalidArgument", f"'{name}'")
                self.failed(client.call(tool["name"], nonsense=1), "invalidArgument", "'")

    def test_inspect(self):
        with Client() as client:
            found = self.done(client.call("inspect_image", image=str(self.image), deep=True))
            self.assertEqual((found["distro"], found["root"], found["kernels"]), ("debian", "sda1", ["6.1.0-1-amd64"]))
            said = json.loads(slipway("inspect", self.image, "--json").stdout)
            self.assertEqual([each["id"] for each in found["findings"]][0], "kernel-root-unstable")
            resource, = client.do("request", method="listResources")["resources"]
            contents, = client.do("request", method="readResource", params={"uri": resource["uri"]})["contents"]
            report = json.loads(contents["text"])
            self.assertEqual((report["os"], contents["mimeType"]), (said["os"], "application/json"))
            self.assertEqual(resource["size"], len(contents["text"].encode()))

    def test_errors_have_a_code_and_a_hint(self):
        with Client() as client:
            self.failed(client.call("inspect_image", image=str(self.scratch / "none")), "notFound", "No such file")
            (self.scratch / "empty").write_bytes(b"")
            self.failed(client.call("inspect_image", image=str(self.scratch / "empty")), "invalidArgument", "empty")
            self.failed(client.call("inspect_image"), "invalidArgument", "'image' is missing")
            self.failed(client.call("job_status", job_id="77"), "notFound", "77")
            self.failed(client.call("inspect_image", image=str(self.image), keys=["all:prompt"]), "invalidArgument", "file")
            with self.assertRaisesRegex(RuntimeError, "-32602"):
                client.call("no_such_tool")
            with self.assertRaisesRegex(RuntimeError, "-32002"):
                client.do("request", method="readResource", params={"uri": "slipway://job/77/log"})

    def test_run(self):
        before = digest(self.image)
        with Client() as client:
            ran = self.done(client.call("run_in_image", image=str(self.image), input="from the client\n", env=["WORD=spoken"],
                                        argv=["/bin/sh", "-c", "cat; echo $WORD; echo bad >&2; echo x > /made; exit 3"]))
            self.assertEqual((ran["status"], ran["output"], ran["errors"]), (3, "from the client\nspoken\n", "bad\n"))
            self.assertEqual(digest(self.image), before)
            self.done(client.call("run_in_image", image=str(self.image), argv=["/bin/sh", "-c", "echo kept > /made"], write=True))
            self.assertEqual(slipway("cat", self.image, "/made").stdout, "kept\n")
            self.assertEqual(self.done(client.call("run_in_image", image=str(self.image), argv=["/bin/none"]))["status"], 127)
            slow = self.done(client.call("run_in_image", image=str(self.image), argv=list(SLEEP), timeout_seconds=0.5))
            self.assertTrue(slow["timed_out"])
            self.failed(client.call("run_in_image", image=str(self.image), argv=[]), "invalidArgument", "'argv' is empty")

    def proof(self, client, image):
        """On a busy machine that takes longer than a call waits: then it is a job."""
        result = client.call("prove_boot", image=image, timeout_seconds=600)
        while result["structuredContent"].get("state") == "running":
            result = client.call("job_result", job_id=result["structuredContent"]["job_id"])
        return self.done(result)

    def test_proofs(self):
        with Client() as client:
            proof = self.proof(client, guest("debian12-stock"))
            self.assertTrue(proof["login"], proof)
            proof = self.proof(client, guest("prove-kernel"))
            self.assertFalse(proof["login"])
            self.assertIn("invalid magic number", proof["likely_cause"] + proof["console"])

    def test_much_output_is_short_in_the_result_and_whole_in_pages(self):
        with Client() as client:
            result = client.call("run_in_image", image=str(self.image), argv=["/bin/sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line€ $i; i=$((i+1)); done"])
            ran = self.done(result)
            whole = "".join(f"line€ {i}\n" for i in range(20000))
            self.assertEqual(ran["output_size"], len(whole.encode()))
            self.assertTrue(ran["output"].endswith("line€ 19999\n"))
            uri, text = result["structuredContent"]["resources"][0], ""
            while uri:
                contents, = client.do("request", method="readResource", params={"uri": uri})["contents"]
                text += contents["text"]
                uri = contents["_meta"].get("slipway/next")
            self.assertEqual(text, whole)
            job = result["structuredContent"]["job_id"]
            page = client.call("job_read", job_id=job, name="output", offset=10)
            self.assertLess(size(page), MOST)
            self.assertTrue(page["content"][0]["text"].split("\n", 1)[1].startswith("line€ 1\n"))
            self.assertIn("line€ 19999\n", client.call("job_read", job_id=job, name="output", last=True)["content"][0]["text"])

    def test_a_plan_is_applied_once(self):
        with Client() as client:
            before = digest(self.image)
            plan = self.done(client.call("plan_fix", image=str(self.image)))
            self.assertEqual(digest(self.image), before)
            self.assertTrue(any("/etc/fstab" in each["text"] for each in plan["actions"]))
            self.failed(client.call("apply_fix", image=str(self.image)), "invalidArgument", "'plan_id' is missing")
            self.failed(client.call("apply_fix", image=str(self.image), plan_id="plan-0123456789abcdef"), "notFound", "plan_fix")
            other = mini(self.scratch / "b.raw")
            self.failed(client.call("apply_fix", image=str(other), plan_id=plan["plan_id"]), "invalidArgument", "b.raw")
            self.assertEqual(digest(self.image), before)
            fixed = self.done(client.call("apply_fix", image=str(self.image), plan_id=plan["plan_id"]))
            self.assertTrue(fixed["bootable"])
            self.assertEqual([each["state"] for each in fixed["outcomes"]], ["done"] * len(plan["actions"]))
            self.failed(client.call("apply_fix", image=str(self.image), plan_id=plan["plan_id"]), "busy", "has changed")
            again = self.done(client.call("plan_fix", image=str(self.image)))
            self.assertEqual(again["actions"], [])

    def test_a_plan_is_refused_after_any_change(self):
        with Client() as client:
            def plan():
                return self.done(client.call("plan_fix", image=str(self.image)))["plan_id"]

            def refused(made):
                now = digest(self.image)
                self.failed(client.call("apply_fix", image=str(self.image), plan_id=made), "busy", "has changed", "plan_fix")
                self.assertEqual(digest(self.image), now)

            made = plan()
            self.ok(slipway("put", self.image, "/etc/hostname", "/etc/hostname"))
            refused(made)
            made = plan()
            shutil.copy(self.image, self.scratch / "copy")
            (self.scratch / "copy").rename(self.image)  # the same contents in another file
            refused(made)
            made = plan()
            seen = os.stat(self.image)
            self.ok(slipway("run", "--write", self.image, "--", "/bin/sh", "-c", "echo /dev/sdz9 /mnt ext4 defaults 0 0 >> /etc/fstab"))
            os.utime(self.image, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # nobody would know by the time
            if os.stat(self.image).st_ino == seen.st_ino:
                refused(made)
            made = plan()
            self.image.unlink()
            self.failed(client.call("apply_fix", image=str(self.image), plan_id=made), "busy")

    def test_plan_of_an_image_whose_journal_waits(self):
        """The plan is that of the files as they are once the journal is replayed: those that apply_fix finds."""
        dirty = self.scratch / "dirty.raw"
        with mounted(self.image) as root:
            with open(root / "etc/fstab", "a", encoding="ascii") as table:
                table.write("/dev/sda1 /late ext4 defaults 0 0\n")
                table.flush()
                os.fsync(table.fileno())
            shutil.copyfile(self.image, dirty)
        before = digest(dirty)
        with Client() as client:
            plan = self.done(client.call("plan_fix", image=str(dirty)))
            self.assertEqual(digest(dirty), before)
            self.assertIn("/late", json.dumps(plan["actions"]))
            self.assertTrue(self.done(client.call("apply_fix", image=str(dirty), plan_id=plan["plan_id"]))["bootable"])
        self.assertNotIn("/dev/sda1", slipway("cat", dirty, "/etc/fstab").stdout)

    def test_long_work_is_a_job(self):
        with Client() as client:
            result = client.call("run_in_image", image=str(self.image), argv=list(SLEEP), wait_seconds=1)
            running = result["structuredContent"]
            self.assertEqual(running["state"], "running")
            self.assertIn(f'job_id "{running["job_id"]}"', result["content"][0]["text"])
            job = running["job_id"]
            client.do("request", method="ping")
            self.done(client.call("inspect_image", image=str(mini(self.scratch / "b.raw"))))
            status = self.done(client.call("job_status", job_id=job))
            self.assertEqual((status["tool"], status["state"]), ("run_in_image", "running"))
            self.assertIn("begun", client.call("job_read", job_id=job, name="output")["content"][0]["text"])
            self.assertEqual(client.call("job_result", job_id=job, wait_seconds=0.2)["structuredContent"]["state"], "running")
            self.assertTrue(self.done(client.call("job_cancel", job_id=job))["stop_requested"])
            self.failed(client.call("job_result", job_id=job), "cancelled")
            self.assertEqual([each["state"] for each in self.done(client.call("job_list"))["jobs"]], ["done", "cancelled"])

    def test_progress_comes_until_the_end(self):
        with Client() as client:
            # The client's own patience is shorter than the call: progress makes it wait.
            result = client.call("run_in_image", timeout=7000, image=str(self.image), argv=["/bin/sh", "-c", "sleep 12; echo over"])
            self.assertEqual(self.done(result)["output"], "over\n")
            values = [each["progress"] for each in result["progress"]]
            self.assertGreaterEqual(len(values), 2)
            self.assertEqual(values, sorted(set(values)))
            self.assertTrue(all(each["message"] for each in result["progress"]))

    def test_a_call_is_cancelled_and_its_processes_end(self):
        with Client() as client:
            with self.assertRaisesRegex(RuntimeError, "enough"):
                client.call("run_in_image", cancel_after=1500, image=str(self.image), argv=list(SLEEP))
            until = time.monotonic() + 20
            while self.done(client.call("job_list"))["jobs"][0]["state"] == "running" and time.monotonic() < until:
                time.sleep(0.1)
            self.assertEqual(self.done(client.call("job_list"))["jobs"][0]["state"], "cancelled")
            self.assertEqual([each for each in self.new_leaks().get("processes", []) if "worker" in each], [])
            self.assertEqual(client.do("state")["errors"], [])

    def test_close_in_the_middle_of_a_call(self):
        with Client() as client:
            client.call("run_in_image", image=str(self.image), argv=list(SLEEP), wait_seconds=0.5)
            started = time.monotonic()
            client.close()
            self.assertLess(time.monotonic() - started, 4)  # the client's own escalation to SIGKILL
        self.assertEqual(self.settled_leaks(), {})

    def test_client_killed_in_the_middle_of_a_call(self):
        for options in ({"engine": "host"}, {"engine": "sandbox"}):
            with self.subTest(options), Client() as client:
                client.begin("call", name="run_in_image", arguments={"image": str(self.image), "argv": list(SLEEP), **options})
                self.wait_for_worker()
                client.process.kill()
                client.process.wait()
                self.assertEqual(self.settled_leaks(20), {})

    def test_server_killed_in_the_middle_of_a_call(self):
        for options in ({"engine": "host"}, {"engine": "sandbox"}):
            with self.subTest(options), Client() as client:
                client.begin("call", name="run_in_image", arguments={"image": str(self.image), "argv": list(SLEEP), **options})
                self.wait_for_worker()
                os.kill(client.server["pid"], signal.SIGKILL)
                with self.assertRaisesRegex(RuntimeError, "closed"):
                    client.end()
                self.assertEqual([each for each in self.settled_leaks(20).get("processes", [])], [])


class Kernels(WithClient):
    """With User-mode Linux, and this host's tree as the root."""

    def boot(self, client, *argv, **more):
        return client.call("boot_kernel", kernel_path=UML, root="host", argv=list(argv), **more)

    def test_a_command_in_a_kernel(self):
        with Client() as client:
            result = self.boot(client, "sh", "-c", "cat; uname -r; echo bad >&2; exit 7", input="typed\n")
            booted = self.done(result)
            self.assertEqual((booted["end"], booted["status"], booted["machine"], booted["root_share"]), ("exited", 7, "uml", "hostfs"))
            self.assertEqual((booted["output"], booted["errors"]), (f"typed\n{booted['kernel_release']}\n", "bad\n"))
            console = client.call("job_read", job_id=result["structuredContent"]["job_id"], name="console")["content"][0]["text"]
            self.assertIn("System halted", console)

    def test_a_panic_is_a_result(self):
        with Client() as client:
            booted = self.done(self.boot(client, "sh", "-c", "echo c > /proc/sysrq-trigger; sleep 60"))
            self.assertEqual(booted["end"], "panicked")
            self.assertNotIn("status", booted)
            self.assertTrue(any(report["kind"] == "panic" and report["fatal"] for report in booted["reports"]), booted)

    def test_what_is_no_kernel(self):
        (self.scratch / "text").write_text("no kernel")
        with Client() as client:
            self.assertEqual(self.done(client.call("boot_kernel", kernel_path=UML, root="host"))["status"], 0)
            self.failed(client.call("boot_kernel", kernel_path=str(self.scratch / "none"), root="host"), "notFound", "there is no kernel", "bzImage")
            self.failed(client.call("boot_kernel", kernel_path=str(self.scratch / "text"), root="host"), "corrupt", "no Linux kernel")
            self.failed(client.call("boot_kernel", kernel_path=UML, root="host", argv=[]), "invalidArgument", "'argv' is empty")
            self.failed(client.call("boot_kernel", kernel_path=UML, root="host", memory_mib=1), "invalidArgument", "'memory_mib'")
            self.failed(client.call("boot_kernel", kernel_path=UML, root="host", shared=[{"guest": "/x"}]), "invalidArgument", "'shared[0].host'")

    def test_client_killed_while_a_machine_runs(self):
        with Client() as client:
            client.begin("call", name="boot_kernel", arguments={"kernel_path": UML, "root": "host", "argv": ["sleep", "600"]})
            self.wait_for_worker()
            client.process.kill()
            client.process.wait()
            self.assertEqual(self.settled_leaks(20), {})

    def test_fstests(self):
        with Client(env={f"XDG_{name}_HOME": str(self.scratch / name.lower()) for name in ("DATA", "STATE")}) as client:
            self.assertEqual(self.done(client.call("fstests_groups", fstests_path=SUITE, fstype="xfs"))["groups"]["quick"], 9)
            self.failed(client.call("fstests_vm_boot_and_run", kernel_path=UML, fstests_path=str(self.scratch)), "notFound")
            self.failed(client.call("fstests_vm_boot_and_run", kernel_path=UML, fstests_path=SUITE, use_custom_rootfs=False, custom_rootfs_path="x"),
                        "invalidArgument", "use_custom_rootfs")
            result = client.call("fstests_vm_boot_and_run", timeout=300_000, wait_seconds=290, kernel_path=UML, fstests_path=SUITE, fstype="ext4",
                                 use_custom_rootfs=False, tests=["generic/001", "generic/003"])
            run = self.done(result)
            self.assertEqual((run["passed"], run["failed"], [each["test"] for each in run["bad"]]), (1, 1, ["generic/003"]))
            log = client.call("job_read", job_id=result["structuredContent"]["job_id"])["content"][0]["text"]
            self.assertIn("generic/003", log)
            saved = self.done(client.call("fstests_baseline_save", name="first", run=run["directory"]))
            self.assertEqual(saved["statuses"], {"failed": 1, "passed": 1})
            self.failed(client.call("fstests_baseline_save", name="first"), "exists")
            self.assertEqual([each["name"] for each in self.done(client.call("fstests_baseline_list"))["baselines"]], ["first"])
            self.assertEqual([each["test"] for each in self.done(client.call("fstests_baseline_show", name="first"))["bad"]], ["generic/003"])
            compared = self.done(client.call("fstests_baseline_compare", name="first"))
            self.assertEqual((compared["regressions"], compared["unchanged"], compared["still_bad"]), ([], 2, 1))
            self.failed(client.call("fstests_baseline_compare", name="none"), "notFound")

    def test_roots(self):
        place = {"XDG_DATA_HOME": str(self.scratch / "data")}
        with Client(env=place) as client:
            self.failed(client.call("check_test_rootfs"), "notFound", "create")
            (self.scratch / "mine").mkdir()
            (self.scratch / "mine/file").write_text("precious")
            self.failed(client.call("delete_test_rootfs", rootfs_path=str(self.scratch / "mine")), "invalidArgument")
            self.assertEqual((self.scratch / "mine/file").read_text(), "precious")
            self.failed(client.call("create_test_rootfs", ubuntu_release="no-such-release"), "invalidArgument", "jammy")
            root = self.done(client.call("create_test_rootfs", timeout=600_000, wait_seconds=590, profile="minimal", rootfs_path="small"))["root"]
            self.assertEqual(root["path"], str(self.scratch / "data/slipway/rootfs/small"))
            self.assertEqual(self.done(client.call("check_test_rootfs", rootfs_path="small"))["state"], "ready")
            self.failed(client.call("create_test_rootfs", profile="minimal", rootfs_path="small"), "exists", "'force' replaces a root")
            self.assertEqual([each["name"] for each in self.done(client.call("list_test_rootfs"))["roots"]], ["small"])
            booted = self.done(client.call("boot_kernel", kernel_path=UML, root="small", argv=["cat", "/etc/os-release"]))
            self.assertIn(root["release"], booted["output"])
            self.assertEqual(self.done(client.call("delete_test_rootfs", rootfs_path="small"))["deleted"], root["path"])
            self.assertFalse(Path(root["path"]).exists())


class RawProtocol(Case):
    def setUp(self):
        super().setUp()
        self.image = mini(self.scratch / "a.raw")

    def code(self, peer, line):
        peer.write(line + b"\n")
        return peer.next()["error"]["code"]

    def test_revisions(self):
        for asked, given in (("2025-11-25", "2025-11-25"), ("2025-06-18", "2025-06-18"), ("2025-03-26", "2025-03-26"),
                             ("2024-11-05", "2024-11-05"), ("2099-01-01", "2025-11-25"), ("", "2025-11-25")):
            with RawPeer(initialize=asked or "x") as peer:
                self.assertEqual(peer.initialized["result"]["protocolVersion"], given)
                self.assertEqual(peer.close(), 0)

    def test_what_is_no_message_is_answered_and_the_server_goes_on(self):
        with RawPeer() as peer:
            for line, code in ((b"nonsense", -32700), (b'{"jsonrpc":"2.0","id":1', -32700), (b'{"a":"\xff\xfe"}', -32700), (b"\x00\x01\x02", -32700),
                               (b"[" * 100_000, -32700), (b'{"a":' * 500 + b"1" + b"}" * 500, -32700), (b'"' + b"x" * (5 << 20) + b'"', -32700),
                               (b"[]", -32600), (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600), (b"1", -32600), (b"null", -32600), (b"{}", -32600),
                               (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600), (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
                               (b'{"jsonrpc":"2.0","id":1,"method":"tools/cal"}', -32601), (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32602)):
                with self.subTest(line[:50]):
                    self.assertEqual(self.code(peer, line), code)
            self.assertEqual(peer.ask("ping")["result"], {})
            self.assertEqual(peer.close(), 0)
            self.assertEqual(peer.errors, b"")

    def test_ids_come_back_as_they_were(self):
        with RawPeer() as peer:
            for number in ("text", "", 0, -5, 2 ** 40, 2 ** 63, "ü"):
                peer.send({"jsonrpc": "2.0", "id": number, "method": "ping"})
                self.assertEqual(peer.next()["id"], number)

    def test_before_initialize(self):
        with RawPeer(initialize=None) as peer:
            self.assertEqual(peer.ask("ping")["result"], {})
            self.assertEqual(peer.ask("tools/list")["error"]["code"], -32600)
            self.assertEqual(peer.ask("initialize")["error"]["code"], -32602)
            self.assertEqual(peer.close(), 0)

    def test_batches_of_the_revision_that_has_them(self):
        with RawPeer(initialize="2025-03-26") as peer:
            peer.send([{"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"jsonrpc": "2.0", "method": "notifications/x"},
                       {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "inspect_image", "arguments": {"image": str(self.image)}}}])
            self.assertEqual([each["id"] for each in peer.next()], [1, 2])

    def test_results_fit_the_schemas(self):
        with RawPeer() as peer:
            schemas = {tool["name"]: tool.get("outputSchema") for tool in peer.ask("tools/list")["result"]["tools"]}
            for name, arguments in (("inspect_image", {"image": str(self.image)}), ("inspect_image", {"image": "/none"}), ("doctor", {}), ("job_list", {}),
                                    ("plan_fix", {"image": str(self.image)}), ("run_in_image", {"image": str(self.image), "argv": ["/bin/true"]}),
                                    ("job_status", {"job_id": "1"}), ("job_result", {"job_id": "1"}), ("job_cancel", {"job_id": "1"})):
                with self.subTest(name):
                    numbers = {"minimum", "maximum"}
                    schema = json.loads(json.dumps(schemas[name]), object_hook=lambda each: {key: value for key, value in each.items() if key not in numbers})
                    self.assertEqual(schema_check.check(peer.call(name, **arguments), schema), [])

    def test_many_groups_of_fstests_fit(self):
        suite = self.scratch / "suite"
        (suite / "tests/generic").mkdir(parents=True)
        (suite / "check").write_text("")
        (suite / "check").chmod(0o755)
        (suite / "tests/generic/group.list").write_text("".join(f"{number:03} some_group_{number} auto\n" for number in range(1, 500)))
        with RawPeer(env={"HOME": str(self.scratch)}) as peer:
            told = peer.ask("tools/call", name="fstests_groups", arguments={"fstests_path": "~/suite"})["result"]
            self.assertEqual((told["structuredContent"]["result"]["tests"], told["structuredContent"]["shortened"]), (499, True))
            self.assertLess(len(json.dumps(told)), 4000)
            hint = peer.call("fstests_groups", fstests_path="~")["error"]["hint"]
            self.assertIn("'fstests_path'", hint)
            tools = {tool["name"]: tool["annotations"] for tool in peer.ask("tools/list")["result"]["tools"]}
            self.assertTrue(tools["fstests_vm_boot_and_run"]["destructiveHint"])

    def test_every_tool_stands_in_the_manual(self):
        manual = (Path(__file__).resolve().parents[2] / "docs/mcp.md").read_text(encoding="utf-8")
        with RawPeer() as peer:
            names = {tool["name"] for tool in peer.ask("tools/list")["result"]["tools"]}
        told = {name for row in re.findall(r"^\| (`.*?) \|", manual.split("## What")[0], re.M) for name in re.findall(r"`(\w+)`", row)}
        self.assertEqual(told, names)

    def test_calls_run_beside_each_other(self):
        with RawPeer() as peer:
            images = [mini(self.scratch / f"{i}.raw") for i in range(4)]
            started = time.monotonic()
            numbers = [peer.begin_call("run_in_image", image=str(image), argv=["/bin/sleep", "3"]) for image in images]
            states = {number: peer.answer(number)["result"]["structuredContent"]["state"] for number in reversed(numbers[-1:])}
            self.assertEqual(states, {numbers[-1]: "done"})
            self.assertLess(time.monotonic() - started, 9)

    def test_two_writers_of_an_image_exclude_each_other(self):
        with RawPeer() as peer:
            first = peer.begin_call("run_in_image", image=str(self.image), argv=["/bin/sleep", "4"], write=True)
            time.sleep(1.5)
            second = peer.call("run_in_image", image=str(self.image), argv=["/bin/true"], write=True)
            self.assertEqual(second["error"]["code"], "busy")
            self.assertEqual(peer.answer(first)["result"]["structuredContent"]["state"], "done")

    def test_as_many_jobs_as_may(self):
        with RawPeer("--jobs", "1") as peer:
            job = peer.call("run_in_image", image=str(self.image), argv=list(SLEEP), wait_seconds=0)["job_id"]
            busy = peer.call("doctor")
            self.assertEqual(busy["error"]["code"], "busy")
            self.assertIn("job_cancel", busy["error"]["hint"])
            peer.call("job_cancel", job_id=job)
            self.assertEqual(peer.call("job_result", job_id=job)["state"], "cancelled")
            self.assertEqual(peer.call("doctor")["state"], "done")

    def test_cancelled_calls_are_not_answered(self):
        with RawPeer() as peer:
            number = peer.begin_call("run_in_image", image=str(self.image), argv=list(SLEEP))
            peer.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number, "reason": "enough"}})
            self.assertEqual(peer.call("job_result", job_id="1")["state"], "cancelled")
            self.assertNotIn(number, [each.get("id") for each in peer.messages])
            self.assertEqual(peer.close(), 0)

    def test_logs_at_the_level_that_was_asked_for(self):
        with RawPeer() as peer:
            peer.ask("logging/setLevel", level="info")
            tools = mini(self.scratch / "tools.raw", "--tree", mini_tree(self.scratch / "tools", {}))
            plan = peer.call("plan_fix", image=str(tools), regen_initramfs=True)["result"]
            peer.call("apply_fix", image=str(tools), plan_id=plan["plan_id"])
            logs = [each["params"] for each in peer.messages if each.get("method") == "notifications/message"]
            self.assertTrue(any("running programs of the guest" in each["data"] and each["level"] == "info" for each in logs), logs)
            self.assertEqual(peer.close(), 0)
            self.assertIn(b"running programs of the guest", peer.errors)

    def test_end_of_input_in_the_middle(self):
        for options in ({"engine": "host"}, {"engine": "sandbox"}):
            with self.subTest(options), RawPeer() as peer:
                peer.begin_call("run_in_image", image=str(self.image), argv=list(SLEEP), **options)
                time.sleep(2.5)
                started = time.monotonic()
                self.assertEqual(peer.close(), 0)
                self.assertLess(time.monotonic() - started, 10)
                self.assertEqual(self.settled_leaks(), {})

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), RawPeer() as peer:
                peer.begin_call("run_in_image", image=str(self.image), argv=list(SLEEP))
                time.sleep(1)
                peer.process.send_signal(number)
                self.assertEqual(peer.process.wait(timeout=15), 128 + number)
                peer.close()
                self.assertIn(b"stopped on request", peer.errors)

    def test_a_reader_that_has_gone(self):
        reader, writer = os.pipe()
        process = subprocess.Popen([SLIPWAY, "mcp"], stdin=subprocess.PIPE, stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        os.close(reader)
        process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
        process.stdin.flush()  # and it stays open
        self.assertEqual(process.wait(timeout=20), 0)
        self.assertEqual(process.stderr.read(), b"")
        process.stdin.close()
        process.stderr.close()

    def test_nothing_of_the_host_is_a_resource(self):
        with RawPeer() as peer:
            for uri in ("file:///etc/passwd", "/etc/passwd", "slipway://job/../../etc/passwd", "slipway://job/1/../../x", "slipway://x", "", "slipway://job/1/log?offset=-1"):
                with self.subTest(uri):
                    self.assertEqual(peer.ask("resources/read", uri=uri)["error"]["code"], -32002)


if __name__ == "__main__":
    unittest.main()
