# SPDX-License-Identifier: Apache-2.0
"""In place of libguestfs's module: with this directory in PYTHONPATH scripts run unchanged. SLIPWAY_GUESTFS_BACKEND names the
back end as for slipway.create_guestfs."""
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

# pylint: disable=wrong-import-position,unused-wildcard-import,wildcard-import
from slipway import guestfs as _slipway  # noqa: E402
from slipway.factory import choose as _choose  # noqa: E402
from slipway.guestfs import *  # noqa: E402,F401,F403

_libguestfs, _engine = _choose()
if _libguestfs is not None:
    sys.modules[__name__] = _libguestfs


class GuestFS(_slipway.GuestFS):
    """A handle of Slipway's."""

    def __init__(self, python_return_dict: bool = False, environment: bool = True, close_on_exit: bool = True):
        super().__init__(python_return_dict, environment, close_on_exit, _engine)
