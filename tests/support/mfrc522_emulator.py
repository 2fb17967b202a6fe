"""MFRC522 emulated by its registers, and cards by the states of ISO 14443-3: several of them collide bit by bit.

chip = Mfrc522Chip(); chip.cards = [Tag(uid), Tag(uid)]
chip.transfer(message, ...)              as hal.spi.SpiPort
"""

from __future__ import annotations

import os

LEVELS = (0x93, 0x95, 0x97)
Bits = list[int]


def bits_of(data: bytes) -> Bits:
    """Each byte's lowest bit first, as on the air."""
    return [byte >> place & 1 for byte in data for place in range(8)]


def bytes_of(bits: Bits) -> bytes:
    padded = bits + [0] * (-len(bits) % 8)
    return bytes(sum(bit << place for place, bit in enumerate(padded[at : at + 8])) for at in range(0, len(padded), 8))


def crc_a(data: bytes) -> bytes:
    """Bit by bit, as the standard draws it."""
    crc = 0x6363
    for bit in bits_of(data):
        crc = crc >> 1 ^ (0x8408 if (crc ^ bit) & 1 else 0)
    return crc.to_bytes(2, "little")


class Tag:
    """A card of ISO 14443-3 type A; `state` idle, ready, active or halt."""

    def __init__(self, uid: bytes) -> None:
        self.uid = uid
        parts = {4: [uid], 7: [b"\x88" + uid[:3], uid[3:]], 10: [b"\x88" + uid[:3], b"\x88" + uid[3:6], uid[6:]]}
        self.levels = [part + bytes((part[0] ^ part[1] ^ part[2] ^ part[3],)) for part in parts[len(uid)]]
        self.state = "idle"
        self.rest = "idle"  # where it falls back to
        self.level = 0
        self.bad_crc = False

    def power_off(self) -> None:
        self.state = self.rest = "idle"

    def hear(self, bits: Bits) -> Bits | None:
        """What it answers."""
        if len(bits) == 7:
            return self._wake(bytes_of(bits)[0])
        data = bytes_of(bits)
        if self.state == "ready" and len(data) >= 2 and data[0] == LEVELS[self.level]:
            own = bits_of(self.levels[self.level])
            if data[1] == 0x70:
                return self._select(data)
            given = bits[16:]
            if len(given) == (data[1] >> 4) * 8 + (data[1] & 7) - 16 < 40 and own[: len(given)] == given:
                return own[len(given) :]
        elif self.state == "active" and data == b"\x50\x00" + crc_a(b"\x50\x00"):
            self.state = self.rest = "halt"
            return None
        self.state = self.rest
        return None

    def _wake(self, command: int) -> Bits | None:
        if (command == 0x52 and self.state in ("idle", "halt")) or (command == 0x26 and self.state == "idle"):
            self.rest, self.state, self.level = self.state, "ready", 0
            return bits_of(bytes((0x04 | {1: 0x00, 2: 0x40, 3: 0x80}[len(self.levels)], 0x00)))
        self.state = self.rest
        return None

    def _select(self, data: bytes) -> Bits | None:
        own = self.levels[self.level]
        if data[2:7] != own or data[7:] != crc_a(data[:7]):
            self.state = self.rest
            return None
        self.level += 1
        last = self.level == len(self.levels)
        self.state = "active" if last else "ready"
        sak = bytes((0x08 if last else 0x04,))
        return bits_of(sak + (b"\x00\x00" if self.bad_crc else crc_a(sak)))


class Mfrc522Chip:
    """The chip on its SPI bus.

    `hung`: starts nothing any more; `absent`: the bus reads zeros; `slow`: looks at the interrupts before something
    shows; `relative`: the place of a collision counts from the answer instead of from the UID; `error`: raised by all.
    """

    def __init__(self) -> None:
        self.cards: list[Tag] = []
        self.hung = self.absent = self.relative = False
        self.slow = 0
        self.error: int | None = None
        self.garbled = 0  # of so many answers the parity is wrong
        self.opened = 0
        self.resets = 0
        self.reset()

    def reset(self) -> None:
        """As after power on."""
        self.registers = {0x01: 0x20, 0x14: 0x80, 0x2A: 0x00, 0x37: 0x92, 0x0E: 0x80}
        self.fifo = bytearray()
        self._later = 0
        for card in self.cards:
            card.power_off()

    def open(self) -> None:
        self._check()
        self.opened += 1

    def close(self) -> None:
        self.opened = 0

    def transfer(self, *messages: bytes) -> list[bytes]:
        self._check()
        return [bytes(len(message)) if self.absent else self._transfer(message) for message in messages]

    def _check(self) -> None:
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))

    def _transfer(self, message: bytes) -> bytes:
        address = message[0] >> 1 & 0x3F
        if message[0] & 0x80:
            return b"\0" + bytes(self._read(byte >> 1 & 0x3F) for byte in message[:-1])
        for value in message[1:]:
            self._write(address, value)
        return bytes(len(message))

    def _read(self, register: int) -> int:
        if register == 0x09:
            return self.fifo.pop(0) if self.fifo else 0
        if register == 0x0A:
            return len(self.fifo)
        if register == 0x04 and self._later:
            self._later -= 1
            return 0x04
        return self.registers.get(register, 0)

    def _write(self, register: int, value: int) -> None:
        if register == 0x01 and value == 0x0F:
            self.resets += 1
            self.reset()
        elif register == 0x04:
            self.registers[4] = self.registers.get(4, 0) & ~value if not value & 0x80 else value & 0x7F
        elif register == 0x09:
            self.fifo.append(value)
        elif register == 0x0A:
            if value & 0x80:
                self.fifo.clear()
        else:
            self.registers[register] = value
            if register == 0x14 and value & 3 != 3:
                for card in self.cards:
                    card.power_off()
            if register == 0x0D and value & 0x80 and self.registers.get(0x01) == 0x0C and not self.hung:
                self._send(value & 7, value >> 4 & 7)

    def _send(self, last: int, align: int) -> None:
        sent = bits_of(bytes(self.fifo))
        sent = sent[: len(sent) - 8 + last] if last else sent
        self.fifo.clear()
        self._later = self.slow
        self.registers[0x06] = 0
        field = self.registers.get(0x14, 0) & 3 == 3
        answers = [answer for card in self.cards if field and (answer := card.hear(sent)) is not None]
        if not answers:
            self.registers[4] = 0x45
            return
        self._receive(answers, align)

    def _receive(self, answers: list[Bits], align: int) -> None:
        size = max(map(len, answers))
        heard = answers[0] + [0] * (size - len(answers[0]))
        place = next((at for at in range(size) if len({tuple(bits[at : at + 1]) for bits in answers}) > 1), None)
        self.registers[0x0E] = 0x20
        if place is not None:
            heard = heard[: place + 1] + [0] * (size - place - 1)
            self.registers[0x06] |= 0x08
            known = 40 - size if size <= 40 and self.relative is False else align
            position = place + known + 1
            self.registers[0x0E] = position & 0x1F if position <= 32 else 0x20
        if self.garbled:
            self.garbled -= 1
            self.registers[0x06] |= 0x02
        self.fifo += bytes_of([0] * align + heard)
        self.registers[0x0C] = (align + size) % 8
        self.registers[4] = 0x64
