"""Pilot drivers: PWM and converter in a false sysfs, OpenEVSE and a safety controller on pseudo terminals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal import mcuframes, rapi
from hal.board import load_board
from hal.interfaces import HalError
from hal.mcuframes import CHARGE_CONTROL, CHARGE_STATE, charge_control, crc8
from hal.pilot import CABLES, Letters, Offer, cable
from tests.support.actuators import Contact, Controller, Post
from tests.support.fakeloop import FakeLoop
from tests.support.outlets import board_file


@pytest.fixture
def loop() -> Any:
    loop = FakeLoop()
    yield loop
    loop.close()


# Arithmetic


def test_a_letter_counts_after_two_equal_measurements() -> None:
    letters = Letters()
    levels = (12, 12, 9, 6, 9, 9, 9)
    assert [letters.measure(volts) for volts in levels] == [False, True, False, False, False, True, False]
    assert letters.letter == "B"


def test_three_invalid_measurements_lose_the_letter() -> None:
    letters = Letters()
    levels = (6, 6, 14, 14, 6, 14, 14, 14)
    assert [letters.measure(volts) for volts in levels] == [False, True, False, False, False, False, False, True]
    assert letters.letter is None


@pytest.mark.parametrize(("ohms", "limit_a"), [(100, 63), (220, 32), (680, 20), (1500, 13), (1e6, None), (150, 32)])
def test_proximity_resistors(ohms: float, limit_a: float | None) -> None:
    assert cable(ohms, CABLES) == limit_a


def test_a_shorted_proximity_contact_is_an_error() -> None:
    with pytest.raises(ValueError, match="proximity 10 is too little for any cable"):
        cable(10)


def test_a_vehicle_gets_five_seconds_between_two_duty_cycles(loop: FakeLoop) -> None:
    applied: list[Any] = []
    offer = Offer(lambda limit_a: applied.append((loop.time() - 1000, limit_a)))
    offer.set(16, loop)
    loop.advance(1)
    offer.set(10, loop)
    offer.set(12, loop)
    loop.advance(10)
    offer.set(None, loop)
    offer.set(32, loop)
    offer.set(6, loop)
    offer.set(0, loop)
    loop.advance(10)
    assert applied == [(0, 16), (5, 12), (11, None), (11, 32), (11, None)]
    with pytest.raises(ValueError, match="5 A cannot be offered"):
        offer.set(5, loop)


# PWM and converter


@pytest.fixture
def contact(tmp_path: Path, loop: FakeLoop) -> Any:
    contact = Contact(tmp_path, loop)
    yield contact.start()
    contact.pilot.close()


def test_starts_with_a_steady_pilot_at_one_kilohertz(contact: Contact) -> None:
    assert (contact.pwm / "period").read_text() == "1000000" and (contact.pwm / "enable").read_text() == "1"
    assert contact.duty() == 1
    assert contact.told() == [("pilot", "A")]


@pytest.mark.parametrize(("limit_a", "duty"), [(6, 0.1), (16, 0.266667), (32, 0.533333), (80, 0.96)])
def test_an_offer_is_a_duty_cycle(contact: Contact, limit_a: float, duty: float) -> None:
    contact.pilot.offer(limit_a)
    assert contact.duty() == duty
    contact.pilot.offer(None)
    assert contact.duty() == 1


def test_letters_are_told_once_they_are_sure(contact: Contact) -> None:
    contact.told()
    for letter in ("B", "C", "B", "A"):
        contact.show(letter)
        contact.loop.advance(0.3)
    assert contact.told() == [("pilot", letter) for letter in "BCBA"]


def test_a_vehicle_that_lets_go_is_told_within_60_ms(contact: Contact) -> None:
    """IEC 61851-1 gives 100 ms to the open contactor."""
    contact.show("B")
    contact.loop.advance(1)
    contact.pilot.offer(16)
    contact.show("C")
    contact.loop.advance(1)
    contact.told()
    contact.show("B")
    contact.loop.advance(0.06)
    assert contact.told() == [("pilot", "B")]


def test_peak_detectors_are_emptied_between_measurements(contact: Contact) -> None:
    levels = contact.kernel.wires["RST_P"].levels
    assert levels[1:5] == [True, False, True, False]


def test_a_pilot_that_does_not_swing_down_is_a_missing_diode_until_the_vehicle_leaves(contact: Contact) -> None:
    contact.show("B")
    contact.loop.advance(1)
    contact.told()
    contact.pilot.offer(16)
    contact.show("B", negative=-9)
    contact.loop.advance(0.2)
    assert contact.told() == [("fault", "DiodeFault", "the pilot swings from -9.0 to 9.0 V")]
    contact.pilot.offer(None)
    contact.show("B")
    contact.loop.advance(10)
    assert contact.told() == []
    contact.show("A")
    contact.loop.advance(1)
    assert contact.told() == [("cleared", "DiodeFault"), ("pilot", "A")]


def test_a_steady_pilot_has_no_lower_half_and_that_is_no_fault(contact: Contact) -> None:
    contact.show("B", negative=-9)
    contact.loop.advance(1)
    assert contact.told()[-1] == ("pilot", "B")


@pytest.mark.parametrize(("volts", "letter"), [(0, "E"), (-12, "F"), (15, None)])
def test_a_short_or_a_lost_pilot_is_told(contact: Contact, volts: float, letter: str | None) -> None:
    contact.told()
    contact.show("A", volts=volts)
    contact.loop.advance(1)
    assert contact.told() == [("pilot", letter)]


def test_a_converter_that_cannot_be_read_is_a_lost_pilot_and_comes_back(contact: Contact) -> None:
    contact.told()
    path = contact.adc / "in_voltage2_raw"
    path.rename(path.with_suffix(".away"))
    contact.loop.advance(1)
    assert contact.told() == [("pilot", None)]
    path.with_suffix(".away").rename(path)
    contact.loop.advance(1)
    assert contact.told() == [("pilot", "A")]


def test_what_the_cable_may_carry(tmp_path: Path, loop: FakeLoop) -> None:
    rows = [[751, 63], [891, 32], [1170, 20], [1813, 13], [2459, 0]]
    contact = Contact(tmp_path, loop, proximity="prox", proximity_mv=rows).start()
    contact.loop.advance(2)
    assert contact.told()[-1] == ("cable", None)
    for millivolts, limit_a in ((2000, 13), (1000, 32), (2500, None)):
        (contact.adc / "in_voltage5_raw").write_text(str(millivolts))
        contact.loop.advance(2)
        assert contact.told() == [("cable", limit_a)]
    (contact.adc / "in_voltage5_raw").write_text("100")
    contact.loop.advance(2)
    assert contact.told() == [("fault", "OtherError", "proximity contact: proximity 100 is too little for any cable")]
    contact.pilot.close()


def test_a_pwm_that_cannot_be_set_is_a_fault_and_no_crash(contact: Contact) -> None:
    contact.told()
    (contact.pwm / "duty_cycle").rename(contact.pwm / "away")
    contact.pilot.offer(16)
    why = "the pilot's PWM cannot be set: No such file or directory"
    assert contact.told() == [("fault", "EVCommunicationError", why)]
    (contact.pwm / "away").rename(contact.pwm / "duty_cycle")
    contact.pilot.offer(None)
    assert contact.told() == [("cleared", "EVCommunicationError")]


def test_closed_down_the_pilot_is_in_state_f_and_silent(contact: Contact) -> None:
    contact.pilot.offer(16)
    contact.pilot.close()
    contact.pilot.close()
    contact.told()
    assert contact.duty() == 0 and not contact.kernel.wires["RST_P"].user
    contact.pilot.offer(16)
    contact.show("C")
    contact.loop.advance(5)
    assert contact.told() == [] and contact.duty() == 0


def test_an_output_that_is_not_exported_yet_is_exported(tmp_path: Path, loop: FakeLoop) -> None:
    contact = Contact(tmp_path, loop, exported=False).start()
    assert contact.duty() == 1
    contact.pilot.close()


def test_the_watchdog_sees_measurements_that_stop(contact: Contact) -> None:
    assert contact.board.hangs(contact.loop.time()) is None
    assert contact.board.hangs(contact.loop.time() + 3) == "pilot of EVSE 1"
    contact.pilot.close()
    assert contact.board.hangs(contact.loop.time() + 3) is None


@pytest.mark.parametrize(
    ("table", "device", "words"),
    [("pwm", "2084000.pwm", r"\[pwm.pilot\]: this machine has no PWM 2084000.pwm"),
     ("adc", "9.adc", r"\[adc.pos\]: this machine has no converter 9.adc")],
)  # fmt: skip
def test_a_device_that_is_not_there_is_named(
    tmp_path: Path, loop: FakeLoop, table: str, device: str, words: str
) -> None:
    contact = Contact(tmp_path, loop)
    next(iter(contact.board.resources[table].values()))["device"] = device
    with pytest.raises(HalError, match=words):
        contact.start()
    assert not contact.kernel.wires["RST_P"].user


# RAPI


@pytest.mark.parametrize(
    ("words", "wire"),
    [(("GS",), b"$GS^30\r"), (("FE",), b"$FE^27\r"), (("FS",), b"$FS^31\r"), (("FD",), b"$FD^26\r")],
)
def test_rapi_frames(words: tuple[Any, ...], wire: bytes) -> None:
    assert rapi.frame(*words) == wire
    assert list(rapi.Parser().feed(wire)) == [list(map(str, words))]


def test_rapi_frames_in_pieces_among_noise() -> None:
    parser = rapi.Parser()
    stream = b"\xff^\r" + b"$OK 01^" + rapi.frame("AT", "03") + b"garbage" + rapi.frame("OK") + b"$OK*1A\r\n"
    found = [words for byte in stream for words in parser.feed(bytes([byte]))]
    assert found == [["AT", "03"], ["OK"]]


def test_rapi_sums_are_read_and_wrong_ones_refused() -> None:
    text = b"$OK 16"
    assert list(rapi.Parser().feed(text + b"*%02X\r" % (sum(text) & 0xFF))) == [["OK", "16"]]
    assert list(rapi.Parser().feed(text + b"^00\r" + b"$OK 16\r" + b"$^24\r" + b"$OK\xff^11\r")) == []


@given(st.binary(max_size=300), st.integers(0, 20))
def test_rapi_takes_any_bytes_and_then_the_next_frame(noise: bytes, cut: int) -> None:
    parser = rapi.Parser()
    list(parser.feed(noise))
    list(parser.feed(rapi.frame("OK", "03 12 03 0040")[:cut]))
    assert list(parser.feed(rapi.frame("AT", "02")))[-1:] == [["AT", "02"]]


@pytest.mark.parametrize("words", [("OK", "fe", "02", "12", "0040"), ("AT", "03", "03", "16", "0040"), ("NK",)])
def test_rapi_no_prefix_of_a_frame_is_one(words: tuple[str, ...]) -> None:
    wire = rapi.frame(*words)
    for length in range(len(wire)):
        parser = rapi.Parser()
        assert list(parser.feed(wire[:length])) == []
        assert list(parser.feed(wire[length:])) == [list(words)]


WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="$^*:"), min_size=1, max_size=8)
SAID = st.lists(
    st.binary(max_size=40)
    | st.builds(
        lambda head, words: rapi.frame(head, *words),
        st.sampled_from(["OK", "NK", "AT", "AB", "AN", "ST", "FE"]),
        st.lists(WORDS | st.sampled_from(["", "00", "01", "02", "03", "FE", "FF", "0040", "-1", "1e9"]), max_size=6),
    ),
    max_size=20,
)


@given(SAID, st.sampled_from([None, 6.0, 16.0]))
def test_whatever_an_openevse_board_says_is_survived(said: list[bytes], limit_a: float | None) -> None:
    """Frames that are whole and make no sense; at any moment of the conversation."""
    board_table = board_file("openevse")
    board_table["serial"]["controller"]["device"] = "/nonexistent"
    loop, devices = FakeLoop(), load_board(board_table).evses[1]
    heard: list[tuple[Any, ...]] = []
    for device in (devices.contactor, devices.pilot):
        device.start(loop, lambda *event: heard.append(event))
    devices.pilot.offer(limit_a)
    for index, data in enumerate(said):
        devices.pilot.link._received(data)
        if index % 3 == 0:
            loop.advance(0.6)
        if index % 5 == 0:
            devices.contactor.switch(index % 2 == 0)
    devices.pilot.close()
    loop.close()
    assert all(event[1] in "ABCD" for event in heard if event[0] == "pilot")


@pytest.fixture
def post(loop: FakeLoop) -> Any:
    post = Post(loop)
    yield post.start()
    post.close()


def test_openevse_sleeps_until_something_is_offered(post: Post) -> None:
    told = [event for event in post.told() if event[0] in ("pilot", "contactor")]
    assert told == [("pilot", "A"), ("contactor", False)]
    post.peer.plug()
    post.peer.ask(True)
    post.until(lambda: post.heard)
    assert post.told() == [("pilot", "B")] and not post.peer.relay


def test_openevse_session(post: Post) -> None:
    post.peer.plug()
    post.peer.ask(True)
    post.run(1)
    post.told()
    post.devices.pilot.offer(16.7)
    post.until(lambda: len(post.heard) >= 2)
    assert post.told() == [("pilot", "C"), ("contactor", True)] and post.peer.amperes == 16
    post.devices.contactor.switch(True)
    assert post.told() == [("contactor", True)]
    post.devices.contactor.switch(False)
    post.until(lambda: len(post.heard) >= 2)
    assert post.told() == [("pilot", "B"), ("contactor", False)] and not post.peer.relay


def test_openevse_wakes_again_after_the_vehicle_let_go(post: Post) -> None:
    post.peer.plug()
    post.peer.ask(True)
    post.devices.pilot.offer(16)
    post.until(lambda: ("contactor", True) in post.heard)
    post.devices.contactor.switch(False)
    post.until(lambda: ("contactor", False) in post.told())
    post.until(lambda: not post.peer.asleep)  # the offer still stands
    post.devices.pilot.offer(None)
    post.until(lambda: post.peer.asleep)


def test_openevse_no_offer_opens(post: Post) -> None:
    post.peer.plug()
    post.peer.ask(True)
    post.devices.pilot.offer(10)
    post.until(lambda: ("contactor", True) in post.heard)
    post.devices.pilot.offer(None)
    post.until(lambda: post.heard[-1] == ("contactor", False))


@pytest.mark.parametrize(
    ("state", "code"),
    [(5, "DiodeFault"), (6, "GroundFailure"), (7, "GroundFailure"), (8, "WeldedContactor"), (9, "GroundFailure"),
     (10, "HighTemperature"), (11, "OverCurrentFailure")],
)  # fmt: skip
def test_openevse_faults_come_and_go(post: Post, state: int, code: str) -> None:
    post.told()
    post.peer.fail(state)
    post.until(lambda: any(event[:2] == ("fault", code) for event in post.heard))
    post.told()
    post.peer.fail(0)
    post.until(lambda: ("cleared", code) in post.heard)


def test_openevse_silent_is_told_once_and_all_is_said_anew_when_it_is_back(post: Post) -> None:
    post.peer.plug()
    post.devices.pilot.offer(20)
    post.run(2)
    post.told()
    post.peer.mute = True
    post.run(6)
    assert [event[:2] for event in post.told()] == [("fault", "EVCommunicationError")]
    assert post.devices.contactor.closed is None
    post.peer.mute = False
    post.peer.commands.clear()
    post.peer.asleep = True
    post.run(3)
    assert ("cleared", "EVCommunicationError") in post.told() and not post.peer.asleep
    assert "SC 20 V" in post.peer.commands and "SY 10 6" in post.peer.commands


def test_openevse_that_restarts_is_told_everything_again(post: Post) -> None:
    post.told()
    post.peer.commands.clear()
    post.peer.restart()
    post.until(lambda: post.peer.asleep)
    assert "SY 10 6" in post.peer.commands


def test_openevse_answers_that_are_garbled_are_asked_for_again(post: Post) -> None:
    post.peer.garble = 2
    post.devices.pilot.offer(16)
    post.run(3)
    assert post.peer.amperes == 16 and not post.peer.asleep


def test_openevse_is_told_to_open_although_it_still_owes_an_answer(post: Post) -> None:
    post.peer.plug()
    post.peer.ask(True)
    post.devices.pilot.offer(16)
    post.until(lambda: post.peer.relay and ("contactor", True) in post.heard)
    post.run(0.3)
    post.peer.mute = True
    post.devices.pilot.link._ask("GS")
    post.peer.commands.clear()
    post.devices.contactor.switch(False)
    post.until(lambda: "FS" in post.peer.commands)  # the clock stands: at once


def test_openevse_never_hears_an_offer_again_that_was_taken_back(post: Post) -> None:
    post.peer.plug()
    post.run(1)
    post.peer.mute = True
    post.devices.pilot.offer(16)
    post.run(0.8)  # the board heard of it, its answer was lost
    post.peer.commands.clear()
    post.devices.pilot.offer(None)
    post.run(0.7)
    post.peer.mute = False
    post.run(3)
    assert post.peer.asleep and "FE" not in post.peer.commands[post.peer.commands.index("FS") :]


def test_openevse_hears_a_heartbeat_and_a_missed_one_is_acknowledged(post: Post) -> None:
    post.peer.commands.clear()
    post.run(10)
    assert post.peer.commands.count("SY") >= 2
    post.peer.missed = 2
    post.run(5)
    assert "SY 165" in post.peer.commands and post.peer.missed == 0


def test_openevse_without_a_heartbeat(loop: FakeLoop) -> None:
    post = Post(loop, heartbeat_s=0).start()
    post.run(10)
    assert "SY" not in post.peer.commands and "SY 0 6" in post.peer.commands
    post.close()


def test_openevse_of_an_older_firmware_says_only_its_state(post: Post) -> None:
    post.told()
    post.peer._obey = lambda name, *words: post.peer.send("$OK 03" if name == "GS" else "$OK")
    post.run(1.5)
    assert post.told() == [("pilot", "C"), ("contactor", True)]


def test_openevse_words_that_are_none_change_nothing(post: Post) -> None:
    post.told()
    for words in ("$AT xx 01 6 0000", "$AT", "$AT 01", "$OK", "$AT 01 zz 6 0", "$XX 1", "$AN 0"):
        post.peer.send(words)
    post.run(1)
    assert post.told() == []


def test_openevse_closed_down_sleeps_and_is_silent(post: Post) -> None:
    post.peer.plug()
    post.peer.ask(True)
    post.devices.pilot.offer(16)
    post.until(lambda: post.peer.relay)
    post.devices.contactor.close()
    post.until(lambda: post.peer.asleep and not post.peer.relay)
    post.told()
    post.devices.pilot.offer(16)
    post.devices.contactor.switch(True)
    post.run(3)
    assert post.told() == [] and post.peer.asleep


def test_openevse_port_that_is_not_there_is_a_fault_and_found_later(loop: FakeLoop, tmp_path: Path) -> None:
    post = Post(loop)
    link = tmp_path / "tty"
    post.devices.pilot.link.port.settings["device"] = str(link)
    post.devices.contactor.start(loop, lambda *event: post.heard.append(event))
    post.devices.pilot.start(loop, lambda *event: post.heard.append(event))
    loop.advance(0.1)
    assert post.told()[0][:2] == ("fault", "EVCommunicationError")
    link.symlink_to(post.peer.path)
    post.run(4)
    assert ("cleared", "EVCommunicationError") in post.told()
    post.close()


def test_a_contactor_without_its_pilot_is_refused() -> None:
    board = board_file("openevse")
    board["evse"][0]["pilot"] = {"driver": "simulated"}
    with pytest.raises(HalError, match="'openevse' is one device: it is both pilot and contactor, or neither"):
        load_board(board)


# Safety controller


def test_mcu_frames_are_those_of_the_vendors_description() -> None:
    assert charge_control(0.267, True) == bytes.fromhex("810b010000000000")
    assert crc8(b"123456789") == 0x4B  # the check value of CRC-8/SAE-J1850
    wire = mcuframes.frame(CHARGE_CONTROL, charge_control(1, False))
    assert len(wire) == 12 and wire[:2] == b"\xa5\x06" and wire[-1] == 3
    assert list(mcuframes.Parser().feed(b"\xa5\x00" + wire[:5] + wire + b"\xa5" + wire)) == [
        (6, charge_control(1, False))
    ] * 2


@given(st.binary(max_size=60), st.integers(0, 11))
def test_mcu_parser_takes_any_bytes_and_the_frame_after_them(noise: bytes, cut: int) -> None:
    wire = mcuframes.frame(CHARGE_STATE, b"ABCDEFGH")
    parser = mcuframes.Parser()
    found = [*parser.feed(noise), *parser.feed(wire[:cut]), *parser.feed(wire), *parser.feed(bytes(12))]
    assert (CHARGE_STATE, b"ABCDEFGH") in found


def test_mcu_no_prefix_of_a_frame_is_one() -> None:
    wire = mcuframes.frame(CHARGE_STATE, b"ABCDEFGH")
    for length in range(len(wire)):
        parser = mcuframes.Parser()
        assert list(parser.feed(wire[:length])) == []
        assert list(parser.feed(wire[length:])) == [(CHARGE_STATE, b"ABCDEFGH")]


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(min_size=8, max_size=8)), max_size=20))
def test_whatever_a_safety_controller_says_is_survived(frames: list[tuple[int, bytes]]) -> None:
    table = board_file("openevse")
    table["serial"]["controller"]["device"] = "/nonexistent"
    pilot = {"driver": "chargebyte-mcu", "port": "controller", "letter_bits": [40, 3], "letters": ".ABCDEF"}
    table["evse"][0]["pilot"] = {**pilot, "contactor_bits": [24, 1], "diode_bits": [47, 1]}
    table["evse"][0]["contactor"] = {"driver": "chargebyte-mcu"}
    loop, devices = FakeLoop(), load_board(table).evses[1]
    heard: list[tuple[Any, ...]] = []
    for device in (devices.contactor, devices.pilot):
        device.start(loop, lambda *event: heard.append(event))
    for id, data in frames:
        devices.pilot.link._received(mcuframes.frame(CHARGE_STATE if id % 2 else id, data))
        loop.advance(0.1)
    devices.pilot.close()
    loop.close()
    assert all(event[1] is None or event[1] in "ABCDEF" for event in heard if event[0] == "pilot")


@pytest.fixture
def controller(tmp_path: Path, loop: FakeLoop) -> Any:
    controller = Controller(loop, tmp_path)
    yield controller
    controller.close()


def test_mcu_session(controller: Controller) -> None:
    controller.run(0.5)
    assert controller.told == [("pilot", "A"), ("contactor", False)]
    assert controller.kernel.wires["RESET"].levels == [True, False, True]
    controller.told.clear()
    controller.letter = 2
    controller.run(0.5)
    controller.devices.pilot.offer(16)
    controller.letter = 3
    controller.run(0.5)
    assert controller.heard[-1] == charge_control(16 / 60, False)
    controller.devices.contactor.switch(True)
    controller.run(0.5)
    assert controller.told == [("pilot", "B"), ("pilot", "C"), ("contactor", True)]
    controller.devices.contactor.switch(False)
    controller.run(0.5)
    assert controller.told[-1] == ("contactor", False) and controller.heard[-1] == charge_control(16 / 60, False)


def test_mcu_is_told_every_100_ms(controller: Controller) -> None:
    controller.run(1)
    assert len(controller.heard) >= 9


def test_mcu_silent_is_a_fault_until_it_speaks(controller: Controller) -> None:
    controller.run(0.5)
    controller.mute = True
    controller.told.clear()
    controller.run(2)
    assert controller.told == [("fault", "EVCommunicationError", "the safety controller is silent")]
    assert controller.devices.contactor.closed is None
    controller.mute = False
    controller.run(0.5)
    assert controller.told[1:] == [("cleared", "EVCommunicationError"), ("pilot", "A"), ("contactor", False)]


def test_mcu_diode_fault_until_the_vehicle_leaves(controller: Controller) -> None:
    controller.letter, controller.diode = 2, True
    controller.run(0.5)
    assert ("fault", "DiodeFault", "reported by the safety controller") in controller.told
    controller.diode = False
    controller.run(0.5)
    assert ("cleared", "DiodeFault") not in controller.told
    controller.letter = 1
    controller.run(0.5)
    assert ("cleared", "DiodeFault") in controller.told


def test_mcu_closed_down_opens_with_its_last_frame(controller: Controller) -> None:
    controller.run(0.5)
    controller.devices.contactor.switch(True)
    controller.devices.contactor.close()
    controller.loop.until(lambda: controller.heard[-1] == charge_control(0, False))
    count = len(controller.heard)
    controller.devices.pilot.offer(16)
    controller.run(1)
    assert len(controller.heard) == count


def test_a_pwm_that_is_gone_does_not_keep_the_rest_open(contact: Contact) -> None:
    (contact.pwm / "duty_cycle").rename(contact.pwm / "away")
    contact.pilot.close()
    assert not contact.kernel.wires["RST_P"].user
