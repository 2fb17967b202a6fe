"""From the settings of a network profile to the request that is sent."""

from __future__ import annotations

from base64 import b64decode
from typing import Any
from urllib.parse import unquote

import pytest

from evse.errors import UsageError
from evse.shell.endpoint import DEFAULTS, Endpoint, unquoted


def endpoint(url: str, identity: str = "CP1", **settings: Any) -> Endpoint:
    return Endpoint({**DEFAULTS, "url": url, "identity": identity, "subprotocols": ["ocpp1.6"], **settings})


@pytest.mark.parametrize(
    ("url", "identity", "resource"),
    [
        ("ws://h", "CP1", "/CP1"),
        ("ws://h/", "CP1", "/CP1"),
        ("ws://h/ocpp", "CP1", "/ocpp/CP1"),
        ("ws://h/ocpp/", "CP1", "/ocpp/CP1"),
        ("ws://h/ocpp//", "CP1", "/ocpp/CP1"),
        ("ws://h/ocpp/CP1", "CP1", "/ocpp/CP1"),
        ("ws://h/ocpp/CP1/", "CP1", "/ocpp/CP1"),
        ("ws://h/ocpp/cp1", "CP1", "/ocpp/cp1/CP1"),
        ("ws://h/CP1/ocpp", "CP1", "/CP1/ocpp/CP1"),
        ("ws://h/ocpp?token=a/b&x=1", "CP1", "/ocpp/CP1?token=a/b&x=1"),
        ("ws://h/ocpp/CP1?x", "CP1", "/ocpp/CP1?x"),
        ("ws://h/ocppj", "RDAM|123", "/ocppj/RDAM%7C123"),
        ("ws://h/ocppj/RDAM%7c123", "RDAM|123", "/ocppj/RDAM%7C123"),
        ("ws://h/ö", "Säule 1/2", "/%C3%B6/S%C3%A4ule%201%2F2"),
        ("ws://h/a%20b", "100%", "/a%20b/100%25"),
    ],
)
def test_identity_is_appended_once(url: str, identity: str, resource: str) -> None:
    """[OCPP-J 2.1 §3.1.1]"""
    assert endpoint(url, identity).resource == resource


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("ws://h", (False, "h", 80, "h")),
        ("wss://h", (True, "h", 443, "h")),
        ("WSS://h:443/x", (True, "h", 443, "h")),
        ("ws://h:443", (False, "h", 443, "h:443")),
        ("ws://[2001:db8::1]:9000/x", (False, "2001:db8::1", 9000, "[2001:db8::1]:9000")),
        ("wss://[::1]", (True, "::1", 443, "[::1]")),
        ("ws://evse-1.lo_cal.", (False, "evse-1.lo_cal.", 80, "evse-1.lo_cal.")),
        ("ws://säule", (False, "säule", 80, "säule")),
    ],
)
def test_host_and_port(url: str, where: Any) -> None:
    found = endpoint(url)
    assert (found.secure, found.host, found.port, found.authority) == where


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://h", "ws://"), ("h/ocpp", "ws://"), ("ws://", "ws://"), ("", "ws://"), ("ws:///x", "no host"),
        ("ws://h:0", "port"), ("ws://h:65536", "port"), ("ws://h:x", "port"), ("ws://[::1]9000", "port"),
        ("ws://u:p@h", "user name"), ("ws://h/#x", "#"), ("ws://bad host/x", "no host"), ("ws://h\0st", "no host"),
        ("ws://a\r\nX-Real-IP/x", "no host"), ("ws://[1::z:1]/", "no host"), ("ws://h:" + "9" * 5000, "port"),
    ],
)  # fmt: skip
def test_urls_that_lead_nowhere(url: str, word: str) -> None:
    with pytest.raises(UsageError, match=word) as caught:
        endpoint(url)
    assert "u:p" not in str(caught.value)


def test_basic_authentication_in_profiles_1_and_2_only() -> None:
    """[A00.FR.203, A00.FR.204, A00.FR.205]"""
    for level, url in ((1, "ws://h"), (1, "wss://h"), (2, "wss://h")):
        ((name, value),) = endpoint(url, security_profile=level, password="pässword:0123456").headers
        assert name == "Authorization" and b64decode(value.removeprefix("Basic ")).decode() == "CP1:pässword:0123456"
    for level, url in ((0, "ws://h"), (0, "wss://h"), (3, "wss://h")):
        assert endpoint(url, security_profile=level, password="secret", cert="c", key="k").headers == []


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"identity": ""}, "identity is missing"),
        ({"identity": "x" * 49}, "48"),
        ({"identity": "a\nb"}, "printable"),
        ({"security_profile": 4}, "security_profile"),
        ({"security_profile": 1}, "password"),
        ({"security_profile": 1, "password": "p", "identity": "a:b"}, "colon"),
        ({"security_profile": 2, "password": "p"}, "wss"),
        ({"security_profile": 3, "url": "wss://h"}, "cert"),
        ({"subprotocols": []}, "ocpp_versions"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        endpoint(**{"url": "ws://h", "identity": "CP1", **settings})


@pytest.mark.parametrize("text", ["a", "a%20b", "%7C%7c", "100%", "%zz%2", "%C3%B6", ""])
def test_unquoting_agrees_with_the_standard_library(text: str) -> None:
    assert unquoted(text) == unquote(text)
