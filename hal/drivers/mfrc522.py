"""MFRC522 (RC522) readers on SPI; ISO 14443 A cards with UIDs of 4, 7 and 10 bytes, also several at once.

Settings, besides those of hal/drivers/reader.py: `device`, as "/dev/spidev0.0"; `speed_hz` (1000000); `gain_db`, the
receiver's: 18, 23, 33 (the default), 38, 43 or 48.

The chip is a modem: what to send to a card is made here, its registers are written, and a few milliseconds later its
answer is fetched. A conversation is a generator that yields (messages of one SPI transfer, seconds to wait after them)
and gets the answers; it neither sleeps nor does it know the bus. Every search looks at registers that only `setup`
sets: a chip that restarted or hangs is reset. [MFRC522 data sheet; ISO 14443-3]
"""

from __future__ import annotations

from hal.drivers.reader import Reader
from hal.interfaces import HalError
from hal.spi import SpiPort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    Talk = Generator[tuple[list[bytes], float], list[bytes], Any]

SPEED_HZ = 1_000_000
SEARCH_S = 0.3
RESET_S, FIELD_S, CARD_S, LATE_S = 0.05, 0.005, 0.004, 0.01
PAUSE_S = 1.0  # after an error, before the chip is reset
ATTEMPTS = 3
GONE = (2, 9, 19)  # errors of a bus that is no longer there

# Registers
COMMAND, COM_IRQ, ERROR, FIFO, LEVEL, FRAMING, COLL = 0x01, 0x04, 0x06, 0x09, 0x0A, 0x0D, 0x0E
MODE, TX_CONTROL, TX_ASK, RF_CFG, VERSION = 0x11, 0x14, 0x15, 0x26, 0x37
T_MODE, T_PRESCALER, T_RELOAD_H, T_RELOAD_L = 0x2A, 0x2B, 0x2C, 0x2D
# Commands and bits
IDLE, TRANSCEIVE, SOFT_RESET = 0x00, 0x0C, 0x0F
RECEIVED, TIMED_OUT = 0x30, 0x01  # of COM_IRQ
GARBLED, COLLISION = 0x13, 0x08  # of ERROR: buffer overflow, parity, protocol
ANTENNA = 0x03
AUTO_TIMER = 0x80
GAINS = {18: 0, 23: 1, 33: 4, 38: 5, 43: 6, 48: 7}
# What is said to cards
WUPA, HLTA, CASCADE_TAG = b"\x52", b"\x50\x00", 0x88
LEVELS = (0x93, 0x95, 0x97)


class ChipError(Exception):
    """The chip does not do what it is told; says how."""


def write(register: int, *values: int) -> bytes:
    """An SPI message that writes one register; several values go into the FIFO one after the other."""
    return bytes((register << 1, *values))


def read(register: int, times: int = 1) -> bytes:
    """An SPI message that reads one register; the answer's first byte means nothing."""
    return bytes((0x80 | register << 1,) * times) + b"\0"


_CLEAR = [write(COMMAND, IDLE), write(COM_IRQ, 0x7F), write(LEVEL, 0x80)]
_LOOK = [read(register) for register in (COM_IRQ, ERROR, LEVEL, COLL, T_MODE, TX_CONTROL)]


def crc_a(data: bytes) -> bytes:
    """The two bytes that follow data on the air. [ISO 14443-3 6.2.4]"""
    crc = 0x6363
    for byte in data:
        byte ^= crc & 0xFF
        byte = (byte ^ byte << 4) & 0xFF
        crc = crc >> 8 ^ byte << 8 ^ byte << 3 ^ byte >> 4
    return crc.to_bytes(2, "little")


def setup(gain_db: int) -> Talk:
    """Resets the chip and switches the field on."""
    yield [write(COMMAND, SOFT_RESET)], RESET_S
    (answer,) = yield [read(VERSION)], 0.0
    if answer[1] in (0x00, 0xFF):
        raise ChipError("there is no chip on the bus")
    yield (
        [
            write(T_MODE, AUTO_TIMER),  # starts when a command has been sent to a card
            write(T_PRESCALER, 169),  # 13.56 MHz / (2 * 169 + 1): 25 us
            write(T_RELOAD_H, 0),
            write(T_RELOAD_L, 100),  # 2.5 ms; cards answer within 0.1 ms
            write(TX_ASK, 0x40),  # 100 % modulation
            write(MODE, 0x3D),
            write(COLL, 0x00),  # bits after a collision are 0
            write(RF_CFG, GAINS[gain_db] << 4),
            write(TX_CONTROL, 0x80 | ANTENNA),
        ],
        FIELD_S,
    )


def exchange(data: bytes, bits: int = 0) -> Talk:
    """Sends to the cards, of the last byte only `bits` if that is not 0; the answer begins behind these bits.

    Gives None if no card answers or the answer is garbled, else (bytes, where the first collision is, or None): a
    number of bits, from the first one of the answer's first byte on.
    """
    framing = bits << 4 | bits if len(data) > 1 else bits
    start = write(FRAMING, framing), write(COMMAND, TRANSCEIVE), write(FRAMING, 0x80 | framing)
    yield [*_CLEAR, write(FIFO, *data), *start], CARD_S
    for wait_s in (LATE_S, 0.0):
        seen = yield _LOOK, 0.0
        irq, error, level, coll, t_mode, tx_control = (answer[1] for answer in seen)
        if t_mode != AUTO_TIMER or tx_control & ANTENNA != ANTENNA:
            raise ChipError("the chip lost its settings")
        if irq & (RECEIVED | TIMED_OUT):
            break
        if not wait_s:
            raise ChipError("the chip hangs")
        yield [], wait_s
    if not irq & RECEIVED or error & GARBLED or not 0 < level <= 64:
        return None
    (content,) = yield [read(FIFO, level)], 0.0
    if not error & COLLISION:
        return content[1:], None
    return content[1:], 0 if coll & 0x20 else coll & 0x1F or 32


def anticollision(select: int) -> Talk:
    """The four bytes and the check byte of one card at a cascade level; None if there is none. [ISO 14443-3 6.5.3]

    Cards whose bits differ from those that are known keep silent; at a collision either value leads to a card. Whether
    the place of a second collision counts from the answer or from the UID, sources differ: the nearer one is right in
    both cases, for up to there all bits are valid.
    """
    found = bytearray(5)
    known = 0
    for _ in range(33):
        whole, bits = divmod(known, 8)
        sent = bytes((select, whole + 2 << 4 | bits)) + found[: whole + (bits > 0)]
        answer = yield from exchange(sent, bits)
        if answer is None:
            return None
        content, collision = answer
        mask = 0xFF << bits & 0xFF
        for place, byte in enumerate(content[: 5 - whole], whole):
            found[place] = byte & mask | found[place] & ~mask
            mask = 0xFF
        if collision is None:
            valid = len(content) == 5 - whole and not found[0] ^ found[1] ^ found[2] ^ found[3] ^ found[4]
            return bytes(found) if valid else None
        places = [place for place in (collision, 8 * whole + collision) if known < place <= 32]
        known = min(places, default=known + 1)
        if known > 32:
            return None
    return None


def search() -> Talk:
    """The UID of a card in the field, or None; the card is put to rest and found again by the next search."""
    if (yield from exchange(WUPA, 7)) is None:
        return None
    uid = b""
    for select in LEVELS:
        found = yield from anticollision(select)
        if found is None:
            return None
        command = bytes((select, 0x70)) + found
        answer = yield from exchange(command + crc_a(command))
        if answer is None or len(answer[0]) != 3 or crc_a(answer[0][:1]) != answer[0][1:]:
            return None
        more = answer[0][0] & 0x04
        if bool(more) != (found[0] == CASCADE_TAG):
            return None
        uid += found[1:4] if more else found[:4]
        if not more:
            yield from exchange(HLTA + crc_a(HLTA))
            return uid
    return None


class Mfrc522(Reader):
    """One reader."""

    PERIOD_S = 30.0

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        super().__init__(options, evse_id, board)
        device, speed_hz = options["device"], options.get("speed_hz", SPEED_HZ)
        self.port: Any = board.share("spi " + device, lambda: SpiPort(device, speed_hz))
        self._gain_db: int = options.get("gain_db", 33)
        self._talk: Any = None
        self._then: Any = None
        self._errors = 0

    def _open(self) -> None:
        self.port.open()
        self._errors = 0
        self._set_up()

    def _set_up(self) -> None:
        self._begin(setup(self._gain_db), self._search)

    def _search(self, _: Any = None) -> None:
        self._begin(search(), self._found)

    def _begin(self, talk: Talk, then: Any) -> None:
        self._talk, self._then = talk, then
        self._go_on(None)

    def _go_on(self, answers: Any) -> None:
        """Carries the conversation on until it waits or ends."""
        self._ran()
        try:
            while True:
                messages, wait_s = self._talk.send(answers)
                answers = self.port.transfer(*messages) if messages else []
                if wait_s:
                    self._after(wait_s, self._go_on, answers)
                    return
        except StopIteration as end:
            self._then(end.value)
        except ChipError as error:
            self._trip(str(error))
        except OSError as error:
            if error.errno in GONE:
                self._lost(error)
            else:
                self._trip(f"the bus: {error.strerror or error}")

    def _found(self, uid: bytes | None) -> None:
        self._errors = 0
        self._good()
        if uid is not None:
            self._token(self.rules.of_uid, uid)
        if self._report is not None:
            self._after(SEARCH_S, self._search)

    def _trip(self, detail: str) -> None:
        """The chip is reset; after ATTEMPTS the bus is opened anew, which may have been unplugged meanwhile."""
        self._errors += 1
        if self._errors >= ATTEMPTS:
            self._lost(HalError("MFRC522", detail))
        elif self._report is not None:
            self._after(PAUSE_S, self._set_up)

    def _shut(self) -> None:
        self._cancel()
        self._talk = self._then = None
        self.port.close()
