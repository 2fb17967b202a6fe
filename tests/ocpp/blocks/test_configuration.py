"""B05-B08 and 1.6 §5.3, §5.8: the CSMS reads, writes and lists what the station can be told."""

import tracemalloc

import pytest

from evse.errors import StoreError
from tests.support.bench import Bench, versions, versions2


def variable(component, name, instance=None, evse=None, connector=None, **more):
    place = {"name": component}
    if evse is not None:
        place["evse"] = {"id": evse} if connector is None else {"id": evse, "connectorId": connector}
    named = {"name": name} if instance is None else {"name": name, "instance": instance}
    return {"component": place, "variable": named, **more}


def connected(version, **settings):
    bench = Bench(**settings)
    bench.connect(version)
    return bench


def get(bench, *asked):
    return bench.ask("GetVariables", {"getVariableData": list(asked)})["getVariableResult"]


def put(bench, *asked):
    return bench.ask("SetVariables", {"setVariableData": list(asked)})["setVariableResult"]


def report(bench):
    """All parts of a report, answered one by one."""
    parts = []
    while True:
        part = bench.expect("NotifyReport")
        bench.quiet()
        parts.append(part)
        bench.answer()
        if not part["tbc"]:
            return parts


def items(parts):
    return [item for part in parts for item in part["reportData"]]


def names(parts):
    return {(item["component"]["name"], item["variable"]["name"]) for item in items(parts)}


def value(item):
    return item["variableAttribute"][0].get("value")


# -- SetVariables --------------------------------------------------------------------------------------------------


@versions2
def test_B05_FR_01_02_03_12_one_result_for_each_element_in_order(version):
    bench = connected(version)
    results = put(
        bench,
        variable("OCPPCommCtrlr", "OfflineThreshold", attributeValue="300", attributeType="Actual"),
        variable("AuthCtrlr", "LocalAuthorizeOffline", attributeValue="yes"),
        variable("NoCtrlr", "Nothing", attributeValue="1"),
        variable("OCPPCommCtrlr", "Nothing", attributeValue="1"),
        variable("OCPPCommCtrlr", "OfflineThreshold", attributeValue="1", attributeType="Target"),
        variable("OCPPCommCtrlr", "MessageTimeout", "Default", attributeValue="1"),
    )
    assert [result["attributeStatus"] for result in results] == [
        "Accepted", "Rejected", "UnknownComponent", "UnknownVariable", "NotSupportedAttributeType", "Rejected",
    ]  # fmt: skip
    assert [result["attributeType"] for result in results] == ["Actual"] * 4 + ["Target", "Actual"]
    assert results[0]["component"] == {"name": "OCPPCommCtrlr"}
    assert results[1]["attributeStatusInfo"] == {
        "reasonCode": "InvalidValue", "additionalInfo": "neither true nor false",
    }  # fmt: skip
    assert results[5]["attributeStatusInfo"]["reasonCode"] == "ReadOnly"


@versions2
def test_B05_FR_10_a_change_survives_a_power_cut(version):
    bench = connected(version)
    assert (
        put(bench, variable("OCPPCommCtrlr", "OfflineThreshold", attributeValue="17"))[0]["attributeStatus"]
        == "Accepted"
    )
    bench.cut()
    bench.restart()
    bench.connect(version)
    assert get(bench, variable("OCPPCommCtrlr", "OfflineThreshold"))[0]["attributeValue"] == "17"


def test_B05_FR_09_a_store_that_refuses_is_no_success(monkeypatch):
    bench = connected("2.0.1")

    def save(*_):
        raise StoreError("disk full")

    monkeypatch.setattr("evse.store.documents.Documents.save", save)
    results = put(bench, variable("OCPPCommCtrlr", "OfflineThreshold", attributeValue="17"))
    assert results[0]["attributeStatus"] == "Rejected"
    assert results[0]["attributeStatusInfo"]["reasonCode"] == "InternalError"
    assert bench.log.texts("error") == ["a change by the CSMS could not be stored"]
    assert get(bench, variable("OCPPCommCtrlr", "OfflineThreshold"))[0]["attributeValue"] == "300"


@versions2
@pytest.mark.parametrize(
    ("action", "list_name"), [("SetVariables", "setVariableData"), ("GetVariables", "getVariableData")]
)
def test_B06_FR_16_more_elements_than_announced_are_refused(version, action, list_name):
    bench = connected(version)
    one = variable("OCPPCommCtrlr", "OfflineThreshold", **({"attributeValue": "1"} if action == "SetVariables" else {}))
    announced = int(get(bench, variable("DeviceDataCtrlr", "ItemsPerMessage", action))[0]["attributeValue"])
    assert len(next(iter(bench.ask(action, {list_name: [one] * announced}).values()))) == announced
    reply = bench.ask_raw(action, {list_name: [one] * (announced + 1)})
    assert (reply[0], reply[2]) == (4, "OccurrenceConstraintViolation")


def test_a_password_is_neither_read_nor_reported_nor_logged():
    bench = connected("2.0.1")
    secret = "correct-horse-battery"
    assert (
        put(bench, variable("SecurityCtrlr", "BasicAuthPassword", attributeValue=secret))[0]["attributeStatus"]
        == "Accepted"
    )
    (result,) = get(bench, variable("SecurityCtrlr", "BasicAuthPassword"))
    assert result["attributeStatus"] == "Rejected" and "attributeValue" not in result  # B06.FR.09
    assert result["attributeStatusInfo"]["reasonCode"] == "WriteOnly"
    bench.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    assert secret not in str(report(bench))
    put(bench, variable("SecurityCtrlr", "BasicAuthPassword", attributeValue="x" * 65))
    assert secret not in str(bench.log.lines) and "x" * 65 not in str(bench.log.lines)


@versions
def test_A01_FR_11_12_a_new_password_is_in_the_security_log_without_itself(version):
    bench = connected(version)
    if version == "1.6":
        bench.ask("ChangeConfiguration", {"key": "AuthorizationKey", "value": "0123456789abcdef"})
    else:
        put(bench, variable("SecurityCtrlr", "BasicAuthPassword", attributeValue="0123456789abcdef"))
    event = bench.engine.block("security").entries()[-1]
    assert event["type"] == "ReconfigurationOfSecurityParameters"
    assert event["techInfo"] == "SecurityCtrlr.BasicAuthPassword"
    assert "0123456789abcdef" not in str(bench.log.lines)


# -- GetVariables --------------------------------------------------------------------------------------------------


@versions2
def test_B06_one_result_for_each_element(version):
    bench = connected(version, evses=2)
    results = get(
        bench,
        variable("OCPPCommCtrlr", "OfflineThreshold"),
        variable("authctrlr", "LOCALAUTHORIZEOFFLINE", attributeType="Actual"),
        variable("NoCtrlr", "Nothing"),
        variable("OCPPCommCtrlr", "Nothing"),
        variable("OCPPCommCtrlr", "OfflineThreshold", attributeType="MaxSet"),
        variable("DeviceDataCtrlr", "ItemsPerMessage"),
        variable("EVSE", "Power"),
        variable("Connector", "AvailabilityState", evse=2, connector=1),
    )
    assert [(result["attributeStatus"], result.get("attributeValue")) for result in results] == [
        ("Accepted", "300"),
        ("Accepted", "true"),
        ("UnknownComponent", None),  # B06.FR.06
        ("UnknownVariable", None),  # B06.FR.07
        ("NotSupportedAttributeType", None),  # B06.FR.08
        ("UnknownVariable", None),  # B06.FR.15
        ("UnknownComponent", None),
        ("Accepted", "Available"),
    ]
    assert results[1]["component"] == {"name": "authctrlr"}


def test_station_tells_what_it_is_and_measures():
    bench = connected("2.1", evses=2, station={"identity": "CS-1", "supply_voltage_v": 230.0})
    bench.reading(1, 1234.5, power_w=7360.0)
    bench.fact("fault", 2, "GroundFailure", "")
    bench.settle()
    asked = {
        ("ChargingStation", "Model", None): "Bench",
        ("ChargingStation", "VendorName", None): "Acme",
        ("ChargingStation", "SerialNumber", None): "S1",
        ("ChargingStation", "FirmwareVersion", None): "1.0",
        ("ChargingStation", "SupplyPhases", None): "3",
        ("ChargingStation", "Problem", None): "false",
        ("EVSE", "Power", 1): "7360",
        ("EVSE", "Power", 2): "0",
        ("EVSE", "ChargingState", 1): "Idle",
        ("EVSE", "SupplyPhases", 1): "3",
        ("EVSE", "Problem", 1): "false",
        ("EVSE", "Problem", 2): "true",
        ("EVSE", "AvailabilityState", 2): "Faulted",
        ("FiscalMetering", "EnergyImportRegister", 1): "1234.5",
        ("FiscalMetering", "EnergyImportRegister", 2): "",
        ("FiscalMetering", "PublicKey", 1): "",
        ("SecurityCtrlr", "Identity", None): "CS-1",
        ("ClockCtrlr", "DateTime", None): bench.utc_text(),
    }
    results = get(bench, *(variable(component, name, evse=evse) for component, name, evse in asked))
    assert [result.get("attributeValue") for result in results] == list(asked.values())
    (connector,) = get(bench, variable("Connector", "ConnectorType", evse=1, connector=1))
    assert connector["attributeValue"] == "cType2"


@pytest.mark.parametrize(
    ("sockets", "mutability", "status"), [(False, "ReadOnly", "Rejected"), (True, "ReadWrite", "Accepted")]
)
def test_only_a_socket_can_be_unlocked_when_the_vehicle_is_unplugged(sockets, mutability, status):
    bench = connected("2.0.1", sockets=sockets)
    unlock = variable("OCPPCommCtrlr", "UnlockOnEVSideDisconnect")
    assert get(bench, unlock)[0]["attributeValue"] == str(sockets).lower()
    assert put(bench, {**unlock, "attributeValue": "false"})[0]["attributeStatus"] == status
    bench.ask("GetReport", {"requestId": 1, "componentVariable": [unlock]})
    (told,) = items(report(bench))
    assert told["variableAttribute"][0]["mutability"] == mutability


# -- reports -------------------------------------------------------------------------------------------------------


@versions2
def test_B07_full_inventory_comes_in_parts_one_after_the_other(version):
    bench = connected(version, evses=2)
    assert bench.ask("GetBaseReport", {"requestId": 42, "reportBase": "FullInventory"}) == {"status": "Accepted"}
    parts = report(bench)
    bench.quiet()
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))  # B07.FR.10
    assert {part["requestId"] for part in parts} == {42}  # B07.FR.04
    assert all(part["generatedAt"] == bench.utc_text() for part in parts)
    assert all(1 <= len(part["reportData"]) <= 20 for part in parts)
    told = [str((item["component"], item["variable"])) for item in items(parts)]
    assert len(told) == len(set(told)) > 100
    assert all("variableCharacteristics" in item for item in items(parts))


def test_B07_FR_07_configuration_inventory_has_what_can_be_written():
    bench = connected("2.0.1")
    bench.ask("GetBaseReport", {"requestId": 1, "reportBase": "ConfigurationInventory"})
    parts = report(bench)
    mutabilities = {attribute["mutability"] for item in items(parts) for attribute in item["variableAttribute"]}
    assert mutabilities == {"ReadWrite", "WriteOnly"}
    assert {("OCPPCommCtrlr", "OfflineThreshold"), ("SecurityCtrlr", "BasicAuthPassword")} <= names(parts)
    assert ("SecurityCtrlr", "SecurityProfile") not in names(parts)


def test_B07_FR_09_summary_inventory_has_availability_and_problems():
    bench = connected("2.0.1", evses=2)
    bench.fact("fault", 2, "GroundFailure", "")
    bench.settle()
    bench.ask("GetBaseReport", {"requestId": 1, "reportBase": "SummaryInventory"})
    told = [(i["component"]["name"], i["component"].get("evse", {}).get("id"), i["variable"]["name"], value(i))
            for i in items(report(bench))]  # fmt: skip
    assert told == [
        ("ChargingStation", None, "AvailabilityState", "Available"),
        ("Connector", 1, "AvailabilityState", "Available"),
        ("Connector", 2, "AvailabilityState", "Faulted"),
        ("EVSE", 1, "AvailabilityState", "Available"),
        ("EVSE", 2, "AvailabilityState", "Faulted"),
        ("EVSE", 2, "Problem", "true"),
    ]


def test_report_of_lists_says_what_they_may_hold():
    bench = connected("2.0.1")
    bench.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    for item in items(report(bench)):
        characteristics = item["variableCharacteristics"]
        if characteristics["dataType"] in ("OptionList", "SequenceList", "MemberList"):
            elements = [element for element in (value(item) or "").split(",") if element]
            assert set(elements) <= set(characteristics["valuesList"].split(","))


def test_power_of_an_evse_has_its_limit():
    bench = connected("2.0.1", station={"supply_voltage_v": 230.0})
    bench.ask("GetReport", {"requestId": 1, "componentVariable": [variable("EVSE", "Power", evse=1)]})
    (told,) = items(report(bench))
    assert told["variableCharacteristics"] == {
        "dataType": "decimal", "unit": "W", "maxLimit": 3 * 230 * 32, "supportsMonitoring": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([variable("DeviceDataCtrlr", "ItemsPerMessage")], 3),  # B08.FR.21
        ([variable("DeviceDataCtrlr", "ItemsPerMessage", "GetReport")], 1),
        ([variable("EVSE", "AvailabilityState")], 2),  # B08.FR.23
        ([variable("EVSE", "AvailabilityState", evse=2)], 1),
        ([variable("Connector", "AvailabilityState", evse=2)], 1),  # B08.FR.22
        ([{"component": {"name": "clockctrlr"}}], 3),  # B08.FR.20
        ([variable("EVSE", "AvailabilityState", evse=1), variable("ClockCtrlr", "DateTime")], 2),
        ([variable("EVSE", "AvailabilityState"), variable("EVSE", "AvailabilityState", evse=2)], 2),
    ],
)
def test_B08_report_of_components_and_variables(asked, told):
    bench = connected("2.0.1", evses=2)
    assert bench.ask("GetReport", {"requestId": 7, "componentVariable": asked}) == {"status": "Accepted"}
    parts = report(bench)
    assert [part["seqNo"] for part in parts] == [0]  # B08.FR.14
    assert parts[0]["requestId"] == 7  # B08.FR.04
    assert len(parts[0]["reportData"]) == told


def test_B08_FR_08_09_10_13_component_criteria():
    bench = connected("2.0.1", evses=2)
    bench.fact("fault", 2, "GroundFailure", "")
    bench.settle()
    bench.ask("GetReport", {"requestId": 1, "componentCriteria": ["Problem"]})
    told = {(item["component"]["name"], item["component"]["evse"]["id"]) for item in items(report(bench))}
    assert told == {("EVSE", 2)}
    bench.ask("GetReport", {"requestId": 2, "componentCriteria": ["Enabled"]})
    told = {component for component, _ in names(report(bench))}
    assert "AuthCtrlr" in told and "ClockCtrlr" in told and "DisplayMessageCtrlr" not in told
    bench.ask("GetReport", {"requestId": 3, "componentCriteria": ["Available", "Problem"]})
    told = {component for component, _ in names(report(bench))}
    assert {"EVSE", "ClockCtrlr"} <= told and "DisplayMessageCtrlr" not in told


def test_B08_FR_05_15_criteria_and_variables_narrow_each_other():
    bench = connected("2.0.1")
    asked = {"componentCriteria": ["Enabled"], "componentVariable": [variable("DisplayMessageCtrlr", "Available")]}
    assert bench.ask("GetReport", {"requestId": 1, **asked}) == {"status": "EmptyResultSet"}
    asked = {"componentCriteria": ["Enabled"], "componentVariable": [variable("AuthCacheCtrlr", "Available")]}
    assert bench.ask("GetReport", {"requestId": 2, **asked}) == {"status": "Accepted"}
    assert len(items(report(bench))) == 1


@versions2
def test_B08_FR_15_nothing_found(version):
    bench = connected(version)
    for asked in ({"componentVariable": [variable("NoCtrlr", "Nothing")]}, {"componentCriteria": ["Problem"]}):
        assert bench.ask("GetReport", {"requestId": 1, **asked}) == {"status": "EmptyResultSet"}
    bench.quiet()


def test_B08_FR_17_more_elements_than_announced_are_refused():
    bench = connected("2.0.1")
    reply = bench.ask_raw("GetReport", {"requestId": 1, "componentVariable": [variable("EVSE", "Power")] * 51})
    assert (reply[0], reply[2]) == (4, "OccurrenceConstraintViolation")


def test_reports_wait_for_each_other_up_to_a_bound():
    bench = connected("2.0.1")
    statuses = [
        bench.ask("GetBaseReport", {"requestId": number, "reportBase": "SummaryInventory"})["status"]
        for number in range(6)
    ]
    assert statuses == ["Accepted"] * 5 + ["Rejected"]  # B07.FR.13
    for number in range(5):
        assert {part["requestId"] for part in report(bench)} == {number}
    bench.quiet()
    assert bench.ask("GetBaseReport", {"requestId": 9, "reportBase": "SummaryInventory"})["status"] == "Accepted"


def test_a_report_that_the_csms_refuses_ends_and_the_next_begins():
    bench = connected("2.0.1")
    bench.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    bench.ask("GetBaseReport", {"requestId": 2, "reportBase": "SummaryInventory"})
    assert bench.expect("NotifyReport")["tbc"] is True
    bench.refuse("InternalError")
    assert {part["requestId"] for part in report(bench)} == {2}
    bench.quiet()


def test_reports_end_with_their_connection():
    bench = connected("2.0.1")
    for number in range(5):
        bench.ask("GetBaseReport", {"requestId": number, "reportBase": "FullInventory"})
    bench.expect("NotifyReport")
    bench.drop()
    bench.open("2.0.1")
    assert "NotifyReport" not in [action for action, _ in bench.settle()]
    bench.ask("GetBaseReport", {"requestId": 9, "reportBase": "SummaryInventory"})
    assert [(part["requestId"], part["seqNo"]) for part in report(bench)] == [(9, 0)]


def test_long_values_make_parts_shorter():
    overrides = [{"component": "AcmeCtrlr", "variable": f"Text{n}", "value": "é" * 2000} for n in range(12)]
    bench = connected("2.0.1", variables=overrides)
    bench.ask("GetReport", {"requestId": 1, "componentVariable": [{"component": {"name": "AcmeCtrlr"}}]})
    parts = report(bench)
    assert len(items(parts)) == 12
    assert max(len(str(part).encode()) for part in parts) < 20_000


def test_custom_variable_of_the_station_file_is_configured_and_reported():
    override = {"component": "AcmeCtrlr", "variable": "Speed", "type": "integer", "value": "5", "max": 9.0}
    bench = connected("2.0.1", variables=[override])
    assert put(bench, variable("AcmeCtrlr", "Speed", attributeValue="7"))[0]["attributeStatus"] == "Accepted"
    assert put(bench, variable("AcmeCtrlr", "Speed", attributeValue="70"))[0]["attributeStatus"] == "Rejected"
    bench.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    (told,) = [item for item in items(report(bench)) if item["component"]["name"] == "AcmeCtrlr"]
    assert value(told) == "7"


def test_400_variables_take_less_than_100_kib():
    overrides = [
        {"component": f"Acme{n % 20}Ctrlr", "variable": f"Text{n}", "value": "some text", "values": ["some text"]}
        for n in range(300)
    ]
    engine = connected("2.0.1", variables=overrides).engine

    def told():
        """Number of variables in a whole report; no frame is kept."""
        count = 0
        engine.receive('[2,"1","GetBaseReport",{"requestId":1,"reportBase":"FullInventory"}]')
        while engine.frames:
            frame = engine.frames.popleft()
            count += frame.count('"variableCharacteristics"')
            if '"NotifyReport"' in frame:
                engine.receive(f"[3,{frame.split(',')[1]},{{}}]")
            del frame
        return count

    told()  # what is loaded once, is not the report's
    tracemalloc.start()
    try:
        assert told() > 400
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 100 * 1024


# -- 1.6 -----------------------------------------------------------------------------------------------------------


def keys(answer):
    return {key["key"]: key.get("value") for key in answer["configurationKey"]}


@pytest.mark.parametrize("asked", [{}, {"key": []}])
def test_16_all_keys(asked):
    bench = connected("1.6", evses=2)
    answer = bench.ask("GetConfiguration", asked)
    assert "unknownKey" not in answer
    told = keys(answer)
    assert told["NumberOfConnectors"] == "2"
    assert told["SupportedFeatureProfiles"].startswith("Core")
    assert told["MeterValuesSampledData"] == "Energy.Active.Import.Register"
    assert told["AuthorizationKey"] is None
    assert told["SupportedFileTransferProtocols"] == "FTP,FTPS,HTTP,HTTPS"


def test_16_listed_keys_and_unknown_ones():
    bench = connected("1.6")
    answer = bench.ask("GetConfiguration", {"key": ["heartbeatinterval", "Nonsense", "NumberOfConnectors"]})
    assert answer == {
        "configurationKey": [
            {"key": "HeartbeatInterval", "readonly": False, "value": "3600"},
            {"key": "NumberOfConnectors", "readonly": True, "value": "1"},
        ],
        "unknownKey": ["Nonsense"],
    }


@pytest.mark.parametrize(
    ("key", "text", "status"),
    [
        ("MeterValueSampleInterval", "60", "Accepted"),
        ("MeterValueSampleInterval", "-1", "Rejected"),
        ("NumberOfConnectors", "2", "Rejected"),
        ("Nonsense", "2", "NotSupported"),
    ],
)
def test_16_change_configuration(key, text, status):
    assert connected("1.6").ask("ChangeConfiguration", {"key": key, "value": text}) == {"status": status}


def test_16_reboot_required():
    bench = connected("1.6")
    bench.model.validate("OCPPCommCtrlr", "ResetRetries", lambda value, evse: "RebootRequired")
    assert bench.ask("ChangeConfiguration", {"key": "ResetRetries", "value": "2"}) == {"status": "RebootRequired"}


def test_16_value_that_is_too_long_for_16_is_cut_between_elements():
    bench = connected("1.6")
    bench.model.set("OCPPCommCtrlr", "OfflineThreshold", "5")
    everything = bench.model.row("SampledDataCtrlr", "TxUpdatedMeasurands")[8]
    bench.model.set("SampledDataCtrlr", "TxUpdatedMeasurands", everything)
    told = keys(bench.ask("GetConfiguration", {"key": ["MeterValuesSampledData"]}))["MeterValuesSampledData"]
    assert 450 < len(told) <= 500
    assert everything.startswith(told + ",")
    bench.model.set("SecurityCtrlr", "OrganizationName", "x" * 600)
    assert keys(bench.ask("GetConfiguration", {"key": ["CpoName"]})) == {"CpoName": "x" * 500}


def test_one_store_for_all_versions():
    bench = connected("1.6")
    bench.ask("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "77"})
    bench.drop()
    bench.connect("2.0.1")
    assert get(bench, variable("TxCtrlr", "EVConnectionTimeOut"))[0]["attributeValue"] == "77"
    put(bench, variable("TxCtrlr", "EVConnectionTimeOut", attributeValue="78"))
    bench.drop()
    bench.connect("1.6")
    assert keys(bench.ask("GetConfiguration", {"key": ["ConnectionTimeOut"]})) == {"ConnectionTimeOut": "78"}


def test_what_the_csms_changed_is_logged_without_its_value():
    bench = connected("2.0.1")
    put(bench, variable("AuthCtrlr", "MasterPassGroupId", attributeValue="police-4711"))
    assert (
        "info",
        "a variable was changed by the CSMS",
        {"variable": "AuthCtrlr.MasterPassGroupId"},
    ) in bench.log.lines
    assert "police-4711" not in str(bench.log.lines)


def test_a_report_is_dated_though_the_clock_was_never_set():
    bench = Bench()
    bench.time.utc = 0.0
    bench.open("2.0.1")
    bench.expect("BootNotification")
    bench.answer({"status": "Pending", "currentTime": "2026-01-01T00:00:00Z", "interval": 300})
    assert bench.ask("GetBaseReport", {"requestId": 1, "reportBase": "SummaryInventory"}) == {"status": "Accepted"}
    assert bench.expect("NotifyReport")["generatedAt"].startswith("2026-01-01T00:00:00")
