# SPDX-License-Identifier: Apache-2.0
"""The handle: its settings before launch, adding drives, its states, drives' files, and what it says after it is closed."""
from pathlib import Path

from images import create

from recorder import fails, note

SEEDS = (1,)


def settings(g):
    """Settings that are read back as they were set."""
    for get, set_, values in ((g.get_autosync, g.set_autosync, (False, True)), (g.get_trace, g.set_trace, (True, False)),
                              (g.get_verbose, g.set_verbose, (False,)), (g.get_network, g.set_network, (True, False)),
                              (g.get_memsize, g.set_memsize, (1024,)), (g.get_smp, g.set_smp, (2, 1)),
                              (g.get_recovery_proc, g.set_recovery_proc, (False, True)), (g.get_pgroup, g.set_pgroup, (True, False)),
                              (g.get_direct, g.set_direct, (False,)), (g.get_selinux, g.set_selinux, (False,)),
                              (g.get_identifier, g.set_identifier, ("handle-1", "")),
                              (g.get_append, g.set_append, ("quiet", None)), (g.get_path, g.set_path, ("/none", None)),
                              (g.get_tmpdir, g.set_tmpdir, ("/var/tmp", None)), (g.get_cachedir, g.set_cachedir, ("/var/tmp", None))):
        get()
        for value in values:
            set_(value)
            get()
        fails(get, "argument")
        fails(set_)
    g.set_program("oracle")
    g.get_program()
    fails(g.set_memsize, 5)
    fails(g.set_memsize, "much")
    fails(g.set_smp, 0)
    fails(g.set_smp, 1000)
    fails(g.set_identifier, "not allowed: /")
    fails(g.set_identifier, None)
    fails(g.set_program, 7)
    g.get_memsize()
    g.get_smp()
    g.get_hv()
    g.get_qemu()
    g.get_attach_method()
    g.get_sockdir()
    for call in (g.get_hv, g.get_qemu, g.get_attach_method, g.get_sockdir, g.get_backend, g.get_backend_settings, g.version, g.get_state,
                 g.is_config, g.is_ready, g.is_busy, g.is_launching, g.nr_devices, g.get_pid, g.list_devices, g.get_umask):
        fails(call, "argument")
    g.version()
    g.get_backend()
    g.get_backend_settings()
    fails(g.set_backend, "nonsense")
    fails(g.set_attach_method, "nonsense")
    g.set_backend_setting("some", "thing")
    g.get_backend_setting("some")
    g.clear_backend_setting("some")
    g.clear_backend_setting("some")
    fails(g.get_backend_setting, "some")
    fails(g.clear_backend_setting)
    fails(g.set_backend_setting, "some")
    g.parse_environment()
    g.parse_environment_list(["LIBGUESTFS_MEMSIZE=900"])
    g.get_memsize()
    fails(g.parse_environment_list, ["LIBGUESTFS_MEMSIZE=nonsense"])
    fails(g.parse_environment, "argument")


def states(g):
    for call in (g.get_state, g.is_config, g.is_ready, g.is_busy, g.is_launching):
        call()


def before(g):
    """Calls that need the launch."""
    for call, args in ((g.list_devices, ()), (g.list_partitions, ()), (g.list_filesystems, ()), (g.mount, ("/dev/sda1", "/")), (g.ls, ("/",)),
                       (g.part_disk, ("/dev/sda", "mbr")), (g.inspect_os, ()), (g.sync, ()), (g.ping_daemon, ()), (g.nr_devices, ()),
                       (g.available, (["lvm2"],)), (g.available_all_groups, ()), (g.feature_available, (["lvm2"],)), (g.umount_all, ()),
                       (g.pvs, ()), (g.utsname, ()), (g.mounts, ()), (g.mountpoints, ()), (g.df, ()), (g.df_h, ()), (g.get_umask, ()),
                       (g.list_dm_devices, ()), (g.list_md_devices, ()), (g.drop_caches, (3,)), (g.sleep, (0,)), (g.echo_daemon, (["x"],)),
                       (g.get_pid, ()), (g.dmesg, ()), (g.list_disk_labels, ()), (g.inspect_get_roots, ("argument",)), (g.lvs, ()),
                       (g.vgs, ()), (g.filesystem_available, ("ext4",)),
                       (g.wait_ready, ()), (g.vgremove, ("vg",)), (g.fsck, ("ext4", "/dev/sda1"))):
        fails(call, *args)


def drives(g, work):
    fails(g.add_drive, work.path("absent"))
    fails(g.add_drive_ro, work.path("absent"))
    fails(g.add_drive_opts, work.path("absent"), format="raw")
    raw = str(create(work.path("raw.img"), 24 << 20))
    fails(g.add_drive, raw, format="not a format!")
    fails(g.add_drive, raw, protocol="nonsense")
    fails(g.add_drive, raw, label="digits are not allowed 1")
    fails(g.add_drive, raw, blocksize=1000)
    fails(g.add_drive, raw, iface="not an interface!")
    fails(g.add_drive, raw, cachemode="nonsense")
    fails(g.add_drive, raw, discard="nonsense")
    fails(g.add_drive, raw, server=["one", "two"])
    fails(g.add_drive, raw, nonsense=1)
    fails(g.add_drive, None)
    fails(g.add_drive)
    fails(g.add_drive_scratch, -1)
    fails(g.add_drive_scratch, "big")
    g.add_drive(raw, format="raw", label="first", cachemode="unsafe", discard="besteffort")
    g.disk_create(work.path("a.qcow2"), "qcow2", 48 << 20)
    g.add_drive_ro(work.path("a.qcow2"))
    g.add_drive_opts(str(create(work.path("raw2.img"), 8 << 20)), readonly=True, format="raw")
    g.add_drive_scratch(16 << 20)
    g.add_drive_scratch(12 << 20, label="scratch")


def images(g, work):
    """Files of drives, of which the handle tells without a launch."""
    path = work.path("b.qcow2")
    g.disk_create(path, "qcow2", 10 << 20, preallocation="metadata", compat="1.1", clustersize=65536)
    g.disk_format(path)
    g.disk_virtual_size(path)
    g.disk_has_backing_file(path)
    overlay = work.path("overlay.qcow2")
    g.disk_create(overlay, "qcow2", -1, backingfile=path, backingformat="qcow2")
    g.disk_virtual_size(overlay)
    g.disk_has_backing_file(overlay)
    raw = work.path("c.raw")
    g.disk_create(raw, "raw", 3 << 20)
    g.disk_create(work.path("d.raw"), "raw", 1 << 20, preallocation="full")
    note(g, "disk_create", lambda: Path(raw).stat().st_size)
    g.disk_format(raw)
    g.disk_virtual_size(raw)
    fails(g.disk_create, path, "nonsense", 1 << 20)
    fails(g.disk_create, path, "qcow2", -5)
    fails(g.disk_create, path, "qcow2", 1 << 20, preallocation="nonsense")
    fails(g.disk_create, path, "qcow2", 1 << 20, clustersize=1000)
    fails(g.disk_create, work.path("no/such/directory"), "raw", 1 << 20)
    for call in (g.disk_format, g.disk_virtual_size, g.disk_has_backing_file):
        fails(call, work.path("absent"))


def launched(g, work):
    fails(g.launch)
    g.list_devices()
    g.list_disk_labels()
    g.nr_devices()
    g.list_partitions()
    g.list_filesystems()
    g.ping_daemon()
    g.sync()
    g.wait_ready()
    g.get_pid()
    g.utsname()
    g.dmesg()
    g.max_disks()
    fails(g.max_disks, "argument")
    g.echo_daemon(["two", "words"])
    fails(g.echo_daemon, None)
    g.sleep(0)
    g.drop_caches(3)
    g.get_umask()
    g.available_all_groups()
    g.available(["lvm2", "luks"])
    g.feature_available(["lvm2", "luks"])
    g.feature_available([])
    g.available([])
    fails(g.available, ["nonsense"])
    fails(g.feature_available, ["nonsense"])
    for name in ("blkdiscard", "btrfs", "xz", "linuxxattrs", "mdadm", "hivex", "augeas", "acl", "linuxcaps", "fstrim"):
        g.feature_available([name])
    g.blockdev_getro("/dev/sdb")
    g.blockdev_getro("/dev/sdc")
    g.blockdev_getro("/dev/sda")
    g.blockdev_getsize64("/dev/sdd")
    fails(g.part_disk, "/dev/sdz", "mbr")
    g.part_disk("/dev/sda", "mbr")
    g.mkfs("ext4", "/dev/sda1")
    g.mount("/dev/disk/guestfs/first1", "/")
    g.write("/kept", "kept by the first handle")
    g.mounts()


def arguments(g):
    """Wrong kinds of arguments."""
    for call, args in ((g.ls, (None,)), (g.ls, (5,)), (g.ls, ()), (g.ls, ("/", "/")), (g.mount, ("/dev/sda1",)), (g.mkdir, (b"/x",)),
                       (g.write, ("/x", 5)), (g.write, ("/x", None)), (g.chmod, ("mode", "/x")),
                       (g.stat, ("/a\0b",)), (g.mkdir_mode, ("/x", None)), 
                       (g.truncate_size, ("/x", 1.5)), (g.no_such_call, ()), (g.ls0, ("/",)), (g.cat, (["/x"],))):
        fails(call, *args)


def scenario(g, work):
    states(g)
    settings(g)
    before(g)
    images(g, work)
    drives(g, work)
    g.launch()
    states(g)
    launched(g, work)
    arguments(g)
    g.umount_all()
    g.shutdown()
    states(g)
    fails(g.ls, "/")
    g.close()
    fails(g.close, "argument")
    for call in (g.get_state, g.is_config, g.is_ready, g.is_busy, g.is_launching, g.launch, g.shutdown, g.sync, g.version, g.get_trace,
                 g.list_devices, g.umount_all, g.get_autosync, g.get_memsize, g.get_smp, g.get_program, g.get_identifier, g.get_path):
        fails(call)
    fails(g.add_drive, "x")
    second(work)


def second(work):
    """What the first handle wrote, read by another."""
    g = work.handle()
    fails(g.launch, "argument")
    g.add_drive_opts(work.path("raw.img"), readonly=True, format="raw")
    g.launch()
    g.mount_ro("/dev/sda1", "/")
    g.cat("/kept")
    fails(g.write, "/kept", "x")
    g.umount_all()
    g.part_del("/dev/sda", 1)  # goes to the overlay only
    g.list_partitions()
    g.shutdown()
    g.kill_subprocess()
    g.close()
    g = work.handle()
    fails(g.launch, "argument")
    fails(g.launch)  # without a drive
    g.close()
