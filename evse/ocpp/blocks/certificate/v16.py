"""Certificates in OCPP 1.6, by the security extension; those of ISO 15118 within DataTransfer."""

from __future__ import annotations

from evse.ocpp.v16 import PNC_VENDOR, transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# CertificateUseEnumType where 2.x has another name.
_TYPES = {"CentralSystemRootCertificate": "CSMSRootCertificate"}


def _type(payload: dict[str, Any]) -> str:
    kind: str = payload["certificateType"]
    return _TYPES.get(kind, kind)


def _signed(payload: dict[str, Any]) -> dict[str, Any]:
    return {"certificateChain": payload["certificateChain"], "certificateType": "ChargingStationCertificate"}


def _install(payload: dict[str, Any]) -> dict[str, Any]:
    return {"certificateType": _type(payload), "certificate": payload["certificate"]}


def _hashes(answer: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"status": answer["status"]}
    if chains := answer.get("certificateHashDataChain"):
        said["certificateHashData"] = [chain["certificateHashData"] for chain in chains]
    return said


def _status(answer: dict[str, Any]) -> dict[str, Any]:
    return {"status": answer["status"]}


def _sign(data: dict[str, Any], ctx: Any) -> Any:
    """That of the SECC goes the way of the application note; 1.6 has no combined one, nor one for ISO 15118-20."""
    kind = data.get("certificateType")
    if kind == "V2GCertificate":
        said = {"csr": data["csr"], "certificateType": kind}
        return transfer(PNC_VENDOR, "SignCertificate", said, {"status": "Rejected"})
    return {"csr": data["csr"]} if kind == "ChargingStationCertificate" else None


CALLS = {
    "CertificateSigned": ("certificate_signed", _signed, _status),
    "DeleteCertificate": ("delete", None, _status),
    "GetInstalledCertificateIds": ("ids", lambda payload: {"certificateType": [_type(payload)]}, _hashes),
    "InstallCertificate": ("install", _install, _status),
}
EVENTS = {"SignCertificate": ("SignCertificate", _sign, None)}
RECORDS: dict[str, Any] = {}
