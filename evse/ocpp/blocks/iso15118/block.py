"""Plug and charge (ISO 15118): what a vehicle's communication controller needs of the CSMS, and the CSMS of it.

Certificates are the certificate block's; contract certificates are authorized as any token (authorization block).
"""

from __future__ import annotations

from evse.errors import CsmsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.ocpp.engine import Done

V2G = "V2GCertificate"


class Block:
    """See the module. The methods that answer a request refuse it with NotSupported while plug and charge is off."""

    name = "iso15118"

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx

    # -- for the charging controller of the vehicle's side ---------------------------------------------------------

    def ev_certificate(self, schema_version: str, exi: str, done: Done, *, update: bool = False) -> None:
        """A contract certificate for the vehicle: `exi` is its request, base64; `done(answer, error)`. [M01, M02]

        The answer has status and exiResponse.
        """
        request = {
            "iso15118SchemaVersion": schema_version,
            "action": "Update" if update else "Install",
            "exiRequest": exi,
        }
        self.ctx.call(self, "Get15118EVCertificate", request, done, urgent=True)

    def certificate_status(self, ocsp: dict[str, Any], done: Done) -> None:
        """OCSP status of a certificate by OCSPRequestDataType: `done(answer, error)`. [M06]"""
        self.ctx.call(self, "GetCertificateStatus", {"ocspRequestData": ocsp}, done, urgent=True)

    # -- what the CSMS asks ----------------------------------------------------------------------------------------

    def certificate_signed(self, request: dict[str, Any]) -> Any:
        """The SECC's certificate. [A02.FR.08]"""
        return self._certificates().certificate_signed({**request, "certificateType": V2G})

    def install(self, request: dict[str, Any]) -> Any:
        return self._certificates().install(request)

    def delete(self, request: dict[str, Any]) -> Any:
        return self._certificates().delete(request)

    def ids(self, request: dict[str, Any]) -> Any:
        return self._certificates().ids(request)

    def trigger_message(self, request: dict[str, Any]) -> dict[str, Any]:
        """SignV2GCertificate is the only message that can be asked for this way."""
        if request["requestedMessage"] != "SignV2GCertificate":
            return {"status": "NotImplemented"}
        done = self._certificates().trigger("SignV2GCertificate", None)
        return {"status": "NotImplemented" if done is None else "Accepted" if done else "Rejected"}

    def _certificates(self) -> Any:
        block = self.ctx.block("certificate")
        if block is None or not self.ctx.model.boolean("ISO15118Ctrlr", "PnCEnabled"):
            raise CsmsError("NotSupported", "plug and charge is off")
        return block
