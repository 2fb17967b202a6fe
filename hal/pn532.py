"""PN532: frames of NXP's NFC controller, and the conversation that reads cards. Neither I/O nor clock.

    chip = Chip(wake)
    chip.begin(now)                        and whenever the link was opened again
    chip.receive(data, now)                what arrived
    chip.tick(now)                         once `now` reaches `chip.when`
    send(chip.take())                      after each of these, and `chip.events`, tuples, to be emptied by the caller:

    ("ready", version)   the chip is set up and has looked for cards; version like "PN532 1.6"
    ("card", uid)        a card is there; told again several times a second while it stays
    ("failed", why)      ATTEMPTS in a row went wrong; it is tried further, and "ready" tells when it works again

The chip itself looks for cards, without end, and answers when one comes; the station is asleep meanwhile. Every WATCH_S
the search is begun anew, which shows whether the chip is alive. [UM0701-02, PN532 user manual]
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

START = b"\x00\x00\xff"
ACK = b"\x00\x00\xff\x00\xff\x00"  # from the host: forget the command
NACK = b"\x00\x00\xff\xff\x00\x00"  # from the host: say it again
UART_WAKE = b"\x55\x55" + bytes(14)  # [UM0701-02 7.2.11]
FRAME_LIMIT = 264  # bytes of data in the longest (extended) frame

# What is said to the chip: (command, first byte of the answer). The last one is said again and again.
COMMANDS = (
    (b"\x14\x01\x00", 0x15),  # SAMConfiguration: normal mode; wakes a chip that has just got its supply
    (b"\x02", 0x03),  # GetFirmwareVersion
    (b"\x32\x05\xff\x01\xff", 0x33),  # RFConfiguration MaxRetries: looks for cards without end
    (b"\x4a\x01\x00", 0x4B),  # InListPassiveTarget: one card, ISO 14443 A at 106 kbit/s
)
_LOOK = len(COMMANDS) - 1
WAKE_S = 0.005
ACK_S = 0.5  # the chip takes 15 ms, a USB adapter on a Raspberry Pi much longer
ANSWER_S = 0.5
WATCH_S = 5.0
AGAIN_S = 0.2  # from one sight of a card to the next search
ABORT_S = 0.005
POLL_S, SEARCH_POLL_S = 0.005, 0.2  # on links that must be asked: a chip that is to answer soon, and one that searches
PAUSE_S = 1.0  # before the chip is woken again
ATTEMPTS = 3


def frame(data: bytes) -> bytes:
    """A command of at most 254 bytes in a normal information frame. [UM0701-02 6.2.1.1]"""
    length = len(data) + 1
    return START + bytes((length, -length & 0xFF, 0xD4)) + data + bytes((-(0xD4 + sum(data)) & 0xFF, 0))


def uid_of(answer: bytes) -> bytes | None:
    """The UID of the card in an answer to InListPassiveTarget; None if there is none, or no valid one.

    Number of cards, number of this card, SENS_RES (2 bytes), SEL_RES, length of the UID, UID, ATS. [UM0701-02 7.3.5]
    """
    if len(answer) < 7 or answer[1] < 1 or answer[6] not in (4, 7, 10):
        return None
    uid = answer[7 : 7 + answer[6]]
    return uid if len(uid) == answer[6] else None


class Frames:
    """Finds the chip's frames in what arrives; what is none is skipped."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def clear(self) -> None:
        """Forgets the beginning of a frame."""
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes | None]:
        """Each frame's data after the direction byte D5; b"" for ACK; None for NACK, error frames and broken ones."""
        self._buffer += data
        found: list[bytes | None] = []
        while (begin := self._buffer.find(START)) >= 0:
            self._buffer = self._buffer[begin:]
            needs = self._needs()
            if len(self._buffer) < needs:
                return found
            taken, content = self._parse(needs)
            found.append(content)
            self._buffer = self._buffer[taken:]
        self._buffer = self._buffer[-2:]
        return found

    def missing(self) -> int:
        """Bytes that the frame which has begun still needs, as far as is known; 0 if none has."""
        return self._needs() - len(self._buffer) if self._buffer.startswith(START) else 0

    def _needs(self) -> int:
        """Length of the frame at the start of the buffer without its last 00, as far as it can be known."""
        buffer = self._buffer
        if buffer[3:5] == b"\xff\xff":
            length = buffer[5] << 8 | buffer[6] if len(buffer) >= 8 and not sum(buffer[5:8]) & 0xFF else 0
            return 9 + length if 0 < length <= FRAME_LIMIT else 8
        length = buffer[3] if len(buffer) >= 5 and not buffer[3] + buffer[4] & 0xFF else 0
        return 6 + length if length else 5

    def _parse(self, needs: int) -> tuple[int, bytes | None]:
        """(bytes used up, what `feed` tells); of a broken frame no more than its start is used up."""
        head = self._buffer[3:5]
        content = self._buffer[8 if head == b"\xff\xff" else 5 : needs]
        if not content:
            return (5, b"") if head == b"\x00\xff" else (3, None)
        if sum(content) & 0xFF:
            return 3, None
        return needs, content[1:-1] if content[0] == 0xD5 and len(content) > 2 else None


class Chip:
    """The conversation with one chip, from waking it on."""

    __slots__ = ("when", "events", "version", "_wake", "_out", "_frames", "_step", "_phase", "_errors", "_works")

    def __init__(self, wake: bytes) -> None:
        """`wake` is what wakes the chip on this link."""
        self.when: float | None = None
        self.events: list[tuple[Any, ...]] = []
        self.version = ""
        self._wake = wake
        self._out: list[bytes] = []
        self._frames = Frames()
        self._step = 0
        self._phase = ""  # wake | ack | answer | rest | abort | pause: what `when` ends
        self._errors = 0
        self._works: bool | None = None  # as the events said last

    def take(self) -> list[bytes]:
        """What is to be sent, each alone; afterwards it is gone from here."""
        out, self._out = self._out, []
        return out

    def begin(self, now: float) -> None:
        """The link is open: wakes the chip and sets it up."""
        self._errors, self._works = 0, None
        self._restart(now)

    def _restart(self, now: float) -> None:
        self._frames.clear()
        self._step = 0
        self._out = [self._wake] if self._wake else []
        self._wait("wake", now + WAKE_S)

    def polling_s(self) -> float | None:
        """For links that do not tell when the chip has something to say: when to look; None: nothing is to come."""
        if self._phase not in ("ack", "answer"):
            return None
        return SEARCH_POLL_S if self._step == _LOOK and self._phase == "answer" else POLL_S

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the chip."""
        found = self._frames.feed(data)
        for content in found:
            if content is None:
                if self._phase in ("ack", "answer"):
                    self._trip("it answers with errors", now)
            elif content:
                self._answered(content, now)
            elif self._phase == "ack":
                watched = self._step == _LOOK and self._works
                self._wait("answer", now + (WATCH_S if watched else ANSWER_S))
        if not found and self._phase == "answer" and self.when is not None and data.strip(b"\0"):
            self.when = min(self.when, now + ANSWER_S)  # a frame in pieces, or what noise left of one: asked for again

    def tick(self, now: float) -> None:
        """To be called once `now` reaches `when`."""
        if self.when is None or now < self.when:
            return
        if self._phase == "pause":
            self._restart(now)
        elif self._phase in ("wake", "rest", "abort"):
            self._say(now)
        elif self._step == _LOOK and self._phase == "answer":
            self._worked()  # it has heard the command, and no card came
            self._abort(now)
        else:
            self._trip("it does not answer", now)

    def _wait(self, phase: str, when: float) -> None:
        self._phase, self.when = phase, when

    def _say(self, now: float) -> None:
        self._frames.clear()  # what began before is noise, or it would be complete
        self._out.append(frame(COMMANDS[self._step][0]))
        self._wait("ack", now + ACK_S)

    def _abort(self, now: float) -> None:
        self._out.append(ACK)
        self._wait("abort", now + ABORT_S)

    def _answered(self, content: bytes, now: float) -> None:
        """An answer counts without its ACK, which noise may have taken; one to an aborted search still shows a card."""
        if content[0] != COMMANDS[self._step][1] or self._phase in ("wake", "pause"):
            return
        if self._step == _LOOK:
            uid = uid_of(content)
            if uid is not None:
                self.events.append(("card", uid))
            self._worked()
            if self._phase != "abort":
                self._wait("rest", now + AGAIN_S)
            return
        if content[0] == 0x03 and len(content) >= 4:
            self.version = f"PN5{content[1]:02x} {content[2]}.{content[3]}"
        self._step += 1
        self._say(now)

    def _worked(self) -> None:
        self._errors = 0
        if not self._works:
            self._works = True
            self.events.append(("ready", self.version))

    def _trip(self, why: str, now: float) -> None:
        """Something went wrong. A search that the chip heard is begun anew; else it may have lost its settings."""
        self._errors += 1
        if self._errors >= ATTEMPTS and self._works is not False:
            self._works = False
            self.events.append(("failed", why))
        if self._errors >= ATTEMPTS:
            self._wait("pause", now + PAUSE_S)
        elif self._step == _LOOK and self._phase == "answer":
            self._abort(now)
        else:
            self._restart(now)
