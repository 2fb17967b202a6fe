"""Control pilot of IEC 61851-1 as arithmetic: amperes to duty cycle and back, volts to letters.

Nothing here touches hardware; drivers that measure volts or set a PWM themselves use it. Not loaded by others.
"""

from __future__ import annotations

MINIMUM_A = 6.0
MAXIMUM_A = 80.0
# Between 51 A and this the upper formula gives no more than 85 %: 51 A is offered. [IEC 61851-1 table A.7]
_UPPER_FROM_A = 52.5
DIGITAL = 0.05  # duty cycle that asks for digital communication (ISO 15118)
STEADY = 1.0  # no PWM: connected, no current offered

# letter; its window in volts; the window in which it holds on; the letters before that let it hold on
_LEVELS = (
    ("A", 11.0, 13.0, 10.0, 11.0, "A"),
    ("B", 8.0, 10.0, 7.0, 8.0, "AB"),
    ("C", 5.0, 7.0, 4.0, 5.0, "ABC"),
    ("D", 2.0, 4.0, 2.0, 2.0, ""),
    ("E", -1.0, 2.0, -2.0, -1.0, "E"),
    ("F", -13.0, -11.0, -11.0, -10.0, "F"),
)


def duty(limit_a: float | None) -> float:
    """Duty cycle, 0 to 1, that offers `limit_a`; None and 0 give the steady pilot. [IEC 61851-1 table A.7]

    Raises ValueError for what no duty cycle can say: under 6 A, over 80 A.
    """
    if limit_a is None or limit_a == 0:
        return STEADY
    if not MINIMUM_A <= limit_a <= MAXIMUM_A:
        raise ValueError(f"{limit_a:g} A cannot be offered: 6 to 80 A, or none")
    if limit_a <= _UPPER_FROM_A:
        return min(limit_a, 51.0) / 60
    return limit_a / 250 + 0.64


def limit(duty: float) -> float | None:
    """Amperes that a vehicle may draw at a duty cycle of 0 to 1: 0 at a steady pilot, None at 5 %: by communication.

    [IEC 61851-1 table A.8]
    """
    percent = duty * 100
    if 3 <= percent <= 7:
        return None
    if percent < 8 or percent > 97:
        return 0.0
    if percent < 10:
        return 6.0
    if percent <= 85:
        return percent * 0.6
    return min((percent - 64) * 2.5, MAXIMUM_A)


def letter(volts: float, before: str | None = None) -> str | None:
    """State of the vehicle for the positive side of the pilot; near a border `before` holds on; None: no valid level.

    A letter counts once two equal measurements follow each other; that is for the caller. [IEC 61851-1 table A.4]
    """
    for name, low, high, hold_low, hold_high, holders in _LEVELS:
        if low <= volts <= high or (hold_low <= volts <= hold_high and before is not None and before in holders):
            return name
    return None


def diode_missing(positive_v: float, negative_v: float, before: str | None = None) -> bool:
    """True if a running PWM swings as far down as up: no vehicle with its diode, or a short. [IEC 61851-1 A.3.3]"""
    return positive_v > 2.0 and letter(positive_v, before) != "A" and abs(positive_v + negative_v) <= 1.2
