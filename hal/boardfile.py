"""What a board file may say: unknown, missing and contradicting settings, and lines that are used twice.

For the front end, tools and tests; the station process gets a board that was checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from hal.board import DRIVERS
from hal.interfaces import HalError

Table = dict[str, Any]

# Lines and channels of the computer, by the names that devices use: what must differ between two of a kind.
RESOURCES = {"gpio": ("line",), "serial": ("device",), "pwm": ("device", "channel"), "adc": ("device", "positive")}
# Members of a device's table that name a resource: it is that device's alone; a port may serve several units.
CLAIMS = {"coil": "gpio", "feedback": "gpio", "line": "gpio", "pwm": "pwm", "adc": "adc", "port": "serial"}
# Members of each table and the type each must have.
_NUMBER = (int, float)
SCHEMA: dict[str, dict[str, Any]] = {
    "file": {
        "schema": int, "board": dict, "evse": list, "meter": list, "reader": list, **dict.fromkeys(RESOURCES, dict),
    },
    "board": {"id": str, "description": str, "bench_only": bool},
    "evse": {
        "id": int, "phases": int, "max_current_a": _NUMBER, "meter": str,
        "pilot": dict, "contactor": dict, "sensor": list, "connector": list,
    },
    "connector": {"id": int, "type": str, "tethered": bool, "lock": str},
}  # fmt: skip
_REQUIRED = {
    "file": ("board", "evse"),
    "board": ("id",),
    "evse": ("id", "phases", "max_current_a", "pilot", "contactor", "connector"),
    "connector": ("id", "type"),
}


def require(description: Table) -> None:
    """Raises HalError("Board", ...) with everything that `check()` finds."""
    problems = check(description)
    if problems:
        raise HalError("Board", "; ".join(problems))


def check(description: Table) -> list[str]:
    """Everything that is wrong with a board file, in words; nothing is made or imported."""
    problems: list[str] = []
    if not _check_table("file", "board file", description, problems) or not description["evse"]:
        return problems or ["board file: no [[evse]]"]
    _check_table("board", "[board]", description["board"], problems)
    claims: dict[str, str] = {}
    for kind, members in RESOURCES.items():
        _check_resources(kind, members, description.get(kind, {}), problems)
    meters = _ids("[[meter]]", description.get("meter", ()), problems)
    for table in description.get("meter", ()):
        _check_device("meter", f"[[meter]] {table.get('id')}", table, claims, problems)
        if table.get("on_loss", "stop") not in ("stop", "continue"):
            problems.append(f"[[meter]] {table.get('id')}: on_loss must be \"stop\" or \"continue\"")
    evses = _ids("[[evse]]", description["evse"], problems)
    for table in description["evse"]:
        where = f"[[evse]] {table.get('id')}"
        if _check_table("evse", where, table, problems):
            _check_evse(where, table, meters, claims, problems)
    for number, table in enumerate(description.get("reader", ()), 1):
        where = f"[[reader]] {table.get('id', number)}"
        _check_device("reader", where, table, claims, problems)
        for evse in table.get("evses", ()):
            if evse not in evses:
                problems.append(f"{where}: there is no EVSE {evse!r}")
    return problems


def _check_evse(where: str, table: Table, meters: list[Any], claims: dict[str, str], problems: list[str]) -> None:
    if table["phases"] not in (1, 2, 3):
        problems.append(f"{where}: phases must be 1, 2 or 3")
    if not 6 <= table["max_current_a"] <= 80:
        problems.append(f"{where}: max_current_a must be from 6 to 80")
    for kind in ("pilot", "contactor"):
        _check_device(kind, f"{where} {kind}", table[kind], claims, problems)
    for options in table.get("sensor", ()):
        _check_device("sensor", f"{where} sensor", options, claims, problems)
    if "meter" in table:
        if table["meter"] not in meters:
            problems.append(f"{where}: there is no meter {table['meter']!r}{_nearest(table['meter'], meters)}")
        _claim(f"meter {table['meter']!r}", where, claims, problems)
    _ids(f"{where} connector", table["connector"], problems)
    if not table["connector"]:
        problems.append(f"{where}: no [[evse.connector]]")
    for connector in table["connector"]:
        name = f"{where} connector {connector.get('id')}"
        if not _check_table("connector", name, connector, problems):
            continue
        lock = connector.get("lock", "none")
        if lock != "none":
            _check_device("lock", name, {"driver": lock}, claims, problems)
            if connector.get("tethered", True):
                problems.append(f"{name}: a tethered cable has no lock; set tethered = false for a socket")


def _check_table(kind: str, where: str, table: Any, problems: list[str]) -> bool:
    """False, and the problems told, if members are unknown, missing or of the wrong type."""
    before = len(problems)
    known = SCHEMA[kind]
    if not isinstance(table, dict):
        problems.append(f"{where}: must be a table")
        return False
    for name, value in table.items():
        if name not in known:
            problems.append(f"{where}: {name!r} is unknown{_nearest(name, known)}")
        elif not isinstance(value, known[name]) or (isinstance(value, bool) and known[name] is not bool):
            problems.append(f"{where}: {name} cannot be {value!r}")
        elif isinstance(value, list) and not all(isinstance(item, dict) for item in value):
            problems.append(f"{where}: each {name} must be a table")
    problems.extend(f"{where}: {name} is missing" for name in _REQUIRED[kind] if name not in table)
    return len(problems) == before


def _check_device(kind: str, where: str, table: Table, claims: dict[str, str], problems: list[str]) -> None:
    name = table.get("driver") if isinstance(table, dict) else None
    if not isinstance(name, str):
        problems.append(f"{where}: driver is missing")
        return
    if name not in DRIVERS[kind] and ":" not in name:
        problems.append(f"{where}: there is no {kind} driver {name!r}{_nearest(name, DRIVERS[kind])}")
    for member, resource in CLAIMS.items():
        if member in table:
            unit = f" unit {table['unit']}" if "unit" in table else ""
            _claim(f"{resource} {table[member]!r}{unit}", where, claims, problems)


def _check_resources(kind: str, members: tuple[str, ...], tables: Table, problems: list[str]) -> None:
    seen: dict[str, str] = {}
    for name, table in tables.items():
        if not isinstance(table, dict) or members[0] not in table:
            problems.append(f"[{kind}.{name}]: {members[0]} is missing")
            continue
        _claim(" ".join(f"{member} {table.get(member)!r}" for member in members), f"[{kind}.{name}]", seen, problems)


def _claim(what: str, where: str, claims: dict[str, str], problems: list[str]) -> None:
    if what in claims:
        problems.append(f"{where}: {what} is in use by {claims[what]} already")
    claims.setdefault(what, where)


def _ids(where: str, tables: Iterable[Table], problems: list[str]) -> list[Any]:
    ids = [table.get("id") for table in tables]
    problems.extend(f"{where}: id {id!r} twice" for id in {str(id): id for id in ids if ids.count(id) > 1}.values())
    return ids


def _nearest(name: str, known: Iterable[str]) -> str:
    """What was perhaps meant, else all there is."""
    found = get_close_matches(str(name), [str(word) for word in known], 1)
    return f"; did you mean {found[0]!r}?" if found else f"; known: {', '.join(map(str, known))}"
