"""Certificates in OCPP 2.0.1 and 2.1: as the block has them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALLS = {
    "CertificateSigned": ("certificate_signed", None, None),
    "DeleteCertificate": ("delete", None, None),
    "GetInstalledCertificateIds": ("ids", None, None),
    "InstallCertificate": ("install", None, None),
}


def _sign(data: dict[str, Any], ctx: Any) -> dict[str, Any] | None:
    """2.0.1 knows no certificate for ISO 15118-20."""
    return None if ctx.version == "2.0.1" and data.get("certificateType") == "V2G20Certificate" else data


EVENTS = {"SignCertificate": ("SignCertificate", _sign, None)}
RECORDS: dict[str, Any] = {}
