"""PN532 emulated: a chip that speaks the frames of the user manual, on a pseudo terminal, on I2C and on SPI.

    chip = Pn532Chip(); chip.place(Card(bytes.fromhex("04a22b3c4d5e6f")))
    out = chip.feed(what_the_host_sent)              sans-I/O
    Line(loop, directory, chip)                      a pseudo terminal on an event loop; can be unplugged
    with served(chip) as device: ...                 a pseudo terminal in a thread, for hosts that block
    I2cBus(chip), SpiBus(chip)                       what hal.i2c.I2cPort and hal.spi.SpiPort are

Two libraries that others wrote read cards from it (tests/hal/test_pn532.py).
"""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ACK = b"\x00\x00\xff\x00\xff\x00"
NACK = b"\x00\x00\xff\xff\x00\x00"
ERROR = b"\x00\x00\xff\x01\xff\x7f\x81\x00"


class Card:
    """A card of ISO 14443 A; with an ATS it is one of part 4."""

    def __init__(self, uid: bytes, sens_res: bytes | None = None, sel_res: int | None = None, ats: bytes = b"") -> None:
        size = {4: 0, 7: 1, 10: 2}[len(uid)]
        self.uid = uid
        self.sens_res = sens_res or bytes((0x00, 0x04 | size << 6))
        self.sel_res = sel_res if sel_res is not None else 0x20 if ats else 0x08 if size == 0 else 0x00
        self.ats = ats


def information(data: bytes, extended: bool = False) -> bytes:
    """A frame from the chip to the host."""
    body = b"\xd5" + data
    checksum = bytes((-sum(body) & 0xFF, 0))
    size = len(body)
    if extended or size > 255:
        high, low = divmod(size, 256)
        return b"\x00\x00\xff\xff\xff" + bytes((high, low, -(high + low) & 0xFF)) + body + checksum
    return b"\x00\x00\xff" + bytes((size, -size & 0xFF)) + body + checksum


class Pn532Chip:
    """One chip. `commands` is what it was told; `awake` False after the supply was gone: it needs to be woken."""

    def __init__(self) -> None:
        self.card: Card | None = None
        self.commands: list[bytes] = []
        self.searching = False
        self.dead = False  # hears and says nothing
        self.syntax_errors = 0  # so many of the next commands are answered with an error frame
        self.extended = False
        self.out: deque[bytes] = deque()  # frames that the host has not taken
        self.reset()

    def reset(self) -> None:
        """The supply was gone."""
        self.awake = False
        self.searching = False
        self.retries = 0xFF
        self.registers: dict[bytes, int] = {}
        self._buffer = b""
        self._last = b""
        self.out.clear()

    def place(self, card: Card | None) -> None:
        """A card comes, or goes away (None)."""
        self.card = card
        if card is not None and self.searching:
            self._found()

    def feed(self, data: bytes) -> None:
        """What the host sent."""
        if self.dead:
            return
        self._buffer += data
        while (begin := self._buffer.find(b"\x00\x00\xff")) >= 0:
            self.awake = self.awake or b"\x55" in self._buffer[:begin] or begin >= 5
            frame = self._buffer[begin:]
            if len(frame) < 5:
                return
            if frame.startswith(ACK[:5]):
                self.searching = False
                self.out.clear()
                size = 5
            elif frame.startswith(NACK[:5]):
                self._say(self._last)
                size = 5
            else:
                extended = frame[3:5] == b"\xff\xff"
                begin = 8 if extended else 5
                if len(frame) < begin:
                    return
                length = frame[5] << 8 | frame[6] if extended else frame[3]
                size = begin + length + 1
                if sum(frame[begin - 3 : begin] if extended else frame[3:5]) & 0xFF:
                    size = 3
                elif len(frame) < size:
                    return
                elif sum(frame[begin:size]) & 0xFF or frame[begin] != 0xD4:
                    size = 3
                elif self.awake:
                    self._command(frame[begin + 1 : size - 1])
            self._buffer = frame[size:]

    def _say(self, frame: bytes) -> None:
        self._last = frame
        self.out.append(frame)

    def _answer(self, data: bytes) -> None:
        self._say(information(data, self.extended))

    def _command(self, data: bytes) -> None:
        self.searching = False  # a new command ends the one before
        self.out.clear()
        self.commands.append(data)
        self.out.append(ACK)
        code, arguments = data[0], data[1:]
        if self.syntax_errors:
            self.syntax_errors -= 1
            self._say(ERROR)
        elif code == 0x00:  # Diagnose: of the line, which is an echo; else of the memories
            self._answer(b"\x01" + (arguments if arguments[0] == 0 else b"\x00"))
        elif code == 0x02:
            self._answer(b"\x03\x32\x01\x06\x07")
        elif code == 0x06:  # ReadRegister
            asked = [arguments[at : at + 2] for at in range(0, len(arguments), 2)]
            self._answer(b"\x07" + bytes(self.registers.get(register, 0) for register in asked))
        elif code == 0x08:  # WriteRegister
            for at in range(0, len(arguments), 3):
                self.registers[arguments[at : at + 2]] = arguments[at + 2]
            self._answer(b"\x09")
        elif code == 0x32:
            if arguments[0] == 0x05:
                self.retries = arguments[3]
            self._answer(b"\x33")
        elif code == 0x4A:
            self._search()
        elif code in (0x44, 0x52):
            self._answer(bytes((code + 1, 0)))
        elif code in (0x10, 0x12, 0x14):
            self._answer(bytes((code + 1,)))
        elif code == 0x16:
            self._answer(b"\x17\x00")
            self.awake = False
        else:
            self._say(ERROR)

    def _search(self) -> None:
        if self.card is not None:
            self._found()
        elif self.retries == 0xFF:
            self.searching = True
        else:
            self._answer(b"\x4b\x00")

    def _found(self) -> None:
        card = self.card
        assert card is not None
        self.searching = False
        self._answer(b"\x4b\x01\x01" + card.sens_res + bytes((card.sel_res, len(card.uid))) + card.uid + card.ats)

    def take(self) -> bytes:
        """What it says on a serial port."""
        data = b"".join(self.out)
        self.out.clear()
        return data


class Line:
    """The chip on a pseudo terminal of an event loop; `device` survives an unplugging of the USB adapter."""

    def __init__(self, loop: Any, directory: Any, chip: Pn532Chip, name: str = "nfc") -> None:
        self.loop = loop
        self.chip = chip
        self.device = str(directory / name)
        self.far = -1
        self.noise = b""  # sent before the next thing that is said
        self.damaged = False  # the first two bytes of what is said next are lost
        self.heard = self.said = 0  # bytes
        self.deaf = False  # nobody has the other end open
        self.plug()

    def plug(self) -> None:
        """With a chip that just got its supply."""
        self.chip.reset()
        self.far, near = pty.openpty()
        tty.setraw(near)
        os.set_blocking(self.far, False)
        os.symlink(os.ttyname(near), self.device)
        os.close(near)
        self.loop.add_reader(self.far, self._hear)

    def unplug(self) -> None:
        os.unlink(self.device)
        self.loop.remove_reader(self.far)
        os.close(self.far)
        self.far = -1

    def _hear(self) -> None:
        try:
            data = os.read(self.far, 4096)
        except OSError:
            self.deaf = True
            self.loop.remove_reader(self.far)
            self.loop.call_later(0.5, self._watch)
            return
        self.heard += len(data)
        self.chip.feed(data)
        self.speak()

    def _watch(self) -> None:
        self.deaf = False
        if self.far >= 0:
            self.loop.add_reader(self.far, self._hear)

    def speak(self) -> None:
        """Sends what the chip has to say."""
        if self.far >= 0:
            self.said += os.write(self.far, self.noise + self.chip.take()[2 * self.damaged :])
            self.noise, self.damaged = b"", False

    def place(self, card: Card | None) -> None:
        self.chip.place(card)
        self.speak()


@contextmanager
def served(chip: Pn532Chip) -> Iterator[str]:
    """The name of a pseudo terminal behind which the chip is, as long as the context lasts."""
    far, near = pty.openpty()
    tty.setraw(near)
    stop_read, stop_write = os.pipe()

    def serve() -> None:
        while stop_read not in (ready := select.select([far, stop_read], [], [])[0]):
            if far in ready:
                chip.feed(os.read(far, 4096))
                os.write(far, chip.take())

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(near)
    finally:
        os.write(stop_write, b"!")
        thread.join()
        for fd in (far, near, stop_read, stop_write):
            os.close(fd)


class I2cBus:
    """The chip as hal.i2c.I2cPort: `error` is raised by all that is done with it while it is set."""

    def __init__(self, chip: Pn532Chip) -> None:
        self.chip = chip
        self.error: int | None = None
        self.opened = 0
        self.openings = 0
        self.reads: list[int] = []

    def _check(self) -> None:
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))

    def open(self) -> None:
        self._check()
        self.opened += 1
        self.openings += 1

    def close(self) -> None:
        self.opened = 0

    def write(self, data: bytes) -> None:
        """The chip's address, and on SPI its selection, wakes it."""
        self._check()
        self.chip.awake = True
        self.chip.feed(data)

    def read(self, size: int) -> bytes:
        self._check()
        self.reads.append(size)
        if not self.chip.out or self.chip.dead:
            return bytes(size)
        if size == 1:
            return b"\x01"
        return (b"\x01" + self.chip.out.popleft()).ljust(size, b"\0")[:size]


class SpiBus(I2cBus):
    """The chip as hal.spi.SpiPort: lowest bit first, and the first byte says what for."""

    def transfer(self, *messages: bytes) -> list[bytes]:
        return [self._transfer(message) for message in messages]

    def _transfer(self, message: bytes) -> bytes:
        self._check()
        mirror = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
        what, data = message.translate(mirror)[0], message.translate(mirror)[1:]
        answer = bytes(len(data))
        if what == 1:
            self.write(data)
        elif what == 2 and self.chip.out and not self.chip.dead:
            answer = b"\x01".ljust(len(data), b"\0")
        elif what == 3 and self.chip.out:
            answer = self.chip.out.popleft().ljust(len(data), b"\0")[: len(data)]
        return b"\0" + answer.translate(mirror)
