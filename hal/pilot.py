"""Control pilot of IEC 61851-1 as arithmetic: amperes to duty cycle and back, volts to letters.

Nothing here touches hardware; drivers that measure volts or set a PWM themselves use it. Not loaded by others.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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


class Letters:
    """The letter of successive measurements: a new one counts once two in a row agree, none at all once three do."""

    __slots__ = ("letter", "_seen", "_times")

    def __init__(self) -> None:
        self.letter: str | None = None
        self._seen: str | None = None
        self._times = 0

    def measure(self, volts: float) -> bool:
        """Takes one measurement of the positive side; True if `letter` changed."""
        seen = letter(volts, self.letter)
        self._times = self._times + 1 if seen == self._seen else 1
        self._seen = seen
        if seen == self.letter or self._times < (2 if seen else 3):
            return False
        self.letter = seen
        return True


# Ohms between proximity contact and earth, from which a resistor is taken for: its cable's amperes.
# [IEC 61851-1 table B.2; 1500, 680, 220 and 100 ohms, each with wide margins]
CABLES = ((75, 63.0), (150, 32.0), (330, 20.0), (1000, 13.0), (2700, None))


def cable(value: float, table: Any = CABLES) -> float | None:
    """What a cable may carry in amperes; None without a plug.

    `value`: ohms, or whatever the rows of `table` begin with, `(from, amperes or None)`, rising. Raises ValueError for
    less than all rows: a short.
    """
    found: Any = table
    for least, limit_a in table:
        if value < least:
            break
        found = limit_a
    if found is table:
        raise ValueError(f"proximity {value:g} is too little for any cable")
    return found or None


class Offer:
    """Paces what is offered: a vehicle gets at least CHANGE_S between two duty cycles. [IEC 61851-1 A.4]

    `apply(limit_a)` is called with what holds from now on, None for the steady pilot; that, and the first offer after
    it, at once.
    """

    CHANGE_S = 5.0

    __slots__ = ("limit_a", "_apply", "_applied_a", "_when", "_timer")

    def __init__(self, apply: Any) -> None:
        self.limit_a: float | None = None
        self._apply = apply
        self._applied_a: float | None = None
        self._when = 0.0
        self._timer: Any = None

    def set(self, limit_a: float | None, loop: Any) -> None:
        """0 is None. Raises ValueError under 6 A and over 80 A."""
        duty(limit_a)
        self.limit_a = limit_a or None
        self.cancel()
        wait_s = 0.0
        if self.limit_a is not None and self._applied_a is not None:
            wait_s = self._when + self.CHANGE_S - loop.time()
        if wait_s > 0:
            self._timer = loop.call_later(wait_s, self._now, loop)
        else:
            self._now(loop)

    def _now(self, loop: Any) -> None:
        self._timer = None
        if self._applied_a != self.limit_a or self.limit_a is None:
            self._when = loop.time()
            self._applied_a = self.limit_a
            self._apply(self.limit_a)

    def cancel(self) -> None:
        """Forgets what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
