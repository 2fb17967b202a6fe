"""Serial ports over pseudo terminals: settings, one owner, loss and return, what the line does not take."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import termios
from collections.abc import Iterator
from typing import Any

import pytest
import serial

from hal import serialport
from hal.interfaces import HalError
from hal.serialport import SerialPort, character_s, close_port, open_port
from tests.support.fakeloop import FakeLoop

TIOCGEXCL = 0x80045440


class Line:
    """A pseudo terminal: `far` is the other end, `device` a link to the near one that survives an unplugging."""

    def __init__(self, directory: Any) -> None:
        self.device = str(directory / "port")
        self.far = -1
        self.plug()

    def plug(self) -> None:
        self.far, near = pty.openpty()
        os.set_blocking(self.far, False)
        os.symlink(os.ttyname(near), self.device)
        os.close(near)

    def unplug(self) -> None:
        os.unlink(self.device)
        os.close(self.far)
        self.far = -1


def read(fd: int, count: int) -> bytes:
    """`count` bytes, waited for."""
    data = b""
    while len(data) < count and select.select([fd], [], [], 5)[0]:
        data += os.read(fd, count - len(data))
    return data


@pytest.fixture
def line(tmp_path: Any) -> Iterator[Line]:
    line = Line(tmp_path)
    yield line
    if line.far >= 0:
        os.close(line.far)


class Owner:
    """Whoever uses the port."""

    def __init__(self, loop: FakeLoop, **settings: Any) -> None:
        self.loop = loop
        self.data = b""
        self.changes: list[str | None] = []
        self.port = SerialPort(settings)

    def start(self) -> None:
        self.port.start(self.loop, self.receive, self.changes.append)

    def receive(self, data: bytes) -> None:
        self.data += data


@pytest.fixture
def owner(line: Line) -> Iterator[Owner]:
    owner = Owner(FakeLoop(), device=line.device)
    yield owner
    owner.port.close()
    owner.loop.close()


@pytest.mark.parametrize("parity", ["N", "E", "O"])
def test_all_bytes_arrive_whatever_the_parity(line: Line, parity: str) -> None:
    fd = open_port({"device": line.device, "baud": 19200, "parity": parity})
    every = bytes(range(256))
    os.write(line.far, every)
    assert read(fd, 256) == every
    os.write(fd, every)
    assert read(line.far, 256) == every
    os.close(fd)


def test_what_is_asked_of_the_driver(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = termios.tcsetattr

    def tcsetattr(fd: int, when: int, attributes: list[Any]) -> None:
        asked.append(attributes)
        real(fd, when, attributes)

    monkeypatch.setattr(serialport.termios, "tcsetattr", tcsetattr)
    os.close(open_port({"device": line.device, "baud": 2400, "parity": "O", "data_bits": 7, "stop_bits": 2}))
    input_flags, output_flags, control, local, speed_in, speed_out, _ = asked[0]
    assert (output_flags, local, speed_in, speed_out) == (0, 0, termios.B2400, termios.B2400)
    assert input_flags & termios.INPCK and not input_flags & termios.ISTRIP
    wanted = termios.CS7 | termios.PARENB | termios.PARODD | termios.CSTOPB | termios.CREAD | termios.CLOCAL
    assert control == wanted


def test_line_that_cannot_do_parity_is_refused(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serialport, "_PTY_MAJORS", ())
    with pytest.raises(HalError, match=r"port: the port cannot do 9600 Bd 8E1"):
        open_port({"device": line.device, "parity": "E"})


@pytest.mark.parametrize("baud", [0, 9601, -1])
def test_speed_that_no_port_has(line: Line, baud: int) -> None:
    with pytest.raises(HalError, match=f"{baud} Bd is no speed"):
        open_port({"device": line.device, "baud": baud})


def test_second_owner_is_refused(line: Line) -> None:
    fd = open_port({"device": line.device})
    with pytest.raises(HalError, match="in use by another program"):
        open_port({"device": line.device})
    with pytest.raises(serial.SerialException):
        serial.Serial(line.device, exclusive=True)
    close_port(fd)
    with serial.Serial(line.device, exclusive=True), pytest.raises(HalError, match="in use by another program"):
        open_port({"device": line.device})


def test_a_port_that_was_given_back_is_barred_to_nobody(line: Line) -> None:
    """Though another program has it open, whose account may be root's: only for root does the bar not count."""
    other = os.open(line.device, os.O_RDWR | os.O_NOCTTY)
    barred = bytearray(4)
    fd = open_port({"device": line.device})
    assert fcntl.ioctl(other, TIOCGEXCL, barred) == 0 and any(barred)
    close_port(fd)
    assert fcntl.ioctl(other, TIOCGEXCL, barred) == 0 and not any(barred)
    os.close(other)


@pytest.mark.parametrize(
    ("device", "words"),
    [("/nowhere/ttyS9", "there is no such device"), ("/dev/null", "not a serial port")],
)
def test_what_cannot_be_opened(device: str, words: str) -> None:
    with pytest.raises(HalError, match=words) as caught:
        open_port({"device": device})
    assert caught.value.code == "Port" and device in str(caught.value)


def test_missing_permission_says_what_to_do(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(serialport.posix, "open", refuse)
    with pytest.raises(HalError, match="its group, mostly dialout"):
        open_port({"device": line.device})


def test_rs485_that_the_kernel_driver_lacks(line: Line) -> None:
    with pytest.raises(HalError, match="no RS485 mode"):
        open_port({"device": line.device, "rs485": "kernel"})


@pytest.mark.parametrize(("before", "after"), [(0, 3), (4, 5), (7, 7)])
def test_rs485_keeps_what_the_device_tree_said(line: Line, monkeypatch: Any, before: int, after: int) -> None:
    real = serialport.fcntl.ioctl
    seen = []

    def ioctl(fd: int, request: int, *args: Any) -> Any:
        if request == 0x542E:
            args[0][:8] = before.to_bytes(4, "little") + b"\5\0\0\0"
            return 0
        if request == 0x542F:
            seen.append(bytes(args[0]))
            return 0
        return real(fd, request, *args)

    monkeypatch.setattr(serialport.fcntl, "ioctl", ioctl)
    os.close(open_port({"device": line.device, "rs485": "kernel"}))
    assert seen == [after.to_bytes(4, "little") + b"\5\0\0\0" + bytes(24)]


@pytest.mark.parametrize(
    ("settings", "bits"),
    [({}, 10), ({"parity": "E"}, 11), ({"stop_bits": 2}, 11), ({"data_bits": 7, "parity": "O"}, 10)],
)
def test_time_of_a_character(settings: dict[str, Any], bits: int) -> None:
    assert character_s(settings) == bits / 9600
    assert character_s({**settings, "baud": 19200}) == bits / 19200


def test_bytes_go_both_ways(line: Line, owner: Owner) -> None:
    owner.start()
    os.write(line.far, b"\x00\xff\n\r\x03")
    owner.loop.until(lambda: owner.data == b"\x00\xff\n\r\x03")
    assert owner.port.write(b"\x11\x13\n")
    assert read(line.far, 3) == b"\x11\x13\n"
    assert owner.changes == [None]


def test_paused_port_leaves_bytes_where_they_are(line: Line, owner: Owner) -> None:
    owner.start()
    owner.port.pause()
    os.write(line.far, b"later")
    assert select.select([owner.port.fd], [], [], 5)[0]
    owner.loop.settle()
    assert owner.data == b""
    owner.port.read()
    assert owner.data == b"later"
    owner.port.read()  # nothing there: nothing happens
    os.write(line.far, b"!")
    owner.port.resume()
    owner.loop.until(lambda: owner.data == b"later!")


def test_unplugged_adapter_is_told_and_found_again(line: Line, owner: Owner) -> None:
    owner.start()
    line.unplug()
    owner.loop.until(lambda: len(owner.changes) > 1)
    assert owner.changes == [None, f"Port: {line.device}: the device is gone"]
    assert not owner.port.write(b"x")
    owner.loop.advance(serialport.REOPEN_S)
    assert owner.changes[2:] == [f"Port: {line.device}: there is no such device"]
    owner.loop.advance(10 * serialport.REOPEN_S)
    assert len(owner.changes) == 3
    line.plug()
    owner.loop.advance(serialport.REOPEN_S)
    assert owner.changes[3:] == [None]
    os.write(line.far, b"back")
    owner.loop.until(lambda: owner.data == b"back")


def test_port_that_takes_nothing_keeps_a_bounded_rest(line: Line, owner: Owner) -> None:
    owner.start()
    assert owner.port.write(b"a" * 4096)
    while owner.port.write(b"b" * 4096):  # until the pseudo terminal and what waits before it are full
        owner.loop.run_once(0)
    assert not owner.port.write(b"c" * 4096)
    owner.loop.run_once(0)
    got = b""
    while select.select([line.far], [], [], 0.1)[0]:
        got += os.read(line.far, 65536)
        owner.loop.run_once(0)
    assert got.startswith(b"a" * 4096) and not got.strip(b"a").strip(b"b")
    assert owner.port.write(b"c")


def test_discarding_forgets_both_ways(line: Line, owner: Owner) -> None:
    owner.start()
    while owner.port.write(b"b" * 4096):
        pass
    os.write(line.far, b"stale")
    assert select.select([owner.port.fd], [], [], 5)[0]
    owner.port.discard()
    owner.loop.settle()
    assert owner.data == b"" and owner.port.write(b"fresh")


def test_close_is_final_and_may_come_twice(line: Line, owner: Owner) -> None:
    owner.start()
    owner.port.close()
    owner.port.close()
    assert not owner.port.write(b"x")
    owner.port.discard()
    owner.port.pause()
    owner.port.resume()
    owner.port.read()
    line.unplug()
    owner.loop.advance(10)
    assert owner.changes == [None]


def test_port_that_is_not_there_at_the_start(tmp_path: Any) -> None:
    loop = FakeLoop()
    owner = Owner(loop, device=str(tmp_path / "port"))
    owner.start()
    assert owner.changes == [f"Port: {tmp_path}/port: there is no such device"]
    owner.port.close()
    loop.advance(10)
    loop.close()
