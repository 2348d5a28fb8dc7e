# SPDX-License-Identifier: Apache-2.0
"""Which module a handle comes from."""
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any, Optional, Tuple

from .guestfs import GuestFS

VARIABLE = "SLIPWAY_GUESTFS_BACKEND"
ENGINES = {"native": "auto", "host": "host", "sandbox": "sandbox"}
_STAND_IN = Path(__file__).resolve().parent.parent / "compat"


def _libguestfs() -> Any:
    """The real module, also where Slipway's own stands in for it in sys.path. ImportError."""
    known = sys.modules.get("guestfs")
    if hasattr(known, "libguestfsmod"):
        return known
    importlib.import_module("libguestfsmod")  # what the stand-in does not have
    path = [each for each in sys.path if Path(each or ".").resolve() != _STAND_IN]
    spec = importlib.machinery.PathFinder.find_spec("guestfs", path)
    if spec is None or spec.loader is None:
        raise ImportError("libguestfs's module is not installed")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "libguestfsmod"):
        raise ImportError(f"{spec.origin} is in the way of libguestfs's module")
    return module


def choose(backend: Optional[str] = None) -> Tuple[Any, str]:
    """libguestfs's module, or None and the engine of a handle of Slipway's; see create_guestfs."""
    chosen = backend or os.environ.get(VARIABLE) or "native"
    if chosen in ENGINES:
        return None, ENGINES[chosen]
    if chosen not in ("libguestfs", "auto"):
        raise ValueError(f"{chosen!r} is no back end: use native, host, sandbox, libguestfs or auto")
    try:
        return _libguestfs(), ""
    except ImportError:
        if chosen == "libguestfs":
            raise
        return None, "auto"


def create_guestfs(python_return_dict: bool = True, backend: Optional[str] = None) -> GuestFS:
    """A new handle.

    backend, or else the environment variable SLIPWAY_GUESTFS_BACKEND, or else "native": "native" is Slipway, which chooses its
    engine; "host" and "sandbox" force one; "libguestfs" is the module of libguestfs; "auto" is that one where it is installed,
    and native otherwise. ValueError for another name, ImportError where libguestfs was asked for and is not there.
    """
    libguestfs, engine = choose(backend)
    if libguestfs is not None:
        of_libguestfs: GuestFS = libguestfs.GuestFS(python_return_dict=python_return_dict)  # as far as its calls go
        return of_libguestfs
    return GuestFS(python_return_dict=python_return_dict, engine=engine)
