"""What the first start of a station compiles, made once: the other starts of the tests find it in their directory.

Stamps say what it was made of, so a start that needs anything else makes it itself, as ever; it is made anew when a
source changes meanwhile. What the first start does is the matter of tests/test_prepare.py, tests/test_demo.py and
tests/packaging.

The byte code of the front end, which no environment may forbid to keep, is a part of it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from evse import prepare

# Where it is kept: a directory of the test run, which goes with it.
place: str | None = None


def lay(state: Path) -> None:
    """Puts byte code and tables into a state directory that has none; its configuration is still to be compiled."""
    if not (state / prepare.COMPILED).exists():
        made = _made(prepare._fingerprint(prepare._sources()))
        shutil.copytree(made, state / prepare.COMPILED, copy_function=_link)


def environment() -> dict[str, str]:
    """That of this process, for one that imports the program from the tree and keeps its byte code outside of it."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PYTHONPATH": prepare.ROOT, "PYTHONPYCACHEPREFIX": _front()}


@cache
def _front() -> str:
    return tempfile.mkdtemp(dir=place)


@cache
def _made(sources: str) -> Path:
    state = tempfile.mkdtemp(dir=place)
    prepare.prepare(None, state)  # of no station file
    made = Path(state, prepare.COMPILED)
    for name in (prepare.CONFIG, "config.stamp"):
        (made / name).unlink()
    return made


def _link(source: str, target: str) -> None:
    """No program writes into a compiled file, they are replaced; so one copy serves all."""
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
