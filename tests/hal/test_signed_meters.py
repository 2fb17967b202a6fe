"""Meters that sign, and OCMF: records go through byte for byte and verify with keys that are not ours to check."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from hal import ocmf
from hal.board import Board
from hal.drivers.modbus_meter import make_meter
from hal.drivers.signing_meter import RECOVER_S, BauerMeter, IskraMeter
from hal.interfaces import HalError
from tests.support.fakeloop import FakeLoop
from tests.support.modbusline import BAUD, ModbusLine, pass_time
from tests.support.outlets import Post, board_file
from tests.support.signingmeters import CURVES, METHOD, FakeBauer, FakeIskra, FakeMeter, Signer, payload

OCMF = pytest.importorskip("pyocmf", reason="pyocmf wants a newer cryptography than the oldest promised").OCMF

Table = dict[str, Any]


def verify(signed: Table) -> Table:
    """The payload of what a reading carried, verified by pyocmf, which knows OCMF and not us."""
    assert signed["encoding"] == "OCMF"
    prefix, key = b64decode(signed["public_key"]).decode().rsplit(":", 1)
    assert prefix == "oca:base16:asn1"
    record = b64decode(signed["data"])
    if not OCMF.from_string(record.decode()).verify_signature(key):
        raise InvalidSignature
    result: Table = json.loads(ocmf.split(record)[0])
    return result


# OCMF


@pytest.mark.parametrize(
    ("record", "method"),
    [
        (b'OCMF|{"SA":"x"}|{"SD":"30"}', METHOD),
        (b'OCMF|{}|{"SA":"ECDSA-secp384r1-SHA256","SD":"30"}', "ECDSA-secp384r1-SHA256"),
        (b'OCMF|{}|{"SD":"30", "SA" : "ECDSA-secp256k1-SHA256"}', "ECDSA-secp256k1-SHA256"),
        (b'OCMF|{}|{"SA":5}', METHOD),
        (b'OCMF|{}|{"SA":"\xff"}', METHOD),
    ],
)
def test_the_method_is_the_one_that_the_record_names(record: bytes, method: str) -> None:
    assert ocmf.signed_value(record, METHOD, "")["method"] == method


def test_split_gives_the_bytes_as_they_stand() -> None:
    data, signature = payload(1, "B").replace(b"kWh", b"k|Wh"), b'{"SD" : "30|}"}'
    assert ocmf.split(b"OCMF|" + data + b"|" + signature) == (data, signature)


def test_no_prefix_of_a_record_is_a_record() -> None:
    record = b"OCMF|" + payload(1, "B") + b'|{"SD":"3006"}'
    ocmf.split(record)
    for length in range(len(record)):
        with pytest.raises(HalError):
            ocmf.split(record[:length])


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (b"OCMX|{}|{}", "begins with OCMF"),
        (b'OCMF|{}{}|{"SD":""}', "no | behind the payload, at byte 7"),
        (b"OCMF|[]|{}", "no JSON object at byte 5"),
        (b"OCMF|}|{}", "no JSON object at byte 5"),
        (b"OCMF|{}|{}\r\n", "2 bytes behind the signature"),
        (b'OCMF|{"\\', "no JSON object at byte 5"),
    ],
)
def test_what_is_no_record(record: bytes, words: str) -> None:
    with pytest.raises(HalError, match="Ocmf") as caught:
        ocmf.split(record)
    assert words in caught.value.detail


@given(st.binary(max_size=80), st.integers(0, 80), st.booleans())
def test_no_bytes_make_the_decoder_fail(data: bytes, cut: int, headed: bool) -> None:
    for sample in (data, b"OCMF|" + data, b'OCMF|{"a":"' + data[:cut] + b'"}|{' + data[cut:] + b"}"):
        try:
            first, second = ocmf.split(sample)
        except HalError as error:
            assert error.code == "Ocmf"
        else:
            assert b"OCMF|" + first + b"|" + second == sample


@given(st.dictionaries(st.text(), st.text(), max_size=4), st.dictionaries(st.text(), st.text(), max_size=4))
def test_every_json_object_is_found_whole(first: Table, second: Table) -> None:
    texts = [json.dumps(item, ensure_ascii=False).encode("utf-8", "surrogatepass") for item in (first, second)]
    assert list(ocmf.split(b"OCMF|" + b"|".join(texts))) == texts


@given(st.integers(1, 2**256 - 1), st.integers(1, 2**256 - 1))
def test_der_is_that_of_cryptography(r: int, s: int) -> None:
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert ocmf.der(raw) == encode_dss_signature(r, s)


def test_key_that_a_meter_does_not_tell() -> None:
    assert ocmf.signed_value(b"OCMF|{}|{}", METHOD, "")["public_key"] == ""


# Meters


class Rig:
    def __init__(self, line: ModbusLine, fake: FakeMeter, model: str, **options: Any) -> None:
        self.loop = FakeLoop()
        self.fake = fake
        board = Board("rig")
        board.resources = {"serial": {"bus": {"device": line.device, "baud": BAUD}}}
        self.meter: Any = make_meter({"port": "bus", "unit": 1, "model": model, **options}, 1, board)
        self.events: list[tuple[Any, ...]] = []
        self.meter.start(self.loop, lambda *event: self.events.append(event))

    def until(self, condition: Callable[[], Any], limit_s: float = 60.0) -> None:
        end = self.loop.now + limit_s
        while not condition():
            assert self.loop.now < end, "what was waited for did not happen"
            pass_time(self.loop, self.meter._bus)

    def signed(self) -> list[Table]:
        return [event[2] for event in self.events if event[0] == "reading" and event[2]]

    def faults(self) -> list[tuple[Any, ...]]:
        return [event for event in self.events if event[0] in ("fault", "cleared")]

    def reading(self) -> Any:
        count = len(self.events)
        self.until(lambda: any(event[0] == "reading" for event in self.events[count:]))
        return next(event for event in self.events[count:] if event[0] == "reading")

    def close(self) -> None:
        self.meter.close()
        self.meter.close()
        self.loop.close()


@pytest.fixture(scope="module")
def server() -> Iterator[ModbusLine]:
    with ModbusLine({1: {3: {}, 4: {}}}) as line:
        yield line
        line.on_write = None


@pytest.fixture(params=["iskra-wm3m4", "bauer-bsm-ws36a"])
def rig(request: Any, server: ModbusLine) -> Iterator[Rig]:
    fake: FakeMeter = FakeIskra(server) if request.param == "iskra-wm3m4" else FakeBauer(server)
    options = {} if request.param == "iskra-wm3m4" else {"public_key": fake.signer.public.hex()}
    rig = Rig(server, fake, request.param, **options)
    yield rig
    rig.close()


@pytest.fixture
def iskra(server: ModbusLine) -> Iterator[Rig]:
    rig = Rig(server, FakeIskra(server), "iskra-wm3m4")
    yield rig
    rig.close()


def test_first_and_last_record_of_a_session_verify(rig: Rig) -> None:
    rig.reading()
    rig.meter.begin()
    rig.meter.begin()  # again, as after a pause: nothing
    rig.until(lambda: len(rig.signed()) == 1)
    assert verify(rig.signed()[0])["RD"][0]["TX"] == "B"
    assert rig.reading()[2] is None  # a record is of one reading
    rig.meter.end()
    assert rig.reading()[2] == rig.signed()[1]
    assert verify(rig.signed()[1])["RD"][0]["TX"] == "E"
    assert rig.reading()[2] is None
    assert rig.fake.records == 2 and rig.faults() == []


def test_a_changed_record_does_not_verify(rig: Rig) -> None:
    rig.meter.begin()
    rig.until(rig.signed)
    signed = rig.signed()[0]
    wrong = b64decode(signed["data"]).replace(b'"RV":0.100', b'"RV":0.1')
    with pytest.raises(InvalidSignature):
        verify({**signed, "data": ocmf.signed_value(wrong, METHOD, "")["data"]})


def test_end_without_a_beginning_is_a_reading(rig: Rig) -> None:
    rig.reading()
    rig.meter.end()
    assert rig.reading()[2] is None and rig.fake.records == 0


def test_end_waits_for_the_beginning(rig: Rig) -> None:
    rig.meter.begin()
    rig.meter.end()
    rig.meter.end()
    event = rig.reading()
    assert verify(event[2])["RD"][0]["TX"] == "E"
    assert rig.fake.records == 2


def test_last_reading_waits_for_its_record(rig: Rig) -> None:
    rig.meter.begin()
    rig.until(rig.signed)
    rig.fake.slow = True
    rig.meter.end()
    rig.until(lambda: rig.fake.records == 2)
    count = len(rig.events)
    end = rig.loop.now + 3
    rig.until(lambda: rig.loop.now > end)
    assert len(rig.events) == count
    for address, good in ((7052, 15), (0xAB0F + 3, 0)):
        if address in rig.fake.holding:
            rig.fake.holding[address] = good
    assert verify(rig.reading()[2])["RD"][0]["TX"] == "E"


@pytest.mark.parametrize("status", [128, 3])
def test_meter_that_refuses_to_sign_is_a_fault_until_the_session_is_over(rig: Rig, status: int) -> None:
    if isinstance(rig.meter, IskraMeter) and status < 128:
        status = 255
    rig.reading()
    rig.fake.fail = status
    rig.meter.begin()
    rig.until(rig.faults)
    (fault,) = rig.faults()
    assert fault[:2] == ("fault", "PowerMeterFailure") and f"status {status} at register" in fault[2]
    assert rig.reading()[2] is None  # values go on
    rig.meter.end()
    rig.until(lambda: len(rig.faults()) == 2)
    assert rig.faults()[1] == ("cleared", "PowerMeterFailure")
    assert rig.reading()[2] is None and rig.signed() == []


def test_session_that_gets_no_last_record_is_told(rig: Rig) -> None:
    rig.meter.begin()
    rig.until(rig.signed)
    rig.fake.fail = 200
    rig.meter.end()
    assert rig.reading()[2] is None
    fault, cleared = rig.faults()
    assert fault[1] == "PowerMeterFailure" and fault[2].startswith("the session has no record: status 200")
    assert cleared == ("cleared", "PowerMeterFailure")


def test_signing_that_never_ends_is_given_up(rig: Rig) -> None:
    rig.fake.slow = True
    rig.meter.begin()
    start = rig.loop.now
    rig.until(rig.faults)
    assert rig.meter.signing_s <= rig.loop.now - start < rig.meter.signing_s + 2
    assert rig.signed() == []


def test_close_in_the_middle_of_a_record(rig: Rig) -> None:
    rig.fake.slow = True
    rig.meter.begin()
    rig.until(lambda: rig.fake.records)
    rig.meter.close()
    count = len(rig.events)
    rig.loop.advance(60)
    assert len(rig.events) == count
    rig.meter.begin()
    rig.meter.end()
    assert len(rig.events) == count


def test_iskra_is_told_time_and_text(iskra: Rig) -> None:
    iskra.meter.begin()
    iskra.until(iskra.signed)
    written = [(address, values) for _, address, values in iskra.fake.line.written]
    assert [address for address, _ in written] == [7053, 7056, 7100, 7051]
    clock, size, text, command = (values for _, values in written)
    assert clock[0] == 0 and (clock[1] << 16 | clock[2]) > 1_704_067_200
    raw = b"".join(value.to_bytes(2, "big") for value in text)[: size[0]]
    assert json.loads(raw)["IS"] is False
    assert command == [0x4200]


def told(rig: Rig) -> Table:
    """What the meter has last been told of who charges."""
    raw = b"".join(rig.fake.holding[7100 + i].to_bytes(2, "big") for i in range(512))
    result: Table = json.loads(raw[: rig.fake.holding[7056]])
    return result


@pytest.mark.parametrize(
    ("token", "kind", "flags", "type"),
    [
        ("04A2B3C4", "ISO14443", ["RFID_PLAIN"], "ISO14443"),
        ('DE*8AA"1\\', "eMAID", [], "EMAID"),
        ("x" * 255, "Central", [], "CENTRAL"),
        ("4711", "", [], "UNDEFINED"),
    ],
)
def test_iskra_is_told_who_charges(iskra: Rig, token: str, kind: str, flags: list[str], type: str) -> None:
    """[OCMF 1.4, user assignment: the station can vouch for no more than that the card was read]"""
    iskra.meter.identify(token, kind)
    iskra.meter.begin()
    iskra.until(iskra.signed)
    assert told(iskra) == {"FV": "1.0", "IS": True, "IL": "HEARSAY", "IF": flags, "IT": type, "ID": token}


@pytest.mark.parametrize(("token", "kind"), [("", "NoAuthorization"), ("Straße", "Local"), ("a\nb", "KeyCode")])
def test_iskra_is_told_that_nobody_is_known(iskra: Rig, token: str, kind: str) -> None:
    iskra.meter.identify("BEFORE", "ISO14443")
    iskra.meter.identify(token, kind)
    iskra.meter.begin()
    iskra.until(iskra.signed)
    assert told(iskra) == {"FV": "1.0", "IS": False, "IL": "NONE", "IF": [], "IT": "NONE", "ID": ""}


def test_iskra_ends_a_record_in_the_name_that_began_it(iskra: Rig) -> None:
    iskra.meter.identify("FIRST", "ISO14443")
    iskra.meter.begin()
    iskra.until(iskra.signed)
    iskra.meter.identify("NEXT", "ISO14443")
    iskra.fake.holding[7000] = 2  # its power failed meanwhile: it wants to be told again
    iskra.meter.end()
    iskra.until(lambda: len(iskra.signed()) == 2)
    assert told(iskra)["ID"] == "FIRST"
    iskra.meter.begin()
    iskra.until(lambda: len(iskra.signed()) == 3)
    assert told(iskra)["ID"] == "NEXT"


def test_iskra_keeps_to_the_text_of_the_board_file(server: ModbusLine) -> None:
    rig = Rig(server, FakeIskra(server), "iskra-wm3m4", user_text='{"ID":"fleet"}')
    rig.meter.identify("04A2B3C4", "ISO14443")
    rig.meter.begin()
    rig.until(rig.signed)
    assert told(rig) == {"ID": "fleet"}
    rig.close()


def test_iskra_with_a_bare_signature(iskra: Rig) -> None:
    iskra.fake.raw_signature = True  # type: ignore[attr-defined]
    iskra.meter.begin()
    iskra.until(iskra.signed)
    verify(iskra.signed()[0])


def test_iskra_long_text_goes_in_parts(server: ModbusLine) -> None:
    text = json.dumps({"ID": "x" * 900})
    rig = Rig(server, FakeIskra(server), "iskra-wm3m4", user_text=text)
    rig.meter.begin()
    rig.until(rig.signed)
    raw = b"".join(rig.fake.holding[7100 + i].to_bytes(2, "big") for i in range(512))
    assert raw[: rig.fake.holding[7056]].decode() == text
    rig.close()


@pytest.mark.parametrize(("state", "told"), [(1, [7051]), (2, [7053, 7056, 7100, 7051])])
def test_iskra_record_left_open_is_ended_at_the_start(server: ModbusLine, state: int, told: list[int]) -> None:
    fake = FakeIskra(server)
    fake.holding[7000] = state
    rig = Rig(server, fake, "iskra-wm3m4")
    rig.until(rig.signed)
    assert verify(rig.signed()[0])["RD"][0]["TX"] == "E"
    assert [address for _, address, _ in server.written] == told
    rig.close()


def test_iskra_that_is_silent_at_the_start_is_looked_after_later(server: ModbusLine) -> None:
    fake = FakeIskra(server)
    fake.holding[7000] = 1
    server.to_server = lambda data: b""
    rig = Rig(server, fake, "iskra-wm3m4")
    end = rig.loop.now + RECOVER_S
    rig.until(lambda: rig.loop.now > end)
    server.to_server = lambda data: data
    rig.until(rig.signed)
    assert rig.faults() == []
    rig.close()


def test_iskra_record_left_open_is_ended_before_the_next(iskra: Rig) -> None:
    iskra.reading()
    iskra.until(lambda: not iskra.meter._jobs)
    iskra.fake.holding[7000] = 3
    iskra.meter.begin()
    iskra.until(iskra.signed)
    commands = [values for _, address, values in iskra.fake.line.written if address == 7051]
    assert commands == [[0x7200], [0x4200]]
    assert verify(iskra.signed()[0])["RD"][0]["TX"] == "B"


@pytest.mark.parametrize("size", [0, 1025, 65535])
def test_iskra_sizes_that_cannot_be(iskra: Rig, size: int) -> None:
    hear = iskra.fake.hear

    def wrong(unit: int, address: int, values: list[int]) -> None:
        hear(unit, address, values)
        iskra.fake.holding[7057] = size

    iskra.fake.line.on_write = wrong
    iskra.meter.begin()
    iskra.until(iskra.faults)
    assert f"{size} bytes at register 7612 cannot be" in iskra.faults()[0][2]


def test_bauer_text_that_is_no_record(server: ModbusLine) -> None:
    fake = FakeBauer(server)

    def empty(unit: int, address: int, values: list[int]) -> None:
        fake.holding[address] = 0

    server.on_write = empty
    rig = Rig(server, fake, "bauer-bsm-ws36a")
    assert type(rig.meter) is BauerMeter
    rig.meter.begin()
    rig.until(rig.faults)
    assert "a record begins with OCMF|" in rig.faults()[0][2]
    rig.close()


@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("curve", CURVES)
def test_records_of_any_curve_pass_byte_for_byte(server: ModbusLine, curve: str, encoding: str) -> None:
    signer = Signer(curve, encoding)
    fake = FakeBauer(server, signer)
    rig = Rig(server, fake, "bauer-bsm-ws36a", public_key=signer.public.hex())
    rig.meter.begin()
    rig.until(rig.signed)
    (signed,) = rig.signed()
    assert b64decode(signed["data"]) == fake.told[0] and signed["method"] == signer.method
    assert verify(signed)["RD"][0]["TX"] == "B"
    rig.close()


def test_a_session_has_its_records(server: ModbusLine) -> None:
    """The controller begins before the contactor closes, and waits for the last record."""
    fake = FakeIskra(server)
    board = board_file("simulated-ac-1")
    board["serial"] = {"bus": {"device": server.device, "baud": BAUD}}
    meter = {"id": board["evse"][0]["meter"], "driver": "modbus", "model": "iskra-wm3m4", "port": "bus", "unit": 1}
    board["meter"] = [meter]
    post = Post(board)

    def drive(condition: Callable[[], Any]) -> None:
        end = post.loop.now + 30
        while not condition():
            assert post.loop.now < end
            pass_time(post.loop, post.board.evses[1].meter._bus)

    drive(lambda: post[1].metering.when)
    post.charge()
    drive(lambda: post[1].metering.signed)
    told = post.facts(readings=True)
    post[1].stop("Local")
    drive(lambda: told.extend(post.facts(readings=True)) or any(fact[0] == "stopped" for fact in told))
    names = [fact[0] for fact in told if fact[0] in ("reading", "stopped")]
    signed = [fact[2] for fact in told if fact[0] == "reading" and fact[2]]
    assert [verify(item)["RD"][0]["TX"] for item in signed] == ["B", "E"]
    assert names[-2:] == ["reading", "stopped"] and ("stopped", "Local") in told
    assert fake.records == 2
    post[1].close()
