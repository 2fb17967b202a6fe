"""The CSMS: listens, keeps the record of messages and the books, scripts answers, calls stations."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from websockets.http11 import Request

from evse.csms.connection import CALL, SEND, Connection, Message, Payload
from evse.csms.ledger import Ledger

# The record of messages forgets the oldest, the list of errors takes no more.
MAX_MESSAGES = 100_000
MAX_ERRORS = 1_000


class Csms:
    """A CSMS for stations of any version; listens on the loopback interface unless told otherwise.

    versions        OCPP versions it speaks; a station gets the first of its own list that is among them
    passwords       identity -> password of HTTP basic authentication; None asks for none
    tokens          id token -> status; tokens not named are Accepted
    script          action -> what the station's call is answered: a payload, Refused(...), SILENCE, or a callable
                    (connection, payload) that returns one of these or None for the usual answer; it may be a coroutine
    refuse          HTTP requests: request -> None or (status, text); for tests of what can go wrong

    `errors` are messages that a table, OCPP-J or WebSocket forbids, in words. `ledger` books the sessions.
    """

    def __init__(
        self,
        *,
        versions: Iterable[str] = ("1.6", "2.0.1", "2.1"),
        passwords: dict[str, str] | None = None,
        heartbeat_interval_s: int = 300,
        on_message: Callable[[Message], None] | None = None,
    ) -> None:
        self.versions = tuple(versions)
        self.passwords = passwords
        self.heartbeat_interval_s = heartbeat_interval_s
        self.registration_status = "Accepted"
        self.tokens: dict[str, str] = {}
        self.script: dict[str, Any] = {}
        self.refuse: Callable[[Request], tuple[int, str] | None] | None = None
        self.on_message = on_message
        self.connections: dict[str, Connection] = {}
        self.messages: deque[Message] = deque(maxlen=MAX_MESSAGES)
        self.errors: list[str] = []
        self.ledger = Ledger()
        self.port = 0
        self._open: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listens; port 0 takes a free one, `port` then names it."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), host, port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Closes the listener and all connections; `start()` may follow, the books stay."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._open):
            connection.abort()
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        """Where stations connect to, without TLS; the identity is appended."""
        return f"ws://127.0.0.1:{self.port}/ocpp"

    def token_status(self, id_token: str) -> str:
        """AuthorizationStatus of a token."""
        return self.tokens.get(id_token, "Accepted")

    async def connected(self, identity: str, timeout_s: float = 10.0) -> Connection:
        """The open connection of a station, as soon as there is one. Raises TimeoutError."""
        return await self._until(lambda: self.connections.get(identity), timeout_s, f"connection of {identity}")  # type: ignore[no-any-return]

    async def expect(
        self,
        action: str,
        where: Callable[[Payload], Any] = lambda payload: True,
        *,
        identity: str | None = None,
        timeout_s: float = 10.0,
    ) -> Message:
        """The first call of a station with this action, past or to come, whose payload satisfies `where`.

        Raises TimeoutError that names the action and what came instead.
        """

        def found() -> Message | None:
            for message in self.messages:
                if message.direction == "in" and message.kind in (CALL, SEND) and message.action == action:
                    if identity in (None, message.identity) and where(message.payload):
                        return message
            return None

        return await self._until(found, timeout_s, action)  # type: ignore[no-any-return]

    async def _until(self, found: Callable[[], Any], timeout_s: float, what: str) -> Any:
        result = found()
        if result is not None:
            return result
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((found, future))
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            came = [message.action for message in self.messages if message.direction == "in"][-20:]
            raise TimeoutError(f"no {what} within {timeout_s} s; the last messages were {came}") from None
        finally:
            self._waiting = [entry for entry in self._waiting if entry[1] is not future]

    def _progress(self) -> None:
        for found, future in self._waiting:
            if not future.done() and (result := found()) is not None:
                future.set_result(result)

    async def call(
        self, identity: str, action: str, payload: Payload, *, timeout_s: float = 30.0, check: bool = True
    ) -> Payload:
        """Sends a CALL and returns the station's answer.

        `check=False` sends what the table forbids. Raises Refused for a CALLERROR, TimeoutError, KeyError where the
        station is not connected, ValueError for a payload that the table forbids.
        """
        return await self.connections[identity].call(action, payload, timeout_s=timeout_s, check=check)

    def send(self, identity: str, action: str, payload: Payload) -> None:
        """Sends an unconfirmed message (2.1 SEND)."""
        self.connections[identity].send(SEND, action, payload)

    def error(self, text: str) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(text)

    # Told by connections

    def opened(self, connection: Connection) -> None:
        before = self.connections.get(connection.identity)
        self.connections[connection.identity] = connection
        if before is not None:
            before.close(1000, "replaced by a newer connection of the same station")
        self._progress()

    def lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if self.connections.get(connection.identity) is connection:
            del self.connections[connection.identity]

    def made(self, connection: Connection) -> None:
        self._open.add(connection)

    def note(self, message: Message) -> None:
        self.messages.append(message)
        if message.problem is not None:
            self.error(f"{message.identity} {message.action}: {message.problem}")
        if self.on_message is not None:
            self.on_message(message)
        self._progress()
