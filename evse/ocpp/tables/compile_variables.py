"""Compiles variables.txt and keys16.txt to one file, of which the daemon reads one component at a time.

The file has the layout of `evse.ocpp.tables.compile` (the same reader serves both). Its entries, all marshalled:
    "components"          names of the components that this station has, in the order of the table
    "<component>"         in lower case: the variables that the station has, rows as `evse.ocpp.variable_row` has them
    "absent_<component>"  standard variables that it has not: what a station file may still add, with its standard type
    "keys16"              (profile, key, component, variable, instance, view) for each 1.6 configuration key
    "file"                (names of components that the station file speaks of, places: (component, EVSE, connector))
    "file_<n>"            its entries about the n-th of them
"""

from __future__ import annotations

import difflib
import marshal
from collections.abc import Iterable
from typing import Any

from evse.errors import UsageError
from evse.ocpp import keys16
from evse.ocpp.tables.compile import bring_up_to_date, source
from evse.ocpp.variable_row import MUTABILITY, NAME, VALUES, key_of, overridden, place_of, same
from evse.ocpp.variable_value import check

# Of the entries; changes with them, so that a file of an earlier program is compiled anew.
LAYOUT = "2"
ACCESS = {"RO": "ReadOnly", "RW": "ReadWrite", "WO": "WriteOnly", "RO/RW": "ReadWrite"}
DATA_TYPES = (
    "string", "decimal", "integer", "dateTime", "boolean", "OptionList", "SequenceList", "MemberList",
    "passwordString", "identifierString",
)  # fmt: skip
# VariableAttributeType.value and VariableCharacteristicsType.valuesList
VALUE_LENGTH = 2500
VALUES_LENGTH = 1000
VIEWS = (
    "", "elements", "most", "phases", "rotations", "connectors", "units", "measurands", "guarded", "fixed", "numbered",
    "sampling",
)  # fmt: skip


def text(name: str) -> str:
    """A table as it stands beside this module: "variables.txt" or "keys16.txt"."""
    return source(name).decode()


def parse(table: str) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """(component -> rows of this station, component -> rows that it has not). Raises ValueError that names the line."""
    ours: dict[str, list[Any]] = {}
    others: dict[str, list[Any]] = {}
    words: dict[str, str] = {}
    pool: dict[str, str] = {}
    seen = set()
    for number, line in enumerate(table.replace("\\\n  ", "").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        try:
            cells = [cell.strip() for cell in line.split(" | ")]
            if len(cells) == 1:
                name, _, value = line.partition(" = ")
                words[name] = value
                continue
            name, where, type_, unit, mutability, limits, _, station = cells
            if name in seen:
                raise ValueError("stands twice")
            seen.add(name)
            component, row, has = _row(name, where, type_, unit, mutability, limits, station, words, pool)
        except (ValueError, KeyError) as error:
            raise ValueError(f"variables.txt, entry {number}: {line[:50].strip()}: {error}") from None
        (ours if has else others).setdefault(component, []).append(row)
    return ours, others


def _row(
    name: str,
    where: str,
    type_: str,
    unit: str,
    mutability: str,
    limits: str,
    station: str,
    words: dict[str, str],
    pool: dict[str, str],
) -> tuple[str, tuple[Any, ...], bool]:
    component, dot, variable = name.partition(".")
    variable, _, instance = variable.partition("[")
    type_ = type_.removesuffix("!")
    if not dot or where not in ("station", "evse", "connector", "slot") or type_ not in DATA_TYPES:
        raise ValueError("no such name, place or type")
    access, *attributes = mutability.split()
    elements = None
    if station.startswith("@"):
        _, count, station = station.split(" ", 2)
        elements = int(count)
    if station not in ("-", "provided") and not station.startswith("="):
        raise ValueError(f"{station!r} is neither '-', 'provided' nor '= text'")
    least, most, values = _limits(limits, words)
    default = station[1:].strip() if station.startswith("=") else None
    texts = (variable, instance.removesuffix("]"), where, type_, unit, ACCESS[access], values)
    pooled = tuple(
        # One object a text, so that it stands once in the file; not interned, as rows come and go in the daemon.
        None if not text else pool.setdefault(text, text)
        for text in texts
    )
    more = tuple((attribute, pooled[MUTABILITY], None) for attribute in attributes) or None
    row = (*pooled[:-1], least, most, pooled[-1], elements, default, more)
    if default and check(row, default)[1]:
        raise ValueError(f"the default {default!r} breaks the line's own limits")
    return component, row, station != "-"


def _limits(limits: str, words: dict[str, str]) -> tuple[float | None, float | None, str | None]:
    if limits.startswith("{"):
        return None, None, words.get(limits[1:-1], limits[1:-1])
    least, _, most = limits.partition("..")
    return _number(least), _number(most), None


def _number(text: str) -> float | None:
    return None if not text else int(text) if text.lstrip("-").isdigit() else float(text)


def parse_keys(table: str) -> tuple[tuple[Any, ...], ...]:
    """The rows of "keys16". Raises ValueError that names the line."""
    rows = []
    for line in table.splitlines():
        if not line or line.startswith("#"):
            continue
        profile, key, name, view = (*line.split(), "", "", "")[:4]
        component, dot, variable = name.partition(".")
        variable, _, instance = variable.partition("[")
        if not dot or view not in VIEWS or len(line.split()) > 4:
            raise ValueError(f"keys16.txt: {line}")
        rows.append((profile, key, component, variable, instance.removesuffix("]") or None, view))
    return tuple(rows)


def blobs(
    variables: str | None = None, keys: str | None = None, overrides: Iterable[dict[str, Any]] = ()
) -> dict[str, bytes]:
    """The entries of the compiled file in memory: `DeviceModel(blobs().get, ...)`.

    `overrides`: what the station file says, as `station_overrides` gives it.
    """
    ours, others = parse(text("variables.txt") if variables is None else variables)
    entries: dict[str, Any] = {"components": tuple(ours)}
    entries.update((component.lower(), tuple(rows)) for component, rows in ours.items())
    entries.update(("absent_" + component.strip("<>").lower(), tuple(rows)) for component, rows in others.items())
    entries["keys16"] = parse_keys(text("keys16.txt") if keys is None else keys)
    filed: dict[str, list[dict[str, Any]]] = {}
    spelled: dict[str, str] = {}
    places = []
    for override in overrides:
        component, (_, evse, connector) = override["component"], place_of(override)
        filed.setdefault(spelled.setdefault(component.lower(), component), []).append(override)
        if evse is not None:
            places.append((component, evse, connector))
    entries["file"] = tuple(filed), tuple(dict.fromkeys(places))
    entries.update((f"file_{number}", filed[component]) for number, component in enumerate(filed))
    return {name: marshal.dumps(entry) for name, entry in entries.items()}


def compile_variables(out_path: str, overrides: list[dict[str, Any]] | None = None) -> None:
    """Brings the compiled file up to date; one that is whole and of the same text and Python is left as it is.

    `overrides` as in `blobs`. Raises OSError where it cannot be written.
    """
    sources = text("variables.txt"), text("keys16.txt")
    whole = "\n".join((LAYOUT, *sources, repr(overrides or []))).encode()
    bring_up_to_date(out_path, whole, lambda: blobs(*sources, overrides or []))


def station_overrides(
    variables: list[dict[str, Any]], keys: dict[str, dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """The `overrides` of `DeviceModel` from `[ocpp.variables]` and `[ocpp.keys]` as `evse.stationfile.load` gives them.

    The second list is what is wrong: (name of the variable or key, text). What is no standard key becomes a custom one.
    """
    ours, others = parse(text("variables.txt"))
    problems: list[tuple[str, str]] = []
    overrides: list[dict[str, Any]] = []
    for entry in variables:
        if wrong := _wrong(entry, ours, others):
            problems.append((_name(entry), wrong))
        overrides.append(entry)
    rows = {row[1].lower(): row for row in parse_keys(text("keys16.txt"))}
    for key, stated in keys.items():
        try:
            entries = keys16.overrides(rows.get(key.lower()), key, stated["value"], bool(stated.get("read_only")))
        except UsageError as error:
            problems.append((key, str(error)))
            continue
        for entry in entries:
            if wrong := _wrong(entry, ours, others):
                problems.append((key, wrong))
            overrides.append(entry)
    return overrides, problems


def _name(entry: dict[str, Any]) -> str:
    """The variable of an override as the station file spells it."""
    row = (entry["variable"], entry.get("variable_instance"))
    return key_of(entry["component"], place_of(entry), row, entry.get("attribute", "Actual"))


def _wrong(entry: dict[str, Any], ours: dict[str, list[Any]], others: dict[str, list[Any]]) -> str | None:
    """What is wrong with an override, None if nothing is."""
    row = None
    for rows in (ours, others):
        for component in (entry["component"], "<generic>"):
            for candidate in _of(rows, component):
                if row is None and same(candidate, entry["variable"], entry.get("variable_instance")):
                    row = candidate
    if row is None and not any(name in entry for name in ("type", "mutability", "values", "min", "max")):
        names = [candidate[NAME] for rows in (ours, others) for candidate in _of(rows, entry["component"])]
        close = difflib.get_close_matches(entry["variable"], names, 1)
        if close:
            return f"no such variable; did you mean {close[0]}? (a custom one states its type)"
    made = overridden(row, entry)
    if len(made[VALUES] or "") > VALUES_LENGTH:
        return f"its values are more than {VALUES_LENGTH} characters"
    value = entry.get("value")
    if value is None:
        return None
    if len(value) > VALUE_LENGTH:
        return f"more than {VALUE_LENGTH} characters"
    refusal = check(made, value)[1]
    return refusal[1] if refusal and made[MUTABILITY] != "WriteOnly" else None


def _of(rows: dict[str, list[Any]], component: str) -> list[Any]:
    found: list[Any] = []
    for name, candidates in rows.items():
        if name.lower() == component.lower():
            found = candidates
    return found
