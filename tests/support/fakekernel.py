"""A kernel for drivers: GPIO chips that keep electrical levels, and sysfs in a directory.

    kernel = FakeKernel(tmp_path)
    kernel.chip("pinctrl-bcm2711", {26: "GPIO26", 16: "GPIO16"})
    kernel.wires["GPIO16"].drive(True)            what an input sees; edges go to whoever listens
    kernel.wires["GPIO26"].levels                 every level an output had, from its request on
    kernel.pwm("20fc000.pwm", 0); kernel.adc("2198000.adc", {2: 3000}); kernel.hwmon("1-0048", "lm75", 25000)

It does what <linux/gpio.h> says: levels of outputs come with the request, inverted lines are inverted here, a second
owner gets EBUSY, an output keeps its level when it is released, at most `event_buffer_size` edges wait.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hal import gpio
from hal.kernel import Kernel


class Wire:
    """One line: `high` is its electrical level."""

    def __init__(self, name: str, high: bool = False) -> None:
        self.name = name
        self.high = high
        self.levels: list[bool] = []
        self.output = False
        self.flags = 0
        self.debounce_us = 0
        self.user = ""
        self.listener: int | None = None
        self.moved: Callable[[bool], Any] | None = None
        self.broken = False  # setting it fails
        self.no_edges = False
        self._sequence = 0

    @property
    def active(self) -> bool:
        return self.high != bool(self.flags & gpio.ACTIVE_LOW)

    def drive(self, high: bool) -> None:
        """The world outside changes an input."""
        if high == self.high:
            return
        self.high = high
        if self.listener is not None and self.flags & gpio.EDGES:
            self._sequence += 1
            number = self._sequence
            edge = 1 if self.active else 2
            os.write(self.listener, struct.pack("=QIIII24x", time.monotonic_ns(), edge, 0, number, number))

    def set(self, high: bool) -> None:
        self.high = high
        self.levels.append(high)
        if self.moved is not None:
            self.moved(high)


class FakeKernel(Kernel):
    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.chips: list[tuple[str, str, dict[int, Wire]]] = []
        self.wires: dict[str, Wire] = {}
        self.refused: int | None = None  # errno for whoever opens a chip
        self.asked: list[tuple[int, bytes]] = []
        self.timeout_s = 0
        self._chips: dict[int, dict[int, Wire]] = {}
        self._lines: dict[int, Wire] = {}
        for name in ("dev", "sys/class/pwm", "sys/class/leds", "sys/bus/iio/devices"):
            (root / name).mkdir(parents=True, exist_ok=True)

    # What the machine has

    def chip(self, label: str, names: dict[int, str], count: int = 32) -> None:
        number = len(self.chips)
        wires = {offset: Wire(names.get(offset, "")) for offset in range(count)}
        for offset, wire in wires.items():
            self.wires[wire.name or f"{label} {offset}"] = wire
        self.chips.append((f"gpiochip{number}", label, wires))
        Path(self.root, "dev", f"gpiochip{number}").touch()

    def pwm(self, device: str, channel: int, number: int = 0, exported: bool = True) -> Path:
        """The directory of the output, whose files hold what was written last."""
        bus = Path(self.root, "sys/devices/platform/soc", device)
        chip = Path(self.root, "sys/class/pwm", f"pwmchip{number}")
        output = chip / f"pwm{channel}"
        bus.mkdir(parents=True)
        output.mkdir(parents=True)
        (chip / "device").symlink_to(bus)
        (chip / "export").touch()
        for name in ("period", "duty_cycle", "enable"):
            (output / name).write_text("0")
        if not exported:
            output.rename(chip / "hidden")
        return output

    def adc(self, device: str, channels: dict[int, int], number: int = 0) -> Path:
        directory = Path(self.root, "sys/devices/platform/soc", device, f"iio:device{number}")
        directory.mkdir(parents=True)
        Path(self.root, "sys/bus/iio/devices", f"iio:device{number}").symlink_to(directory)
        for channel, value in channels.items():
            (directory / f"in_voltage{channel}_raw").write_text(f"{value}\n")
        return directory

    def hwmon(self, device: str, name: str, millidegrees: int, number: int = 0) -> Path:
        """The file of a temperature."""
        directory = Path(self.root, "sys/class/hwmon", f"hwmon{number}")
        bus = Path(self.root, "sys/devices/platform/soc", device)
        for each in (directory, bus):
            each.mkdir(parents=True)
        (directory / "device").symlink_to(bus)
        (directory / "name").write_text(f"{name}\n")
        (directory / "temp1_input").write_text(f"{millidegrees}\n")
        return directory / "temp1_input"

    def led(self, name: str) -> Path:
        directory = Path(self.root, "sys/class/leds", name)
        directory.mkdir(parents=True)
        (directory / "brightness").write_text("0")
        (directory / "max_brightness").write_text("255\n")
        return directory / "brightness"

    # What drivers call

    def open(self, path: str, flags: int = os.O_RDWR) -> int:
        chip = next((wires for name, _, wires in self.chips if path == f"/dev/{name}"), None)
        if chip is not None and self.refused:
            raise OSError(self.refused, os.strerror(self.refused))
        fd = super().open(path, flags)
        if chip is not None:
            self._chips[fd] = chip
        return fd

    def put(self, path: str, text: str) -> None:
        if path.endswith("/export"):
            chip = Path(self.root + path).parent
            (chip / "hidden").rename(chip / f"pwm{text}")
            return
        if not Path(self.root + path).exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        Path(self.root + path).write_text(text)

    def close(self, fd: int) -> None:
        self._chips.pop(fd, None)
        wire = self._lines.pop(fd, None)
        if wire is not None and wire.listener is not None:
            os.close(wire.listener)
            wire.listener = None
            wire.user = ""
        super().close(fd)

    def ioctl(self, fd: int, request: int, argument: Any) -> Any:
        if fd in self._chips:
            return self._chip_ioctl(self._chips[fd], request, argument)
        if fd in self._lines:
            return _line_ioctl(self._lines[fd], request, argument)
        self.asked.append((request, bytes(argument)))
        if self.timeout_s:
            argument[:] = struct.pack("i", self.timeout_s)
        return 0

    def _chip_ioctl(self, wires: dict[int, Wire], request: int, argument: bytearray) -> int:
        if request == gpio.GET_CHIPINFO:
            name, label = next((name, label) for name, label, of in self.chips if of is wires)
            argument[:] = struct.pack("=32s32sI", name.encode(), label.encode(), len(wires))
        elif request == gpio.GET_LINEINFO:
            (offset,) = struct.unpack_from("=I", argument, 64)
            wire = wires[offset]
            names = (wire.name.encode(), wire.user.encode())
            struct.pack_into("=32s32sIIQ", argument, 0, *names, offset, 0, bool(wire.user))
        elif request == gpio.GET_LINE:
            self._request(wires, argument)
        else:
            raise OSError(errno.EINVAL, "Invalid argument")
        return 0

    def _request(self, wires: dict[int, Wire], argument: bytearray) -> None:
        (offset,) = struct.unpack_from("=I", argument, 0)
        flags, attributes = struct.unpack_from("=QI", argument, 288)
        (count,) = struct.unpack_from("=I", argument, 560)
        assert count == 1 and attributes <= 10
        wire = wires[offset]
        if wire.user:
            raise OSError(errno.EBUSY, "Device or resource busy")
        if flags & gpio.EDGES and wire.no_edges:
            raise OSError(errno.ENXIO, "No such device or address")
        wire.flags = flags
        wire.debounce_us = 0
        value = False
        for number in range(attributes):
            id, _, content, mask = struct.unpack_from("=IIQQ", argument, 320 + 24 * number)
            assert mask == 1
            if id == gpio.OUTPUT_VALUES:
                value = bool(content & 1)
            elif id == gpio.DEBOUNCE:
                wire.debounce_us = content & 0xFFFFFFFF
        fd, wire.listener = os.pipe()
        wire.user = bytes(argument[256:288]).rstrip(b"\0").decode()
        wire.output = bool(flags & gpio.OUTPUT)
        if wire.output:
            wire.set(value != bool(flags & gpio.ACTIVE_LOW))
        self._lines[fd] = wire
        struct.pack_into("=i", argument, 588, fd)


def _line_ioctl(wire: Wire, request: int, argument: bytearray) -> int:
    bits, mask = struct.unpack("=QQ", argument)
    assert mask == 1
    if request == gpio.SET_VALUES:
        if not wire.output:
            raise OSError(errno.EPERM, "Operation not permitted")
        if wire.broken:
            raise OSError(errno.EIO, "Input/output error")
        wire.set(bool(bits & 1) != bool(wire.flags & gpio.ACTIVE_LOW))
    elif request == gpio.GET_VALUES:
        argument[:] = struct.pack("=QQ", wire.active, 1)
    else:
        raise OSError(errno.EINVAL, "Invalid argument")
    return 0
