"""Which meter answers on a serial line, at which address and speed: asked of the line, judged by what it says.

For `evse hw meter --detect`; front end only. Maps of related models overlap, so there may be several candidates.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from hal import meterfile
from hal.drivers.modbus_meter import REGISTER, decode
from hal.modbus import READ_HOLDING, READ_INPUT, Bus

Table = dict[str, Any]
# The time-out of one question: the quickest line that answers later is a rarity.
TIMEOUT_S = 0.15
# What a value may be on a mains; a map that says something else is not this meter's.
_PLAUSIBLE = {
    "Voltage": (0.0, 520.0), "Frequency": (40.0, 70.0), "Power.Factor": (-1.0, 1.0),
    "Current.Import": (0.0, 1000.0), "Current.Export": (0.0, 1000.0),
    "Power.Active.Import": (0.0, 1e6), "Power.Active.Export": (0.0, 1e6),
    "Energy.Active.Import.Register": (0.0, 1e12), "Energy.Active.Export.Register": (0.0, 1e12),
}  # fmt: skip


class Scan:
    """One line; `loop` is turned until each answer is there."""

    def __init__(self, loop: Any, settings: Table) -> None:
        self._loop = loop
        self.settings = settings
        self._bus = Bus(settings)

    def __enter__(self) -> Scan:
        self._bus.open(self._loop)
        return self

    def __exit__(self, *_: object) -> None:
        self._bus.close()

    @property
    def problem(self) -> str | None:
        """Why the port is not open, None while it is."""
        return self._bus.problem

    def units(self, numbers: list[int]) -> Iterator[int]:
        """Those of the addresses at which something answers, be it with an exception."""
        for number in numbers:
            if any(self._ask(number, function, 0, 2, 1)[1] for function in (READ_INPUT, READ_HOLDING)):
                yield number

    def models(self, unit: int, models: list[str] | None = None) -> list[tuple[str, int, dict[Any, float]]]:
        """(model, how much speaks for it, values) of the maps that fit what the unit says, the best first."""
        found = []
        for model in models or meterfile.names():
            map = meterfile.load(model)
            if not self._identity(unit, map):
                continue
            answers = [self._ask(unit, function, at, count, 2) for function, at, count, _, _ in map["blocks"]]
            if any(data is None and not block[4] for (data, _), block in zip(answers, map["blocks"], strict=True)):
                continue
            values = decode(map, [data for data, _ in answers])
            score = judge(values)
            if score is not None:
                found.append((model, score + 10 * len(map["identity"]), values))
        return sorted(found, key=lambda entry: -entry[1])

    def _identity(self, unit: int, map: Table) -> bool:
        for function, at, form, equals in map["identity"]:
            data, _ = self._ask(unit, function, at, struct.calcsize(form) // 2, 2)
            if data is None or struct.unpack(form, data)[0] not in equals:
                return False
        return True

    def _ask(self, unit: int, function: int, at: int, count: int, attempts: int) -> tuple[bytes | None, bool]:
        """The registers, and whether anybody answered."""
        answers: list[tuple[bytes | None, Any]] = []
        asked = self._bus.unit(unit, TIMEOUT_S, attempts)
        asked.read(function, at, count, lambda data, error: answers.append((data, error)))
        while not answers:
            self._loop.run_once(0.05)
        data, error = answers[0]
        return data, error is None or error.code in ("Exception", "Garbled")


def judge(values: dict[tuple[str, str | None], float]) -> int | None:
    """How much speaks for these values being a meter's; None if one of them cannot be."""
    if REGISTER not in values:
        return None
    score = 0
    for (measurand, phase), value in values.items():
        least, most = _PLAUSIBLE.get(measurand, (-1e12, 1e12))
        if not least <= value <= most:
            return None
        if measurand == "Frequency":
            score += 5 if 49 < value < 61 else 0
        elif measurand == "Voltage" and phase is not None:
            score += 3 if 90 < value < 270 or 350 < value < 480 else 0
        score += value != 0
    return score


def speeds(models: list[str] | None = None) -> list[Table]:
    """The settings of lines that meters are delivered with, the most frequent first."""
    counts: dict[tuple[int, str, int], int] = {}
    for model in models or meterfile.names():
        serial = meterfile.load(model)["serial"]
        key = (serial["baud"], serial["parity"], serial["stop_bits"])
        counts[key] = counts.get(key, 0) + 1
    order = sorted(counts, key=lambda key: -counts[key])
    return [{"baud": baud, "parity": parity, "stop_bits": stop_bits} for baud, parity, stop_bits in order]
