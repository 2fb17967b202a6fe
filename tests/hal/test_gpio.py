"""GPIO: found by name, opened at the safe level, edges told; judged by <linux/gpio.h> where there is a compiler."""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hal import gpio
from hal.drivers import watchdog
from hal.gpio import Gpio
from hal.interfaces import HalError
from tests.support.fakekernel import FakeKernel
from tests.support.fakeloop import FakeLoop

OUT: dict[str, Any] = {"line": "RELAY", "direction": "out", "safe": "inactive"}
IN: dict[str, Any] = {"line": "SENSE", "direction": "in"}


@pytest.fixture
def kernel(tmp_path: Path) -> FakeKernel:
    kernel = FakeKernel(tmp_path)
    kernel.chip("first", {0: "OTHER"})
    kernel.chip("209c000.gpio", {7: "RELAY", 8: "SENSE"})
    return kernel


@pytest.fixture
def loop() -> Any:
    loop = FakeLoop()
    yield loop
    loop.close()


HEADER = """
#include <linux/gpio.h>
#include <linux/watchdog.h>
#include <stddef.h>
#include <stdio.h>
int main(void) {
    printf("%lu %lu %lu %lu %lu %lu\\n", (unsigned long)GPIO_GET_CHIPINFO_IOCTL,
        (unsigned long)GPIO_V2_GET_LINEINFO_IOCTL, (unsigned long)GPIO_V2_GET_LINE_IOCTL,
        (unsigned long)GPIO_V2_LINE_GET_VALUES_IOCTL, (unsigned long)GPIO_V2_LINE_SET_VALUES_IOCTL,
        (unsigned long)WDIOC_SETTIMEOUT);
    printf("%zu %zu %zu %zu %zu\\n", sizeof(struct gpiochip_info), sizeof(struct gpio_v2_line_info),
        sizeof(struct gpio_v2_line_request), sizeof(struct gpio_v2_line_values), sizeof(struct gpio_v2_line_event));
    printf("%llu %llu %llu %llu %llu %d %d\\n", (unsigned long long)GPIO_V2_LINE_FLAG_ACTIVE_LOW,
        (unsigned long long)GPIO_V2_LINE_FLAG_INPUT, (unsigned long long)GPIO_V2_LINE_FLAG_OUTPUT,
        (unsigned long long)(GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING),
        (unsigned long long)GPIO_V2_LINE_FLAG_BIAS_PULL_UP, GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES,
        GPIO_V2_LINE_ATTR_ID_DEBOUNCE);
    struct gpio_v2_line_request *r = 0;
    printf("%zu %zu %zu %zu %zu\\n", (size_t)&r->consumer, (size_t)&r->config, (size_t)&r->config.attrs,
        (size_t)&r->num_lines, (size_t)&r->fd);
    return 0;
}
"""


def test_numbers_and_sizes_are_those_of_the_kernels_header(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not Path("/usr/include/linux/gpio.h").exists():
        pytest.skip("no C compiler or no <linux/gpio.h>")
    source = tmp_path / "numbers.c"
    source.write_text(HEADER)
    subprocess.run([compiler, "-o", tmp_path / "numbers", source], check=True)
    text = subprocess.run([tmp_path / "numbers"], check=True, capture_output=True, text=True).stdout
    requests, sizes, flags, places = [list(map(int, line.split())) for line in text.splitlines()]
    names = (gpio.GET_CHIPINFO, gpio.GET_LINEINFO, gpio.GET_LINE, gpio.GET_VALUES, gpio.SET_VALUES)
    assert requests == [*names, watchdog.SET_TIMEOUT]
    structs = (gpio.CHIPINFO, gpio.LINEINFO, gpio.REQUEST, gpio.VALUES, gpio.EVENT)
    assert sizes == [struct.size for struct in structs]
    flag = (gpio.ACTIVE_LOW, gpio.INPUT, gpio.OUTPUT, gpio.EDGES, gpio.BIASES["pull_up"])
    assert flags == [*flag, gpio.OUTPUT_VALUES, gpio.DEBOUNCE]
    request = gpio.REQUEST.pack(1, b"C" * 32, 2**64 - 1, 3, 4, 5, 6, 7, 0, 0, 0, 0, 8, 9, -1)
    marks = [request.index(mark) for mark in (b"C", b"\xff" * 8, b"\4\0\0\0\5\0\0\0", b"\10\0\0\0\11", b"\xff" * 4)]
    assert marks[:4] == places[:4] and request.rindex(b"\xff" * 4) == places[4]


@pytest.mark.parametrize("active", ["high", "low"])
@pytest.mark.parametrize("safe", ["inactive", "active"])
def test_an_output_has_its_safe_level_from_the_request_on(kernel: FakeKernel, active: str, safe: str) -> None:
    wire = kernel.wires["RELAY"]
    relay = Gpio({"relay": {**OUT, "active": active, "safe": safe}}, kernel).output("relay")
    expected = (active == "high") == (safe == "active")
    assert wire.levels == [expected]
    relay.set(safe == "inactive")
    assert wire.levels == [expected, not expected]
    relay.close()
    relay.close()
    assert wire.levels == [expected, not expected, expected] and not wire.user


def test_lines_are_found_on_whatever_chip_they_are(kernel: FakeKernel) -> None:
    lines = Gpio({"relay": OUT, "by_label": {"chip": ["43810080.gpio", "first"], "offset": 3}}, kernel)
    assert lines.place("relay") == ("/dev/gpiochip1", 7)
    assert lines.place("by_label") == ("/dev/gpiochip0", 3)


def test_a_line_that_is_not_there_is_named(kernel: FakeKernel) -> None:
    with pytest.raises(HalError, match=r"\[gpio.x\]: this machine has no line GPIO4; `evse hw list`"):
        Gpio({"x": {**OUT, "line": "GPIO4"}}, kernel).output("x")


def test_a_name_that_two_chips_have_is_refused(kernel: FakeKernel) -> None:
    kernel.chip("third", {0: "RELAY"})
    with pytest.raises(HalError, match="line RELAY is on /dev/gpiochip1 and on /dev/gpiochip2: say which chip"):
        Gpio({"x": OUT}, kernel).output("x")


def test_the_same_chip_under_two_names_is_one(kernel: FakeKernel) -> None:
    (Path(kernel.root) / "dev/gpiochip9").symlink_to("gpiochip1")
    _, label, wires = kernel.chips[1]
    kernel.chips.append(("gpiochip9", label, wires))
    assert Gpio({"x": OUT}, kernel).place("x") == ("/dev/gpiochip1", 7)


def test_a_line_has_one_owner(kernel: FakeKernel) -> None:
    lines = Gpio({"x": OUT}, kernel)
    first = lines.output("x")
    with pytest.raises(HalError, match=r"\[gpio.x\] RELAY: in use by another program or driver"):
        lines.output("x")
    first.close()
    lines.output("x").close()


def test_no_permission_says_which_group(kernel: FakeKernel) -> None:
    kernel.refused = errno.EACCES
    with pytest.raises(HalError, match="/dev/gpiochip0: no permission; its group, mostly gpio"):
        Gpio({"x": OUT}, kernel).output("x")


def test_a_line_without_interrupt_says_so(kernel: FakeKernel, loop: FakeLoop) -> None:
    kernel.wires["SENSE"].no_edges = True
    with pytest.raises(HalError, match=r"SENSE: it cannot report edges"):
        Gpio({"x": IN}, kernel).input("x", loop, print)


@pytest.mark.parametrize("active", ["high", "low"])
def test_every_edge_is_told_in_order_and_the_level_at_first(kernel: FakeKernel, loop: FakeLoop, active: str) -> None:
    seen: list[bool] = []
    wire = kernel.wires["SENSE"]
    sense = Gpio({"x": {**IN, "active": active}}, kernel).input("x", loop, seen.append)
    loop.settle()
    idle = active == "low"
    assert seen == [idle] and sense.active == idle
    wire.drive(True)
    wire.drive(False)  # a pulse shorter than our attention
    wire.drive(True)
    loop.settle()
    assert seen == [idle, not idle, idle, not idle] and sense.level() is not idle
    sense.close()
    sense.close()
    loop.settle()
    assert len(seen) == 4 and not wire.user


def test_when_edges_were_lost_the_level_counts(kernel: FakeKernel, loop: FakeLoop) -> None:
    seen: list[bool] = []
    wire = kernel.wires["SENSE"]
    Gpio({"x": IN}, kernel).input("x", loop, seen.append)
    wire.drive(True)
    wire.high = False  # the kernel's buffer was full
    loop.settle()
    assert seen[-1] is False


def test_a_hundred_edges_at_once(kernel: FakeKernel, loop: FakeLoop) -> None:
    seen: list[bool] = []
    Gpio({"x": IN}, kernel).input("x", loop, seen.append)
    for number in range(100):
        kernel.wires["SENSE"].drive(number % 2 == 0)
    loop.settle()
    assert seen == [number % 2 == 0 for number in range(100)]


def test_bias_debounce_and_drive_reach_the_kernel(kernel: FakeKernel) -> None:
    lines = Gpio({"x": {**IN, "bias": "pull_up", "debounce_ms": 10}, "y": {**OUT, "drive": "open_drain"}}, kernel)
    lines.input("x")
    lines.output("y")
    assert kernel.wires["SENSE"].flags == gpio.INPUT | gpio.BIASES["pull_up"]
    assert kernel.wires["SENSE"].debounce_us == 10_000
    assert kernel.wires["RELAY"].flags == gpio.OUTPUT | gpio.DRIVES["open_drain"]
