# SPDX-License-Identifier: Apache-2.0
"""The guests the tests use, as data. Everything here is part of the cache key
except `summary` and `expect`."""

from dataclasses import dataclass

MIB = 1024 * 1024

# What a VMware guest's initramfs holds: its own controllers and nothing of virtio.
VMWARE_MODULES = ("ata_piix", "ata_generic", "ahci", "sd_mod", "mptspi", "mptsas", "vmw_pvscsi")

# Drivers no test needs; without them a guest is 150 MB smaller.
UNUSED_MODULES = (
    "sound", "net/bluetooth", "net/mac80211", "net/wireless", "drivers/bluetooth",
    "drivers/comedi", "drivers/gpu", "drivers/hwmon", "drivers/iio", "drivers/infiniband",
    "drivers/media", "drivers/mtd", "drivers/net/wireless", "drivers/staging",
)

COMMON_PACKAGES = (
    "busybox", "e2fsprogs", "grub-pc", "ifupdown", "initramfs-tools", "iproute2", "kmod",
    "linux-image-amd64", "login", "systemd-sysv", "udev", "udhcpc", "zstd",
)


@dataclass(frozen=True)
class Base:
    """A package tree that several guests share; it has no initramfs and no boot loader yet."""
    suite: str
    packages: tuple[str, ...]
    excluded_modules: tuple[str, ...] = UNUSED_MODULES


@dataclass(frozen=True)
class WithModules(Base):
    """A base with kernel modules that Debian ships as source: `source` is the package that compiles them, and goes again."""
    source: str = ""
    compiler: tuple[str, ...] = ("linux-headers-amd64",)
    components: tuple[str, ...] = ("main", "contrib")


@dataclass(frozen=True)
class Volume:
    """One partition. `mib=0` takes what is left of the disk."""
    fs: str  # ext4, xfs, btrfs, swap, bios_grub
    mib: int = 0
    uuid: str = ""
    label: str = ""
    mount: str = ""
    options: str = "defaults"
    subvolumes: tuple[tuple[str, str], ...] = ()  # (name, mount point), btrfs
    system: int = 0  # which of Installed.systems mounts it; swap serves all


@dataclass(frozen=True)
class Silent:
    """Console expectation: nothing more comes for a minute after `pattern`."""
    pattern: str


Expect = dict[str, str | Silent]  # by the bus the disk is on: a pattern of the serial console


@dataclass(frozen=True)
class System:
    base: str
    hostname: str


@dataclass(frozen=True)
class Installed:
    """A guest made from packages. `names` is how fstab, grub.cfg and resume name devices:
    "device" (/dev/sda1, as on VMware) or "uuid". `modules` empty means MODULES=most."""
    summary: str
    expect: Expect
    systems: tuple[System, ...]
    disk_mib: int
    table: str  # dos, gpt
    label_id: str
    volumes: tuple[Volume, ...]
    names: str = "device"
    modules: tuple[str, ...] = VMWARE_MODULES
    cmdline: str = "console=tty0 console=ttyS0,115200"
    # "console" reaches the serial line through SeaBIOS; "" is Debian's default, a graphical
    # terminal, of which the serial line shows nothing.
    grub_terminal: str = "console"
    vanished_disk: str = "/dev/disk/by-id/scsi-36000c29d4a1f0b7e52c8936f1e07ab45"


@dataclass(frozen=True)
class Layer:
    """What stands on partitions or on other layers, and carries volumes."""
    kind: str  # md, luks, lvm
    name: str  # md: of /dev/NAME; luks: of the mapping; lvm: of the group
    on: tuple[str, ...]  # below /dev, as the guest knows them
    uuid: str = ""  # of an array or a LUKS header


@dataclass(frozen=True)
class Upper(Volume):
    """A volume on a layer; its size is that of the filesystem."""
    node: str = ""  # below /dev, as the guest knows it


@dataclass(frozen=True)
class Layered(Installed):
    """A guest whose `volumes` are partitions, some of them under `layers`. Nothing on LUKS asks
    for more than 1000 rounds of PBKDF2, for it is opened without an accelerator. What LUKS holds
    is full of noise, so volumes on it are small."""
    layers: tuple[Layer, ...] = ()  # in the order of making them
    upper: tuple[Upper, ...] = ()
    files: tuple[tuple[str, str], ...] = ()  # path and text


@dataclass(frozen=True)
class Derived:
    """A copy of another guest's disk with a few edits (see builder/derive.py)."""
    summary: str
    expect: Expect
    parent: str
    edits: tuple[tuple[str, ...], ...]
    uefi_root: str = ""  # makes it boot by UEFI only: UUID of the filesystem with /boot/grub


@dataclass(frozen=True)
class Host:
    """A machine to run Slipway in, with a kernel and an udev that ours lacks: no disk of its own but
    a read-only root (erofs) below a tmpfs, and kernel and initramfs beside it (see builder/host.py)."""
    summary: str
    expect: Expect
    base: str


# What Slipway runs on and what the rules of udev call; the libraries that it is linked with.
HOST_PACKAGES = (
    "binutils", "btrfs-progs", "busybox-static", "cryptsetup-bin", "dmsetup", "dosfstools", "e2fsprogs", "fdisk", "kmod",
    "linux-image-amd64", "lvm2", "mdadm", "procps", "qemu-system-common", "qemu-utils", "systemd-sysv", "udev", "xfsprogs",
    "libarchive13", "libcryptsetup12", "libfmt9", "libhivex0", "libkmod2", "libnettle8", "libseccomp2", "libsqlite3-0",
)

BASES = {
    "bookworm": Base("bookworm", COMMON_PACKAGES + ("btrfs-progs",)),
    "bookworm-layers": Base("bookworm", COMMON_PACKAGES + ("cryptsetup-initramfs", "lvm2", "mdadm")),
    "trixie": Base("trixie", COMMON_PACKAGES + ("xfsprogs",)),
    "bookworm-host": Base("bookworm", HOST_PACKAGES),
    "bookworm-zfs": WithModules("bookworm", HOST_PACKAGES + ("zfsutils-linux",), source="zfs-dkms"),
}

# What `guest verify` looks for.
LOGIN = r"login: "
NO_ROOT = r"Gave up waiting for root"
BROKEN = {"sata": LOGIN, "virtio": NO_ROOT}


UNLOCK = r"Please unlock disk sda2_crypt"
NO_ROOT_YET = r"Waiting for encrypted source device"

LUKS_PASSPHRASE = "open sesame"  # of every LUKS header here
# What mdadm --detail --scan --verbose prints, and members by name.
MDADM_CONF = """\
DEVICE /dev/sda2 /dev/sda3
HOMEHOST <system>
MAILADDR root
ARRAY /dev/md0 level=raid1 num-devices=2 metadata=1.2 UUID=5119a000:00004000:80000000:00000084
   devices=/dev/sda2,/dev/sda3
"""


def uuid(number: int) -> str:
    """A fixed UUID that is easy to recognise in a test's output."""
    return f"5119a000-0000-4000-8000-{number:012d}"


def ext4_and_swap(first: int) -> tuple[Volume, ...]:
    return (
        Volume("ext4", mib=1600, uuid=uuid(first), mount="/", options="errors=remount-ro"),
        Volume("swap", uuid=uuid(first + 1)),
    )


def boot_partition(first: int) -> Volume:
    return Volume("ext4", mib=300, uuid=uuid(first), label="boot", mount="/boot")


def root_and_swap_in_group(first: int, mib: int) -> tuple[Upper, ...]:
    """As Debian's installer makes them; the hyphen of the group is doubled in /dev/mapper."""
    return (
        Upper("ext4", mib=mib, uuid=uuid(first), mount="/", options="errors=remount-ro",
              node="mapper/debian12--vg-root"),
        Upper("swap", mib=60, uuid=uuid(first + 1), node="mapper/debian12--vg-swap_1"),
    )


def broken_stock(summary: str, expect: str | Silent, *edits: tuple[str, ...]) -> Derived:
    return Derived(summary, {"virtio": expect}, "debian12-stock", edits)


RECIPES = {
    "debian12-ext4": Installed(
        summary="Debian 12 as on VMware: msdos table, ext4 root, swap, sda names, no virtio",
        expect=BROKEN,
        systems=(System("bookworm", "debian12-ext4"),),
        disk_mib=2048, table="dos", label_id="0x51190001", volumes=ext4_and_swap(11),
        modules=VMWARE_MODULES + ("ext4",)),
    "debian12-stock": Installed(
        summary="Debian 12, healthy: as debian12-ext4 but UUIDs and a MODULES=most initramfs",
        expect={"sata": LOGIN, "virtio": LOGIN},
        systems=(System("bookworm", "debian12-stock"),),
        disk_mib=2048, table="dos", label_id="0x51190002", volumes=ext4_and_swap(21),
        names="uuid", modules=(), vanished_disk=""),
    "debian13-xfs-boot": Installed(
        summary="Debian 13 as on VMware: GPT with bios_grub, ext4 /boot, xfs root, swap",
        expect=BROKEN,
        systems=(System("trixie", "debian13-xfs-boot"),),
        disk_mib=2560, table="gpt", label_id=uuid(30),
        volumes=(
            Volume("bios_grub", mib=1),
            Volume("ext4", mib=300, uuid=uuid(31), label="boot", mount="/boot"),
            Volume("xfs", mib=1800, uuid=uuid(32), label="root", mount="/"),
            Volume("swap", uuid=uuid(33)),
        ),
        modules=VMWARE_MODULES + ("xfs", "ext4"),
        cmdline="console=tty0 console=ttyS0,115200 resume=/dev/sda4", grub_terminal=""),
    "debian12-btrfs": Installed(
        summary="Debian 12 as on VMware: msdos table, btrfs with subvolumes @ and @home",
        expect=BROKEN,
        systems=(System("bookworm", "debian12-btrfs"),),
        disk_mib=2048, table="dos", label_id="0x51190004",
        volumes=(
            Volume("btrfs", uuid=uuid(41), label="pool",
                   subvolumes=(("@", "/"), ("@home", "/home"))),
        ),
        modules=VMWARE_MODULES + ("btrfs",)),
    "debian12-two": Installed(
        summary="two systems on one disk: Debian 12 on sda1 (boots), Debian 13 on sda2",
        expect=BROKEN,
        systems=(System("bookworm", "debian12-two"), System("trixie", "debian13-two")),
        disk_mib=3072, table="dos", label_id="0x51190005",
        volumes=(
            Volume("ext4", mib=1400, uuid=uuid(51), label="first", mount="/"),
            Volume("ext4", mib=1400, uuid=uuid(52), label="second", mount="/", system=1),
            Volume("swap", uuid=uuid(53)),
        ),
        modules=VMWARE_MODULES + ("ext4",)),

    "debian12-lvm": Layered(
        summary="Debian 12 as on VMware: ext4 /boot, root and swap in the volume group debian12-vg",
        expect=BROKEN,
        systems=(System("bookworm-layers", "debian12-lvm"),),
        disk_mib=1880, table="dos", label_id="0x51190006",
        volumes=(boot_partition(61), Volume("lvm")),
        layers=(Layer("lvm", "debian12-vg", ("sda2",)),),
        upper=root_and_swap_in_group(62, mib=1500),
        modules=VMWARE_MODULES + ("ext4", "dm_mod")),
    "debian12-luks": Layered(
        summary=f"the same inside of LUKS2, passphrase {LUKS_PASSPHRASE!r}",
        expect={"sata": UNLOCK, "virtio": NO_ROOT_YET},
        systems=(System("bookworm-layers", "debian12-luks"),),
        disk_mib=1296, table="dos", label_id="0x51190007",
        volumes=(boot_partition(71), Volume("luks")),
        layers=(Layer("luks", "sda2_crypt", ("sda2",), uuid=uuid(74)),
                Layer("lvm", "debian12-vg", ("mapper/sda2_crypt",))),
        upper=root_and_swap_in_group(72, mib=900),
        files=(("etc/crypttab", "sda2_crypt /dev/sda2 none luks,discard,initramfs\n"),),
        modules=VMWARE_MODULES + ("ext4", "dm_mod", "dm_crypt", "xts", "ecb", "algif_skcipher")),
    "debian12-md": Layered(
        summary="Debian 12 as on VMware: ext4 /boot, root on a RAID 1 of two partitions, swap",
        expect=BROKEN,
        systems=(System("bookworm-layers", "debian12-md"),),
        disk_mib=3520, table="dos", label_id="0x51190008",
        volumes=(boot_partition(81), Volume("md", mib=1520), Volume("md", mib=1520),
                 Volume("swap", uuid=uuid(83))),
        layers=(Layer("md", "md0", ("sda2", "sda3"), uuid=uuid(84)),),
        upper=(Upper("ext4", mib=1500, uuid=uuid(82), mount="/", options="errors=remount-ro",
                     node="md0"),),
        files=(("etc/mdadm/mdadm.conf", MDADM_CONF),),
        modules=VMWARE_MODULES + ("ext4", "raid1"),
        cmdline="console=tty0 console=ttyS0,115200 resume=/dev/sda4"),

    "debian12-uefi": Derived(
        summary="Debian 12, healthy: as debian12-stock, but UEFI only, with an ESP",
        expect={"uefi": LOGIN},
        parent="debian12-stock",
        edits=(("mkdir", "boot", "efi"),
               ("append", "etc/fstab", "UUID=5119-00E5 /boot/efi vfat umask=0077 0 1\n")),
        uefi_root=uuid(21)),

    "debian12-host": Host(
        summary="a machine to run Slipway in: Debian 12 with its own kernel, systemd, udev, lvm2, mdadm",
        expect={}, base="bookworm-host"),
    "debian12-zfs": Host(
        summary="the same with ZFS; compiles its module, which takes a quarter of an hour",
        expect={}, base="bookworm-zfs"),

    "prove-firmware": broken_stock(
        "stops in the firmware: the boot sector's code is zeroed",
        Silent(r"Booting from Hard Disk\.\.\.\r*\n"), ("zero-disk", "0", "440")),
    "prove-loader": broken_stock(
        "stops in the loader: normal.mod and grub.cfg are gone",
        r"grub rescue>",
        ("remove", "boot/grub/i386-pc/normal.mod"), ("remove", "boot/grub/grub.cfg")),
    "prove-kernel": broken_stock(
        "stops before the kernel: vmlinuz is not a kernel",
        r"invalid magic number", ("garbage", "boot/vmlinuz-*", "0")),
    "prove-initramfs": broken_stock(
        "stops in the kernel: the initramfs cannot be unpacked",
        r"Unable to mount root fs", ("garbage", "boot/initrd.img-*", "65536")),
    "prove-root": broken_stock(
        "stops in the initramfs: root= names a UUID that no disk has",
        NO_ROOT, ("replace", "boot/grub/grub.cfg", f"root=UUID={uuid(21)}",
                  f"root=UUID={uuid(999)}")),
    "prove-init": broken_stock(
        "stops at init: neither systemd nor a shell is left to start",
        r"No init found",
        ("remove", "usr/sbin/init"), ("remove", "usr/lib/systemd/systemd"),
        ("remove", "usr/bin/sh"), ("remove", "usr/bin/dash")),
    "prove-login": broken_stock(
        "stops in emergency mode: fstab wants a filesystem that no disk has",
        r"emergency mode",
        ("append", "etc/fstab",
         f"UUID={uuid(998)} /srv ext4 defaults,x-systemd.device-timeout=5s 0 2\n")),
    "prove-noserial": broken_stock(
        "boots, but says nothing on the serial line: no console=ttyS0, quiet",
        Silent(r"Loading initial ramdisk \.\.\.\r*\n"),
        ("replace", "boot/grub/grub.cfg", "console=tty0 console=ttyS0,115200", "quiet"),
        ("replace", "etc/default/grub", "console=tty0 console=ttyS0,115200", "quiet")),
}
