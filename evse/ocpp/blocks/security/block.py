"""A04. Security events: a log that rolls, and the notification of the critical ones."""

from __future__ import annotations

from evse.clock import timestamp
from evse.errors import StoreError
from evse.ocpp.rpc import NOT_UNDERSTOOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.model import Evse
    from evse.ocpp.engine import Engine

# Appendix 1 of part 2: all other events are critical, and so is one that is not in the appendix.
NOT_CRITICAL = (
    "AttemptedReplayAttacks",
    "CsmsFailedToAuthenticate",
    "FailedToAuthenticateAtCsms",
    "InvalidMessages",
    "ReconfigurationOfSecurityParameters",
)
# Boot reasons of a start that somebody asked for.
_RESETS = ("FirmwareUpdate", "LocalReset", "RemoteReset", "ScheduledReset")
DOCUMENT = "security_log"
# The log keeps the newest; the flash is spared by counting what is not critical and repeats within the interval.
LOG_EVENTS = 100
REPEAT_S = 60.0
TYPE_LENGTH = 50
TECH_INFO_LENGTH = 255


class Block:
    """Writes every security event down [A04.FR.04]; the critical ones reach the CSMS for sure [A04.FR.01, A04.FR.02].

    A CSMS that does not know the notification, as one of 1.6 without the security extension, is not asked twice.
    """

    name = "security"
    # The same notification would be refused again, and transactions must not wait behind it.
    FINAL_ERRORS = NOT_UNDERSTOOD

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        # Type -> [monotonic time until which repetitions are counted, their number]: not critical ones only.
        self._repeats: dict[str, list[float]] = {}
        self._offset_s = self._offset()

    def event(self, type: str, at: float | None = None, tech_info: str | None = None) -> None:
        """A security event of a type of the appendix, or of one's own; `at` UTC seconds, None now.

        Too long texts are cut. Never raises: a full disk is logged.
        """
        type = type[:TYPE_LENGTH]
        critical = type not in NOT_CRITICAL
        tech_info = tech_info[:TECH_INFO_LENGTH] if tech_info else None
        if not critical:
            now = self.ctx.clock.now()
            repeat = self._repeats.get(type)
            if repeat is not None and now < repeat[0]:
                repeat[1] += 1
                return
            if repeat is not None and repeat[1]:
                tech_info = f"{int(repeat[1])} more before; {tech_info or ''}"[:TECH_INFO_LENGTH]
            self._repeats[type] = [now + REPEAT_S, 0]
        row = [self.ctx.clock.stamp() if at is None else int(at * 1000), type, tech_info]
        self._write_down(row)
        if critical:
            self.ctx.record(self, "SecurityEventNotification", row)

    def entries(self) -> list[dict[str, Any]]:
        """The log, oldest first, each as SecurityEventNotificationRequest. Raises StoreError."""
        return [self.payload(row) for row in self.ctx.documents.load(DOCUMENT) or ()]

    def payload(self, row: list[Any]) -> dict[str, Any]:
        """An event as it was written down, as SecurityEventNotificationRequest."""
        stamp, type, tech_info = row
        payload = {"type": type, "timestamp": timestamp(self.ctx.clock.resolve(stamp))}
        if tech_info:
            payload["techInfo"] = tech_info
        return payload

    def delivered(self, event: str, row: Any, action: str, answer: dict[str, Any] | None) -> None:
        """Nothing is kept: the log has the event already."""

    def _write_down(self, row: list[Any]) -> None:
        documents = self.ctx.documents
        try:
            documents.save(DOCUMENT, [*(documents.load(DOCUMENT) or ())[1 - LOG_EVENTS :], row])
        except StoreError as error:
            self.ctx.log.error("the security log could not be written", event=row[1], why=str(error))

    def _offset(self) -> float | None:
        """UTC minus monotonic time, None while UTC is unknown."""
        at = self.ctx.clock.utc()
        return None if at is None else at - self.ctx.clock.now()

    # -- facts -----------------------------------------------------------------------------------------------------

    def on_started(self) -> None:
        boot = self.ctx.block("boot")
        reason = "PowerUp" if boot is None else boot.reason
        self.event("ResetOrReboot" if reason in _RESETS else "StartupOfTheDevice", tech_info=reason)

    def on_fault(self, evse: Evse | None, code: str, detail: str) -> None:
        if code == "Tamper":
            self.event("TamperDetectionActivated", tech_info=detail)

    def on_clock_changed(self) -> None:
        """A change beyond ClockCtrlr.TimeAdjustmentReportingThreshold is an event; without that variable, any is."""
        before, self._offset_s = self._offset_s, self._offset()
        if self._offset_s is None:
            return
        if before is None:
            self.event("SettingSystemTime", tech_info="set for the first time")
            return
        change_s = self._offset_s - before
        if abs(change_s) > (self.ctx.model.integer("ClockCtrlr", "TimeAdjustmentReportingThreshold") or 0):
            self.event("SettingSystemTime", tech_info=f"changed by {change_s:+.1f} s")
