# SPDX-License-Identifier: Apache-2.0
"""Slipway for Python."""
from .factory import create_guestfs
from .guestfs import ClosedHandle, GuestFS, GuestFSError, InvalidArgument, command_with_mounts

__all__ = ["ClosedHandle", "GuestFS", "GuestFSError", "InvalidArgument", "command_with_mounts", "create_guestfs"]
