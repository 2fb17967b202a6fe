"""SPI by the kernel's spidev: several messages in one system call, the chip deselected between them.

    port = SpiPort("/dev/spidev0.0", 1_000_000)
    port.open()
    answers = port.transfer(b"\\x82\\x00", b"\\xee\\x00")      as many bytes back as were sent
    port.close()

Mode 0, eight bits, high bit first. The kernel wants the addresses of buffers, which of what Python has `array` tells
(and ctypes, for far more memory). [linux/spi/spidev.h]
"""

from __future__ import annotations

import fcntl
import posix
import sys
from _struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MODE, SPEED, MESSAGE = 0x40016B01, 0x40046B04, 0x40006B00  # of MESSAGE, the size of the transfers is missing
# tx_buf, rx_buf, len, speed_hz, delay_usecs, bits_per_word, cs_change, tx_nbits, rx_nbits, word_delay_usecs, padding
TRANSFER = Struct("=QQIIHBBBBBB")


class _Unregistered:
    @staticmethod
    def register(kind: Any) -> Any:
        return kind


def _load_array() -> Any:
    """The class `array`. It registers itself with an abstract class; loading that would cost 450 KiB for nothing."""
    names = [name for name in ("collections", "collections.abc") if name not in sys.modules]
    for name in names:
        stand_in: Any = type(sys)(name)
        stand_in.MutableSequence = _Unregistered
        sys.modules[name] = stand_in
    try:
        from array import array
    finally:
        for name in names:
            del sys.modules[name]
    return array


array = _load_array()


class SpiPort:
    """One chip on an SPI bus; what fails raises OSError."""

    __slots__ = ("device", "speed_hz", "_fd")

    def __init__(self, device: str, speed_hz: int) -> None:
        self.device = device
        self.speed_hz = speed_hz
        self._fd = -1

    def open(self) -> None:
        """Opens the device, for one owner."""
        fd = posix.open(self.device, posix.O_RDWR | posix.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.ioctl(fd, MODE, b"\0")
            fcntl.ioctl(fd, SPEED, self.speed_hz.to_bytes(4, sys.byteorder))
        except BlockingIOError:
            posix.close(fd)
            raise OSError(16, "in use") from None
        except OSError:
            posix.close(fd)
            raise
        self._fd = fd

    def transfer(self, *messages: bytes) -> list[bytes]:
        """Sends each message and gives what came meanwhile; a millisecond for 100 bytes at 1 MHz."""
        buffers = [array("B", message) for message in messages]
        last = len(buffers) - 1
        packed = b"".join(
            TRANSFER.pack(address, address, size, self.speed_hz, 0, 8, place < last, 0, 0, 0, 0)
            for place, (address, size) in enumerate(map(array.buffer_info, buffers))
        )
        fcntl.ioctl(self._fd, MESSAGE + (len(packed) << 16), packed)
        return [buffer.tobytes() for buffer in buffers]

    def close(self) -> None:
        """Gives the device back; may be called twice."""
        if self._fd >= 0:
            posix.close(self._fd)
            self._fd = -1
