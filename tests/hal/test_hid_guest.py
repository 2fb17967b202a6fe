"""Keyboard readers on a real kernel: a device made by uinput, its grab, its overflow, its end and return."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.guest import run_guest

SCRIPT = """
import fcntl, os, struct, time
from evse.shell.loop import Loop
from hal.drivers.hid_reader import EVENT, GRAB, PLAIN, HidReader

SET_EVENT, SET_KEY, CREATE, DESTROY = 0x40045564, 0x40045565, 0x5501, 0x5502  # [linux/uinput.h]
LINK = "/tmp/reader"


class Keyboard:
    def __init__(self):
        before = set(os.listdir("/dev/input"))
        self.fd = os.open("/dev/uinput", os.O_WRONLY | os.O_NONBLOCK)
        for kind in (0, 1, 4):
            fcntl.ioctl(self.fd, SET_EVENT, kind)
        for key in range(1, 128):
            fcntl.ioctl(self.fd, SET_KEY, key)
        os.write(self.fd, struct.pack("@80sHHHHI", b"card reader", 3, 1, 2, 1, 0) + bytes(1024))
        fcntl.ioctl(self.fd, CREATE)
        while not (new := [name for name in set(os.listdir("/dev/input")) - before if name.startswith("event")]):
            time.sleep(0.05)
        self.path = "/dev/input/" + new[0]
        os.symlink(self.path, LINK)

    def type(self, text):
        for code in [*map(PLAIN.index, text), 28]:
            for value in (1, 0):
                os.write(self.fd, EVENT.pack(0, 0, 1, code, value) + EVENT.pack(0, 0, 0, 0, 0))

    def unplug(self):
        os.unlink(LINK)
        fcntl.ioctl(self.fd, DESTROY)
        os.close(self.fd)


def run(seconds):
    loop.call_later(seconds, loop.stop)
    loop.run_forever()


os.makedirs("/dev/input", exist_ok=True)
keyboard, loop = Keyboard(), Loop()
reader = HidReader({"device": LINK}, None, None)
reader.start(loop, lambda *event: print(*event))
other = os.open(keyboard.path, os.O_RDONLY | os.O_NONBLOCK)
try:
    fcntl.ioctl(other, GRAB, 1)
except OSError as error:
    print("other:", error.strerror)
keyboard.type("04a22b3c4d5e6f")
run(0.5)
try:
    print("other heard", len(os.read(other, 4096)))
except BlockingIOError:
    print("other heard nothing")
for _ in range(40):  # more than the kernel keeps while nobody reads
    keyboard.type("11223344")
run(0.5)
keyboard.type("aabbccdd")
run(0.5)
os.close(other)
keyboard.unplug()
run(0.5)
keyboard = Keyboard()
run(2.5)
keyboard.type("ca73b1d4")
run(0.5)
reader.close()
with open(keyboard.path, "rb") as device:
    fcntl.ioctl(device, GRAB, 1)
    print("free after close")
"""


@pytest.mark.slow
def test_keyboard_of_a_real_kernel(tmp_path: Path) -> None:
    lines = run_guest(SCRIPT, tmp_path, ("evdev", "uinput")).splitlines()
    assert lines[:3] == ["other: Device or resource busy", "token 04A22B3C4D5E6F ISO14443", "other heard nothing"]
    after = lines[3:] if lines[3] != "token 11223344 ISO14443" else lines[4:]
    assert after == [
        "token AABBCCDD ISO14443",
        "fault ReaderFailure /tmp/reader: the device is gone",
        "cleared ReaderFailure",
        "token CA73B1D4 ISO14443",
        "free after close",
    ]
