"""The check of a value against its variable's row."""

from __future__ import annotations

from evse.ocpp.datetext import is_date_time
from evse.ocpp.meter_values import PHASES
from evse.ocpp.variable_row import ELEMENTS, LEAST, MOST, TYPE, VALUES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evse.ocpp.variable_row import Row

    Refusal = tuple[str, str]  # reason code of the appendix, additional information

LISTS = ("MemberList", "SequenceList")
# identifierString [2.1 part 2 §2.1]
_MARKS = frozenset("*-_=:+|@.")
_INTEGER_MOST = 2**31 - 1


def wire_type(row: Row) -> str:
    """The row's data type as DataEnumType."""
    kind: str = row[TYPE]
    return "string" if kind in ("passwordString", "identifierString") else kind


def check(row: Row, value: str, phases: bool = False) -> tuple[str, Refusal | None]:
    """(the value as it is kept, None), or (value, why it is refused). List elements lose the blanks around them.

    `phases`: an element may also name a phase, as in Voltage.L1.
    """
    kind = row[TYPE]
    if kind in LISTS:
        return _check_list(row, value, phases)
    if kind == "integer" or kind == "decimal":
        return value, _check_number(row, value)
    if kind == "boolean":
        # "Only allowed values: false and true" [2.1 part 2 §2.1]
        good = value in ("true", "false")
        return value, None if good else ("InvalidValue", "neither true nor false")
    if kind == "dateTime":
        fraction = value[19:].partition(".")[2]
        good = is_date_time(value) and len(fraction) - len(fraction.lstrip("0123456789")) <= 3
        return value, None if good else ("InvalidValue", "no date and time as in 2025-01-31T23:59:59Z")
    if kind == "OptionList":
        good = row[VALUES] is None or value in row[VALUES].split(",")
        return value, None if good else ("ValueOutOfRange", f"not one of {row[VALUES]}")
    return value, _check_text(row, value)


def _check_number(row: Row, value: str) -> Refusal | None:
    digits = value[1:] if value[:1] == "-" else value
    whole, dot, fraction = digits.partition(".")
    if row[TYPE] == "integer":
        # no plus sign, no leading zeros [2.1 part 2 §2.1]
        if dot or not _are_digits(whole) or len(whole) > 10 or (whole[0] == "0" and value != "0"):
            return "InvalidValue", "no integer as in 1234 or -1234"
        if abs(int(value)) > _INTEGER_MOST:
            return "ValueOutOfRange", "more than 31 bits"
    elif not _are_digits(whole) or (dot and not _are_digits(fraction)) or len(digits) > 24:
        return "InvalidValue", "no decimal number as in 12.5"
    elif len(fraction) > 6:
        return "InvalidValue", "more than six decimal places"
    return _out_of_range(row, float(value), "")


def _check_list(row: Row, value: str, phases: bool) -> tuple[str, Refusal | None]:
    elements = [element.strip() for element in value.split(",")] if value.strip() else []
    value = ",".join(elements)
    if not elements and row[TYPE] == "SequenceList":
        return value, ("InvalidValue", "the list is empty")
    if row[ELEMENTS] is not None and len(elements) > row[ELEMENTS]:
        return value, ("TooManyElements", f"more than {row[ELEMENTS]} elements")
    if len(set(elements)) != len(elements):
        return value, ("InvalidValue", "an element stands twice")
    known = None if row[VALUES] is None else row[VALUES].split(",")
    for element in elements:
        head, _, tail = element.rpartition(".")
        name = head if phases and tail in PHASES else element
        if not element or (known is not None and name not in known):
            return value, ("ValueOutOfRange", f"{element[:50]!r} is not supported")
    return value, _out_of_range(row, len(value), " characters")


def _check_text(row: Row, value: str) -> Refusal | None:
    if row[TYPE] == "identifierString" and not all(c.isascii() and (c.isalnum() or c in _MARKS) for c in value):
        return "InvalidValue", "only letters, digits and *-_=:+|@. are allowed"
    if row[VALUES] is not None and value and value not in row[VALUES].split(","):
        return "ValueOutOfRange", f"not one of {row[VALUES]}"
    return _out_of_range(row, len(value), " characters")


def _out_of_range(row: Row, amount: float, what: str) -> Refusal | None:
    if row[LEAST] is not None and amount < row[LEAST]:
        return "ValueOutOfRange", f"less than {row[LEAST]}{what}"
    if row[MOST] is not None and amount > row[MOST]:
        return "ValueOutOfRange", f"more than {row[MOST]}{what}"
    return None


def _are_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
