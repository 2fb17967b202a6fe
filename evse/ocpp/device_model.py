"""The device model: components, variables and their values; what the station has, may be told and tells.

    DeviceModel(read, documents, evses=evses, overrides=overrides)
        read       name -> marshalled entry or None, of the file that `evse.ocpp.tables.compile_variables` makes
                   (`TableFile(path).read`; in memory `compile_variables.blobs().get`)
        documents  load(name), save(name, value): changes are kept as the document "variables"
        evses      id -> Evse: components EVSE and Connector exist once for each
        overrides  entries of the station file, as `compile_variables.station_overrides` gives them: component,
                   instance, evse, connector, variable, variable_instance, attribute; value, mutability, type, unit,
                   min, max, values, max_elements. What no table knows becomes a custom variable.

Three layers: built-in default, station file, what the CSMS or `evse vars set` changed; only the last is kept here.
Values are text as on the wire. The tables stay in their file: what blocks read often is cached, for the rest one
component is loaded at a time. The CSMS may write names in any case; the program writes them as the tables do, and a
component's instance as "NetworkConfiguration[1]". What the station knows of itself, `station_facts` adds.
"""

from __future__ import annotations

from evse.errors import EvseError, UsageError
from evse.ocpp.variable_row import (
    DEFAULT,
    ELEMENTS,
    INSTANCE,
    LEAST,
    MORE,
    MOST,
    NAME,
    UNIT,
    VALUES,
    access,
    attributes,
    key_of,
)
from evse.ocpp.variable_table import VariableTable
from evse.ocpp.variable_value import check, wire_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from evse.model import Evse
    from evse.ocpp.variable_row import Found, Place, Row

    Getter = Callable[[Any, int | None], str | None]
    Limits = Callable[[Any, int | None], dict[int, Any]]

DOCUMENT = "variables"
# Values that `get` keeps at hand. Only the program's own code asks, so it ends far below; beyond, all are forgotten.
CACHED = 256
# Characters of a value that the CSMS may write where DeviceDataCtrlr says nothing.
VALUE_SIZE = 1000
CHARACTERISTICS = (
    ("unit", UNIT), ("minLimit", LEAST), ("maxLimit", MOST), ("valuesList", VALUES), ("maxElements", ELEMENTS),
)  # fmt: skip

_BOOLEANS: dict[str | None, bool] = {"true": True, "false": False}


class DeviceModel:
    """See the module's text. Nothing here raises for what the CSMS asks or writes: it is answered by a status."""

    __slots__ = (
        "generation", "_table", "_documents", "_evses", "_changed", "_values", "_providers", "_validators", "_watchers",
    )  # fmt: skip

    def __init__(
        self,
        read: Callable[[str], bytes | None],
        documents: Any,
        *,
        evses: dict[int, Evse],
        overrides: Iterable[dict[str, Any]] = (),
    ) -> None:
        self.generation = 0  # another one after every change: what was made of values that are not computed is stale
        self._table = VariableTable(read, evses, overrides)
        self._documents = documents
        self._evses = evses
        kept = documents.load(DOCUMENT)
        self._changed: dict[str, str] = kept if isinstance(kept, dict) else {}
        self._values: dict[Any, str | None] = {}
        self._providers: dict[tuple[str, str, str | None], tuple[Getter | None, Limits | None]] = {}
        self._validators: dict[tuple[str, str], Callable[[str, Any], Any]] = {}
        self._watchers: dict[tuple[str, str], list[Callable[[str, Any], Any]]] = {}

    # -- for blocks ------------------------------------------------------------------------------------------------

    def get(
        self,
        component: str,
        variable: str,
        instance: str | None = None,
        evse: int | None = None,
        connector: int | None = None,
        attribute: str = "Actual",
    ) -> str | None:
        """The value, None if there is no such variable, attribute or value. WriteOnly ones are readable here."""
        key = component, variable, instance, evse, connector, attribute
        try:
            return self._values[key]
        except KeyError:
            pass
        value = None
        found = self._find(component, variable, instance, evse, connector)
        if found is not None:
            if attribute == "Actual" and self._provider(*found)[0] is not None:
                return self.value(found)
            value = self.value(found, attribute)
        if len(self._values) >= CACHED:
            self._values.clear()
        self._values[key] = value
        return value

    def integer(
        self, component: str, variable: str, instance: str | None = None, evse: int | None = None
    ) -> int | None:
        """The value as int, None if absent or no number."""
        number = self.number(component, variable, instance, evse)
        return None if number is None else int(number)

    def number(
        self, component: str, variable: str, instance: str | None = None, evse: int | None = None
    ) -> float | None:
        """The value as float, None if absent or no number."""
        try:
            return float(self.get(component, variable, instance, evse) or "")
        except ValueError:
            return None

    def boolean(
        self, component: str, variable: str, instance: str | None = None, evse: int | None = None
    ) -> bool | None:
        """The value as bool, None if absent or neither true nor false."""
        return _BOOLEANS.get(self.get(component, variable, instance, evse))

    def members(
        self, component: str, variable: str, instance: str | None = None, evse: int | None = None
    ) -> list[str] | None:
        """The elements of a list, [] for an empty one, None if absent."""
        value = self.get(component, variable, instance, evse)
        return None if value is None else value.split(",") if value else []

    def set(
        self,
        component: str,
        variable: str,
        value: str,
        instance: str | None = None,
        evse: int | None = None,
        connector: int | None = None,
        attribute: str = "Actual",
    ) -> None:
        """The station itself changes a value, whatever its mutability; durable on return, then watchers run.

        Raises UsageError (no such variable, a value that breaks its limits), StoreError.
        """
        found = self._find(component, variable, instance, evse, connector)
        if found is None or access(found[2], attribute) is None:
            raise UsageError(f"the station has no variable {component}.{variable} {attribute}")
        self._change([(found, attribute, self._checked(found, value))])

    def set_all(self, changes: Iterable[tuple[str, str, str | None, str | None]]) -> None:
        """As `set`, all by one write or none: (component, variable, instance, value); None forgets, "" is no value."""
        made = []
        for component, variable, instance, value in changes:
            found = self._find(component, variable, instance, None, None)
            if found is None:
                raise UsageError(f"the station has no variable {component}.{variable}")
            made.append((found, "Actual", self._checked(found, value) if value else value))
        self._change(made)

    def reset(
        self,
        component: str,
        variable: str,
        instance: str | None = None,
        evse: int | None = None,
        connector: int | None = None,
    ) -> None:
        """Forgets what CSMS or user changed: station file and default hold again. Raises UsageError, StoreError."""
        found = self._find(component, variable, instance, evse, connector)
        if found is None:
            raise UsageError(f"the station has no variable {component}.{variable}")
        self._change([(found, attribute, None) for attribute in attributes(found[2])])

    def changes(self, component: str) -> dict[str, str]:
        """Variable -> value of what CSMS or user changed of a component, spelled as in "NetworkConfiguration[1]"."""
        start = component + "."
        return {key[len(start) :]: value for key, value in self._changed.items() if key.startswith(start)}

    def set_slots(self, slots: tuple[str, ...]) -> None:
        """The network slots that there are: instances of the components that exist once for each."""
        self._table.slots = slots
        self._forget()

    def provide(
        self,
        component: str,
        variable: str,
        getter: Getter | None,
        instance: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Computes the value: `getter(evse, connector) -> str`, ids None where the variable has none.

        For a component of network slots the first is the slot, "1", as for watchers and validators. `limits(evse,
        connector)` gives what differs there from the row: its index -> value, as {MOST: 22000}.
        """
        self._providers[component, variable, instance] = (getter, limits)
        self._forget()

    def watch(self, component: str, variable: str, callback: Callable[[str, Any], Any]) -> None:
        """Calls `callback(value, evse)` after the Actual value (of any instance) was changed durably."""
        self._watchers.setdefault((component, variable), []).append(callback)

    def validate(self, component: str, variable: str, check: Callable[[str, Any], Any]) -> None:
        """Asks `check(value, evse)` before the CSMS changes the Actual value.

        It returns None (agreed), "RebootRequired" (agreed, has its effect after a reboot), or why not: a reason code
        of the appendix or (reason code, text).
        """
        self._validators[component, variable] = check

    # -- for the CSMS ----------------------------------------------------------------------------------------------

    def read(self, item: dict[str, Any]) -> tuple[str, str | None, tuple[str, str] | None]:
        """(GetVariableStatus, value, (reason code, text) or None) of a GetVariableData. [B06]"""
        found = self._locate(item)
        if isinstance(found, str):
            return found, None, None
        attribute = item.get("attributeType", "Actual")
        mutability = access(found[2], attribute)
        if mutability is None:
            return "NotSupportedAttributeType", None, None
        if mutability == "WriteOnly":
            return "Rejected", None, ("WriteOnly", "")  # [B06.FR.09]
        return "Accepted", self.value(found, attribute) or "", None  # [B06.FR.10] [B06.FR.13]

    def write(self, item: dict[str, Any], guarded: bool = False) -> tuple[str, tuple[str, str] | None]:
        """(SetVariableStatus, (reason code, text) or None) of a SetVariableData; an accepted one is durable. [B05]"""
        return self.write_all([item], guarded)[0]

    def write_all(
        self, items: list[dict[str, Any]], guarded: bool = False, phases: bool = False
    ) -> list[tuple[str, tuple[str, str] | None]]:
        """As `write`, for each; all that are accepted become durable by one write, or none of them is accepted.

        `guarded`: a ReadOnly variable may be written where a validator checks the step. `phases`: a measurand may name
        its phase.
        """
        results: list[tuple[str, tuple[str, str] | None]] = []
        changes: list[tuple[Found, str, str | None]] = []
        for item in items:
            status, reason, change = self._permit(item, guarded, phases)
            results.append((status, reason))
            if change is not None:
                changes.append(change)
        try:
            self._change(changes)
        except EvseError:
            lost = ("Rejected", ("InternalError", "the change could not be stored"))
            results = [
                lost if status in ("Accepted", "RebootRequired") else (status, reason) for status, reason in results
            ]
        return results

    def walk(self, component: str | None = None) -> Iterator[Found]:
        """Every variable of the station (of one component) as (component, place, row), a component at a time."""
        return self._table.walk(component)

    def is_writable(self, found: Found) -> bool:
        """Whether the CSMS may write some attribute of a variable of `walk`."""
        row = self._adjusted(found)
        return any(access(row, attribute) != "ReadOnly" for attribute in attributes(row))

    def describe(self, found: Found) -> dict[str, Any]:
        """A variable of `walk` as ReportDataType; only a WriteOnly one is without a value. [B07.FR.11] [B07.FR.15]"""
        name, (component_instance, evse, connector), row = found
        row = self._adjusted(found)
        component: dict[str, Any] = {"name": name}
        if component_instance is not None:
            component["instance"] = component_instance
        if evse is not None:
            component["evse"] = {"id": evse} if connector is None else {"id": evse, "connectorId": connector}
        told: list[dict[str, Any]] = []
        for attribute in attributes(row):
            mutability = access(row, attribute)
            entry = {"type": attribute, "mutability": mutability, "persistent": mutability != "ReadOnly"}
            if mutability != "WriteOnly":
                entry["value"] = self.value(found, attribute) or ""  # none is "", as for GetVariables [B06.FR.13]
            told.append(entry)
        variable = {"name": row[NAME]} if row[INSTANCE] is None else {"name": row[NAME], "instance": row[INSTANCE]}
        characteristics: dict[str, Any] = {"dataType": wire_type(row), "supportsMonitoring": False}
        for wire, index in CHARACTERISTICS:
            if row[index] is not None:
                characteristics[wire] = row[index]
        return {
            "component": component,
            "variable": variable,
            "variableAttribute": told,
            "variableCharacteristics": characteristics,
        }

    def value(self, found: Found, attribute: str = "Actual") -> str | None:
        """Value of an attribute of a variable of `walk`; None for none."""
        name, place, row = found
        if attribute == "Actual":
            getter = self._provider(*found)[0]
            if getter is not None:
                return getter(_whose(place), place[2])
        changed = self._changed.get(key_of(name, place, row, attribute)) if self._changed else None
        if changed is not None:
            return changed
        default: str | None = row[DEFAULT]
        if attribute != "Actual":
            default = next((more[2] for more in row[MORE] or () if more[0] == attribute), None)
        return default

    def source(self, found: Found, attribute: str = "Actual") -> str:
        """Where the value comes from: "station" (computed), "CSMS" (or the user), "file", "default"."""
        name, place, row = found
        if attribute == "Actual" and self._provider(*found)[0] is not None:
            return "station"
        if key_of(name, place, row, attribute) in self._changed:
            return "CSMS"
        if self._table.is_in_file(found, attribute):
            return "file"
        return "default"

    def row(self, component: str, variable: str, instance: str | None = None, evse: int | None = None) -> Row | None:
        """The variable's row with this station's limits, None if it has no such variable."""
        found = self._find(component, variable, instance, evse, None)
        return None if found is None else self._adjusted(found)

    def entry(self, name: str) -> Any:
        """An entry of the compiled file, () if it has none of that name."""
        return self._table.entry(name)

    def evse_ids(self) -> list[int]:
        """Ids of the station's EVSEs."""
        return list(self._evses)

    def is_guarded(self, component: str, variable: str) -> bool:
        """Whether a block checks each step of this variable, so that `write(..., guarded=True)` is possible."""
        return (component, variable) in self._validators

    # -- inside ----------------------------------------------------------------------------------------------------

    def _permit(self, item: dict[str, Any], guarded: bool, phases: bool) -> tuple[str, tuple[str, str] | None, Any]:
        """(status, reason, what is to be changed or None) of one SetVariableData."""
        found = self._locate(item)
        if isinstance(found, str):
            return found, None, None  # [B05.FR.04] [B05.FR.05]
        attribute = item.get("attributeType", "Actual")
        row = self._adjusted(found)
        mutability = access(row, attribute)
        if mutability is None:
            return "NotSupportedAttributeType", None, None  # [B05.FR.06]
        validator = self._validators.get((found[0], row[NAME])) if attribute == "Actual" else None
        if mutability == "ReadOnly" and not (guarded and validator is not None):
            return "Rejected", ("ReadOnly", ""), None  # [B05.FR.09]
        value = item["attributeValue"]
        if len(value) > (self.integer("DeviceDataCtrlr", "ConfigurationValueSize") or VALUE_SIZE):
            return "Rejected", ("TooLargeElement", "the value is too long"), None
        value, refusal = check(row, value, phases)
        if refusal is not None:
            return "Rejected", refusal, None  # [B05.FR.07] [B05.FR.08]
        status, reason = "Accepted", None
        verdict = None if validator is None else validator(value, _whose(found[1]))
        if verdict == "RebootRequired":
            status = "RebootRequired"
        elif verdict is not None:
            return "Rejected", (verdict, "") if isinstance(verdict, str) else verdict, None
        return status, reason, (found, attribute, value)

    def _change(self, changes: list[tuple[Found, str, str | None]]) -> None:
        """Makes changes durable (None forgets one), then tells the watchers. Raises StoreError, UsageError."""
        document = dict(self._changed)
        told = []
        for found, attribute, value in changes:
            name, place, row = found
            before = self.value(found, attribute)
            if value is None:
                document.pop(key_of(name, place, row, attribute), None)
            else:
                document[key_of(name, place, row, attribute)] = value
            if attribute == "Actual":
                told.append((found, before))
        if document == self._changed:
            return
        self._documents.save(DOCUMENT, document)
        self._changed = document
        self._forget()
        for found, before in told:
            now = self.value(found)
            if now is not None and now != before:
                for callback in self._watchers.get((found[0], found[2][NAME]), ()):
                    callback(now, _whose(found[1]))

    def _forget(self) -> None:
        self._values.clear()
        self.generation += 1

    def _locate(self, item: dict[str, Any]) -> Found | str:
        """The variable that a GetVariableData or SetVariableData means, or the status that says what is unknown."""
        component, variable = item["component"], item["variable"]
        evse = component.get("evse") or {}
        place = (component.get("instance") or None, evse.get("id"), evse.get("connectorId"))
        return self._table.find(component["name"], place, variable["name"], variable.get("instance") or None)

    def _find(
        self, component: str, variable: str, instance: str | None, evse: int | None, connector: int | None
    ) -> Found | None:
        name, _, component_instance = component.partition("[")
        place = (component_instance.removesuffix("]") or None, evse, connector)
        found = self._table.find(name, place, variable, instance)
        return None if isinstance(found, str) else found

    def _checked(self, found: Found, value: str) -> str:
        """The value as it is kept. Raises UsageError."""
        value, refusal = check(self._adjusted(found), value)
        if refusal is not None:
            raise UsageError(f"{found[0]}.{found[2][NAME]}: {refusal[1]}")
        return value

    def _provider(self, name: str, place: Place, row: Row) -> tuple[Getter | None, Limits | None]:
        return self._providers.get((name, row[NAME], row[INSTANCE]), (None, None))

    def _adjusted(self, found: Found) -> Row:
        """The row with the limits that this station has there."""
        limits = self._provider(*found)[1]
        if limits is None:
            return found[2]
        fields = list(found[2])
        for index, value in limits(_whose(found[1]), found[1][2]).items():
            fields[index] = value
        return tuple(fields)


def _whose(place: Place) -> Any:
    """The EVSE id of a place, or the instance of its component."""
    return place[1] if place[0] is None else place[0]
