"""MFRC522: the driver judged by a chip emulated at its registers and cards that follow ISO 14443-3."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.drivers.mfrc522 import GAINS, HLTA, ChipError, crc_a, search, setup
from tests.support import mfrc522_emulator as emulator
from tests.support.fakeloop import FakeLoop
from tests.support.mfrc522_emulator import Mfrc522Chip, Tag
from tests.support.readers import Reading, board

SINGLE, DOUBLE, TRIPLE = (bytes.fromhex(text) for text in ("ca73b1d4", "04a22b3c4d5e6f", "04112233445566778899"))
# What a UID may begin with: 88 is the cascade tag [ISO 14443-3 6.5.4], at each level.
UIDS = (
    st.sampled_from((4, 7, 10))
    .flatmap(lambda size: st.binary(min_size=size, max_size=size))
    .filter(lambda uid: any(uid) and 0x88 not in (uid[0], uid[3 if len(uid) > 4 else 0], uid[6 if len(uid) > 7 else 0]))
)


@pytest.mark.parametrize(("data", "crc"), [("0000", "a01e"), ("1234", "26cf"), (HLTA.hex(), "57cd")])
def test_check_bytes_of_the_standard(data: str, crc: str) -> None:
    """[ISO 14443-3 annex B]"""
    assert crc_a(bytes.fromhex(data)).hex() == crc


@settings(deadline=None)
@given(st.binary(max_size=20))
def test_check_bytes_bit_by_bit(data: bytes) -> None:
    assert crc_a(data) == emulator.crc_a(data)


def run(chip: Mfrc522Chip, talk: Any) -> Any:
    """A conversation without waiting."""
    answers = None
    try:
        while True:
            messages, _ = talk.send(answers)
            answers = chip.transfer(*messages)
    except StopIteration as end:
        return end.value


@settings(max_examples=300, deadline=None)
@given(uids=st.lists(UIDS, min_size=1, max_size=4, unique=True), relative=st.booleans())
def test_one_of_any_cards_is_found_and_put_to_rest(uids: list[bytes], relative: bool) -> None:
    chip = Mfrc522Chip()
    chip.relative = relative
    chip.cards = [Tag(uid) for uid in uids]
    run(chip, setup(33))
    for _ in range(2):  # found again although it rests
        assert run(chip, search()) in uids
        assert [card.state for card in chip.cards].count("halt") >= 1
    chip.cards = []
    assert run(chip, search()) is None


def test_cards_that_differ_in_the_last_bit_only() -> None:
    for relative in (False, True):
        chip = Mfrc522Chip()
        chip.relative = relative
        chip.cards = [Tag(bytes.fromhex("01020380")), Tag(bytes.fromhex("01020300")), Tag(bytes.fromhex("01020381"))]
        run(chip, setup(33))
        assert run(chip, search()) in [card.uid for card in chip.cards]


class _Spoilt(Mfrc522Chip):
    """Answers of the chip changed at will."""

    def __init__(self, spoil: Any) -> None:
        super().__init__()
        self.spoil = spoil

    def transfer(self, *messages: bytes) -> list[bytes]:
        return [self.spoil(answer) for answer in super().transfer(*messages)]


@settings(max_examples=300, deadline=None)
@given(seed=st.randoms(use_true_random=False), rate=st.sampled_from((0.01, 0.1, 1.0)))
def test_whatever_the_bus_says_a_search_ends(seed: Any, rate: float) -> None:
    def spoil(answer: bytes) -> bytes:
        return bytes(seed.randrange(256) if seed.random() < rate else byte for byte in answer)

    chip = _Spoilt(spoil)
    chip.cards = [Tag(TRIPLE)]
    try:
        run(chip, setup(48))
        run(chip, search())
    except ChipError:
        return


@pytest.mark.parametrize("gain_db", GAINS)
def test_gain_is_set(gain_db: int) -> None:
    chip = Mfrc522Chip()
    run(chip, setup(gain_db))
    assert chip.registers[0x26] == {18: 0x00, 23: 0x10, 33: 0x40, 38: 0x50, 43: 0x60, 48: 0x70}[gain_db]
    assert chip.registers[0x14] & 3 == 3


# The driver


class Rig:
    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.chip = Mfrc522Chip()
        on = board()
        on.share("spi /dev/spidev0.0", lambda: self.chip)
        self.reading = Reading(self.loop, "mfrc522", {"device": "/dev/spidev0.0"}, on)


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.reading.device.close()
    rig.loop.advance(10)
    rig.loop.close()


@pytest.mark.parametrize("uid", [SINGLE, DOUBLE, TRIPLE])
def test_card_is_one_token(rig: Rig, uid: bytes) -> None:
    rig.reading.start()
    rig.loop.advance(1)
    rig.chip.cards = [Tag(uid)]
    rig.loop.advance(0.4)
    assert rig.reading.events == [("token", uid.hex().upper(), "ISO14443")]
    rig.loop.advance(10)
    rig.chip.cards = []
    rig.loop.advance(2)
    assert len(rig.reading.tokens) == 1
    rig.chip.cards = [Tag(uid)]
    rig.loop.advance(0.4)
    assert len(rig.reading.tokens) == 2


def test_two_cards_at_once_are_a_token_each_at_most(rig: Rig) -> None:
    rig.reading.start()
    rig.chip.cards = [Tag(SINGLE), Tag(DOUBLE)]
    rig.loop.advance(10)
    assert sorted(set(rig.reading.tokens)) == sorted(rig.reading.tokens)
    assert rig.reading.tokens and rig.reading.faults == []


def test_garbled_answers_are_no_card(rig: Rig) -> None:
    rig.reading.start()
    for garbled in range(1, 8):
        rig.loop.advance(2)
        rig.chip.garbled = garbled
        rig.chip.cards = [Tag(DOUBLE)]
        rig.loop.advance(5)
        rig.chip.cards = []
    assert rig.reading.tokens == [DOUBLE.hex().upper()] * 7 and rig.reading.faults == []


def test_wrong_check_bytes_of_a_card(rig: Rig) -> None:
    rig.chip.cards = [Tag(SINGLE)]
    rig.chip.cards[0].bad_crc = True
    rig.reading.start()
    rig.loop.advance(5)
    assert rig.reading.events == []


def test_wrong_check_byte_of_a_uid(rig: Rig) -> None:
    rig.chip.cards = [Tag(SINGLE)]
    rig.chip.cards[0].levels = [SINGLE + b"\x00"]
    rig.reading.start()
    rig.loop.advance(5)
    assert rig.reading.events == []


def test_answer_that_comes_late_is_waited_for(rig: Rig) -> None:
    rig.chip.slow = 1
    rig.chip.cards = [Tag(DOUBLE)]
    rig.reading.start()
    rig.loop.advance(1)
    assert rig.reading.tokens == [DOUBLE.hex().upper()]


@pytest.mark.parametrize(
    ("fail", "repair", "words"),
    [
        ({"hung": True}, {"hung": False}, "the chip hangs"),
        ({"absent": True}, {"absent": False}, "there is no chip on the bus"),
        ({"error": 5}, {"error": None}, ": Input/output error"),
        ({"error": 19}, {"error": None}, "/dev/spidev0.0: the device is gone"),
    ],
)
@pytest.mark.parametrize("at_start", [True, False])
def test_failure_is_reported_once_and_cleared(rig: Rig, fail: Any, repair: Any, words: str, at_start: bool) -> None:
    if not at_start:
        rig.reading.start()
        rig.loop.advance(5)
    for name, value in fail.items():
        setattr(rig.chip, name, value)
    if at_start:
        rig.reading.start()
    rig.loop.advance(20)
    (fault,) = rig.reading.faults
    assert fault is not None
    assert words in fault or ("absent" in fail and "lost its settings" in fault)
    for name, value in repair.items():
        setattr(rig.chip, name, value)
    rig.chip.reset()
    rig.loop.advance(4)
    assert rig.reading.faults[1:] == [None]
    rig.chip.cards = [Tag(SINGLE)]
    rig.loop.advance(1)
    assert rig.reading.tokens == [SINGLE.hex().upper()]


def test_chip_that_restarts_is_set_up_again_without_a_fault(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(3)
    rig.chip.reset()
    rig.loop.advance(2)
    rig.chip.cards = [Tag(SINGLE)]
    rig.loop.advance(1)
    assert rig.reading.events == [("token", SINGLE.hex().upper(), "ISO14443")]


def test_closed_reader_leaves_the_bus_alone(rig: Rig) -> None:
    rig.reading.start()
    rig.loop.advance(1)
    rig.reading.device.close()
    rig.reading.device.close()
    rig.chip.error = 5
    rig.loop.advance(10)
    assert rig.chip.opened == 0 and rig.reading.events == []


def test_no_bus_call_waits_for_a_card(rig: Rig) -> None:
    """Whatever a card needs, one pass of the loop is one transfer of registers."""
    sizes = []
    transfer = rig.chip.transfer

    def count(*messages: bytes) -> list[bytes]:
        sizes.append(sum(map(len, messages)))
        return transfer(*messages)

    rig.chip.transfer = count  # type: ignore[method-assign]
    rig.chip.cards = [Tag(TRIPLE)]
    rig.reading.start()
    rig.loop.advance(2)
    assert max(sizes) <= 40  # bytes: 0.4 ms at 1 MHz


def test_every_pair_of_cascade_levels() -> None:
    for one, other in itertools.combinations((SINGLE, DOUBLE, TRIPLE, DOUBLE[:6] + b"\x70", TRIPLE[:9] + b"\x98"), 2):
        chip = Mfrc522Chip()
        chip.cards = [Tag(one), Tag(other)]
        run(chip, setup(33))
        assert run(chip, search()) in (one, other)
