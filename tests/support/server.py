"""A CSMS's socket for tests, in the same thread and on the same loop as the connection under test."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from websockets.frames import Opcode
from websockets.server import ServerProtocol

SILENT = logging.getLogger("tests.support.server")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


class Peer:
    """One accepted connection; `texts` are the messages received, `ended` is set when the other side has gone.

    `heard` is the beginning of what was received, without TLS.
    """

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server = server
        self.socket = sock
        self.texts: list[str] = []
        self.pongs: list[bytes] = []
        self.heard = b""
        self.request: Any = None
        self.ended = False
        self.reading = True
        self._out = b""
        self.protocol = ServerProtocol(
            subprotocols=server.subprotocols or None,  # type: ignore[arg-type]
            select_subprotocol=None if server.subprotocols else lambda protocol, offered: None,
            max_size=2**20,
            logger=SILENT,
        )
        sock.setblocking(False)
        if server.tls is not None:
            self.socket = server.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        server.loop.add_reader(self.socket.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            data = self.socket.recv(65536)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            data = b""
        self.heard = (self.heard + data)[:4096]
        if not data:
            self.close()
        elif self.server.raw is not None:
            self.socket.send(self.server.raw)
            self.close()
        elif not self.server.mute:
            self.protocol.receive_data(data)
            for event in self.protocol.events_received():
                self._event(event)
            self.flush()

    def _event(self, event: Any) -> None:
        if self.request is None:
            self.request = event
            self.server.requests.append(event)
            if self.server.status is None:
                self.protocol.send_response(self.protocol.accept(event))
            else:
                response = self.protocol.reject(self.server.status, "")
                for name, value in self.server.headers:
                    response.headers[name] = value
                self.protocol.send_response(response)
        elif event.opcode is Opcode.TEXT:
            self.texts.append(bytes(event.data).decode())
            if self.server.on_text is not None:
                self.server.on_text(self, self.texts[-1])
        elif event.opcode is Opcode.PONG:
            self.pongs.append(bytes(event.data))

    def send(self, text: str) -> None:
        self.protocol.send_text(text.encode())
        self.flush()

    def flush(self) -> None:
        """Sends what the protocol wants to say; an empty piece means that it wants to end."""
        if self.ended:
            return
        end = False
        for piece in self.protocol.data_to_send():
            self._out += piece
            end = end or not piece
        try:
            while self._out:
                self._out = self._out[self.socket.send(self._out) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            return
        except OSError:
            end = True
        if end:
            self.close()

    def pause(self) -> None:
        """Reads no more."""
        self.server.loop.remove_reader(self.socket.fileno())

    def resume(self) -> None:
        self.server.loop.add_reader(self.socket.fileno(), self._readable)

    def close(self) -> None:
        if not self.ended:
            self.ended = True
            self.server.loop.remove_reader(self.socket.fileno())
            self.socket.close()


class Server:
    """Listens on 127.0.0.1. What it answers is set by its attributes, at any time.

    status, headers   refuses with this HTTP status        raw    answers with these bytes and closes
    subprotocols      what it speaks; () accepts without   mute   never answers
    """

    def __init__(self, loop: Any, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.loop = loop
        self.tls = tls
        self.status: int | None = None
        self.headers: list[tuple[str, str]] = []
        self.raw: bytes | None = None
        self.mute = False
        self.subprotocols: Sequence[str] = ("ocpp2.1", "ocpp2.0.1", "ocpp1.6")
        self.on_text: Callable[[Peer, str], Any] | None = None
        self.peers: list[Peer] = []
        self.requests: list[Any] = []
        self.socket = socket.create_server(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]
        loop.add_reader(self.socket.fileno(), self._accept)

    @property
    def url(self) -> str:
        return f"{'wss' if self.tls else 'ws'}://127.0.0.1:{self.port}/ocpp"

    def _accept(self) -> None:
        try:
            sock, _ = self.socket.accept()
        except OSError:
            return
        self.peers.append(Peer(self, sock))

    @property
    def alive(self) -> list[Peer]:
        return [peer for peer in self.peers if not peer.ended]

    def close(self) -> None:
        for peer in self.peers:
            peer.close()
        self.loop.remove_reader(self.socket.fileno())
        self.socket.close()
