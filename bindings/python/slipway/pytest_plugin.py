# SPDX-License-Identifier: Apache-2.0
"""Fixtures for pytest: fake_guestfs, use_native_guestfs. Found by pytest itself where the package is in sys.path."""
from typing import Iterator

import pytest

from .factory import VARIABLE
from .testing import FakeGuestFS


@pytest.fixture
def fake_guestfs() -> FakeGuestFS:
    """A handle whose files are in memory: fake_guestfs.fs["/etc/hostname"] = b"name"."""
    return FakeGuestFS()


@pytest.fixture
def use_native_guestfs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """create_guestfs() gives handles of Slipway's."""
    monkeypatch.setenv(VARIABLE, "native")
    yield
