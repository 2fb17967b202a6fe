"""What a board file may say: unknown, missing and contradicting settings, and lines that are used twice.

For the front end, tools and tests; the station process gets a board that was checked. The members of each table are in
hal/boardschema.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

from hal.board import DRIVERS
from hal.boardschema import COMMON, OPTIONS, PAIRS, RESOURCES, SHARED, TABLES
from hal.drivers.led import STATES
from hal.drivers.temperature import LIMIT_FROM_C, STOP_C
from hal.interfaces import HalError

Table = dict[str, Any]
# Where it stands, as keys and indexes from the top of the file; and what is wrong, in words.
Path = tuple[Any, ...]
Problem = tuple[Path, str]

SCHEMA = 1
_TOP = {
    "schema": int, **dict.fromkeys(("board", "watchdog", *RESOURCES), dict),
    **dict.fromkeys(("evse", "meter", "reader", "sensor", "led"), list),
}  # fmt: skip
_NESTED = {"pilot": dict, "contactor": dict, "phase_switch": dict, "sensor": list, "connector": list}  # in [[evse]]
_REFERENCES = {"out": "gpio", "in": "gpio", **{name: name for name in RESOURCES if name != "gpio"}}


def require(description: Table) -> None:
    """Raises HalError("Board", ...) with everything that `check()` finds."""
    found = check(description)
    if found:
        raise HalError("Board", "; ".join(found))


def check(description: Table) -> list[str]:
    """Everything that is wrong with a board file, in words."""
    return [text for _, text in problems(description)]


def problems(description: Table) -> list[Problem]:
    """Everything that is wrong with a board file, and where; nothing is made, no driver imported."""
    return _Check(description).run()


class _Check:
    def __init__(self, description: Table) -> None:
        self.file = description
        self.found: list[Problem] = []
        self.claims: dict[str, list[tuple[str, Any]]] = {}

    def run(self) -> list[Problem]:
        if not self._members((), "board file", self.file, _TOP) or not self._have("board file", "board", "evse"):
            return self.found
        if self.file.get("schema", SCHEMA) != SCHEMA:
            self._wrong(("schema",), f"board file: schema {self.file['schema']} is not known; this is schema {SCHEMA}")
        self._board()
        for kind, known in RESOURCES.items():
            self._resources(kind, known, self.file.get(kind, {}))
        meters = self._ids(("meter",), "[[meter]]")
        for index, table in enumerate(self.file.get("meter", ())):
            self._device("meter", ("meter", index), f"[[meter]] {table.get('id')}", table)
        evses = self._ids(("evse",), "[[evse]]")
        if not evses:
            self._wrong(("evse",), "board file: no [[evse]]")
        for index, table in enumerate(self.file["evse"]):
            self._evse(("evse", index), f"[[evse]] {table.get('id')}", table, meters)
        for kind in ("reader", "sensor", "led"):
            for index, table in enumerate(self.file.get(kind, ())):
                self._station_device(kind, (kind, index), f"[[{kind}]] {table.get('id', index + 1)}", table, evses)
        return self.found

    # Words

    def _wrong(self, path: Path, text: str) -> None:
        self.found.append((path, text))

    def _have(self, where: str, *names: str, table: Table | None = None, path: Path = ()) -> bool:
        missing = [name for name in names if name not in (self.file if table is None else table)]
        for name in missing:
            self._wrong(path, f"{where}: {name} is missing")
        return not missing

    def _members(self, path: Path, where: str, table: Table, known: dict[str, Any]) -> bool:
        """False, and the problems told, if a member is unknown or not of the type that `known` says."""
        before = len(self.found)
        for name, value in table.items():
            if name not in known:
                self._wrong((*path, name), f"{where}: {name!r} is unknown{_nearest(name, known)}")
            elif not isinstance(value, known[name]) or isinstance(value, bool):
                self._wrong((*path, name), f"{where}: {name} cannot be {value!r}")
            elif isinstance(value, list) and not all(isinstance(item, dict) for item in value):
                self._wrong((*path, name), f"{where}: each {name} must be a table")
        return len(self.found) == before

    def _values(self, path: Path, where: str, table: Table, kinds: dict[str, str], others: Iterable[str] = ()) -> bool:
        """Checks each member against its kind; claims the lines and ports that it names."""
        before = len(self.found)
        known = [*kinds, *others]
        for name, value in table.items():
            if name in others:
                continue
            if name not in kinds:
                self._wrong((*path, name), f"{where}: {name!r} is unknown{_nearest(name, known)}")
                continue
            kind = kinds[name].rstrip("!")
            if kind in _REFERENCES:
                self._reference((*path, name), where, kind, value, table)
            elif why := _unfit(kind, value):
                self._wrong((*path, name), f"{where}: {name} {why}")
            elif kind == "device":
                self._claim((*path, name), f"device {value!r}", where)
        self._have(where, *(name for name, kind in kinds.items() if kind.endswith("!")), table=table, path=path)
        return len(self.found) == before

    # Lines and ports

    def _resources(self, kind: str, known: dict[str, str], tables: Table) -> None:
        seen: dict[str, str] = {}
        for name, table in tables.items():
            path, where = (kind, name), f"[{kind}.{name}]"
            if not isinstance(table, dict):
                self._wrong(path, f"{where}: must be a table")
                continue
            self._values(path, where, table, known)
            places = self._line(path, where, table) if kind == "gpio" else [_place(kind, table)]
            if kind in ("pwm", "adc"):
                self._bus_name(path, where, table)
            for place in filter(None, places):
                if place in seen:
                    self._wrong(path, f"{where}: {place} is in use by {seen[place]} already")
                seen.setdefault(place, where)

    def _bus_name(self, path: Path, where: str, table: Table) -> None:
        if str(table.get("device", "")).startswith(("pwmchip", "iio:", "hwmon", "thermal_zone")):
            text = "device is a number that changes; name the device on its bus, as in 20fc000.pwm"
            self._wrong((*path, "device"), f"{where}: {text}")

    def _line(self, path: Path, where: str, table: Table) -> list[str]:
        """What only a GPIO line has to keep; the line by its name, or by each label its chip may have."""
        if ("line" in table) == ("chip" in table):
            self._wrong(path, f"{where}: line is missing; or chip and offset, where the kernel has no name for it")
        if "chip" in table and "offset" not in table:
            self._wrong(path, f"{where}: offset is missing")
        labels = table.get("chip", [])
        labels = [labels] if isinstance(labels, str) else labels
        if any(str(label).startswith("gpiochip") for label in labels):
            self._wrong((*path, "chip"), f"{where}: chip is a number that changes; give its label, as in 209c000.gpio")
        if table.get("direction") == "out":
            if "safe" not in table:
                self._wrong(path, f'{where}: safe is missing: the level that does no harm, "inactive" or "active"')
            wrong = ("bias", "debounce_ms")
        else:
            wrong = ("safe", "drive")
        for name in wrong:
            if name in table:
                self._wrong((*path, name), f"{where}: {name} is not for this direction")
        if "line" in table:
            return [f"line {table['line']!r}"]
        return [f"line {table.get('offset')} of {label!r}" for label in labels]

    def _reference(self, path: Path, where: str, kind: str, value: Any, table: Table) -> None:
        resource = _REFERENCES[kind]
        tables = {name: table for name, table in self.file.get(resource, {}).items() if isinstance(table, dict)}
        if not isinstance(value, str) or value not in tables:
            self._wrong(path, f"{where}: there is no [{resource}.{value}]{_nearest(value, tables)}")
            return
        if resource == "gpio" and tables[value].get("direction") != kind:
            self._wrong(path, f"{where}: {path[-1]} needs a line with direction = \"{kind}\"; [gpio.{value}] is none")
        unit = table.get(SHARED) if resource == "serial" else None
        self._claim(path, f"{resource} {value!r}", where, unit)

    def _claim(self, path: Path, what: str, where: str, unit: Any = None) -> None:
        """A line is one device's alone; a port may serve several that have different units."""
        users = self.claims.setdefault(what, [])
        for user, other in users:
            if unit is None or other is None or unit == other:
                words = f"{what} unit {unit}" if unit is not None and unit == other else what
                self._wrong(path, f"{where}: {words} is in use by {user} already")
                break
        users.append((where, unit))

    # Devices

    def _board(self) -> None:
        board = self.file["board"]
        if self._values(("board",), "[board]", board, TABLES["board"]):
            if not board.get("bench_only", False) and "gate" not in board:
                text = 'bench_only = true is missing; or gate = "what opens the contactor without this program"'
                self._wrong(("board",), f"[board]: {text}")
        if "watchdog" in self.file:
            self._values(("watchdog",), "[watchdog]", self.file["watchdog"], TABLES["watchdog"])

    def _evse(self, path: Path, where: str, table: Table, meters: list[Any]) -> None:
        self._members(path, where, {name: table[name] for name in table if name in _NESTED}, _NESTED)
        self._values(path, where, table, TABLES["evse"], _NESTED)
        self._have(where, "pilot", "contactor", "connector", table=table, path=path)
        for kind in ("pilot", "contactor", "phase_switch"):
            if isinstance(table.get(kind), dict):
                self._device(kind, (*path, kind), f"{where} {kind}", table[kind])
        if "phase_switch" in table and table.get("phases") != 3:
            self._wrong((*path, "phase_switch"), f"{where}: a phase_switch needs phases = 3")
        for index, options in enumerate(_tables(table, "sensor")):
            self._device("sensor", (*path, "sensor", index), f"{where} sensor", options)
        drivers = [table[kind].get("driver") for kind in ("pilot", "contactor") if isinstance(table.get(kind), dict)]
        for driver in PAIRS:
            if driver in drivers and drivers != [driver, driver]:
                self._wrong(path, f"{where}: {driver!r} is one device: it is both pilot and contactor, or neither")
        if "meter" in table:
            meter = table["meter"]
            if meter not in meters:
                self._wrong((*path, "meter"), f"{where}: there is no meter {meter!r}{_nearest(meter, meters)}")
            self._claim((*path, "meter"), f"meter {meter!r}", where)
        self._ids((*path, "connector"), f"{where} connector", _tables(table, "connector"))
        if table.get("connector") == []:
            self._wrong(path, f"{where}: no [[evse.connector]]")
        for index, connector in enumerate(_tables(table, "connector")):
            self._connector((*path, "connector", index), f"{where} connector {connector.get('id')}", connector)

    def _connector(self, path: Path, where: str, table: Table) -> None:
        self._values(path, where, table, TABLES["connector"], ("lock",))
        lock = table.get("lock", "none")
        if lock == "none":
            return
        if isinstance(lock, str):
            lock = {"driver": lock}
        if not isinstance(lock, dict):
            self._wrong((*path, "lock"), f"{where}: lock cannot be {lock!r}")
            return
        self._device("lock", (*path, "lock"), where, lock)
        if table.get("tethered", True):
            self._wrong(path, f"{where}: a tethered cable has no lock; set tethered = false for a socket")
        if "feedback_adc" in lock:
            self._have(where, "locked_mv", "unlocked_mv", table=lock, path=(*path, "lock"))

    def _device(self, kind: str, path: Path, where: str, table: Table) -> None:
        name = table.get("driver")
        if not isinstance(name, str):
            self._wrong(path, f"{where}: driver is missing")
            return
        if name not in DRIVERS[kind] and ":" not in name:
            hint = _nearest(name, DRIVERS[kind])
            self._wrong((*path, "driver"), f"{where}: there is no {kind} driver {name!r}{hint}")
        elif (kind, name) in OPTIONS:
            sound = self._values(path, where, table, {**COMMON[kind], **OPTIONS[kind, name]}, ("driver",))
            if sound and name == "temperature":
                self._bus_name(path, where, table)
                if table.get("limit_from_c", LIMIT_FROM_C) >= table.get("stop_c", STOP_C):
                    default = f"({LIMIT_FROM_C:g} and {STOP_C:g} if not given)"
                    self._wrong(path, f"{where}: limit_from_c must be below stop_c {default}")
        else:
            common = {member: table[member] for member in table if member in COMMON[kind]}
            self._values(path, where, common, COMMON[kind])
            for member, value in table.items():
                if member == "port":
                    self._reference((*path, member), where, "serial", value, table)

    def _station_device(self, kind: str, path: Path, where: str, table: Table, evses: list[Any]) -> None:
        self._device(kind, path, where, table)
        wanted = table.get("evses", [table["evse"]] if "evse" in table else [])
        for evse in wanted if isinstance(wanted, list) else ():
            if evse not in evses:
                self._wrong(path, f"{where}: there is no EVSE {evse!r}")
        if kind == "led":
            for state in (*_texts(table.get("on", [])), *_texts(table.get("blink", []))):
                if state not in STATES:
                    self._wrong(path, f"{where}: there is no state {state!r}{_nearest(state, STATES)}")

    def _ids(self, path: Path, where: str, tables: Iterable[Table] | None = None) -> list[Any]:
        ids = [table.get("id") for table in (self.file.get(path[0], ()) if tables is None else tables)]
        for id in {str(id): id for id in ids if ids.count(id) > 1}.values():
            self._wrong(path, f"{where}: id {id!r} twice")
        return ids


def _tables(table: Table, name: str) -> list[Table]:
    value = table.get(name, ())
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _place(kind: str, table: Table) -> str | None:
    if "device" not in table:
        return None
    if kind in ("pwm", "adc"):
        return f"device {table['device']!r} channel {table.get('channel')}"
    return f"device {table['device']!r}"


def _texts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _unfit(kind: str, value: Any) -> str | None:
    """Why a value is not of its kind, None if it is."""
    word, _, rest = kind.partition(" ")
    if word == "choice":
        choices = rest.split("|")
        if isinstance(value, bool) or str(value) not in choices:
            return f"must be {' or '.join(choices)}, not {value!r}" if len(choices) < 5 else (
                f"cannot be {value!r}{_nearest(value, choices)}"
            )
        return None if isinstance(value, str) != choices[0].isdigit() else f"cannot be {value!r}"
    if word in ("number", "whole"):
        least, _, most = rest.partition("..")
        if isinstance(value, bool) or not isinstance(value, int if word == "whole" else (int, float)):
            return f"cannot be {value!r}"
        return None if float(least) <= value <= float(most) else f"must be from {least} to {most}"
    fits: dict[str, Callable[[], bool]] = {
        "text": lambda: isinstance(value, str) and value != "",
        "device": lambda: isinstance(value, str) and value.startswith("/"),
        "flag": lambda: isinstance(value, bool),
        "compiled": lambda: isinstance(value, dict),
        "texts": lambda: bool(value) and all(isinstance(item, str) and item for item in _texts(value)),
        "numbers": lambda: isinstance(value, list) and all(type(item) is int for item in value),
        "bits": lambda: _is_pair(value) and 0 <= value[0] < 64 and 1 <= value[1] <= 8 and value[0] + value[1] <= 64
        and all(type(item) is int for item in value),
        "millivolts": lambda: _is_rising(value) and len(value) == 2,
        "thresholds": lambda: isinstance(value, list) and bool(value) and all(_is_pair(row) for row in value)
        and _is_rising([row[0] for row in value]),
    }  # fmt: skip
    return None if fits[word]() else f"cannot be {value!r}"


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(item) in (int, float) for item in value)


def _is_rising(value: Any) -> bool:
    numbers = isinstance(value, list) and all(type(item) in (int, float) for item in value)
    return numbers and list(value) == sorted(set(value))


def _nearest(name: Any, known: Iterable[Any]) -> str:
    """What was perhaps meant, else all there is."""
    words = [str(word) for word in known]
    found = get_close_matches(str(name), words, 1)
    return f"; did you mean {found[0]!r}?" if found else f"; known: {', '.join(words) or 'none'}"
