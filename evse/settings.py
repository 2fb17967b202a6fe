"""The settings of the station file: name, what may stand there, and what holds where nothing does.

Front end only: the daemon gets the checked values. docs/configuration.md explains each one; a test compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

Check = Callable[[Any], Any]
REQUIRED = object()


class Setting(NamedTuple):
    """`check` returns the value to use or raises ValueError in words that follow "must be"."""

    check: Check
    default: Any = None


def text(most: int = 255, least: int = 1) -> Check:
    """Text of `least` to `most` characters."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise ValueError(f"text of {least} to {most} characters")
        return value

    return check


def boolean(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def integer(least: int, most: int) -> Check:
    """A whole number."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value

    return check


def number(least: float, most: float) -> Check:
    """Any number."""

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise ValueError(f"a number from {least:g} to {most:g}")
        return float(value)

    return check


def choice(*words: Any) -> Check:
    """One of the words."""

    def check(value: Any) -> Any:
        if isinstance(value, bool) or value not in words:
            raise ValueError("one of " + ", ".join(map(str, words)))
        return value

    return check


def several(one: Check, what: str) -> Check:
    """A list without repetitions, of at least one."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list) or not value or any(value.count(item) > 1 for item in value):
            raise ValueError(f"a list of {what}, each once")
        return [one(item) for item in value]

    return check


def identity(value: Any) -> str:
    """What OCPP-J allows in the connection URL."""
    if not isinstance(value, str) or not 1 <= len(value) <= 48 or not value.isascii() or not value.isprintable():
        raise ValueError("text of 1 to 48 ASCII characters")
    if ":" in value or "/" in value:
        raise ValueError("an identity without ':' and '/'")
    return value


def url(value: Any) -> str:
    """The address of a CSMS."""
    scheme, separator, rest = value.partition("://") if isinstance(value, str) else ("", "", "")
    if scheme.lower() not in ("ws", "wss") or not separator or not rest.strip("/") or len(value) > 2000:
        raise ValueError("a URL such as wss://csms.example.com/ocpp")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("a URL without spaces and of ASCII characters")
    return str(value)


def block(value: Any) -> str:
    """A replacement class, or false to switch the block off; "" is off in the daemon."""
    if value is False:
        return ""
    module, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not colon or not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise ValueError('a class as "module:Class", or false to switch the block off')
    return str(value)


def file_path(value: Any) -> str:
    """The path of a file; relative ones count from the station file."""
    return str(text(4096)(value))


def command(value: Any) -> list[str]:
    """A program and its arguments, run without a shell."""
    if not isinstance(value, list) or not 1 <= len(value) <= 32 or not value[0]:
        raise ValueError('a program and its arguments, as in ["/usr/lib/acme/install", "--quiet"]')
    return [text(4096, 0)(item) for item in value]


VERSIONS = ("2.1", "2.0.1", "1.6")
# ConnectorEnum of 2.1; the word is reported as it is.
CONNECTOR_TYPES = tuple(
    "cCCS1 cCCS2 cChaoJi cG105 cGBT-DC cLECCS cMCS cNACS cNACS-CCS1 cTesla cType1 cType2 cUltraChaoJi"
    " s309-1P-16A s309-1P-32A s309-3P-16A s309-3P-32A sBS1361 sCEE-7-7 sType2 sType3 wInductive wResonant"
    " Opp-Charge Pan Other1PhMax16A Other1PhOver16A Other3Ph Undetermined Unknown".split()
)

_CONNECTION: dict[str, Setting] = {
    "url": Setting(url),
    "security_profile": Setting(integer(0, 3)),
    "password": Setting(text(64)),
    "password_file": Setting(file_path),
    "ocpp_versions": Setting(several(choice(*VERSIONS), "2.1, 2.0.1, 1.6"), list(VERSIONS)),
}

# Back-off, ping and call time-out are first values of variables of the device model, which has their defaults.
CSMS: dict[str, Setting] = {
    **_CONNECTION,
    "identity": Setting(identity),
    "ca": Setting(file_path),
    "cert": Setting(file_path),
    "key": Setting(file_path),
    "verify_hostname": Setting(boolean, True),
    "connect_timeout_s": Setting(number(1, 600), 30.0),
    "call_timeout_s": Setting(integer(1, 600)),
    "ping_interval_s": Setting(integer(0, 86400)),
    "max_message_bytes": Setting(integer(4096, 1 << 24), 65536),
    "backoff_minimum_s": Setting(integer(1, 3600)),
    "backoff_random_s": Setting(integer(0, 3600)),
    "backoff_repeats": Setting(integer(0, 16)),
    "deflate": Setting(boolean, False),
}
CSMS_VARIABLES = {
    "call_timeout_s": ("OCPPCommCtrlr", "MessageTimeout", "Default"),
    "ping_interval_s": ("OCPPCommCtrlr", "WebSocketPingInterval", None),
    "backoff_minimum_s": ("OCPPCommCtrlr", "RetryBackOffWaitMinimum", None),
    "backoff_random_s": ("OCPPCommCtrlr", "RetryBackOffRandomRange", None),
    "backoff_repeats": ("OCPPCommCtrlr", "RetryBackOffRepeatTimes", None),
    "security_profile": ("SecurityCtrlr", "SecurityProfile", None),
    "password": ("SecurityCtrlr", "BasicAuthPassword", None),
}
# A further CSMS to fall back to: [csms.slot.1], [csms.slot.2], ...
SLOT: dict[str, Setting] = {
    **_CONNECTION,
    "url": Setting(url, REQUIRED),
    "ocpp_versions": Setting(_CONNECTION["ocpp_versions"].check),
}

# OCPPInterfaceEnum word -> network device, or address to connect from.
INTERFACES: dict[str, Setting] = {
    f"{kind}{number}": Setting(text(45)) for kind in ("Wired", "Wireless") for number in range(4)
}

STATION: dict[str, Setting] = {
    "vendor": Setting(text(20), "evse"),
    "model": Setting(text(20), "AC station"),
    "serial": Setting(text(25)),
    "firmware": Setting(text(50)),
    "firmware_file": Setting(file_path),
    "iccid": Setting(text(20)),
    "imsi": Setting(text(20)),
    "supply_voltage_v": Setting(number(50, 1000), 230.0),
    "site_limit_a": Setting(number(0, 10000)),
    "default_limit_a": Setting(number(0, 1000)),
}

# What is left out is the board's; on a simulated board 1 connector with a tethered cable, 3 phases, 32 A.
EVSE: dict[str, Setting] = {
    "id": Setting(integer(1, 64), REQUIRED),
    "connectors": Setting(integer(1, 8)),
    "phases": Setting(choice(1, 2, 3)),
    "max_current_a": Setting(number(6, 80)),
    "connector_type": Setting(choice(*CONNECTOR_TYPES)),
    "cable": Setting(choice("tethered", "socket")),
    "meter": Setting(text(50)),
    "readers": Setting(several(text(50), "reader names")),
}

BEHAVIOUR: dict[str, Setting] = {
    "power_loss": Setting(choice("end", "resume"), "end"),
    "free_vending": Setting(boolean, False),
    "token_before_plug": Setting(boolean, True),
    "standalone": Setting(boolean, False),
    "reset_delay_s": Setting(number(0, 60), 1.0),
}

# The parts of the certificate store that may lie elsewhere than below its root.
CERTIFICATE_PATHS = (
    "csms_root", "manufacturer_root", "mo_root", "v2g_root", "oem_root", "cpo_sub_ca1", "cpo_sub_ca2", "client_csms",
    "client_cso",
)  # fmt: skip

CERTIFICATES: dict[str, Setting] = {
    "root": Setting(file_path),
    **{name: Setting(file_path) for name in CERTIFICATE_PATHS},
    "system_roots": Setting(boolean, False),
    "key_type": Setting(choice("ec", "rsa"), "ec"),
    "renew_before_days": Setting(integer(1, 365), 30),
}

# Without an installer firmware updates are refused.
FIRMWARE: dict[str, Setting] = {
    "installer": Setting(choice("rauc", "executable")),
    "command": Setting(command),
    "restart": Setting(choice("station", "machine")),
    "unsigned": Setting(boolean, False),
    "pkcs1v15": Setting(boolean, False),
    "max_bytes": Setting(integer(1, 1 << 36), 1 << 28),
    "min_free_bytes": Setting(integer(0, 1 << 36), 1 << 24),
    "install_within_s": Setting(number(10, 86400), 1800.0),
    "installed_after_s": Setting(number(0, 86400)),
}

TRACE: dict[str, Setting] = {
    "messages": Setting(integer(0, 10_000), 50),
    "file": Setting(file_path),
    "file_bytes": Setting(integer(10_000, 1 << 30), 10_000_000),
}

LOG: dict[str, Setting] = {
    "file": Setting(file_path),
    "file_bytes": Setting(integer(10_000, 1 << 30), 262_144),
}

# Members of an entry of [ocpp.variables] and [ocpp.keys] that is a table and not just a value.
ATTRIBUTES = ("Actual", "Target", "MinSet", "MaxSet")
DATA_TYPES = ("string", "decimal", "integer", "dateTime", "boolean", "OptionList", "SequenceList", "MemberList")
VARIABLE: dict[str, Setting] = {
    "value": Setting(lambda value: value_text(value)),
    "mutability": Setting(choice("ReadOnly", "WriteOnly", "ReadWrite")),
    "type": Setting(choice(*DATA_TYPES)),
    "unit": Setting(text(16)),
    "min": Setting(number(-1e15, 1e15)),
    "max": Setting(number(-1e15, 1e15)),
    "values": Setting(several(text(100), "words")),
}
# The selectors of an entry of [[ocpp.variables]].
SELECTORS: dict[str, Setting] = {
    "component": Setting(text(50), REQUIRED),
    "instance": Setting(text(50)),
    "evse": Setting(integer(1, 64)),
    "connector": Setting(integer(1, 8)),
    "variable": Setting(text(50), REQUIRED),
    "variable_instance": Setting(text(50)),
    "attribute": Setting(choice(*ATTRIBUTES)),
}
KEY: dict[str, Setting] = {
    "value": Setting(lambda value: value_text(value), REQUIRED),
    "read_only": Setting(boolean, False),
}

TABLES: dict[str, dict[str, Setting]] = {
    "csms": CSMS,
    "csms.slot": SLOT,
    "csms.interfaces": INTERFACES,
    "station": STATION,
    "evse": EVSE,
    "behaviour": BEHAVIOUR,
    "certificates": CERTIFICATES,
    "firmware": FIRMWARE,
    "trace": TRACE,
    "log": LOG,
    "ocpp.variables": {**SELECTORS, **VARIABLE},
    "ocpp.keys": KEY,
}
BOARD = Setting(text(4096), "simulated-ac-1")
# Blocks that [ocpp.blocks] may replace and not switch off: without one of them no session begins or none is told.
NEEDED_BLOCKS = ("boot", "authorization", "transactions", "metering")


def value_text(value: Any) -> str:
    """A value of the device model as OCPP writes it: text, numbers, true, lists joined by commas."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, str)):
        result = str(value)
    elif isinstance(value, list) and all(isinstance(item, (str, int, float)) for item in value):
        result = ",".join(value_text(item) for item in value)
    else:
        raise ValueError("text, a number, true, false, or a list of them")
    if len(result) > 2500:
        raise ValueError("at most 2500 characters")
    return result


def defaults(table: dict[str, Setting]) -> dict[str, Any]:
    """What holds in a table without a line."""
    return {name: None if setting.default is REQUIRED else setting.default for name, setting in table.items()}


def words(names: Iterable[str]) -> str:
    """Names for a message."""
    return ", ".join(names)
