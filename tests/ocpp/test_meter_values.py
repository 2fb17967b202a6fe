"""Samples as they are said: the text of the wire forms, and what is remembered of it. [J02; 1.6 §7.33]"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from evse.clock import Clock
from evse.ocpp import meter_values, v2, v16
from evse.ocpp.meter_values import FORMS, MEASURANDS, REGISTER
from tests.support.bench import FakeLog, versions, versions2

AT = "2026-01-01T00:00:00.000Z"
TOTAL = (REGISTER, None)
KEY = {"data": "T0NNRg==", "method": "ECDSA", "encoding": "OCMF", "public_key": "MFk="}
Values = dict[tuple[str, str | None], float]


def said(version: str, *samples: list[Any], log: FakeLog | None = None) -> Any:
    """What the version says of packed samples, None for nothing."""
    clock = Clock(lambda: 0.0, lambda: 0.0, boot="b")
    ctx = SimpleNamespace(version=version, clock=clock, log=log or FakeLog())
    text = (v16 if version == "1.6" else v2).meter_values(list(samples), AT, ctx)
    return json.loads(text) if text else None


def sample(values: Values, context: str = "Other", stamp: Any = 0, signed: dict[str, Any] | None = None) -> list[Any]:
    return meter_values.pack(stamp, context, signed, meter_values.places(values), values.values())


def words(version: str, packed: list[Any]) -> list[tuple[Any, ...]]:
    """Measurand, phase, context and value of what is said of one sample."""
    (value,) = said(version, packed)
    return [
        (each["measurand"], each.get("phase"), each["context"], float(each["value"])) for each in value["sampledValue"]
    ]


@versions
def test_the_text_follows_measurands_phases_context_and_values(version: str) -> None:
    """None of them is taken from an earlier sample that has the others."""
    for value in (1.0, 2.5):
        for context in ("Sample.Periodic", "Trigger"):
            for measurand in ("Voltage", "Current.Import"):
                for phases in (("L1", "L2"), ("L2", "L1"), ("L1", None)):
                    values = {(measurand, phase): value + index for index, phase in enumerate(phases)}
                    expected = [(*key, context, amount) for key, amount in values.items()]
                    assert words(version, sample(values, context)) == expected


def test_the_text_follows_the_version() -> None:
    packed = sample({TOTAL: 7000.0, ("RPM", None): 60.0, ("Energy.Active.Net", None): 5.0, ("Acme", None): 1.0})
    for _ in range(2):
        assert [each[0] for each in words("1.6", packed)] == [REGISTER, "RPM"]
        assert [each[0] for each in words("2.0.1", packed)] == [REGISTER, "Energy.Active.Net"]
        assert [each[0] for each in words("2.1", packed)] == [REGISTER, "Energy.Active.Net", "Acme"]


def test_forms_that_are_remembered_are_bounded() -> None:
    for _ in range(2):
        for measurand in MEASURANDS[: FORMS + 3]:
            assert words("2.1", sample({(measurand, "L1"): 3.0})) == [(measurand, "L1", "Other", 3.0)]
            assert len(meter_values._forms) <= FORMS


@versions2
def test_a_value_that_is_not_said_takes_its_place_in_the_row_only(version: str) -> None:
    """Temperature and RPM are no measurands of 2.x."""
    values: Values = {("Temperature", None): 1, TOTAL: 2, ("RPM", None): 3, ("SoC", None): 4, ("RPM", "L1"): 5}
    assert words(version, sample(values)) == [(REGISTER, None, "Other", 2), ("SoC", None, "Other", 4)]


@versions2
def test_a_sample_of_which_nothing_is_said_is_left_out(version: str) -> None:
    silent = sample({("RPM", None): 3.0}, signed=KEY)
    assert said(version, silent) is None
    assert len(said(version, silent, sample({TOTAL: 1.0}), silent)) == 1
    assert said(version) is None


def test_any_name_of_2_1_is_said_as_it_is() -> None:
    name = 'Acme.100%s"\\ä{0}'
    for _ in range(2):
        assert words("2.1", sample({(name, "L%d"): 1.5, TOTAL: 2.0})) == [
            (name, "L%d", "Other", 1.5),
            (REGISTER, None, "Other", 2),
        ]


@versions
def test_a_sample_bears_its_own_time_or_that_of_the_event(version: str) -> None:
    own = sample({TOTAL: 1.0}, stamp=1_767_225_600_123)
    times = [each["timestamp"] for each in said(version, sample({TOTAL: 1.0}), own)]
    assert times == [AT, "2026-01-01T00:00:00.123Z"]


@versions
def test_values_are_numbers_in_2_x_and_text_in_1_6(version: str) -> None:
    (value,) = said(version, sample({TOTAL: 7000.0, ("Voltage", "L1"): 230.125}))
    expected = ["7000", "230.125"] if version == "1.6" else [7000, 230.125]
    assert [each["value"] for each in value["sampledValue"]] == expected


@versions2
def test_the_signed_form_stands_with_the_register_without_a_phase(version: str) -> None:
    values: Values = {(REGISTER, "L1"): 1.0, TOTAL: 3.0, ("SoC", None): 50.0}
    (value,) = said(version, sample(values, signed=KEY))
    plain, total, soc = value["sampledValue"]
    assert "signedMeterValue" not in plain and "signedMeterValue" not in soc
    assert total["value"] == 3
    assert total["signedMeterValue"] == {
        "signedMeterData": "T0NNRg==", "signingMethod": "ECDSA", "encodingMethod": "OCMF", "publicKey": "MFk=",
    }  # fmt: skip
    (value,) = said(version, sample(values))  # of the same form, not signed
    assert not any("signedMeterValue" in each for each in value["sampledValue"])


@versions
def test_without_the_register_nothing_is_signed(version: str) -> None:
    (value,) = said(version, sample({(REGISTER, "L1"): 1.0, ("SoC", None): 50.0}, signed=KEY))
    assert len(value["sampledValue"]) == 2
    assert not any("signedMeterValue" in each or each.get("format") == "SignedData" for each in value["sampledValue"])


def test_16_the_signed_form_follows_the_plain_values() -> None:
    (value,) = said("1.6", sample({TOTAL: 3.0, ("SoC", None): 50.0}, "Trigger", signed=KEY))
    *plain, signed = value["sampledValue"]
    assert [each["format"] for each in plain] == ["Raw", "Raw"]
    assert (signed["format"], signed["measurand"], signed["context"]) == ("SignedData", REGISTER, "Trigger")
    assert json.loads(signed["value"])["signedMeterData"] == "T0NNRg=="


@pytest.mark.parametrize("version, count", [("2.0.1", 0), ("2.1", 1)])
def test_signed_data_that_2_0_1_cannot_say_are_left_out_and_logged(version: str, count: int) -> None:
    log = FakeLog()
    (value,) = said(version, sample({TOTAL: 3.0}, signed={**KEY, "data": "x" * 2501}), log=log)
    assert sum("signedMeterValue" in each for each in value["sampledValue"]) == count
    assert value["sampledValue"][0]["value"] == 3
    assert len(log.texts("warning")) == 1 - count


def test_a_member_joins_a_payload() -> None:
    assert json.loads(meter_values.joined({"a": "ü%s"}, "b", "[1]")) == {"a": "ü%s", "b": [1]}
