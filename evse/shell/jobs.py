"""Children: a job's short-lived process. The request goes in as a file, news and the answer come back as JSON lines.

    child's stdin     {"request": {...}, "places": {...}}
    child's stdout    {"news": {...}} any number of times, then {"answer": {...}} or {"error": [code, text]}

A child that is late, or says more than it may, is killed. Its stderr is the station's. Nobody waits for one to die:
the kernel may hold it until a disk or a server answers.
"""

from __future__ import annotations

import posix
import sys
from time import monotonic, sleep

from evse.errors import CsmsError
from evse.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.shell.log import Log

# What a child may say in all, and at once.
SAYS_BYTES = 4 << 20
READ_BYTES = 65536
SIGKILL, SIGPIPE = 9, 13
# Whether a killed child is dead is seen at once, after 10 ms, twice that and so on, in the end once a minute; the log
# hears of one that takes long. The end of the station waits for a second.
SOON_S, LONG_S, MOST_S = 0.01, 10.0, 60.0
CLOSE_WITHIN_S = 1.0
_CODE = "import sys; sys.path[:] = sys.argv[2].split(':'); from evse.shell.children.main import main; main(sys.argv[1])"


class _Child:
    __slots__ = ("pid", "out", "name", "timer", "said", "bytes", "answer", "error")

    def __init__(self, pid: int, out: int, name: str) -> None:
        self.pid = pid
        self.out = out
        self.name = name
        self.timer: Any = None
        self.said = b""
        self.bytes = 0
        self.answer: dict[str, Any] | None = None
        self.error: CsmsError | None = None


class Children:
    """The children of one station.

    places   where they find what they need: name -> path or setting, the same for each
    said     said(number, news) for what a child tells under way
    ended    ended(number, answer, error), exactly once for each child that was not stopped
    """

    __slots__ = ("_loop", "_log", "_places", "_said", "_ended", "_children", "_dying", "_burial")

    def __init__(
        self,
        loop: Any,
        log: Log,
        places: dict[str, Any],
        said: Callable[[int, dict[str, Any]], Any],
        ended: Callable[[int, dict[str, Any] | None, CsmsError | None], Any],
    ) -> None:
        self._loop = loop
        self._log = log
        self._places = places
        self._said = said
        self._ended = ended
        self._children: dict[int, _Child] = {}
        self._dying: list[int] = []
        self._burial: Any = None

    def start(self, number: int, name: str, request: dict[str, Any], within_s: float) -> None:
        """Starts the job `name` of evse/shell/children; killed after `within_s` seconds."""
        try:
            child = self._spawn(name, request)
        except OSError as error:
            self._ended(number, None, CsmsError("InternalError", f"{name}: no process: {error.strerror}"))
            return
        self._children[number] = child
        self._loop.add_reader(child.out, self._heard, number)
        child.timer = self._loop.call_later(within_s, self._late, number, within_s)

    def stop(self, number: int) -> None:
        """Kills a job; nothing more is heard of it."""
        child = self._children.pop(number, None)
        if child is not None:
            self._reap(child)

    def close(self) -> None:
        """Kills all."""
        for number in list(self._children):
            self.stop(number)
        until = monotonic() + CLOSE_WITHIN_S
        while self._dying and monotonic() < until:
            sleep(SOON_S)
            self._bury()
        if self._burial is not None:
            self._burial.cancel()

    def _spawn(self, name: str, request: dict[str, Any]) -> _Child:
        # Byte code beside the sources is there for the flags of the daemon, or for none.
        level = ["-OO"] if sys.pycache_prefix is None else []
        command = [sys.executable, "-I", "-S", "-B", *level, "-c", _CODE, name, ":".join(sys.path)]
        text = dumps({"request": request, "places": self._places}).encode()
        request_fd = posix.memfd_create("job")
        try:
            while text:
                text = text[posix.write(request_fd, text) :]
            posix.lseek(request_fd, 0, 0)
            out, child_out = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
            try:
                posix.set_blocking(child_out, True)
                actions = [(posix.POSIX_SPAWN_DUP2, request_fd, 0), (posix.POSIX_SPAWN_DUP2, child_out, 1)]
                pid = posix.posix_spawn(
                    sys.executable, command, posix.environ, file_actions=actions, setsigdef=[SIGPIPE]
                )
            except OSError:
                posix.close(out)
                raise
            finally:
                posix.close(child_out)
        finally:
            posix.close(request_fd)
        return _Child(pid, out, name)

    def _heard(self, number: int) -> None:
        child = self._children[number]
        try:
            data = posix.read(child.out, READ_BYTES)
        except BlockingIOError:
            return
        child.bytes += len(data)
        *lines, child.said = (child.said + data).split(b"\n")
        for line in lines:
            self._line(number, child, line)
            if number not in self._children:
                return  # stopped by what it said
        if not data:
            error = child.error
            if error is None and child.answer is None:
                error = CsmsError("InternalError", f"{child.name}: the process ended without an answer")
            self._end(number, child.answer, error)
        elif child.bytes > SAYS_BYTES:
            self._end(number, None, CsmsError("InternalError", f"{child.name}: the process says too much"))

    def _line(self, number: int, child: _Child, line: bytes) -> None:
        try:
            said = loads(line.decode())
            if "news" in said:
                self._said(number, said["news"])
            elif "answer" in said:
                child.answer = said["answer"]
            else:
                code, text = said["error"]
                child.error = CsmsError(code, text)
        except (ValueError, KeyError, TypeError):
            self._log.error("a child process said what nobody understands", job=child.name, bytes=len(line))

    def _late(self, number: int, within_s: float) -> None:
        child = self._children[number]
        self._end(number, None, CsmsError("Timeout", f"{child.name}: not done within {within_s:.0f} s"))

    def _end(self, number: int, answer: dict[str, Any] | None, error: CsmsError | None) -> None:
        self._reap(self._children.pop(number))
        self._ended(number, None if error is not None else answer, error)

    def _reap(self, child: _Child) -> None:
        """Whoever closed its end has said all; whoever has not is no longer wanted."""
        self._loop.remove_reader(child.out)
        posix.close(child.out)
        if child.timer is not None:
            child.timer.cancel()
        posix.kill(child.pid, SIGKILL)
        self._dying.append(child.pid)
        self._bury()

    def _bury(self, wait_s: float = SOON_S) -> None:
        """Takes the dead off the kernel's list, and looks again later for those that are not dead yet."""
        if self._burial is not None:
            self._burial.cancel()
            self._burial = None
        self._dying = [pid for pid in self._dying if not posix.waitpid(pid, posix.WNOHANG)[0]]
        if not self._dying:
            return
        if wait_s / 2 < LONG_S <= wait_s:
            self._log.error("a child process was killed and does not end", pids=self._dying)
        self._burial = self._loop.call_later(wait_s, self._bury, min(2 * wait_s, MOST_S))
