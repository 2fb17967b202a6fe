"""Modbus RTU: frames, what is an answer, and the bus: silence, retries, turns, noise, echo, loss of the port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

from hal.board import Board
from hal.interfaces import HalError
from hal.modbus import EXCEPTIONS, GAP_S, GUARD_S, Bus, ModbusError, crc16, find_answer, shared_bus
from tests.support.fakeloop import FakeLoop

# [Eastron SDM630 protocol description]: question and answer, 230.2 V.
VENDOR_QUESTION = bytes.fromhex("010400000002 71CB")
VENDOR_ANSWER = bytes.fromhex("010404 43663334 1B38")
HEAD = b"\x01\x04\x04"


@given(st.binary(max_size=300))
def test_crc_is_that_of_pymodbus(data: bytes) -> None:
    assert int.from_bytes(crc16(data), "big") == FramerRTU.compute_CRC(data)


def test_vendor_frame() -> None:
    assert find_answer(VENDOR_ANSWER, HEAD, 9) == bytes.fromhex("43663334")


def test_no_prefix_of_an_answer_is_an_answer() -> None:
    for length in range(len(VENDOR_ANSWER)):
        assert find_answer(VENDOR_ANSWER[:length], HEAD, 9) is None


@pytest.mark.parametrize("noise", [b"\0", b"\xff\xff", b"\x01", b"\x01\x04\x04", VENDOR_QUESTION])
def test_answer_behind_noise_or_echo(noise: bytes) -> None:
    assert find_answer(noise + VENDOR_ANSWER + b"\0", HEAD, 9) == bytes.fromhex("43663334")


@pytest.mark.parametrize("at", range(len(VENDOR_ANSWER)))
def test_each_wrong_byte_is_noticed(at: int) -> None:
    broken = bytearray(VENDOR_ANSWER)
    broken[at] ^= 0x10
    assert find_answer(bytes(broken), HEAD, 9) is None


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 11, 99])
def test_exception_answers_have_their_code(code: int) -> None:
    body = bytes((1, 0x84, code))
    with pytest.raises(ModbusError, match=EXCEPTIONS.get(code, "unknown")) as caught:
        find_answer(body + crc16(body), HEAD, 9)
    assert caught.value.exception == code


@given(st.binary(max_size=60), st.integers(0, 60), st.sampled_from([HEAD, b"\x01\x10\0\0\0\2"]))
def test_no_bytes_make_the_decoder_fail(data: bytes, cut: int, head: bytes) -> None:
    mixed = data[:cut] + VENDOR_ANSWER + data[cut:]
    for sample in (data, mixed, mixed[:cut]):
        try:
            body = find_answer(sample, head, 9 if head == HEAD else 8)
        except ModbusError as error:
            assert error.code == "Exception"
        else:
            assert body is None or len(body) in (0, 4)


# The bus


class FakePort:
    """Instead of hal.serialport.SerialPort: keeps what is sent and when."""

    def __init__(self, loop: FakeLoop) -> None:
        self.loop = loop
        self.sent: list[tuple[float, bytes]] = []
        self.waiting = b""
        self.paused = False
        self.is_open = True
        self.received: Any = None
        self.changed: Any = None

    def start(self, loop: Any, received: Callable[[bytes], Any], changed: Callable[[str | None], Any]) -> None:
        self.received, self.changed = received, changed
        changed(None if self.is_open else "Port: /dev/x: there is no such device")

    def write(self, data: bytes) -> bool:
        self.sent.append((self.loop.now, data))
        return True

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def read(self) -> None:
        data, self.waiting = self.waiting, b""
        if data:
            self.received(data)

    def close(self) -> None:
        self.is_open = False

    def arrive(self, data: bytes) -> None:
        self.waiting += data
        if not self.paused:
            self.read()


class Rig:
    def __init__(self, is_open: bool = True, **settings: Any) -> None:
        self.loop = FakeLoop()
        self.bus = Bus({"device": "/dev/x", **settings})
        self.port: Any = FakePort(self.loop)
        self.port.is_open = is_open
        self.bus._port = self.port
        self.bus.open(self.loop)
        self.results: list[Any] = []

    def done(self, data: bytes | None, error: ModbusError | None) -> None:
        self.results.append(data if error is None else (error.code, error.exception))

    def ask(self, unit: Any, count: int = 2) -> None:
        unit.read(4, 0, count, self.done)

    def answer(self, unit: int = 1, data: bytes = b"CfAN") -> None:
        body = bytes((unit, 4, len(data))) + data
        self.port.arrive(body + crc16(body))

    def units(self) -> list[int]:
        return [frame[0] for _, frame in self.port.sent]


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    rig.loop.advance(1)
    yield rig
    rig.loop.close()


def test_question_is_the_vendors(rig: Rig) -> None:
    rig.ask(rig.bus.unit(1))
    assert rig.port.sent[0][1] == VENDOR_QUESTION
    rig.port.arrive(VENDOR_ANSWER)
    assert rig.results == [bytes.fromhex("43663334")]


def test_write_by_function_16(rig: Rig) -> None:
    """[chargeITmobility BSM documents]: a recorded frame."""
    rig.bus.unit(0x2A).write(0x9C84, b"\0\2", rig.done)
    assert rig.port.sent[0][1] == bytes.fromhex("2a109c84000102 0002") + crc16(bytes.fromhex("2a109c840001020002"))
    head = bytes.fromhex("2a109c840001")
    rig.port.arrive(head + crc16(head))
    assert rig.results == [b""]


@pytest.mark.parametrize(
    ("settings", "silence_s"),
    [({}, 35 / 9600), ({"parity": "E"}, 38.5 / 9600), ({"baud": 19200}, 35 / 19200), ({"baud": 115200}, 0.00175)],
)
def test_silence_between_answer_and_next_question(settings: dict[str, Any], silence_s: float) -> None:
    rig = Rig(**settings)
    rig.loop.advance(1)
    unit = rig.bus.unit(1)
    rig.ask(unit)
    rig.loop.advance(0.02)
    rig.answer()
    when = rig.loop.now
    rig.ask(unit)
    assert len(rig.port.sent) == 1
    rig.loop.advance(0.1)
    assert rig.port.sent[1][0] == pytest.approx(when + silence_s)


def test_silence_that_a_model_wants(rig: Rig) -> None:
    unit = rig.bus.unit(1, silence_s=0.06)
    rig.ask(unit)
    rig.answer()
    when = rig.loop.now
    rig.ask(unit)
    rig.loop.advance(0.1)
    assert rig.port.sent[1][0] == pytest.approx(when + 0.06)


def test_silent_unit_is_asked_as_often_as_allowed(rig: Rig) -> None:
    rig.ask(rig.bus.unit(1, timeout_s=0.5, attempts=3))
    rig.loop.advance(5)
    assert rig.results == [("Silent", None)]
    times = [when for when, _ in rig.port.sent]
    sending_s = 8 * 10 / 9600
    assert len(times) == 3 and times[1] - times[0] == pytest.approx(0.5 + sending_s + GUARD_S + 35 / 9600)


def test_silent_unit_does_not_starve_the_others(rig: Rig) -> None:
    silent, good = rig.bus.unit(1), rig.bus.unit(2)
    rig.ask(silent)
    for turn in range(3):
        rig.ask(good)
        while rig.units().count(2) == turn:
            rig.loop.advance(0.05)
        rig.answer(2)
    assert rig.units() == [1, 2, 1, 2, 1, 2]


def test_turns_are_fair(rig: Rig) -> None:
    units = [rig.bus.unit(id) for id in (1, 2, 3)]
    for unit in units:
        rig.ask(unit)
    for _ in range(9):
        turn = rig.units()[-1]
        rig.answer(turn)
        rig.ask(units[turn - 1])
        rig.loop.advance(0.01)
    assert rig.units() == [1, 2, 3] * 3 + [1]


def test_exception_is_final_or_tried_again(rig: Rig) -> None:
    unit = rig.bus.unit(1)
    for code, questions in ((2, 1), (6, 3)):
        before = len(rig.port.sent)
        rig.ask(unit)
        for _ in range(3):
            body = bytes((1, 0x84, code))
            if len(rig.results) < 1:
                rig.port.arrive(body + crc16(body))
            rig.loop.advance(0.1)
        assert rig.results == [("Exception", code)]
        assert len(rig.port.sent) - before == questions
        rig.results.clear()


def test_garbled_answer_is_over_when_the_line_is_silent(rig: Rig) -> None:
    rig.ask(rig.bus.unit(1, attempts=1))
    rig.port.arrive(VENDOR_ANSWER[:-1] + b"?")
    rig.loop.advance(GAP_S)
    assert rig.results == [("Garbled", None)]


def test_half_an_answer_is_garbled_and_asked_for_again(rig: Rig) -> None:
    rig.ask(rig.bus.unit(1))
    rig.port.arrive(VENDOR_ANSWER[:4])
    rig.loop.advance(0.2)
    assert rig.results == [] and len(rig.port.sent) == 2
    rig.port.arrive(VENDOR_ANSWER)
    assert rig.results == [bytes.fromhex("43663334")]


def test_rest_of_a_long_answer_is_slept_for(rig: Rig) -> None:
    rig.ask(rig.bus.unit(1), count=76)
    data = bytes(152)
    body = bytes((1, 4, 152)) + data
    frame = body + crc16(body)
    rig.port.arrive(frame[:8])
    assert rig.port.paused
    rig.loop.advance(0.1)
    rig.port.arrive(frame[8:])
    assert rig.results == []
    rig.loop.advance(149 * 10 / 9600 - 0.102)
    assert rig.results == [data] and not rig.port.paused


def test_sleep_ends_before_a_late_answer_does(rig: Rig) -> None:
    rig.ask(rig.bus.unit(1), count=20)
    data = bytes(40)
    body = bytes((1, 4, 40)) + data
    frame = body + crc16(body)
    rig.port.arrive(frame[:10])
    rig.loop.advance(0.06)
    assert not rig.port.paused and rig.results == []
    rig.port.arrive(frame[10:])
    assert rig.results == [data]


def test_noise_before_the_answer_and_endless_noise(rig: Rig) -> None:
    unit = rig.bus.unit(1, attempts=1)
    rig.ask(unit)
    rig.port.arrive(b"\0\xff" + VENDOR_ANSWER)
    assert len(rig.results) == 1
    rig.ask(unit)
    rig.loop.advance(0.1)
    for _ in range(200):
        rig.port.arrive(b"\xaa" * 10)
    assert rig.results[1:] == [("Garbled", None)]


def test_noise_while_nobody_asked_delays_the_next_question(rig: Rig) -> None:
    rig.port.arrive(b"noise")
    when = rig.loop.now
    rig.ask(rig.bus.unit(1))
    rig.loop.advance(0.1)
    assert rig.port.sent[0][0] == pytest.approx(when + 35 / 9600)


def test_line_that_is_never_silent_fails_the_question(rig: Rig) -> None:
    def chatter() -> None:
        rig.port.arrive(b"\xaa")
        rig.loop.call_later(0.003, chatter)

    chatter()
    rig.ask(rig.bus.unit(1, attempts=2))
    rig.loop.advance(3)
    assert rig.port.sent == [] and rig.results == [("Garbled", None)]


def test_patience_with_noise_begins_anew_with_the_port(rig: Rig) -> None:
    rig.port.arrive(b"noise")
    rig.ask(rig.bus.unit(1))
    rig.port.changed("Port: /dev/x: the device is gone")
    rig.loop.advance(10)
    rig.port.changed(None)
    rig.ask(rig.bus.unit(2))
    rig.loop.advance(0.1)
    assert rig.results == [("Port", None)] and rig.units() == [2]


def test_dripping_noise_does_not_hold_the_bus(rig: Rig) -> None:
    rig.ask(rig.bus.unit(1, attempts=1))
    rig.ask(rig.bus.unit(2))
    for _ in range(25):
        rig.port.arrive(b"\xaa")
        rig.loop.advance(0.04)
    assert rig.results == [("Garbled", None)]


def test_late_answer_is_not_taken_for_the_next(rig: Rig) -> None:
    slow, unit = rig.bus.unit(1, timeout_s=0.1, attempts=1), rig.bus.unit(1, attempts=1)
    rig.ask(slow)
    rig.loop.advance(0.15)
    assert rig.results == [("Silent", None)]
    rig.ask(unit)
    rig.answer(1, b"late")
    rig.loop.advance(0.2)
    rig.answer(1, b"good")
    assert rig.results[1:] == [b"good"]


@pytest.mark.parametrize("echo", [VENDOR_QUESTION, VENDOR_QUESTION[:3]])
def test_echo_of_the_question_is_dropped(rig: Rig, echo: bytes) -> None:
    rig.ask(rig.bus.unit(1))
    rig.port.arrive(echo)
    rig.port.arrive(VENDOR_QUESTION[len(echo) :])
    rig.loop.advance(0.01)
    assert not rig.results
    rig.port.arrive(VENDOR_ANSWER)
    assert rig.results == [bytes.fromhex("43663334")]


def test_echo_alone_is_silence(rig: Rig) -> None:
    rig.ask(rig.bus.unit(1, attempts=1))
    rig.port.arrive(VENDOR_QUESTION)
    rig.loop.advance(1)
    assert rig.results == [("Silent", None)]


def test_port_that_is_not_there() -> None:
    rig = Rig(is_open=False)
    rig.ask(rig.bus.unit(1))
    assert rig.results == []  # never from within the call
    rig.loop.settle()
    assert rig.results == [("Port", None)] and rig.port.sent == []
    rig.port.changed(None)
    rig.ask(rig.bus.unit(1))
    rig.loop.advance(1)
    assert rig.port.sent


def test_lost_port_fails_all_that_wait(rig: Rig) -> None:
    rig.ask(rig.bus.unit(1))
    rig.ask(rig.bus.unit(2))
    rig.port.changed("Port: /dev/x: the device is gone")
    assert rig.results == [("Port", None)] * 2
    assert rig.bus.problem == "Port: /dev/x: the device is gone"


def test_port_is_open_while_it_has_users(rig: Rig) -> None:
    rig.bus.open(rig.loop)
    rig.ask(rig.bus.unit(1))
    rig.bus.close()
    assert rig.port.is_open
    rig.bus.close()
    assert not rig.port.is_open
    rig.loop.advance(5)
    assert rig.results == []


def test_cancelled_question_is_not_sent_and_its_answer_is_for_nobody(rig: Rig) -> None:
    first, second = rig.bus.unit(1), rig.bus.unit(2)
    rig.ask(first)
    rig.ask(second)
    first.cancel()
    second.cancel()
    rig.answer()
    rig.loop.advance(2)
    assert rig.results == [] and rig.units() == [1]


def test_second_question_before_the_answer_is_refused(rig: Rig) -> None:
    unit = rig.bus.unit(1)
    rig.ask(unit)
    with pytest.raises(HalError, match="Busy"):
        rig.ask(unit)


def test_users_of_a_port_share_its_bus() -> None:
    board = Board("b")
    board.resources = {"serial": {"meterbus": {"device": "/dev/x"}}}
    assert shared_bus(board, "meterbus") is shared_bus(board, "meterbus")
    with pytest.raises(HalError, match=r"no \[serial.meterbuss\]; known: meterbus"):
        shared_bus(board, "meterbuss")


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=12), st.booleans())
def test_no_noise_stops_the_bus(noise: list[bytes], answered: bool) -> None:
    rig = Rig()
    rig.loop.advance(1)
    rig.ask(rig.bus.unit(1))
    for data in noise:
        rig.port.arrive(data)
        rig.loop.advance(0.01)
    if answered:
        rig.answer()
    rig.loop.advance(10)
    assert len(rig.results) == 1
    rig.ask(rig.bus.unit(1))
    rig.loop.advance(0.005)
    rig.answer()
    assert rig.results[1:] == [b"CfAN"]
    rig.loop.close()
