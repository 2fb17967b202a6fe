"""The contract of token readers, kept by every driver; and what board files may say about them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest

from hal.board import DRIVERS, load_board
from hal.boardfile import check
from tests.support.fakeloop import FakeLoop
from tests.support.readerrigs import RIGS, Rig
from tests.support.readers import PatientLoop

SINGLE, DOUBLE, TRIPLE = (bytes.fromhex(text) for text in ("ca73b1d4", "04a22b3c4d5e6f", "04112233445566778899"))
ON_TERMINALS = ("pn532-uart", "serial-line")


def test_every_driver_is_here() -> None:
    assert {*RIGS, "simulated"} == set(DRIVERS["reader"])


@pytest.fixture(params=sorted(RIGS))
def rig(request: Any, tmp_path: Any) -> Iterator[Rig]:
    loop = PatientLoop() if request.param in ON_TERMINALS else FakeLoop()
    before = len(os.listdir("/proc/self/fd"))
    rig = RIGS[request.param](loop, tmp_path)
    yield rig
    rig.end()
    loop.advance(20)
    assert len(os.listdir("/proc/self/fd")) < before + 1  # the epoll descriptor of the loop is older
    loop.close()


@pytest.mark.parametrize("uid", [SINGLE, DOUBLE, TRIPLE])
def test_same_card_is_the_same_token_on_every_reader(rig: Rig, uid: bytes) -> None:
    rig.reading.start()
    rig.loop.advance(1)
    rig.show(uid)
    rig.loop.advance(0.5)
    assert rig.reading.events == [("token", uid.hex().upper(), "ISO14443")]


def test_card_counts_again_only_when_it_was_away(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(1)
    for away_s in (0.1, 2.0, 0.1):
        rig.show(SINGLE)
        rig.loop.advance(0.5)
        rig.remove()
        rig.loop.advance(away_s)
    assert len(rig.reading.tokens) == 2
    rig.show(DOUBLE)
    rig.loop.advance(0.5)
    assert rig.reading.tokens[2:] == [DOUBLE.hex().upper()]


def test_nothing_is_reported_without_a_cause(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(60)
    assert rig.reading.events == []


def test_the_watchdog_is_fed_with_a_reader_and_without_it(rig: Rig) -> None:
    """Not for a reader that nobody plugged in is the machine reset."""
    rig.reading.start()
    for change in (rig.unplug, rig.replug):
        for _ in range(12):
            rig.loop.advance(5)
            assert rig.reading.board.hangs(rig.loop.now) is None
        change()
    rig.reading.device.close()
    assert rig.reading.board.hangs(rig.loop.now + 1e6) is None


def test_a_reader_that_works_by_the_clock_and_stops_is_noticed(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(1)
    device = rig.reading.device
    device._cancel()  # what a defect would do: nothing calls it any more
    if getattr(device, "_poll", None) is not None:
        device._poll.cancel()
    rig.loop.advance(31)
    hanging = rig.reading.board.hangs(rig.loop.now)
    assert (hanging is not None and hanging.startswith("reader ")) is (device.PERIOD_S is not None)


def test_unplugged_reader_fails_once_and_works_again(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(3)
    for _ in range(2):
        rig.unplug()
        rig.loop.advance(30)
        assert len(rig.reading.events) == 1 and rig.reading.faults[0]
        rig.replug()
        rig.loop.advance(6)
        assert rig.reading.faults[1:] == [None]
        rig.show(DOUBLE)
        rig.loop.advance(0.5)
        assert rig.reading.tokens == [DOUBLE.hex().upper()]
        rig.remove()
        rig.loop.advance(3)
        rig.reading.events.clear()


def test_reader_that_comes_after_the_start(rig: Rig) -> None:
    rig.unplug()
    rig.reading.start()
    rig.loop.advance(10)
    assert len(rig.reading.events) == 1 and rig.reading.faults[0]
    rig.replug()
    rig.loop.advance(6)
    assert rig.reading.faults[1:] == [None]


def test_close_may_come_at_any_time_and_twice(rig: Rig) -> None:
    device = rig.reading.device
    device.close()
    rig.reading.start()
    device.close()
    device.close()
    rig.loop.advance(10)
    rig.reading.start()
    rig.loop.advance(1)
    rig.show(SINGLE)
    rig.loop.advance(0.5)
    assert rig.reading.tokens == [SINGLE.hex().upper()]
    device.close()
    rig.unplug()
    rig.loop.advance(30)
    assert rig.reading.tokens == [SINGLE.hex().upper()] and rig.reading.faults == []


def test_close_while_it_is_not_there(rig: Rig) -> None:
    rig.unplug()
    rig.reading.start()
    rig.reading.device.close()
    rig.replug()
    rig.loop.advance(30)
    assert len(rig.reading.events) == 1


def test_reader_closed_by_its_own_report(rig: Rig) -> None:
    device = rig.reading.device
    seen = []

    def report(*event: Any) -> None:
        seen.append(event)
        device.close()

    device.start(rig.loop, report)
    rig.loop.advance(1)
    rig.show(SINGLE)
    rig.loop.advance(10)
    assert [event[0] for event in seen] == ["token"]


@pytest.mark.parametrize("driver", sorted(RIGS))
def test_the_same_on_an_asyncio_loop(driver: str, tmp_path: Any) -> None:
    async def scenario() -> list[Any]:
        loop = asyncio.get_running_loop()
        rig = RIGS[driver](loop, tmp_path)
        seen: asyncio.Future[Any] = loop.create_future()
        rig.reading.device.start(loop, lambda *event: seen.done() or seen.set_result(event))
        await asyncio.sleep(0.1)
        rig.show(SINGLE)
        try:
            return await asyncio.wait_for(seen, 5)
        finally:
            rig.end()

    assert asyncio.run(scenario()) == ("token", SINGLE.hex().upper(), "ISO14443")


# Board files


def description(*readers: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": 1,
        "board": {"id": "test", "bench_only": True},
        "serial": {"nfc": {"device": "/dev/serial0"}, "rfid": {"device": "/dev/ttyS1"}},
        "reader": list(readers),
        "evse": [
            {
                "id": 1,
                "phases": 3,
                "max_current_a": 16,
                "pilot": {"driver": "simulated"},
                "contactor": {"driver": "simulated"},
                "connector": [{"id": 1, "type": "cType2"}],
            }
        ],
    }


ENTRIES: list[dict[str, Any]] = [
    {"driver": "pn532-uart", "port": "nfc", "case": "lower", "debounce_s": 2},
    {"driver": "pn532-i2c", "device": "/dev/i2c-1"},
    {"driver": "pn532-spi", "device": "/dev/spidev0.0", "speed_hz": 500_000, "byte_order": "reversed"},
    {"driver": "mfrc522", "device": "/dev/spidev0.1", "gain_db": 48, "kind": "Central"},
    {"driver": "keyboard", "device": "/dev/input/by-id/usb-x-event-kbd", "format": "dec", "end": "pause"},
    {"driver": "serial-line", "port": "rfid", "start": 2, "stop": 3, "checksum": "xor", "length": 5},
    {"driver": "fifo", "path": "/run/evse/cards", "format": "text", "id": "app", "evses": [1]},
]


def test_readers_of_a_board_file_are_made() -> None:
    assert check(description(*ENTRIES)) == []
    board = load_board(description(*ENTRIES))
    assert [type(reader).__name__ for reader, _ in board.readers] == [
        "Uart", "I2c", "Spi", "Mfrc522", "HidReader", "LineReader", "FifoReader",
    ]  # fmt: skip
    assert board.readers[0][0].debounce.away_s == 2.0 and not board.readers[0][0].rules.upper


@pytest.mark.parametrize(
    ("number", "change", "words"),
    [
        (0, {"prot": "nfc"}, "[[reader]] 1: 'prot' is unknown; did you mean 'port'?"),
        (0, {"port": "nfx"}, "there is no [serial.nfx]; did you mean 'nfc'?"),
        (0, {"driver": "pn532-usart"}, "there is no reader driver 'pn532-usart'; did you mean 'pn532-uart'?"),
        (0, {"case": "Upper"}, "case must be upper or lower, not 'Upper'"),
        (0, {"format": "dec"}, "'format' is unknown"),
        (0, {"debounce_s": -1}, "debounce_s must be from 0 to 60"),
        (1, {"device": 1}, "device cannot be 1"),
        (2, {"speed_hz": 10}, "speed_hz must be from 10000 to 5000000"),
        (3, {"gain_db": 30}, "gain_db cannot be 30"),
        (3, {"kind": "RFID"}, "kind cannot be 'RFID'"),
        (4, {"end": "tab"}, "end must be enter or pause"),
        (4, {"device": "/dev/spidev0.1"}, "device '/dev/spidev0.1' is in use by [[reader]] 4 already"),
        (5, {"port": "nfc"}, "serial 'nfc' is in use by [[reader]] 1 already"),
        (5, {"start": 256}, "start must be from 0 to 255"),
        (5, {"length": 2}, "length must be from 3 to 18"),
        (6, {"evses": [2]}, "there is no EVSE 2"),
    ],
)
def test_mistake_in_a_board_file_is_told(number: int, change: dict[str, Any], words: str) -> None:
    entries = [dict(entry) for entry in ENTRIES]
    entries[number].update(change)
    found = check(description(*entries))
    assert any(words in problem for problem in found), found


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry["driver"]))
def test_missing_place_of_a_reader_is_told(entry: dict[str, Any]) -> None:
    place = next(name for name in ("port", "device", "path") if name in entry)
    bare = {name: value for name, value in entry.items() if name != place}
    assert check(description(bare)) == [f"[[reader]] {entry.get('id', 1)}: {place} is missing"]
