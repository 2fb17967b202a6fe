"""The sentences for people: complete, and never an exception of their own."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from evse.shell import advice, tls

DETAILS = {
    "host": "csms.example", "port": 443, "secure": True, "resource": "/ocpp/CP1", "identity": "CP1", "why": "because",
    "subprotocols": "ocpp2.0.1, ocpp1.6", "authorized": False, "ca": "/root.pem", "cert": None, "timeout_s": 10.0,
}  # fmt: skip


@pytest.mark.parametrize("code", [*advice.TABLE, "http", "never heard of"])
@pytest.mark.parametrize("status", [200, 401, 404, 418, 503])
def test_every_code_has_a_sentence_without_gaps(code: str, status: int) -> None:
    words = advice.sentence(code, {**DETAILS, "status": status, "reason": "R", "location": "L"})
    assert "?" not in words.replace("runs?", "").replace("run?", "") and "{" not in words and words.count("; ") >= 1


@pytest.mark.parametrize("code", advice.TABLE)
def test_missing_details_do_not_hide_the_failure(code: str) -> None:
    assert advice.sentence(code, {"host": "h", "timeout_s": 1.0, "status": 500, "resource": "/", "identity": "x"})


def test_codes_of_the_lower_layers_are_in_the_table() -> None:
    source = "".join(
        Path(module.__file__ or "").with_name(name).read_text()
        for module in (tls,)
        for name in ("dial.py", "channel.py", "connection.py", "websocket.py", "tls.py")
    )
    codes = set(tls.VERIFY_CODES.values()) | {code for _, code in tls.REASONS}
    codes |= set(re.findall(r'(?:_fail|_next|ChannelError|ProtocolError)\(\s*"(\w+)"', source))
    codes |= set(re.findall(r'"((?:late|cert|tls)_\w+)"', source))
    assert len(codes) > 25
    assert codes - set(advice.TABLE) <= {"http"}


@pytest.mark.parametrize(
    ("code", "details", "words"),
    [
        ("refused", {"host": "localhost"}, "means the station itself"),
        ("refused", {"host": "127.0.0.5"}, "means the station itself"),
        ("refused", {"host": "::1"}, "means the station itself"),
        ("refused", {}, "does the CSMS run"),
        ("http", {"status": 404, "resource": "/cp1/CP1"}, "identity twice"),
        ("http", {"status": 404, "resource": "/CP1/x/CP1?y"}, "identity twice"),
        ("http", {"status": 404}, "does not know /ocpp/CP1"),
        ("http", {"status": 401}, "wants a password"),
        ("http", {"status": 401, "authorized": True}, "refused user name and password"),
        ("http", {"status": 400, "secure": False}, "wss://"),
        ("http", {"status": 400}, "none of the versions offered (ocpp2.0.1, ocpp1.6)"),
        ("http", {"status": 308, "location": "wss://new"}, "to wss://new"),
        ("eof", {"secure": False}, "must begin with wss://"),
        ("eof", {}, "may want a client certificate"),
        ("eof", {"cert": "/c.pem"}, "refuses the station's client certificate"),
        ("tls_client_certificate", {}, "wants security profile 3"),
        ("tls_client_certificate", {"cert": "/c.pem"}, "refuses the station's client certificate"),
        ("late_handshake", {}, "hangs"),
        ("late_handshake", {"secure": False}, "wss://"),
    ],
)
def test_circumstances_change_the_advice(code: str, details: dict[str, Any], words: str) -> None:
    assert words in advice.sentence(code, {**DETAILS, "reason": "R", **details})


def test_clock_is_named_where_dates_of_certificates_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    for code in ("cert_expired", "cert_not_yet_valid"):
        assert f"the station's clock says {time.gmtime().tm_year}-" in advice.sentence(code, DETAILS)
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert "seems to have expired" in advice.sentence("cert_expired", DETAILS)


def test_security_events() -> None:
    """[A00.FR.310, A00.FR.316, A00.FR.323]"""
    assert advice.security_event("cert_hostname") == "InvalidCsmsCertificate"
    assert advice.security_event("tls_version") == "InvalidTLSVersion"
    assert advice.security_event("tls_cipher") == "InvalidTLSCipherSuite"
    assert advice.security_event("refused") is None
