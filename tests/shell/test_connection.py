"""The connection to the CSMS: opening, losing, waiting, closing, and each failure in words.

Real sockets on 127.0.0.1, a clock that is moved by hand.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from evse.errors import UsageError
from evse.shell.connection import CLOSE_TIMEOUT_S, Connection
from evse.shell.log import Log
from evse.shell.loop import Loop
from tests.support.fakeloop import FakeLoop
from tests.support.server import Server


class Station:
    """A connection with everything that it says, in order."""

    def __init__(self, loop: Any, random: Callable[[int], bytes] | None = None) -> None:
        self.loop = loop
        self.seen: list[tuple[Any, ...]] = []
        self.texts: list[str] = []
        self.states: list[str] = []
        self.failures: list[tuple[str, str, str | None]] = []
        self.traced: list[tuple[str, str]] = []
        self.lines: list[bytes] = []
        self.connection = Connection(
            loop,
            Log("debug", self.lines.append, journal=True),
            on_open=lambda subprotocol: self.seen.append(("open", subprotocol)),
            on_text=self.texts.append,
            on_close=lambda why: self.seen.append(("close", why)),
            trace=lambda direction, text: self.traced.append((direction, text)),
            **({} if random is None else {"random": random}),
        )
        self.connection.on_state = self.states.append
        self.connection.on_failure = lambda *failure: self.failures.append(failure)

    @property
    def state(self) -> str:
        return self.connection.state

    def waits(self) -> float:
        return float(self.connection.status()["next_attempt_in_s"])


@pytest.fixture
def loop() -> Iterator[FakeLoop]:
    loop = FakeLoop()
    yield loop
    loop.close()


@pytest.fixture
def server(loop: FakeLoop) -> Iterator[Server]:
    server = Server(loop)
    yield server
    server.close()


@pytest.fixture
def station(loop: FakeLoop) -> Iterator[Station]:
    station = Station(loop, random=lambda count: bytes(count))
    yield station
    station.connection.close()
    station.connection._end("test over")


def profile(url: str, **settings: Any) -> dict[str, Any]:
    backoff = {"wait_minimum_s": 10, "random_range_s": 4, "repeat_times": 3}
    own = {"identity": "CP1", "subprotocols": ["ocpp2.0.1", "ocpp1.6"], "ping_interval_s": 0, "backoff": backoff}
    return {"url": url, **own, **settings}


def opened(loop: FakeLoop, server: Server, station: Station, **settings: Any) -> Any:
    station.connection.configure(profile(server.url, **settings))
    station.connection.connect()
    loop.until(lambda: station.state == "open" or station.failures)
    assert station.failures == []
    return server.peers[-1]


def failed(loop: FakeLoop, station: Station, url: str, **settings: Any) -> str:
    """The sentence of the first failure."""
    station.connection.configure(profile(url, **settings))
    station.connection.connect()
    loop.until(lambda: station.failures)
    assert station.state == "waiting" and station.seen == []
    return station.failures[0][1]


# A good life


def test_opens_talks_and_closes(loop: FakeLoop, server: Server, station: Station) -> None:
    peer = opened(loop, server, station)
    assert station.states == ["resolving", "connecting", "handshake", "open"]
    assert station.seen == [("open", "ocpp2.0.1")]
    assert (peer.request.path, peer.request.headers["Sec-WebSocket-Protocol"]) == ("/ocpp/CP1", "ocpp2.0.1, ocpp1.6")
    assert "Authorization" not in peer.request.headers
    assert station.connection.send('[2,"1","Heartbeat",{}]')
    loop.until(lambda: peer.texts)
    peer.send('[3,"1",{}]')
    loop.until(lambda: station.texts)
    assert peer.texts == ['[2,"1","Heartbeat",{}]'] and station.texts == ['[3,"1",{}]']
    assert station.traced == [("out", peer.texts[0]), ("in", station.texts[0])]
    station.connection.close(1001, "reboot")
    assert station.state == "closing" and not station.connection.send("late")
    loop.until(lambda: station.state == "idle")
    assert station.seen[1:] == [("close", "closed by the station: 1001 reboot")]
    assert peer.protocol.close_rcvd.code == 1001
    loop.advance(1000)
    assert len(server.peers) == 1


def test_subprotocol_is_the_servers_choice(loop: FakeLoop, server: Server, station: Station) -> None:
    server.subprotocols = ("ocpp1.6",)
    opened(loop, server, station)
    assert station.seen == [("open", "ocpp1.6")]


def test_password_goes_out_and_into_no_log_or_trace(loop: FakeLoop, server: Server, station: Station) -> None:
    """[A00.FR.203]; the header is nowhere but on the wire."""
    peer = opened(loop, server, station, security_profile=1, password="0123456789abcdef")
    assert peer.request.headers["Authorization"] == "Basic Q1AxOjAxMjM0NTY3ODlhYmNkZWY="
    said = b"".join(station.lines) + str(station.traced).encode() + str(station.connection.status()).encode()
    assert b"0123456789abcdef" not in said and b"Q1AxOjAx" not in said


def test_a_large_message_both_ways(loop: FakeLoop, server: Server, station: Station) -> None:
    peer = opened(loop, server, station)
    text = "x" * 60_000
    assert station.connection.send(text)
    loop.until(lambda: peer.texts)
    peer.send(text)
    loop.until(lambda: station.texts)
    assert peer.texts == station.texts == [text]


def test_name_with_several_addresses_is_tried_in_turn(
    loop: FakeLoop, server: Server, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evse.shell import dial

    class Found:
        def __init__(self, loop: Any, host: str, port: int, done: Any, timeout_s: float) -> None:
            row = [(socket.AF_INET6, ("::1", 1, 0, 0)), (socket.AF_INET, ("127.0.0.1", 1))]
            loop.call_soon(done, [*row, (socket.AF_INET, ("127.0.0.1", port))], None)

    monkeypatch.setattr(dial, "Lookup", Found)
    opened(loop, server, station)


# Losing and waiting


def test_backoff_doubles_up_to_the_repeat_times_and_starts_anew_after_success(
    loop: FakeLoop, server: Server, station: Station
) -> None:
    """[OCPP-J 2.1 §5.4]: minimum, doubled at most RetryBackOffRepeatTimes times; reset by a success."""
    opened(loop, server, station)
    server.status = 503
    server.peers[-1].close()
    loop.until(lambda: station.state == "waiting")
    assert station.seen[1][0] == "close"
    waits = []
    for number in range(6):
        waits.append(station.waits())
        loop.advance(station.waits())
        loop.until(lambda number=number: len(station.failures) > number)
    assert waits == [10, 20, 40, 80, 80, 80]
    assert station.connection.status()["attempt"] == 6
    server.status = None
    loop.advance(80)
    loop.until(lambda: station.state == "open")
    assert station.connection.status()["attempt"] == 0 and station.connection.status()["last_error"] is None
    server.peers[-1].close()
    loop.until(lambda: station.state == "waiting")
    assert station.waits() == 10


def test_random_part_is_new_for_each_wait(loop: FakeLoop) -> None:
    numbers = iter((0.0, 0.5, 1.0, 0.25, 0.0))

    def random(count: int) -> bytes:
        return int(next(numbers) * 0xFFFFFFFF).to_bytes(4, "big") if count == 4 else bytes(count)

    station = Station(loop, random)
    station.connection.configure(profile(f"ws://127.0.0.1:{closed_port()}"))
    station.connection.connect()
    waits = []
    for number in range(4):
        loop.until(lambda number=number: len(station.failures) > number)
        waits.append(round(station.waits(), 2))
        loop.advance(station.waits() + 0.001)
    assert waits == [10, 22, 44, 81]
    station.connection.close()


def test_no_minimum_and_no_random_part_still_pauses(loop: FakeLoop, station: Station) -> None:
    backoff = {"wait_minimum_s": 0, "random_range_s": 0}
    failed(loop, station, f"ws://127.0.0.1:{closed_port()}", backoff=backoff)
    assert station.waits() == pytest.approx(0.1)


def test_network_down_and_up(loop: FakeLoop, server: Server, station: Station) -> None:
    """Down drops and stays offline; up connects at once, without back-off."""
    opened(loop, server, station)
    station.connection.network(False)
    assert station.state == "idle" and station.seen[1:] == [("close", "the network is down")]
    loop.advance(10_000)
    assert len(server.peers) == 1 and not server.alive
    station.connection.network(True)
    loop.until(lambda: station.state == "open")
    station.connection.network(True)
    loop.settle()
    assert len(server.alive) == 1


def test_network_up_ends_a_back_off(loop: FakeLoop, server: Server, station: Station) -> None:
    server.status = 500
    failed(loop, station, server.url)
    server.status = None
    station.connection.network(True)
    loop.until(lambda: station.state == "open")


def test_network_down_before_connect_and_in_the_middle_of_it(loop: FakeLoop, server: Server, station: Station) -> None:
    station.connection.configure(profile(server.url))
    station.connection.network(False)
    station.connection.connect()
    assert station.state == "idle"
    station.connection.network(True)
    assert station.state == "resolving"
    station.connection.network(False)
    loop.advance(100)
    assert station.state == "idle" and station.seen == [] and server.peers == []


def test_connect_twice_is_one_connection(loop: FakeLoop, server: Server, station: Station) -> None:
    opened(loop, server, station)
    station.connection.connect()
    loop.settle()
    assert len(server.peers) == 1


def test_the_old_socket_is_closed_before_a_new_one_opens(loop: FakeLoop, server: Server, station: Station) -> None:
    first = opened(loop, server, station)
    first.pause()
    station.connection.close(1000, "again", reconnect=True)
    loop.advance(CLOSE_TIMEOUT_S)
    assert station.state == "waiting"
    first.socket.setblocking(True)
    while first.socket.recv(1000):
        continue
    loop.advance(station.waits())
    loop.until(lambda: station.state == "open")
    assert [kind for kind, _ in station.seen] == ["open", "close", "open"]


def test_a_csms_that_does_not_answer_the_goodbye_is_not_waited_for(
    loop: FakeLoop, server: Server, station: Station
) -> None:
    opened(loop, server, station).pause()
    station.connection.close()
    loop.advance(CLOSE_TIMEOUT_S - 1)
    assert station.state == "closing"
    loop.advance(1)
    assert station.state == "idle" and len(station.seen) == 2


def test_connect_during_the_goodbye_comes_after_it(loop: FakeLoop, server: Server, station: Station) -> None:
    opened(loop, server, station)
    station.connection.close()
    station.connection.connect()
    loop.until(lambda: station.state == "waiting")
    loop.advance(station.waits())
    loop.until(lambda: station.state == "open")
    assert [kind for kind, _ in station.seen] == ["open", "close", "open"]


def test_close_while_waiting_and_while_connecting(loop: FakeLoop, server: Server, station: Station) -> None:
    server.status = 500
    failed(loop, station, server.url)
    station.connection.close()
    assert station.state == "idle"
    station.connection.connect()
    station.connection.close(reconnect=True)
    assert station.state == "waiting"
    station.connection.close()
    loop.advance(1000)
    assert station.state == "idle" and len(server.peers) == 1


def test_closed_by_the_csms(loop: FakeLoop, server: Server, station: Station) -> None:
    peer = opened(loop, server, station)
    peer.protocol.send_close(1012, "restart")
    peer.flush()
    loop.until(lambda: station.state == "waiting")
    assert station.seen[1:] == [("close", "closed by the CSMS: 1012 restart")]
    loop.until(lambda: peer.ended)
    assert peer.protocol.close_rcvd.code == 1012


def test_broken_frame_ends_the_connection_with_its_code(loop: FakeLoop, server: Server, station: Station) -> None:
    peer = opened(loop, server, station)
    peer.socket.send(b"\x81\x02\xc3\x28")
    loop.until(lambda: station.state == "waiting")
    assert station.seen[1:] == [("close", "the CSMS breaks the WebSocket protocol: text that is not UTF-8")]
    loop.until(lambda: peer.ended)
    assert peer.protocol.close_rcvd.code == 1007


def test_connection_torn_by_the_network(loop: FakeLoop, server: Server, station: Station) -> None:
    peer = opened(loop, server, station)
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    loop.until(lambda: station.state == "waiting")
    assert station.seen[1:] == [("close", "the connection was lost: Connection reset by peer")]


def test_sending_into_a_connection_that_has_just_gone(loop: FakeLoop, server: Server, station: Station) -> None:
    peer = opened(loop, server, station)
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    assert not station.connection.send("x")
    assert station.state == "waiting" and "lost" in station.seen[1][1]


def test_pings_of_the_csms_are_answered(loop: FakeLoop, server: Server, station: Station) -> None:
    peer = opened(loop, server, station)
    peer.protocol.send_ping(b"are you there")
    peer.flush()
    loop.until(lambda: peer.pongs)
    assert peer.pongs == [b"are you there"] and station.state == "open"


def test_what_could_not_be_sent_at_once_follows(loop: FakeLoop, server: Server, station: Station) -> None:
    peer = opened(loop, server, station, max_unsent_bytes=50_000_000)
    peer.pause()
    for _ in range(200):
        assert station.connection.send("x" * 50_000)
    loop.settle()
    assert peer.texts == []
    peer.resume()
    loop.until(lambda: len(peer.texts) == 200)
    assert station.connection.send("after")
    loop.until(lambda: peer.texts[-1] == "after")


def test_on_text_may_close(loop: FakeLoop, server: Server, station: Station) -> None:
    peer = opened(loop, server, station)
    station.connection._on_text = lambda text: station.connection.network(False)
    peer.protocol.send_text(b"one")
    peer.protocol.send_text(b"two")
    peer.flush()
    loop.until(lambda: station.state == "idle")


# Silence and floods


def test_silent_csms_is_dropped_after_an_unanswered_ping(loop: FakeLoop, server: Server, station: Station) -> None:
    peer = opened(loop, server, station, ping_interval_s=30)
    loop.advance(30)
    loop.advance(30)
    loop.advance(30)
    assert station.state == "open"
    peer.pause()
    loop.advance(30)
    assert station.state == "open"
    loop.advance(30)
    assert station.seen[1:] == [("close", "the CSMS is silent: no answer to a ping")]


def test_a_new_ping_interval_counts_at_once(loop: FakeLoop, server: Server, station: Station) -> None:
    opened(loop, server, station).pause()
    station.connection.configure(profile(server.url, ping_interval_s=20))
    loop.advance(39)
    assert station.state == "open"
    loop.advance(1)
    assert "no answer to a ping" in station.seen[1][1]


def test_no_pings_with_interval_0(loop: FakeLoop, server: Server, station: Station) -> None:
    opened(loop, server, station).pause()
    loop.advance(10_000)
    assert station.state == "open"


def test_a_message_that_never_ends_is_not_waited_for(loop: FakeLoop, server: Server, station: Station) -> None:
    peer = opened(loop, server, station, assembly_timeout_s=20)
    peer.socket.send(b"\x81\x10begin")
    loop.advance(19)
    peer.socket.send(b"!")
    loop.settle()
    assert station.state == "open"
    loop.advance(2)
    assert station.seen[1:] == [("close", "a message did not arrive completely within 20 s")]


def test_time_for_a_message_counts_from_its_own_beginning(loop: FakeLoop, server: Server, station: Station) -> None:
    peer = opened(loop, server, station, assembly_timeout_s=20)
    for _ in range(5):
        peer.socket.send(b"\x81\x02a")
        loop.advance(15)
        peer.socket.send(b"b")
        loop.advance(1)
    assert station.texts == ["ab"] * 5 and station.state == "open"


def test_a_csms_that_does_not_read_is_dropped_at_the_bound(loop: FakeLoop, server: Server, station: Station) -> None:
    opened(loop, server, station, max_unsent_bytes=100_000).pause()
    text = "x" * 50_000
    for _ in range(1000):
        if not station.connection.send(text):
            break
    assert station.state == "waiting" and "does not read" in station.seen[1][1]


def test_a_message_above_the_limit(loop: FakeLoop, server: Server, station: Station) -> None:
    opened(loop, server, station, max_message_bytes=1000).send("x" * 1001)
    loop.until(lambda: station.state == "waiting")
    assert station.seen[1][1].endswith("message above 1000 bytes")


# Failures in words


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_refused_port(loop: FakeLoop, station: Station) -> None:
    words = failed(loop, station, f"ws://127.0.0.1:{closed_port()}")
    assert "connection refused" in words and "means the station itself" in words


def test_address_that_cannot_be_reached(loop: FakeLoop, station: Station) -> None:
    words = failed(loop, station, "ws://255.255.255.255:9/ocpp")
    assert "255.255.255.255 port 9 cannot be reached (" in words


def test_address_that_does_not_answer(loop: FakeLoop, station: Station) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        station.connection.configure(profile(f"ws://127.0.0.1:{full.getsockname()[1]}", connect_timeout_s=8))
        station.connection.connect()
        loop.until(lambda: station.state == "connecting")
        loop.advance(7)
        assert station.failures == []
        loop.advance(1)
        assert "does not answer within 8 s" in station.failures[0][1]
        for caller in callers:
            caller.close()


def test_name_that_does_not_resolve(loop: FakeLoop, station: Station) -> None:
    words = failed(loop, station, "ws://csms.invalid/ocpp")
    assert "csms.invalid cannot be resolved" in words


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, "web page"), (301, "not followed"), (400, "versions offered"), (401, "wants a password"),
        (403, "registered and enabled"), (404, "does not know /ocpp/CP1"), (418, "418"), (429, "too many"),
        (503, "out of order"),
    ],
)  # fmt: skip
def test_http_refusals(loop: FakeLoop, server: Server, station: Station, status: int, words: str) -> None:
    server.status = status
    server.headers = [("Location", "wss://new.example/ocpp")]
    said = failed(loop, station, server.url)
    assert words in said and len(said) < 300
    if status == 301:
        assert "wss://new.example/ocpp" in said
    loop.advance(5)
    assert len(server.requests) == 1


def test_wrong_password(loop: FakeLoop, server: Server, station: Station) -> None:
    server.status = 401
    assert "user name and password" in failed(loop, station, server.url, security_profile=1, password="x")


def test_no_subprotocol(loop: FakeLoop, server: Server, station: Station) -> None:
    server.subprotocols = ()
    assert "none of the versions offered (ocpp2.0.1, ocpp1.6)" in failed(loop, station, server.url)


def test_another_subprotocol(loop: FakeLoop, server: Server, station: Station) -> None:
    from websockets.server import ServerProtocol

    original = ServerProtocol.accept

    def accept(self: Any, request: Any) -> Any:
        response = original(self, request)
        del response.headers["Sec-WebSocket-Protocol"]
        response.headers["Sec-WebSocket-Protocol"] = "ocpp1.5"
        return response

    ServerProtocol.accept = accept  # type: ignore[method-assign]
    try:
        assert "ocpp1.5, which was not offered" in failed(loop, station, server.url)
    finally:
        ServerProtocol.accept = original  # type: ignore[method-assign]


def test_silence_after_the_request(loop: FakeLoop, server: Server, station: Station) -> None:
    server.mute = True
    station.connection.configure(profile(server.url, connect_timeout_s=7))
    station.connection.connect()
    loop.until(lambda: station.state == "handshake")
    loop.advance(6)
    assert station.failures == []
    loop.advance(1)
    assert "does not answer the WebSocket request within 7 s; if this port speaks TLS" in station.failures[0][1]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x46", "speaks TLS; the url must begin with wss://"),
        (b"SSH-2.0-x\r\n", "no web server"),
        (b"", "without answering"),
        (b"HTTP/1.1 101 x\r\n\r\n", "does not speak WebSocket"),
    ],
)
def test_something_else_listens(loop: FakeLoop, server: Server, station: Station, raw: bytes, words: str) -> None:
    server.raw = raw
    assert words in failed(loop, station, server.url)


def test_repeated_failures_are_logged_once(loop: FakeLoop, server: Server, station: Station) -> None:
    server.status = 404
    failed(loop, station, server.url)
    for number in range(1, 5):
        loop.advance(station.waits())
        loop.until(lambda number=number: len(station.failures) > number)
    warnings = [line for line in station.lines if line.startswith(b"<4>cannot connect")]
    repeats = [line for line in station.lines if line.startswith(b"<7>cannot connect")]
    assert len(warnings) == 1 and len(repeats) == 4 and b"times=5" in repeats[-1]
    server.status = 401
    loop.advance(station.waits())
    loop.until(lambda: len(station.failures) == 6)
    assert len([line for line in station.lines if line.startswith(b"<4>cannot connect")]) == 2
    assert station.connection.status()["last_error"] == station.failures[-1][1]


# Several profiles


def test_next_profile_after_its_attempts_and_round_again(loop: FakeLoop, station: Station) -> None:
    """[B10.FR.03, B10.FR.08]"""
    turns: list[int] = []
    station.connection.on_profile = turns.append
    bad = [profile(f"ws://127.0.0.1:{closed_port()}", attempts=count) for count in (2, 1)]
    station.connection.configure(bad)
    station.connection.connect()
    for number in range(3):
        loop.until(lambda number=number: len(station.failures) > number)
        loop.advance(station.waits())
    assert turns == [1, 0]
    station.connection.select(1)
    station.connection.configure(bad[:1])
    assert station.connection.status()["profile"] == 0
    station.connection.configure(bad)
    with pytest.raises(IndexError):
        station.connection.select(2)
    station.connection.select(1)
    assert station.connection.status()["profile"] == 1


def test_a_lost_connection_comes_back_to_the_profile_that_worked(
    loop: FakeLoop, server: Server, station: Station
) -> None:
    """[B10.FR.07]"""
    station.connection.configure([profile(f"ws://127.0.0.1:{closed_port()}", attempts=1), profile(server.url)])
    station.connection.connect()
    loop.until(lambda: station.failures)
    loop.advance(station.waits())
    loop.until(lambda: station.state == "open")
    server.peers[-1].close()
    loop.until(lambda: station.state == "waiting")
    loop.advance(station.waits())
    loop.until(lambda: station.state == "open")
    assert station.connection.status()["profile"] == 1 and len(server.peers) == 2


def test_settings_that_lead_nowhere_change_nothing(loop: FakeLoop, server: Server, station: Station) -> None:
    station.connection.configure(profile(server.url))
    with pytest.raises(UsageError, match="wss"):
        station.connection.configure([profile(server.url), profile(server.url, security_profile=2, password="p")])
    assert len(station.connection.profiles) == 1


# The same code on the other loops


def test_on_asyncio() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        server, station = Server(loop), Station(loop)
        station.connection.configure(profile(server.url, backoff={"wait_minimum_s": 0, "random_range_s": 0}))
        station.connection.connect()
        server.on_text = lambda peer, text: peer.send(text.upper())

        async def until(condition: Callable[[], Any]) -> None:
            async with asyncio.timeout(5):
                while not condition():
                    await asyncio.sleep(0.001)

        await until(lambda: station.state == "open")
        station.connection.send("a")
        await until(lambda: station.texts == ["A"])
        server.peers[-1].close()
        await until(lambda: len(server.peers) == 2 and station.state == "open")
        station.connection.close()
        await until(lambda: station.state == "idle")
        server.close()

    asyncio.run(scenario())


def test_on_the_stations_own_loop() -> None:
    loop = Loop()
    server, station = Server(loop), Station(loop)
    server.on_text = lambda peer, text: peer.send(text.upper())
    station.connection.configure(profile(server.url))
    station.connection._on_open = lambda subprotocol: station.connection.send("a")
    station.connection._on_text = lambda text: (station.texts.append(text), station.connection.close())
    station.connection._on_close = lambda why: loop.stop()
    station.connection.connect()
    loop.call_later(5, loop.stop)
    loop.run_forever()
    assert station.texts == ["A"] and station.state == "idle"
    server.close()
    loop.close()


# Interfaces


def test_the_connection_comes_from_the_address_of_its_interface(
    loop: FakeLoop, server: Server, station: Station
) -> None:
    peer = opened(loop, server, station, interface="127.0.0.7")
    assert peer.socket.getpeername()[0] == "127.0.0.7"


def test_the_connection_goes_through_its_device(loop: FakeLoop, server: Server, station: Station) -> None:
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
    except PermissionError:
        pytest.skip("this kernel lets nobody but root choose a device")
    opened(loop, server, station, interface="lo")


@pytest.mark.parametrize("interface", ["nonsense0", "192.0.2.1", "::1"])
def test_an_interface_that_is_not_there(loop: FakeLoop, server: Server, station: Station, interface: str) -> None:
    words = failed(loop, station, server.url, interface=interface)
    assert f"the network interface cannot be used ({interface}: " in words and "[csms.interfaces]" in words
    assert server.peers == []
