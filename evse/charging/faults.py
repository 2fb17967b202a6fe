"""Faults of one EVSE: which are present, who found them, which of them end a session and with what word."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Faults that end a session with a word of their own; the others end it with "Other".
_REASONS = {
    "GroundFailure": "GroundFault",
    "OverCurrentFailure": "OvercurrentFault",
    "EmergencyStop": "EmergencyStop",
    "PowerLoss": "PowerLoss",
}
# Faults that are told and stop nothing; a silent meter is one where the board says on_loss = "continue".
NOTICES = ("ReaderFailure", "WeakSignal")
METER_FAULTS = ("MeterSilent", "PowerMeterFailure")
# What the controller found itself ends with these events. WeldedContactor stays until the contactor's driver clears it.
UNTIL_UNPLUGGED = ("PowerSwitchFailure", "OverCurrentFailure", "ConnectorLockFailure")


class Faults:
    """Present faults, told once each by `tell("fault", code, detail)` and `tell("cleared", code)`."""

    __slots__ = ("present", "_own", "_harmless", "_tell")

    def __init__(self, on_loss: str, tell: Callable[..., Any]) -> None:
        self.present: dict[str, str] = {}
        self._own: set[str] = set()
        self._harmless = NOTICES + METER_FAULTS if on_loss == "continue" else NOTICES
        self._tell = tell

    def report(self, code: str, detail: str) -> None:
        """A device reports a fault; it is present until the device clears it."""
        self._own.discard(code)
        self._add(code, detail)

    def find(self, code: str, detail: str) -> None:
        """The controller found a fault itself."""
        if code not in self.present:
            self._own.add(code)
            self._add(code, detail)

    def _add(self, code: str, detail: str) -> None:
        known = code in self.present
        self.present[code] = detail
        if not known:
            self._tell("fault", code, detail)

    def clear(self, code: str) -> None:
        """The fault is gone, whoever found it."""
        if self.present.pop(code, None) is not None:
            self._own.discard(code)
            self._tell("cleared", code)

    def clear_own(self, *codes: str) -> None:
        """Clears those of the codes that the controller found itself."""
        for code in codes:
            if code in self._own:
                self.clear(code)

    def stop(self) -> bool:
        """True if power must not flow."""
        return any(code not in self._harmless for code in self.present)

    def reason(self) -> str:
        """The word for a session that these faults end."""
        return next((_REASONS[code] for code in self.present if code in _REASONS), "Other")
