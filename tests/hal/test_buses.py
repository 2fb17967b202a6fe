"""SPI and I2C ports: the numbers and structures that the kernel expects, and what an opener is told."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hal import i2c, spi
from hal.drivers import hid_reader
from hal.i2c import I2cPort
from hal.spi import TRANSFER, SpiPort
from tests.support.fakeloop import FakeLoop
from tests.support.readers import Reading

ROOT = Path(__file__).parents[2]
HEADER = """
#include <stddef.h>
#include <stdio.h>
#include <linux/i2c-dev.h>
#include <linux/input.h>
#include <linux/spi/spidev.h>
#define AT(member) offsetof(struct spi_ioc_transfer, member)
int main(void) {
    printf("%u %u %u %u ", SPI_IOC_WR_MODE, SPI_IOC_WR_MAX_SPEED_HZ, SPI_IOC_MESSAGE(1), SPI_IOC_MESSAGE(7));
    printf("%u %u %u ", I2C_SLAVE, EVIOCGRAB, (unsigned)sizeof(struct input_event));
    printf("%d %d %d %d %d ", KEY_1, KEY_ENTER, KEY_KPENTER, KEY_LEFTSHIFT, SYN_DROPPED);
    printf("%u ", (unsigned)sizeof(struct spi_ioc_transfer));
    printf("%u %u ", (unsigned)AT(len), (unsigned)AT(speed_hz));
    printf("%u %u\\n", (unsigned)AT(bits_per_word), (unsigned)AT(cs_change));
    return 0;
}
"""


def test_numbers_and_places_are_those_of_the_kernels_headers(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not Path("/usr/include/linux/spi/spidev.h").exists():
        pytest.skip("no C compiler or no headers of the kernel")
    (tmp_path / "numbers.c").write_text(HEADER)
    subprocess.run([compiler, "-o", tmp_path / "numbers", tmp_path / "numbers.c"], check=True)
    text = subprocess.run([tmp_path / "numbers"], check=True, capture_output=True, text=True).stdout
    packed = TRANSFER.pack(0, 0, 0xA1, 0xA2, 0, 0xA3, 0xA4, 0, 0, 0, 0)
    assert list(map(int, text.split())) == [
        spi.MODE, spi.SPEED, spi.MESSAGE + (32 << 16), spi.MESSAGE + (7 * 32 << 16),
        i2c.SLAVE, hid_reader.GRAB, hid_reader.EVENT.size,
        hid_reader.PLAIN.index("1"), 28, hid_reader.KEYPAD_ENTER, hid_reader.SHIFTS[0], hid_reader.DROPPED,
        TRANSFER.size, *map(packed.index, (0xA1, 0xA2, 0xA3, 0xA4)),
    ]  # fmt: skip


class Calls:
    """ioctl as the kernel does it: a chip that answers every byte with its complement."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, Any]] = []
        self.selected: list[bool] = []

    def ioctl(self, fd: int, request: int, argument: Any) -> int:
        self.seen.append((request, argument))
        if request & 0xFFFF == 0x6B00:
            for at in range(0, len(argument), TRANSFER.size):
                out, back, size, _, _, bits, change, *_ = TRANSFER.unpack_from(argument, at)
                sent = ctypes.string_at(out, size)
                ctypes.memmove(back, bytes(byte ^ 0xFF for byte in sent), size)
                assert bits == 8
                self.selected.append(bool(change))
        return 0


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls()
    monkeypatch.setattr(spi.fcntl, "ioctl", calls.ioctl)
    return calls


def test_messages_go_out_in_one_call_with_the_chip_deselected_between(tmp_path: Path, calls: Calls) -> None:
    (tmp_path / "spidev").touch()
    port = SpiPort(str(tmp_path / "spidev"), 500_000)
    port.open()
    assert port.transfer(b"\x01\x02\x03", b"\x10", bytes(300)) == [b"\xfe\xfd\xfc", b"\xef", b"\xff" * 300]
    assert [request for request, _ in calls.seen] == [spi.MODE, spi.SPEED, spi.MESSAGE + (3 * 32 << 16)]
    assert calls.seen[0][1] == b"\0" and calls.seen[1][1] == (500_000).to_bytes(4, sys.byteorder)
    assert calls.selected == [True, True, False]
    port.close()
    port.close()


def test_second_opener_of_a_chip_is_refused(tmp_path: Path, calls: Calls) -> None:
    (tmp_path / "spidev").touch()
    first, second = (SpiPort(str(tmp_path / "spidev"), 500_000) for _ in range(2))
    first.open()
    with pytest.raises(OSError, match="in use"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_i2c_chip_is_addressed_and_read_as_a_whole(tmp_path: Path, calls: Calls) -> None:
    (tmp_path / "i2c").write_bytes(b"\x01abc")
    port = I2cPort(str(tmp_path / "i2c"), 0x24)
    port.open()
    assert calls.seen == [(0x0703, 0x24)] and port.read(4) == b"\x01abc"
    port.write(b"xyz")
    port.close()
    port.close()
    assert (tmp_path / "i2c").read_bytes() == b"\x01abcxyz"


@pytest.mark.parametrize("port", [SpiPort("/dev/null", 1_000_000), I2cPort("/dev/null", 0x24)])
def test_another_kind_of_device_is_refused_and_closed(port: Any) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError):
        port.open()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("driver", ["pn532-i2c", "pn532-spi", "mfrc522"])
def test_reader_says_what_is_wrong_with_its_bus(driver: str) -> None:
    for device, words in (("/nowhere/bus", "there is no such device"), ("/dev/null", "not a device of this kind")):
        loop = FakeLoop()
        reading = Reading(loop, driver, {"device": device}).start()
        loop.advance(10)
        assert reading.faults == [f"{device}: {words}"]
        reading.device.close()
        loop.close()


def test_the_resident_process_does_not_pay_for_abstract_classes() -> None:
    """`array` alone would load `collections`: 450 KiB."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import hal.spi; "
        "print(sorted(name for name in sys.modules if name.startswith('collections'))); "
        "import collections.abc; print(collections.abc.MutableSequence.__name__, len(hal.spi.array('B', b'ab')))"
    )
    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == "[]\nMutableSequence 2\n"
