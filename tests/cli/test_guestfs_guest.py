#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The guest behind the API of libguestfs, in both engines: real systems are inspected and their programs run; Augeas and hivex
work inside the guest's root, whatever its links and files say."""
import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

from support import IMAGES, SLIPWAY, Case, family, guest, mini, mini_tree

sys.path.insert(0, str(Path(SLIPWAY).parents[1] / "python"))
import slipway as module  # noqa: E402

HIVES = Path(__file__).resolve().parents[1] / "fuzz/corpus/registry"
ENGINES = ("host", "sandbox")
GCONV = "usr/lib/x86_64-linux-gnu/gconv"


def hive_with(path, text):
    """A registry whose root has the value Text."""
    shutil.copy(HIVES / "software", path)
    subprocess.run(["hivexsh", "-w", path], input=f"setval 1\nText\nstring:{text}\ncommit\nq\n", text=True, check=True)


class Guests(Case):
    def open(self, image, engine, root="/dev/sda1"):
        handle = module.create_guestfs(backend=engine)
        self.addCleanup(lambda: handle._o is None or handle.close())
        handle.add_drive_opts(str(image), readonly=True, format="raw")
        handle.launch()
        if root:
            handle.mount(root, "/")
        return handle

    def in_engines(self, image, **options):
        for engine in ENGINES:
            yield self.open(image, engine, **options)


class Engines(Guests):
    """The kernel tells where a handle works: the sandbox has one of its own."""

    def has_own_kernel(self, handle):
        return handle.utsname()["uts_release"] != os.uname().release

    def test_this_kernel_where_it_can(self):
        self.assertFalse(self.has_own_kernel(self.open(mini(self.scratch / "plain.raw"), "native")))
        self.assertTrue(self.has_own_kernel(self.open(self.scratch / "plain.raw", "sandbox")))

    def test_long_requests(self):
        """More than a serial line takes at once, and more than a frame."""
        for engine in ENGINES:
            with module.create_guestfs(backend=engine) as g:
                g.add_drive_scratch(64 << 20)
                g.launch()
                g.mkfs("ext4", "/dev/sda")
                g.mount("/dev/sda", "/")
                g.mkdir("/many")
                g.fill_dir("/many", 1000)
                names = g.ls("/many")
                for number in (100, 300, 500, 700, 1000):
                    self.assertEqual(len(g.lxattrlist("/many", names[:number])), number)
                self.assertEqual(len(g.lstatnslist("/many", ["x" * 250] * 5000)), 5000)

    def test_a_call_is_stopped_by_another_thread(self):
        with module.create_guestfs(backend="sandbox") as g:
            g.add_drive_scratch(64 << 20)
            g.launch()
            timer = threading.Timer(0.5, g.user_cancel)
            timer.start()
            began = time.monotonic()
            with self.assertRaisesRegex(module.GuestFSError, "stopped on request"):
                g.sleep(60)
            self.assertLess(time.monotonic() - began, 30)
            timer.join()
            self.assertEqual(g.list_devices(), ["/dev/sda"])

    def test_an_answer_beyond_the_memory_is_an_error_and_no_end(self):
        for engine in ENGINES:
            with module.create_guestfs(backend=engine) as g:
                g.add_drive_scratch(512 << 20)
                g.launch()
                g.mkfs("ext2", "/dev/sda")
                g.mount("/dev/sda", "/")
                g.fill(ord("\n"), 200 << 20, "/lines")
                with self.assertRaisesRegex(module.GuestFSError, "memory"):
                    g.read_lines("/lines")
                self.assertEqual(g.wc_l("/lines"), 200 << 20)

    def test_the_sandbox_for_what_this_kernel_lacks(self):
        if os.path.exists("/sys/class/misc/device-mapper"):
            self.skipTest("this kernel has device-mapper")
        subprocess.run([IMAGES / "stacked", "lvm", self.scratch / "lvm.raw"], check=True, capture_output=True)
        g = self.open(self.scratch / "lvm.raw", "native", root=None)
        self.assertTrue(self.has_own_kernel(g))
        self.assertEqual(g.lvs(), ["/dev/a-b/root-fs", "/dev/a-b/swap-1"])
        # What a script may come to make on an empty drive.
        g = module.create_guestfs(backend="native")
        g.add_drive_scratch(64 << 20)
        g.launch()
        g.pvcreate("/dev/sda")
        g.close()


class Drives(Guests):
    def test_what_is_inside_of_luks_is_there_at_once(self):
        subprocess.run([IMAGES / "stacked", "lvm-on-luks", self.scratch / "luks.raw"], check=True, capture_output=True)
        g = self.open(self.scratch / "luks.raw", "native", root=None)
        g.cryptsetup_open("/dev/sda1", "open sesame", "opened")
        self.assertEqual(g.vfs_type("/dev/a-b/root-fs"), "ext4")
        self.assertEqual(g.inspect_os(), ["/dev/a-b/root-fs"])

    def test_a_wrong_option_of_a_mount_is_no_damage(self):
        image = mini(self.scratch / "plain.raw")
        for engine in ENGINES:
            with module.create_guestfs(backend=engine) as g:
                g.add_drive_opts(str(image), format="raw")
                g.launch()
                before = g.tune2fs_l("/dev/sda1")["Last checked"]
                for options in ("bogus", "ro;rm -rf /", "data=nonsense"):
                    with self.assertRaises(module.InvalidArgument):
                        g.mount_options(options, "/dev/sda1", "/")
                self.assertEqual(g.mounts(), [])
                self.assertEqual(g.tune2fs_l("/dev/sda1")["Last checked"], before)
                g.mount_options("data=ordered", "/dev/sda1", "/")

    def test_an_input_that_cannot_be_read_is_an_error(self):
        g = self.open(mini(self.scratch / "plain.raw"), "host")
        g.write("/keep", "data")
        with self.assertRaisesRegex(module.GuestFSError, "Is a directory"):
            g.upload("/tmp", "/keep")
        self.assertEqual(g.cat("/keep"), "data")
        with self.assertRaisesRegex(module.GuestFSError, "Input/output error"):
            g.upload("/proc/self/mem", "/keep")  # reading begins at an address that is not mapped
        with self.assertRaisesRegex(module.GuestFSError, "No such file"):
            g.cat("/\udcff")
        for call in ((g.chmod, 1 << 40, "/keep"), (g.chown, (1 << 33) + 5, -1, "/keep")):
            with self.assertRaises(module.InvalidArgument):
                call[0](*call[1:])


class Callbacks(Guests):
    def test_what_they_raise_changes_nothing(self):
        told = []

        def callback(event, *_):
            told.append(event)
            raise KeyError("of the callback")

        with contextlib.redirect_stderr(io.StringIO()) as printed, module.create_guestfs(backend="host") as g:
            with self.assertRaises(TypeError):
                g.set_event_callback(1, module.guestfs.EVENT_ALL)
            g.set_event_callback(callback, module.guestfs.EVENT_LAUNCH_DONE | module.guestfs.EVENT_CLOSE)
            g.add_drive_scratch(1 << 20)
            g.launch()
        self.assertEqual(told, [module.guestfs.EVENT_LAUNCH_DONE, module.guestfs.EVENT_CLOSE])
        self.assertEqual(printed.getvalue().count("KeyError: 'of the callback'"), 2)
        self.assertEqual(module.guestfs.event_to_string(module.guestfs.EVENT_CLOSE | module.guestfs.EVENT_ENTER), "close,enter")


class Inspection(Guests):
    def test_real_guests(self):
        for name, root, places in (("debian12-ext4", "/dev/sda1", {"/": "/dev/sda1"}),
                                   ("debian12-btrfs", "btrfsvol:/dev/sda1/@",
                                    {"/": "btrfsvol:/dev/sda1/@", "/home": "btrfsvol:/dev/sda1/@home"})):
            for g in self.in_engines(guest(name), root=None):
                self.assertEqual(g.inspect_os(), [root])
                self.assertEqual((g.inspect_get_type(root), g.inspect_get_distro(root), g.inspect_get_major_version(root)),
                                 ("linux", "debian", 12))
                self.assertEqual((g.inspect_get_arch(root), g.inspect_get_hostname(root)), ("x86_64", name))
                self.assertEqual((g.inspect_get_package_format(root), g.inspect_get_package_management(root),
                                  g.inspect_get_osinfo(root)), ("deb", "apt", "debian12"))
                self.assertEqual(g.inspect_get_mountpoints(root), places)
                for place in sorted(places, key=len):
                    g.mount(places[place], place)
                self.assertIn("libc6", [each["app2_name"] for each in g.inspect_list_applications2(root)])
                self.assertEqual(g.file_architecture("/usr/bin/ls"), "x86_64")

    def test_volumes_of_lvm(self):
        g = self.open(guest("debian12-lvm"), "sandbox", root=None)
        if not hasattr(g, "lvs"):
            self.skipTest("this build does not open LVM")
        root = "/dev/debian12-vg/root"
        self.assertEqual(g.inspect_os(), [root])
        self.assertEqual(g.inspect_get_mountpoints(root), {"/": root, "/boot": "/dev/sda1"})
        self.assertEqual(g.inspect_get_filesystems(root), ["/dev/debian12-vg/swap_1", "/dev/sda1", root])
        g.mount(root, "/")
        self.assertEqual(g.command(["findmnt", "-no", "FSTYPE", "/"]), "ext4\n")

    def test_windows(self):
        tree = self.scratch / "tree"
        config = tree / "WINDOWS/system32/config"
        config.mkdir(parents=True)
        shutil.copy(HIVES / "software", config / "software")
        shutil.copy(HIVES / "system", config / "SYSTEM")
        program = "cd Foo\nsetval 2\nDisplayName\nstring:The Foo\nDisplayVersion\nstring:1.2\n"
        keys = "cd Microsoft\n" + "".join(f"add {key}\ncd {key}\n" for key in ("Windows", "CurrentVersion", "Uninstall"))
        subprocess.run(["hivexsh", "-w", config / "software"], input=f"{keys}add Foo\n{program}commit\nq\n", text=True, check=True)
        image = mini(self.scratch / "a.raw", "--tree", tree)
        subprocess.run(["sfdisk", "--disk-id", image, "0x76543210"], check=True, capture_output=True)
        for g in self.in_engines(image, root=None):
            self.assertEqual(g.inspect_os(), ["/dev/sda1"])
            self.assertEqual(g.inspect_get_product_name("/dev/sda1"), "Windows Server 2022 Standard")
            self.assertEqual(g.inspect_get_osinfo("/dev/sda1"), "win2k22")
            self.assertEqual(g.inspect_get_drive_mappings("/dev/sda1"), {"C": "/dev/sda1"})
            self.assertEqual(g.inspect_get_windows_systemroot("/dev/sda1"), "/WINDOWS")
            hive = g.inspect_get_windows_software_hive("/dev/sda1")
            self.assertEqual(hive, "/WINDOWS/system32/config/software")
            g.mount("/dev/sda1", "/")
            found = g.inspect_list_applications2("/dev/sda1")
            self.assertEqual([(each["app2_name"], each["app2_display_name"], each["app2_version"]) for each in found],
                             [("Foo", "The Foo", "1.2")])

    def test_what_was_written_just_now_is_seen(self):
        """The kernel's pages of a whole disk, once read, do not follow what is written through a partition."""
        uuid = "5110c0de-0001-4000-8000-000000000001"
        for engine in ENGINES:
            g = module.create_guestfs(backend=engine)
            self.addCleanup(lambda g=g: g._o is None or g.close())
            g.add_drive_scratch(96 << 20)
            g.launch()
            self.assertEqual(g.inspect_os(), [])  # reads the disk
            g.part_init("/dev/sda", "gpt")
            g.part_add("/dev/sda", "p", 2048, 40 * 2048 - 1)
            g.part_add("/dev/sda", "p", 40 * 2048, -2048)
            self.assertEqual(g.inspect_os(), [])
            for device in ("/dev/sda1", "/dev/sda2"):
                g.mkfs("ext4", device)
            g.set_uuid("/dev/sda1", uuid)
            g.mount("/dev/sda2", "/")
            for name in ("/etc", "/bin", "/boot", "/usr", "/lib"):
                g.mkdir(name)
            g.write("/etc/os-release", "ID=debian\nVERSION_ID=12\n")
            g.write("/etc/fstab", f"/dev/sda2 / ext4 defaults 0 1\nUUID={uuid} /boot ext4 defaults 0 2\n")
            g.umount_all()
            self.assertEqual(g.inspect_os(), ["/dev/sda2"], engine)
            self.assertEqual(dict(g.inspect_get_mountpoints("/dev/sda2")), {"/": "/dev/sda2", "/boot": "/dev/sda1"}, engine)
            g.close()

    def test_without_inspection(self):
        g = self.open(mini(self.scratch / "a.raw"), "host")
        with self.assertRaisesRegex(RuntimeError, "inspect_os"):
            g.inspect_get_type("/dev/sda1")
        self.assertEqual(g.inspect_get_roots(), [])
        g.inspect_os()
        self.assertEqual(g.mounts(), [])
        with self.assertRaisesRegex(RuntimeError, "/dev/sda: root device not found"):
            g.inspect_get_type("/dev/sda")


class Commands(Guests):
    def test_real_guest(self):
        for g in self.in_engines(guest("debian12-ext4")):
            self.assertEqual(g.command(["cat", "/etc/hostname"]), "debian12-ext4\n")
            self.assertEqual(g.sh_lines("echo a; echo; echo b"), ["a", "", "b"])
            self.assertEqual(g.command_with_mounts(["test", "-e", "/proc/self"], quiet=True), "")
            with self.assertRaisesRegex(RuntimeError, "^sh: why$"):
                g.sh("echo lost; echo why >&2; exit 3")
            with self.assertRaises(RuntimeError) as raised:
                g.command(["/none"])
            self.assertEqual((raised.exception.errno, str(raised.exception)), (2, "command: /none: No such file or directory"))
            self.assertEqual(g.sh("ls /dev/sd*"), "/dev/sda\n/dev/sda1\n/dev/sda2\n")
            self.assertEqual(g.sh("lsblk -no NAME,FSTYPE /dev/sda1"), "sda1 ext4\n")
            self.assertEqual([line.split()[0] for line in g.command_lines(["cat", "/proc/net/dev"])[2:]], ["lo:"])
            large = g.sh("head -c 20000000 /dev/zero | tr '\\0' x")
            self.assertEqual((len(large), set(large)), (20000000, {"x"}))
            g.sh("echo new > /etc/motd")
            self.assertEqual(g.cat("/etc/motd"), "new\n")
            g.umount_all()
            with self.assertRaisesRegex(RuntimeError, "mounted"):
                g.sh("true")

    def test_nothing_is_made_in_the_guest(self):
        tree = mini_tree(self.scratch / "tree")
        shutil.copy("/bin/busybox", tree / "bin/sh")
        for name in ("run", "sys"):
            shutil.rmtree(tree / name, ignore_errors=True)
        for g in self.in_engines(mini(self.scratch / "a.raw", "--tree", tree)):
            before = g.ls("/")
            self.assertNotIn("run", before)
            self.assertEqual(g.sh("cd /; [ -d /proc/self ] && echo *").split(), before)
            self.assertEqual(g.ls("/"), before)

    def test_mask_of_modes(self):
        g = self.open(mini(self.scratch / "a.raw"), "host")
        self.assertEqual((g.get_umask(), g.umask(0o77), g.get_umask()), (0o22, 0o22, 0o77))
        for wrong in (-1, 0o1000):
            with self.assertRaises(RuntimeError):
                g.umask(wrong)


class Inside(Guests):
    """What the guest makes of its files is read, never the host's; and no code of the guest is run."""

    def setUp(self):
        super().setUp()
        self.tree = mini_tree(self.scratch / "tree")
        self.canary = self.scratch / "canary"
        self.canary.mkdir()

    def in_guest(self, path):
        """The path of the host, in the guest."""
        there = self.tree / str(path)[1:]
        there.parent.mkdir(parents=True, exist_ok=True)
        return there

    def image(self):
        return mini(self.scratch / "a.raw", "--tree", self.tree)

    def test_augeas_follows_links_in_the_guest(self):
        secret = self.canary / "hosts"
        secret.write_text("6.6.6.6 host.canary\n")
        self.in_guest(secret).write_text("1.2.3.4 guest.example\n")
        (self.tree / "etc/hosts").unlink(missing_ok=True)
        (self.tree / "etc/hosts").symlink_to(secret)
        for g in self.in_engines(self.image()):
            g.aug_init("/", 0)
            self.assertEqual(g.aug_match("/files/etc/hosts/*"), ["/files/etc/hosts/1"])
            self.assertEqual(g.aug_get("/files/etc/hosts/1/canonical"), "guest.example")
            g.aug_set("/files/etc/hosts/1/canonical", "changed.example")
            g.aug_save()
            self.assertIn("changed.example", g.cat("/etc/hosts"))
            self.assertEqual(secret.read_text(), "6.6.6.6 host.canary\n")
            for lens, file in (("Hosts.lns", "/../../.." + str(secret)), ("Hosts.lns", f"/proc/self/root{secret}"),
                               ("Hosts.lns", f"/proc/1/root{secret}")):
                g.aug_transform(lens, file)
            g.aug_load()
            self.assertEqual(g.aug_match("/files//*[. = 'host.canary']"), [])
            g.umount_all() # although Augeas was inside
            with self.assertRaisesRegex(RuntimeError, "aug_init"):
                g.aug_get("/files")

    def test_augeas_passes_over_what_is_no_file(self):
        for name, make in (("hosts", os.mkfifo), ("fstab", lambda path: os.mknod(path, 0o20666, os.makedev(1, 5))),
                           ("passwd", os.mkdir), ("group", lambda path: path.symlink_to("group"))):
            (self.tree / "etc" / name).unlink(missing_ok=True)
            make(self.tree / "etc" / name)
        (self.tree / "etc/hostname").write_text("one\n")
        for g in self.in_engines(self.image()):
            g.aug_init("/", 0)
            self.assertEqual(g.aug_get("/files/etc/hostname/hostname"), "one")
            self.assertEqual(g.aug_match("/files/etc/hosts | /files/etc/fstab | /files/etc/group | /files/etc/passwd/*"), [])

    def test_hivex_follows_links_in_the_guest(self):
        secret = self.canary / "hive"
        hive_with(secret, "host")
        before = secret.read_bytes()
        hive_with(self.in_guest(secret), "guest")
        (self.tree / "link").symlink_to(secret)
        (self.tree / "magic").symlink_to(f"/proc/self/root{secret}")
        os.mkfifo(self.tree / "pipe")
        os.mknod(self.tree / "zero", 0o20666, os.makedev(1, 5))
        (self.tree / "text").write_text("no hive")
        for g in self.in_engines(self.image()):
            for path in ("/magic", "/pipe", "/zero", "/text", "/etc", "/none"):
                with self.assertRaises(RuntimeError, msg=path):
                    g.hivex_open(path)
            g.hivex_open("/link", write=True)
            root = g.hivex_root()
            self.assertEqual(g.hivex_value_string(g.hivex_node_get_value(root, "Text")), "guest")
            g.hivex_node_set_value(root, "Text", 3, b"a\0\xff")
            with self.assertRaises(RuntimeError):
                g.hivex_commit("/none" + str(secret))
            g.hivex_commit(None)
            g.hivex_close()
            self.assertEqual(secret.read_bytes(), before)
            g.hivex_open("/link")
            self.assertEqual(g.hivex_value_value(g.hivex_node_get_value(g.hivex_root(), "Text")), b"a\0\xff")
            g.umount_all()

    def test_no_code_of_the_guest_is_loaded(self):
        """glibc would load it to convert the names of a registry."""
        source = self.scratch / "evil.c"
        source.write_text('#include <fcntl.h>\n__attribute__((constructor)) static void run(void) { creat("/pwned", 0600); }\n')
        modules = self.tree / GCONV
        modules.mkdir(parents=True)
        for name in ("UTF-16.so", "ISO8859-1.so", "EVIL.so"):
            subprocess.run(["cc", "-shared", "-fPIC", "-o", modules / name, source], check=True)
        (modules / "gconv-modules").write_text("module UTF-16LE// INTERNAL EVIL 1\nmodule INTERNAL UTF-16LE// EVIL 1\n")
        hive_with(self.tree / "hive", "text")
        for g in self.in_engines(self.image()):
            g.hivex_open("/hive")
            root = g.hivex_root()
            self.assertEqual(g.hivex_value_string(g.hivex_node_get_value(root, "Text")), "text")
            g.hivex_node_children(root)
            g.aug_init("/", 0)
            self.assertFalse(g.exists("/pwned"))

    def test_process_that_dies(self):
        g = self.open(self.image(), "host")
        g.aug_init("/", 0)
        inside = [pid for pid in family() if b"--inside" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        self.assertEqual(len(inside), 1)
        os.kill(inside[0], signal.SIGKILL)
        for _ in range(2):
            with self.assertRaisesRegex(RuntimeError, "has died"):
                g.aug_match("/files/*")
        g.aug_init("/", 0)
        self.assertTrue(g.aug_match("/files/etc/*"))
        g.umount("/")
        self.assertEqual([pid for pid in family() if b"--inside" in Path(f"/proc/{pid}/cmdline").read_bytes()], [])


if __name__ == "__main__":
    unittest.main()
