"""Meter values as rows for the journal, and back: measurands, phases and contexts as numbers, one flat list a sample.

A packed sample is `[stamp, context, signed, measurand, phase, value, measurand, phase, value, ...]`: the stamp as of
Clock.stamp() (0: that of the event it belongs to), the context's number, the signed form as
`[data, method, encoding, public key]` or 0, then three elements a value. The tables below are part of the journal's
format: append only.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

REGISTER = "Energy.Active.Import.Register"
# What is not in a table stands for itself.
MEASURANDS = (
    "Energy.Active.Import.Register", "Energy.Active.Export.Register", "Energy.Reactive.Import.Register",
    "Energy.Reactive.Export.Register", "Energy.Active.Import.Interval", "Energy.Active.Export.Interval",
    "Energy.Reactive.Import.Interval", "Energy.Reactive.Export.Interval", "Power.Active.Import", "Power.Active.Export",
    "Power.Reactive.Import", "Power.Reactive.Export", "Power.Offered", "Power.Factor", "Current.Import",
    "Current.Export", "Current.Offered", "Voltage", "Frequency", "SoC", "Temperature", "RPM", "Energy.Active.Net",
    "Energy.Reactive.Net", "Energy.Apparent.Import", "Energy.Apparent.Export", "Energy.Apparent.Net",
)  # fmt: skip
PHASES = ("L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1")
CONTEXTS = (
    "Sample.Periodic", "Sample.Clock", "Transaction.Begin", "Transaction.End", "Trigger", "Other",
    "Interruption.Begin", "Interruption.End",
)  # fmt: skip
# Units by the longest beginning of the measurand; "" for what has none.
_UNITS = (
    ("Energy.Reactive", "varh"), ("Energy.Apparent", "VAh"), ("Energy", "Wh"), ("Power.Reactive", "var"),
    ("Power.Factor", ""), ("Power", "W"), ("Current", "A"), ("Voltage", "V"), ("Frequency", "Hz"), ("SoC", "Percent"),
    ("Temperature", "Celsius"), ("RPM", "RPM"),
)  # fmt: skip
_known: dict[str, str] = {}  # units found, of what is in MEASURANDS
_places: dict[tuple[str, str | None], tuple[Any, Any]] = {}  # what stands for a measurand and its phase in a sample
# So many of them are remembered: more than a meter has.
_PLACES = 64


def unit(measurand: str) -> str:
    """Unit in which the station gives a measurand, "" if it has none or is not known."""
    found = _known.get(measurand)
    if found is None:
        found = next((unit for beginning, unit in _UNITS if measurand.startswith(beginning)), "")
        if measurand in MEASURANDS:
            _known[measurand] = found
    return found


def exact(value: float) -> int | float:
    """The value to the thousandth of its unit, an integer where it is one."""
    value = round(value, 3)
    whole = int(value)
    return whole if whole == value else value


def pack(
    stamp: Any, context: str, signed: dict[str, Any] | None, values: list[tuple[tuple[str, str | None], float]]
) -> list[Any]:
    """A sample as the module describes it, of ((measurand, phase), value)."""
    packed = [stamp, CONTEXTS.index(context), _signed(signed) if signed else 0]
    for place, value in values:
        packed += _places.get(place) or _place(*place)
        packed.append(exact(value))
    return packed


def _place(measurand: str, phase: str | None) -> tuple[Any, Any]:
    if len(_places) >= _PLACES:
        _places.clear()
    place = _places[measurand, phase] = (
        MEASURANDS.index(measurand) if measurand in MEASURANDS else measurand,
        -1 if phase is None else PHASES.index(phase) if phase in PHASES else phase,
    )
    return place


def _signed(signed: dict[str, Any]) -> list[Any]:
    return [signed["data"], signed.get("method", ""), signed.get("encoding", ""), signed.get("public_key") or ""]


def values(packed: list[Any]) -> Iterator[tuple[str, str | None, int | float]]:
    """The values of a packed sample: measurand, phase, value."""
    for measurand, phase, value in zip(packed[3::3], packed[4::3], packed[5::3], strict=True):
        yield (
            MEASURANDS[measurand] if type(measurand) is int else measurand,
            None if phase == -1 else PHASES[phase] if type(phase) is int else phase,
            value,
        )


def only(packed: list[Any], measurands: Collection[str]) -> list[Any]:
    """The sample with these measurands, on every phase; empty if none is left."""
    kept = packed[:3]
    for index, (measurand, _, _) in enumerate(values(packed), 1):
        if measurand in measurands:
            kept += packed[3 * index : 3 * index + 3]
    return kept if len(kept) > 3 else []


def thin(samples: list[list[Any]], limit_bytes: int) -> bool:
    """Drops every second sample but the first if all together would make more than about `limit_bytes` of JSON.

    The oldest of each pair goes: the 1st, 3rd, 5th between begin and end. [E06.FR.13, 1.6 errata §3.91]
    """
    if len(samples) < 2 or sum(map(_said_bytes, samples)) <= limit_bytes:
        return False
    del samples[1::2]
    return True


def _said_bytes(packed: list[Any]) -> int:
    """How long a sample becomes in a message, roughly: 130 bytes a value, and its signed form."""
    signed = packed[2]
    return len(packed) // 3 * 130 + (sum(map(len, signed)) if signed else 0)
