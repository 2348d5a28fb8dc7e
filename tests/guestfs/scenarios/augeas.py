# SPDX-License-Identifier: Apache-2.0
"""Augeas: configuration files as a tree, and saving changes of it."""
from _disk import ext4

from recorder import fails

SEEDS = (1,)
FSTAB = "# comment\nUUID=1234-5678 / ext4 defaults,noatime 0 1\n/dev/sda2 none swap sw 0 0\n"
HOSTS = "127.0.0.1 localhost\n127.0.1.1 guest.example guest\n"


def closed(g):
    for call, args in ((g.aug_get, ("/files",)), (g.aug_set, ("/files/x", "y")), (g.aug_match, ("/files/*",)), (g.aug_ls, ("/files",)),
                       (g.aug_rm, ("/files/x",)), (g.aug_save, ()), (g.aug_load, ()), (g.aug_close, ()), (g.aug_clear, ("/files/x",)),
                       (g.aug_insert, ("/files/x", "y", True)), (g.aug_mv, ("/a", "/b")), (g.aug_defvar, ("a", "/files")),
                       (g.aug_defnode, ("a", "/files/x", "y")), (g.aug_label, ("/files",)), (g.aug_setm, ("/files", "x", "y")),
                       (g.aug_transform, ("Hosts", "/x"))):
        fails(call, *args)
    fails(g.aug_init, "relative", 0)


def reading(g):
    g.aug_init("/", 0)
    g.aug_match("/files/etc/*")
    g.aug_ls("/files/etc")
    g.aug_ls("/files/etc/fstab")
    g.aug_ls("/files/etc/hosts/1")
    for path in ("/files/etc/fstab/1/spec", "/files/etc/fstab/1/opt[1]", "/files/etc/hosts/2/canonical", "/files/etc/hostname/hostname",
                 "/files/etc/fstab/#comment", "/files/etc/hosts/2/alias"):
        g.aug_get(path)
    fails(g.aug_get, "/files/etc/none")
    fails(g.aug_get, "/files/etc/fstab/*")  # several
    fails(g.aug_get, "][")
    g.aug_match("/files/etc/fstab/*[vfstype='swap']")
    g.aug_match("/files/etc/none")
    fails(g.aug_match, "][")
    fails(g.aug_ls, "/files/etc/")
    fails(g.aug_ls, "][")
    g.aug_label("/files/etc/hosts/1/ipaddr")
    fails(g.aug_label, "/files/etc/none")
    g.aug_defvar("root", "/files/etc/fstab/1")
    g.aug_get("$root/file")
    g.aug_defvar("all", "/files/etc/fstab/*")
    g.aug_defvar("gone", None)
    fails(g.aug_defvar, "bad", "][")


def changing(g):
    g.aug_set("/files/etc/hosts/2/canonical", "renamed.example")
    g.aug_set("/files/etc/hosts/01/ipaddr", "192.0.2.1")
    g.aug_set("/files/etc/hosts/01/canonical", "added")
    g.aug_save()
    g.cat("/etc/hosts")
    g.aug_insert("/files/etc/hosts/1", "first", True)
    g.aug_match("/files/etc/hosts/*")
    g.aug_rm("/files/etc/hosts/first")
    g.aug_rm("/files/etc/none")
    g.aug_insert("/files/etc/fstab/1/opt[last()]", "opt", False)
    g.aug_set("/files/etc/fstab/1/opt[last()]", "errors")
    g.aug_set("/files/etc/fstab/1/opt[last()]/value", "remount-ro")
    g.aug_mv("/files/etc/fstab/2", "/files/etc/fstab/22")
    g.aug_defnode("new", "/files/etc/hosts/02", "")
    g.aug_defnode("same", "/files/etc/hosts/02", "")
    g.aug_set("$new/ipaddr", "192.0.2.2")
    g.aug_set("$new/canonical", "second")
    g.aug_setm("/files/etc/fstab/*[label() != '#comment']", "dump", "1")
    g.aug_clear("/files/etc/hosts/02")
    g.aug_save()
    g.cat("/etc/hosts")
    g.cat("/etc/fstab")
    fails(g.aug_set, "/files/etc/fstab/*", "several")
    fails(g.aug_set, "][", "x")
    fails(g.aug_rm, "][")
    fails(g.aug_insert, "/files/etc/none", "x", True)
    fails(g.aug_insert, "/files/etc/hosts/1", "a/b", True)
    fails(g.aug_mv, "/files/etc/none", "/files/x")
    fails(g.aug_defnode, "bad", "][", "x")
    fails(g.aug_clear, "][")
    fails(g.aug_setm, "][", None, "x")


def broken(g):
    g.aug_set("/files/etc/hosts/1/nonsense", "x")
    fails(g.aug_save)  # the lens has no place for it
    g.aug_match("/augeas//error")
    g.aug_load()
    g.aug_match("/files/etc/hosts/1/nonsense")
    g.sleep(2)  # Augeas knows a change by the second of a file's date
    g.write("/etc/hosts", "127.0.0.1 changed\n")
    g.aug_load()
    g.aug_get("/files/etc/hosts/1/canonical")
    g.aug_close()
    fails(g.aug_get, "/files/etc/hosts/1/canonical")


def other_files(g):
    g.aug_init("/", 32)  # AUG_NO_LOAD
    g.aug_match("/files/etc/*")
    g.aug_rm("/augeas/load//incl[. != '/etc/hosts']")
    g.aug_load()
    g.aug_match("/files/etc/*")
    g.write("/etc/other-hosts", "192.0.2.7 seven\n")
    g.aug_transform("Hosts.lns", "/etc/other-hosts")
    g.aug_load()
    g.aug_get("/files/etc/other-hosts/1/canonical")
    g.aug_transform("Hosts.lns", "/etc/other-hosts", remove=True)
    g.aug_init("/", 0)  # takes the other's place
    g.aug_get("/files/etc/hosts/1/canonical")
    g.aug_close()
    fails(g.aug_close)


def scenario(g, work):
    work.launch(g, work.images.blank("disk", 96))
    fails(g.aug_init, "/", 0)
    g.part_disk("/dev/sda", "mbr")
    ext4(g)
    g.mount("/dev/sda1", "/")
    g.mkdir("/etc")
    g.write("/etc/fstab", FSTAB)
    g.write("/etc/hosts", HOSTS)
    g.write("/etc/hostname", "guest\n")
    closed(g)
    reading(g)
    changing(g)
    broken(g)
    other_files(g)
    g.shutdown()
