"""Token readers with something that shows them cards: one rig for each driver of hal.board.DRIVERS, all alike.

rig = RIGS["pn532-uart"](loop, directory)
rig.reading.start(); rig.show(uid); rig.remove(); rig.unplug(); rig.replug(); rig.end()
"""

from __future__ import annotations

import os
import pty
import tty
from typing import Any

from hal.drivers import hid_reader
from tests.support.mfrc522_emulator import Mfrc522Chip, Tag
from tests.support.pn532_emulator import Card, I2cBus, Line, Pn532Chip, SpiBus
from tests.support.readers import PatientLoop, Reading, board, follow


class Rig:
    """Base: what the drivers have in common, which is that they read."""

    driver = ""

    def __init__(self, loop: Any, directory: Any) -> None:
        self.loop = loop
        self.directory = directory
        self.path = str(directory / "device")
        self.reading: Any = None

    def show(self, uid: bytes) -> None:
        """A card is held before the reader."""
        raise NotImplementedError

    def remove(self) -> None:
        """It is taken away."""

    def unplug(self) -> None:
        raise NotImplementedError

    def replug(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        self.reading.device.close()


class Uart(Rig):
    driver = "pn532-uart"

    def __init__(self, loop: Any, directory: Any) -> None:
        super().__init__(loop, directory)
        self.chip = Pn532Chip()
        self.line = Line(loop, directory, self.chip, "device")
        on = board(serial={"nfc": {"device": self.path}})
        self.reading = Reading(loop, self.driver, {"port": "nfc"}, on)
        if isinstance(loop, PatientLoop):
            follow(loop, self.reading.device, self.line)

    def show(self, uid: bytes) -> None:
        self.line.place(Card(uid))

    def remove(self) -> None:
        self.chip.place(None)

    def unplug(self) -> None:
        self.line.unplug()

    def replug(self) -> None:
        self.line.plug()

    def end(self) -> None:
        super().end()
        if self.line.far >= 0:
            self.line.unplug()


class I2c(Rig):
    driver = "pn532-i2c"
    bus_class: Any = I2cBus
    bus_name = "i2c"

    def __init__(self, loop: Any, directory: Any) -> None:
        super().__init__(loop, directory)
        self.chip = Pn532Chip()
        self.bus = self.bus_class(self.chip)
        on = board()
        on.share(f"{self.bus_name} {self.path}", lambda: self.bus)
        self.reading = Reading(loop, self.driver, {"device": self.path}, on)

    def show(self, uid: bytes) -> None:
        self.chip.place(Card(uid))

    def remove(self) -> None:
        self.chip.place(None)

    def unplug(self) -> None:
        self.bus.error = 19

    def replug(self) -> None:
        self.bus.error = None
        self.chip.reset()


class Spi(I2c):
    driver = "pn532-spi"
    bus_class = SpiBus
    bus_name = "spi"


class Mfrc522(Rig):
    driver = "mfrc522"

    def __init__(self, loop: Any, directory: Any) -> None:
        super().__init__(loop, directory)
        self.chip = Mfrc522Chip()
        on = board()
        on.share(f"spi {self.path}", lambda: self.chip)
        self.reading = Reading(loop, self.driver, {"device": self.path}, on)

    def show(self, uid: bytes) -> None:
        self.chip.cards = [Tag(uid)]

    def remove(self) -> None:
        self.chip.cards = []

    def unplug(self) -> None:
        self.chip.error = 19

    def replug(self) -> None:
        self.chip.error = None
        self.chip.reset()


class SerialLine(Rig):
    """A reader that writes decimal numbers, last byte first."""

    driver = "serial-line"

    def __init__(self, loop: Any, directory: Any) -> None:
        super().__init__(loop, directory)
        self.far = -1
        self.heard = self.said = 0
        self.deaf = True  # such readers only speak
        self.replug()
        options = {"port": "rfid", "format": "dec", "byte_order": "reversed"}
        self.reading = Reading(loop, self.driver, options, board(serial={"rfid": {"device": self.path}}))
        if isinstance(loop, PatientLoop):
            follow(loop, self.reading.device, self)

    def show(self, uid: bytes) -> None:
        digits = {4: 10, 7: 17, 10: 25}[len(uid)]
        self.said += os.write(self.far, str(int.from_bytes(uid, "little")).zfill(digits).encode() + b"\r\n")

    def unplug(self) -> None:
        os.unlink(self.path)
        os.close(self.far)
        self.far = -1

    def replug(self) -> None:
        self.far, near = pty.openpty()
        tty.setraw(near)
        os.symlink(os.ttyname(near), self.path)
        os.close(near)

    def end(self) -> None:
        super().end()
        if self.far >= 0:
            self.unplug()


class Keyboard(Rig):
    """A named pipe in the place of /dev/input/event*, and the kernel's answer to EVIOCGRAB."""

    driver = "keyboard"

    def __init__(self, loop: Any, directory: Any) -> None:
        super().__init__(loop, directory)
        self.fd = -1
        self.replug()
        self.reading = Reading(loop, self.driver, {"device": self.path})
        self._ioctl = hid_reader.fcntl.ioctl
        hid_reader.fcntl.ioctl = self._grab  # type: ignore[assignment]

    def _grab(self, fd: int, request: int, *value: Any) -> Any:
        return 0 if request == hid_reader.GRAB else self._ioctl(fd, request, *value)

    def show(self, uid: bytes) -> None:
        codes = [hid_reader.PLAIN.index(sign) for sign in uid.hex()] + [28]
        os.write(self.fd, b"".join(hid_reader.EVENT.pack(0, 0, 1, code, value) for code in codes for value in (1, 0)))

    def unplug(self) -> None:
        os.unlink(self.path)
        os.close(self.fd)
        self.fd = -1

    def replug(self) -> None:
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

    def end(self) -> None:
        super().end()
        hid_reader.fcntl.ioctl = self._ioctl
        if self.fd >= 0:
            self.unplug()


class Fifo(Rig):
    """The integrator's program, which writes lower case with colons."""

    driver = "fifo"

    def __init__(self, loop: Any, directory: Any) -> None:
        super().__init__(loop, directory)
        self.directory = directory / "run"
        self.directory.mkdir()
        self.path = str(self.directory / "cards")
        self.reading = Reading(loop, self.driver, {"path": self.path})

    def show(self, uid: bytes) -> None:
        fd = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, uid.hex(":").encode() + b"\n")
        os.close(fd)

    def unplug(self) -> None:
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.directory.rmdir()

    def replug(self) -> None:
        self.directory.mkdir()


RIGS: dict[str, Any] = {rig.driver: rig for rig in (Uart, I2c, Spi, Mfrc522, SerialLine, Keyboard, Fifo)}
