"""Which variables this station has: the compiled table, as the station file changes it, at every EVSE and connector."""

from __future__ import annotations

import marshal

from evse.errors import UsageError
from evse.ocpp.variable_row import INSTANCE, NAME, STATION, WHERE, overridden, place_of, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from evse.model import Evse
    from evse.ocpp.variable_row import Found, Place, Row


class VariableTable:
    """Reads one component at a time; the last one read is kept. `names` are the components, in the order of reports.

    `slots` are the instances of the components that exist once for each network slot. Raises UsageError for an override
    at an EVSE or connector that the station does not have.
    """

    __slots__ = ("_read", "_evses", "_overrides", "_filed", "_loaded", "_rows", "names", "slots")

    def __init__(
        self, read: Callable[[str], bytes | None], evses: dict[int, Evse], overrides: Iterable[dict[str, Any]]
    ) -> None:
        self._read = read
        self._evses = evses
        self._overrides: dict[str, list[dict[str, Any]]] = {}
        self._loaded: str | None = None
        self._rows: list[Row] = []
        self.slots: tuple[str, ...] = ()
        filed, places = self.entry("file") or ((), ())
        # Where in the compiled file the station file's entries about a component are.
        self._filed = {component.lower(): f"file_{number}" for number, component in enumerate(filed)}
        named = list(filed)
        for override in overrides:
            component, (_, evse, connector) = override["component"], place_of(override)
            self._overrides.setdefault(component.lower(), []).append(override)
            named.append(component)
            if evse is not None:
                places = (*places, (component, evse, connector))
        for component, evse, connector in places:
            if evse not in evses or connector not in (None, *evses[evse].connectors):
                where = f"{component}@{evse}" if connector is None else f"{component}@{evse}/{connector}"
                raise UsageError(f"[ocpp.variables] {where}: the station has no such EVSE or connector")
        names: list[str] = list(self.entry("components"))
        known = {name.lower() for name in names}
        for component in named:
            if component.lower() not in known:
                known.add(component.lower())
                names.append(component)
        self.names = tuple(names)

    def entry(self, name: str) -> Any:
        """An entry of the compiled file, () if it has none of that name."""
        blob = self._read(name)
        return marshal.loads(blob) if blob else ()

    def walk(self, component: str | None = None) -> Iterator[Found]:
        """Every variable of the station, or of one component, place by place."""
        for name in self.names:
            if component is not None and name.lower() != component.lower():
                continue
            rows = list(self._rows_of(name))
            for place in self._places(rows):
                for row in rows:
                    if self._fits(row, place) and not _is_shadowed(row, rows, place):
                        yield name, place, row

    def find(self, component: str, place: Place, variable: str, instance: str | None) -> Found | str:
        """The variable by its names in any case, or "UnknownComponent", "UnknownVariable"."""
        status = "UnknownComponent"
        lower = component.lower()
        for name in self.names:
            if name == component or name.lower() == lower:
                for row in self._rows_of(name):
                    if self._fits(row, place):
                        if same(row, variable, instance):
                            return name, row[WHERE] if isinstance(row[WHERE], tuple) else place, row
                        status = "UnknownVariable"
        return status

    def is_in_file(self, found: Found, attribute: str) -> bool:
        """Whether the station file gives this value."""
        name, place, row = found
        for override in self._stated(name.lower()):
            stated = override.get("attribute", "Actual") == attribute and "value" in override
            if stated and same(row, override["variable"], override.get("variable_instance")):
                if place_of(override) in (STATION, place):
                    return True
        return False

    def _stated(self, lower: str) -> list[dict[str, Any]]:
        """What the station file says about a component."""
        at = self._filed.get(lower)
        return [*(self.entry(at) if at else ()), *self._overrides.get(lower, ())]

    def _rows_of(self, component: str) -> list[Row]:
        lower = component.lower()
        if lower != self._loaded:
            self._rows = self._load(lower)
            self._loaded = lower
        return self._rows

    def _load(self, lower: str) -> list[Row]:
        """The rows of a component; one that the station file made for a place stands before the one that it narrows."""
        rows: list[Row] = list(self.entry(lower))
        where = next((row[WHERE] for row in rows), {"evse": "evse", "connector": "connector"}.get(lower, "station"))
        for override in self._stated(lower):
            place = place_of(override)
            named = override["variable"], override.get("variable_instance")
            alike = [at for at, row in enumerate(rows) if same(row, *named)]
            at = next((at for at in alike if rows[at][WHERE] == place), alike[-1] if alike else None)
            if at is None:
                rows.append(overridden(self._absent(lower, *named), override, where))
            elif place == STATION or rows[at][WHERE] == place:
                rows[at] = overridden(rows[at], override, rows[at][WHERE])
            else:
                rows.insert(at, overridden(rows[at], override, where))
        return rows

    def _absent(self, lower: str, variable: str, instance: str | None) -> Row | None:
        """The standard's row for a variable that only the station file adds, None for a custom one."""
        for name in ("absent_" + lower, "absent_generic"):
            for row in self.entry(name):
                if same(row, variable, instance):
                    return tuple(row)
        return None

    def _places(self, rows: list[Row]) -> list[Place]:
        places: list[Place] = []
        for where in dict.fromkeys(row[WHERE] for row in rows):
            if where == "station":
                places.append(STATION)
            elif where == "slot":
                places += [(slot, None, None) for slot in self.slots]
            elif where == "evse":
                places += [(None, id, None) for id in self._evses]
            elif where == "connector":
                places += [(None, id, connector) for id, evse in self._evses.items() for connector in evse.connectors]
            else:
                places.append(where)
        return list(dict.fromkeys(places))

    def _fits(self, row: Row, place: Place) -> bool:
        """Whether the row's variable is at this place."""
        where = row[WHERE]
        if isinstance(where, tuple):
            return where[1:] == place[1:] and (where[0] or "").lower() == (place[0] or "").lower()
        instance, evse, connector = place
        if where == "slot":
            return instance in self.slots and evse is None and connector is None
        if instance is not None:
            return False
        if where == "station":
            return evse is None and connector is None
        known = None if evse is None else self._evses.get(evse)
        return known is not None and (connector is None if where == "evse" else connector in known.connectors)


def _is_shadowed(row: Row, rows: list[Row], place: Place) -> bool:
    """Whether the station file has a row of its own for this variable at this place."""
    if isinstance(row[WHERE], tuple):
        return False
    return any(other[WHERE] == place and same(other, row[NAME], row[INSTANCE]) for other in rows)
