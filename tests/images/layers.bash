# SPDX-License-Identifier: Apache-2.0
# For scripts inside the machine of tests/storage/in_uml that make layers on its disks.
export DM_DISABLE_UDEV=1 MDADM_NO_UDEV=1 LVM_SYSTEM_DIR=/run/slipway LVM_SUPPRESS_FD_WARNINGS=1

for module in dm-mod dm-crypt dm-thin-pool dm-snapshot raid1; do modprobe -d /tmp/modules $module; done
mkdir -p /dev/mapper
mknod /dev/mapper/control c 10 236

part() { # NUMBER [DISK]: its node
    local disk=${2:-ubda} major minor
    IFS=: read -r major minor </sys/block/$disk/$disk$1/dev
    [ -e /dev/$disk$1 ] || mknod /dev/$disk$1 b "$major" "$minor"
}
lvm_() {
    lvm "$@" --config 'devices{use_devicesfile=0 obtain_device_list_from_udev=0 external_device_info_source="none" scan=["/dev"]}
        activation{udev_sync=0 udev_rules=0 verify_udev_operations=0 monitoring=0} backup{backup=0 archive=0}
        global{use_lvmpolld=0 locking_dir="/run/lock" event_activation=0}' >/dev/null
}
luks_format() { # NODE OPTION…: few rounds, because no machine here has an accelerator
    printf "open sesame" | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file=- "$@"
}
luks_open() { # NODE NAME
    printf "open sesame" | cryptsetup open --key-file=- "$1" "$2"
}
