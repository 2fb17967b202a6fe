"""1.6 configuration keys as a view on the device model: `keys16.txt` says which key shows which variable, and how.

A key exists while its variable exists and its feature profile is on. What the table does not name is a custom key: a
variable of the component OCPP16Ctrlr.
"""

from __future__ import annotations

from evse.errors import UsageError
from evse.ocpp.variable_row import ELEMENTS, MOST, MUTABILITY, NAME, TYPE, WHERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.ocpp.device_model import DeviceModel
    from evse.ocpp.variable_row import Row

    KeyRow = tuple[Any, ...]

OWN = "OCPP16Ctrlr"
PROFILES = "SupportedFeatureProfiles"
PROFILE, KEY, COMPONENT, VARIABLE, VARIABLE_INSTANCE, VIEW = range(6)
# Views that show something about a variable, and so cannot be written.
SHOWN = ("elements", "most", "connectors", "rotations", "fixed")
ROTATIONS = ("RST", "RTS", "SRT", "STR", "TRS", "TSR")
# The interval of StopTxnSampledData, which is MeterValueSampleInterval in 1.6.
ENDED_INTERVAL = "TxEndedInterval"
STATUS = {"Accepted": "Accepted", "RebootRequired": "RebootRequired"}


class KeyView:
    """The keys of one station; made for one request and dropped, so that the table takes no room."""

    __slots__ = ("_model", "_rows", "_profiles")

    def __init__(self, model: DeviceModel) -> None:
        self._model = model
        self._rows: list[KeyRow] = []
        for row in model.entry("keys16"):
            if row[VIEW] == "numbered":  # one key an EVSE, the number of which is its view
                self._rows += [(row[0], f"{row[KEY]}{evse}", *row[2:VIEW], evse) for evse in model.evse_ids()]
            else:
                self._rows.append(row)
        self._profiles = model.members(OWN, PROFILES) or []

    def names(self) -> list[str]:
        """Every key that exists, in the order of the table, custom ones last."""
        names = [row[KEY] for row in self._rows if self._variable(row) is not None]
        shown = {row[VARIABLE].lower() for row in self._rows if row[COMPONENT] == OWN}
        return names + [row[NAME] for _, _, row in self._model.walk(OWN) if row[NAME].lower() not in shown]

    def get(self, key: str) -> tuple[str, bool, str | None] | None:
        """(key as it is spelled, read-only, value or None for one that cannot be read); None: no such key."""
        row = self._row(key)
        variable = self._variable(row)
        if variable is None:
            return None
        guarded = row[VIEW] == "guarded" and self._model.is_guarded(row[COMPONENT], row[VARIABLE])
        read_only = row[VIEW] in SHOWN or (variable[MUTABILITY] == "ReadOnly" and not guarded)
        spelled = row[KEY] if row[KEY] != key or row[COMPONENT] != OWN else str(variable[NAME])
        return spelled, read_only, None if variable[MUTABILITY] == "WriteOnly" else self._text(row, variable)

    def change(self, key: str, text: str) -> str:
        """ConfigurationStatus of a change to `text`; an accepted one is durable. [1.6 §5.3]"""
        row = self._row(key)
        variable = self._variable(row)
        if variable is None:
            return "NotSupported"
        if row[VIEW] in SHOWN:
            return "Rejected"
        try:
            values = _values(row[VIEW], text, variable[TYPE] == "boolean")
        except UsageError:
            return "Rejected"
        items = []
        for evse, value in values.items():
            items += self._items(row, variable, evse, value)
            if row[VIEW] == "sampling":
                items += self._items((*row[:VARIABLE], ENDED_INTERVAL, *row[VARIABLE + 1 :]), variable, evse, value)
        if not items:
            return "Rejected"
        results = self._model.write_all(items, guarded=row[VIEW] == "guarded", phases=row[VIEW] == "measurands")
        statuses = {status for status, _ in results}
        return STATUS.get(statuses.pop(), "Rejected") if len(statuses) == 1 else "Rejected"

    def _row(self, key: str) -> KeyRow:
        """The key's row in the table; one that is not there may be a custom key. Case does not matter. [1.6 §7.15]"""
        lower = key.lower()
        return next((row for row in self._rows if row[KEY].lower() == lower), ("Core", key, OWN, key, None, ""))

    def _variable(self, row: KeyRow) -> Row | None:
        """The variable's row, None if the key does not exist now."""
        if row[PROFILE] != "Core" and row[PROFILE] not in self._profiles:
            return None
        for evse in (None, *self._model.evse_ids()[:1]):
            variable = self._model.row(row[COMPONENT], row[VARIABLE], row[VARIABLE_INSTANCE], evse)
            if variable is not None:
                return None if isinstance(row[VIEW], int) and not self._text(row, variable) else variable
        return None

    def _text(self, row: KeyRow, variable: Row) -> str:
        model, view = self._model, row[VIEW]
        if view == "elements" or view == "most":
            limit = variable[ELEMENTS if view == "elements" else MOST]
            return "" if limit is None else str(int(limit))
        evses = model.evse_ids()
        if view == "connectors":
            return str(len(evses))
        if view == "rotations":
            return str(len(evses) + 1)
        if view == "phases":
            stated = [model.get("ChargingStation", row[VARIABLE])]
            stated += [model.get(row[COMPONENT], row[VARIABLE], None, evse) for evse in evses]
            places = zip((0, *evses), stated, strict=True)
            return ",".join(f"{place}.{_rotation(rotation)}" for place, rotation in places if rotation is not None)
        evse = view if isinstance(view, int) else None if variable[WHERE] == "station" else evses[0]
        text = model.get(row[COMPONENT], row[VARIABLE], row[VARIABLE_INSTANCE], evse) or ""
        return text.replace("A", "Current").replace("W", "Power") if view == "units" else text

    def _items(self, row: KeyRow, variable: Row, evse: int | None, value: str) -> list[dict[str, Any]]:
        """SetVariableData for one value; without an EVSE, one for each place that the variable has."""
        instance = row[VARIABLE_INSTANCE]
        named = {"name": row[VARIABLE]} if instance is None else {"name": row[VARIABLE], "instance": instance}
        if evse == 0:
            return [{"component": {"name": "ChargingStation"}, "variable": named, "attributeValue": value}]
        places: list[int | None] = [evse]
        if evse is None and variable[WHERE] != "station":
            places = list(self._model.evse_ids())
        return [
            {
                "component": {"name": row[COMPONENT]}
                if place is None
                else {"name": row[COMPONENT], "evse": {"id": place}},
                "variable": named,
                "attributeValue": value,
            }
            for place in places
        ]


def overrides(row: KeyRow | None, key: str, text: str, read_only: bool = False) -> list[dict[str, Any]]:
    """Entries of the station file for the device model that stand for a key of it; `row` None is a custom key.

    Raises UsageError for what cannot be set, or is not in the key's form.
    """
    mutability = {"mutability": "ReadOnly"} if read_only else {}
    if row is None:
        return [
            {
                "component": OWN,
                "variable": key,
                "value": text,
                "type": "string",
                **(mutability or {"mutability": "ReadWrite"}),
            }
        ]
    view = row[VIEW]
    entry: dict[str, Any] = {"component": row[COMPONENT], "variable": row[VARIABLE]}
    if row[VARIABLE_INSTANCE] is not None:
        entry["variable_instance"] = row[VARIABLE_INSTANCE]
    if view in ("connectors", "rotations", "numbered"):
        raise UsageError("follows from the EVSEs of the station and cannot be set")
    if view in ("elements", "most"):
        if not text.isdigit():
            raise UsageError(f"{text!r} is no number")
        return [{**entry, "max_elements" if view == "elements" else "max": int(text)}]
    made = []
    for evse, value in _values(view, text, text.lower() in ("true", "false")).items():
        place = {} if evse is None else {"evse": evse} if evse else {"component": "ChargingStation"}
        made.append({**entry, **place, "value": value, **mutability})
        if view == "sampling":
            made.append({**entry, "variable": ENDED_INTERVAL, "value": value, **mutability})
    return made


def _values(view: str, text: str, boolean: bool) -> dict[int | None, str]:
    """EVSE id (0 the station, None: wherever the variable is) -> value of the device model. Raises UsageError."""
    if view == "units":
        return {None: text.replace("Current", "A").replace("Power", "W")}
    if view != "phases":
        return {None: text.strip().lower() if boolean else text}
    values: dict[int | None, str] = {}
    for element in text.split(","):
        place, dot, word = element.strip().partition(".")
        if (
            not dot
            or not place.isascii()
            or not place.isdigit()
            or word not in (*ROTATIONS, "Unknown", "NotApplicable")
        ):
            raise UsageError(f"{element.strip()!r} is no phase rotation as in 1.RST")
        values[int(place)] = {"Unknown": "", "NotApplicable": "Rxx"}.get(word, word)
    return values


def _rotation(text: str) -> str:
    """1.6's word for a phase rotation of 2.x."""
    return text if text in ROTATIONS else "NotApplicable" if text else "Unknown"
