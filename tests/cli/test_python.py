#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python package: back ends, bad input, threads, a worker that dies, what reaches the images. The programs under test run in a
python3 of their own, as users' do."""
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import unittest
from pathlib import Path

from support import SLIPWAY, Case, digest, mini

PYTHON = "/usr/bin/python3"
PACKAGE = Path(SLIPWAY).resolve().parents[1] / "python"


def python(program, *arguments, path=PACKAGE, env=None, timeout=300):
    """Runs a program with the package in its path."""
    return subprocess.run([PYTHON, "-B", "-c", textwrap.dedent(program), *map(str, arguments)], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=timeout, env={**os.environ, "PYTHONPATH": str(path), **(env or {})})


# What most programs begin with.
BEGIN = """
import sys
import slipway
def handle(image, **options):
    g = slipway.create_guestfs(backend="sandbox")
    g.add_drive_opts(image, **options)
    g.launch()
    return g
def fails(call, *arguments, **more):
    try:
        call(*arguments, **more)
    except Exception as error:
        return error
    raise AssertionError(f"{call} {arguments} did not fail")
"""


class PythonCase(Case):
    def run_with(self, program, *arguments, **options):
        return self.ok(python(BEGIN + textwrap.dedent(program), *arguments, **options)).stdout

    def image(self, *options):
        return mini(self.scratch / "disk.raw", *options)


class BackEnds(PythonCase):
    def chosen(self, argument="None", **env):
        """The module of the handle that create_guestfs gives, or the exception."""
        program = f"""
            import slipway
            try:
                print(type(slipway.create_guestfs(backend={argument})).__module__)
            except Exception as error:
                print(type(error).__name__, error)
        """
        env.setdefault("SLIPWAY_GUESTFS_BACKEND", "")
        return self.ok(python(program, env=env)).stdout.strip()

    def test_argument_then_environment_then_native(self):
        self.assertEqual(self.chosen(), "slipway.guestfs")
        self.assertEqual(self.chosen("'host'"), "slipway.guestfs")
        self.assertIn("ValueError 'nonsense' is no back end", self.chosen(SLIPWAY_GUESTFS_BACKEND="nonsense"))
        self.assertEqual(self.chosen("'native'", SLIPWAY_GUESTFS_BACKEND="nonsense"), "slipway.guestfs")

    def test_auto_prefers_libguestfs(self):
        """A stand-in: libguestfs itself need not be installed."""
        (self.scratch / "guestfs.py").write_text("import libguestfsmod\nclass GuestFS:\n    def __init__(self, **_):\n        pass\n")
        (self.scratch / "libguestfsmod.py").write_text("")
        program = "import slipway; print(type(slipway.create_guestfs(backend='{}')).__module__)"
        both = f"{PACKAGE}:{self.scratch}"
        self.assertEqual(self.ok(python(program.format("auto"), path=both)).stdout, "guestfs\n")
        self.assertEqual(self.ok(python(program.format("libguestfs"), path=both)).stdout, "guestfs\n")
        self.assertEqual(self.ok(python(program.format("native"), path=both)).stdout, "slipway.guestfs\n")

    def test_auto_without_libguestfs_is_native(self):
        (self.scratch / "libguestfsmod.py").write_text("raise ImportError('not here')\n")
        both = f"{self.scratch}:{PACKAGE}"
        program = "import slipway; print(type(slipway.create_guestfs(backend='{}')).__module__)"
        self.assertEqual(self.ok(python(program.format("auto"), path=both)).stdout, "slipway.guestfs\n")
        refused = python(program.format("libguestfs"), path=both)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("ImportError", refused.stderr)

    def test_the_stand_in(self):
        program = """
            import guestfs
            g = guestfs.GuestFS(python_return_dict=True)
            print(guestfs.GuestFS.__module__, g.get_trace(), guestfs.EVENT_ALL, issubclass(guestfs.ClosedHandle, ValueError))
            print(hasattr(g, "cat"), hasattr(g, "no_such_call"), hasattr(guestfs.GuestFS, "command_with_mounts"))
        """
        said = self.ok(python(program, path=PACKAGE / "compat")).stdout.splitlines()
        self.assertEqual(said, ["guestfs 0 1023 True", "True False True"])


class States(PythonCase):
    def test_calls_at_the_wrong_time(self):
        said = self.run_with("""
            g = slipway.create_guestfs(backend="sandbox")
            print(fails(g.mount, "/dev/sda1", "/"))
            print(fails(g.ls, "/"))
            print(fails(g.launch))
            g.add_drive_opts(sys.argv[1], readonly=True, format="raw")
            g.launch()
            print(fails(g.launch))
            print(fails(g.ls, "/"))
            g.mount("/dev/sda1", "/")
            print(fails(g.mount, "/dev/sda1", "/"))
            g.shutdown()
            print(fails(g.ls, "/"))
            g.close()
            error = fails(g.ls, "/")
            print(type(error).__name__, error, isinstance(error, RuntimeError), isinstance(error, ValueError))
            print(type(fails(g.close)).__name__)
        """, self.image()).splitlines()
        self.assertIn("mount: the handle is not launched", said[0])
        self.assertIn("ls: the handle is not launched", said[1])
        self.assertIn("launch: no drives were added", said[2])
        self.assertIn("launch: the handle was launched already", said[3])
        self.assertIn("ls: no filesystem is mounted", said[4])
        self.assertIn("busy", said[5].lower())
        self.assertIn("ls: the handle is not launched", said[6])
        self.assertEqual(said[7], "ClosedHandle GuestFS: method called on closed handle True True")
        self.assertEqual(said[8], "ClosedHandle")

    def test_a_drive_that_cannot_be_opened(self):
        said = self.run_with("""
            g = slipway.create_guestfs(backend="sandbox")
            print(fails(g.add_drive_opts, "/no/such/image"))
            g.add_drive_opts(sys.argv[1])
            error = fails(g.launch)
            print(error.code, error)
        """, Path(__file__).parent).splitlines()
        self.assertEqual(said[0], "add_drive: /no/such/image: No such file or directory")
        self.assertTrue(said[1].startswith("unsupported launch: "), said)

    def test_twenty_handles_at_once(self):
        image = self.image()
        before = digest(image)
        said = self.run_with("""
            import threading
            names = []
            def work(number):
                with handle(sys.argv[1], readonly=True, format="raw") as g:
                    g.mount("/dev/sda1", "/")
                    g.write("/etc/hostname", f"guest {number}")
                    names.append(g.cat("/etc/hostname"))
            threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            print(len(names), len(set(names)))
        """, image, timeout=900)
        self.assertEqual(said, "20 20\n")
        self.assertEqual(digest(image), before)

    def test_two_threads_on_one_handle(self):
        said = self.run_with("""
            import threading
            g = handle(sys.argv[1], readonly=True, format="raw")
            g.mount("/dev/sda1", "/")
            wrong = []
            def work(number):
                for i in range(100):
                    g.write(f"/t{number}", f"{number} {i}" * 1000)
                    if g.cat(f"/t{number}") != f"{number} {i}" * 1000: wrong.append(i)
            threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            print(wrong)
        """, self.image())
        self.assertEqual(said, "[]\n")


class Arguments(PythonCase):
    def test_wrong_types_and_values(self):
        said = self.run_with(r"""
            g = handle(sys.argv[1], readonly=True, format="raw")
            g.mount("/dev/sda1", "/")
            for call, *arguments in ((g.cat, None), (g.cat, 1), (g.cat,), (g.cat, "/a", "/b"), (g.command, "ls"), (g.command, [1]),
                                     (g.truncate_size, "/etc/fstab", "1"), (g.truncate_size, "/etc/fstab", 2 ** 64),
                                     (g.cat, "/a\0b"), (g.cat, "a"), (g.cat, "/a/../../b"), (g.cat, "/" + "n" * 256),
                                     (g.mount, "btrfsvol:/dev/sda1/a,b", "/"), (g.vfs_type, "/etc/passwd"), (g.vfs_type, "/dev/sdz"),
                                     (g.mount_options, "device=/dev/sda1", "/dev/sda1", "/mnt"), (g.mkdir, "/etc/fstab/x")):
                error = fails(call, *arguments)
                print(type(error).__name__, getattr(error, "code", ""), str(error)[:100])
        """, self.image()).splitlines()
        self.assertEqual([line.split()[0] for line in said],
                         ["TypeError"] * 7 + ["OverflowError"] + ["InvalidArgument"] * 6 + ["GuestFSError", "InvalidArgument", "GuestFSError"])
        self.assertEqual([line.split()[1] for line in said[8:]], ["invalidArgument"] * 6 + ["notFound", "invalidArgument", "notFound"])

    def test_any_bytes(self):
        said = self.run_with(r"""
            g = handle(sys.argv[1], readonly=True, format="raw")
            g.mount("/dev/sda1", "/")
            everything = bytes(range(256))
            g.write("/bytes", everything)
            print(g.read_file("/bytes") == everything)
            name = "/\udcff\udcfe Ünïcödé"
            g.write(name, "")
            print(name[1:] in g.ls("/"), g.is_file(name))
            g.write("/large", b"x" * (5 << 20))
            print(len(g.read_file("/large")), g.filesize("/large"))
        """, self.image()).splitlines()
        self.assertEqual(said, ["True", "True 1", "5242880 5242880"])


class Images(PythonCase):
    """What reaches the drives, and when."""

    def test_nothing_before_shutdown(self):
        image = self.image()
        before = digest(image)
        killed = python(BEGIN + textwrap.dedent("""
            import os, signal
            g = handle(sys.argv[1], format="raw")
            g.mount("/dev/sda1", "/")
            g.write("/etc/motd", "written")
            g.sync()
            os.kill(os.getpid(), signal.SIGKILL)
        """), image)
        self.assertEqual(killed.returncode, -signal.SIGKILL)
        self.assertEqual(digest(image), before)
        self.assertEqual(self.names(), ["disk.raw"])

    def test_all_at_shutdown_and_at_close(self):
        image = self.image()
        said = self.run_with("""
            for end in ("shutdown", "close", "exception", "forgotten"):
                try:
                    with handle(sys.argv[1], format="raw") as g:
                        g.mount("/dev/sda1", "/")
                        print(g.cat("/etc/motd") if g.exists("/etc/motd") else "")
                        g.write("/etc/motd", end)
                        if end == "shutdown":
                            g.shutdown()
                        elif end == "exception":
                            raise KeyError("a bug of the script's")
                except KeyError:
                    pass
            g = handle(sys.argv[1], format="raw")
            g.mount("/dev/sda1", "/")
            g.write("/etc/motd", "deleted")
            del g
            g = handle(sys.argv[1], format="raw")
            g.mount("/dev/sda1", "/")
            print(g.cat("/etc/motd"))
        """, image).splitlines()
        self.assertEqual(said, ["", "shutdown", "close", "exception", "deleted"])
        self.assertEqual(self.names(), ["disk.raw"])

    def test_read_only_drives_are_not_written(self):
        image = self.image()
        before = digest(image)
        self.run_with("""
            with handle(sys.argv[1], readonly=True, format="raw") as g:
                g.mount("/dev/sda1", "/")
                g.write("/etc/motd", "written")
        """, image)
        self.assertEqual(digest(image), before)

    def test_in_use(self):
        said = self.run_with("""
            with handle(sys.argv[1], format="raw") as g:
                other = slipway.create_guestfs(backend="sandbox")
                other.add_drive_opts(sys.argv[1], format="raw")
                print(fails(other.launch).code)
        """, self.image())
        self.assertEqual(said, "busy\n")


class Endings(PythonCase):
    def test_a_worker_that_dies_in_a_call(self):
        image = self.image("--size", "4G")
        before = digest(image)
        said = self.run_with("""
            import os, signal, subprocess, threading, time
            g = handle(sys.argv[1], format="raw")
            g.mount("/dev/sda1", "/")
            g.write("/etc/motd", "written")
            def kill():
                time.sleep(1)
                ours = mine()
                for line in subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout.splitlines():
                    pid, program = line.split()[:2]
                    if "linux.uml" in program and pid in ours:
                        os.kill(int(pid), signal.SIGKILL)
            def mine():
                found = {str(os.getpid())}
                for _ in range(5):
                    for line in subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True).stdout.splitlines():
                        pid, parent = line.split()
                        if parent in found: found.add(pid)
                return found
            threading.Thread(target=kill).start()
            error = fails(g.upload, "/dev/zero", "/zeros")
            print(type(error).__name__, error.code, g.is_ready(), g.is_config())
            print(fails(g.ls, "/"))
            g.close()
        """, image).splitlines()
        self.assertIn(said[0], ("GuestFSError protocol 0 1", "GuestFSError toolFailed 0 1"))
        self.assertIn("not launched", said[1])
        self.assertEqual(digest(image), before)
        self.assertEqual(self.names(), ["disk.raw"])

    def test_ctrl_c_stops_a_call_and_the_handle_lives_on(self):
        program = BEGIN + textwrap.dedent("""
            g = handle(sys.argv[1], readonly=True, format="raw")
            g.mount("/dev/sda1", "/")
            print("begun", flush=True)
            try:
                g.upload("/dev/zero", "/zeros")
            except KeyboardInterrupt:
                print("interrupted", g.exists("/etc/fstab"))
            except RuntimeError as error:
                print("failed", error)
        """)
        image = mini(self.scratch / "disk.raw", "--size", "1G")
        with subprocess.Popen([PYTHON, "-B", "-c", program, image], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "PYTHONPATH": str(PACKAGE)}) as running:
            self.assertEqual(running.stdout.readline(), "begun\n")
            time.sleep(0.5)
            running.send_signal(signal.SIGINT)
            self.assertEqual(running.stdout.read(), "interrupted 1\n")


class Testing(PythonCase):
    def test_fixtures_and_the_fake_handle(self):
        (self.scratch / "test_user.py").write_text(textwrap.dedent("""
            import pytest
            import slipway

            def test_fake(fake_guestfs):
                g = fake_guestfs
                g.fs["/etc/hostname"] = b"testhost"
                assert g.cat("/etc/hostname") == "testhost"
                assert g.ls("/") == ["etc"] and g.find("/") == ["etc", "etc/hostname"]
                g.ln_s("/etc", "/e")
                assert g.cat("/e/hostname") == "testhost" and g.realpath("/e/hostname") == "/etc/hostname"
                with pytest.raises(RuntimeError, match="cat: /none: No such file or directory"):
                    g.cat("/none")
                g.mkdir("/a")
                g.write("/a/b", "x")
                g.cp("/a/b", "/etc")
                g.rm_rf("/a")
                assert not g.exists("/a") and g.read_file("/etc/b") == b"x"
                with pytest.raises(TypeError):
                    g.cat()
                g.command_results[("uname",)] = "Linux"
                assert g.command(["uname"]) == "Linux" and g.commands == [["uname"]]
                assert slipway.command_with_mounts(g, ["uname"]) == "Linux"
                with pytest.raises(RuntimeError, match="FakeGuestFS does not have this call"):
                    g.pvs()

            def test_native(use_native_guestfs):
                assert isinstance(slipway.create_guestfs(), slipway.GuestFS)

            def test_without_the_call():
                class Plain:
                    def command(self, arguments):
                        return " ".join(arguments)
                assert slipway.command_with_mounts(Plain(), ["grub2-mkconfig", "-o"]) == "grub2-mkconfig -o"
        """))
        done = subprocess.run([PYTHON, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_user.py"], cwd=self.scratch, check=False,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, "PYTHONPATH": str(PACKAGE), "SLIPWAY_GUESTFS_BACKEND": "libguestfs"})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("3 passed", done.stdout)

    def test_types(self):
        done = subprocess.run([PYTHON, "-B", "-m", "mypy", "--python-executable", PYTHON, "--cache-dir", self.scratch / "mypy", "slipway"],
                              cwd=PACKAGE, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_documentation_of_every_call(self):
        said = self.ok(python("""
            import inspect, json, slipway
            calls = {name: inspect.getdoc(each) for name, each in inspect.getmembers(slipway.GuestFS, inspect.isfunction)
                     if not name.startswith("_")}
            print(json.dumps([name for name, text in calls.items() if not text or text == name + "."]))
        """)).stdout
        self.assertEqual(json.loads(said), [], "calls without a word of documentation")


if __name__ == "__main__":
    if not shutil.which("ps"):
        sys.exit("ps is missing")
    unittest.main(verbosity=2)
