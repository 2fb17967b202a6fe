"""Message mode: a client for every message of an OCPP version, with plain dicts and no station behind it.

    client = MessageClient("ws://csms.example/ocpp", "CS-1", "2.0.1", password="...")

    @client.on("Reset")
    def reset(request):
        return {"status": "Accepted"}

    await client.connect()
    answer = await client.call("BootNotification", {"reason": "PowerUp", "chargingStation": {...}})

Both directions are checked against the message tables. For programs on a host (asyncio, `websockets`), not for the
resident daemon. For mypy, `evse.ocpp.typed.v201.Client` (v16, v21) knows the types of every payload.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import secrets
import ssl
import time
import uuid
from typing import TYPE_CHECKING, Any

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from evse.errors import CsmsError, UsageError
from evse.ocpp import rpc
from evse.ocpp.schema import SchemaError, Tables, rpc_code
from evse.ocpp.tables.compile import FILES, blobs
from evse.shell.endpoint import DEFAULTS, Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Handler = Callable[[Any], Any]

MAX_OPEN_REQUESTS = 32  # of the CSMS at one time; the next one is answered InternalError
_log = logging.getLogger("evse.messages")


class CallError(CsmsError):
    """The CSMS answered a call with a CALLERROR; a handler raises it to answer with one."""

    def __init__(self, code: str, description: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(code, description)
        self.description = description
        self.details = details or {}


class MessageClient:
    """One connection of one charging station, in one OCPP version: "1.6", "2.0.1" or "2.1".

    `url` is the CSMS's, with or without the identity at its end. `password` is sent as it is given (HTTP Basic). `tls`
    is the context for wss; without one, servers are verified against the system's roots, TLS 1.2 or later. Follows no
    redirect and no proxy setting. Calls are sent one at a time, in the order in which they were made. Raises UsageError
    for settings that cannot lead to a connection.
    """

    def __init__(
        self,
        url: str,
        identity: str,
        version: str,
        *,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        connect_timeout_s: float = 10.0,
        call_timeout_s: float = 30.0,
        max_message_bytes: int = 1 << 20,
    ) -> None:
        if version not in FILES:
            raise UsageError(f"OCPP version {version!r} is none of {', '.join(FILES)}")
        self._endpoint = _endpoint(url, identity, version, password)
        self.identity = identity
        self.version = version
        self._tls = tls
        self._connect_timeout_s = connect_timeout_s
        self._call_timeout_s = call_timeout_s
        self._max_message_bytes = max_message_bytes
        types = blobs(version)
        self._answered = {name.removesuffix("Response") for name in types if name.endswith("Response")}
        self._tables = Tables(version, types.get)
        self._handlers: dict[str, Handler] = {}
        self._turn = asyncio.Lock()  # one call in flight; waiters come in order
        self._flight: tuple[str, asyncio.Future[dict[str, Any]]] | None = None
        self._pings: dict[bytes, asyncio.Future[None]] = {}
        self._requests: dict[str, asyncio.Task[None]] = {}
        self._fragments: list[bytes] = []
        self._protocol: ClientProtocol | None = None
        self._reading: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> MessageClient:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        """Whether messages can be sent now."""
        return self._protocol is not None and self._protocol.state is State.OPEN

    def on(self, action: str) -> Any:
        """Decorates the function or coroutine function that answers `action`: request payload in, answer payload out.

        A CallError that it raises is the answer; any other exception is answered InternalError. A SEND has no answer.
        Raises UsageError for an action that the version does not have.
        """
        if not self._tables.knows(action):
            raise UsageError(f"OCPP {self.version} has no action {action!r}")

        def register(handler: Handler) -> Handler:
            self._handlers[action] = handler
            return handler

        return register

    async def connect(self) -> None:
        """Opens the connection; returns when the CSMS has accepted it. May be called again after it was lost.

        Raises CsmsError: "Unreachable" for no TCP or TLS connection, "Refused" for any HTTP answer but the upgrade to
        this version, "Timeout".
        """
        if self.connected:
            raise UsageError("the client is connected already")
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._open()
        except TimeoutError:
            raise CsmsError("Timeout", f"no WebSocket connection within {self._connect_timeout_s:g} s") from None
        except OSError as error:
            raise CsmsError("Unreachable", str(error)) from error

    async def call(self, action: str, payload: Mapping[str, Any], *, timeout_s: float | None = None) -> Any:
        """Sends a CALL and returns the payload of its CALLRESULT, a dict. Waits until calls made before are answered.

        Raises SchemaError where the payload or the answer breaks the version's table; CallError for a CALLERROR;
        CsmsError "Timeout" after `timeout_s` without answer (default: the client's), "Disconnected" where there is no
        connection, or it ends before the answer.
        """
        if action not in self._answered:
            raise UsageError(f"OCPP {self.version} has no CALL {action!r}")
        self._tables.check(action, payload)
        async with self._turn:
            id = str(uuid.uuid4())
            answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            self._flight = (id, answer)
            try:
                async with asyncio.timeout(self._call_timeout_s if timeout_s is None else timeout_s):
                    await self._send_text(rpc.call(id, action, dict(payload)))
                    result = await answer
            except TimeoutError:
                raise CsmsError("Timeout", f"no answer to {action}") from None
            finally:
                self._flight = None
        try:
            self._tables.check(action + "Response", result)
        except SchemaError as error:
            if self.version == "2.1" and self.connected:
                await self._send_text(rpc.result_error(id, rpc_code("2.1", error.rule), str(error)))
            raise
        return result

    async def send(self, action: str, payload: Mapping[str, Any]) -> None:
        """Sends a SEND, which has no answer; 2.1 has one. Raises SchemaError, and CsmsError "Disconnected"."""
        if not self._tables.knows(action) or action in self._answered:
            raise UsageError(f"OCPP {self.version} has no SEND {action!r}")
        self._tables.check(action, payload)
        await self._send_text(rpc.send(str(uuid.uuid4()), action, dict(payload)))

    async def ping(self, timeout_s: float = 10.0) -> float:
        """Sends a WebSocket ping; seconds until its pong. Raises CsmsError "Timeout" or "Disconnected"."""
        protocol = self._opened()
        data = secrets.token_bytes(4)
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pings[data] = pong
        start = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                protocol.send_ping(data)
                await self._flush(protocol)
                await pong
        except TimeoutError:
            raise CsmsError("Timeout", "no pong") from None
        finally:
            self._pings.pop(data, None)
        return time.monotonic() - start

    async def close(self, timeout_s: float = 5.0) -> None:
        """Says goodbye and waits for the other side's, at most `timeout_s`. Nothing happens where nothing is open."""
        reading, protocol = self._reading, self._protocol
        if reading is None or protocol is None:
            return
        if protocol.state is State.OPEN:
            protocol.send_close(1000)
            with contextlib.suppress(CsmsError, TimeoutError):
                await asyncio.wait_for(self._flush(protocol), timeout_s)
        ended, _ = await asyncio.wait([reading], timeout=timeout_s)
        if not ended:
            self._writer.transport.abort()
            await asyncio.wait([reading])

    async def wait_closed(self) -> None:
        """Returns once the connection is gone, for whatever reason."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    # Connection

    async def _open(self) -> None:
        to = self._endpoint
        context = (self._tls or _default_tls()) if to.secure else None
        reader, self._writer = await asyncio.open_connection(to.host, to.port, ssl=context, limit=1 << 16)
        try:
            protocol = await self._handshake(reader)
        except BaseException:
            self._writer.close()
            raise
        self._protocol = protocol
        self._fragments.clear()
        self._reading = asyncio.create_task(self._read(reader, protocol))

    async def _handshake(self, reader: asyncio.StreamReader) -> ClientProtocol:
        silent = logging.Logger("evse.messages", logging.CRITICAL + 1)  # the library would log Authorization
        offer = Subprotocol("ocpp" + self.version)
        uri = parse_uri(self._endpoint.url)
        protocol = ClientProtocol(uri, subprotocols=[offer], max_size=self._max_message_bytes, logger=silent)
        request = protocol.connect()
        for name, value in self._endpoint.headers:
            request.headers[name] = value
        protocol.send_request(request)
        await self._flush(protocol)
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            if data := await reader.read(1 << 16):
                protocol.receive_data(data)
            else:
                protocol.receive_eof()
        failure = protocol.handshake_exc
        if isinstance(failure, InvalidStatus):
            raise CsmsError("Refused", f"the CSMS answered with HTTP status {failure.response.status_code}")
        if failure is not None:
            why = str(failure) if isinstance(failure, InvalidHandshake) else "the connection ended before the answer"
            raise CsmsError("Refused", why)
        if protocol.subprotocol != offer:
            raise CsmsError("Refused", f"the CSMS does not speak {offer}")
        return protocol

    async def _read(self, reader: asyncio.StreamReader, protocol: ClientProtocol) -> None:
        """Until the connection ends: what comes in is handled, what is owed is written, then all who wait are told."""
        try:
            self._handle_events(protocol)  # what came with the handshake's last bytes
            while data := await reader.read(1 << 16):
                protocol.receive_data(data)
                self._handle_events(protocol)
                await self._flush(protocol)
                if protocol.close_expected():
                    break
        except (OSError, EOFError, CsmsError) as error:
            _log.info("%s: the connection broke: %s", self.identity, error)
        finally:
            protocol.receive_eof()
            self._writer.close()
            self._disconnected()

    def _disconnected(self) -> None:
        waiting: list[asyncio.Future[Any]] = list(self._pings.values())
        if self._flight is not None:
            waiting.append(self._flight[1])
        for future in waiting:
            if not future.done():
                future.set_exception(CsmsError("Disconnected", "the connection ended"))
        for task in self._requests.values():
            task.cancel()

    def _opened(self) -> ClientProtocol:
        if self._protocol is None or self._protocol.state is not State.OPEN:
            raise CsmsError("Disconnected", "there is no connection")
        return self._protocol

    async def _send_text(self, text: str) -> None:
        protocol = self._opened()
        protocol.send_text(text.encode())
        await self._flush(protocol)

    async def _flush(self, protocol: ClientProtocol) -> None:
        """Writes what the protocol has to say, and waits while the other side does not read."""
        for data in protocol.data_to_send():
            if data:
                self._writer.write(data)
            else:  # the protocol ends our direction
                self._writer.close()
        try:
            await self._writer.drain()
        except OSError as error:
            raise CsmsError("Disconnected", str(error)) from None

    # Messages

    def _handle_events(self, protocol: ClientProtocol) -> None:
        for event in protocol.events_received():
            if not isinstance(event, Frame):
                continue
            if event.opcode is Opcode.PONG:
                pong = self._pings.get(bytes(event.data))
                if pong is not None and not pong.done():
                    pong.set_result(None)
            elif event.opcode is Opcode.BINARY:
                protocol.fail(1003, "OCPP-J is text")
            elif event.opcode in (Opcode.TEXT, Opcode.CONT):
                self._fragments.append(bytes(event.data))
                if event.fin:
                    text = b"".join(self._fragments)
                    self._fragments.clear()
                    self._receive(text, protocol)

    def _receive(self, text: bytes, protocol: ClientProtocol) -> None:
        try:
            frame = rpc.parse(text)
        except rpc.RpcError as error:
            self._malformed(error, protocol)
            return
        kind, id = frame[:2]
        flight = self._flight
        if kind in (rpc.CALL, rpc.SEND):
            if len(self._requests) >= MAX_OPEN_REQUESTS or id in self._requests:
                if kind == rpc.CALL:
                    self._reply(protocol, rpc.error(id, "InternalError", "too many open requests, or two with this id"))
                return
            self._requests[id] = task = asyncio.create_task(self._request(kind, id, frame[2], frame[3]))
            task.add_done_callback(lambda _: self._requests.pop(id, None))
        elif kind == rpc.RESULT_ERROR:
            _log.warning("%s: the CSMS could not process an answer: %s", self.identity, frame[2][:50])
        elif flight is None or flight[0] != id or flight[1].done():
            _log.info("%s: an answer that nobody waits for", self.identity)
        elif kind == rpc.RESULT:
            flight[1].set_result(frame[2])
        else:
            flight[1].set_exception(CallError(frame[2], frame[3], frame[4] if isinstance(frame[4], dict) else None))

    def _malformed(self, error: rpc.RpcError, protocol: ClientProtocol) -> None:
        _log.warning("%s: the CSMS sent no valid frame: %s", self.identity, error)
        flight = self._flight
        if not error.answer:
            if flight is not None and flight[0] == error.id and not flight[1].done():
                flight[1].set_exception(CallError(error.code, error.description))
        elif (refusal := rpc.refusal(error, self.version)) is not None:
            self._reply(protocol, refusal)

    def _reply(self, protocol: ClientProtocol, text: str) -> None:
        """Queues a frame from within the reader, which flushes after the events."""
        if protocol.state is State.OPEN:
            protocol.send_text(text.encode())

    async def _request(self, kind: int, id: str, action: str, payload: dict[str, Any]) -> None:
        """Handles a CALL or SEND of the CSMS, and answers the CALL."""
        try:
            answer = await self._handle(action, payload)
            text = rpc.result(id, answer) if kind == rpc.CALL else ""
        except CallError as error:
            text = rpc.error(id, error.code, error.description, error.details)
        except Exception:
            _log.exception("%s: %s could not be handled", self.identity, action[:50])
            text = rpc.error(id, "InternalError", "the request could not be processed")
        if kind == rpc.CALL and self.connected:
            try:
                await self._send_text(text)
            except CsmsError:
                _log.info("%s: the connection ended before the answer to %s", self.identity, action)

    async def _handle(self, action: str, payload: dict[str, Any]) -> Any:
        if not self._tables.knows(action):
            raise CallError("NotImplemented", f"{action[:50]} is not known in OCPP {self.version}")
        handler = self._handlers.get(action)
        if handler is None:
            raise CallError("NotSupported", f"{action} has no handler")
        try:
            self._tables.check(action, payload)
        except SchemaError as error:
            raise CallError(rpc_code(self.version, error.rule), str(error)) from None
        answer = handler(payload)
        if inspect.isawaitable(answer):
            answer = await answer
        if action in self._answered:
            self._tables.check(action + "Response", answer)
        return answer


def _endpoint(url: str, identity: str, version: str, password: str | None) -> Endpoint:
    profile = {**DEFAULTS, "url": url, "identity": identity, "password": password, "subprotocols": ["ocpp" + version]}
    if password is not None:
        profile["security_profile"] = 2 if url.lower().startswith("wss:") else 1
    return Endpoint(profile)


def _default_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    return context
