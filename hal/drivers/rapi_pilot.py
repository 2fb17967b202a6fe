"""OpenEVSE board behind a serial port: its microcontroller owns pilot and relay, we say how much and whether at all.

Options of the pilot: `port`, a [serial.*] (115200 Bd); `heartbeat_s` (10): hearing nothing from us for so long it
offers no more than `fallback_a` (6), the least it can; 0 switches that off.

The board closes its relay by itself when power is offered and the vehicle asks, and opens it by itself when the
vehicle lets go, trips or errs; asleep it never closes. So `offer(limit_a)` wakes it, `offer(None)` and `switch(False)`
send it to sleep, and what its relay does is reported as the contactor's.
"""

from __future__ import annotations

from _collections import deque

from hal.drivers.linked import LinkedContactor, LinkedPilot
from hal.rapi import Parser, frame
from hal.serialport import SerialPort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

POLL_S = 1.0
ANSWER_S = 0.5
# A board that answers none of so many commands in a row is lost.
ATTEMPTS = 3
# Commands that wait; more are only asked for if the board is lost, and then all is said anew.
WAITING = 16
CLOSED_FLAG = 0x40
_LETTERS = {1: "A", 2: "B", 3: "C", 4: "D"}
ASLEEP = (0xFE, 0xFF)
# state of the board: what is wrong
_FAULTS = {
    5: ("DiodeFault", "the vehicle has no diode"),
    6: ("GroundFailure", "residual current"),
    7: ("GroundFailure", "no protective earth"),
    8: ("WeldedContactor", "the relay is stuck"),
    9: ("GroundFailure", "the residual current self-test failed"),
    10: ("HighTemperature", "the board is too hot"),
    11: ("OverCurrentFailure", "the vehicle draws too much"),
}
LOST = "EVCommunicationError"


class Link:
    """The board of one EVSE."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        settings = board.resources["serial"][options["port"]]
        self.port = SerialPort({"baud": 115200, **settings})
        self.pilot: Any = None
        self.contactor: Any = None
        self.lost = True
        self.state: int | None = None
        self.closed: bool | None = None
        self.letter: str | None = None
        self.limit_a: float | None = None
        self._heartbeat_s = options.get("heartbeat_s", 10)
        self._fallback_a = options.get("fallback_a", 6)
        self._task = board.task(f"OpenEVSE board of EVSE {evse_id}", 5 * POLL_S)
        self._loop: Any = None
        self._parser = Parser()
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._sent: tuple[Any, ...] | None = None
        self._failures = 0
        self._told_closed: bool | None = None
        self._doubted = False
        self._timer: Any = None
        self._poll_timer: Any = None
        self._beat_when = 0.0

    def start(self, loop: Any) -> None:
        if self._loop is None:
            self._loop = loop
            self.state = self.closed = self.letter = self.limit_a = None
            self._failures = 0
            self._told_closed = None
            self.port.start(loop, self._received, self._changed)
            self._poll()

    def close(self) -> None:
        """Asleep, without waiting for the answer."""
        if self._loop is None:
            return
        for timer in (self._timer, self._poll_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._poll_timer = self._sent = None
        self._waiting.clear()
        self.port.write(b"\r" + frame("FS"))
        self.port.close()
        self._task.ran(None)
        self._loop = None
        self.lost = True

    # Commands

    def offer(self, limit_a: float | None) -> None:
        """Wakes the board with a limit, or sends it to sleep."""
        self.limit_a = limit_a
        if limit_a is None:
            self._ask("FS", urgent=True)
        else:
            self._ask("SC", int(limit_a), "V")
            self._ask("FE")

    def switch(self, closed: bool) -> None:
        """Open: asleep, before all else; where power is still offered it wakes once the vehicle let go."""
        if closed == self.closed:
            self._tell_closed(closed)
        elif not closed:
            self._ask("FS", urgent=True)

    def _ask(self, *words: Any, urgent: bool = False) -> None:
        if self._loop is None:
            return
        if urgent:
            self._waiting = deque(entry for entry in self._waiting if entry[0] not in ("FE", "FS"))
            self._waiting.appendleft(words)
            if self._sent is not None:  # an answer may never come: said at once, and again in its turn
                self.port.write(frame(*words))
        elif len(self._waiting) < WAITING:
            self._waiting.append(words)
        self._next()

    def _next(self) -> None:
        """One command at a time."""
        if self._sent is None and self._waiting:
            self._sent = self._waiting.popleft()
            self.port.write(frame(*self._sent))
            self._timer = self._loop.call_later(ANSWER_S, self._late)

    def _late(self) -> None:
        sent, self._sent = self._sent, None
        self._failures += 1
        if self._failures >= ATTEMPTS:
            self._lose("no answer")
        elif sent is not None and sent[0] not in ("GS", "SY"):
            if sent[0] != "FE" or all(words[0] != "FS" for words in self._waiting):  # what was taken back stays so
                self._waiting.appendleft(sent)
        self._next()

    def _poll(self) -> None:
        now = self._loop.time()
        self._task.ran(now)
        self._poll_timer = self._loop.call_later(POLL_S, self._poll)
        if self.port.fd < 0:
            return
        if not self.lost and self._heartbeat_s and now >= self._beat_when:
            self._beat_when = now + self._heartbeat_s / 3
            self._ask("SY")
        if self._sent is None and not self._waiting:
            self._ask("GS")

    # What it says

    def _changed(self, problem: str | None) -> None:
        if problem is not None:
            self._lose(problem)
        elif self._loop is not None:
            self._parser = Parser()
            self._ask("GS")

    def _lose(self, why: str) -> None:
        self._waiting.clear()
        self._failures = 0
        known, self.lost = not self.lost, True
        self._doubted = self._doubted or known
        self.state = self.closed = self.letter = self._told_closed = None
        if self.pilot is not None and (known or LOST not in self.pilot.faults):
            self.pilot.fault(LOST, f"OpenEVSE board: {why}")

    def _received(self, data: bytes) -> None:
        for words in self._parser.feed(data):
            if self._loop is None:
                return
            if words[0] in ("OK", "NK"):
                self._answered(words[0] == "OK", words[1:])
            elif words[0] == "AT" and not self.lost and len(words) >= 5:
                self._show(words[1], words[2], words[4])
            elif words[0] == "AB":
                self._lose("it restarted")
                self._ask("GS")

    def _answered(self, good: bool, words: list[str]) -> None:
        sent, self._sent = self._sent, None
        if sent is None:
            return
        self._timer.cancel()
        self._failures = 0
        if sent[0] == "GS" and good and words:
            if self.lost:
                self._found()
            self._show(words[0], *(words[2:4] if len(words) >= 4 else ()))
        elif sent[0] == "SY" and good and words[2:3] == ["2"]:
            self._ask("SY", 165)  # the pulse was missed once: acknowledged, else it stays at the fallback
        elif sent[0] == "FS" or (sent[0] == "FE" and good):
            self._waiting.append(("GS",))
        self._next()

    def _found(self) -> None:
        """The board answers again: it may have restarted, so all is said anew."""
        self.lost = False
        self.pilot.clear(LOST)
        self._ask("SY", self._heartbeat_s, self._fallback_a)
        self._beat_when = self._loop.time() + self._heartbeat_s / 3
        self.offer(self.limit_a)

    def _show(self, state_word: str, pilot_word: str = "", flags_word: str = "") -> None:
        """State, pilot and flags as they are now; older boards say only the first. The pilot goes before the relay."""
        try:
            state = int(state_word, 16)
            pilot = int(pilot_word, 16) if pilot_word else state
            closed = bool(int(flags_word, 16) & CLOSED_FLAG) if flags_word else state == 3
        except ValueError:
            return
        self._task.ran(self._loop.time())
        self.state, self.closed = state, closed
        self._tell_faults(state)
        letter = _LETTERS.get(pilot)
        if letter is not None and letter != self.letter:
            self.letter = letter
            self.pilot.report("pilot", letter)
        if self.closed == closed != self._told_closed:
            self._tell_closed(closed)
            if not closed and state != 8 and self._doubted:
                self._doubted = False
                self.contactor.report("cleared", "WeldedContactor")  # what could be believed while nobody answered
        if not closed and state in ASLEEP and self.limit_a is not None and letter in ("A", "B"):
            if not any(words[0] == "FE" for words in (*self._waiting, self._sent or ("",))):
                self._ask("FE")

    def _tell_closed(self, closed: bool) -> None:
        self._told_closed = closed
        self.contactor.report("contactor", closed)

    def _tell_faults(self, state: int) -> None:
        code, detail = _FAULTS.get(state, ("", ""))
        for known in [known for known in self.pilot.faults if known not in (code, LOST)]:
            self.pilot.clear(known)
        if code:
            self.pilot.fault(code, detail)


class ControlPilot(LinkedPilot):
    """Whole amperes are offered."""

    LINK = Link


class Contactor(LinkedContactor):
    """Closing is the board's own act once power is offered; opening sends it to sleep."""
