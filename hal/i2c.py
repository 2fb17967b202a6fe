"""I2C by the kernel's i2c-dev: one chip on a bus, read and written as a whole.

    port = I2cPort("/dev/i2c-1", 0x24)
    port.open()
    port.write(b"\\x02"); port.read(4)
    port.close()

[linux/i2c-dev.h]
"""

from __future__ import annotations

import fcntl
import posix

SLAVE = 0x0703


class I2cPort:
    """What fails raises OSError: errno 121 or 6 if the chip does not answer to its address."""

    __slots__ = ("device", "address", "_fd")

    def __init__(self, device: str, address: int) -> None:
        self.device = device
        self.address = address
        self._fd = -1

    def open(self) -> None:
        """Opens the bus; refused (16) if a driver of the kernel has the chip."""
        fd = posix.open(self.device, posix.O_RDWR | posix.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, SLAVE, self.address)
        except OSError:
            posix.close(fd)
            raise
        self._fd = fd

    def read(self, size: int) -> bytes:
        return posix.read(self._fd, size)

    def write(self, data: bytes) -> None:
        posix.write(self._fd, data)

    def close(self) -> None:
        """Gives the bus back; may be called twice."""
        if self._fd >= 0:
            posix.close(self._fd)
            self._fd = -1
