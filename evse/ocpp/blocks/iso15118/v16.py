"""Plug and charge in 1.6: messages of 2.0.1 within DataTransfer, by the OCA's application note."""

from __future__ import annotations

from evse.errors import UsageError
from evse.ocpp.v16 import PNC_VENDOR, transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HASHES = ("hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber")
# What InstallCertificate may bring.
_TYPES = ("V2GRootCertificate", "MORootCertificate", "CSMSRootCertificate", "ManufacturerRootCertificate")


def _text(data: dict[str, Any], name: str, longest: int) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise UsageError(f"{name}: no text of 1 to {longest} characters")
    return value


def _signed(data: dict[str, Any]) -> dict[str, Any]:
    return {"certificateChain": _text(data, "certificateChain", 10_000)}


def _install(data: dict[str, Any]) -> dict[str, Any]:
    kind = _text(data, "certificateType", 40)
    if kind not in _TYPES:
        raise UsageError(f"certificateType: {kind!r} is none of {', '.join(_TYPES)}")
    return {"certificateType": kind, "certificate": _text(data, "certificate", 5500)}


def _delete(data: dict[str, Any]) -> dict[str, Any]:
    hashes = data.get("certificateHashData")
    if not isinstance(hashes, dict):
        raise UsageError("certificateHashData: is missing")
    return {"certificateHashData": {name: _text(hashes, name, 128) for name in _HASHES}}


def _ids(data: dict[str, Any]) -> dict[str, Any]:
    kinds = data.get("certificateType")
    if kinds is None:
        return {}
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise UsageError("certificateType: no list of texts")
    return {"certificateType": kinds}


def _trigger(data: dict[str, Any]) -> dict[str, Any]:
    return {"requestedMessage": _text(data, "requestedMessage", 40)}


def _within(message: str) -> Any:
    """Writes an event as a message within DataTransfer."""
    return lambda data, ctx: transfer(PNC_VENDOR, message, data, {"status": "Failed"})


def _accepted(answer: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The DataTransfer was understood; what became of it is in the data."""
    return "Accepted", answer


CALLS: dict[str, Any] = {}
RECORDS: dict[str, Any] = {}
EVENTS = {
    "Get15118EVCertificate": ("DataTransfer", _within("Get15118EVCertificate"), None),
    "GetCertificateStatus": ("DataTransfer", _within("GetCertificateStatus"), None),
}
DATA = {
    "CertificateSigned": ("certificate_signed", _signed, _accepted),
    "DeleteCertificate": ("delete", _delete, _accepted),
    "GetInstalledCertificateIds": ("ids", _ids, _accepted),
    "InstallCertificate": ("install", _install, _accepted),
    "TriggerMessage": ("trigger_message", _trigger, _accepted),
}
