"""Which board this machine is: its device tree names it, a board file answers to the name. Front end and tools only."""

from __future__ import annotations

import os
import tomllib
from typing import Any

import board_configs
from hal.interfaces import HalError

DIRECTORY = os.path.dirname(os.path.abspath(board_configs.__file__))
COMPATIBLE = "/proc/device-tree/compatible"


def names() -> list[str]:
    """The board files that come with the program."""
    return sorted(file.removesuffix(".toml") for file in os.listdir(DIRECTORY) if file.endswith(".toml"))


def load(path: str) -> dict[str, Any]:
    """The tables of a board file. Raises HalError("Board")."""
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise HalError("Board", f"board file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HalError("Board", f"board file {path}: {error}") from None


def path_of(name: str) -> str:
    """The board file of a name; of a path (with `/` or `.toml`) itself. Raises HalError("Board")."""
    if "/" in name or name.endswith(".toml"):
        return name
    if name not in names():
        raise HalError("Board", f"there is no board {name!r}; there are {', '.join(names())}")
    return os.path.join(DIRECTORY, f"{name}.toml")


def detect(path: str = COMPATIBLE) -> str:
    """The name of the board that this machine is. Raises HalError("Board")."""
    try:
        with open(path, "rb") as file:
            machine = file.read().decode("utf-8", "replace").strip("\0").split("\0")
    except OSError:
        raise HalError("Board", "this machine has no device tree to tell its board by; name the board") from None
    boards = {name: load(path_of(name)).get("board", {}) for name in names()}
    known = {compatible: name for name, board in boards.items() for compatible in board.get("compatible", ())}
    for compatible in machine:  # the most special comes first
        if compatible in known:
            return known[compatible]
    raise HalError("Board", f"no board file is for {', '.join(machine)}; write one (docs/boards.md) and name it")
