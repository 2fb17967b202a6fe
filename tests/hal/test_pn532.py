"""PN532: the emulator judged by other people's libraries, the driver by the emulator, on all three links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal import pn532
from hal.pn532 import ACK, ATTEMPTS, COMMANDS, UART_WAKE, Chip, Frames, frame, uid_of
from tests.support.fakeloop import FakeLoop
from tests.support.pn532_emulator import ERROR, NACK, Card, I2cBus, Line, Pn532Chip, SpiBus, information, served
from tests.support.readers import PatientLoop, Reading, board, follow

SINGLE, DOUBLE, TRIPLE = (bytes.fromhex(text) for text in ("ca73b1d4", "04a22b3c4d5e6f", "04112233445566778899"))
CARDS = [
    Card(SINGLE),
    Card(DOUBLE),
    Card(TRIPLE),
    Card(DOUBLE, ats=bytes.fromhex("067577810280")),
    Card(SINGLE, ats=bytes((60, *range(59)))),  # an ATS longer than what is fetched first on I2C and SPI
]
HEARD = information(b"\x4b\x01\x01\x00\x44\x00\x07" + DOUBLE)

PIECES = (ACK, NACK, ERROR, HEARD, HEARD[:-1], b"\x00\x00\xff", b"\x00\x00\xff\xff\xff\x01\x08\xf7")


# The emulator


@pytest.mark.parametrize("uid", [SINGLE, DOUBLE])
def test_adafruit_reads_from_the_emulator(uid: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows no UIDs of ten bytes."""
    monkeypatch.setenv("BLINKA_OS_AGNOSTIC", "1")
    serial = pytest.importorskip("serial")
    uart = pytest.importorskip("adafruit_pn532.uart")
    chip = Pn532Chip()
    chip.place(Card(uid))
    with served(chip) as device, serial.Serial(device, 115200, timeout=1) as port:
        host = uart.PN532_UART(port)
        assert host.firmware_version == (0x32, 1, 6, 7)
        assert bytes(host.read_passive_target(timeout=1)) == uid


@pytest.mark.parametrize("card", CARDS[:3])
def test_nfcpy_reads_from_the_emulator(card: Card) -> None:
    clf = pytest.importorskip("nfc.clf")
    transport = pytest.importorskip("nfc.clf.transport")
    driver = pytest.importorskip("nfc.clf.pn532")
    chip = Pn532Chip()
    chip.place(card)
    with served(chip) as device:
        host = driver.init(transport.TTY(device))
        assert host.chipset_name == "PN532v1.6"
        target = host.sense_tta(clf.RemoteTarget("106A"))
        assert (bytes(target.sdd_res), bytes(target.sens_res)) == (card.uid, card.sens_res[::-1])
        host.close()


# Frames


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ACK, [b""]),
        (NACK, [None]),
        (ERROR, [None]),
        (information(b"\x15"), [b"\x15"]),
        (information(b"\x03\x32\x01\x06\x07"), [b"\x03\x32\x01\x06\x07"]),
        (information(bytes(range(100)), extended=True), [bytes(range(100))]),
        (information(bytes(260)), [bytes(260)]),
        (b"\xff\x00\x55" + ACK + b"\x00\x13" + HEARD, [b"", HEARD[6:-2]]),
        (HEARD[:-3] + b"\x00\x00" + ACK, [None, b""]),
        (b"\x00\x00\xff\x07\x00" + ACK, [None, b""]),
        (b"\x00\x00\xff\xff\xff\x40\x00\x00" + ACK, [None, b""]),
        (frame(b"\x02"), [None]),  # our own words
    ],
)
def test_frames_in_what_arrives(data: bytes, expected: list[bytes | None]) -> None:
    assert Frames().feed(data) == expected
    frames = Frames()
    assert [found for byte in data for found in frames.feed(bytes((byte,)))] == expected


@settings(max_examples=200, deadline=None)
@given(data=st.binary(min_size=1, max_size=253), cut=st.integers(0, 270), extended=st.booleans())
def test_every_frame_comes_back_and_no_prefix_is_one(data: bytes, cut: int, extended: bool) -> None:
    whole = information(data, extended)
    assert Frames().feed(whole) == [data]
    frames = Frames()
    assert frames.feed(whole[: min(cut, len(whole) - 2)]) == []
    assert frames.feed(whole[min(cut, len(whole) - 2) :]) == [data]
    begun = Frames()
    begun.feed(whole[:5])
    assert 0 < begun.missing() <= len(whole) - 5


def test_nothing_is_missing_of_what_has_not_begun() -> None:
    frames = Frames()
    frames.feed(HEARD + b"\x12\x34")
    assert frames.missing() == 0


@settings(max_examples=500, deadline=None)
@given(st.lists(st.binary(max_size=300) | st.sampled_from(PIECES), max_size=6))
def test_noise_is_survived_in_bounded_memory(parts: list[bytes]) -> None:
    frames = Frames()
    for part in parts:
        frames.feed(part)
    assert len(frames._buffer) <= pn532.FRAME_LIMIT + 9
    frames.clear()
    assert frames.feed(HEARD) == [HEARD[5 + 1 : -2]]


@pytest.mark.parametrize("uid", [SINGLE, DOUBLE, TRIPLE])
def test_uid_in_an_answer(uid: bytes) -> None:
    answer = b"\x4b\x01\x01\x00\x04\x08" + bytes((len(uid),)) + uid
    assert uid_of(answer) == uid
    assert uid_of(answer + b"\x05\x75\x77\x81\x02") == uid
    assert all(uid_of(answer[:size]) is None for size in range(len(answer)))


@pytest.mark.parametrize("answer", ["4b00", "4b0101000408" + "05" + "0102030405", "4b0101000408" + "00"])
def test_answer_without_a_card(answer: str) -> None:
    assert uid_of(bytes.fromhex(answer)) is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 3), st.binary(max_size=60) | st.sampled_from((ACK, ERROR, HEARD))), max_size=20))
def test_conversation_survives_any_chip(said: list[tuple[float, bytes]]) -> None:
    chip, now = Chip(UART_WAKE), 0.0
    chip.begin(now)
    for pause_s, data in said:
        now += pause_s
        chip.receive(data, now)
        chip.tick(now)
        assert chip.when is not None and chip.polling_s() in (None, pn532.POLL_S, pn532.SEARCH_POLL_S)
        chip.take()
    good = Pn532Chip()
    good.place(Card(DOUBLE))
    chip.events.clear()
    for _ in range(200):
        for data in chip.take():
            good.feed(data)
        answer = good.take()
        if not answer:
            now = max(now, chip.when or now)
            chip.tick(now)
        chip.receive(answer, now)
    assert ("card", DOUBLE) in chip.events


# The driver on its links


class Rig:
    """A reader with an emulated chip on one link."""

    def __init__(self, link: str, loop: FakeLoop, directory: Any) -> None:
        self.link, self.loop, self.chip = link, loop, Pn532Chip()
        if link == "uart":
            self.line = Line(loop, directory, self.chip)
            on = board(serial={"nfc": {"device": self.line.device}})
            options: dict[str, Any] = {"port": "nfc"}
        else:
            on = board()
            self.bus = I2cBus(self.chip) if link == "i2c" else SpiBus(self.chip)
            on.share(f"{link} /dev/bus", lambda: self.bus)
            options = {"device": "/dev/bus"}
        self.reading = Reading(loop, f"pn532-{link}", options, on)
        if isinstance(loop, PatientLoop):
            follow(loop, self.reading.device, self.line)

    def place(self, card: Card | None) -> None:
        self.chip.place(card)
        if self.link == "uart":
            self.line.speak()

    def unplug(self) -> None:
        if self.link == "uart":
            self.line.unplug()
        else:
            self.bus.error = 19

    def replug(self) -> None:
        if self.link == "uart":
            self.line.plug()
        else:
            self.bus.error = None
            self.chip.reset()


@pytest.fixture(params=["uart", "i2c", "spi"])
def rig(request: Any, tmp_path: Any) -> Iterator[Rig]:
    loop = PatientLoop() if request.param == "uart" else FakeLoop()
    rig = Rig(request.param, loop, tmp_path)
    yield rig
    rig.reading.device.close()
    loop.advance(20)
    if rig.link == "uart" and rig.line.far >= 0:
        rig.line.unplug()
    loop.close()


def test_chip_is_woken_and_set_up_in_order(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(0.3)
    assert rig.chip.commands == [command for command, _ in COMMANDS]
    assert rig.chip.searching and rig.reading.events == []


@pytest.mark.parametrize("card", CARDS, ids=lambda card: f"{len(card.uid)}-{len(card.ats)}")
def test_card_is_one_token(rig: Rig, card: Card) -> None:
    rig.reading.start()
    rig.loop.advance(3)
    rig.place(card)
    rig.loop.advance(0.4)
    assert rig.reading.events == [("token", card.uid.hex().upper(), "ISO14443")]
    rig.loop.advance(10)
    rig.place(None)
    rig.loop.advance(10)
    assert len(rig.reading.tokens) == 1


def test_card_that_comes_again_or_is_another(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(1)
    for card, away_s in ((SINGLE, 0.5), (SINGLE, 2.0), (SINGLE, 0.1), (DOUBLE, 0.1)):
        rig.place(Card(card))
        rig.loop.advance(0.6)
        rig.place(None)
        rig.loop.advance(away_s)
    assert rig.reading.tokens == [uid.hex().upper() for uid in (SINGLE, SINGLE, DOUBLE)]


def test_card_in_the_field_at_the_start(rig: Rig) -> None:
    rig.chip.place(Card(TRIPLE))
    rig.reading.start()
    rig.loop.advance(1)
    assert rig.reading.tokens == [TRIPLE.hex().upper()]


def test_chip_that_limits_its_search_is_asked_again(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(1)
    rig.chip.retries = 1
    rig.loop.advance(3)
    rig.place(Card(SINGLE))
    rig.loop.advance(0.5)
    assert rig.reading.tokens == [SINGLE.hex().upper()]


def test_silent_chip_is_a_fault_until_it_speaks(rig: Rig) -> None:
    rig.chip.dead = True
    rig.reading.start()
    rig.loop.advance(20)
    assert rig.reading.faults == ["PN532: it does not answer"]
    rig.chip.dead = False
    rig.loop.advance(6)
    assert rig.reading.faults[1:] == [None]
    rig.place(Card(DOUBLE))
    rig.loop.advance(0.5)
    assert rig.reading.tokens == [DOUBLE.hex().upper()]


def test_chip_that_dies_while_it_searches_is_found_out(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(5)
    rig.chip.dead = True
    rig.loop.advance(8)
    assert rig.reading.faults == ["PN532: it does not answer"]


def test_chip_whose_supply_was_gone_is_set_up_again(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(5)
    rig.chip.reset()
    rig.chip.commands.clear()
    rig.loop.advance(8)
    assert rig.chip.searching and rig.chip.commands.count(COMMANDS[2][0]) <= 1
    rig.place(Card(DOUBLE))
    rig.loop.advance(0.5)
    assert rig.reading.tokens == [DOUBLE.hex().upper()] and rig.reading.faults == []


def test_error_frames_are_a_fault_when_they_do_not_end(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(3)
    rig.chip.syntax_errors = 1
    rig.loop.advance(5)
    assert rig.reading.faults == []
    rig.chip.syntax_errors = 20
    rig.loop.advance(10)
    assert rig.reading.faults[0] == "PN532: it answers with errors"
    rig.loop.advance(60)
    assert rig.reading.faults[-1] is None


def test_unplugged_reader_is_a_fault_and_works_again_when_plugged(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(5)
    rig.unplug()
    rig.loop.advance(5)
    (fault,) = rig.reading.faults
    assert fault is not None and "the device is gone" in fault
    rig.loop.advance(30)
    rig.replug()
    rig.loop.advance(6)
    assert rig.reading.faults[1:] == [None]
    rig.place(Card(SINGLE))
    rig.loop.advance(0.5)
    assert rig.reading.tokens == [SINGLE.hex().upper()]


def test_reader_that_is_not_there_at_the_start(rig: Rig) -> None:
    rig.unplug()
    if rig.link != "uart":
        rig.bus.error = 2
    rig.reading.start()
    rig.loop.advance(10)
    (fault,) = rig.reading.faults
    assert fault is not None and "there is no such device" in fault
    rig.replug()
    rig.loop.advance(6)
    assert rig.reading.faults[1:] == [None]


def test_closed_reader_says_nothing_more(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(1)
    rig.reading.device.close()
    rig.reading.device.close()
    sent = len(rig.chip.commands)
    rig.place(Card(SINGLE))
    rig.loop.advance(30)
    assert rig.reading.events == [] and len(rig.chip.commands) == sent


def test_reader_closed_by_what_it_reports(rig: Rig) -> None:
    rig.reading.device.start(rig.loop, lambda *event: rig.reading.device.close())
    rig.place(Card(SINGLE))
    rig.loop.advance(5)
    assert rig.reading.device._timer is None


def test_noise_on_the_line_loses_no_card(tmp_path: Any) -> None:
    loop = PatientLoop()
    rig = Rig("uart", loop, tmp_path)
    rig.reading.start()
    loop.advance(1)
    for round, noise in enumerate(
        (b"\x00\x00\xff\xf0\x10", b"\xff" * 40, b"\x00\x00\xff", HEARD[:9], ERROR, ACK, b"lost")
    ):
        rig.line.noise = noise
        rig.line.damaged = noise == b"lost"
        rig.place(Card(SINGLE[:3] + bytes((round,))))
        loop.advance(1.5)
        rig.place(None)
        loop.advance(3)
    assert rig.reading.tokens == [f"{SINGLE[:3].hex()}{round:02x}".upper() for round in range(7)]
    assert rig.reading.faults == []
    rig.reading.device.close()
    rig.line.unplug()
    loop.close()


def test_two_readers_are_apart(tmp_path: Any) -> None:
    loop = PatientLoop()
    chips = [Pn532Chip(), Pn532Chip()]
    lines = [Line(loop, tmp_path, chip, f"nfc{number}") for number, chip in enumerate(chips)]
    on = board(serial={f"nfc{number}": {"device": line.device} for number, line in enumerate(lines)})
    readers = [Reading(loop, "pn532-uart", {"port": f"nfc{number}"}, on) for number in range(2)]
    for reader, line in zip(readers, lines, strict=True):
        follow(loop, reader.device, line)
        reader.start()
    loop.advance(1)
    lines[0].place(Card(SINGLE))
    lines[1].place(Card(DOUBLE))
    loop.advance(1)
    lines[0].unplug()
    loop.advance(5)
    assert [reader.tokens for reader in readers] == [[SINGLE.hex().upper()], [DOUBLE.hex().upper()]]
    assert readers[0].faults and not readers[1].faults
    for reader in readers:
        reader.device.close()
    lines[1].unplug()
    loop.close()


def test_port_speed_is_the_chips_unless_the_board_says_otherwise(tmp_path: Any) -> None:
    for settings_, baud in (({}, 115200), ({"baud": 230400}, 230400)):
        on = board(serial={"nfc": {"device": str(tmp_path / "x"), **settings_}})
        assert Reading(FakeLoop(), "pn532-uart", {"port": "nfc"}, on).device.port.settings["baud"] == baud


def test_idle_reader_on_a_serial_port_sleeps(tmp_path: Any) -> None:
    """A search that is renewed every five seconds: two frames sent, one received."""
    loop = PatientLoop()
    rig = Rig("uart", loop, tmp_path)
    rig.reading.start()
    loop.advance(1)
    rig.chip.commands.clear()
    loop.advance(60)
    assert 11 <= len(rig.chip.commands) <= 13
    rig.reading.device.close()
    rig.line.unplug()
    loop.close()


def test_bus_errors_while_the_chip_sleeps_are_not_the_end(tmp_path: Any) -> None:
    loop = FakeLoop()
    rig = Rig("i2c", loop, tmp_path)
    rig.reading.start()
    loop.advance(1)
    rig.bus.error = 121
    loop.advance(1)
    rig.bus.error = None
    loop.advance(5)
    rig.place(Card(SINGLE))
    loop.advance(0.5)
    assert rig.reading.faults == [] and rig.reading.tokens == [SINGLE.hex().upper()]
    before = rig.bus.openings
    rig.chip.dead = True  # the bus adapter was unplugged and says so in no other way
    loop.advance(20)
    assert rig.reading.faults == ["PN532: it does not answer"] and rig.bus.openings > before
    rig.reading.device.close()
    loop.close()


def test_attempts_before_a_fault() -> None:
    chip, now, sent = Chip(b""), 0.0, 0
    chip.begin(now)
    while not chip.events:
        now = chip.when or now
        chip.tick(now)
        sent += len(chip.take())
    assert chip.events == [("failed", "it does not answer")] and sent == ATTEMPTS


def test_real_time_on_the_line(tmp_path: Any) -> None:
    """With the clock of the real loop, so that no time of the protocol depends on a standing one."""
    from evse.shell.loop import Loop

    loop = Loop()
    rig = Rig("uart", loop, tmp_path)  # type: ignore[arg-type]
    rig.chip.place(Card(SINGLE))
    events: list[Any] = []

    def report(*event: Any) -> None:
        events.append(event)
        loop.stop()

    rig.reading.device.start(loop, report)
    loop.call_later(5, loop.stop)
    loop.run_forever()
    rig.reading.device.close()
    rig.line.unplug()
    loop.close()
    assert events == [("token", SINGLE.hex().upper(), "ISO14443")]
    assert not os.path.exists(rig.line.device)
