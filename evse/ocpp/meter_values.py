"""Meter values as rows for the journal, and back: measurands, phases and contexts as numbers, one flat list a sample.

A packed sample is `[stamp, context, signed, measurand, phase, value, measurand, phase, value, ...]`: the stamp as of
Clock.stamp() (0: that of the event it belongs to), the context's number, the signed form as
`[data, method, encoding, public key]` or 0, then three elements a value. The tables below are part of the journal's
format: append only.
"""

from __future__ import annotations

from evse.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
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

# Text of a sample by (version, measurands, (context, phases)). It is made of nothing else: no change makes it stale.
_forms: dict[Any, str] = {}
FORMS = 8  # so many are remembered; then all are made anew


def unit(measurand: str) -> str:
    """Unit in which the station gives a measurand, "" if it has none or is not known."""
    return next((unit for beginning, unit in _UNITS if measurand.startswith(beginning)), "")


def exact(value: float) -> int | float:
    """The value to the thousandth of its unit, an integer where it is one."""
    thousandths = round(value * 1000)
    return thousandths / 1000 if thousandths % 1000 else thousandths // 1000


def places(keys: Iterable[tuple[str, str | None]]) -> list[Any]:
    """The elements of a packed sample for (measurand, phase), with None where a value will be."""
    made: list[Any] = []
    for measurand, phase in keys:
        made.append(MEASURANDS.index(measurand) if measurand in MEASURANDS else measurand)
        made.append(-1 if phase is None else PHASES.index(phase) if phase in PHASES else phase)
        made.append(None)
    return made


def pack(
    stamp: Any, context: str, signed: dict[str, Any] | None, places: list[Any], values: Iterable[float]
) -> list[Any]:
    """A sample as the module describes it: these values in these places."""
    packed = [stamp, CONTEXTS.index(context), _signed(signed) if signed else 0, *places]
    packed[5::3] = map(exact, values)
    return packed


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


def form(packed: list[Any], version: str, entry: Callable[[str, str | None, str, str], str]) -> str:
    """The sampled values of a sample as JSON, without brackets and with a place (%) for each value of the row.

    `entry(measurand, phase, context, version)` is what is said of one: ',{"value":%s,...}', or "%.0s" for nothing.
    """
    key = version, tuple(packed[3::3]), tuple(packed[1::3])
    text = _forms.get(key)
    if text is None:
        context = CONTEXTS[packed[1]]
        text = "".join([entry(measurand, phase, context, version) for measurand, phase, _ in values(packed)])
        if len(_forms) >= FORMS:
            _forms.clear()
        text = _forms[key] = text.replace(",", "", 1)
    return text


def register_at(packed: list[Any]) -> int | None:
    """Which of its values is the register without a phase, None if none is."""
    places = zip(packed[3::3], packed[4::3], strict=True)
    return next((index for index, place in enumerate(places) if place == (0, -1)), None)


def joined(payload: dict[str, Any], member: str, text: str) -> str:
    """The payload as JSON, with one member more that is JSON already."""
    return f'{dumps(payload)[:-1]},"{member}":{text}}}'


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
