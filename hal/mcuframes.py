"""Frames of the safety controller on chargebyte's boards: `A5 ID data[8] CRC 03`, CRC-8 SAE J1850 over ID and data.

ChargeControl (ours, every 100 ms): bit 63 the pilot runs, bits 48 to 57 its duty cycle in 0.1 %, bit 40 the contactor
may close; data is a big-endian number of 64 bits.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

START, END, SIZE = 0xA5, 0x03, 12
CHARGE_CONTROL, CHARGE_STATE, PT1000, FIRMWARE, GIT_HASH, ERROR, INQUIRY = 0x06, 0x07, 0x08, 0x0A, 0x0B, 0x0E, 0xFF


def crc8(data: bytes) -> int:
    """Polynomial 1D, begun with FF, inverted at the end."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x1D if crc & 0x80 else crc << 1) & 0xFF
    return crc ^ 0xFF


def frame(id: int, data: bytes) -> bytes:
    """`data`: 8 bytes."""
    body = bytes((id,)) + data
    return bytes((START,)) + body + bytes((crc8(body), END))


def charge_control(duty: float, contactor: bool) -> bytes:
    """The data of ChargeControl; `duty` from 0 (state F) to 1 (steady)."""
    value = 1 << 63 | round(duty * 1000) << 48 | contactor << 40
    return value.to_bytes(8, "big")


class Parser:
    """Takes bytes as they come; what is no frame is skipped byte by byte until one begins."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(ID, data) of each whole frame."""
        held = self._bytes + data
        at = 0
        while (at := held.find(START, at)) >= 0:
            part = held[at : at + SIZE]
            if len(part) < SIZE:
                break
            if part[-1] == END and crc8(part[1:10]) == part[10]:
                yield part[1], part[2:10]
                at += SIZE
            else:
                at += 1
        self._bytes = held[at:] if at >= 0 else b""
