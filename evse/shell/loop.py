"""Event loop of the station process: descriptors, timers and signals, with the names of asyncio's own loop.

Whatever runs on this loop also runs on an asyncio loop; asyncio itself would cost the process several megabytes.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the module `signal` loads `enum`
import posix
import time
from select import EPOLLIN, EPOLLOUT, epoll, select

from evse.clock import Timers
from evse.errors import EvseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.clock import Timer
    from evse.shell.log import Log

    Call = Callable[..., Any]

# epoll waits for whole milliseconds and rounds up; what is due sooner than this is waited for exactly, by select.
EXACT_S = 0.01
# epoll refuses to wait for 2^31 ms; nobody minds an idle pass a day.
LONGEST_S = 86_400.0

# Descriptors that one pass serves; others that are ready have their turn in the next.
READY = 16
# What of a descriptor's state is a matter for its reader, and for its writer: both hear that it is closed or failed.
FOR_READER, FOR_WRITER = ~EPOLLOUT, ~EPOLLIN


class Handle:
    """A call that is due later; `cancel()` may be called at any time and any number of times.

    With a timer it is that which makes the call.
    """

    __slots__ = ("_call", "_args", "_timer")

    def __init__(self, call: Call, args: tuple[Any, ...]) -> None:
        self._call: Call | None = call
        self._args = args
        self._timer: Timer | None = None

    def cancel(self) -> None:
        """Forgets the call."""
        self._call = None
        self._args = ()
        if self._timer is not None:
            self._timer.cancel()

    def cancelled(self) -> bool:
        """True once `cancel()` was called."""
        return self._call is None

    def when(self) -> float:
        """The loop's time at which the call is due; for handles of `call_at` and `call_later`."""
        return self._timer.when if self._timer is not None else 0.0


class Loop:
    """Calls back when descriptors are ready, when timers are due and when signals arrive.

    What a callback raises goes to `exception_handler(loop, context)`, as with asyncio. Without one, an OSError or
    EvseError is logged (a fault outside ends no process) and everything else is raised from `run_forever()`: a broken
    invariant. `time()` gives monotonic seconds.
    """

    time = staticmethod(time.monotonic)

    def __init__(
        self,
        exception_handler: Callable[[Any, dict[str, Any]], None] | None = None,
        log: Log | None = None,
    ) -> None:
        self._handler = exception_handler
        self._log = log
        self._epoll: epoll | None = epoll()
        self._calls: dict[int, list[Handle | None]] = {}  # descriptor -> [reader, writer]
        self._soon: list[Handle] = []
        self._timers = Timers()
        self._stopping = False
        self._signals: dict[int, Handle] = {}
        self._wakeup: tuple[int, int] | None = None

    def call_soon(self, call: Call, *args: Any) -> Handle:
        """Calls `call(*args)` in the next pass."""
        handle = Handle(call, args)
        self._soon.append(handle)
        return handle

    def call_later(self, delay: float, call: Call, *args: Any) -> Handle:
        """Calls `call(*args)` in `delay` seconds."""
        return self.call_at(self.time() + delay, call, *args)

    def call_at(self, when: float, call: Call, *args: Any) -> Handle:
        """Calls `call(*args)` once `time()` reaches `when`."""
        handle = Handle(call, args)
        handle._timer = self._timers.at(when, call, *args)
        return handle

    def add_reader(self, fd: Any, call: Call, *args: Any) -> None:
        """Calls `call(*args)` when `fd` (a number or an object with `fileno()`) can be read, or is closed or failed."""
        self._watch(fd, 0, Handle(call, args))

    def add_writer(self, fd: Any, call: Call, *args: Any) -> None:
        """Calls `call(*args)` when `fd` can be written, or is closed or failed."""
        self._watch(fd, 1, Handle(call, args))

    def remove_reader(self, fd: Any) -> bool:
        """Stops watching `fd` for reading; False if it was not watched."""
        return self._watch(fd, 0, None)

    def remove_writer(self, fd: Any) -> bool:
        """Stops watching `fd` for writing; False if it was not watched."""
        return self._watch(fd, 1, None)

    def _watch(self, fd: Any, side: int, handle: Handle | None) -> bool:
        """Sets or clears one side of a descriptor; True if that side was set before."""
        if self._epoll is None:
            return False
        number: int = fd if isinstance(fd, int) else fd.fileno()
        calls = self._calls.get(number)
        if calls is None:
            if handle is None:
                return False
            self._epoll.register(number, EPOLLOUT if side else EPOLLIN)
            self._calls[number] = [None, handle] if side else [handle, None]
            return False
        before = calls[side]
        calls[side] = handle
        mask = (EPOLLIN if calls[0] else 0) | (EPOLLOUT if calls[1] else 0)
        if (before is None) == (handle is None):
            return before is not None
        if mask:
            self._epoll.modify(number, mask)
        else:
            del self._calls[number]
            try:
                self._epoll.unregister(number)
            except OSError:  # closed before it was removed: the kernel has forgotten it already
                return True
        return before is not None

    def add_signal_handler(self, sig: int, call: Call, *args: Any) -> None:
        """Calls `call(*args)` from the loop, outside any other callback, when the signal arrives."""
        if self._wakeup is None:
            self._wakeup = posix.pipe2(posix.O_NONBLOCK | posix.O_CLOEXEC)
            _signal.set_wakeup_fd(self._wakeup[1])
            self.add_reader(self._wakeup[0], self._read_signals, self._wakeup[0])
        _signal.signal(sig, _ignore)
        _signal.siginterrupt(sig, False)
        self._signals[sig] = Handle(call, args)

    def remove_signal_handler(self, sig: int) -> bool:
        """Gives the signal its default effect back; False if it had no handler here."""
        if self._signals.pop(sig, None) is None:
            return False
        _signal.signal(sig, _signal.SIG_DFL)
        return True

    def _read_signals(self, fd: int) -> None:
        for sig in posix.read(fd, 64):
            if sig in self._signals:
                self._soon.append(self._signals[sig])

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Reports `context["exception"]` as the loop reports what a callback raises."""
        if self._handler is not None:
            self._handler(self, context)
            return
        problem = context["exception"]
        if not isinstance(problem, (OSError, EvseError)):
            raise problem
        if self._log is not None:
            self._log.error("a part failed", error=problem, kind=type(problem).__name__)

    def _run(self, handle: Handle | None) -> None:
        if handle is not None and (call := handle._call) is not None:
            try:
                call(*handle._args)
            except Exception as problem:
                self._raised(problem, handle)

    def _raised(self, problem: Exception, handle: Handle | None = None) -> None:
        self.call_exception_handler({"message": "exception in a callback", "exception": problem, "handle": handle})

    def run_once(self, wait_s: float | None = None) -> bool:
        """One pass: waits for descriptors until the next timer, at most `wait_s`, then calls what is ready and due.

        Returns True if there was something to call.
        """
        if self._epoll is None:
            raise ValueError("the loop is closed")
        if self._soon or self._stopping:
            wait_s = 0
        else:
            when = self._timers.next()
            left_s = LONGEST_S if when is None else min(when - self.time(), LONGEST_S)
            if wait_s is None or left_s < wait_s:
                wait_s = left_s
            if wait_s < EXACT_S:
                if wait_s > 0:
                    select((self._epoll,), (), (), wait_s)
                wait_s = 0
        ready = self._epoll.poll(wait_s, READY)
        for fd, mask in ready:
            calls = self._calls.get(fd)
            if calls is not None:  # else a callback has removed it
                if mask & FOR_READER:
                    self._run(calls[0])
                if mask & FOR_WRITER:
                    self._run(calls[1])
        now = self.time()
        ran = now >= self._timers.soonest and self._run_timers(now)
        soon = self._soon
        if soon:
            self._soon = []
            for handle in soon:
                self._run(handle)
        return ran or bool(ready or soon)

    def _run_timers(self, now: float) -> bool:
        ran = False
        while True:
            try:
                return self._timers.run(now) or ran
            except Exception as problem:  # that timer is out of the heap, the others are not: again
                self._raised(problem)
                ran = True

    def run_forever(self) -> None:
        """Runs until `stop()`."""
        while not self._stopping:
            self.run_once()
        self._stopping = False

    def stop(self) -> None:
        """Lets `run_forever()` return after the present pass."""
        self._stopping = True

    def close(self) -> None:
        """Gives descriptors and signals back; may be called twice."""
        for sig in list(self._signals):
            self.remove_signal_handler(sig)
        if self._wakeup is not None:
            _signal.set_wakeup_fd(-1)
            for fd in self._wakeup:
                posix.close(fd)
            self._wakeup = None
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None
        self._calls.clear()


def _ignore(sig: int, frame: Any) -> None:
    """The signal is noticed through the wakeup descriptor."""
