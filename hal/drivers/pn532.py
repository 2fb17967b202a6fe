"""PN532 readers on a serial port, on I2C and on SPI; ISO 14443 A cards with UIDs of 4, 7 and 10 bytes.

Settings, besides those of hal/drivers/reader.py: `port`, a [serial.*] of the board (115200 Bd unless that says
otherwise); or `device`, as "/dev/i2c-1" or "/dev/spidev0.0", with `speed_hz` (1000000) for SPI.

On I2C and SPI the chip is asked whether it has something to say, five times a second while it looks for cards; on a
serial port it speaks by itself, which is the cheapest. The bus is in use 5 ms at most for a card (I2C at 100 kHz).
"""

from __future__ import annotations

from hal.drivers.reader import Reader
from hal.interfaces import HalError
from hal.pn532 import NACK, UART_WAKE, Chip, Frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BAUD = 115200
SPEED_HZ = 1_000_000
I2C_ADDRESS = 0x24
# Enough for the answer with one card that has a short ATS; the rest of a longer one is asked for.
BLOCK = 48
# Each byte with its bits in the other order: the chip sends and takes the lowest first.
MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
SPI_WRITE, SPI_STATUS, SPI_READ = 1, 2, 3
GONE = (2, 9, 19)  # errors of a bus that is no longer there


class Pn532(Reader):
    """What the links share: they give `_send(frame)`, and hand what arrives to `_received(data)`."""

    WAKE = b""
    PERIOD_S = 30.0  # six times as long as the chip is left alone
    REOPENS = False  # whether a chip that fails may be a bus that was unplugged and says so in no other way

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.chip = Chip(self.WAKE)

    def _begin(self) -> None:
        self.chip.begin(self._loop.time())
        self._act()

    def _received(self, data: bytes) -> None:
        self.chip.receive(data, self._loop.time())
        self._act()

    def _tick(self) -> None:
        self.chip.tick(self._loop.time())
        self._act()

    def _act(self) -> None:
        """Sends, reports, and sets the timer."""
        self._ran()
        for data in self.chip.take():
            self._send(data)
        events, self.chip.events = self.chip.events, []
        for event, value in events:
            if event == "card":
                self._token(self.rules.of_uid, value)
            elif event == "ready":
                self._good()
            elif self.REOPENS:
                self._lost(HalError("PN532", value))
                return
            else:
                self.fault("ReaderFailure", f"PN532: {value}")
        if self._report is not None and self.chip.when is not None:  # not closed by what was reported
            self._after(max(self.chip.when - self._loop.time(), 0.0), self._tick)

    def _send(self, data: bytes) -> None:
        raise NotImplementedError


class Uart(Pn532):
    """On a serial port ("HSU")."""

    WAKE = UART_WAKE

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        from hal.serialport import SerialPort

        self.port = SerialPort({"baud": BAUD, **board.resources["serial"][options["port"]]})

    def _open(self) -> None:
        self.port.start(self._loop, self._received, self._changed)

    def _changed(self, problem: str | None) -> None:
        if problem is None:
            self._begin()
        else:
            self._cancel()
            self._ran(False)
            self.fault("ReaderFailure", problem)

    def _send(self, data: bytes) -> None:
        self.port.write(data)

    def _shut(self) -> None:
        self._cancel()
        self.port.close()


class _Asked(Pn532):
    """On a bus where the chip cannot speak first; a link gives `_ready`, `_read` and `self.port`."""

    REOPENS = True

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        self.port: Any = None
        self._poll: Any = None
        self._size = BLOCK

    def _open(self) -> None:
        self.port.open()
        self._begin()

    def _act(self) -> None:
        super()._act()
        self._ask_later()

    def _ask_later(self) -> None:
        delay_s = self.chip.polling_s()
        if self._poll is None and delay_s is not None and self._report is not None:
            self._poll = self._loop.call_later(delay_s, self._ask)

    def _ask(self) -> None:
        """What a chip does not answer on the bus shows in the time-outs: it is asleep, busy or absent."""
        self._poll = None
        data = b""
        try:
            if self.chip.polling_s() is not None and self._ready():
                data = self._frame()
        except OSError as error:
            if error.errno in GONE:
                self._lost(error)
                return
        if data:
            self._received(data)
        else:
            self._ask_later()

    def _frame(self) -> bytes:
        """One frame, whose length is not known before: one that is longer is asked for again."""
        data = self._read(self._size)
        frames = Frames()
        frames.feed(data)
        self._size, again = BLOCK, self._size == BLOCK and frames.missing()
        if not again:
            return data
        self._size += again
        self._send(NACK)
        return b""

    def _send(self, data: bytes) -> None:
        try:
            self._write(data)
        except OSError:
            return  # the time-outs tell

    def _ready(self) -> bool:
        raise NotImplementedError

    def _read(self, size: int) -> bytes:
        raise NotImplementedError

    def _write(self, data: bytes) -> None:
        raise NotImplementedError

    def _shut(self) -> None:
        self._cancel()
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
        self.port.close()


class I2c(_Asked):
    """On I2C, address 24 hexadecimal; what is read begins with a byte that says whether the chip is ready."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        from hal.i2c import I2cPort

        self.port = board.share("i2c " + options["device"], lambda: I2cPort(options["device"], I2C_ADDRESS))

    def _ready(self) -> bool:
        status: bytes = self.port.read(1)
        return bool(status and status[0] & 1)

    def _read(self, size: int) -> bytes:
        data: bytes = self.port.read(1 + size)
        return data[1:]

    def _write(self, data: bytes) -> None:
        self.port.write(data)


class Spi(_Asked):
    """On SPI; each message begins with what it is for. A first one wakes the chip."""

    WAKE = b"\0"

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        from hal.spi import SpiPort

        device, speed_hz = options["device"], options.get("speed_hz", SPEED_HZ)
        self.port = board.share("spi " + device, lambda: SpiPort(device, speed_hz))

    def _transfer(self, what: int, data: bytes) -> bytes:
        (answer,) = self.port.transfer((bytes((what,)) + data).translate(MIRROR))
        return bytes(answer[1:]).translate(MIRROR)

    def _ready(self) -> bool:
        return self._transfer(SPI_STATUS, b"\0")[0] & 1 == 1

    def _read(self, size: int) -> bytes:
        return self._transfer(SPI_READ, bytes(size))

    def _write(self, data: bytes) -> None:
        self._transfer(SPI_WRITE, data)
