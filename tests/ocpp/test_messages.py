"""Message mode against a small server on websockets' own protocol, and its types against mypy."""

import asyncio
import base64
import contextlib
import json
import logging
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from evse.errors import CsmsError, UsageError
from evse.ocpp.messages import MAX_OPEN_REQUESTS, CallError, MessageClient
from evse.ocpp.schema import SchemaError
from tests.support.certificates import Certificate

ROOT = Path(__file__).parents[2]
BOOT = {"reason": "PowerUp", "chargingStation": {"vendorName": "v", "model": "m"}}
BOOTED = {"status": "Accepted", "interval": 60, "currentTime": "2024-01-01T00:00:00Z"}


class Csms:
    """The other side: takes one connection; `received` are the frames of the client, `say` sends one."""

    def __init__(self, subprotocols=("ocpp1.6", "ocpp2.0.1", "ocpp2.1"), reject=None, tls=None):
        self.subprotocols = subprotocols
        self.tls = tls
        self.reject = reject
        self.received = asyncio.Queue()
        self.request = None
        self.closed_with = None
        self.gone = asyncio.Event()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        scheme = "wss" if self.tls else "ws"
        self.url = f"{scheme}://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/ocpp"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        if self.request is not None:
            self.writer.close()

    async def _serve(self, reader, writer):
        self.protocol, self.writer = ServerProtocol(subprotocols=self.subprotocols), writer
        parts = []
        while data := await reader.read(1 << 16):
            self.protocol.receive_data(data)
            for event in self.protocol.events_received():
                if isinstance(event, Request):
                    self._answer_handshake(event)
                elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.CONT):
                    parts.append(bytes(event.data))
                    if event.fin:
                        self.received.put_nowait(json.loads(b"".join(parts)))
                        parts.clear()
                elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                    self.closed_with = self.protocol.close_rcvd.code
            self.flush()
        writer.close()
        self.gone.set()

    def _answer_handshake(self, request):
        self.request = request
        try:
            response = self.reject(self.protocol) if self.reject else self.protocol.accept(request)
        except InvalidHandshake as error:
            response = self.protocol.reject(400, str(error))
        self.protocol.send_response(response)

    def flush(self):
        for data in self.protocol.data_to_send():
            if data:
                self.writer.write(data)
            else:
                self.writer.close()

    def say(self, frame):
        text = frame if isinstance(frame, (str, bytes)) else json.dumps(frame)
        self.protocol.send_text(text if isinstance(text, bytes) else text.encode())
        self.flush()

    async def heard(self):
        return await asyncio.wait_for(self.received.get(), 5)


@contextlib.asynccontextmanager
async def connection(version="2.0.1", **settings):
    async with Csms() as csms, MessageClient(csms.url, "CS-1", version, **settings) as client:
        yield csms, client


async def _answer(csms, payload):
    """Hears one CALL of the client and answers it."""
    frame = await csms.heard()
    csms.say([3, frame[1], payload])
    return frame


def run(test):
    """The coroutine function as a test, within ten seconds."""

    def in_loop():
        asyncio.run(asyncio.wait_for(test(), 10))

    in_loop.__name__, in_loop.__doc__ = test.__name__, test.__doc__
    return in_loop


@run
async def test_a_call_and_its_answer():
    async with connection() as (csms, client):
        call = asyncio.create_task(client.call("BootNotification", BOOT))
        kind, id, action, payload = await _answer(csms, BOOTED)
        assert (kind, action, payload) == (2, "BootNotification", BOOT) and 0 < len(id) <= 36
        assert await call == BOOTED


@pytest.mark.parametrize(
    ("version", "action", "request_", "answer"),
    [
        ("1.6", "Authorize", {"idTag": "A"}, {"idTagInfo": {"status": "Accepted"}}),
        ("2.0.1", "ClearedChargingLimit", {"chargingLimitSource": "EMS"}, {}),
        ("2.1", "BatterySwap", {"eventType": "BatteryIn", "requestId": 1, "idToken": {"idToken": "A", "type": "x"},
                                "batteryData": [{"evseId": 1, "serialNumber": "s", "soC": 5, "soH": 90}]}, {}),
    ],
)  # fmt: skip
def test_each_version(version, action, request_, answer):
    async def test():
        async with connection(version) as (csms, client):
            call = asyncio.create_task(client.call(action, request_))
            assert (await _answer(csms, answer))[2:] == [action, request_]
            assert await call == answer
            assert csms.protocol.subprotocol == "ocpp" + version

    run(test)()


@run
async def test_calls_are_sent_one_at_a_time_in_order():
    async with connection() as (csms, client):
        calls = [asyncio.create_task(client.call("Heartbeat", {})) for _ in range(3)]
        ids = []
        for _ in range(3):
            frame = await csms.heard()
            assert csms.received.empty()
            ids.append(frame[1])
            csms.say([3, frame[1], {"currentTime": "2024-01-01T00:00:00Z"}])
        await asyncio.gather(*calls)
        assert len(set(ids)) == 3


@run
async def test_a_call_error_is_raised():
    async with connection() as (csms, client):
        call = asyncio.create_task(client.call("Heartbeat", {}))
        frame = await csms.heard()
        csms.say([4, frame[1], "OwnWord", "no", {"why": 1}])
        with pytest.raises(CallError) as caught:
            await call
        assert (caught.value.code, caught.value.description, caught.value.details) == ("OwnWord", "no", {"why": 1})


@run
async def test_no_answer_is_a_timeout_and_a_late_one_is_dropped():
    async with connection() as (csms, client):
        with pytest.raises(CsmsError) as caught:
            await client.call("Heartbeat", {}, timeout_s=0.01)
        assert caught.value.code == "Timeout"
        csms.say([3, (await csms.heard())[1], {"currentTime": "2024-01-01T00:00:00Z"}])
        call = asyncio.create_task(client.call("BootNotification", BOOT))
        await _answer(csms, BOOTED)
        assert await call == BOOTED


@run
async def test_a_wrong_request_is_not_sent():
    async with connection() as (csms, client):
        with pytest.raises(SchemaError, match=r"chargingStation\.model"):
            await client.call("BootNotification", {**BOOT, "chargingStation": {"vendorName": "v"}})
        for action in ("BatterySwap", "BootNotificationRequest", "Nonsense", "NotifyPeriodicEventStream"):
            with pytest.raises(UsageError):
                await client.call(action, {})
            with pytest.raises(UsageError):
                await client.send(action, {})
        assert csms.received.empty()


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_a_wrong_answer_is_an_error_and_in_2_1_the_csms_hears_of_it(version):
    async def test():
        async with connection(version) as (csms, client):
            call = asyncio.create_task(client.call("Heartbeat", {}))
            frame = await _answer(csms, {"currentTime": 5})
            with pytest.raises(SchemaError):
                await call
            if version == "2.1":
                assert (await csms.heard())[:3] == [5, frame[1], "TypeConstraintViolation"]
            assert csms.received.empty()

    run(test)()


@run
async def test_a_send_has_no_answer():
    stream = {"id": 1, "pending": 0, "basetime": "2024-01-01T00:00:00Z", "data": [{"t": 0, "v": "1"}]}
    async with connection("2.1") as (csms, client):
        heard = asyncio.Queue()
        client.on("NotifyPeriodicEventStream")(heard.put_nowait)
        await client.send("NotifyPeriodicEventStream", stream)
        frame = await csms.heard()
        assert frame[0] == 6 and frame[2:] == ["NotifyPeriodicEventStream", stream]
        csms.say([6, "s1", "NotifyPeriodicEventStream", stream])
        assert await heard.get() == stream
        csms.say([6, "s2", "NotifyPeriodicEventStream", {}])  # wrong, and still no answer
        await client.ping()
        assert csms.received.empty()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_handler_answers(asynchronous):
    async def test():
        async with connection() as (csms, client):
            @client.on("Reset")
            def reset(request):
                assert request == {"type": "Immediate"}
                return {"status": "Scheduled"}

            if asynchronous:
                @client.on("Reset")
                async def reset_later(request):
                    await asyncio.sleep(0)
                    return {"status": "Rejected"}

            csms.say([2, "a", "Reset", {"type": "Immediate"}])
            assert await csms.heard() == [3, "a", {"status": "Rejected" if asynchronous else "Scheduled"}]

    run(test)()


@run
async def test_a_handler_runs_while_a_call_is_open():
    async with connection() as (csms, client):
        client.on("ClearCache")(lambda request: {"status": "Accepted"})
        call = asyncio.create_task(client.call("Heartbeat", {}))
        frame = await csms.heard()
        csms.say([2, "b", "ClearCache", {}])
        assert (await csms.heard())[1] == "b"
        csms.say([3, frame[1], {"currentTime": "2024-01-01T00:00:00Z"}])
        await call


def _fails(request):
    raise RuntimeError("secret")


def _refuses(request):
    raise CallError("SecurityError", "not you", {"a": 1})


@pytest.mark.parametrize(
    ("version", "handler", "action", "payload", "code"),
    [
        ("2.0.1", None, "Nonsense", {}, "NotImplemented"),
        ("2.0.1", None, "BatterySwap", {}, "NotImplemented"),
        ("2.0.1", None, "ClearCache", {}, "NotSupported"),
        ("2.0.1", _fails, "ClearCache", {}, "InternalError"),
        ("2.0.1", _refuses, "ClearCache", {}, "SecurityError"),
        ("2.0.1", lambda request: {"status": "Perhaps"}, "ClearCache", {}, "InternalError"),
        ("2.0.1", lambda request: None, "ClearCache", {}, "InternalError"),
        ("2.0.1", _fails, "Reset", {}, "OccurrenceConstraintViolation"),
        ("1.6", _fails, "Reset", {}, "OccurenceConstraintViolation"),
        ("2.0.1", _fails, "Reset", {"type": 1}, "TypeConstraintViolation"),
        ("2.0.1", _fails, "Reset", {"type": "Immediate", "x": 1}, "FormatViolation"),
    ],
)
def test_a_request_that_is_refused(version, handler, action, payload, code):
    async def test():
        async with connection(version) as (csms, client):
            if handler is not None:
                client.on(action)(handler)
            csms.say([2, "c", action, payload])
            frame = await csms.heard()
            assert frame[:3] == [4, "c", code] and "secret" not in str(frame)
            assert frame[4] == ({"a": 1} if code == "SecurityError" else {})

    run(test)()


@run
async def test_frames_that_are_none_are_answered_as_the_version_says():
    async with connection("2.0.1") as (csms, _):
        csms.say("{")
        assert (await csms.heard())[:3] == [4, "-1", "RpcFrameworkError"]
        csms.say([9, "d", {}])
        assert (await csms.heard())[:3] == [4, "d", "MessageTypeNotSupported"]
    async with connection("1.6") as (csms, client):
        csms.say("{")
        csms.say([9, "d", {}])
        csms.say([3, "nobody waits", {}])
        csms.say([2, "e", "Reset", []])
        assert (await csms.heard())[:3] == [4, "e", "FormationViolation"]
        csms.say([2, "f", 5, {}])
        assert (await csms.heard())[:3] == [4, "f", "ProtocolError"]
        assert client.connected


@run
async def test_an_unreadable_answer_ends_the_call():
    async with connection() as (csms, client):
        call = asyncio.create_task(client.call("Heartbeat", {}))
        csms.say([3, (await csms.heard())[1], 5])
        with pytest.raises(CallError):
            await call


@run
async def test_open_requests_are_bounded():
    async with connection() as (csms, client):
        go = asyncio.Event()

        @client.on("ClearCache")
        async def clear(request):
            await go.wait()
            return {"status": "Accepted"}

        for number in range(MAX_OPEN_REQUESTS):
            csms.say([2, f"n{number}", "ClearCache", {}])
        csms.say([2, "n0", "ClearCache", {}])
        assert (await csms.heard())[:3] == [4, "n0", "InternalError"]
        csms.say([2, "more", "ClearCache", {}])
        assert (await csms.heard())[:3] == [4, "more", "InternalError"]
        go.set()
        assert {(await csms.heard())[0] for _ in range(MAX_OPEN_REQUESTS)} == {3}


@run
async def test_the_end_of_the_connection_ends_calls_and_pings():
    async with connection() as (csms, client):
        call = asyncio.create_task(client.call("Heartbeat", {}))
        await csms.heard()
        csms.writer.transport.abort()
        with pytest.raises(CsmsError) as caught:
            await call
        assert caught.value.code == "Disconnected"
        await client.wait_closed()
        assert not client.connected
        for attempt in (client.call("Heartbeat", {}), client.ping()):
            with pytest.raises(CsmsError, match="Disconnected"):
                await attempt


@run
async def test_the_client_connects_again():
    async with Csms() as first, Csms() as second:
        client = MessageClient(first.url, "CS-1", "2.0.1")
        await client.connect()
        with pytest.raises(UsageError):
            await client.connect()
        await client.close()
        await client.close()
        client._endpoint = MessageClient(second.url, "CS-1", "2.0.1")._endpoint
        await client.connect()
        call = asyncio.create_task(client.call("BootNotification", BOOT))
        await _answer(second, BOOTED)
        assert await call == BOOTED
        await client.close()
        await first.gone.wait()
        await second.gone.wait()
        assert first.closed_with == second.closed_with == 1000


@run
async def test_ping():
    async with connection() as (csms, client):
        assert 0 <= await client.ping() < 5
        csms.protocol.receive_data = lambda data: None
        with pytest.raises(CsmsError, match="Timeout"):
            await client.ping(timeout_s=0.01)
        await client.close(timeout_s=0.01)


@run
async def test_the_identity_is_appended_once_and_the_password_sent_as_it_is():
    async with Csms() as csms:
        secret = "p\u00e4ss:0xFF"
        for url, identity in ((csms.url, "CS 1"), (csms.url + "/", "CS 1"), (csms.url + "/CS%201", "CS 1")):
            async with MessageClient(url, identity, "2.0.1", password=secret):
                assert csms.request.path == "/ocpp/CS%201"
                kind, _, credentials = csms.request.headers["Authorization"].partition(" ")
                assert (kind, base64.b64decode(credentials).decode()) == ("Basic", f"CS 1:{secret}")


def test_nothing_of_the_handshake_is_logged(caplog):
    async def test():
        async with connection(password="hunter2"):
            pass

    with caplog.at_level(logging.DEBUG):
        run(test)()
    ours = [record for record in caplog.records if record.name != "websockets.server"]
    text = "".join(str(record.__dict__) for record in ours)
    assert len(ours) < len(caplog.records)  # the other side's, at the same level
    assert "Authorization" not in text and base64.b64encode(b"CS-1:hunter2").decode() not in text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"reject": lambda protocol: protocol.reject(401, "no")}, "HTTP status 401"),
        ({"reject": lambda protocol: protocol.reject(302, "there")}, "HTTP status 302"),
        ({"subprotocols": None}, "does not speak ocpp2.0.1"),
    ],
)
def test_a_refused_connection_is_told_in_words(settings, words):
    async def test():
        async with Csms(**settings) as csms:
            client = MessageClient(csms.url, "CS-1", "2.0.1")
            with pytest.raises(CsmsError, match=words) as caught:
                await client.connect()
            assert caught.value.code == "Refused" and not client.connected

    run(test)()


@run
async def test_an_end_before_the_answer_is_a_refusal():
    async def hang_up(reader, writer):
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    client = MessageClient(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", "CS-1", "1.6")
    with pytest.raises(CsmsError) as caught:
        await client.connect()
    assert caught.value.code in ("Refused", "Unreachable")
    server.close()


@run
async def test_a_silent_server_is_a_timeout():
    kept = []
    server = await asyncio.start_server(lambda *streams: kept.append(streams), "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(CsmsError) as caught:
        await MessageClient(url, "CS-1", "1.6", connect_timeout_s=0.02).connect()
    assert caught.value.code == "Timeout"
    kept[0][1].close()
    server.close()
    with pytest.raises(CsmsError) as caught:
        await MessageClient(url, "CS-1", "1.6").connect()
    assert caught.value.code == "Unreachable"


@run
async def test_proxy_settings_of_the_environment_are_not_used():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")
        async with connection() as (csms, _):
            assert csms.protocol.state is State.OPEN


def test_tls(tmp_path):
    root = Certificate("root", ca=True)
    server = Certificate("csms", root, names=("127.0.0.1",)).server(tmp_path)
    (tmp_path / "root.pem").write_text(root.pem())
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(tmp_path / "root.pem")

    async def test():
        async with Csms(tls=server) as csms:
            with pytest.raises(CsmsError, match="certificate verify failed") as caught:
                await MessageClient(csms.url, "CS-1", "2.0.1").connect()
            assert caught.value.code == "Unreachable"
            client = MessageClient(csms.url, "CS-1", "2.0.1", password="secret", tls=trusting)
            await client.connect()
            call = asyncio.create_task(client.call("BootNotification", BOOT))
            await _answer(csms, BOOTED)
            assert await call == BOOTED
            assert csms.request.headers["Authorization"].startswith("Basic ")
            await client.close()
            await csms.gone.wait()
            assert csms.closed_with == 1000

    run(test)()


@run
async def test_a_csms_that_does_not_say_goodbye_is_left():
    async with connection() as (csms, client):
        csms.protocol.receive_data = lambda data: None
        await client.close(timeout_s=0.01)
        assert not client.connected


@run
async def test_an_oversized_message_ends_the_connection():
    async with connection(max_message_bytes=1000) as (csms, client):
        csms.say([3, "x", {"data": "y" * 2000}])
        await client.wait_closed()
        await csms.gone.wait()
        assert not client.connected and csms.closed_with == 1009


@run
async def test_binary_messages_end_the_connection():
    async with connection() as (csms, client):
        csms.protocol.send_binary(b"x")
        csms.flush()
        await client.wait_closed()
        await csms.gone.wait()
        assert csms.closed_with == 1003


@run
async def test_a_message_in_fragments_is_one_message():
    async with connection() as (csms, client):
        client.on("ClearCache")(lambda request: {"status": "Accepted"})
        csms.protocol.send_text(b'[2,"fr","Clear', fin=False)
        csms.protocol.send_ping(b"between")
        csms.protocol.send_continuation(b'Cache",{}]', fin=True)
        csms.flush()
        assert await csms.heard() == [3, "fr", {"status": "Accepted"}]


@pytest.mark.parametrize(
    ("url", "version"),
    [("http://x", "1.6"), ("x", "1.6"), ("ws://", "1.6"), ("ws://x#y", "1.6"), ("ws://x", "1.5"), ("ws://x", "")],
)
def test_wrong_settings(url, version):
    with pytest.raises(UsageError):
        MessageClient(url, "CS-1", version)


@pytest.mark.parametrize(("identity", "password"), [("", None), ("x" * 49, None), ("a:b", "password")])
def test_a_wrong_identity(identity, password):
    with pytest.raises(UsageError, match="identity"):
        MessageClient("ws://x", identity, "2.0.1", password=password)


def test_a_handler_for_an_unknown_action():
    with pytest.raises(UsageError, match="BatterySwap"):
        MessageClient("ws://x", "CS-1", "2.0.1").on("BatterySwap")


def _mypy(path):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(path)],
        cwd=ROOT, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_the_documented_example_type_checks():
    assert _mypy(ROOT / "docs/examples/message_mode.py")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "error"),
    [
        ('"model": "One"', '"modell": "One"', "call-overload"),
        ('"type": "ISO14443"', '"type": "ISO1444"', "call-overload"),
        ('"BootNotification", {', '"BootNotificatio", {', "call-overload"),
        ('authorized["idTokenInfo"]', 'authorized["idTagInfo"]', "typeddict-item"),
        ('"status": "Rejected"', '"status": "Refused"', "typeddict-item"),
        ('"reasonCode"', '"reason"', "typeddict"),
        ("request: v201.ResetRequest", "request: v201.AuthorizeRequest", "arg-type"),
    ],
)
def test_a_wrong_word_in_the_example_does_not(tmp_path, right, wrong, error):
    text = (ROOT / "docs/examples/message_mode.py").read_text()
    assert right in text
    path = tmp_path / "example.py"
    path.write_text(text.replace(right, wrong, 1))
    code, output = _mypy(path)
    assert code == 1 and f"[{error}" in output
