"""Which hardware the station has: the board file, with what the station file says about the EVSEs. Front end only."""

from __future__ import annotations

import difflib
import os
import tomllib
from typing import Any

import evse
from evse.errors import UsageError

DIRECTORY = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(evse.__file__))), "board_configs")
SIMULATED = "simulated-"
# What a station file may say about an EVSE whose wiring a real board fixes.
ADJUSTABLE = ("id", "max_current_a")

Table = dict[str, Any]


def find(name: str) -> str:
    """The board file of a name, or of a path. Raises UsageError with the names that there are."""
    if os.path.isabs(name):
        return name
    path = os.path.join(DIRECTORY, name + ".toml")
    if not os.path.isfile(path):
        known = sorted(file.removesuffix(".toml") for file in os.listdir(DIRECTORY) if file.endswith(".toml"))
        near = difflib.get_close_matches(name, known, 1, 0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise UsageError(f"there is no board {name!r}; {hint} A path with a / names a board file of your own")
    return path


def load(path: str) -> Table:
    """The tables of a board file; maps of meters that it names by a path count from it. Raises UsageError."""
    try:
        with open(path, "rb") as file:
            board = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"board file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"board file {path}: {error}") from None
    for name, meter in own_maps(board):
        meter["model"] = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(path)), name))
    return board


def own_maps(board: Table) -> list[tuple[str, Table]]:
    """(path, meter) of each meter whose map is a file of its own; what is no meter is left to the check."""
    meters = board.get("meter", ())
    meters = [meter for meter in meters if isinstance(meter, dict)] if isinstance(meters, list) else []
    return [(str(meter["model"]), meter) for meter in meters if "/" in str(meter.get("model", ""))]


def fit(board: Table, evses: list[Table], name: str) -> list[str]:
    """Applies the station file's EVSEs to a board, in place; what does not fit, in words.

    A simulated board gets the EVSEs that are asked for; on a real one the current may be lowered, and that is all.
    """
    if not evses:
        return []
    if name.startswith(SIMULATED):
        _simulate(board, evses)
        return []
    wired = {table.get("id"): table for table in board.get("evse", ())}
    problems = []
    for evse_table in evses:
        number = evse_table["id"]
        table = wired.get(number)
        if table is None:
            problems.append(f"EVSE {number}: the board {name} has no such EVSE, only {', '.join(map(str, wired))}")
            continue
        for key, value in evse_table.items():
            if value is not None and key not in ADJUSTABLE:
                problems.append(f"EVSE {number}: {key} is the board's, see its board file")
        limit_a = evse_table["max_current_a"]
        if limit_a is not None and limit_a > table["max_current_a"]:
            problems.append(
                f"EVSE {number}: max_current_a is {limit_a:g}, but the board allows {table['max_current_a']:g} A"
            )
        elif limit_a is not None:
            table["max_current_a"] = limit_a
    return problems


def _simulate(board: Table, evses: list[Table]) -> None:
    """Simulated EVSEs, meters and readers as the station file states them."""
    board["evse"], board["meter"] = [], []
    readers: dict[str, list[int]] = {}
    for table in evses:
        number = table["id"]
        meter = table["meter"] or f"meter{number}"
        socket = table["cable"] == "socket"
        connector = {"type": table["connector_type"] or ("sType2" if socket else "cType2"), "tethered": not socket}
        if socket:
            connector["lock"] = "simulated"
        board["meter"].append({"id": meter, "driver": "simulated", "interval_s": 1.0})
        board["evse"].append(
            {
                "id": number,
                "phases": table["phases"] or 3,
                "max_current_a": table["max_current_a"] or 32,
                "meter": meter,
                "pilot": {"driver": "simulated"},
                "contactor": {"driver": "simulated"},
                "sensor": [{"driver": "simulated"}],
                "connector": [{"id": id, **connector} for id in range(1, (table["connectors"] or 1) + 1)],
            }
        )
        for reader in table["readers"] or ["front"]:
            readers.setdefault(reader, []).append(number)
    board["reader"] = [{"id": name, "driver": "simulated", "evses": numbers} for name, numbers in readers.items()]
