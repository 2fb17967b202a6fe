"""A loop for what starts processes: none may be left when the test ends."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.fakeloop import FakeLoop


@pytest.fixture
def loop() -> Iterator[FakeLoop]:
    loop = FakeLoop()
    yield loop
    loop.close()
    with pytest.raises(ChildProcessError):  # no child is left, dead or alive
        os.waitpid(-1, os.WNOHANG)
