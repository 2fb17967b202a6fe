"""Logs in OCPP 1.6: GetDiagnostics [§5.9], and GetLog of the security extension, as in 2.x."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TIMES = (("startTime", "oldestTimestamp"), ("stopTime", "latestTimestamp"))


def _diagnostics(payload: dict[str, Any]) -> dict[str, Any]:
    """GetDiagnostics.req: a GetLog without requestId."""
    log = {"remoteLocation": payload["location"]}
    log.update((name, payload[own]) for own, name in _TIMES if own in payload)
    return {**payload, "logType": "DiagnosticsLog", "log": log}


def _file_name(answer: dict[str, Any]) -> dict[str, Any]:
    """GetDiagnostics.conf; no name: nothing will be uploaded."""
    return {"fileName": answer["filename"]} if "filename" in answer else {}


def _answer(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: answer[name] for name in ("status", "filename") if name in answer}


def _notification(row: list[Any], ctx: Any) -> tuple[str, dict[str, Any], bool] | None:
    """There is no word for an upload that gave way to another: a log's is not said, diagnostics have failed."""
    status, id = row[:2]
    if id is None:
        status = status if status in ("Uploading", "Uploaded") else "UploadFailed"
        return "DiagnosticsStatusNotification", {"status": status}, True
    if status == "AcceptedCanceled":
        return None
    return "LogStatusNotification", {"status": status, "requestId": id}, True


CALLS = {
    "GetDiagnostics": ("get_log", _diagnostics, _file_name),
    "GetLog": ("get_log", None, _answer),
}
PROFILES = {"GetDiagnostics": "FirmwareManagement"}
EVENTS = {name: (name, None, None) for name in ("LogStatusNotification", "DiagnosticsStatusNotification")}
RECORDS = {"LogStatusNotification": (_notification, None)}
