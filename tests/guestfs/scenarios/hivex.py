# SPDX-License-Identifier: Apache-2.0
"""The Windows registry: opening a hive, its keys and values, changing it."""
from _disk import ext4
from _hive import hive, number, text

from recorder import fails

SEEDS = (1,)


def closed(g):
    for call, args in ((g.hivex_root, ()), (g.hivex_close, ()), (g.hivex_commit, (None,)), (g.hivex_node_name, (1,)),
                       (g.hivex_node_children, (1,)), (g.hivex_node_get_child, (1, "x")), (g.hivex_node_parent, (1,)),
                       (g.hivex_node_values, (1,)), (g.hivex_node_get_value, (1, "x")), (g.hivex_value_key, (1,)),
                       (g.hivex_value_type, (1,)), (g.hivex_value_value, (1,)), (g.hivex_value_string, (1,)), (g.hivex_value_utf8, (1,)),
                       (g.hivex_node_add_child, (1, "x")), (g.hivex_node_delete_child, (1,)), (g.hivex_node_set_value, (1, "x", 1, b""))):
        fails(call, *args)
    fails(g.hivex_open, "/none")
    fails(g.hivex_open, "/text")
    fails(g.hivex_open, "/empty")
    fails(g.hivex_open, "/")


def fill(g):
    g.hivex_open("/hive", write=True)
    root = g.hivex_root()
    g.hivex_node_name(root)
    g.hivex_node_children(root)
    microsoft = g.hivex_node_add_child(root, "Microsoft")
    g.hivex_node_add_child(root, "Classes")
    g.hivex_node_add_child(root, "Ünïcödé")
    windows = g.hivex_node_add_child(microsoft, "Windows NT")
    fails(g.hivex_node_add_child, root, "Microsoft")
    fails(g.hivex_node_add_child, 3, "Nowhere")
    g.hivex_node_set_value(windows, "ProductName", 1, text("Windows 10 Pro"))
    g.hivex_node_set_value(windows, "Path", 2, text("%SystemRoot%\\x"))
    g.hivex_node_set_value(windows, "Number", 4, number(0x12345678))
    g.hivex_node_set_value(windows, "Big", 11, number(1) + number(2))
    g.hivex_node_set_value(windows, "Bytes", 3, bytes(range(40)))
    g.hivex_node_set_value(windows, "Strings", 7, text("one") + text("two") + b"\0\0")
    g.hivex_node_set_value(windows, "", 1, text("default"))
    g.hivex_node_set_value(windows, "Empty", 0, b"")
    fails(g.hivex_node_set_value, 3, "x", 1, b"")
    g.hivex_node_set_value(windows, "Number", 4, number(7))
    look(g, windows)
    g.hivex_commit(None)
    g.hivex_commit("/copy")
    fails(g.hivex_commit, "/none/copy")
    g.hivex_close()


def look(g, node):
    for key in ("ProductName", "productname", "Path", "Number", "Big", "Bytes", "Strings", "Empty"):
        value = g.hivex_node_get_value(node, key)
        g.hivex_value_key(value)
        g.hivex_value_type(value)
        g.hivex_value_value(value)
    for key in ("ProductName", "Path"):
        value = g.hivex_node_get_value(node, key)
        g.hivex_value_string(value)
        g.hivex_value_utf8(value)
    g.hivex_node_get_value(node, "none")
    g.hivex_node_values(node)
    for call in (g.hivex_value_key, g.hivex_value_type, g.hivex_value_value, g.hivex_value_string, g.hivex_value_utf8,
                 g.hivex_node_children, g.hivex_node_values, g.hivex_node_name, g.hivex_node_parent):
        fails(call, 5)
    fails(g.hivex_node_get_value, 5, "x")
    fails(g.hivex_node_get_child, 5, "x")


def again(g):
    g.hivex_open("/copy")
    root = g.hivex_root()
    for child in g.hivex_node_children(root):
        g.hivex_node_name(child["hivex_node_h"])
    microsoft = g.hivex_node_get_child(root, "MICROSOFT")
    windows = g.hivex_node_get_child(microsoft, "Windows NT")
    g.hivex_node_parent(windows)
    g.hivex_node_get_child(root, "none")
    look(g, windows)
    fails(g.hivex_node_add_child, root, "ReadOnly")
    fails(g.hivex_node_set_value, root, "x", 1, b"")
    fails(g.hivex_commit, None)
    fails(g.hivex_node_delete_child, windows)
    g.hivex_close()
    fails(g.hivex_root)


def deleting(g):
    g.hivex_open("/hive", write=True, verbose=False, debug=False, unsafe=False)
    root = g.hivex_root()
    g.hivex_node_delete_child(g.hivex_node_get_child(root, "Classes"))
    fails(g.hivex_node_delete_child, root)
    for child in g.hivex_node_children(root):
        g.hivex_node_name(child["hivex_node_h"])
    g.hivex_close()  # without a commit
    g.hivex_open("/hive")
    g.hivex_node_children(g.hivex_root())
    g.hivex_open("/copy")  # takes the other's place
    g.hivex_root()
    g.hivex_close()


def scenario(g, work):
    work.launch(g, work.images.blank("disk", 96))
    fails(g.hivex_open, "/hive")
    g.part_disk("/dev/sda", "mbr")
    ext4(g)
    g.mount("/dev/sda1", "/")
    g.write("/hive", hive())
    g.write("/text", "no hive at all\n" * 1000)
    g.touch("/empty")
    closed(g)
    fill(g)
    again(g)
    deleting(g)
    g.shutdown()
