# SPDX-License-Identifier: Apache-2.0
"""What FakeGuestFS has below its files: devices, filesystems, volumes."""
from typing import Any, Dict, List

from .guestfs import GuestFSError

_BLOCK = 4096


class FakeDisks:
    """filesystems: device -> {"type": "ext4", "label": "", "uuid": "", "size": bytes}, of which all may be left out; a device
    below /dev/mapper or of three names or more is a logical volume.
    """

    def __init__(self) -> None:
        self.filesystems: Dict[str, Dict[str, Any]] = {}

    def _filesystem(self, device: str) -> Dict[str, Any]:
        if device not in self.filesystems:
            raise GuestFSError("notFound", f"{device}: no such device: FakeGuestFS has those in filesystems")
        return self.filesystems[device]

    def _volumes(self) -> List[str]:
        return sorted(each for each in self.filesystems if each.startswith("/dev/mapper/") or each.count("/") > 2)

    def _plain(self, partitions: bool) -> List[str]:
        return sorted(each for each in self.filesystems if each not in self._volumes() and each[-1].isdigit() == partitions)

    def _fake_list_filesystems(self) -> Dict[str, str]:
        return {device: each.get("type", "unknown") for device, each in self.filesystems.items()}

    def _fake_list_devices(self) -> List[str]:
        return sorted({each.rstrip("0123456789") for each in self._plain(True)} | set(self._plain(False)))

    def _fake_list_partitions(self) -> List[str]:
        return self._plain(True)

    def _fake_lvs(self) -> List[str]:
        return self._volumes()

    def _fake_vgs(self) -> List[str]:
        return sorted({each.split("/")[2] for each in self._volumes() if not each.startswith("/dev/mapper/")})

    def _fake_is_lv(self, mountable: str) -> int:
        return int(mountable in self._volumes())

    def _fake_canonical_device_name(self, device: str) -> str:
        return device

    def _fake_vfs_type(self, mountable: str) -> str:
        return self._filesystem(mountable).get("type", "unknown")

    def _fake_vfs_label(self, mountable: str) -> str:
        return self._filesystem(mountable).get("label", "")

    def _fake_vfs_uuid(self, mountable: str) -> str:
        return self._filesystem(mountable).get("uuid", "")

    def _fake_blockdev_getsize64(self, device: str) -> int:
        return self._filesystem(device).get("size", 0)

    def _fake_statvfs(self, _path: str) -> Dict[str, int]:
        """As if all that the devices have were one filesystem, and free."""
        blocks = sum(each.get("size", 0) for each in self.filesystems.values()) // _BLOCK
        return {"bsize": _BLOCK, "frsize": _BLOCK, "blocks": blocks, "bfree": blocks, "bavail": blocks, "files": 0, "ffree": 0,
                "favail": 0, "fsid": 0, "flag": 0, "namemax": 255}
