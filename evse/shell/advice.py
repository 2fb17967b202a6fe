"""Advice: for every way in which a connection fails, one sentence that says what happened and what to do.

Loaded when something has failed for the first time. `evse check` and the station's log say the same sentences.
"""

from __future__ import annotations

import time

from evse.shell.endpoint import unquoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_NAMES = "check the url and the identity against what the CSMS shows for this station"
_CLOCK = "the station's clock says {clock}: if that is wrong, set the clock"
_CLIENT = "this CSMS wants security profile 3: set cert and key to the station's certificate and private key"
_TLS_PORT = "if this port speaks TLS, the url must begin with wss://"

# code -> (what happened, what to do); names in braces are the failure's details. A code may have cases, see _case().
TABLE = {
    "dns": ("the name {host} cannot be resolved ({why})", "check url and name server"),
    "refused": ("nothing listens on {host} port {port} (connection refused)", "check the port; does the CSMS run?"),
    "refused_local": (
        "nothing listens on {host} port {port} (connection refused)",
        "{host} means the station itself: put the name or address of the CSMS into the url",
    ),
    "interface": (
        "the network interface cannot be used ({why})",
        "check [csms.interfaces] against the machine's interfaces, and that it is up",
    ),
    "unreachable": ("{host} port {port} cannot be reached ({why})", "check the station's network"),
    "late_connecting": (
        "{host} port {port} does not answer within {timeout_s:g} s",
        "check address and port, and that no firewall drops the packets",
    ),
    "late_tls": (
        "{host} port {port} does not answer the TLS handshake within {timeout_s:g} s",
        "if this port does not speak TLS, the url must begin with ws://",
    ),
    "late_handshake": ("{host} port {port} does not answer the WebSocket request within {timeout_s:g} s", _TLS_PORT),
    "late_handshake_secure": (
        "{host} port {port} does not answer the WebSocket request within {timeout_s:g} s",
        "the CSMS behind this port hangs: ask its operator",
    ),
    # TLS
    "ca": ("no trusted root certificate can be loaded: {why}", "set ca to the PEM file of the CSMS's root certificate"),
    "client_files": (
        "the station's own certificate cannot be used: {why}",
        "cert must be the PEM chain and key its private key, without a password",
    ),
    "cert_expired": ("the CSMS's certificate has expired", "have it renewed; " + _CLOCK),
    "cert_expired_clock": ("the CSMS's certificate seems to have expired", _CLOCK),
    "cert_not_yet_valid": ("the CSMS's certificate is not valid yet", _CLOCK),
    "cert_self_signed": (
        "the CSMS's certificate is signed by itself and is not trusted",
        "if it is the right one, install it as a root (ca = {ca})",
    ),
    "cert_unknown_issuer": (
        "the CSMS's certificate was issued by somebody who is not trusted",
        "install the root of the CSMS's certificate (ca = {ca}), and let the CSMS send its intermediates",
    ),
    "cert_intermediate_root": (
        "the trusted file {ca} holds an intermediate certificate, which cannot stand for a root",
        "install the root that issued it",
    ),
    "cert_hostname": (
        "the CSMS's certificate is not made out to {host}",
        "use the name in the certificate in the url, or have a certificate issued for {host}",
    ),
    "cert_weak": (
        "the CSMS's certificate is too weak ({why})",
        "it needs RSA keys of 2048 bits or EC keys of 224, and SHA-256",
    ),
    "cert_invalid": ("the CSMS's certificate cannot be verified ({why})", "show this to the CSMS's operator"),
    "tls_version": ("the CSMS speaks no TLS version from 1.2 on", "its operator must enable TLS 1.2 or 1.3"),
    "tls_cipher": (
        "the station and the CSMS have no TLS cipher suite in common",
        "its operator must enable the suites that OCPP asks for, ECDHE or RSA with AES-GCM",
    ),
    "tls_name": ("the CSMS's TLS server does not know the name {host}", "check the host in the url"),
    "tls_client_certificate": ("the CSMS wants a client certificate", _CLIENT),
    "tls_client_certificate_sent": (
        "the CSMS refuses the station's client certificate ({why})",
        "let its operator check issuer, name and dates of the certificate in {cert}",
    ),
    "tls_plain_port": (
        "{host} port {port} does not speak TLS",
        "use the CSMS's TLS port, or ws:// and security profile 0 or 1",
    ),
    "tls_eof": ("the CSMS ended the connection during the TLS handshake", "check the port, and that it speaks TLS"),
    "tls_other": ("TLS fails ({why})", "show this to the CSMS's operator"),
    # HTTP and WebSocket
    "eof": ("the CSMS ended the connection without answering the WebSocket request", _TLS_PORT),
    "eof_secure": (
        "the CSMS ended the connection without answering the WebSocket request",
        "it may want a client certificate (security profile 3), or does not know the path {resource}",
    ),
    "eof_certificate": (
        "the CSMS ended the connection without answering the WebSocket request",
        "most likely it refuses the station's client certificate: check issuer, name and dates of {cert}",
    ),
    "http_redirect": (
        "the CSMS moved the address: {status} {reason} to {location}",
        "redirects are not followed; put the new address, with ws:// or wss://, into the url",
    ),
    "http_200": ("there is a web page, no WebSocket, at {resource} (200 {reason})", _NAMES),
    "http_400": (
        "the CSMS refused the request as malformed (400 {reason})",
        "it may speak none of the versions offered ({subprotocols}), or not know {resource}; " + _TLS_PORT,
    ),
    "http_400_secure": (
        "the CSMS refused the request as malformed (400 {reason})",
        "it may speak none of the versions offered ({subprotocols}), or not know {resource}",
    ),
    "http_401": (
        "the CSMS refused user name and password (401 {reason})",
        "check that it has the password set here for the identity {identity}",
    ),
    "http_401_none": (
        "the CSMS wants a password (401 {reason})",
        "set security_profile to 1 (ws) or 2 (wss), and password as it stands in the CSMS for {identity}",
    ),
    "http_403": (
        "the CSMS refused the station (403 {reason})",
        "check that the identity {identity} is registered and enabled there, with this security profile",
    ),
    "http_404": (
        "the CSMS does not know {resource} (404 {reason})",
        "check the path in the url (the station appends the identity), and that {identity} is known there",
    ),
    "http_404_twice": (
        "the CSMS does not know {resource} (404 {reason})",
        "the path holds the identity twice: leave it out of the url, the station appends it",
    ),
    "http_426": ("the CSMS wants another version of HTTP or TLS (426 {reason})", _TLS_PORT),
    "http_429": ("the CSMS has had too many requests (429 {reason})", "nothing to do: the station tries again later"),
    "http_server": (
        "the CSMS, or the proxy before it, is out of order ({status} {reason})",
        "nothing to do here: the station tries again; ask the operator if it lasts",
    ),
    "http": ("the CSMS refused the request ({status} {reason})", _NAMES),
    "not_http": ("{host} port {port} is no web server: {why}", "check the port"),
    "tls_alert": ("{host} port {port} speaks TLS", "the url must begin with wss://"),
    "not_websocket": ("{host} port {port} does not speak WebSocket at {resource}: {why}", _NAMES),
    "extension": ("the CSMS breaks the WebSocket protocol: {why}", "show this to its operator"),
    "subprotocol": (
        "the CSMS chose the subprotocol {why}, which was not offered",
        "offered were {subprotocols}: set ocpp_versions to what the CSMS speaks",
    ),
    "no_subprotocol": (
        "the CSMS speaks none of the versions offered ({subprotocols})",
        "set ocpp_versions to what the CSMS speaks",
    ),
    "protocol": ("the CSMS breaks the WebSocket protocol: {why}", "show this to its operator"),
    "lost": ("the connection was lost ({why})", "check the network between station and CSMS"),
}
# A system clock before 2024 was never set.
_CLOCK_FLOOR_S = 1_704_067_200


def explain(code: str, details: Mapping[str, Any]) -> tuple[str, str]:
    """(what happened, what to do) for a failure, with `details` as `Connection` collects them."""
    known = _Details(details)
    what, advice = TABLE.get(_case(code, known), TABLE["lost"])
    return what.format_map(known), advice.format_map(known)


def sentence(code: str, details: Mapping[str, Any]) -> str:
    """The same in one sentence."""
    return "{}; {}".format(*explain(code, details))


def security_event(code: str, details: Mapping[str, Any] | None = None) -> str | None:
    """The security event that a failed attempt is, None for none. [A00.FR.310, A00.FR.316, A00.FR.323]"""
    if code.startswith("cert_"):
        return "InvalidCsmsCertificate"
    if code == "tls_client_certificate" or (code == "http" and details is not None and details.get("status") == 401):
        return "FailedToAuthenticateAtCsms"
    return {"tls_version": "InvalidTLSVersion", "tls_cipher": "InvalidTLSCipherSuite"}.get(code)


class _Details(dict):  # type: ignore[type-arg]
    """Details that may be missing."""

    def __missing__(self, name: str) -> Any:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()) if name == "clock" else "?"


def _case(code: str, details: _Details) -> str:
    """The row of the table for a code under these circumstances."""
    secure = details.get("secure")
    case = ""
    if code == "http":
        status = details["status"]
        code = f"http_{status}"
        if status in (301, 302, 303, 307, 308):
            return "http_redirect"
        if status == 401 and not details.get("authorized"):
            case = "none"
        if status == 404 and _twice(details["resource"], details["identity"]):
            case = "twice"
        if 500 <= status < 600:
            return "http_server"
        if code not in TABLE:
            return "http"
    elif code == "refused" and (details["host"] in ("localhost", "::1") or details["host"].startswith("127.")):
        case = "local"
    elif code == "tls_client_certificate" and details.get("cert"):
        case = "sent"
    elif code == "eof" and details.get("cert"):
        case = "certificate"
    elif code == "cert_expired" and time.time() < _CLOCK_FLOOR_S:
        case = "clock"
    if not case and secure:
        case = "secure"
    return f"{code}_{case}" if f"{code}_{case}" in TABLE else code


def _twice(resource: str, identity: str) -> bool:
    """True if the path holds the identity twice, be it in other letters."""
    names = [unquoted(segment).lower() for segment in resource.partition("?")[0].split("/")]
    return names.count(identity.lower()) > 1
