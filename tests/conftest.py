"""For all tests: a power cut on the bench closes nothing, so what it leaves open is closed here."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


def _journals() -> set[int]:
    """Descriptors of journal segments that this process holds open."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if "/journal/" in target and ".log" in target:
            found.add(int(name))
    return found


@pytest.fixture(autouse=True)
def _no_journal_is_left_open() -> Iterator[None]:
    """A station that a test drops as if the power went keeps its descriptors; a thousand would be too many."""
    before = _journals()
    yield
    for descriptor in _journals() - before:
        os.close(descriptor)
