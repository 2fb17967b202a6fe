"""What the station asks of its hardware: the devices, the events they report, and the codes of their faults.

Every device has `start(loop, report)` (outputs safe, reporting begins) and `close()` (outputs safe; may be called
twice). `loop` has asyncio's names. `report(event, *values)` is called with what happened:

    contactor  True | False            the mirror contact confirms; also when it moves by itself
    pilot      "A".."F" | None         state of the vehicle [IEC 61851-1 A.3]; None: no valid pilot
    cable      limit_a | None          what the proximity resistor allows, None without a plug or on tethered cables
    temperature  limit_a | None        what the heat within the station allows, None for all
    phases     1 | 3                   how many the phase switch lets through, confirmed by its contact
    lock       True | False            locked or not, confirmed by the limit switch
    reading    values, signed          {(measurand, phase or None): value}; signed: None or {"data", "method",
                                       "encoding", "public_key"}
    token      id_token, kind[, evses] a card was presented; kind is an IdTokenEnum word; evses: tuple of the EVSEs that
                                       it is for where the reader has buttons, else all that the reader serves
    parking    True | False            a vehicle stands in the parking bay
    fault      code, detail            `code` is one of FAULTS
    cleared    code

A command is complete when its event was reported, never when the call returns. A driver that cannot know says so in its
documentation and reports after a fixed time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    Report = Callable[..., Any]

    class Device(Protocol):
        """Any device: sensors (residual current, emergency stop, tamper, temperature) are nothing more."""

        def start(self, loop: Any, report: Report) -> None: ...

        def close(self) -> None: ...

    class Contactor(Device, Protocol):
        """Connects the vehicle to the mains; opens when `start` or `close` is called."""

        def switch(self, closed: bool) -> None: ...

    class ControlPilot(Device, Protocol):
        """Offers a current to the vehicle and hears what it wants."""

        def offer(self, limit_a: float | None) -> None:
            """A duty cycle for `limit_a` of 6 A or more; None or 0 is a steady pilot: connected, nothing offered."""
            ...

    class PhaseSwitch(Device, Protocol):
        """Connects L2 and L3 or not, in series with the contactor; L1 alone when `start` or `close` is called."""

        def select(self, phases: int) -> None:
            """1 or 3; the caller has seen the contactor open."""
            ...

    class CableLock(Device, Protocol):
        """Holds the plug of one socket."""

        def lock(self) -> None: ...

        def unlock(self) -> None: ...

    class Meter(Device, Protocol):
        """Reports readings by itself at its interval.

        One that signs has besides: `begin()`, energy is about to flow; `end()`, the session is over, instead of the
        last `read()`; `signing_s`, the most that the reading after it takes longer. `identify(id_token, kind)`, if its
        records can say who charges: whose the next session is. `problem`, if a driver has it: why
        there is no reading, None where there is. `measurands`, if a driver has it: all names that can occur in its
        readings.
        """

        def read(self) -> None:
            """Asks for a reading that is newer than this call."""
            ...

    class TokenReader(Device, Protocol):
        """Reports cards."""


# Names of OCPP 1.6 ChargePointErrorCode where one fits, then the station's own.
FAULTS = (
    "ConnectorLockFailure EVCommunicationError GroundFailure HighTemperature InternalError OtherError "
    "OverCurrentFailure OverVoltage PowerMeterFailure PowerSwitchFailure ReaderFailure UnderVoltage WeakSignal "
    "DiodeFault EmergencyStop LockFailure MeterSilent PowerLoss Tamper WeldedContactor"
).split()


class HalError(ValueError):
    """A device or a board was asked for something that cannot be; `code` is a word for programs."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
