"""TLS, client side: a channel made of OpenSSL's C module, without the megabytes of Python's wrapper around it.

The context is explicit to the last flag, so that it does not change with the version of Python: TLS 1.2 or above, the
trusted roots given and no others, the suites of the specification, chains that end in a root [A00.FR.308, .313, .319].

A process that will need TLS imports this module before anything else: OpenSSL's module comes with tables of error names
that are cleared here, and what is loaded later fills the 0.1 MB that they leave.
"""

from __future__ import annotations

import posix
import sys
import time

from evse.clock import parse_timestamp
from evse.shell.channel import Channel, ChannelError, Socket

try:
    import _ssl as _lean
except ImportError:  # another build of Python: the public module serves
    _lean = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

if "ssl" not in sys.modules:  # only the public module uses these tables; Python 3.12 does not show them any more
    for _table in ("err_names_to_codes", "err_codes_to_names"):
        getattr(_lean, _table, {}).clear()

# [A00.FR.318, .319], and for RSA also with forward secrecy; TLS 1.3 brings its own. Level 2: 112 bits [A00.FR.501].
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:"
    "AES128-GCM-SHA256:AES256-GCM-SHA384:@SECLEVEL=2"
)
TLS_1_2 = 0x0303
TRUSTED_FIRST = 0x8000  # X509_V_FLAG_TRUSTED_FIRST, and neither STRICT nor PARTIAL_CHAIN: an intermediate is no root
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME
PARTIAL_CHAIN = 0x80000  # X509_V_FLAG_PARTIAL_CHAIN
PEM = 1  # _ssl.ENCODING_PEM
MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
# The common name holds the FQDN [A00.FR.309, .510], also where a subjectAltName stands beside it; *.x but not a*.x.
HOST_FLAGS = 0x01 | 0x04

# OpenSSL's verification result -> word of the advice table.
VERIFY_CODES = {
    2: "cert_intermediate_root",
    9: "cert_not_yet_valid",
    10: "cert_expired",
    18: "cert_self_signed",
    19: "cert_unknown_issuer",
    20: "cert_unknown_issuer",
    21: "cert_unknown_issuer",
    62: "cert_hostname",
    64: "cert_hostname",
    66: "cert_weak",
    67: "cert_weak",
    68: "cert_weak",
}
# Words of OpenSSL's reasons -> word of the advice table; the first that occurs decides.
REASONS = (
    ("protocol version", "tls_version"),
    ("unsupported protocol", "tls_version"),
    ("wrong version number", "tls_plain_port"),
    ("packet length too long", "tls_plain_port"),
    ("record layer failure", "tls_plain_port"),
    ("http request", "tls_plain_port"),
    ("handshake failure", "tls_cipher"),
    ("insufficient security", "tls_cipher"),
    ("too small", "cert_weak"),
    ("too weak", "cert_weak"),
    ("unrecognized name", "tls_name"),
    ("unknown ca", "tls_client_certificate"),
    ("certificate", "tls_client_certificate"),
    ("access denied", "tls_client_certificate"),
)


class TlsChannel(Channel):
    """TLS over a connected, non-blocking socket. Call `handshake()` until it returns None, then as any channel."""

    __slots__ = ("_module", "_tls", "_bye", "_ready", "_floor_s")

    def __init__(self, sock: Socket, module: Any, context: Any, host: str, clock_floor_s: float | None = None) -> None:
        """`module` and `context` come from `new_context`; `host` is what the certificate must be made out to.

        `clock_floor_s`: the clock was never set, and UTC is at least this; the context does not look at dates then.
        """
        self.socket = sock
        self._module = module
        self._floor_s = clock_floor_s
        self._ready = False
        if module.__name__ == "_ssl":
            sock.setblocking(False)  # what the C module goes by, not the descriptor's own flag
            self._tls = context._wrap_socket(sock, False, host)
            self._bye = self._tls.shutdown
        else:
            plain = module.socket(fileno=sock.detach())
            plain.setblocking(False)
            self._tls = context.wrap_socket(plain, do_handshake_on_connect=False, server_hostname=host)
            self.socket = self._tls
            self._bye = self._tls.unwrap

    def handshake(self) -> str | None:
        """Goes on with the handshake; returns what it waits for, "read" or "write", or None when it is done."""
        try:
            self._tls.do_handshake()
        except self._module.SSLWantReadError:
            return "read"
        except self._module.SSLWantWriteError:
            return "write"
        except OSError as problem:
            raise self._explained(problem) from None
        self._ready = True
        if self._floor_s is not None:
            self._check_dates()
        return None

    def _check_dates(self) -> None:
        """Refuses a chain with a certificate that has surely expired; raises ChannelError."""
        inner = getattr(self._tls, "_sslobj", self._tls)
        for certificate in inner.get_verified_chain():
            if out_of_date(certificate.get_info(), self._floor_s):
                raise ChannelError("cert_expired", "before the last time that the station knows")

    def read(self, size: int) -> bytes | None:
        try:
            data: bytes = self._tls.read(size)
            return data
        except (self._module.SSLWantReadError, self._module.SSLWantWriteError):
            return None
        except (self._module.SSLZeroReturnError, self._module.SSLEOFError):
            return b""
        except OSError as problem:
            raise self._explained(problem) from None

    def write(self, data: bytes | bytearray) -> int:
        try:
            size: int = self._tls.write(data)
            return size
        except (self._module.SSLWantReadError, self._module.SSLWantWriteError):
            return 0
        except OSError as problem:
            raise self._explained(problem) from None

    def pending(self) -> bool:
        return bool(self._tls.pending())

    def terms(self) -> str:
        """What was negotiated, for people: "TLSv1.3, TLS_AES_256_GCM_SHA384"."""
        return f"{self._tls.version()}, {self._tls.cipher()[0]}"

    def root(self) -> str | None:
        """The root certificate that the connection stands on, as PEM; None where OpenSSL's module does not tell."""
        try:
            chain = getattr(self._tls, "_sslobj", self._tls).get_verified_chain()
            text: str = chain[-1].public_bytes(PEM)
        except (AttributeError, LookupError, TypeError):
            return None
        return text

    def certificate(self) -> dict[str, Any]:
        """The server's certificate as the module `ssl` shows it: "subject", "issuer", "notAfter", ..."""
        fields: dict[str, Any] = self._tls.getpeercert() or {}
        return fields

    def close(self) -> None:
        if self._ready:
            self._ready = False
            try:
                self._bye()  # says goodbye; does not wait for the answer
            except (OSError, ValueError):
                self._ready = False
        self.socket.close()

    def _explained(self, problem: OSError) -> ChannelError:
        """The advice table's word for what OpenSSL says."""
        code = getattr(problem, "verify_code", None)
        if code is not None:
            return ChannelError(VERIFY_CODES.get(code, "cert_invalid"), problem.verify_message)  # type: ignore[attr-defined]
        # Debian 12's Python says of an end during the handshake that there was a goodbye.
        ended = isinstance(problem, (self._module.SSLEOFError, self._module.SSLZeroReturnError))
        if ended or not isinstance(problem, self._module.SSLError):
            return ChannelError("lost" if self._ready else "tls_eof", problem.strerror or str(problem))
        text = str(problem.args[-1])
        words = text.lower().replace("_", " ")
        for reason, word in REASONS:
            if reason in words:
                # One alert says "no common suite" and, once a suite is chosen, "no certificate of yours" (TLS 1.2).
                late = word == "tls_cipher" and self._tls.cipher() is not None
                return ChannelError("tls_client_certificate" if late else word, text)
        return ChannelError("tls_other", text)


def new_context(
    ca: str | None,
    cert: str | None = None,
    key: str | None = None,
    verify_hostname: bool = True,
    public: bool = False,
    dates: bool = True,
    partial: bool = False,
) -> tuple[Any, Any]:
    """(module, context) for one connection; the files are read anew, so that new certificates count at once.

    `ca` is a PEM file of roots, or a directory: hashed names (then only what is needed is loaded) or *.pem and *.crt.
    `cert` (leaf and chain) and `key` are for security profile 3. `public` takes the documented module `ssl`, as happens
    by itself where the C module is not as known. Without `dates` certificates do not expire. `partial`: what is in `ca`
    counts as a root though it is signed by another one.
    Raises ChannelError "ca" or "client_files" if a file cannot be used.
    """
    module, context = _bare_context(public)
    context.minimum_version = TLS_1_2
    context.options |= module.OP_NO_COMPRESSION | module.OP_NO_RENEGOTIATION | module.OP_NO_TICKET  # [A00.FR.321]
    context.set_ciphers(CIPHERS)
    context.verify_flags = TRUSTED_FIRST | (0 if dates else NO_CHECK_TIME) | (PARTIAL_CHAIN if partial else 0)
    context._host_flags = HOST_FLAGS
    context.check_hostname = verify_hostname
    context.verify_mode = module.CERT_REQUIRED
    if ca is None:
        raise ChannelError("ca", "none is configured")
    try:
        for file, directory in root_files(ca):
            context.load_verify_locations(file, directory, None)
    except OSError as problem:
        raise ChannelError("ca", f"{ca}: {problem.strerror or problem}") from None
    if cert is not None:
        try:
            context.load_cert_chain(cert, key, "")  # a password here keeps OpenSSL from asking at the terminal
        except OSError as problem:
            raise ChannelError("client_files", f"{cert}, {key}: {problem.strerror or problem}") from None
    return module, context


def _bare_context(public: bool) -> tuple[Any, Any]:
    make = getattr(_lean, "_SSLContext", None)
    if make is not None and hasattr(make, "_wrap_socket") and not public:
        return _lean, make(_lean.PROTOCOL_TLS_CLIENT)
    import ssl

    return ssl, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def root_files(path: str) -> list[tuple[str | None, str | None]]:
    """(file, directory) pairs to load. Raises OSError if `path` is not there or holds no certificates."""
    try:
        names = sorted(posix.listdir(path))
    except NotADirectoryError:
        return [(path, None)]
    if any(len(name) > 9 and name[8] == "." and name[9:].isdecimal() for name in names):
        return [(None, path)]
    files: list[tuple[str | None, str | None]] = [
        (f"{path}/{name}", None) for name in names if name.endswith((".pem", ".crt"))
    ]
    if not files:
        raise OSError("no certificates in this directory")
    return files


def out_of_date(certificate: Mapping[str, Any], clock_floor_s: float | None = None) -> bool:
    """Whether a certificate, as the module `ssl` shows it, is not valid now.

    With `clock_floor_s` the time is unknown, but not before that: only what had expired by then is out of date, unless
    the machine's clock says otherwise (it may be right, and what is known of the time wrong).
    """
    ends_s = seconds(certificate["notAfter"])
    if clock_floor_s is not None and ends_s >= clock_floor_s:
        return False
    return not seconds(certificate["notBefore"]) <= time.time() <= ends_s


def read_certificate(path: str) -> dict[str, Any] | None:
    """The first certificate of a PEM file as the module `ssl` shows it; None where the C module cannot."""
    decode = getattr(_lean, "_test_decode_cert", None)
    fields: dict[str, Any] | None = decode(path) if decode is not None else None
    return fields


def seconds(text: str) -> float:
    """UTC seconds of OpenSSL's "Jan  5 09:34:43 2018 GMT"."""
    month, day, clock, year, *_ = text.split()
    return parse_timestamp(f"{int(year):04}-{MONTHS.index(month) // 3 + 1:02}-{int(day):02}T{clock}")
