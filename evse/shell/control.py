"""Control socket: one JSON object a line in, one answer a line out, in order; events to those who subscribed.

Bounds: 16 clients, 64 KiB a line, 1 MiB of answers that a client has not read; who goes beyond is disconnected.
"""

from __future__ import annotations

import _socket
import posix

from evse import jsontext
from evse.errors import EvseError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Command = Callable[[dict[str, Any], "Client"], dict[str, Any] | None]

CLIENTS = 16
LINE_BYTES = 65536
UNREAD_BYTES = 1 << 20
# What the path of a UNIX socket may hold.
PATH_BYTES = 107


class Client:
    """One connection; `wants` are the topics that it subscribed to."""

    __slots__ = ("server", "socket", "wants", "_in", "_out", "_writing", "_closing")

    def __init__(self, server: ControlServer, socket: Any) -> None:
        self.server = server
        self.socket = socket
        self.wants: frozenset[str] = frozenset()
        self._in = b""
        self._out = b""
        self._writing = False
        self._closing = False
        server.loop.add_reader(socket.fileno(), self._readable)

    def close(self) -> None:
        """Disconnects at once; may be called twice."""
        if self.socket is not None:
            fd = self.socket.fileno()
            self.server.loop.remove_reader(fd)
            if self._writing:
                self.server.loop.remove_writer(fd)
            self.socket.close()
            self.socket = None
            self.server.clients.discard(self)
            self.server.gone()

    def send(self, message: dict[str, Any]) -> None:
        """Queues one line; a client that does not read is disconnected."""
        if self.socket is None:
            return
        self._out += jsontext.dumps(message).encode("utf-8", "surrogatepass") + b"\n"
        if len(self._out) > UNREAD_BYTES:
            self.close()
        elif not self._writing:
            self._flush()

    def _flush(self) -> None:
        try:
            sent = self.socket.send(self._out)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._out = self._out[sent:]
        if bool(self._out) != self._writing:
            self._writing = bool(self._out)
            if self._writing:
                self.server.loop.add_writer(self.socket.fileno(), self._flush)
            else:
                self.server.loop.remove_writer(self.socket.fileno())
        if self._closing and not self._out:
            self.close()

    def _readable(self) -> None:
        try:
            data = self.socket.recv(LINE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        *lines, self._in = (self._in + data).split(b"\n")
        for line in lines:
            if self.socket is None or self._closing:
                return
            if len(line) > LINE_BYTES:
                self._refuse_line()
                return
            if line.strip():
                self._handle(line)
        if len(self._in) > LINE_BYTES:
            self._refuse_line()

    def _refuse_line(self) -> None:
        self._in = b""
        self._closing = True
        self.send({"ok": False, "error": f"a line has at most {LINE_BYTES} bytes"})

    def _handle(self, line: bytes) -> None:
        try:
            request = jsontext.loads(line)
        except jsontext.JsonError as error:
            self.send({"ok": False, "error": f"no JSON: {error}"})
            return
        if not isinstance(request, dict):
            self.send({"ok": False, "error": "a request is a JSON object"})
            return
        answer = self.server.answer(request, self)
        self.send({"id": request["id"], **answer} if "id" in request else answer)


class ControlServer:
    """Listens at `path` (mode 0660); `commands`: name -> callable(request, client) -> members of the answer or None.

    A command that raises UsageError or another EvseError is answered with its text; the command has taken effect when
    it is answered: `settle()` is called in between. `gone()` is called when a client has left.
    """

    __slots__ = ("loop", "path", "clients", "gone", "settle", "_commands", "_socket", "_log")

    def __init__(self, loop: Any, path: str, commands: dict[str, Command], log: Any) -> None:
        self.loop = loop
        self.path = path
        self.clients: set[Client] = set()
        self.gone: Callable[[], Any] = _nothing
        self.settle: Callable[[], Any] = _nothing
        self._commands = commands
        self._socket: Any = None
        self._log = log

    def start(self) -> None:
        """Raises UsageError if another process answers there or the path cannot be used."""
        if len(self.path.encode(errors="surrogateescape")) > PATH_BYTES:
            raise UsageError(
                f"control socket {self.path}: the path is too long, at most {PATH_BYTES} bytes; use --control"
            )
        if _answers(self.path):
            raise UsageError(f"control socket {self.path}: another station answers there; use --control or --state-dir")
        flags = _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
        listener = _socket.socket(_socket.AF_UNIX, flags, 0)
        mask = posix.umask(0o117)
        try:
            _remove(self.path)
            listener.bind(self.path)
            listener.listen(CLIENTS)
        except OSError as error:
            listener.close()
            raise UsageError(f"control socket {self.path}: {error.strerror}") from None
        finally:
            posix.umask(mask)
        self._socket = listener
        self.loop.add_reader(listener.fileno(), self._accept)

    def close(self) -> None:
        """Disconnects everybody and removes the socket; may be called twice."""
        if self._socket is not None:
            self.loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
            for client in list(self.clients):
                client.close()
            try:
                _remove(self.path)
            except OSError as error:
                self._log.warning("the control socket could not be removed", path=self.path, why=error.strerror)

    def _accept(self) -> None:
        try:
            fd, _ = self._socket._accept()
        except OSError as error:
            self._log.warning("a control client could not be accepted", why=error.strerror)
            return
        socket = _socket.socket(fileno=fd)
        socket.setblocking(False)
        if len(self.clients) >= CLIENTS:
            socket.close()
            self._log.warning("too many control clients, one was sent away", clients=CLIENTS)
            return
        self.clients.add(Client(self, socket))

    def answer(self, request: dict[str, Any], client: Client) -> dict[str, Any]:
        """What a request is answered, without its id."""
        name = request.get("cmd")
        command = self._commands.get(name) if isinstance(name, str) else None
        if command is None:
            return {"ok": False, "error": "unsupported" if isinstance(name, str) else "cmd is missing"}
        try:
            result = {"ok": True, **(command(request, client) or {})}
        except EvseError as error:
            result = {"ok": False, "error": str(error)}
        except Exception as error:  # a defect of a verb must not become a way to stop the station from outside
            self._log.error("a defect while a command was handled", cmd=name, kind=type(error).__name__, why=str(error))
            result = {"ok": False, "error": f"internal error: {type(error).__name__}"}
        self.settle()
        return result

    def publish(self, topic: str, event: dict[str, Any]) -> None:
        """Sends an event, as one line without `ok`, to the clients that want its topic."""
        for client in list(self.clients):
            if topic in client.wants:
                client.send(event)

    def wanted(self, topic: str) -> bool:
        """True if somebody listens."""
        return any(topic in client.wants for client in self.clients)


def _nothing() -> None:
    """Nobody asked."""


def _remove(path: str) -> None:
    """Removes a file that may not be there. Raises OSError."""
    try:
        posix.unlink(path)
    except FileNotFoundError:
        return


def _answers(path: str) -> bool:
    """True if a process listens at the path."""
    probe = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC, 0)
    try:
        probe.connect(path)
    except OSError:
        return False
    finally:
        probe.close()
    return True
