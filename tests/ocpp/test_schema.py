"""The message tables at work, judged by `jsonschema`, and what their errors say."""

import copy
import decimal
import json
import os
import random

import jsonschema
import pytest

from evse.ocpp.datetext import is_date_time
from evse.ocpp.schema import SHAPES, SchemaError, Tables, rpc_code
from evse.ocpp.tables import compile, generate
from evse.ocpp.uri import is_uri
from tests.support import payloads

VERSIONS = ("1.6", "2.0.1", "2.1")
FORMATS = jsonschema.FormatChecker(["date-time", "uri"])
# Mutated payloads a message; 387 messages. A longer run: EVSE_SCHEMA_MUTANTS=1000.
MUTANTS = int(os.environ.get("EVSE_SCHEMA_MUTANTS", "75"))


@pytest.fixture(scope="module")
def tables():
    return {version: Tables(version, compile.blobs(version).get) for version in VERSIONS}


@pytest.fixture
def v201(tables):
    return tables["2.0.1"]


@pytest.fixture
def v21(tables):
    return tables["2.1"]


@pytest.fixture
def v16(tables):
    return tables["1.6"]


class Oracle:
    """`jsonschema` with the draft that the schema declares; multipleOf in decimals, as the numbers are written."""

    def __init__(self, schema):
        self.decimal = "draft-04" in schema["$schema"]
        self.schema = schema
        draft = jsonschema.Draft4Validator if self.decimal else jsonschema.Draft6Validator
        self.validator = draft(self._numbers(schema), format_checker=FORMATS)

    def _numbers(self, value):
        return json.loads(json.dumps(value), parse_float=decimal.Decimal) if self.decimal else value

    def accepts(self, payload):
        with decimal.localcontext() as context:
            context.prec = 400  # 1e300 has a tenth
            return self.validator.is_valid(self._numbers(payload))


def _disagreements(version, tables, mutants, seed):
    rng = random.Random(f"{seed} {version}")
    checked = refused = 0
    different = []
    for name, schema in generate.schemas(version).items():
        oracle = Oracle(schema)
        valid = [payloads.valid(schema, rng) for _ in range(4)]
        for payload in valid + [payloads.mutated(rng.choice(valid), rng) for _ in range(mutants)]:
            try:
                tables[version].check(name, payload)
                ours = True
            except SchemaError:
                ours = False
            theirs = oracle.accepts(payload)
            checked += 1
            refused += not theirs
            if ours != theirs:
                different.append((name, ours, theirs, json.dumps(payload)[:300]))
    return checked, refused, different


@pytest.mark.parametrize("version", VERSIONS)
def test_check_agrees_with_jsonschema(tables, version):
    checked, refused, different = _disagreements(version, tables, MUTANTS, 2)
    assert different == []
    assert checked >= len(generate.schemas(version)) * MUTANTS
    assert 0.3 < refused / checked < 0.95  # the generator makes both kinds


def test_at_least_20000_mutated_payloads_are_compared():
    assert MUTANTS * sum(len(generate.schemas(version)) for version in VERSIONS) >= 20_000


@pytest.mark.parametrize("version", VERSIONS)
def test_each_valid_payload_is_left_as_it_is_by_trim(tables, version):
    rng = random.Random(3)
    for name, schema in generate.schemas(version).items():
        payload = payloads.valid(schema, rng)
        before = copy.deepcopy(payload)
        assert tables[version].trim(name, payload) == before == payload


BOOT = {"reason": "PowerUp", "chargingStation": {"model": "m", "vendorName": "v"}}


def _error(tables, name, payload):
    with pytest.raises(SchemaError) as caught:
        tables.check(name, payload)
    return caught.value.path, caught.value.rule


@pytest.mark.parametrize(
    ("change", "path", "rule"),
    [
        ({"reason": 1}, "reason", "type"),
        ({"reason": "Bored"}, "reason", "enum"),
        ({"reason": "PowerUp Watchdog"}, "reason", "enum"),
        ({"reason": ""}, "reason", "enum"),
        ({"chargingStation": []}, "chargingStation", "type"),
        ({"chargingStation": {"model": "m"}}, "chargingStation.vendorName", "required"),
        ({"chargingStation": {"model": "m" * 21, "vendorName": "v"}}, "chargingStation.model", "maxLength"),
        ({"chargingStation": {"model": "m", "vendorName": "v", "modem": {"sim": 1}}}, "chargingStation.modem.sim",
         "additionalProperties"),
        ({"customData": {}}, "customData.vendorId", "required"),
        ({"a b\n": 1}, "?", "additionalProperties"),
        ({"secret" * 20: 1}, "?", "additionalProperties"),
    ],
)  # fmt: skip
def test_an_error_names_path_and_rule(v201, change, path, rule):
    assert _error(v201, "BootNotification", {**BOOT, **change}) == (path, rule)


def test_custom_data_may_hold_anything(v201):
    v201.check("BootNotificationRequest", {**BOOT, "customData": {"vendorId": "x", "deep": [{"anything": None}]}})


def test_a_path_goes_through_lists(v21, v16):
    profile = {
        "id": 1, "stackLevel": 0, "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative",
        "chargingSchedule": [{"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 16}, {"startPeriod": 60, "limit": 6.5}, {"startPeriod": 90, "limit": "6"}]}],
    }  # fmt: skip
    path = "chargingProfile.chargingSchedule[0].chargingSchedulePeriod[2].limit"
    assert _error(v21, "SetChargingProfile", {"evseId": 1, "chargingProfile": profile}) == (path, "type")
    assert _error(v16, "GetConfiguration", {"key": ["a", "b" * 51]}) == ("key[1]", "maxLength")


def test_list_bounds(v201):
    data = {"component": {"name": "c"}, "variable": {"name": "v"}}
    assert _error(v201, "GetVariables", {"getVariableData": []}) == ("getVariableData", "minItems")
    assert _error(v201, "GetVariables", {"getVariableData": {}}) == ("getVariableData", "type")
    v201.check("GetVariables", {"getVariableData": [data] * 1000})
    hashes = [{"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "1",
               "responderURL": "u"}]  # fmt: skip
    token = {"idToken": {"idToken": "A", "type": "eMAID"}}
    v201.check("Authorize", {**token, "iso15118CertificateHashData": hashes * 4})
    at = ("iso15118CertificateHashData", "maxItems")
    assert _error(v201, "Authorize", {**token, "iso15118CertificateHashData": hashes * 5}) == at


@pytest.mark.parametrize(
    ("limit", "good"),
    [(0.3, True), (16.1, True), (16, True), (1e308, True), (1e22, True),
     (0.05, False), (16.15, False), (float("inf"), False), (float("nan"), False)],
)  # fmt: skip
def test_a_decimal_multiple_is_one_though_floats_are_not(v16, limit, good):
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    answer = {"status": "Accepted", "chargingSchedule": schedule}
    if good:
        v16.check("GetCompositeScheduleResponse", answer)
    else:
        path = "chargingSchedule.chargingSchedulePeriod[0].limit"
        assert _error(v16, "GetCompositeScheduleResponse", answer) == (path, "multipleOf")


def test_draft_4_and_draft_6_differ_on_a_whole_number_with_a_point(v16, v201):
    assert _error(v16, "UnlockConnector", {"connectorId": 1.0}) == ("connectorId", "type")
    v16.check("GetLog", {"log": {"remoteLocation": "x"}, "logType": "SecurityLog", "requestId": 1.0})
    v201.check("CancelReservation", {"reservationId": 1.0})
    assert _error(v201, "CancelReservation", {"reservationId": 1.5}) == ("reservationId", "type")
    assert _error(v201, "CancelReservation", {"reservationId": True}) == ("reservationId", "type")


def test_without_formats_a_time_needs_no_zone(v201):
    answer = {"status": "Accepted", "interval": 60, "currentTime": "2024-01-01T00:00:00"}
    assert _error(v201, "BootNotificationResponse", answer) == ("currentTime", "format")
    v201.check("BootNotificationResponse", answer, formats=False)
    with pytest.raises(SchemaError):
        v201.check("BootNotificationResponse", {**answer, "currentTime": 0}, formats=False)
    assert _error(v201, "BootNotificationResponse", answer) == ("currentTime", "format")  # back in force


@pytest.mark.parametrize("text", ["2024-01-01T00:00:00Z\n", "x" * 20, "-" * 25, "2024-01-01T00:00:00.\u00b2Z"])
def test_no_date_time(text):
    """The first is one that jsonschema's validator lets pass."""
    assert not is_date_time(text)


@pytest.mark.parametrize("text", payloads.TIMES + payloads.BAD_TIMES)
def test_date_time_agrees_with_jsonschema(text):
    assert is_date_time(text) == FORMATS.conforms(text, "date-time")


@pytest.mark.parametrize("text", payloads.URIS + payloads.BAD_URIS)
def test_uri_agrees_with_jsonschema(text):
    assert is_uri(text) == FORMATS.conforms(text, "uri")


def test_formats_agree_on_generated_texts():
    rng = random.Random(4)
    for good, conforms, name in ((payloads.TIMES, is_date_time, "date-time"), (payloads.URIS, is_uri, "uri")):
        for _ in range(3000):
            text = rng.choice(good)
            for _ in range(rng.randrange(1, 4)):
                at = rng.randrange(len(text) + 1)
                text = text[:at] + rng.choice(["", *":/?#[]@%.-+0129aAfgzZvT~\u00e9 "]) + text[at + rng.randrange(3) :]
            assert conforms(text) == FORMATS.conforms(text, name), text


def test_actions(v16, v201, v21):
    assert [len(tables.actions()) for tables in (v16, v201, v21)] == [39, 64, 91]
    assert v201.knows("Reset") and not v201.knows("BatterySwap") and v21.knows("BatterySwap")
    assert v21.knows("NotifyPeriodicEventStream")
    for name in ("", " ", "Reset Heartbeat", "ResetRequest", "IdTokenType", "reset", "R\u00e9set", "actions"):
        assert not v201.knows(name)


@pytest.mark.parametrize("name", ["", "Nonsense", "x y", "BatterySwap", "BatterySwapRequest", "\ud800", "a" * 10_000])
def test_a_message_that_the_version_lacks(v201, name):
    assert _error(v201, name, {}) == ("", "unknown")


def test_a_send_has_one_name(v21):
    stream = {"id": 1, "pending": 0, "basetime": "2024-01-01T00:00:00Z", "data": [{"t": 0, "v": "1"}]}
    v21.check("NotifyPeriodicEventStream", stream)
    assert _error(v21, "NotifyPeriodicEventStreamResponse", {}) == ("", "unknown")


def test_an_error_quotes_no_value(v16):
    with pytest.raises(SchemaError) as caught:
        v16.check("Authorize", {"idTag": "DEADBEEF" * 4})
    assert "DEADBEEF" not in str(caught.value) and str(caught.value) == "idTag: has 32 characters, at most 20 allowed"


def test_rpc_codes():
    """[part 4 §4.3], [1.6-J §4.2.3]"""
    rules = ("type", "required", "maxItems", "additionalProperties", "enum", "maxLength", "format", "unknown")
    assert [rpc_code("2.0.1", rule) for rule in rules] == [
        "TypeConstraintViolation", "OccurrenceConstraintViolation", "OccurrenceConstraintViolation", "FormatViolation",
        "PropertyConstraintViolation", "PropertyConstraintViolation", "PropertyConstraintViolation", "NotImplemented",
    ]  # fmt: skip
    assert [rpc_code("1.6", rule) for rule in ("required", "minItems", "additionalProperties", "enum")] == [
        "OccurenceConstraintViolation", "OccurenceConstraintViolation", "FormationViolation",
        "PropertyConstraintViolation",
    ]  # fmt: skip


def _sample(measurand, value=1.0):
    return {"value": value, "measurand": measurand, "unitOfMeasure": {"unit": "W"}}


def _event(**members):
    event = {
        "eventType": "Updated", "timestamp": "2024-01-01T00:00:00Z", "triggerReason": "MeterValuePeriodic", "seqNo": 1,
        "transactionInfo": {"transactionId": "t"},
    }  # fmt: skip
    return {**event, **members}


def test_trim_drops_members_that_the_older_version_lacks(v201, v21):
    event = _event(
        evseSleep=False, preconditioningStatus="Ready",
        transactionInfo={"transactionId": "t", "tariffId": "x", "transactionLimit": {"maxCost": 5}},
        customData={"vendorId": "v", "kept": True},
    )  # fmt: skip
    v21.check("TransactionEvent", event)
    trimmed = v201.trim("TransactionEvent", event)
    assert trimmed == _event(customData={"vendorId": "v", "kept": True})
    v201.check("TransactionEvent", trimmed)
    assert "evseSleep" in event


def test_trim_drops_the_sample_whose_measurand_the_older_version_lacks(v201, v21):
    """A sampled value without its measurand would be read as Energy.Active.Import.Register."""
    samples = [_sample("Power.Active.Import"), _sample("Power.Active.Setpoint"), _sample("Voltage.Minimum")]
    event = _event(meterValue=[{"timestamp": "2024-01-01T00:00:00Z", "sampledValue": samples}])
    v21.check("TransactionEvent", event)
    trimmed = v201.trim("TransactionEvent", event)
    assert trimmed["meterValue"][0]["sampledValue"] == samples[:1]
    v201.check("TransactionEvent", trimmed)


def test_trim_drops_a_list_of_which_too_little_is_left(v201):
    meter_value = {"timestamp": "2024-01-01T00:00:00Z", "sampledValue": [_sample("Voltage.Minimum")]}
    other = {"timestamp": "2024-01-01T00:00:00Z", "sampledValue": [_sample("Voltage")]}
    assert v201.trim("TransactionEvent", _event(meterValue=[meter_value, other])) == _event(meterValue=[other])
    assert v201.trim("TransactionEvent", _event(meterValue=[meter_value])) == _event()


def test_trim_drops_an_optional_member_with_an_unknown_word(v201):
    info = {"transactionId": "t", "stoppedReason": "ReqEnergyTransferRejected", "chargingState": "Charging"}
    trimmed = v201.trim("TransactionEvent", _event(transactionInfo=info))
    assert trimmed["transactionInfo"] == {"transactionId": "t", "chargingState": "Charging"}


def test_trim_refuses_where_the_word_must_be_there(v201, v21):
    event = _event(triggerReason="LimitSet")
    v21.check("TransactionEvent", event)
    with pytest.raises(SchemaError) as caught:
        v201.trim("TransactionEvent", event)
    assert (caught.value.path, caught.value.rule) == ("triggerReason", "enum")
    meter_value = {"timestamp": "2024-01-01T00:00:00Z", "sampledValue": [_sample("Display.PresentSOC")]}
    with pytest.raises(SchemaError) as caught:
        v201.trim("MeterValues", {"evseId": 1, "meterValue": [meter_value]})
    assert caught.value.path == "meterValue[0].sampledValue[0].measurand"


def test_trim_leaves_wrong_types_to_check(v201):
    payload = {"meterValue": {"a": 1}, "evseId": "x", "x": 1}
    assert v201.trim("MeterValues", payload) == {"meterValue": {"a": 1}, "evseId": "x"}
    assert v201.trim("MeterValues", 5) == 5


def test_a_type_is_read_once_and_only_when_it_is_needed():
    reads = []
    blobs = compile.blobs("2.0.1")

    def read(name):
        reads.append(name)
        return blobs.get(name)

    fresh = Tables("2.0.1", read)
    for _ in range(3):
        fresh.check("BootNotification", BOOT)
        fresh.check("BootNotificationRequest", BOOT)
    assert sorted(reads) == ["BootNotification", "BootReasonEnumType", "ChargingStationType"]


def test_what_the_station_says_again_is_checked_where_more_than_its_digits_differ(v201):
    good = {"evseId": 1, "connectorId": 1, "timestamp": "2024-01-01T00:00:00.000Z", "connectorStatus": "Available"}
    v201.check_said("StatusNotification", json.dumps(good))
    again = {**good, "evseId": 27, "timestamp": "2025-12-31T23:59:59.999Z"}
    v201.check_said("StatusNotification", json.dumps(again))
    for wrong in ({**good, "connectorStatus": "Free"}, {**good, "evseId": "1"}, {**good, "more": 1}):
        with pytest.raises(SchemaError):
            v201.check_said("StatusNotification", json.dumps(wrong))
    with pytest.raises(SchemaError):
        v201.check_said("Authorize", json.dumps(good))  # the shape of another message


def test_shapes_that_are_remembered_are_bounded(v201):
    for number in range(3 * SHAPES):
        token = {"idToken": {"idToken": "A" * (number % 36 + 1), "type": "Central"}}
        v201.check_said("Authorize", json.dumps(token))
        assert len(v201._shapes) <= SHAPES
