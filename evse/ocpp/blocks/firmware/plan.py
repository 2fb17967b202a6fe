"""What the CSMS asks for by UpdateFirmware, checked as far as that takes no time: a plan, or a refusal."""

from __future__ import annotations

from evse.clock import parse_timestamp
from evse.ocpp.status_info import refusal, status_info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# Where the CSMS does not say: tries of the download after the first one, and the seconds between two.
RETRIES, INTERVAL_S = 3, 20
MOST_RETRIES, MOST_INTERVAL_S = 19, 86_400
INFO_LENGTH = 500


def read(
    request: dict[str, Any], settings: dict[str, Any], schemes: Iterable[str]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """(plan, None), or ({}, answer that refuses).

    `settings`: the table [firmware] of the station file, empty without an installer. `schemes`: FileTransferProtocols.
    The plan is JSON: id, url, retrieve_at and install_at (UTC, None: at once), certificate, signature, attempts,
    interval_s. It is for signed firmware if it has a certificate or a signature.
    """
    firmware = request["firmware"]
    if not settings:
        return {}, rejected("NotEnabled", "this station has no installer")
    if not _is_reachable(firmware["location"], schemes):
        return {}, rejected("InvalidURL")
    try:
        plan = {
            "id": request.get("requestId"),
            "url": firmware["location"],
            "retrieve_at": parse_timestamp(firmware["retrieveDateTime"]),
            "install_at": parse_timestamp(firmware["installDateTime"]) if "installDateTime" in firmware else None,
            "certificate": firmware.get("signingCertificate"),
            "signature": firmware.get("signature"),
            "attempts": 1 + max(0, min(request.get("retries", RETRIES), MOST_RETRIES)),
            "interval_s": max(0, min(request.get("retryInterval", INTERVAL_S), MOST_INTERVAL_S)),
        }
    except ValueError as error:
        return {}, rejected("InvalidValue", str(error))
    if not is_signed(plan) and not settings["unsigned"]:
        return {}, rejected("MissingParam", "signingCertificate")
    return plan, None


def is_signed(plan: dict[str, Any]) -> bool:
    """Whether its signature has to be good."""
    return bool(plan["certificate"] or plan["signature"])


def info(reason: str, why: str) -> dict[str, Any]:
    """StatusInfoType, with a code of the appendix "reason codes"."""
    return status_info(reason, why[:INFO_LENGTH])


def rejected(reason: str, why: str = "") -> dict[str, Any]:
    """The answer that refuses."""
    return refusal(reason, why[:INFO_LENGTH])


def _is_reachable(url: str, schemes: Iterable[str]) -> bool:
    """Whether the address has a scheme that the station speaks, and names a host."""
    scheme, separator, rest = url.partition("://")
    return bool(separator) and scheme.upper() in schemes and rest[:1] not in ("", "/", "?", "#")
