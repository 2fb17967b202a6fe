"""N01. Logs: diagnostics and the security log, put together and uploaded by a child process, one at a time.

What is told of an upload is journaled, so that the CSMS hears of the end of each that it heard of the beginning: one
that a restart cuts short has failed.
"""

from __future__ import annotations

from evse.clock import parse_timestamp
from evse.errors import StoreError
from evse.ocpp.rpc import NOT_UNDERSTOOD
from evse.ocpp.status_info import refusal, status_info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.clock import Timer
    from evse.errors import CsmsError
    from evse.ocpp.engine import Engine

EVENT = "LogStatusNotification"
# Kept state: the upload under way, [requestId].
UPLOAD = "diagnostics:upload"
# Where the CSMS leaves it to us; and how often and how long at most. Each try has its time.
RETRIES, INTERVAL_S = 2, 60
MOST_RETRIES, MOST_INTERVAL_S = 19, 86_400
TRY_S = 900.0
# A child waits no longer than this for its next try; where it is longer, each try has a child of its own.
CHILD_WAITS_S = 60
# Errors that another try would not mend.
FINAL = ("BadUrl", "Invalid")
# Error of the job -> status, where that is not UploadFailure; code of the appendix "reason codes".
STATUSES = {
    "PermissionDenied": "PermissionDenied",
    "BadMessage": "BadMessage",
    "NotSupported": "NotSupportedOperation",
}
REASONS = {"BadUrl": "InvalidURL", "Redirected": "RedirectNotAllowed"}
# Of the station's description, what diagnostics tell.
ABOUT = ("identity", "vendor", "model", "serial", "firmware", "iccid", "imsi", "meter_type", "meter_serial")


class Block:
    """The upload under way: `_id` its requestId, None for a GetDiagnostics of 1.6; `_job` its child, None without.

    `_asked` is what a child is asked for, None without an upload; `_left` tries come after the present child.
    """

    name = "diagnostics"
    # Said again, the status would be refused again, and transactions must not wait behind it.
    FINAL_ERRORS = (
        *NOT_UNDERSTOOD, "GenericError", "InternalError", "OccurenceConstraintViolation",
        "OccurrenceConstraintViolation", "PropertyConstraintViolation", "TypeConstraintViolation",
    )  # fmt: skip

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        self._job: int | None = None
        self._id: int | None = None
        self._asked: dict[str, Any] | None = None
        self._left = 0
        self._timer: Timer | None = None

    # -- use cases -------------------------------------------------------------------------------------------------

    def get_log(self, request: dict[str, Any]) -> dict[str, Any]:
        """GetLog, and, without a requestId, GetDiagnostics of 1.6. [N01]"""
        kind, log = request["logType"], request["log"]
        location = log["remoteLocation"]
        if kind not in ("DiagnosticsLog", "SecurityLog"):
            return refusal("UnsupportedParam", f"there is no {kind}")  # [N01.FR.05]
        schemes = self.ctx.model.members("OCPPCommCtrlr", "FileTransferProtocols") or []
        if location.partition(":")[0].upper() not in schemes:
            return refusal("UnsupportedParam", f"logs are sent by {', '.join(schemes)}")
        try:
            begin, end = (_seconds(log.get(name)) for name in ("oldestTimestamp", "latestTimestamp"))
            found = self._security_events(begin, end)
        except ValueError as error:
            return refusal("InvalidValue", str(error))
        except StoreError as error:
            return refusal("InternalError", str(error))
        if begin is not None and end is not None and begin > end:
            return refusal("InvalidValue", "the time ends before it begins")
        if kind == "SecurityLog" and not found:
            return refusal("NotFound", "the security log has nothing of that time")  # [N01.FR.05]
        canceled = self._cancel()
        name = self._file_name(kind, request.get("requestId"))
        self._id = request.get("requestId")
        retries = min(max(0, request.get("retries", RETRIES)), MOST_RETRIES)
        interval_s = min(max(0, request.get("retryInterval", INTERVAL_S)), MOST_INTERVAL_S)
        in_child = retries if interval_s <= CHILD_WAITS_S else 0
        self._left = retries - in_child
        log = {"kind": kind, "from": begin, "to": end}
        self._asked = {
            "url": location, "name": name, "attempts": in_child + 1, "interval_s": interval_s, "log": log,
        }  # fmt: skip
        self._send()
        self._say("Uploading", [self._id])  # [N01.FR.08]
        self.ctx.log.info("a log is sent to the CSMS", name=name)
        return {"status": "AcceptedCanceled" if canceled else "Accepted", "filename": name}  # [N01.FR.01, N01.FR.12]

    def trigger(self, message: str, evse: Any) -> bool:
        """The status of the upload; Idle without one. [N01.FR.13; 1.6 §4.4]"""
        legacy = message != EVENT
        if self._asked is not None and legacy == (self._id is None):
            self.ctx.call(self, message, {"status": "Uploading", **({} if legacy else {"requestId": self._id})})
        else:
            self.ctx.call(self, message, {"status": "Idle"})
        return True

    def on_started(self) -> None:
        """What was under way when the process ended has failed."""
        kept = self.ctx.journal.state.get(UPLOAD)
        if kept is not None:
            self._id = kept[0]
            self._say("UploadFailure", None, "InternalError", "the station started again")

    # -- inside ----------------------------------------------------------------------------------------------------

    def _send(self) -> None:
        """Gives the upload to a child."""
        asked = self._asked
        if asked is None:
            return
        self._timer = None
        log, station = asked["log"], self.ctx.station
        try:
            log = {**log, "entries": self._security_events(log["from"], log["to"])}
        except StoreError as error:
            self.ctx.log.error("the security log could not be read", why=str(error))
            log = {**log, "entries": []}
        log["about"] = {"ocpp": self.ctx.version, **{key: station[key] for key in ABOUT if key in station}}
        within_s = asked["attempts"] * TRY_S + (asked["attempts"] - 1) * asked["interval_s"]
        self._job = self.ctx.job("upload", {**asked, "log": log}, self._ended, self._heard, within_s)

    def _heard(self, news: dict[str, Any]) -> None:
        if "why" in news:
            self.ctx.log.warning("a log is sent once more", attempt=news["attempt"], why=news["why"])

    def _ended(self, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        self._job = None
        if error is None:
            self._asked = None
            self.ctx.log.info("a log was sent to the CSMS", bytes=(answer or {}).get("bytes"))
            self._say("Uploaded", None)  # [N01.FR.09]
            return
        self.ctx.log.warning("a log could not be sent", code=error.code, why=error.detail, tries_left=self._left)
        if self._left and self._asked is not None and error.code not in FINAL:
            self._left -= 1
            self._timer = self.ctx.timers.at(self.ctx.clock.now() + self._asked["interval_s"], self._send)
            return
        self._asked = None
        status = STATUSES.get(error.code, "UploadFailure")
        self._say(status, None, REASONS.get(error.code, "Unspecified"), error.detail)  # [N01.FR.10, N01.FR.30]

    def _cancel(self) -> bool:
        """Ends the upload under way; whether there was one. [N01.FR.12, N01.FR.20]"""
        if self._asked is None:
            return False
        self.ctx.stop_job(self._job)
        if self._timer is not None:
            self._timer.cancel()
        self._job = self._timer = self._asked = None
        self._say("AcceptedCanceled", None)
        return True

    def _say(self, status: str, keep: Any, reason: str | None = None, detail: str = "") -> None:
        """Journals a status of the upload, and, with it, what is kept from now on."""
        row: list[Any] = [status, self._id]
        if reason is not None:
            row.append(status_info(reason, detail))
        self.ctx.record(self, EVENT, row, keep={UPLOAD: keep})

    def delivered(self, event: str, row: list[Any], action: str, answer: dict[str, Any] | None) -> None:
        """Nothing follows from it."""

    def _security_events(self, begin: float | None, end: float | None) -> list[dict[str, Any]]:
        """The security log within a time. Raises StoreError."""
        security = self.ctx.block("security")
        found = []
        for entry in () if security is None else security.entries():
            at = parse_timestamp(entry["timestamp"])
            if (begin is None or at >= begin) and (end is None or at <= end):
                found.append(entry)
        return found

    def _file_name(self, kind: str, id: int | None) -> str:
        """Such as diagnostics-EVSE1-1767225600-7.zip: letters, digits, "-", "." and "_" only."""
        identity = str(self.ctx.station.get("identity") or self.ctx.station.get("serial") or "station")
        identity = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in identity)[:100]
        at = self.ctx.clock.utc()
        parts = ["security" if kind == "SecurityLog" else "diagnostics", identity]
        parts += [str(int(number)) for number in (at, id) if number is not None]
        return "-".join(parts) + ".zip"


def _seconds(text: str | None) -> float | None:
    """UTC. Raises ValueError."""
    return None if text is None else parse_timestamp(text)
