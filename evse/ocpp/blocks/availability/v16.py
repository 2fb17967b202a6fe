"""Status and ChangeAvailability in OCPP 1.6: nine states, of connectors that are our EVSEs. [1.6 §4.9, §5.2]"""

from __future__ import annotations

from evse.ocpp.blocks.availability.block import ACTIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# ChargePointErrorCode of our own fault codes; what is in neither table is an OtherError with a vendorErrorCode.
_RENAMED = {
    "WeldedContactor": "PowerSwitchFailure",
    "LockFailure": "ConnectorLockFailure",
    "MeterSilent": "PowerMeterFailure",
}
_ERROR_CODES = (
    "ConnectorLockFailure EVCommunicationError GroundFailure HighTemperature InternalError LocalListConflict"
    " OverCurrentFailure OverVoltage PowerMeterFailure PowerSwitchFailure ReaderFailure ResetFailure UnderVoltage"
    " WeakSignal"
).split()
# EVCommunicationError may come with these only. [1.6 §4.9]
_WITH_EV = ("Preparing", "SuspendedEV", "SuspendedEVSE", "Finishing")
_TEXT_LENGTH = 50


def reports(block: Any) -> dict[tuple[int, int], dict[str, Any]]:
    """Status of the charge point (0) and of every connector."""
    # Connector 0 has nothing to do with the others, unless none of them is left. [1.6 §4.9]
    status = "Unavailable" if block.state(None, None) == "Unavailable" else "Available"
    if block.is_faulted(None):
        status = "Faulted"
    said = {(0, 0): _report(block, 0, status, block.fault(None))}
    for evse in block.ctx.evses.values():
        said[evse.id, 0] = _report(block, evse.id, *_connector(block, evse))
    return said


def _connector(block: Any, evse: Any) -> tuple[str, tuple[str, str] | None]:
    """Status of a connector, and its fault or what is to be said about it."""
    ids = list(evse.connectors) if evse.plugged is None else [evse.plugged]
    found = [block.status(evse, id) for id in ids]
    status = "Available" if "Available" in found else found[0]
    fault = block.fault(evse)
    if status not in ("Available", "Occupied"):
        return status, fault
    left = block.left.get(evse.id)
    kept = evse.plugged is None and not evse.authorized and "Available" not in found  # its cable is still locked
    note = ("", "EV side disconnected") if kept or left == "Departed" else None
    transaction = block.transaction(evse)
    if transaction is not None:
        if evse.charging_state in ACTIVE and left is None:
            return evse.charging_state, fault
        if left == "Departed":
            return "SuspendedEV", fault or note
    if evse.plugged is None and not kept:
        return "Preparing" if evse.authorized and left is None else "Available", fault
    ending = kept or left or (transaction is not None and (transaction.stop or transaction.reason))
    return ("Finishing", fault or note) if ending else ("Preparing", fault)


def _report(block: Any, connector_id: int, status: str, fault: tuple[str, str] | None) -> dict[str, Any]:
    said = {"connectorId": connector_id, "status": status, "errorCode": "NoError"}
    if fault is None:
        return said
    code, detail = fault
    if code == "EVCommunicationError" and status not in _WITH_EV:
        return said
    if detail:
        said["info"] = detail[:_TEXT_LENGTH]
    if code in _ERROR_CODES or code in _RENAMED:
        said["errorCode"] = _RENAMED.get(code, code)
    elif code:
        said["errorCode"] = "OtherError"
    if code and code != said["errorCode"]:
        said["vendorId"] = block.ctx.station.get("vendor") or ""
        said["vendorErrorCode"] = code[:_TEXT_LENGTH]
    return said


def _change(payload: dict[str, Any]) -> dict[str, Any]:
    """ChangeAvailability.req; connector 0 is the charge point and all its connectors."""
    id = payload["connectorId"]
    request: dict[str, Any] = {"operationalStatus": payload["type"]}
    if id == 0:
        request["each"] = True
    else:
        request["evse"] = {"id": id}
    return request


CALLS = {"ChangeAvailability": ("change_availability", _change, lambda answer: {"status": answer["status"]})}
EVENTS = {"StatusNotification": ("StatusNotification", None, None)}
RECORDS: dict[str, Any] = {}
