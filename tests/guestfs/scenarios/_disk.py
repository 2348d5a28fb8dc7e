# SPDX-License-Identifier: Apache-2.0
"""What several scenarios begin with."""
UUIDS = [f"5110c0de-{n:04x}-4000-8000-00000000{n:04x}" for n in range(64)]
OLD = 1_000_000_000  # a time that is set, and so is compared


def ext4(g, device="/dev/sda1", number=1, fstype="ext4"):
    """A filesystem whose UUID is set."""
    g.mkfs(fstype, device)
    g.set_uuid(device, UUIDS[number])


def mounted_ext4(g, work, mib=96, mountpoint="/", **spread):
    """A launched handle with one disk, one partition and its filesystem mounted."""
    work.launch(g, work.images.blank("disk", mib, **spread))
    g.part_disk("/dev/sda", work.random.choice(("mbr", "gpt")))
    ext4(g)
    g.mount("/dev/sda1", mountpoint)
