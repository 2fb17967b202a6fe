"""Names to addresses: DNS in a short-lived child, because the C library's resolver blocks for seconds."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the module `signal` loads `enum`
import _socket
import marshal
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Address = tuple[int, tuple[Any, ...]]

ANSWER_LIMIT = 4096
ADDRESS_LIMIT = 8


def numeric(host: str, port: int) -> list[Address]:
    """The address of a host that is given in numbers (no brackets), else []."""
    for family, address in ((_socket.AF_INET, (host, port)), (_socket.AF_INET6, (host, port, 0, 0))):
        try:
            _socket.inet_pton(family, host)
        except OSError:
            continue
        return [(family, address)]
    return []


class Lookup:
    """One look-up, begun at once: calls `done(addresses, error)`, never before the constructor has returned.

    `addresses` is a list of (family, sockaddr) in the order of the system's policy, empty when `error` says why. A
    child that has not answered after `timeout_s` is killed. `cancel()` forgets the look-up.
    """

    __slots__ = ("_loop", "_done", "_fd", "_pid", "_timer", "_answer")

    def __init__(
        self,
        loop: Any,
        host: str,
        port: int,
        done: Callable[[list[Address], str | None], None],
        timeout_s: float,
        getaddrinfo: Callable[..., Any] = _socket.getaddrinfo,
    ) -> None:
        self._loop = loop
        self._done = done
        self._fd = self._pid = -1
        self._answer = b""
        known = numeric(host, port)
        if known:
            self._timer = loop.call_soon(self._finish, known, None)
            return
        try:
            read, write = posix.pipe2(posix.O_NONBLOCK | posix.O_CLOEXEC)
        except OSError as problem:
            self._timer = loop.call_soon(self._finish, [], f"no descriptors left: {problem.strerror}")
            return
        try:
            self._pid = posix.fork()
        except OSError as problem:
            posix.close(read)
            posix.close(write)
            self._timer = loop.call_soon(self._finish, [], f"no process for the look-up: {problem.strerror}")
            return
        if self._pid == 0:
            _resolve(host, port, write, getaddrinfo)
        posix.close(write)
        self._fd = read
        self._timer = loop.call_later(timeout_s, self._finish, [], f"no answer within {timeout_s:g} s")
        loop.add_reader(read, self._read)

    def cancel(self) -> None:
        """Forgets the look-up; `done` is not called any more."""
        self._timer.cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            posix.close(self._fd)
            self._fd = -1
            posix.kill(self._pid, 9)
            posix.waitpid(self._pid, 0)

    def _finish(self, addresses: list[Address], error: str | None) -> None:
        self.cancel()
        self._done(addresses, error)

    def _read(self) -> None:
        try:
            data = posix.read(self._fd, ANSWER_LIMIT)
        except BlockingIOError:
            return
        self._answer += data
        if data and len(self._answer) < ANSWER_LIMIT:
            return
        try:
            answer = marshal.loads(self._answer)
        except (EOFError, ValueError, TypeError):
            answer = "the resolver died"
        if isinstance(answer, str):
            self._finish([], answer)
        else:
            self._finish(answer, None)


def _resolve(host: str, port: int, fd: int, getaddrinfo: Callable[..., Any]) -> None:
    """The child: looks up, answers, ends. It returns never, and touches nothing that it shares with the parent."""
    try:
        _signal.set_wakeup_fd(-1)
        for sig in (_signal.SIGTERM, _signal.SIGINT):
            _signal.signal(sig, _signal.SIG_DFL)
        name = host.encode() if host.isascii() else host  # text would load the module that encodes other alphabets
        found = getaddrinfo(name, port, 0, _socket.SOCK_STREAM)
        answer: Any = []
        for family, _, _, _, address in found:
            if family in (_socket.AF_INET, _socket.AF_INET6) and (family, address) not in answer:
                answer.append((int(family), address))
        answer = answer[:ADDRESS_LIMIT]
    except OSError as problem:
        answer = str(problem.strerror or problem)
    except BaseException as problem:
        answer = f"{type(problem).__name__}: {problem}"
    try:
        posix.write(fd, marshal.dumps(answer))
    finally:
        posix._exit(0)
