"""Endpoint: from the settings of one network profile to host, port, request and credentials of the CSMS."""

from __future__ import annotations

from binascii import b2a_base64

from evse.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Settings of a network profile that have a default; "url", "identity" and "subprotocols" have none.
DEFAULTS: dict[str, Any] = {
    "security_profile": 0,
    "password": None,
    "ca": None,
    "cert": None,
    "key": None,
    "verify_hostname": True,
    "partial_chain": False,  # a root of `ca` may be signed by another one that is not there [M05.FR.12]
    "clock_floor_s": None,  # UTC is at least this, if the machine's clock was never set
    "interface": None,  # name of the network device to use, or source address
    "connect_timeout_s": 10.0,  # for each step: DNS, TCP (all addresses), TLS, HTTP
    "ping_interval_s": 60.0,  # 0: no pings
    "max_message_bytes": 65536,
    "assembly_timeout_s": 30.0,  # from the first to the last byte of a message
    "max_unsent_bytes": 262144,
    "deflate": False,
    "attempts": 3,  # NetworkProfileConnectionAttempts, before the next profile's turn
    "backoff": {"wait_minimum_s": 10.0, "random_range_s": 10.0, "repeat_times": 5},
}
# Settings of [csms] that count for every slot.
COMMON = ("identity", "verify_hostname", "connect_timeout_s", "max_message_bytes", "deflate")
IDENTITY_LIMIT = 48
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PATH = b"/%:@!$&'()*+,;="
_HEX = "0123456789ABCDEFabcdef"


def common(csms: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """What all network profiles of a station have in common, of [csms] and the device model."""
    integer = model.integer
    return {
        **{name: csms[name] for name in COMMON},
        "ping_interval_s": integer("OCPPCommCtrlr", "WebSocketPingInterval") or 0,
        "attempts": max(1, integer("OCPPCommCtrlr", "NetworkProfileConnectionAttempts") or 1),
        "backoff": {
            "wait_minimum_s": integer("OCPPCommCtrlr", "RetryBackOffWaitMinimum") or 0,
            "random_range_s": integer("OCPPCommCtrlr", "RetryBackOffRandomRange") or 0,
            "repeat_times": integer("OCPPCommCtrlr", "RetryBackOffRepeatTimes") or 0,
        },
    }


class Endpoint:
    """Where and as whom to connect. `url` is for people and logs: it holds no password.

    Raises UsageError for settings that cannot lead to a connection, naming the setting.
    """

    __slots__ = ("secure", "host", "port", "authority", "resource", "url", "headers")

    def __init__(self, profile: Mapping[str, Any]) -> None:
        self.secure, self.host, self.port, path, query = _split(profile["url"])
        level, password, identity = profile["security_profile"], profile["password"], profile["identity"]
        _check(level, self.secure, profile)
        self.resource = _with_identity(path, identity) + query
        name = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = name if self.port == (443 if self.secure else 80) else f"{name}:{self.port}"
        self.url = f"{'wss' if self.secure else 'ws'}://{self.authority}{self.resource}"
        self.headers: list[tuple[str, str]] = []
        if level in (1, 2):  # [A00.FR.203, .204, .205]
            secret = b2a_base64(f"{identity}:{password}".encode(), newline=False).decode()
            self.headers.append(("Authorization", "Basic " + secret))


def _check(level: int, secure: bool, profile: Mapping[str, Any]) -> None:
    """Raises UsageError where security profile, URL and credentials do not go together."""
    identity = profile["identity"]
    if not identity:
        raise UsageError("identity is missing: the CSMS knows the station by it; set it as registered there")
    if len(identity) > IDENTITY_LIMIT or not identity.isprintable():
        raise UsageError(f"identity {identity!r}: at most {IDENTITY_LIMIT} printable characters")
    if level not in (0, 1, 2, 3):
        raise UsageError(f"security_profile {level!r}: 0, 1, 2 or 3")
    if level >= 2 and not secure:
        raise UsageError(f"security profile {level} needs TLS: the url must begin with wss://")
    if level in (1, 2):
        if profile["password"] is None:
            raise UsageError(f"security profile {level} needs a password")
        if ":" in identity:
            raise UsageError(f"identity {identity!r}: no colon with a password, it would end the user name")
    if level == 3 and not (profile["cert"] and profile["key"]):
        raise UsageError(
            "security profile 3 needs the station's certificate and its private key: cert and key in [csms],"
            " or a pair of files in client/csms of the certificate store"
        )
    if not profile["subprotocols"]:
        raise UsageError("ocpp_versions is empty: offer at least one")


def _split(url: str) -> tuple[bool, str, int, str, str]:
    """(wss, host, port, path, query with its "?") of a URL; Raises UsageError."""
    scheme, _, rest = url.strip().partition("://")
    scheme = scheme.lower()
    if scheme not in ("ws", "wss") or not rest:
        raise UsageError(f"url {url!r}: must begin with ws:// or wss://")
    rest, _, fragment = rest.partition("#")
    rest, mark, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        raise UsageError("url: user name and password do not belong there; use identity and password")
    if fragment:
        raise UsageError(f"url {url!r}: nothing may follow a #")
    if authority.startswith("["):
        host, _, port = authority[1:].partition("]")
    else:
        host, colon, port = authority.partition(":")
        port = colon + port
    number = port[1:]
    if not _is_host(host, authority[:1] == "[") or (
        port and (port[0] != ":" or not number.isdecimal() or len(number) > 5 or not 0 < int(number) < 65536)
    ):
        raise UsageError(f"url {url!r}: no host, or no port from 1 to 65535")
    secure = scheme == "wss"
    at = int(number) if port else 443 if secure else 80
    return secure, host, at, _quoted(slash + path, _PATH), _quoted(mark + query, _PATH + b"?")


def _is_host(host: str, is_address: bool) -> bool:
    """Whether a text can be a name, or the IPv6 address that brackets hold; it gets into the request as it is."""
    if is_address:
        return ":" in host and all(sign in _HEX + ":." for sign in host)
    return bool(host) and all(sign.isalnum() or sign in "-._" for sign in host)


def _with_identity(path: str, identity: str) -> str:
    """The path with the identity as its last segment, which it may be already. [OCPP-J 2.1 §3.1.1]"""
    path = path.rstrip("/")
    head, _, last = path.rpartition("/")
    if unquoted(last) == identity:
        path = head
    return f"{path}/{_quoted(identity)}"


def _quoted(text: str, safe: bytes = b"") -> str:
    return "".join(chr(byte) if byte in _UNRESERVED or byte in safe else f"%{byte:02X}" for byte in text.encode())


def unquoted(text: str) -> str:
    """`text` with its percent-encoding resolved."""
    head, *parts = text.encode().split(b"%")
    for part in parts:
        code = part[:2].decode("latin-1")
        head += bytes((int(code, 16),)) + part[2:] if len(code) == 2 and all(c in _HEX for c in code) else b"%" + part
    return head.decode("utf-8", "replace")
