"""Serial ports: a tty opened raw and for one owner, its parity and RS485 direction set, and opened again when lost.

    fd = open_port({"device": "/dev/ttymxc0", "baud": 19200, "parity": "E", "rs485": "kernel"})

    port = SerialPort(board.resources["serial"]["nfc"])       what [serial.nfc] of the board file says
    port.start(loop, received, changed)                       received(data); changed(None | "why it is not open")
    port.write(frame)                                         False while it is not open
    port.close()

Settings: `device`; `baud` (9600); `data_bits` 7 | 8 (8); `parity` "N" | "E" | "O"; `stop_bits` 1 | 2 (1);
`rs485` "none" | "auto" (the transceiver turns by itself) | "kernel" (TIOCSRS485).

termios without a library: 44 KiB in the resident process where pyserial takes 2.7 MB, or 32 ms of a child at each
opening. `python-periphery` strips bit 7 as soon as there is parity. Here a byte with a wrong parity arrives as 0.
"""

from __future__ import annotations

import fcntl
import posix
import termios
from _struct import pack, unpack

from hal.interfaces import HalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Table = dict[str, Any]

PARITIES = {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}
RS485 = ("none", "auto", "kernel")
REOPEN_S = 2.0
# More than this is not kept for a port that takes nothing: the oldest frame is complete or worthless by then.
WRITE_LIMIT = 4096

_TIOCGRS485, _TIOCSRS485 = 0x542E, 0x542F
_ENABLED, _RTS_ON_SEND, _RTS_AFTER_SEND = 1, 2, 4
_PTY_MAJORS = range(136, 144)
_WHY: dict[Any, str] = {
    2: "there is no such device",
    5: "there is no serial port behind this name",
    6: "there is no serial port behind this name",
    13: "no permission; its group, mostly dialout, must be one of the station's account",
    16: "in use by another program",
    19: "the device is gone",
}


def open_port(settings: Table) -> int:
    """A non-blocking descriptor of the tty, empty, raw, locked against a second owner.

    Raises HalError("Port") that says what is wrong and with which device.
    """
    device: str = settings["device"]
    try:
        fd = posix.open(device, posix.O_RDWR | posix.O_NOCTTY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except OSError as error:
        raise _failed(device, error) from None
    try:
        if not posix.isatty(fd):
            raise HalError("Port", f"{device}: not a serial port")
        _lock(fd, device)
        _configure(fd, settings)
        if settings.get("rs485") == "kernel":
            _turn_by_kernel(fd, device)
        termios.tcflush(fd, termios.TCIOFLUSH)
    except (OSError, termios.error) as error:
        posix.close(fd)
        raise _failed(device, error) from None
    except HalError:
        posix.close(fd)
        raise
    return fd


def close_port(fd: int) -> None:
    """Gives the tty back: without a word it stays barred as long as any program, a getty of root's say, has it open."""
    try:
        fcntl.ioctl(fd, termios.TIOCNXCL)
    except OSError:  # the device is gone
        posix.close(fd)
        return
    posix.close(fd)


def character_s(settings: Table) -> float:
    """Seconds that one character takes on the line."""
    bits = 1 + settings.get("data_bits", 8) + (settings.get("parity", "N") != "N") + settings.get("stop_bits", 1)
    return float(bits / settings.get("baud", 9600))


def _failed(device: str, error: Any) -> HalError:
    number = error.args[0] if error.args else None
    return HalError("Port", f"{device}: {_WHY.get(number, error.args[-1] if error.args else error)}")


def _lock(fd: int, device: str) -> None:
    """Neither another opener of ours nor pyserial (flock) nor any program that is not root's (TIOCEXCL) gets it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HalError("Port", f"{device}: {_WHY[16]}") from None
    fcntl.ioctl(fd, termios.TIOCEXCL)


def _configure(fd: int, settings: Table) -> None:
    baud = settings.get("baud", 9600)
    speed = getattr(termios, f"B{baud}", None)
    if speed is None or not baud:
        raise HalError("Port", f"{settings['device']}: {baud} Bd is no speed of serial ports")
    parity = settings.get("parity", "N")
    size = termios.CS7 if settings.get("data_bits", 8) == 7 else termios.CS8
    wanted = size | PARITIES[parity] | (termios.CSTOPB if settings.get("stop_bits", 1) == 2 else 0)
    _, _, _, _, _, _, controls = termios.tcgetattr(fd)
    controls[termios.VMIN], controls[termios.VTIME] = 1, 0  # so that b"" means hung up, and nothing else
    # Without HUPCL, DTR stays up between two openings: a falling one resets some boards.
    flags = wanted | termios.CREAD | termios.CLOCAL
    checked = termios.IGNBRK | (termios.INPCK if parity != "N" else 0)
    try:
        termios.tcsetattr(fd, termios.TCSANOW, [checked, 0, flags, 0, speed, speed, controls])
    except termios.error as error:
        if error.args[0] != 22:
            raise
    mask = termios.CSIZE | termios.PARENB | termios.CSTOPB
    _, _, got, _, _, got_speed, _ = termios.tcgetattr(fd)
    if posix.major(posix.fstat(fd).st_rdev) in _PTY_MAJORS:  # these carry bytes, whatever the line is said to be
        mask &= ~(termios.PARENB | termios.CSIZE)
    if (got ^ wanted) & mask or got_speed != speed:
        words = f"{baud} Bd {settings.get('data_bits', 8)}{parity}{settings.get('stop_bits', 1)}"
        raise HalError("Port", f"{settings['device']}: the port cannot do {words}")


def _turn_by_kernel(fd: int, device: str) -> None:
    """Switches the kernel's RS485 mode on; what the device tree said about polarity and delays stays."""
    state = bytearray(32)  # struct serial_rs485: flags, delays before and after in ms, padding
    try:
        fcntl.ioctl(fd, _TIOCGRS485, state)
        (flags,) = unpack("I", state[:4])
        if not flags & (_RTS_ON_SEND | _RTS_AFTER_SEND):
            flags |= _RTS_ON_SEND
        state[:4] = pack("I", flags | _ENABLED)
        fcntl.ioctl(fd, _TIOCSRS485, state)
    except OSError:
        text = 'its kernel driver has no RS485 mode; rs485 = "auto" is for transceivers that turn by themselves'
        raise HalError("Port", f"{device}: {text}") from None


class SerialPort:
    """A tty that is opened at `start()`, and every REOPEN_S while it is not there."""

    __slots__ = ("settings", "fd", "_loop", "_received", "_changed", "_timer", "_unsent", "_problem")

    def __init__(self, settings: Table) -> None:
        self.settings = settings
        self.fd = -1  # -1 while it is not open
        self._loop: Any = None
        self._received: Any = None
        self._changed: Any = None
        self._timer: Any = None
        self._unsent = b""
        self._problem: str | None = ""

    def start(
        self, loop: Any, received: Callable[[bytes], Any], changed: Callable[[str | None], Any] | None = None
    ) -> None:
        """Opens the port. `received(data)` gets what arrives, as it arrives; `changed(problem)` is called when the port
        was opened (None), or cannot be opened or was lost (why), once for each change.
        """
        self._loop, self._received, self._changed, self._problem = loop, received, changed, ""
        self._open()

    def write(self, data: bytes) -> bool:
        """Sends behind what is not sent yet; False, and nothing sent, if the port is not open or takes no more."""
        if self.fd < 0 or len(self._unsent) + len(data) > WRITE_LIMIT:
            return False
        if self._unsent:
            self._unsent += data
            return True
        self._unsent = data
        self._send()
        return self.fd >= 0

    def discard(self) -> None:
        """Forgets what has arrived or waits to be sent."""
        self._drop_unsent()
        if self.fd >= 0:
            try:
                termios.tcflush(self.fd, termios.TCIOFLUSH)
            except termios.error:
                self._lose(self._gone())

    def pause(self) -> None:
        """Leaves what arrives in the kernel until `resume()`."""
        if self.fd >= 0:
            self._loop.remove_reader(self.fd)

    def resume(self) -> None:
        """Hears again."""
        if self.fd >= 0:
            self._loop.add_reader(self.fd, self.read)

    def read(self) -> None:
        """Hands over what has arrived; called by the loop, or after `pause()` when enough must be there."""
        if self.fd < 0:
            return
        try:
            data = posix.read(self.fd, WRITE_LIMIT)
        except BlockingIOError:
            return
        except OSError:
            self._lose(self._gone())
            return
        if data:
            self._received(data)
        else:
            self._lose(self._gone())

    def close(self) -> None:
        """Gives the port back; may be called twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._shut()
        self._changed = None

    def _open(self) -> None:
        self._timer = None
        try:
            self.fd = open_port(self.settings)
        except HalError as error:
            self._lose(str(error))
            return
        self._loop.add_reader(self.fd, self.read)
        self._tell(None)

    def _send(self) -> None:
        try:
            sent = posix.write(self.fd, self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lose(self._gone())
            return
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.add_writer(self.fd, self._send)
        else:
            self._loop.remove_writer(self.fd)

    def _drop_unsent(self) -> None:
        if self._unsent:
            self._unsent = b""
            self._loop.remove_writer(self.fd)

    def _lose(self, problem: str) -> None:
        self._shut()
        self._timer = self._loop.call_later(REOPEN_S, self._open)
        self._tell(problem)

    def _shut(self) -> None:
        if self.fd >= 0:
            self._drop_unsent()
            self._loop.remove_reader(self.fd)
            close_port(self.fd)
            self.fd = -1

    def _gone(self) -> str:
        return f"Port: {self.settings['device']}: {_WHY[19]}"

    def _tell(self, problem: str | None) -> None:
        if problem != self._problem:
            self._problem = problem
            if self._changed is not None:
                self._changed(problem)
