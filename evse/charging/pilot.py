"""Meaning of the control pilot's letters for the charging controller. [IEC 61851-1 A.3]"""

from __future__ import annotations

# A no vehicle; B vehicle, not asking; C vehicle asks; D asks and wants ventilation, which outdoors needs nothing more.
_STATES = {"A": "A", "B": "B", "C": "C", "D": "C"}
# Nothing less can be said by a duty cycle: a lower limit is a pause.
MINIMUM_A = 6.0


def vehicle_state(letter: str | None) -> str | None:
    """ "A" away, "B" there, "C" there and asking; None for E, F and a pilot that is lost: not a vehicle, a fault."""
    return _STATES.get(letter or "")
