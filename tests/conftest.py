"""For all tests: the long ones begin first; what stations compile is kept with the run; journals are closed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support import compiled

# Files with real processes or long sweeps: begun last, one of them keeps one worker busy while the others are done.
LONG = (
    "tests/system/",
    "tests/packaging/",
    "tests/interop/",
    "tests/conformance/test_ocpp201_b_network",
    "tests/conformance/test_ocpp201_certificates_over_tls",
    "tests/conformance/test_ocpp201_a_security",
    "tests/test_",
    "tests/store/test_powercut",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; the order within a file, and among the rest, stays."""
    items.sort(key=lambda item: next((at for at, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG)))


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    compiled.place = str(tmp_path_factory.mktemp("compiled"))


def _descriptors() -> set[str]:
    """Those that are open, without the one that the list was read by: its number is the next to be given away."""
    return {name for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")}


@pytest.fixture(autouse=True)
def _no_journal_is_left_open() -> Iterator[None]:
    """A station that a test drops as if the power went keeps its descriptors; a thousand would be too many."""
    before = _descriptors()
    yield
    for name in _descriptors() - before:
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if "/journal/" in target and ".log" in target:
            os.close(int(name))
