"""WebSocket, client side: bytes in, events out [RFC 6455], with optional compression [RFC 7692]. It opens no socket."""

from __future__ import annotations

from _codecs import utf_8_decode
from binascii import b2a_base64
from posix import urandom

try:
    from _sha1 import sha1
except ImportError:  # an interpreter without the small module: the public one loads all of OpenSSL
    from hashlib import sha1

from evse.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Event = tuple[Any, ...]

MAX_HEADER_BYTES = 8192
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
# Status codes that may stand in a close frame, beside 3000 to 4999 [RFC 6455 §7.4, IANA registry].
CLOSE_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)
# What a refusal's reader may want to know.
REFUSAL_HEADERS = ("location", "server", "www-authenticate", "retry-after", "content-type")
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
WINDOW_BITS = ("8", "9", "10", "11", "12", "13", "14", "15")
OFFER = "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits"


class ProtocolError(Exception):
    """The server broke the protocol; `code` is the close code, or a word of the advice table during the handshake."""

    def __init__(self, code: int | str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


class WebSocket:
    """One connection: `handshake()` first, then `receive()` what arrives and send what the other methods return.

    `receive` returns events:

        ("open", subprotocol | None, deflate)      the handshake is done
        ("refused", status, reason, headers)       HTTP answer other than 101; `headers` as far as they help
        ("text", str)                              a complete message
        ("ping", payload) ("pong", payload)
        ("close", code, reason)                    the server says goodbye; 1005 where it names no code
        ("failed", code, why)                      the server broke the protocol; nothing is received any more.
                                                   `code` is the close code sent (int), or during the handshake one of
                                                   "not_http", "tls_alert", "not_websocket", "subprotocol", "extension"

    After "close" and "failed" send `outgoing()` and close the descriptor. A frame or message above `max_size` bytes
    fails with 1009, binary with 1003 (OCPP is text), bad UTF-8 with 1007 as soon as the bytes are there.
    """

    __slots__ = (
        "state", "assembling", "owed", "_request", "_key", "_subprotocols", "_offer", "_random", "_max_size", "_short",
        "_in", "_compressed", "_client_bits", "_server_bits", "_keeps_context", "_left", "_final", "_frame",
        "_message", "_checked", "_packed", "_inflater", "_close_sent",
    )  # fmt: skip

    def __init__(
        self,
        host: str,
        resource: str,
        subprotocols: Sequence[str],
        headers: Sequence[tuple[str, str]] = (),
        *,
        max_size: int = 65536,
        deflate: bool = False,
        random: Callable[[int], bytes] = urandom,
    ) -> None:
        key = b2a_base64(random(16), newline=False)
        lines = [
            f"GET {resource} HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key.decode()}",
            "Sec-WebSocket-Version: 13",
        ]
        if subprotocols:
            lines.append("Sec-WebSocket-Protocol: " + ", ".join(subprotocols))
        if deflate:
            lines.append("Sec-WebSocket-Extensions: " + OFFER)
        lines += [f"{name}: {value}" for name, value in headers]
        for line in lines:
            if not line.isascii() or not line.isprintable():
                name = line.partition(":")[0]
                raise UsageError(f"{name!r} of the WebSocket request holds a character that is not allowed")
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self._key = b2a_base64(sha1(key + GUID).digest(), newline=False).decode()
        self.state = "connecting"  # then "open", "closing" (we said goodbye), "closed"
        self.assembling = False  # a frame or message has begun and is not complete
        self._subprotocols = subprotocols
        self._offer = deflate
        self._random = random
        self._max_size = max_size
        self._short = min(125, max_size)  # bytes of a message whose frame has the shortest head
        self._in = bytearray()
        self.owed = b""  # `outgoing()` takes it: the last control frame owed, at most one pong and one close
        self._compressed = False  # negotiated: the next three tell how
        self._client_bits = self._server_bits = 15  # windows, as powers of two
        self._keeps_context = True  # the server, from one message to the next
        self._left = 0  # bytes still to come of the data frame being read
        self._final = True
        self._frame = CONTINUATION  # opcode of the message being assembled, CONTINUATION between messages
        self._message = bytearray()
        self._checked = 0  # bytes of the message that are known to be UTF-8
        self._packed = False
        self._inflater: Any = None
        self._close_sent = False

    # Sending

    def handshake(self) -> bytes:
        """The HTTP request. It holds the Authorization header: not for logs."""
        return self._request

    def text(self, text: str, frame_size: int | None = None) -> bytes:
        """The frames of a message, in pieces of at most `frame_size` bytes if that is given."""
        data = text.encode()
        first = TEXT
        if self._compressed and self._client_bits > 8 and len(data) > 64:
            import zlib  # only where compression was negotiated

            # No context is kept from one message to the next: 20 KiB for a moment instead of 256 KiB for ever.
            packer = zlib.compressobj(wbits=-min(self._client_bits, 10), memLevel=5)
            packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
            if len(packed) - 4 < len(data):
                data, first = packed[:-4], TEXT | 0x40
        if frame_size is None or len(data) <= frame_size:
            return self._encode(0x80 | first, data)
        frames = bytearray()
        for start in range(0, len(data), frame_size):
            final = 0x80 if start + frame_size >= len(data) else 0
            frames += self._encode(final | (CONTINUATION if start else first), data[start : start + frame_size])
        return bytes(frames)

    def ping(self, payload: bytes = b"") -> bytes:
        """A ping; `payload` of at most 125 bytes comes back with the pong."""
        return self._encode(0x80 | PING, payload[:125])

    def close(self, code: int = 1000, reason: str = "") -> bytes:
        """The close frame, b"" if one was sent already; messages may still arrive until the server's own "close"."""
        if self._close_sent or self.state == "connecting":
            return b""
        self._close_sent = True
        if self.state == "open":
            self.state = "closing"
        if code == 1005:
            return self._encode(0x80 | CLOSE, b"")
        payload = code.to_bytes(2, "big") + reason.encode()[:123].decode("utf-8", "ignore").encode()
        return self._encode(0x80 | CLOSE, payload)

    def outgoing(self) -> bytes:
        """What is owed to the server, once: the pong to its latest ping [RFC 6455 §5.5.3], the close frame."""
        out, self.owed = self.owed, b""
        return out

    def _encode(self, head: int, data: bytes) -> bytes:
        size = len(data)
        if size < 126:
            prefix = (head << 8 | 0x80 | size).to_bytes(2)
        elif size < 65536:
            prefix = (head << 24 | 0xFE0000 | size).to_bytes(4)
        else:
            prefix = (head << 72 | 0xFF << 64 | size).to_bytes(10)
        mask = self._random(4)
        key = int.from_bytes((mask * (size // 4 + 1))[:size])
        return prefix + mask + (int.from_bytes(data) ^ key).to_bytes(size)

    # Receiving

    def receive(self, data: bytes) -> list[Event]:
        """Takes bytes as they come and returns the events that they complete."""
        size = len(data) - 2
        if (
            self.state == "open"
            and not self.assembling
            and 0 <= size <= self._short
            and data[1] == size
            and data[0] == 0x80 | TEXT
        ):
            try:  # nearly always: one short message, and nothing before or behind it
                return [("text", data[2:].decode())]
            except UnicodeDecodeError:
                return self._receive(data)
        return self._receive(data)

    def _receive(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        if self.state == "closed":
            return events
        self._in += data
        try:
            if self.state != "connecting" or self._read_head(events):
                while self.state != "closed" and self._read_frame(events):
                    continue
        except ProtocolError as problem:
            if isinstance(problem.code, int):
                self.owed = self.close(problem.code, problem.why)
            events.append(("failed", problem.code, problem.why))
            self._end()
        self.assembling = self.state != "connecting" and (bool(self._in) or self._frame != CONTINUATION)
        return events

    def _end(self) -> None:
        self.state = "closed"
        self._in = self._message = bytearray()
        self._inflater = None

    def _read_head(self, events: list[Event]) -> bool:
        """Reads the HTTP answer; True if the connection is open."""
        start = bytes(self._in[:5])
        if start[:1] == b"\x15":
            raise ProtocolError("tls_alert", "the port answers with a TLS alert")
        if not b"HTTP/".startswith(start):
            raise ProtocolError("not_http", f"the answer is not HTTP: it begins with {start!r}")
        end = self._in.find(b"\r\n\r\n")
        if end > MAX_HEADER_BYTES or (end < 0 and len(self._in) > MAX_HEADER_BYTES):
            raise ProtocolError("not_http", f"the HTTP answer has a header above {MAX_HEADER_BYTES} bytes")
        if end < 0:
            return False
        first, *lines = self._in[:end].decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        status, _, reason = rest.partition(" ")
        if len(status) != 3 or not (status.isascii() and status.isdecimal()):
            raise ProtocolError("not_http", f"the answer is not HTTP: {first[:80]!r}")
        fields: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise ProtocolError("not_http", f"the HTTP answer has a bad header line {line[:80]!r}")
            name = name.lower()
            fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
        if status != "101":
            headers = {name: fields[name] for name in REFUSAL_HEADERS if name in fields}
            events.append(("refused", int(status), reason.strip(), headers))
            self._end()
            return False
        if version != "HTTP/1.1":
            raise ProtocolError("not_websocket", f"the upgrade is answered in {version}")
        subprotocol = self._upgrade(fields)
        del self._in[: end + 4]
        self.state = "open"
        events.append(("open", subprotocol, self._compressed))
        return True

    def _upgrade(self, fields: dict[str, str]) -> str | None:
        """Checks the fields of a 101 answer [RFC 6455 §4.1]; returns the subprotocol chosen."""
        connection = [token.strip() for token in fields.get("connection", "").lower().split(",")]
        if fields.get("upgrade", "").lower() != "websocket" or "upgrade" not in connection:
            raise ProtocolError("not_websocket", "the answer does not upgrade to a WebSocket")
        if fields.get("sec-websocket-accept") != self._key:
            raise ProtocolError("not_websocket", "Sec-WebSocket-Accept does not fit the key that was sent")
        extensions = fields.get("sec-websocket-extensions", "")
        if extensions:
            terms = _negotiated(extensions) if self._offer else None
            if terms is None:
                raise ProtocolError("extension", f"the server uses an extension not offered: {extensions[:80]}")
            self._compressed = True
            self._client_bits, self._server_bits, self._keeps_context = terms
        subprotocol = fields.get("sec-websocket-protocol")
        if subprotocol is not None and subprotocol not in self._subprotocols:
            raise ProtocolError("subprotocol", subprotocol[:80])
        return subprotocol

    def _read_frame(self, events: list[Event]) -> bool:
        """Reads a frame, or as much of a data frame as is there; False if more bytes are needed."""
        if self._left:
            return self._read_data(events)
        have = self._in
        if len(have) < 2:
            if have:
                self._check_head(have[0])
            return False
        head, size = have[0], have[1]
        self._check_head(head)
        if size & 0x80:
            raise ProtocolError(1002, "masked frame from the server")
        opcode = head & 0x0F
        if opcode >= CLOSE:
            if size > 125 or not head & 0x80:
                raise ProtocolError(1002, "control frame above 125 bytes or in fragments")
            if len(have) < 2 + size:
                return False
            payload = bytes(have[2 : 2 + size])
            del have[: 2 + size]
            self._control(opcode, payload, events)
            return True
        extra = 2 if size == 126 else 8 if size == 127 else 0
        if len(have) < 2 + extra:
            return False
        if extra:
            size = int.from_bytes(have[2 : 2 + extra], "big")
            if size < (126 if extra == 2 else 65536) or size >> 63:
                raise ProtocolError(1002, "frame length not in its shortest form")
        if size + len(self._message) > self._max_size:
            raise ProtocolError(1009, f"message above {self._max_size} bytes")
        del have[: 2 + extra]
        if opcode != CONTINUATION:
            self._frame = opcode
            self._packed = bool(head & 0x40)
        self._left = size
        self._final = bool(head & 0x80)
        return self._read_data(events)

    def _check_head(self, head: int) -> None:
        """Raises for a first byte that may not stand here, before the rest of its frame is there."""
        opcode = head & 0x0F
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise ProtocolError(1002, f"unknown opcode {opcode}")
        if head & 0x30 or (head & 0x40 and (not self._compressed or opcode not in (TEXT, BINARY))):
            raise ProtocolError(1002, "reserved bit set")
        if opcode < CLOSE and (opcode == CONTINUATION) != (self._frame != CONTINUATION):
            raise ProtocolError(1002, "message inside a message" if opcode else "continuation of nothing")
        if opcode == BINARY:
            raise ProtocolError(1003, "OCPP messages are text")

    def _read_data(self, events: list[Event]) -> bool:
        piece = bytes(self._in[: self._left])
        del self._in[: len(piece)]
        self._left -= len(piece)
        done = self._final and not self._left
        if self._packed:
            self._inflate(piece, done)
        else:
            self._message += piece
        try:
            if done:
                text = self._message.decode()
            elif not piece:
                return not self._left
            else:  # [RFC 6455 §8.1] fails on what can no longer become UTF-8, without waiting for the end
                self._checked += utf_8_decode(memoryview(self._message)[self._checked :], "strict", False)[1]
        except UnicodeDecodeError:
            raise ProtocolError(1007, "text that is not UTF-8") from None
        if not done:
            return not self._left
        self._frame = CONTINUATION
        self._message = bytearray()
        self._checked = 0
        events.append(("text", text))
        return True

    def _inflate(self, piece: bytes, done: bool) -> None:
        import zlib

        if self._inflater is None:
            self._inflater = zlib.decompressobj(-self._server_bits)
        if done:
            piece += b"\x00\x00\xff\xff"  # [RFC 7692 §7.2.2]
        try:
            self._message += self._inflater.decompress(piece, self._max_size + 1 - len(self._message))
        except zlib.error as problem:
            raise ProtocolError(1002, f"compressed data is damaged: {problem}") from None
        if len(self._message) > self._max_size:
            raise ProtocolError(1009, f"message above {self._max_size} bytes")
        if self._inflater.eof or (done and not self._keeps_context):
            self._inflater = None

    def _control(self, opcode: int, payload: bytes, events: list[Event]) -> None:
        if opcode == PING:
            if not self._close_sent:
                self.owed = self._encode(0x80 | PONG, payload)
            events.append(("ping", payload))
        elif opcode == PONG:
            events.append(("pong", payload))
        else:
            code, reason = 1005, ""
            if payload:
                code = int.from_bytes(payload[:2], "big")
                if len(payload) < 2 or not (code in CLOSE_CODES or 3000 <= code <= 4999):
                    raise ProtocolError(1002, f"close frame with the code {code}")
                try:
                    reason = payload[2:].decode()
                except UnicodeDecodeError:
                    raise ProtocolError(1007, "close reason that is not UTF-8") from None
            self.owed += self.close(code)
            events.append(("close", code, reason))
            self._end()


def _negotiated(value: str) -> tuple[int, int, bool] | None:
    """(client window bits, server window bits, server keeps context) from the answer to our offer [RFC 7692 §7.1].

    None if the answer is something else than one permessage-deflate with parameters that may stand there.
    """
    name, *parameters = [part.strip() for part in value.split(";")]
    if name.lower() != "permessage-deflate":
        return None
    seen: dict[str, str] = {}
    for parameter in parameters:
        key, _, number = (part.strip().strip('"') for part in parameter.partition("="))
        if key in seen:
            return None
        seen[key] = number
        if key.endswith("_no_context_takeover"):
            good = key[:6] in ("client", "server") and len(key) == 26 and not number
        else:
            good = key in ("client_max_window_bits", "server_max_window_bits") and number in WINDOW_BITS
        if not good:
            return None
    client, server = seen.get("client_max_window_bits", "15"), seen.get("server_max_window_bits", "15")
    return int(client), int(server), "server_no_context_takeover" not in seen
