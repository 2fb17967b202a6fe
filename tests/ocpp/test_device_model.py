"""The device model: layers, checks, attributes, places, and what survives."""

from functools import cache

import pytest

from evse.errors import StoreError, UsageError
from evse.model import Connector, Evse
from evse.ocpp.device_model import CACHED, DeviceModel
from evse.ocpp.keys16 import KeyView
from evse.ocpp.tables import compile_variables
from evse.ocpp.variable_row import MOST, MUTABILITY
from evse.ocpp.variable_value import check, wire_type

MEASURANDS_16 = (
    "Energy.Active.Export.Register,Energy.Active.Import.Register,Energy.Reactive.Export.Register,"
    "Energy.Reactive.Import.Register,Energy.Active.Export.Interval,Energy.Active.Import.Interval,"
    "Energy.Reactive.Export.Interval,Energy.Reactive.Import.Interval,Power.Active.Export,Power.Active.Import,"
    "Power.Offered,Power.Reactive.Export,Power.Reactive.Import,Power.Factor,Current.Import,Current.Export,"
    "Current.Offered,Voltage,Frequency,Temperature,SoC,RPM"
)


class Documents:
    """Keeps documents in memory; `fails` refuses the next save; `saves` counts."""

    def __init__(self):
        self.kept = {}
        self.fails = False
        self.saves = 0

    def load(self, name):
        return self.kept.get(name)

    def save(self, name, value):
        if self.fails:
            raise StoreError("disk full")
        self.saves += 1
        self.kept[name] = dict(value)


@cache
def blobs():
    return compile_variables.blobs()


def make(overrides=(), documents=None, read=None):
    evses = {1: Evse(1, [Connector(1)]), 2: Evse(2, [Connector(1, tethered=False), Connector(2)])}
    return DeviceModel(read or blobs().get, documents or Documents(), evses=evses, overrides=overrides)


def item(component, variable, value=None, instance=None, evse=None, connector=None, attribute=None):
    named = {"name": component}
    if evse is not None:
        named["evse"] = {"id": evse} if connector is None else {"id": evse, "connectorId": connector}
    made = {"component": named, "variable": {"name": variable}}
    if instance is not None:
        made["variable"]["instance"] = instance
    if value is not None:
        made["attributeValue"] = value
    if attribute is not None:
        made["attributeType"] = attribute
    return made


HEARTBEAT = ("OCPPCommCtrlr", "HeartbeatInterval")


# -- for the program -----------------------------------------------------------------------------------------------


def test_getters_parse_the_text():
    model = make()
    assert model.get(*HEARTBEAT) == "3600"
    assert model.integer("OCPPCommCtrlr", "MessageTimeout", "Default") == 30
    assert model.number("OCPPCommCtrlr", "MessageAttempts", instance="TransactionEvent") == 3.0
    assert model.boolean("AuthCtrlr", "Enabled") is True
    assert model.members("SampledDataCtrlr", "TxUpdatedMeasurands") == ["Energy.Active.Import.Register"]
    assert model.members("AlignedDataCtrlr", "TxEndedMeasurands") == []


def test_what_is_absent_is_none():
    model = make()
    assert model.get("OCPPCommCtrlr", "MessageTimeout") is None
    assert model.get("OCPPCommCtrlr", "HeartbeatInterval", attribute="Target") is None
    assert model.integer("TariffCostCtrlr", "Currency") is None
    assert model.boolean("NoCtrlr", "Enabled") is None
    assert model.members("NoCtrlr", "List") is None
    assert model.integer("AuthCacheCtrlr", "Policy") is None
    assert model.boolean("AuthCacheCtrlr", "Policy") is None
    assert model.get("EVSE", "Available", evse=3) is None
    assert model.get("EVSE", "Available") is None
    assert model.get("Connector", "Available", evse=2, connector=2) == "true"
    assert model.get("Connector", "Available", evse=1, connector=2) is None


def test_station_sets_a_read_only_value_which_is_durable():
    documents = Documents()
    make(documents=documents).set("SecurityCtrlr", "SecurityProfile", "2")
    assert make(documents=documents).integer("SecurityCtrlr", "SecurityProfile") == 2


@pytest.mark.parametrize("value", ["9", "two"])
def test_station_cannot_set_what_breaks_the_limits(value):
    with pytest.raises(UsageError, match="SecurityProfile"):
        make().set("SecurityCtrlr", "SecurityProfile", value)


def test_station_cannot_set_what_it_has_not():
    with pytest.raises(UsageError, match="has no variable"):
        make().set("TariffCostCtrlr", "Currency", "EUR")
    with pytest.raises(UsageError, match="MaxSet"):
        make().set(*HEARTBEAT, "5", attribute="MaxSet")
    with pytest.raises(UsageError, match="has no variable"):
        make().reset("NoCtrlr", "Nothing")


def test_a_store_that_refuses_leaves_the_value():
    documents = Documents()
    model = make(documents=documents)
    documents.fails = True
    with pytest.raises(StoreError):
        model.set(*HEARTBEAT, "5")
    assert model.get(*HEARTBEAT) == "3600"


def test_a_damaged_document_is_as_good_as_none():
    documents = Documents()
    documents.kept["variables"] = ["not", "a", "dict"]
    assert make(documents=documents).get(*HEARTBEAT) == "3600"


def test_provided_value_is_computed_at_every_question():
    model = make()
    powers = {1: "11", 2: "22"}
    model.provide("EVSE", "Power", lambda evse, connector: powers[evse], limits=lambda evse, _: {MOST: evse * 1000})
    assert model.get("EVSE", "Power", evse=2) == "22"
    powers[2] = "23"
    assert model.get("EVSE", "Power", evse=2) == "23"
    assert model.read(item("EVSE", "Power", evse=1)) == ("Accepted", "11", None)
    assert model.row("EVSE", "Power", evse=2)[MOST] == 2000
    (found,) = [found for found in model.walk("EVSE") if found[2][0] == "Power" and found[1][1] == 2]
    assert model.describe(found)["variableCharacteristics"]["maxLimit"] == 2000
    assert model.source(found) == "station"


def test_watchers_hear_a_change_after_it_is_durable_and_no_other():
    documents = Documents()
    model = make(documents=documents)
    heard = []
    model.watch(*HEARTBEAT, lambda value, evse: heard.append((value, evse, documents.kept["variables"])))
    model.write(item(*HEARTBEAT, "3600"))
    assert heard == []
    model.write(item(*HEARTBEAT, "60"))
    assert heard == [("60", None, {"OCPPCommCtrlr.HeartbeatInterval": "60"})]
    model.write(item("OCPPCommCtrlr", "OfflineThreshold", "1"))
    assert len(heard) == 1


def test_watcher_of_an_evse_variable_learns_the_evse():
    model = make()
    heard = []
    model.watch("EVSE", "MinimumStatusDuration", lambda value, evse: heard.append((value, evse)))
    model.write(item("EVSE", "MinimumStatusDuration", "3", evse=2))
    assert heard == [("3", 2)]
    assert model.integer("EVSE", "MinimumStatusDuration", evse=1) == 0


def test_reset_brings_station_file_and_default_back():
    documents = Documents()
    model = make([{"component": "OCPPCommCtrlr", "variable": "HeartbeatInterval", "value": "900"}], documents)
    model.write(item(*HEARTBEAT, "60"))
    model.reset(*HEARTBEAT)
    assert model.get(*HEARTBEAT) == "900"
    assert documents.kept["variables"] == {}


def test_cache_of_values_is_bounded_and_forgets_nothing_that_counts():
    model = make()
    for number in range(CACHED + 5):
        assert model.get("NoCtrlr", f"Variable{number}") is None
    assert len(model._values) <= CACHED
    assert model.get(*HEARTBEAT) == "3600"


def test_every_change_begins_another_generation():
    model = make()
    seen = [model.generation]
    for change in (
        lambda: model.set(*HEARTBEAT, "60"),
        lambda: model.write(
            {"component": {"name": HEARTBEAT[0]}, "variable": {"name": HEARTBEAT[1]}, "attributeValue": "61"}
        ),
        lambda: model.reset(*HEARTBEAT),
        lambda: model.set_slots(("1",)),
        lambda: model.provide(*HEARTBEAT, lambda evse, connector: "5"),
    ):
        change()
        seen.append(model.generation)
    model.get("AuthCtrlr", "Enabled")
    assert len(set(seen)) == len(seen) and model.generation == seen[-1]


def test_tables_are_read_a_component_at_a_time_and_not_for_every_question():
    asked = []

    def read(name):
        asked.append(name)
        return blobs().get(name)

    model = make(read=read)
    for _ in range(3):
        model.get(*HEARTBEAT)
        model.get("AuthCtrlr", "Enabled")
    assert asked == ["file", "components", "ocppcommctrlr", "authctrlr"]


# -- layers --------------------------------------------------------------------------------------------------------


def source(model, component, variable, evse=None):
    (found,) = [found for found in model.walk(component) if found[2][0] == variable and found[1][1] == evse]
    return model.source(found)


def test_layers_default_file_csms():
    documents = Documents()
    override = {"component": "ocppcommctrlr", "variable": "heartbeatinterval", "value": "900", "min": 10.0}
    assert source(make(), *HEARTBEAT) == "default"
    model = make([override], documents)
    assert (model.get(*HEARTBEAT), source(model, *HEARTBEAT)) == ("900", "file")
    assert model.write(item(*HEARTBEAT, "9"))[0] == "Rejected"
    assert model.write(item(*HEARTBEAT, "60"))[0] == "Accepted"
    model = make([{**override, "value": "1200"}], documents)
    assert (model.get(*HEARTBEAT), source(model, *HEARTBEAT)) == ("60", "CSMS")


def test_the_same_value_as_the_default_is_kept_as_the_csms_wish():
    documents = Documents()
    make(documents=documents).write(item(*HEARTBEAT, "3600"))
    model = make([{"component": "OCPPCommCtrlr", "variable": "HeartbeatInterval", "value": "900"}], documents)
    assert model.get(*HEARTBEAT) == "3600"


def test_only_changed_values_are_stored_and_an_equal_one_costs_no_write():
    documents = Documents()
    model = make(documents=documents)
    for _ in range(2):
        model.write_all([item(*HEARTBEAT, "60"), item("OCPPCommCtrlr", "OfflineThreshold", "5")])
    assert documents.saves == 1
    assert documents.kept["variables"] == {
        "OCPPCommCtrlr.HeartbeatInterval": "60",
        "OCPPCommCtrlr.OfflineThreshold": "5",
    }


def test_station_file_makes_a_variable_read_only():
    override = {"component": "OCPPCommCtrlr", "variable": "HeartbeatInterval", "mutability": "ReadOnly"}
    model = make([override])
    assert model.write(item(*HEARTBEAT, "5")) == ("Rejected", ("ReadOnly", ""))
    assert source(model, *HEARTBEAT) == "default"


def test_station_file_adds_a_standard_variable_with_its_standard_type():
    model = make([{"component": "TariffCostCtrlr", "variable": "Currency", "value": "EUR"}])
    assert model.get("TariffCostCtrlr", "Currency") == "EUR"
    assert model.write(item("TariffCostCtrlr", "Currency", "EURO"))[0] == "Rejected"
    assert model.write(item("TariffCostCtrlr", "Currency", "CHF"))[0] == "Accepted"


def test_station_file_adds_an_instance_that_the_standard_leaves_open():
    override = {"component": "CustomizationCtrlr", "variable": "CustomImplementationEnabled", "value": "true"}
    model = make([{**override, "variable_instance": "org.acme"}, {**override, "variable_instance": "org.other"}])
    assert model.get("CustomizationCtrlr", "CustomImplementationEnabled", "org.acme") == "true"
    assert model.write(item("CustomizationCtrlr", "CustomImplementationEnabled", "yes", "org.acme"))[0] == "Rejected"
    names = [model.describe(found)["variable"]["instance"] for found in model.walk("CustomizationCtrlr")]
    assert names == ["org.acme", "org.other"]


def test_custom_variable_is_reported_read_written_and_kept():
    documents = Documents()
    overrides = [
        {"component": "AcmeCtrlr", "instance": "Left", "variable": "Speed", "type": "integer", "unit": "RPM",
         "min": 1.0, "max": 9.0, "value": "5"},
        {"component": "AcmeCtrlr", "instance": "Left", "variable": "Mode", "type": "OptionList",
         "values": ["slow", "fast"], "value": "slow", "mutability": "ReadOnly"},
        {"component": "EVSE", "evse": 2, "variable": "Colour", "value": "red"},
    ]  # fmt: skip
    model = make(overrides, documents)
    speed = item("acmectrlr", "speed", "7")
    speed["component"]["instance"] = "left"
    assert model.write(speed) == ("Accepted", None)
    model = make(overrides, documents)
    assert model.get("AcmeCtrlr[Left]", "Speed") == "7"
    reports = [model.describe(found) for found in model.walk("AcmeCtrlr")]
    assert reports[0] == {
        "component": {"name": "AcmeCtrlr", "instance": "Left"},
        "variable": {"name": "Speed"},
        "variableAttribute": [{"type": "Actual", "mutability": "ReadWrite", "persistent": True, "value": "7"}],
        "variableCharacteristics": {
            "dataType": "integer", "supportsMonitoring": False, "unit": "RPM", "minLimit": 1.0, "maxLimit": 9.0,
        },
    }  # fmt: skip
    assert reports[1]["variableCharacteristics"]["valuesList"] == "slow,fast"
    assert model.read(item("EVSE", "Colour", evse=2)) == ("Accepted", "red", None)
    assert model.read(item("EVSE", "Colour", evse=1))[0] == "UnknownVariable"


def test_one_evse_may_differ_from_the_others():
    overrides = [
        {"component": "EVSE", "variable": "MinimumStatusDuration", "value": "1"},
        {"component": "EVSE", "evse": 2, "variable": "MinimumStatusDuration", "value": "2", "max": 5.0},
    ]
    model = make(overrides)
    assert [model.get("EVSE", "MinimumStatusDuration", evse=evse) for evse in (1, 2)] == ["1", "2"]
    assert model.write(item("EVSE", "MinimumStatusDuration", "6", evse=2))[0] == "Rejected"
    assert model.write(item("EVSE", "MinimumStatusDuration", "6", evse=1))[0] == "Accepted"
    found = [found for found in model.walk("EVSE") if found[2][0] == "MinimumStatusDuration"]
    assert [place[1] for _, place, _ in found] == [1, 2]
    assert source(model, "EVSE", "MinimumStatusDuration", 2) == "file"


def test_a_station_file_that_is_compiled_with_the_tables_says_the_same():
    """So hundreds of presets need no memory but while they are asked for."""
    overrides = [
        {"component": "AuthCtrlr", "variable": "LocalPreAuthorize", "value": "true"},
        {"component": "authctrlr", "variable": "Enabled", "value": "false", "mutability": "ReadOnly"},
        {"component": "EVSE", "evse": 2, "variable": "MinimumStatusDuration", "value": "7"},
        {"component": "Coffee-Machine 2", "variable": "Cups", "value": "3", "type": "integer", "max": 9},
        {"component": "Coffee-Machine 2", "instance": "left", "variable": "Cups", "value": "1"},
        {"component": "OCPPCommCtrlr", "variable": "HeartbeatInterval", "attribute": "Target", "value": "60"},
    ]
    there = make(overrides)
    compiled = make(read=compile_variables.blobs(overrides=overrides).get)
    told, again = ([model.describe(found) for found in model.walk()] for model in (there, compiled))
    assert told == again
    assert [there.source(found) for found in there.walk()] == [compiled.source(found) for found in compiled.walk()]
    assert compiled.get("Coffee-Machine 2", "Cups") == "3" and compiled.boolean("AuthCtrlr", "Enabled") is False
    with pytest.raises(UsageError, match="EVSE@3: the station has no such EVSE"):
        make(read=compile_variables.blobs(overrides=[{"component": "EVSE", "evse": 3, "variable": "X"}]).get)


@pytest.mark.parametrize(("place", "name"), [({"evse": 3}, "EVSE@3:"), ({"evse": 1, "connector": 2}, "EVSE@1/2:")])
def test_station_file_cannot_speak_of_an_evse_that_is_not_there(place, name):
    with pytest.raises(UsageError, match=name):
        make([{"component": "EVSE", "variable": "Colour", "value": "red", **place}])


def test_attributes_besides_actual():
    fan = {"component": "AcmeFan", "variable": "Speed", "type": "integer", "max": 5000.0}
    overrides = [
        {**fan, "mutability": "ReadOnly", "value": "1200"},
        {"component": "AcmeFan", "variable": "Speed", "attribute": "Target", "mutability": "ReadWrite"},
        {"component": "AcmeFan", "variable": "Speed", "attribute": "MaxSet", "mutability": "ReadOnly", "value": "4000"},
    ]
    documents = Documents()
    model = make(overrides, documents)
    assert model.read(item("AcmeFan", "Speed", attribute="Target")) == ("Accepted", "", None)  # B06.FR.13
    assert model.write(item("AcmeFan", "Speed", "6000", attribute="Target"))[0] == "Rejected"
    assert model.write(item("AcmeFan", "Speed", "2000", attribute="Target")) == ("Accepted", None)
    assert model.write(item("AcmeFan", "Speed", "2000", attribute="MaxSet"))[0] == "Rejected"
    assert model.write(item("AcmeFan", "Speed", "2000", attribute="MinSet"))[0] == "NotSupportedAttributeType"
    assert documents.kept["variables"] == {"AcmeFan.Speed:Target": "2000"}
    assert model.get("AcmeFan", "Speed", attribute="MaxSet") == "4000"
    (found,) = model.walk("AcmeFan")
    assert [(a["type"], a.get("value")) for a in model.describe(found)["variableAttribute"]] == [
        ("Actual", "1200"), ("Target", "2000"), ("MaxSet", "4000"),
    ]  # fmt: skip
    assert (model.source(found, "Target"), model.source(found, "MaxSet")) == ("CSMS", "file")


# -- for the CSMS --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (item("NoCtrlr", "HeartbeatInterval", "5"), "UnknownComponent"),
        (item("EVSE", "MinimumStatusDuration", "5"), "UnknownComponent"),
        (item("EVSE", "MinimumStatusDuration", "5", evse=9), "UnknownComponent"),
        (item("OCPPCommCtrlr", "HeartbeatInterval", "5", evse=1), "UnknownComponent"),
        (item("OCPPCommCtrlr", "Nothing", "5"), "UnknownVariable"),
        (item("TxCtrlr", "ChargingTime", "5"), "UnknownVariable"),
        (item("OCPPCommCtrlr", "MessageAttempts", "5"), "UnknownVariable"),
        (item("OCPPCommCtrlr", "MessageAttempts", "5", "Nothing"), "UnknownVariable"),
        (item("OCPPCommCtrlr", "HeartbeatInterval", "5", attribute="Target"), "NotSupportedAttributeType"),
        (item("OCPPCommCtrlr", "MessageTimeout", "5", "Default"), "Rejected"),
        (item("ocppcommctrlr", "messageattempts", "5", "transactionevent"), "Accepted"),
        (item("OCPPCommCtrlr", "HeartbeatInterval", "5", ""), "Accepted"),
    ],
)
def test_B05_status(asked, status):
    assert make().write(asked)[0] == status
    if status not in ("Accepted", "Rejected"):
        assert make().read(asked) == (status, None, None)


@pytest.mark.parametrize(
    ("component", "variable", "value", "code"),
    [
        ("OCPPCommCtrlr", "HeartbeatInterval", "0", "ValueOutOfRange"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "-5", "ValueOutOfRange"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "2147483648", "ValueOutOfRange"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "", "InvalidValue"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "1.0", "InvalidValue"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "+1", "InvalidValue"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "01", "InvalidValue"),
        ("OCPPCommCtrlr", "HeartbeatInterval", " 1", "InvalidValue"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "\u0661", "InvalidValue"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "9" * 900, "InvalidValue"),
        ("OCPPCommCtrlr", "HeartbeatInterval", "9" * 1001, "TooLargeElement"),
        ("AuthCtrlr", "Enabled", "True", "InvalidValue"),
        ("AuthCtrlr", "Enabled", "1", "InvalidValue"),
        ("AuthCtrlr", "MasterPassGroupId", "x" * 37, "ValueOutOfRange"),
        ("TxCtrlr", "TxStartPoint", "EVConnected,ParkingBay", "ValueOutOfRange"),
        ("TxCtrlr", "TxStartPoint", "EVConnected,", "ValueOutOfRange"),
        ("TxCtrlr", "TxStartPoint", "EVConnected,EVConnected", "InvalidValue"),
        ("ClockCtrlr", "TimeSource", "", "InvalidValue"),
        ("ClockCtrlr", "TimeSource", "NTP", "ValueOutOfRange"),
        ("OCPPCommCtrlr", "PublicKeyWithSignedMeterValue", "Sometimes", "ValueOutOfRange"),
        ("SecurityCtrlr", "BasicAuthPassword", "short", "ValueOutOfRange"),
        ("ChargingStation", "PhaseRotation", "XYZ", "ValueOutOfRange"),
    ],
)
def test_B05_FR_07_08_value_is_checked(component, variable, value, code):
    documents = Documents()
    status, reason = make(documents=documents).write(item(component, variable, value))
    assert (status, reason[0]) == ("Rejected", code)
    assert documents.saves == 0


@pytest.mark.parametrize(
    ("kind", "value", "good"),
    [
        ("decimal", "-12.5", True),
        ("decimal", "12.1234567", False),
        ("decimal", "12.", False),
        ("decimal", ".5", False),
        ("decimal", "1e5", False),
        ("decimal", "nan", False),
        ("decimal", "-", False),
        ("integer", "-1234", True),
        ("integer", "0", True),
        ("integer", "-0", False),
        ("dateTime", "2026-01-01T00:00:00.123Z", True),
        ("dateTime", "2026-01-01T00:00:00+01:00", True),
        ("dateTime", "2026-01-01T00:00:00.1234Z", False),
        ("dateTime", "2026-13-01T00:00:00Z", False),
        ("dateTime", "now", False),
        ("identifierString", "CS-01_a@b", True),
        ("identifierString", "CS 01", False),
        ("identifierString", "CSé", False),
        ("passwordString", "any thing é", True),
        ("string", "", True),
        ("OptionList", "anything", True),
    ],
)
def test_values_of_each_type(kind, value, good):
    row = ("V", None, "station", kind, None, "ReadWrite", None, None, None, None, None, None)
    assert (check(row, value)[1] is None) is good
    assert wire_type(row) in ("decimal", "integer", "dateTime", "string", "OptionList")


def test_elements_lose_the_blanks_around_them_and_are_counted():
    model = make([{"component": "SampledDataCtrlr", "variable": "TxEndedMeasurands", "max_elements": 2}])
    assert model.write(item("SampledDataCtrlr", "TxEndedMeasurands", "Voltage, SoC"))[0] == "Accepted"
    assert model.get("SampledDataCtrlr", "TxEndedMeasurands") == "Voltage,SoC"
    status, reason = model.write(item("SampledDataCtrlr", "TxEndedMeasurands", "Voltage,SoC,Frequency"))
    assert (status, reason[0]) == ("Rejected", "TooManyElements")


def test_442_characters_of_22_measurands_are_checked_element_by_element():
    assert len(MEASURANDS_16) == 442
    model = make()
    assert model.write(item("SampledDataCtrlr", "TxUpdatedMeasurands", MEASURANDS_16)) == ("Accepted", None)
    assert len(model.members("SampledDataCtrlr", "TxUpdatedMeasurands")) == 22
    status, reason = model.write(item("SampledDataCtrlr", "TxUpdatedMeasurands", MEASURANDS_16 + ",Bananas"))
    assert (status, reason) == ("Rejected", ("ValueOutOfRange", "'Bananas' is not supported"))


def test_B06_FR_09_write_only_is_for_the_station_alone():
    documents = Documents()
    model = make(documents=documents)
    password = item("SecurityCtrlr", "BasicAuthPassword", "0123456789abcdef")
    assert model.write(password) == ("Accepted", None)
    assert model.read(password) == ("Rejected", None, ("WriteOnly", ""))
    (found,) = [found for found in model.walk("SecurityCtrlr") if found[2][0] == "BasicAuthPassword"]
    described = model.describe(found)
    assert described["variableAttribute"] == [{"type": "Actual", "mutability": "WriteOnly", "persistent": True}]
    assert described["variableCharacteristics"]["dataType"] == "string"
    assert model.get("SecurityCtrlr", "BasicAuthPassword") == "0123456789abcdef"


def test_B05_FR_09_a_store_that_refuses_rejects_all_of_the_request():
    documents = Documents()
    model = make(documents=documents)
    documents.fails = True
    answers = model.write_all([item(*HEARTBEAT, "5"), item("NoCtrlr", "X", "1"), item(*HEARTBEAT, "x")])
    assert [status for status, _ in answers] == ["Rejected", "UnknownComponent", "Rejected"]
    assert answers[0][1][0] == "InternalError" and answers[2][1][0] == "InvalidValue"
    assert model.get(*HEARTBEAT) == "3600"


def test_a_block_judges_a_change_of_its_variable():
    model = make()
    verdicts = {"10": None, "20": "RebootRequired", "30": "UnsupportedParam", "40": ("TxInProgress", "wait")}
    model.validate(*HEARTBEAT, lambda value, evse: verdicts[value])
    assert model.write(item(*HEARTBEAT, "10")) == ("Accepted", None)
    assert model.write(item(*HEARTBEAT, "20")) == ("RebootRequired", None)
    assert model.write(item(*HEARTBEAT, "30")) == ("Rejected", ("UnsupportedParam", ""))
    assert model.write(item(*HEARTBEAT, "40")) == ("Rejected", ("TxInProgress", "wait"))
    assert model.get(*HEARTBEAT) == "20"
    with pytest.raises(KeyError):
        model.write(item(*HEARTBEAT, "50"))


def test_limits_of_the_place_also_bind_the_csms():
    model = make()
    model.provide(*HEARTBEAT, None, limits=lambda evse, connector: {MUTABILITY: "ReadOnly"})
    assert model.write(item(*HEARTBEAT, "5")) == ("Rejected", ("ReadOnly", ""))


def test_walk_has_every_variable_once_at_every_place():
    model = make()
    found = [(name, place, row[0], row[1]) for name, place, row in model.walk()]
    assert len(found) == len(set(found))
    assert [place for name, place, variable, _ in found if (name, variable) == ("Connector", "Available")] == [
        (None, 1, 1), (None, 2, 1), (None, 2, 2),
    ]  # fmt: skip
    assert list(model.walk("nothing")) == []


# -- 1.6 keys ------------------------------------------------------------------------------------------------------


def test_a_key_is_a_view_there_and_back():
    model = make()
    keys = KeyView(model)
    assert keys.change("MeterValueSampleInterval", "30") == "Accepted"
    assert model.read(item("SampledDataCtrlr", "TxUpdatedInterval")) == ("Accepted", "30", None)
    model.write(item("OCPPCommCtrlr", "MessageAttempts", "9", "TransactionEvent"))
    assert keys.get("transactionmessageattempts") == ("TransactionMessageAttempts", False, "9")


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("HeartbeatInterval", "60", "Accepted"),
        ("HEARTBEATINTERVAL", "60", "Accepted"),
        ("HeartbeatInterval", "0", "Rejected"),
        ("AuthorizationCacheEnabled", "FALSE", "Accepted"),
        ("AuthorizationCacheEnabled", "no", "Rejected"),
        ("MeterValuesSampledData", MEASURANDS_16, "Accepted"),
        ("MeterValuesSampledData", "Voltage,Bananas", "Rejected"),
        ("NumberOfConnectors", "3", "Rejected"),
        ("MeterValuesSampledDataMaxLength", "3", "Rejected"),
        ("SupportedFeatureProfiles", "Core", "Rejected"),
        ("GetConfigurationMaxKeys", "3", "Rejected"),
        ("SecurityProfile", "2", "Rejected"),
        ("AuthorizationKey", "0123456789abcdef", "Accepted"),
        ("AuthorizationKey", "short", "Rejected"),
        ("SupportedFileTransferProtocols", "FTP", "Rejected"),
        ("Nonsense", "3", "NotSupported"),
        ("ConnectorPhaseRotation", "0.RST,1.RTS,2.NotApplicable", "Accepted"),
        ("ConnectorPhaseRotation", "3.RST", "Rejected"),
        ("ConnectorPhaseRotation", "1.XYZ", "Rejected"),
        ("ConnectorPhaseRotation", "", "Rejected"),
        ("MinimumStatusDuration", "5", "Accepted"),
    ],
)
def test_change_of_a_key(key, value, status):
    assert KeyView(make()).change(key, value) == status


def test_phase_rotation_and_evse_variables_reach_every_evse():
    model = make()
    keys = KeyView(model)
    assert keys.change("ConnectorPhaseRotation", "0.RST, 1.RTS, 2.NotApplicable") == "Accepted"
    assert [model.get("EVSE", "PhaseRotation", evse=evse) for evse in (1, 2)] == ["RTS", "Rxx"]
    assert keys.get("ConnectorPhaseRotation")[2] == "0.RST,1.RTS,2.NotApplicable"
    assert keys.change("MinimumStatusDuration", "5") == "Accepted"
    assert [model.get("EVSE", "MinimumStatusDuration", evse=evse) for evse in (1, 2)] == ["5", "5"]


def test_the_samples_for_the_end_follow_the_sample_interval_of_16():
    """StopTxnSampledData is taken every MeterValueSampleInterval; 2.x has its own interval. [1.6 errata 3.14.1]"""
    model = make()
    assert KeyView(model).change("MeterValueSampleInterval", "30") == "Accepted"
    assert model.integer("SampledDataCtrlr", "TxUpdatedInterval") == 30
    assert model.integer("SampledDataCtrlr", "TxEndedInterval") == 30
    made = compile_variables.station_overrides([], {"MeterValueSampleInterval": {"value": "45"}})[0]
    assert {entry["variable"]: entry["value"] for entry in made} == {"TxUpdatedInterval": "45", "TxEndedInterval": "45"}


def test_what_a_key_says_about_a_variable():
    keys = KeyView(make())
    assert keys.get("NumberOfConnectors") == ("NumberOfConnectors", True, "2")
    assert keys.get("ConnectorPhaseRotationMaxLength") == ("ConnectorPhaseRotationMaxLength", True, "3")
    assert keys.get("MeterValuesSampledDataMaxLength") == ("MeterValuesSampledDataMaxLength", True, "27")
    assert keys.get("CertificateStoreMaxLength") == ("CertificateStoreMaxLength", True, "50")
    assert keys.get("AuthorizationKey") == ("AuthorizationKey", False, None)


def test_keys_of_a_profile_that_is_off_are_gone():
    on = [
        {"component": "OCPP16Ctrlr", "variable": "SupportedFeatureProfiles", "value": "Core,SmartCharging"},
        {"component": "SmartChargingCtrlr", "variable": "RateUnit", "value": "A,W"},
        {"component": "LocalAuthListCtrlr", "variable": "Entries", "max": 100.0},
    ]
    keys = KeyView(make(on))
    assert keys.get("ChargingScheduleAllowedChargingRateUnit") == (
        "ChargingScheduleAllowedChargingRateUnit", True, "Current,Power",
    )  # fmt: skip
    assert keys.get("LocalAuthListMaxLength") is None
    assert "LocalAuthListEnabled" not in keys.names()
    off = KeyView(make([{**on[0], "value": "Core"}, *on[1:]]))
    assert off.get("ChargingScheduleAllowedChargingRateUnit") is None
    assert off.change("ChargingScheduleAllowedChargingRateUnit", "Current") == "NotSupported"


def test_guarded_key_is_writable_while_a_block_checks_the_step():
    model = make()
    assert KeyView(model).get("SecurityProfile") == ("SecurityProfile", True, "0")
    model.validate("SecurityCtrlr", "SecurityProfile", lambda value, evse: None if value == "2" else "InvalidValue")
    keys = KeyView(model)
    assert keys.get("SecurityProfile") == ("SecurityProfile", False, "0")
    assert keys.change("SecurityProfile", "1") == "Rejected"
    assert keys.change("SecurityProfile", "2") == "Accepted"
    assert model.write(item("SecurityCtrlr", "SecurityProfile", "2")) == ("Rejected", ("ReadOnly", ""))


def test_reboot_required_reaches_the_key():
    model = make()
    model.validate(*HEARTBEAT, lambda value, evse: "RebootRequired")
    assert KeyView(model).change("HeartbeatInterval", "5") == "RebootRequired"


def test_custom_keys_are_variables_too():
    overrides, problems = compile_variables.station_overrides(
        [],
        {"AcmeMode": {"value": "eco"}, "AcmeSerial": {"value": "17", "read_only": True}, "BlinkRepeat": {"value": "2"}},
    )
    assert problems == []
    documents = Documents()
    model = make(overrides, documents)
    keys = KeyView(model)
    assert keys.names()[-2:] == ["AcmeMode", "AcmeSerial"]
    assert "BlinkRepeat" in keys.names()
    assert keys.get("acmemode") == ("AcmeMode", False, "eco")
    assert keys.change("AcmeMode", "fast") == "Accepted"
    assert keys.change("AcmeSerial", "18") == "Rejected"
    assert make(overrides, documents).get("OCPP16Ctrlr", "AcmeMode") == "fast"
