"""The WebSocket codec, judged by the server protocol of `websockets` over generated traffic and by hand-made frames."""

from __future__ import annotations

import logging
import os
import random
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Opcode
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from evse.errors import UsageError
from evse.shell.websocket import MAX_HEADER_BYTES, WebSocket

SUBPROTOCOLS = ["ocpp2.1", "ocpp2.0.1", "ocpp1.6"]
EXCHANGES = 100_000 if os.environ.get("EVSE_LONG") else 20_000
SILENT = logging.getLogger("test_websocket")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


def client(**options: Any) -> WebSocket:
    return WebSocket("csms.example", "/ocpp/CP1", SUBPROTOCOLS, [("Authorization", "Basic eA==")], **options)


def opened(**options: Any) -> WebSocket:
    """A codec after a handshake by hand, ready for hand-made frames."""
    socket = client(**options)
    assert socket.receive(answer(socket, "Sec-WebSocket-Protocol: ocpp2.1")) == [("open", "ocpp2.1", False)]
    return socket


def answer(socket: WebSocket, *lines: str, status: str = "HTTP/1.1 101 Switching Protocols") -> bytes:
    head = [status, "Upgrade: websocket", "Connection: keep-alive, Upgrade", f"Sec-WebSocket-Accept: {socket._key}"]
    return ("\r\n".join([*head, *lines]) + "\r\n\r\n").encode()


def server(factories: Any = None) -> ServerProtocol:
    return ServerProtocol(subprotocols=["ocpp2.0.1"], extensions=factories, max_size=2**20, logger=SILENT)


def sent(protocol: Any) -> bytes:
    return b"".join(protocol.data_to_send())


def connect(factories: Any = None, **options: Any) -> tuple[WebSocket, ServerProtocol]:
    socket, peer = client(**options), server(factories)
    peer.receive_data(socket.handshake())
    (request,) = peer.events_received()
    assert request.headers["Authorization"] == "Basic eA=="
    peer.send_response(peer.accept(request))
    assert socket.receive(sent(peer)) == [("open", "ocpp2.0.1", bool(options.get("deflate")))]
    return socket, peer


def pieces(rng: random.Random, data: bytes) -> Iterator[bytes]:
    """`data` cut at random, often into single bytes."""
    start = 0
    while start < len(data):
        end = start + rng.choice((1, 1, 2, 3, 7, 130, 4096, 100_000))
        yield data[start:end]
        start = end


LETTERS = 'abc xyz {"[]:,}0123456789 äß€中𝄞'


def words(rng: random.Random) -> str:
    size = rng.choice((0, 1, 5, 20, 60, 124, 125, 126, 127, 300, 300, 2000))
    if rng.random() < 0.003:
        size = rng.choice((65534, 65535, 65536, 65537))
    if size > 60_000:
        return "x" * size
    return "".join(rng.choices(LETTERS, k=size))


def from_server(rng: random.Random, peer: ServerProtocol, expected: list[tuple[Any, ...]]) -> None:
    """Lets the server say one thing, in fragments with control frames between them where the dice say so."""
    kind = rng.random()
    if kind < 0.1:
        payload = rng.randbytes(rng.choice((0, 4, 125)))
        peer.send_ping(payload)
        expected.append(("ping", payload))
    elif kind < 0.15:
        peer.send_pong(b"unasked")
        expected.append(("pong", b"unasked"))
    else:
        text = words(rng)
        data = text.encode()
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 1, 4))))
        parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        peer.send_text(parts[0], fin=len(parts) == 1)
        for number, part in enumerate(parts[1:], 2):
            if rng.random() < 0.3:
                peer.send_ping(b"inside")
                expected.append(("ping", b"inside"))
            peer.send_continuation(part, fin=number == len(parts))
        expected.append(("text", text))


def received(peer: ServerProtocol) -> list[tuple[Any, ...]]:
    """What the server's protocol understood, messages put together."""
    events: list[tuple[Any, ...]] = []
    message = b""
    for frame in peer.events_received():
        if frame.opcode in (Opcode.TEXT, Opcode.CONT):
            message += frame.data
            if frame.fin:
                events.append(("text", message.decode()))
                message = b""
        else:
            events.append((frame.opcode.name.lower(), bytes(frame.data)))
    return events


def traffic(seed: int, exchanges: int, deflate: bool) -> int:
    """Plays `exchanges` exchanges on one connection; returns the number of differences."""
    rng = random.Random(seed)
    factory = [
        ServerPerMessageDeflateFactory(
            server_no_context_takeover=rng.random() < 0.5,
            client_no_context_takeover=rng.random() < 0.5,
            server_max_window_bits=rng.choice((None, 9, 12)),
            client_max_window_bits=rng.choice((None, 9, 15)),
        )
    ]
    socket, peer = connect(factory if deflate else None, deflate=deflate, random=rng.randbytes, max_size=2**20)
    differences = 0
    batch = 20
    for _ in range(0, exchanges, batch):
        expected: list[tuple[Any, ...]] = []
        for _ in range(batch):
            from_server(rng, peer, expected)
        events = []
        pongs = []
        for piece in pieces(rng, sent(peer)):
            events += socket.receive(piece)
            owed = socket.outgoing()
            assert len(owed) < 140
            if owed:
                pongs.append(owed)
        differences += events != expected
        expected = []
        out = b""
        for _ in range(batch):
            if rng.random() < 0.1:
                out += socket.ping(b"p")
                expected.append(("ping", b"p"))
            else:
                text = words(rng)
                out += socket.text(text, rng.choice((None, None, 1 + len(text) // 3)))
                expected.append(("text", text))
        for piece in pieces(rng, out):
            peer.receive_data(piece)
        differences += received(peer) != expected
        sent(peer)
        peer.receive_data(b"".join(pongs))
        differences += any(kind != "pong" for kind, _ in received(peer))
    peer.send_close(1001, "bye")
    differences += socket.receive(sent(peer)) != [("close", 1001, "bye")]
    peer.receive_data(socket.outgoing())
    differences += peer.close_rcvd is None or peer.close_rcvd.code != 1001
    return differences


def test_generated_traffic_against_a_server_protocol() -> None:
    size = 1000
    assert sum(traffic(seed, size, deflate=seed % 4 == 0) for seed in range(EXCHANGES // size)) == 0


def test_every_prefix_gives_the_same_events() -> None:
    socket, peer = client(), server()
    peer.receive_data(socket.handshake())
    (request,) = peer.events_received()
    peer.send_response(peer.accept(request))
    peer.send_text("grüß €".encode()[:3], fin=False)
    peer.send_ping(b"1")
    peer.send_continuation("grüß €".encode()[3:], fin=True)
    peer.send_text(b"y" * 300)
    peer.send_close(4000, "ende")
    stream = sent(peer)
    whole = socket.receive(stream)
    assert whole == [
        ("open", "ocpp2.0.1", False), ("ping", b"1"), ("text", "grüß €"), ("text", "y" * 300), ("close", 4000, "ende"),
    ]  # fmt: skip
    for cut in range(len(stream) + 1):
        twin = client()
        twin._key = socket._key
        assert twin.receive(stream[:cut]) + twin.receive(stream[cut:]) == whole
        assert twin.state == "closed"


def frame(head: int, data: bytes = b"", size: bytes | None = None) -> bytes:
    if size is None:
        size = bytes((len(data),)) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")
    return bytes((head,)) + size + data


HOSTILE = {
    "masked frame": (b"\x81\x81\x00\x00\x00\x00x", 1002),
    "RSV1 without compression": (frame(0xC1, b"x"), 1002),
    "RSV2": (frame(0xA1, b"x"), 1002),
    "RSV3": (frame(0x91, b"x"), 1002),
    "RSV1 on a control frame": (frame(0xC9, b"x"), 1002),
    "unknown data opcode": (frame(0x83, b"x"), 1002),
    "unknown control opcode": (frame(0x8B, b"x"), 1002),
    "ping in fragments": (frame(0x09, b"x"), 1002),
    "ping of 126 bytes": (frame(0x89, b"x" * 126), 1002),
    "continuation of nothing": (frame(0x80, b"x"), 1002),
    "message inside a message": (frame(0x01, b"x") + frame(0x81, b"y"), 1002),
    "close of one byte": (frame(0x88, b"\x03"), 1002),
    "close code 1004": (frame(0x88, b"\x03\xec"), 1002),
    "close code 1005 on the wire": (frame(0x88, b"\x03\xed"), 1002),
    "close code 1006 on the wire": (frame(0x88, b"\x03\xee"), 1002),
    "close code 1015 on the wire": (frame(0x88, b"\x03\xf7"), 1002),
    "close code 999": (frame(0x88, b"\x03\xe7"), 1002),
    "close code 2999": (frame(0x88, b"\x0b\xb7"), 1002),
    "close code 5000": (frame(0x88, b"\x13\x88"), 1002),
    "close reason not UTF-8": (frame(0x88, b"\x03\xe8\xff"), 1007),
    "message above the limit": (frame(0x81, size=b"\x7e\x10\x01"), 1009),
    "message of 2**62 bytes": (frame(0x81, size=b"\x7f\x40" + bytes(7)), 1009),
    "fragments above the limit": (frame(0x01, b"x" * 4000) + frame(0x80, b"x" * 97), 1009),
}
# Where the judge is more lenient than RFC 6455 or OCPP.
STRICT = {
    "16-bit length that fits 7 bits": (frame(0x81, b"x" * 125, b"\x7e\x00\x7d"), 1002),
    "64-bit length that fits 16 bits": (frame(0x81, size=b"\x7f" + bytes(6) + b"\xff\xff"), 1002),
    "64-bit length with the top bit": (frame(0x81, size=b"\x7f\xff" + bytes(7)), 1002),
    "binary": (frame(0x82, b"x"), 1003),
    "text not UTF-8": (frame(0x81, b"\xc3\x28"), 1007),
    "surrogate": (frame(0x81, b"\xed\xa0\x80"), 1007),
    "overlong": (frame(0x81, b"\xc0\xaf"), 1007),
    "above U+10FFFF": (frame(0x81, b"\xf4\x90\x80\x80"), 1007),
    "character cut at the end": (frame(0x81, b"\xe2\x82"), 1007),
    "character cut at the end of the fragments": (frame(0x01, b"\xe2") + frame(0x80, b"\x82"), 1007),
}


@pytest.mark.parametrize("name", [*HOSTILE, *STRICT])
def test_hostile_frame_fails_with_its_code_after_every_prefix(name: str) -> None:
    data, code = {**HOSTILE, **STRICT}[name]
    before = frame(0x81, b"first")
    for cut in range(len(data)):
        socket = opened(max_size=4096)
        events = socket.receive(before + data[:cut]) + socket.receive(data[cut:] + frame(0x81, b"after"))
        assert events[0] == ("text", "first")
        assert [event[:2] for event in events[1:]] == [("failed", code)]
        goodbye = socket.outgoing()
        assert goodbye[0] == 0x88 and socket.outgoing() == b""
        assert socket.receive(b"more") == []


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_frame_gets_the_code_that_another_client_gives(name: str) -> None:
    judge = ClientProtocol(parse_uri("ws://csms.example/"), max_size=4096, logger=SILENT)
    request = judge.connect()
    judge.send_request(request)
    peer = ServerProtocol(logger=SILENT)
    peer.receive_data(sent(judge))
    (request,) = peer.events_received()
    peer.send_response(peer.accept(request))
    judge.receive_data(sent(peer))
    judge.receive_data(HOSTILE[name][0])
    sent(judge)
    judge.receive_eof()
    assert judge.close_exc.sent is not None
    assert judge.close_exc.sent.code == HOSTILE[name][1]


SHORT = ("", "x", "grüß €", '[3,"1",{}]', "y" * 123, "y" * 124, "y" * 125, "y" * 126, "€" * 41, "€" * 42)


@pytest.mark.parametrize("max_size", [0, 1, 20, 124, 125, 126, 4096])
def test_a_short_message_at_once_is_what_it_is_byte_by_byte(max_size: int) -> None:
    """Also damaged, masked, above the limit, with more behind it, inside a message and after our goodbye."""
    rng = random.Random(max_size)
    odd = (0x81, 0xC1, 0xFF, 0x80, 125, 126, 0)
    for number in range(3000):
        data = bytearray(frame(rng.choice((0x81, 0x81, 0x81, 0x01, 0x80, 0x89)), rng.choice(SHORT).encode()))
        for _ in range(rng.choice((0, 0, 1, 2))):
            data[rng.randrange(min(4, len(data)))] = rng.choice((*odd, rng.randrange(256)))
        data += rng.choice((b"", b"", b"", frame(0x81, b"more"), b"\x81", b"\xff" * 3))
        at_once, slowly = opened(max_size=max_size), opened(max_size=max_size)
        for socket in (at_once, slowly):
            if number % 5 == 0:
                socket.receive(frame(0x01, b""))
            if number % 7 == 0:
                socket.close()
        events = at_once.receive(bytes(data))
        assert events == [event for byte in data for event in slowly.receive(bytes((byte,)))]
        assert (at_once.state, at_once.assembling) == (slowly.state, slowly.assembling)
        assert at_once.owed[:2] == slowly.owed[:2]
        after = frame(0x81, b"after")
        assert at_once.receive(after) == slowly.receive(after)


def test_what_arrives_empty_changes_nothing() -> None:
    socket = opened()
    assert socket.receive(b"") == [] and not socket.assembling


@pytest.mark.parametrize("count", [1, 2, 3])
def test_text_fails_before_its_frame_is_complete(count: int) -> None:
    socket = opened()
    head = frame(0x81, size=b"\x7e\x10\x00")
    assert socket.receive(head + b"x" * 100 + "€".encode()[:2]) == []
    assert socket.receive(b"\xac" * count) == ([] if count == 1 else [("failed", 1007, "text that is not UTF-8")])


def test_a_full_size_message_passes_and_one_byte_more_does_not() -> None:
    assert opened(max_size=1000).receive(frame(0x81, b"x" * 1000)) == [("text", "x" * 1000)]
    assert opened(max_size=1000).receive(frame(0x81, b"x" * 1001))[0][:2] == ("failed", 1009)


def test_only_the_latest_ping_is_answered() -> None:
    """[RFC 6455 §5.5.3]; a peer that floods with pings cannot make the answers pile up."""
    socket = opened()
    socket.receive(frame(0x89, b"a" * 125) * 1000 + frame(0x89, b"last"))
    peer = ServerProtocol(logger=SILENT, state=server_open())
    peer.receive_data(socket.outgoing())
    (pong,) = peer.events_received()
    assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, b"last")


def server_open() -> Any:
    from websockets.protocol import State

    return State.OPEN


def test_close_from_our_side_still_delivers_what_was_under_way() -> None:
    socket, peer = connect()
    peer.receive_data(socket.close(1000, "ö" * 100))
    assert socket.state == "closing" and socket.close() == b""
    assert peer.close_rcvd is not None
    assert peer.close_rcvd.code == 1000 and peer.close_rcvd.reason == "ö" * 61
    late = frame(0x81, b"late")
    assert socket.receive(late + sent(peer)) == [("text", "late"), ("close", 1000, "ö" * 61)]
    assert socket.outgoing() == b"" and socket.state == "closed"


def test_close_without_code_is_1005_and_answered_without_code() -> None:
    socket = opened(random=bytes)
    assert socket.receive(frame(0x88)) == [("close", 1005, "")]
    assert socket.outgoing() == b"\x88\x80\0\0\0\0"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["Sec-WebSocket-Protocol: ocpp1.5"], "subprotocol"),
        (["Sec-WebSocket-Protocol: ocpp2.1", "Sec-WebSocket-Protocol: ocpp1.6"], "subprotocol"),
        (["Sec-WebSocket-Extensions: permessage-deflate"], "extension"),
        (["Upgrade: h2c"], "not_websocket"),
        (["Sec-WebSocket-Accept: AAAA"], "not_websocket"),
        (["no colon"], "not_http"),
        ([" folded: line"], "not_http"),
        (["X: " + "x" * MAX_HEADER_BYTES], "not_http"),
    ],
)
def test_bad_answer_to_the_handshake(lines: list[str], code: str) -> None:
    socket = client()
    (event,) = socket.receive(answer(socket, *lines))
    assert event[:2] == ("failed", code)
    assert socket.outgoing() == b"" and socket.state == "closed"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not_http"),
        (b'\x81\x07[3,"1"]', "not_http"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "tls_alert"),
        (b"HTTP/1.1 abc nonsense\r\n\r\n", "not_http"),
        (b"HTTP/1.1 " + b"x" * 10_000, "not_http"),
        (b"HTTP/1.0 101 Switching\r\n\r\n", "not_websocket"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "not_websocket"),
    ],
)
def test_something_else_than_a_websocket_answers(data: bytes, code: str) -> None:
    assert client().receive(data)[0][:2] == ("failed", code)


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_refusal_tells_status_reason_and_the_headers_of_interest(version: str) -> None:
    lines = f"{version} 301 Moved Permanently\r\nLocation: wss://new/\r\nX-Other: 1\r\n\r\n<html>"
    assert client().receive(lines.encode()) == [("refused", 301, "Moved Permanently", {"location": "wss://new/"})]


def test_no_subprotocol_in_the_answer_is_told() -> None:
    socket = client()
    assert socket.receive(answer(socket)) == [("open", None, False)]


@pytest.mark.parametrize("bad", ["a\r\nb", "a b\x00", "ü"])
def test_request_takes_no_control_characters(bad: str) -> None:
    with pytest.raises(UsageError, match="WebSocket request"):
        WebSocket("host", "/x", [], [("X", bad)])


# Compression


def deflated(lines: str, **options: Any) -> tuple[WebSocket, list[tuple[Any, ...]]]:
    socket = client(deflate=True, **options)
    return socket, socket.receive(answer(socket, "Sec-WebSocket-Extensions: " + lines))


@pytest.mark.parametrize(
    "lines",
    [
        "permessage-bzip2",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; another_no_context_takeover",
        "permessage-deflate; mystery",
    ],
)
def test_bad_terms_of_compression(lines: str) -> None:
    assert deflated(lines)[1][0][:2] == ("failed", "extension")


@pytest.mark.parametrize("bits", range(8, 16))
def test_windows_of_every_size_are_kept(bits: int) -> None:
    socket, events = deflated(f"permessage-deflate; client_max_window_bits={bits}; server_max_window_bits={bits}")
    assert events == [("open", None, True)]
    text = "".join(random.Random(bits).choices("abcdefgh", k=3000)) * 3
    packer = zlib.compressobj(wbits=-max(bits, 9))
    data = (packer.compress(text.encode()) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    if bits > 8:  # zlib cannot write a window of 256 bytes
        assert socket.receive(frame(0xC1, data)) == [("text", text)]
    out = socket.text(text)
    mask, body = out[4:8], out[8:]  # after two bytes and a 16-bit length
    raw = bytes(byte ^ mask[n % 4] for n, byte in enumerate(body))
    if bits == 8:
        assert out[0] == 0x81 and raw.decode() == text
    else:
        assert out[0] == 0xC1 and zlib.decompressobj(-bits).decompress(raw + b"\0\0\xff\xff").decode() == text


def test_a_zip_bomb_is_refused_at_the_limit() -> None:
    packer = zlib.compressobj(wbits=-15)
    bomb = (packer.compress(b"x" * 5_000_000) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    socket, _ = deflated("permessage-deflate", max_size=65536)
    assert len(bomb) < 65536
    assert socket.receive(frame(0xC1, bomb))[0][:2] == ("failed", 1009)


def test_damaged_and_uncompressed_messages_of_a_compressed_connection() -> None:
    socket, _ = deflated("permessage-deflate")
    assert socket.receive(frame(0x81, b"plain")) == [("text", "plain")]
    assert socket.receive(frame(0xC1, b"\xff\xff\xff"))[0][:2] == ("failed", 1002)


def test_continuation_does_not_carry_the_compression_bit() -> None:
    socket, _ = deflated("permessage-deflate")
    assert socket.receive(frame(0x41, b"\x02") + frame(0xC0, b"\x00"))[0][:2] == ("failed", 1002)
