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
import signal
import sys
import slipway
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
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
def machine():
    # Processes of ours that are User-mode Linux, its kernel first.
    import os, subprocess
    table = [line.split(None, 2) for line in subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True).stdout.splitlines()]
    mine = {str(os.getpid())}
    for _ in range(5):
        mine |= {pid for pid, parent, _ in table if parent in mine}
    found = [(int(pid), int(parent)) for pid, parent, program in table if pid in mine and "linux.uml" in program.split()[0]]
    return sorted((pid for pid, _ in found), key=lambda pid: dict(found)[pid] in dict(found))
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

    def test_the_stand_in_does_not_hide_libguestfs(self):
        """A module of that form in place of libguestfs's, which need not be installed."""
        real = self.scratch / "real"
        real.mkdir()
        (real / "guestfs.py").write_text("import libguestfsmod\nclass GuestFS:\n    real = True\n    def __init__(self, **_): pass\n")
        (real / "libguestfsmod.py").write_text("")
        both = f"{PACKAGE}/compat:{real}"
        program = """
            import guestfs
            from slipway import create_guestfs
            print(*(getattr(each, "real", False) for each in (
                guestfs.GuestFS(python_return_dict=True), create_guestfs(backend="auto"), create_guestfs(backend="libguestfs"),
                create_guestfs(backend="native"))))
        """
        for chosen, imported in ("", False), ("native", False), ("auto", True), ("libguestfs", True):
            with self.subTest(chosen):
                said = self.ok(python(program, path=both, env={"SLIPWAY_GUESTFS_BACKEND": chosen})).stdout
                self.assertEqual(said, f"{imported} True True False\n")
        refused = python("import guestfs", path=both, env={"SLIPWAY_GUESTFS_BACKEND": "bogus"})
        self.assertIn("ValueError: 'bogus' is no back end", refused.stderr)


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

    def test_one_image_twice(self):
        said = self.run_with("""
            for first, second in ((True, True), (True, False), (False, True)):
                g = slipway.create_guestfs(backend="sandbox")
                for readonly in (first, second):
                    g.add_drive_opts(sys.argv[1], format="raw", readonly=readonly)
                try:
                    g.launch()
                    print(list(g.list_filesystems()))
                except slipway.InvalidArgument as error:
                    print(error)
                g.close()
        """, self.image()).splitlines()
        self.assertEqual(said[0], "['/dev/sda1', '/dev/sdb1']")
        for line in said[1:]:
            self.assertIn("disk.raw was added twice, and not only to be read", line)

    def test_disks_that_are_made_and_their_backing_files(self):
        said = self.run_with("""
            import os
            def chosen(name, *arguments, **options):
                try:
                    print(g.disk_create(os.path.join(sys.argv[1], name), *arguments, **options))
                except slipway.InvalidArgument as error:
                    print(error)
            g = slipway.create_guestfs(backend="sandbox")
            base = os.path.join(sys.argv[1], "base.raw")
            chosen("base.raw", "raw", 64 << 20, preallocation="sparse")
            chosen("full.raw", "raw", 1 << 20, preallocation="full")
            chosen("top.qcow2", "qcow2", -1, backingfile="base.raw")
            chosen("small.qcow2", "qcow2", 1 << 20, preallocation="metadata", compat="0.10", clustersize=4096)
            chosen("x", "raw", 1 << 20, preallocation="metadata")
            chosen("x", "qcow2", 1 << 20, preallocation="falloc")
            chosen("x", "qcow2", 1 << 20, compat="2")
            chosen("x", "qcow2", 1 << 20, clustersize=100)
            chosen("x", "raw", -1)
            chosen("x", "raw", -1, backingfile=base)
            chosen("x", "vdi", 1)
            print(fails(g.disk_create, os.path.join(sys.argv[1], "x"), "qcow2", -1, backingfile=base, backingformat="odd"))
            top = os.path.join(sys.argv[1], "top.qcow2")
            g.add_drive_opts(top, format="qcow2")
            g.launch()
            g.mkfs("ext4", "/dev/sda")
            g.close()
            def opened():
                g = slipway.create_guestfs(backend="sandbox")
                g.add_drive_ro(top)
                try:
                    g.launch()
                    return g.list_filesystems()
                except slipway.GuestFSError as error:
                    return error
            print(opened())
            os.environ["SLIPWAY_ALLOW_BACKING"] = "1"
            print(opened())
            with open(base, "rb") as file: print(any(file.read()))
        """, self.scratch).splitlines()
        self.assertEqual(said[:4], ["None"] * 4)
        for line, words in zip(said[4:11], ("'metadata' is no preallocation of raw", "'falloc' is no preallocation of qcow2", "'2' is no compat",
                                            "'100' is no clustersize", "'-1' is no size", "a raw disk has no backing file", "'vdi' is no format")):
            self.assertIn(words, line)
        self.assertIn("Unknown driver 'odd'", said[11])
        self.assertIn("names another file, base.raw, as its backing file", "".join(said[12:-2]))
        self.assertEqual(said[-2:], ["{'/dev/sda': 'ext4'}", "False"])
        self.assertEqual(self.names(), ["base.raw", "full.raw", "small.qcow2", "top.qcow2"])

    def test_a_backing_file_that_names_another_is_not_followed(self):
        """What disk_create vouches for is the one link that it made."""
        secret = self.scratch / "secret"
        secret.write_bytes(b"secret" * 1000)
        said = self.run_with("""
            import subprocess
            secret, evil, top = sys.argv[1:]
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, evil, "1M"], check=True)
            def opened(change=None, **options):
                g = slipway.create_guestfs(backend="sandbox")
                g.disk_create(top, "qcow2", 1 << 20, **options)
                if change: subprocess.run(change, check=True)
                g.add_drive_opts(top, readonly=True)
                try:
                    g.launch()
                    return g.pread_device("/dev/sda", 6, 0)
                except slipway.GuestFSError as error:
                    return error
            print(opened(backingfile=secret, backingformat="raw"))
            print(opened(backingfile=evil, backingformat="qcow2"))
            print(opened(backingfile=evil))
            rebase = ["qemu-img", "rebase", "-u", "-F", "raw", "-b", secret, top]
            print(opened(rebase, backingfile=sys.executable, backingformat="raw"))
        """, secret, self.scratch / "evil.qcow2", self.scratch / "top.qcow2").splitlines()
        self.assertEqual(said[0], "b'secret'")
        for line in said[1:]:
            self.assertIn("names another file", line)

    def test_in_use(self):
        said = self.run_with("""
            with handle(sys.argv[1], format="raw") as g:
                other = slipway.create_guestfs(backend="sandbox")
                other.add_drive_opts(sys.argv[1], format="raw")
                print(fails(other.launch).code)
        """, self.image())
        self.assertEqual(said, "busy\n")


class Streams(PythonCase):
    def test_many_small_pieces(self):
        """gzip of zeros: each piece of a few KiB comes after megabytes of reading. Their credits must not fill the serial line."""
        said = self.run_with("""
            import gzip, os
            with handle(sys.argv[1], readonly=True, format="raw") as g:
                g.mount("/dev/sda1", "/")
                g.touch("/zeros")
                g.truncate_size("/zeros", 2 << 30)
                g.compress_out("gzip", "/zeros", sys.argv[2], level=1)
            size = 0
            with gzip.open(sys.argv[2]) as file:
                while piece := file.read(1 << 24): size += len(piece)
            print(size == 2 << 30, os.path.getsize(sys.argv[2]) > 2 << 20)
        """, self.image(), self.scratch / "zeros.gz")
        self.assertEqual(said, "True True\n")

    def test_a_value_has_its_limit(self):
        """A file is refused before it is sent: 16 GiB would take long."""
        said = self.run_with("""
            import resource
            with handle(sys.argv[1], readonly=True, format="raw") as g:
                g.mount("/dev/sda1", "/")
                g.touch("/large")
                g.truncate_size("/large", 16 << 30)
                for call in (g.cat, g.read_file):
                    error = fails(call, "/large")
                    print(error, error.errno, error.hint)
                print(g.pread("/large", 10, 1 << 33), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 100 << 10)
        """, self.image()).splitlines()
        self.assertEqual(said[0], "cat: /large: more than 2 GiB: File too large 27 download writes it to a file")
        self.assertEqual(said[1], "read_file: /large: more than 2 GiB: File too large 27 download writes it to a file")
        self.assertEqual(said[2], f"{bytes(10)} True")


class Endings(PythonCase):
    def test_a_worker_that_dies_in_a_call(self):
        image = self.image("--size", "4G")
        before = digest(image)
        said = self.run_with("""
            import os, signal, threading, time
            g = handle(sys.argv[1], format="raw")
            g.mount("/dev/sda1", "/")
            g.write("/etc/motd", "written")
            def kill():
                time.sleep(1)
                for pid in machine(): os.kill(pid, signal.SIGKILL)
            threading.Thread(target=kill).start()
            error = fails(g.upload, "/dev/zero", "/zeros")
            print(type(error).__name__, error.code, g.is_ready(), g.is_config())
            print(fails(g.ls, "/"))
            g.close()
        """, image).splitlines()
        self.assertEqual(said[0], "GuestFSError protocol 0 1")
        self.assertIn("not launched", said[1])
        self.assertEqual(digest(image), before)
        self.assertEqual(self.names(), ["disk.raw"])

    def test_ctrl_c_stops_a_call_and_the_handle_lives_on(self):
        said = self.run_with("""
            import os, signal, threading
            def interrupted(call, *arguments):
                threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
                try:
                    call(*arguments)
                except KeyboardInterrupt:
                    print(g.exists("/etc/fstab"))
            with handle(sys.argv[1], format="raw") as g:
                g.mount("/dev/sda1", "/")
                g.touch("/large")
                g.truncate_size("/large", 1 << 40)
                for call, *arguments in ((g.upload, "/dev/zero", "/zeros"), (g.checksum, "md5", "/large"), (g.equal, "/large", "/large"),
                                         (g.fill, 1, 1 << 40, "/full"), (g.compress_out, "gzip", "/large", sys.argv[2]),
                                         (g.tail, "/large"), (g.wc_l, "/large")):
                    interrupted(call, *arguments)
                g.write("/mark", "kept")
                for name in ("/large", "/zeros", "/full"): g.rm_f(name)
            with handle(sys.argv[1], readonly=True, format="raw") as g:
                g.mount("/dev/sda1", "/")
                print(g.cat("/mark"))
        """, self.image("--size", "16G"), self.scratch / "large.gz").splitlines()
        self.assertEqual(said, ["1"] * 7 + ["kept"])

    def test_a_call_that_cannot_be_stopped_says_what_is_lost(self):
        """The machine stands still: after five seconds its worker is killed."""
        image = self.image()
        before = digest(image)
        said = self.run_with("""
            import os, signal, threading
            g = handle(sys.argv[1], format="raw")
            g.mount("/dev/sda1", "/")
            g.write("/mark", "lost")
            os.kill(machine()[0], signal.SIGSTOP)
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                g.ls("/")
            except KeyboardInterrupt:
                print(fails(g.ls, "/"))
                print(fails(g.shutdown))
            g.launch()
            g.close()
        """, image).splitlines()
        self.assertIn("not launched", said[0])
        self.assertIn("nothing that was written since launch is in the images", said[1])
        self.assertEqual(digest(image), before)


class Events(PythonCase):
    def test_what_a_handle_tells(self):
        said = self.run_with("""
            told = []
            g = slipway.create_guestfs(backend="sandbox")
            def tell(event, number, text, array):
                told.append((slipway.guestfs.event_to_string(event), number, text, array))
            dropped = g.set_event_callback(tell, slipway.guestfs.EVENT_ALL)
            number = g.set_event_callback(tell, slipway.guestfs.EVENT_ALL & ~slipway.guestfs.EVENT_ENTER)
            g.delete_event_callback(dropped)
            print(type(fails(g.delete_event_callback, dropped)).__name__, type(fails(g.set_event_callback, tell, "x")).__name__)
            nested = []
            again = g.set_event_callback(lambda *_: nested.append(g.is_config()), ~0)
            g.get_trace()
            g.delete_event_callback(again)
            print(nested)
            g.set_trace(True)
            g.add_drive_opts(sys.argv[1], readonly=True, format="raw")
            g.launch()
            g.mount("/dev/sda1", "/")
            g.cat("/etc/hostname")
            fails(g.cat, "/none")
            g.write("/x", b"secret")
            g.read_file("/x")
            g.exists("/x")
            g.ls("/home")
            g.close()
            for event, each_number, text, array in told:
                assert (each_number, array) == (number, [])
                print(event, text and text.replace(sys.argv[1], "IMAGE"))
        """, self.image())
        self.assertEqual(said.splitlines(), [
            "InvalidArgument TypeError", "[1]", 'trace add_drive "IMAGE" "readonly:true" "format:raw"', "trace add_drive = 0", "trace launch", "launch_done None", "trace launch = 0",
            'trace mount "/dev/sda1" "/"', "trace mount = 0", 'trace cat "/etc/hostname"', 'trace cat = "mini\\n"', 'trace cat "/none"',
            "trace cat = -1 (error)", 'trace write "/x" <6 bytes>', "trace write = 0", 'trace read_file "/x"', "trace read_file = <6 bytes>",
            'trace exists "/x"', "trace exists = 1", 'trace ls "/home"', "trace ls = []", "close None"])

    def test_progress(self):
        """The machine stands still for a while, so that the calls take long."""
        said = self.run_with("""
            import os, signal, threading, time
            def told_of(call, *arguments):
                told = []
                def tell(event, number, text, array):
                    assert fails(g.ls, "/").code == "busy" and g.is_ready()
                    told.append(array)
                number = g.set_event_callback(tell, slipway.guestfs.EVENT_PROGRESS)
                if call != g.ls:
                    os.kill(machine()[0], signal.SIGSTOP)
                    threading.Timer(3, os.kill, (machine()[0], signal.SIGCONT)).start()
                call(*arguments)
                g.delete_event_callback(number)
                return told
            with handle(sys.argv[1], readonly=True, format="raw") as g:
                g.mount("/dev/sda1", "/")
                print(told_of(g.ls, "/"))
                told = told_of(g.find, "/")
                print(told[0], told[-1], len(told) >= 2)
                with open(sys.argv[2], "wb") as file: file.truncate(32 << 20)
                told = told_of(g.upload, sys.argv[2], "/large")
                print([each[3] for each in told] == [32 << 20] * len(told), 0 < told[0][2] < 32 << 20, told[-1][2] == 32 << 20)
        """, self.image("--size", "256M"), self.scratch / "large").splitlines()
        self.assertEqual(said, ["[]", "[0, 0, 0, 1] [0, 0, 1, 1] True", "True True True"])


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
                with pytest.raises(RuntimeError, match="cat: opening /none in the guest: No such file or directory"):
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

            def test_fake_trees(fake_guestfs):
                g = fake_guestfs
                g.fs = {"/a/f": b"1", "/a/b/g": b"2", "/t": b"a\\x0cb\\xe2\\x80\\xa8c\\nd"}
                g.links["/a/l"] = "f"
                g.mv("/a", "/a2")
                assert g.find("/") == ["a2", "a2/b", "a2/b/g", "a2/f", "a2/l", "t"] and g.readlink("/a2/l") == "f"
                g.mv("/t", "/t")
                g.mv("/a2/f", "/a2/b")
                g.cp_a("/a2", "/a3")
                g.cp_r("/a2", "/a3")
                assert g.cat("/a3/b/f") == g.cat("/a3/a2/b/f") == "1"
                assert len(g.read_lines("/t")) == 2 and g.glob_expand("/a3/*") == ["/a3/a2/", "/a3/b/", "/a3/l"]
                for path in ("/a/../b", "/a\\0b", "a", "/" + "n" * 256):
                    with pytest.raises(slipway.InvalidArgument):
                        g.cat(path)
                with pytest.raises(slipway.InvalidArgument, match="into itself"):
                    g.cp_a("/a3", "/a3/b")
                g.set_memsize(500)
                assert g.get_memsize() == 500 and g.get_smp() == 1
                with pytest.raises(RuntimeError, match="set_label: FakeGuestFS does not have this call"):
                    g.set_label("/dev/none", "x")
                g.fs["etc/x"] = b""
                with pytest.raises(ValueError, match="'etc/x' is no absolute path"):
                    g.ls("/")
                g.fs = {"/x": "text"}
                with pytest.raises(TypeError, match="must be bytes, not str"):
                    g.ls("/")

            def test_fake_disks(fake_guestfs, tmp_path):
                g = fake_guestfs
                g.filesystems = {"/dev/sda1": {"type": "ext4", "label": "boot", "size": 8192}, "/dev/vg/root": {"type": "xfs"}}
                assert g.list_filesystems() == {"/dev/sda1": "ext4", "/dev/vg/root": "xfs"} and g.vfs_label("/dev/sda1") == "boot"
                assert g.list_devices() == ["/dev/sda"] and g.list_partitions() == ["/dev/sda1"]
                assert g.lvs() == ["/dev/vg/root"] and g.vgs() == ["vg"] and g.statvfs("/")["blocks"] == 2
                with pytest.raises(RuntimeError, match="vfs_type: /dev/sdb: no such device"):
                    g.vfs_type("/dev/sdb")
                g.mkdir("/etc")
                g.write("/etc/lines", "one\\ntwo\\nthree\\n")
                g.ln_s("lines", "/etc/link")
                g.chmod(0o600, "/etc/lines")
                assert g.head_n(1, "/etc/lines") == ["one"] and g.tail_n(1, "/etc/link") == ["three"] and g.tail_n(0, "/etc/link") == []
                assert g.grep("^T", "/etc/lines", insensitive=True) == ["two", "three"] and g.wc_l("/etc/lines") == 3
                assert g.checksum("md5", "/etc/lines") == "deed54b823522e0525693b090363f9df"
                g.tar_out("/", str(tmp_path / "all.tar"))
                g.mkdir("/copy")
                g.tar_in(str(tmp_path / "all.tar"), "/copy")
                assert g.cat("/copy/etc/link").startswith("one") and g.stat("/copy/etc/lines")["mode"] == 0o100600
                g.delete_event_callback(g.set_event_callback(print, 1))

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
        self.assertIn("5 passed", done.stdout)

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
