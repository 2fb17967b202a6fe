"""A variable's row in the device model, and what a station file makes of it.

A row is a tuple, indexed by the names below:
    NAME, INSTANCE   of the variable; None for no instance; "<...>" in the table stands for any
    WHERE            "station", "evse", "connector", or one place: (component instance, EVSE id, connector id)
    TYPE             data type: DataEnumType, or passwordString, identifierString (strings on the wire)
    UNIT             or None
    MUTABILITY       of Actual: "ReadOnly", "ReadWrite", "WriteOnly"
    LEAST, MOST      limits, or None: of the number, of the characters of a string, of a list's text
    VALUES           what a list, OptionList or (unless it is empty) string may hold, joined by commas; None: anything
    ELEMENTS         greatest number of elements of a list, or None
    DEFAULT          value without station file and CSMS; None: none, or provided by the program
    MORE             the attributes besides Actual: ((attribute, mutability, default), ...) or None
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Row = tuple[Any, ...]
    Place = tuple[str | None, int | None, int | None]  # component instance, EVSE id, connector id
    Found = tuple[str, Place, Row]  # a variable: component, place, row

NAME, INSTANCE, WHERE, TYPE, UNIT, MUTABILITY, LEAST, MOST, VALUES, ELEMENTS, DEFAULT, MORE = range(12)
STATION: Place = (None, None, None)


def key_of(name: str, place: Place, row: Row, attribute: str = "Actual") -> str:
    """Component[instance]@evse/connector.Variable[instance]:Attribute, Actual left out."""
    instance, evse, connector = place
    text = name if instance is None else f"{name}[{instance}]"
    if evse is not None:
        text += f"@{evse}" if connector is None else f"@{evse}/{connector}"
    text += f".{row[NAME]}" if row[INSTANCE] is None else f".{row[NAME]}[{row[INSTANCE]}]"
    return text if attribute == "Actual" else f"{text}:{attribute}"


def same(row: Row, variable: str, instance: str | None) -> bool:
    """Whether the row is this variable: case does not matter, "<...>" in the table is any instance."""
    name, own = row[NAME], row[INSTANCE]
    if name != variable and name.lower() != variable.lower():
        return False
    return own == instance or (
        own is not None and instance is not None and (own[0] == "<" or own.lower() == instance.lower())
    )


def overridden(row: Row | None, entry: dict[str, Any], where: Any = "station") -> Row:
    """The row as an entry of the station file makes it; None is a custom variable, text that may be written."""
    place = place_of(entry)
    custom = (entry["variable"], None, where, "string", None, "ReadWrite", None, None, None, None, None, None)
    fields: list[Any] = list(custom if row is None else row)
    if row is None or (row[INSTANCE] or "<")[0] == "<":
        fields[INSTANCE] = entry.get("variable_instance")
    fields[WHERE] = where if place == STATION else place
    for name, index in (("type", TYPE), ("unit", UNIT), ("min", LEAST), ("max", MOST), ("max_elements", ELEMENTS)):
        if name in entry:
            fields[index] = entry[name]
    if "values" in entry:
        fields[VALUES] = entry["values"] if isinstance(entry["values"], str) else ",".join(entry["values"])
    attribute = entry.get("attribute", "Actual")
    if attribute == "Actual":
        fields[MUTABILITY] = entry.get("mutability", fields[MUTABILITY])
        fields[DEFAULT] = entry.get("value", fields[DEFAULT])
    else:
        before = next(
            (more for more in fields[MORE] or () if more[0] == attribute), (attribute, fields[MUTABILITY], None)
        )
        others = tuple(more for more in fields[MORE] or () if more[0] != attribute)
        fields[MORE] = (*others, (attribute, entry.get("mutability", before[1]), entry.get("value", before[2])))
    return tuple(fields)


def place_of(entry: dict[str, Any]) -> Place:
    return entry.get("instance"), entry.get("evse"), entry.get("connector")


def access(row: Row, attribute: str) -> str | None:
    """Mutability of an attribute, None if the variable does not have it."""
    if attribute == "Actual":
        access: str = row[MUTABILITY]
        return access
    return next((more[1] for more in row[MORE] or () if more[0] == attribute), None)


def attributes(row: Row) -> list[str]:
    return ["Actual", *(more[0] for more in row[MORE] or ())]
