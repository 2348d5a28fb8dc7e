# SPDX-License-Identifier: Apache-2.0
"""Which module a handle comes from."""
import importlib
import os
import sys
from typing import Any, Optional

from .guestfs import GuestFS

VARIABLE = "SLIPWAY_GUESTFS_BACKEND"
ENGINES = {"native": "auto", "host": "host", "sandbox": "sandbox"}


def engine_of_environment() -> str:
    """The engine that the environment asks for; "auto" where it asks for none, or for another module."""
    return ENGINES.get(os.environ.get(VARIABLE) or "native", "auto")


def _libguestfs() -> Any:
    """The real module, also where Slipway's own stands in for it in sys.path. ImportError."""
    known = sys.modules.get("guestfs")
    if known is not None and hasattr(known, "libguestfsmod"):
        return known
    importlib.import_module("libguestfsmod")  # what the stand-in does not have
    if known is None:
        module = importlib.import_module("guestfs")
        if hasattr(module, "libguestfsmod"):
            return module
    raise ImportError("another module named guestfs is in the way of libguestfs's")


def create_guestfs(python_return_dict: bool = True, backend: Optional[str] = None) -> Any:
    """A new handle.

    backend, or else the environment variable SLIPWAY_GUESTFS_BACKEND, or else "native": "native" is Slipway, which chooses its
    engine; "host" and "sandbox" force one; "libguestfs" is the module of libguestfs; "auto" is that one where it is installed,
    and native otherwise. ValueError for another name, ImportError where libguestfs was asked for and is not there.
    """
    chosen = backend or os.environ.get(VARIABLE) or "native"
    if chosen in ENGINES:
        return GuestFS(python_return_dict=python_return_dict, engine=ENGINES[chosen])
    if chosen not in ("libguestfs", "auto"):
        raise ValueError(f"{chosen!r} is no back end: use native, host, sandbox, libguestfs or auto")
    try:
        return _libguestfs().GuestFS(python_return_dict=python_return_dict)
    except ImportError:
        if chosen == "libguestfs":
            raise
        return GuestFS(python_return_dict=python_return_dict)
