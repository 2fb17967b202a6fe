"""Register maps of meters (hal/meters/*.toml): checked, and compiled to plain values for the driver. Front end only.

    name = "Eastron SDM630"
    type = "float32"                    of every value that says no other
    max_registers = 80                  of one request (125)
    gap = 80                            registers between two values that the meter answers too (0)
    silence_ms = 60                     before each request, where 3.5 characters are not enough
    [serial]                            as delivered: baud, parity, stop_bits, unit
    [values]
    "Energy.Active.Import.Register" = { at = 0x0048, scale = 1000 }
    "Voltage.L1-N" = { at = 0x0000 }

A value is named by its OCPP measurand and, behind a dot, its phase. `Power.Active` and `Power.Reactive` are signed:
positive becomes ...Import, negative ...Export. `Current` is the amount of Current.Import, whatever the sign. A value
has `at` (address on the wire, from 0), `type`, `scale` (to Wh, W, var, V, A, Hz) or `scale_at` (the address of an
int16, the power of ten), and where they differ from those of the file `function` and `missing` (raw values that say
"not available"); `optional`: a meter that refuses it is read without. [[identity]] says what registers must hold.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from hal.interfaces import HalError

Table = dict[str, Any]
Key = tuple[str, str | None]

DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "meters")
REGISTER = "Energy.Active.Import.Register"
# type -> (format of struct, registers)
TYPES = {
    "int16": ("h", 1), "uint16": ("H", 1), "int32": ("i", 2), "uint32": ("I", 2), "int64": ("q", 4),
    "uint64": ("Q", 4), "float32": ("f", 2), "float64": ("d", 4), "decimal32": ("I", 2), "signed_decimal32": ("I", 2),
}  # fmt: skip
MEASURANDS = (
    "Current.Export Current.Import Energy.Active.Export.Register Energy.Active.Import.Register Energy.Active.Net "
    "Energy.Apparent.Export Energy.Apparent.Import Energy.Reactive.Export.Register Energy.Reactive.Import.Register "
    "Energy.Reactive.Net Frequency Power.Active.Export Power.Active.Import Power.Factor Power.Reactive.Export "
    "Power.Reactive.Import Temperature Voltage"
).split()
# Measurands of a map that become others by their sign; None: the amount counts.
SIGNED: dict[str, tuple[str, str | None]] = {
    "Power.Active": ("Power.Active.Import", "Power.Active.Export"),
    "Power.Reactive": ("Power.Reactive.Import", "Power.Reactive.Export"),
    "Current": ("Current.Import", None),
}
PHASES = ("L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1")
_NUMBER = (int, float)
FILE = {
    "name": str, "source": str, "function": int, "type": str, "words": str, "missing": list, "max_registers": int,
    "gap": int, "silence_ms": _NUMBER, "timeout_ms": _NUMBER, "serial": dict, "values": dict, "identity": list,
    "signing": dict,
}  # fmt: skip
SERIAL = {"baud": int, "parity": str, "stop_bits": int, "unit": int}
VALUE = {
    "at": int, "type": str, "scale": _NUMBER, "scale_at": int, "function": int, "missing": list, "optional": bool,
}  # fmt: skip
IDENTITY = {"at": int, "type": str, "function": int, "equals": list}


def names() -> list[str]:
    """The models that there are."""
    return sorted(name.removesuffix(".toml") for name in os.listdir(DIRECTORY) if name.endswith(".toml"))


def compile_meters(description: Table) -> list[str]:
    """Puts the map of its model into each Modbus meter of a checked board, as `map`; what is wrong, in words."""
    problems: list[str] = []
    for table in description.get("meter", ()):
        if table["driver"] != "modbus":
            continue
        where = f"[[meter]] {table['id']}"
        try:
            table["map"] = load(table["model"])
            problems += _check_signing(where, table, table["map"]["signing"] or {})
        except HalError as error:
            problems.append(f"{where}: {error.detail}")
    return problems


def _check_signing(where: str, table: Table, signing: Table) -> Iterator[str]:
    for name in ("signing", "user_text", "public_key"):
        if name in table and not signing:
            yield f"{where}: {name} is for meters that sign; the model {table['model']} does not"
    most = signing.get("text_bytes", 0)
    if signing and len(table.get("user_text", "").encode()) > most:
        yield f"{where}: user_text can have {most} bytes"
    key = table.get("public_key", "")
    if len(key) % 2 or key.strip("0123456789abcdefABCDEF"):
        yield f"{where}: public_key must be hexadecimal"


def load(model: str) -> Table:
    """The compiled map of a model, or of a file (a name with a `/`). Raises HalError("Meter") with all problems."""
    path = model if "/" in model else os.path.join(DIRECTORY, model + ".toml")
    if "/" not in model and not os.path.isfile(path):
        raise HalError("Meter", f"there is no meter model {model!r}{_nearest(model, names())}")
    try:
        with open(path, "rb") as file:
            source = file.read().decode()
        return compile_map(tomllib.loads(source))
    except OSError as error:
        raise HalError("Meter", f"{path}: {error.strerror}") from None
    except HalError as error:
        raise HalError("Meter", f"{path}: {error.detail}") from None
    except ValueError as error:  # of TOML or UTF-8
        raise HalError("Meter", f"{path}: {error}") from None


def compile_map(table: Table) -> Table:
    """What the driver needs, from the tables of a file. Raises HalError("Meter").

    name; blocks: (function, address, registers, format of struct, optional) of each request; the file's words decide
    the byte order of the format, "<" wants the bytes of each register swapped; values: (index among all numbers of all
    blocks, form, factor, divisor, missing, key, key of the negative); silence_s, timeout_s; identity; signing.
    """
    problems = list(_check(table))
    if problems:
        raise HalError("Meter", "; ".join(problems))
    order = ">" if table.get("words", "big") == "big" else "<"
    wanted: dict[tuple[int, int, str], bool] = {}  # (function, address, type) -> optional
    for value in table["values"].values():
        for spot in _spots(table, value):
            wanted[spot] = wanted.get(spot, True) and value.get("optional", False)
    blocks, indices = _blocks(table, wanted, order)
    identity = [
        (item.get("function", table.get("function", 3)), item["at"], order + TYPES[item["type"]][0], item["equals"])
        for item in table.get("identity", ())
    ]
    return {
        "name": table["name"],
        "blocks": blocks,
        "values": [_value(table, name, value, indices) for name, value in table["values"].items()],
        "silence_s": table.get("silence_ms", 0) / 1000,
        "timeout_s": table.get("timeout_ms", 500) / 1000,
        "serial": {"baud": 9600, "parity": "N", "stop_bits": 1, "unit": 1, **table.get("serial", {})},
        "identity": identity,
        "signing": table.get("signing"),
    }


def _spots(table: Table, value: Table) -> Iterator[tuple[int, int, str]]:
    """What a value is read from: its register, and that of its scale."""
    function: int = value.get("function") or table.get("function") or 3
    yield function, value["at"], value.get("type") or table["type"]
    if "scale_at" in value:
        yield function, value["scale_at"], "int16"


def _blocks(
    table: Table, wanted: dict[tuple[int, int, str], bool], order: str
) -> tuple[list[tuple[Any, ...]], dict[tuple[int, int, str], int]]:
    """As few requests as the map allows: (blocks, place of each spot among all numbers)."""
    most, gap = table.get("max_registers", 125), table.get("gap", 0)
    blocks: list[list[Any]] = []
    indices: dict[tuple[int, int, str], int] = {}
    for spot in sorted(wanted):
        function, address, type = spot
        form, count = TYPES[type]
        optional = wanted[spot]
        last = blocks[-1] if blocks else None
        if (
            last is None
            or last[0] != function
            or last[4] != optional
            or not 0 <= address - last[1] - last[2] <= gap
            or address + count - last[1] > most
        ):
            last = [function, address, 0, order, optional]
            blocks.append(last)
        skipped = address - last[1] - last[2]
        last[2] += skipped + count
        last[3] += (f"{2 * skipped}x" if skipped else "") + form
        indices[spot] = len(indices)
    return [tuple(block) for block in blocks], indices


def _value(table: Table, name: str, value: Table, indices: dict[tuple[int, int, str], int]) -> tuple[Any, ...]:
    """How the driver makes the values of one spot: see `compile_map`."""
    (measurand, phase), (at, *scale_at) = split_name(name), _spots(table, value)
    type = at[2]
    factor, divisor = value.get("scale", 1), 1
    form = "n"
    if scale_at:
        form, factor = "e", indices[scale_at[0]]
    elif type.endswith("decimal32"):
        form = "s" if type == "signed_decimal32" else "u"
    elif 0 < factor < 1 and round(1 / factor) * factor == 1:
        factor, divisor = 1, round(1 / factor)  # 2301 / 10 is 230.1, 2301 * 0.1 is not
    forward, back = SIGNED.get(measurand, (measurand, None))
    if measurand == "Current":
        form = form.upper()
    missing = tuple(_missing(value.get("missing") or table.get("missing") or [], type))
    return indices[at], form, factor, divisor, missing, (forward, phase), (back, phase) if back else None


def _missing(stated: list[Any], type: str) -> Iterator[int]:
    """Raw values that mean "not available"; "ones": all bits set, "least": the least signed number [SunSpec]."""
    bits = 16 * TYPES[type][1]
    signed = TYPES[type][0].islower()
    for item in stated:
        if item == "ones":
            # A signed value is "not available" either as -1's bits would be, or as its largest number.
            yield from ((1 << bits - 1) - 1, -1) if signed else ((1 << bits) - 1,)
        elif item == "least" and signed:
            yield -(1 << bits - 1)
        elif item != "least":
            yield item


def split_name(name: str) -> Key:
    """("Voltage", "L1-N") of "Voltage.L1-N"; phase None where there is none."""
    measurand, _, phase = name.rpartition(".")
    return (measurand, phase) if measurand and phase in PHASES else (name, None)


# Checks


def _check(table: Table) -> Iterator[str]:
    wrong = list(_members("file", table, FILE, ("name", "values")))
    yield from wrong
    if wrong:
        return
    yield from _members("[serial]", table.get("serial", {}), SERIAL, ())
    if table.get("words", "big") not in ("big", "little"):
        yield 'words must be "big" (the register with the high bits first) or "little"'
    if not 1 <= table.get("max_registers", 125) <= 125:
        yield "max_registers must be from 1 to 125"
    yield from _check_spot("file", {**table, "type": table.get("type", "int16")})
    for index, item in enumerate(table.get("identity", ()), 1):
        where = f"[[identity]] {index}"
        wrong = list(_members(where, item, IDENTITY, ("at", "type", "equals")))
        yield from wrong or _check_spot(where, item)
    if REGISTER not in table["values"]:
        yield f"[values]: {REGISTER} is missing, the one that every session needs"
    for name, value in table["values"].items():
        yield from _check_value(table, name, value)


def _check_value(table: Table, name: str, value: Any) -> Iterator[str]:
    where = f"[values] {name}"
    known = (*MEASURANDS, *SIGNED)
    measurand, phase = split_name(name)
    if measurand not in known:
        yield f"{where}: no measurand{_nearest(measurand, known)}"
    elif (measurand == "Voltage") != (phase is not None and "-" in phase) and phase is not None:
        yield f"{where}: Voltage is between two conductors (L1-N), all else on one (L1)"
    wrong = list(_members(where, value, VALUE, ("at",)))
    yield from wrong
    if wrong:
        return
    if "type" not in value and "type" not in table:
        yield f"{where}: type is missing"
    if "scale" in value and "scale_at" in value:
        yield f"{where}: scale and scale_at exclude each other"
    if name == REGISTER and value.get("optional"):
        yield f"{where}: cannot be optional"
    yield from _check_spot(where, {"type": table.get("type", "int16"), **value})


def _check_spot(where: str, value: Table) -> Iterator[str]:
    type, function = value["type"], value.get("function", 3)
    if type not in TYPES:
        yield f"{where}: there is no type {type!r}{_nearest(type, TYPES)}"
        return
    if function not in (3, 4):
        yield f"{where}: function must be 3 (holding registers) or 4 (input registers)"
    for name in ("at", "scale_at"):
        if not 0 <= value.get(name, 0) <= 0x10000 - TYPES[type][1]:
            yield f"{where}: {name} must be an address from 0 to 65535"
    for item in value.get("missing", ()):
        if item not in ("ones", "least") and (isinstance(item, bool) or not isinstance(item, int)):
            yield f'{where}: missing holds whole numbers, "ones" or "least", not {item!r}'


def _members(where: str, table: Any, known: Table, required: Iterable[str]) -> Iterator[str]:
    """What is unknown, missing or of the wrong type."""
    if not isinstance(table, dict):
        yield f"{where}: must be a table"
        return
    for name, value in table.items():
        if name not in known:
            yield f"{where}: {name!r} is unknown{_nearest(name, known)}"
        elif not isinstance(value, known[name]) or (isinstance(value, bool) and known[name] is not bool):
            yield f"{where}: {name} cannot be {value!r}"
    yield from (f"{where}: {name} is missing" for name in required if name not in table)


def _nearest(name: Any, known: Iterable[str]) -> str:
    found = get_close_matches(str(name), list(known), 1)
    return f"; did you mean {found[0]!r}?" if found else f"; known: {', '.join(known) or 'none'}"
