# SPDX-License-Identifier: Apache-2.0
"""What is built is kept under $SLIPWAY_CACHE and never changes: an entry's name carries a hash
of all that went into it, and an entry appears under its name only when it is whole."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from builder.run import say
from recipes import BASES, RECIPES, Base, Derived, Host, Installed

# Each goes up when the builder makes something else of the same recipe.
BASE_VERSION = 1
GUEST_VERSION = 2
HOST_VERSION = 1


def root() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("SLIPWAY_CACHE") or home / "slipway").absolute()


def guests() -> Path:
    return root() / "guests"


def _hash(*parts: object) -> str:
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _facts(record: Base | Installed | Derived | Host) -> dict:
    return {key: value for key, value in asdict(record).items()
            if key not in ("summary", "expect")}


def base_key(name: str) -> str:
    return _hash("base", BASE_VERSION, _facts(BASES[name]))


def guest_key(name: str) -> str:
    recipe = RECIPES[name]
    if isinstance(recipe, Host):
        return _hash("host", HOST_VERSION, base_key(recipe.base))
    below = ([guest_key(recipe.parent)] if isinstance(recipe, Derived)
             else [base_key(system.base) for system in recipe.systems])
    return _hash("guest", GUEST_VERSION, _facts(recipe), below)


def base_entry(name: str) -> Path:
    return root() / "bases" / f"{name}-{base_key(name)}"


def guest_entry(name: str) -> Path:
    return guests() / f"{name}-{guest_key(name)}"


@contextmanager
def _locked(entry: Path) -> Iterator[None]:
    entry.parent.mkdir(parents=True, exist_ok=True)
    with (entry.parent / f".{entry.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another builder of {entry.name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _work_prefix(entry: Path) -> str:
    return f".{entry.name}.part-"


def _discard_stopped_builds(entry: Path) -> None:
    for left in entry.parent.glob(f"{_work_prefix(entry)}*"):
        shutil.rmtree(left)


def _publish(work: Path, entry: Path) -> None:
    for path in work.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
            with path.open("rb") as file:
                os.fsync(file.fileno())
    work.chmod(0o755)
    work.rename(entry)


def ensure(entry: Path, make: Callable[[Path], None]) -> Path:
    """Returns `entry`; when it is not there, `make` fills a new folder that then becomes it.
    A second caller waits for the first. A folder left by a killed build is thrown away."""
    if entry.is_dir():
        return entry
    with _locked(entry):
        if entry.is_dir():
            return entry
        _discard_stopped_builds(entry)
        work = Path(tempfile.mkdtemp(prefix=_work_prefix(entry), dir=entry.parent))
        try:
            make(work)
            _publish(work, entry)
        finally:
            if work.exists():
                shutil.rmtree(work)
    return entry


def outdated() -> list[Path]:
    """Entries that no present recipe or base leads to."""
    wanted = {guest_entry(name) for name in RECIPES} | {base_entry(name) for name in BASES}
    found = [path for folder in ("guests", "bases") for path in (root() / folder).glob("[!.]*")]
    return sorted(path for path in found if path not in wanted)
