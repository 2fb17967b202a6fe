"""OCPP 2.0.1 test cases, B Provisioning: cold boot, variables, reports, offline statuses."""

from __future__ import annotations

from typing import Any

from tests.support import states201
from tests.support.bench import versions2
from tests.support.states201 import ACCEPTED, Station, board, token

INTERVAL_S = 120
THRESHOLD = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "OfflineThreshold"}}


# -- cold boot ---------------------------------------------------------------------------------------------------------


@versions2
def test_TC_B_01_CS_cold_boot_accepted(version: str) -> None:
    """A power cycle: BootNotification, the status of each connector, the security event; then Heartbeats. [B01]"""
    station = Station(board(evses=2), version=version)
    station.power_cut()
    station.security_events.clear()
    station.power_up()
    assert states201.boots(station, "PowerUp") == {(1, 1): "Available", (2, 1): "Available"}
    station.quiet()


@versions2
def test_TC_B_02_CS_cold_boot_pending(version: str) -> None:
    """Pending: variables may be read and set, all are reported, nothing is started; accepted after a trigger. [B02]"""
    station = Station(version=version, boot=False)
    station.connect()
    station.expect("BootNotification", answer=station.registration("Pending", INTERVAL_S))
    station.quiet()
    station.put(OCPPCommCtrlr__OfflineThreshold=300)
    assert station.read("OCPPCommCtrlr__OfflineThreshold") == "300"
    assert station.report("FullInventory")
    answer = station.ask("RequestStartTransaction", idToken=token(), evseId=1, remoteStartId=1)
    assert answer["status"] == "Rejected"
    assert station.ask("TriggerMessage", requestedMessage="BootNotification") == ACCEPTED
    answer = station.registration("Accepted", INTERVAL_S)
    station.expect("BootNotification", reason="Triggered", answer=answer)
    assert station.take_all_statuses() == {(1, 1): "Available"}
    assert station.read("OCPPCommCtrlr__HeartbeatInterval") == str(INTERVAL_S)


@versions2
def test_TC_B_03_CS_cold_boot_rejected(version: str) -> None:
    """Rejected: silence until the interval is over, then BootNotification again. [B03.FR.02, B03.FR.06]"""
    station = Station(version=version, boot=False)
    station.connect()
    station.expect("BootNotification", answer=station.registration("Rejected", INTERVAL_S))
    station.plug()
    station.unplug()
    station.advance(INTERVAL_S - 1)
    station.quiet()
    station.advance(1)
    station.expect("BootNotification", answer=station.registration("Accepted", INTERVAL_S))
    assert station.take_all_statuses() == {(1, 1): "Available"}


@versions2
def test_TC_B_30_CS_rejected_security_error(version: str) -> None:
    """Rejected: what the CSMS asks is answered by the CALLERROR SecurityError. [B03.FR.08]"""
    station = Station(version=version, boot=False)
    station.connect()
    station.expect("BootNotification", answer=station.registration("Rejected", INTERVAL_S))
    station.send("GetBaseReport", requestId=1, reportBase="FullInventory")
    reply = station.reply()
    assert reply is not None and (reply[0], reply[2]) == (4, "SecurityError")
    station.quiet()


# -- variables ---------------------------------------------------------------------------------------------------------


def get(station: Station, *items: dict[str, Any]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = station.ask("GetVariables", getVariableData=list(items))["getVariableResult"]
    return results


def put(station: Station, *items: dict[str, Any]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = station.ask("SetVariables", setVariableData=list(items))["setVariableResult"]
    return results


LOCAL_OFFLINE = {"component": {"name": "AuthCtrlr"}, "variable": {"name": "LocalAuthorizeOffline"}}
UNKNOWN_COMPONENT = {**THRESHOLD, "component": {"name": "UnknownComponent"}}
UNKNOWN_VARIABLE = {**THRESHOLD, "variable": {"name": "UnknownVariable"}}


@versions2
def test_TC_B_06_CS_get_variables_single_value(version: str) -> None:
    """One variable, its type Actual. [B06.FR.01-B06.FR.04]"""
    station = Station(version=version)
    station.put(OCPPCommCtrlr__OfflineThreshold=300)
    asked = {**THRESHOLD, "attributeType": "Actual"}
    assert get(station, asked) == [{**asked, "attributeStatus": "Accepted", "attributeValue": "300"}]


@versions2
def test_TC_B_07_CS_get_variables_multiple_values(version: str) -> None:
    """Two variables of two components in one request. [B06.FR.02]"""
    station = Station(version=version)
    station.put(OCPPCommCtrlr__OfflineThreshold=300, AuthCtrlr__LocalAuthorizeOffline=True)
    one, two = {**THRESHOLD, "attributeType": "Actual"}, {**LOCAL_OFFLINE, "attributeType": "Actual"}
    assert get(station, one, two) == [
        {**one, "attributeStatus": "Accepted", "attributeValue": "300"},
        {**two, "attributeStatus": "Accepted", "attributeValue": "true"},
    ]


@versions2
def test_TC_B_09_CS_set_variables_single_value(version: str) -> None:
    """One variable is set. [B05.FR.01-B05.FR.03]"""
    station = Station(version=version)
    asked = {**THRESHOLD, "attributeType": "Actual"}
    assert put(station, {**asked, "attributeValue": "300"}) == [{**asked, "attributeStatus": "Accepted"}]
    assert station.read("OCPPCommCtrlr__OfflineThreshold") == "300"


@versions2
def test_TC_B_10_CS_set_variables_multiple_values(version: str) -> None:
    """Two variables of two components in one request. [B05.FR.02]"""
    station = Station(version=version)
    one, two = {**THRESHOLD, "attributeType": "Actual"}, {**LOCAL_OFFLINE, "attributeType": "Actual"}
    assert put(station, {**one, "attributeValue": "300"}, {**two, "attributeValue": "true"}) == [
        {**one, "attributeStatus": "Accepted"},
        {**two, "attributeStatus": "Accepted"},
    ]


@versions2
def test_TC_B_11_CS_set_variables_invalidly_formatted_values(version: str) -> None:
    """Values that are no integer, no boolean: Rejected, and nothing is changed. [B05.FR.07]"""
    station = Station(version=version)
    values = ["250", "250.1", "true", "2026-01-01T00:00:00Z", "abc"]
    remote = {"component": {"name": "AuthCtrlr"}, "variable": {"name": "AuthorizeRemoteStart"}}
    for value in values:
        for name, valid in ((THRESHOLD, "250"), (remote, "true")):
            (result,) = put(station, {**name, "attributeValue": value})
            assert result["attributeType"] == "Actual"
            assert result["component"] == name["component"] and result["variable"] == name["variable"]
            assert result["attributeStatus"] == ("Accepted" if value == valid else "Rejected")
            if value != valid:
                assert result["attributeStatusInfo"]["reasonCode"] == "InvalidValue"
    assert station.read("OCPPCommCtrlr__OfflineThreshold") == "250"
    assert station.read("AuthCtrlr__AuthorizeRemoteStart") == "true"


@versions2
def test_TC_B_32_CS_get_variables_unknown_component(version: str) -> None:
    """UnknownComponent. [B06.FR.06]"""
    (result,) = get(Station(version=version), UNKNOWN_COMPONENT)
    assert result["attributeStatus"] == "UnknownComponent" and "attributeValue" not in result
    assert {name: result[name] for name in UNKNOWN_COMPONENT} == UNKNOWN_COMPONENT


@versions2
def test_TC_B_33_CS_get_variables_unknown_variable(version: str) -> None:
    """UnknownVariable. [B06.FR.07]"""
    (result,) = get(Station(version=version), UNKNOWN_VARIABLE)
    assert result["attributeStatus"] == "UnknownVariable" and "attributeValue" not in result
    assert {name: result[name] for name in UNKNOWN_VARIABLE} == UNKNOWN_VARIABLE


@versions2
def test_TC_B_34_CS_get_variables_not_supported_attribute_type(version: str) -> None:
    """A variable that has no Target. [B06.FR.08]"""
    asked = {**THRESHOLD, "attributeType": "Target"}
    (result,) = get(Station(version=version), asked)
    assert result["attributeStatus"] == "NotSupportedAttributeType" and "attributeValue" not in result
    assert {name: result[name] for name in asked} == asked


@versions2
def test_TC_B_35_CS_set_variables_unknown_component(version: str) -> None:
    """UnknownComponent. [B05.FR.04]"""
    (result,) = put(Station(version=version), {**UNKNOWN_COMPONENT, "attributeValue": "300"})
    assert result["attributeStatus"] == "UnknownComponent"
    assert {name: result[name] for name in UNKNOWN_COMPONENT} == UNKNOWN_COMPONENT


@versions2
def test_TC_B_36_CS_set_variables_unknown_variable(version: str) -> None:
    """UnknownVariable. [B05.FR.05]"""
    (result,) = put(Station(version=version), {**UNKNOWN_VARIABLE, "attributeValue": "300"})
    assert result["attributeStatus"] == "UnknownVariable"
    assert {name: result[name] for name in UNKNOWN_VARIABLE} == UNKNOWN_VARIABLE


@versions2
def test_TC_B_37_CS_set_variables_not_supported_attribute_type(version: str) -> None:
    """A variable that has no Target. [B05.FR.06]"""
    asked = {**THRESHOLD, "attributeType": "Target"}
    (result,) = put(Station(version=version), {**asked, "attributeValue": "300"})
    assert result["attributeStatus"] == "NotSupportedAttributeType"
    assert {name: result[name] for name in asked} == asked


@versions2
def test_TC_B_39_CS_set_variables_read_only(version: str) -> None:
    """A ReadOnly variable is Rejected and stays. [B05.FR.09]"""
    station = Station(version=version)
    asked = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "MessageTimeout", "instance": "Default"}}
    before = station.read("OCPPCommCtrlr__MessageTimeout__Default")
    (result,) = put(station, {**asked, "attributeValue": "5"})
    assert result["attributeStatus"] == "Rejected"
    assert {name: result[name] for name in asked} == asked
    assert station.read("OCPPCommCtrlr__MessageTimeout__Default") == before


# -- reports -----------------------------------------------------------------------------------------------------------

LISTS = ("OptionList", "SequenceList", "MemberList")
# Required of every station, ReadWrite. [part 2, Referenced Components and Variables]
WRITABLE = {
    ("AlignedDataCtrlr", "Interval"), ("AlignedDataCtrlr", "Measurands"), ("AlignedDataCtrlr", "TxEndedInterval"),
    ("AlignedDataCtrlr", "TxEndedMeasurands"), ("AuthCtrlr", "AuthorizeRemoteStart"),
    ("AuthCtrlr", "LocalAuthorizeOffline"), ("AuthCtrlr", "LocalPreAuthorize"),
    ("OCPPCommCtrlr", "MessageAttemptInterval"), ("OCPPCommCtrlr", "MessageAttempts"),
    ("OCPPCommCtrlr", "NetworkConfigurationPriority"), ("OCPPCommCtrlr", "NetworkProfileConnectionAttempts"),
    ("OCPPCommCtrlr", "OfflineThreshold"), ("OCPPCommCtrlr", "ResetRetries"),
    ("OCPPCommCtrlr", "RetryBackOffRandomRange"), ("OCPPCommCtrlr", "RetryBackOffRepeatTimes"),
    ("OCPPCommCtrlr", "RetryBackOffWaitMinimum"), ("OCPPCommCtrlr", "WebSocketPingInterval"),
    ("SampledDataCtrlr", "TxEndedInterval"), ("SampledDataCtrlr", "TxEndedMeasurands"),
    ("SampledDataCtrlr", "TxStartedMeasurands"), ("SampledDataCtrlr", "TxUpdatedInterval"),
    ("SampledDataCtrlr", "TxUpdatedMeasurands"), ("SecurityCtrlr", "BasicAuthPassword"),
    ("TxCtrlr", "EVConnectionTimeOut"), ("TxCtrlr", "StopTxOnEVSideDisconnect"), ("TxCtrlr", "StopTxOnInvalidId"),
    ("TxCtrlr", "TxStartPoint"), ("TxCtrlr", "TxStopPoint"),
}  # fmt: skip
# Required of every station, whatever the mutability.
REQUIRED = WRITABLE | {
    ("ChargingStation", "AvailabilityState"), ("ChargingStation", "Available"), ("ChargingStation", "Model"),
    ("ChargingStation", "SupplyPhases"), ("ChargingStation", "VendorName"), ("ClockCtrlr", "DateTime"),
    ("ClockCtrlr", "TimeSource"), ("Connector", "Available"), ("Connector", "ConnectorType"),
    ("Connector", "SupplyPhases"), ("DeviceDataCtrlr", "BytesPerMessage"), ("DeviceDataCtrlr", "ItemsPerMessage"),
    ("EVSE", "AvailabilityState"), ("EVSE", "Available"), ("EVSE", "Power"), ("EVSE", "SupplyPhases"),
    ("OCPPCommCtrlr", "FileTransferProtocols"), ("OCPPCommCtrlr", "MessageTimeout"),
    ("OCPPCommCtrlr", "UnlockOnEVSideDisconnect"), ("SecurityCtrlr", "CertificateEntries"),
    ("SecurityCtrlr", "OrganizationName"), ("SecurityCtrlr", "SecurityProfile"),
}  # fmt: skip


def name_of(listed: dict[str, Any]) -> tuple[str, str]:
    return listed["component"]["name"], listed["variable"]["name"]


def honest(listed: dict[str, Any]) -> None:
    """What a report must say of each variable: characteristics, the values of lists, no value that is WriteOnly."""
    said = listed["variableCharacteristics"]
    for attribute in listed["variableAttribute"]:
        value = attribute.get("value")
        if attribute.get("mutability") == "WriteOnly":
            assert value is None, listed
            continue
        assert value is not None, listed  # [errata 2025-04]
        if said["dataType"] in LISTS:
            allowed = said["valuesList"].split(",")
            assert {each for each in value.split(",") if each} <= set(allowed), listed


@versions2
def test_TC_B_12_CS_get_base_report_configuration_inventory(version: str) -> None:
    """All that can be set, and only that. [B07.FR.07]"""
    listed = Station(version=version).report("ConfigurationInventory")
    for each in listed:
        honest(each)
        assert any(attribute.get("mutability", "ReadWrite") != "ReadOnly" for attribute in each["variableAttribute"])
    assert {name_of(each) for each in listed} >= WRITABLE


@versions2
def test_TC_B_13_CS_get_base_report_full_inventory(version: str) -> None:
    """Everything, each variable of each instance once. [B07.FR.08]"""
    station = Station(board(evses=2), version=version)
    listed = station.report("FullInventory")
    places = [str((each["component"], each["variable"])) for each in listed]
    assert len(places) == len(set(places))
    assert {name_of(each) for each in listed} >= REQUIRED
    evses = [each["component"]["evse"]["id"] for each in listed if name_of(each) == ("EVSE", "AvailabilityState")]
    assert evses == [1, 2]


@versions2
def test_TC_B_14_CS_get_base_report_summary_inventory(version: str) -> None:
    """AvailabilityState of station, EVSEs and connectors, and the problems there are. [B07.FR.09]"""
    station = Station(version=version)
    listed = station.report("SummaryInventory")
    states = {name_of(each)[0]: each["variableAttribute"][0]["value"] for each in listed}
    assert states == dict.fromkeys(("ChargingStation", "EVSE", "Connector"), "Available")
    station.do("fault", 1, "GroundFailure")
    assert station.hear() == []
    listed = station.report("SummaryInventory")
    for each in listed:
        honest(each)
    values = {name_of(each): each["variableAttribute"][0]["value"] for each in listed}
    assert values["EVSE", "AvailabilityState"] == "Faulted" and values["EVSE", "Problem"] == "true"


@versions2
def test_TC_B_53_CS_get_base_report_mandatory_variables(version: str) -> None:
    """What is required is there; lists name their values, values are among them, passwords are not told. [B07]"""
    listed = Station(version=version).report("FullInventory")
    assert {name_of(each) for each in listed} >= REQUIRED
    for each in listed:
        honest(each)
    (password,) = [each for each in listed if name_of(each) == ("SecurityCtrlr", "BasicAuthPassword")]
    assert password["variableAttribute"][0]["mutability"] == "WriteOnly"
    (storage,) = [each for each in listed if name_of(each) == ("AuthCacheCtrlr", "Storage")]
    assert int(storage["variableAttribute"][0]["value"]) >= 0


# -- offline -----------------------------------------------------------------------------------------------------------


def plugged_offline(version: str, away_s: float) -> Station:
    """A cable is plugged while offline; the statuses afterwards are right, `told` says which were said."""
    station = Station(board(evses=2), version=version)
    station.put(OCPPCommCtrlr__OfflineThreshold=20)
    station.drop()
    station.plug()
    station.advance(away_s)
    station.connect()
    assert station.hear() == []
    assert station.status == {(1, 1): "Occupied", (2, 1): "Available"}
    return station


@versions2
def test_TC_B_51_CS_status_change_offline_longer_than_threshold(version: str) -> None:
    """Offline longer than OfflineThreshold: all statuses are told. [B04.FR.01]"""
    assert sorted(plugged_offline(version, 30).told) == [(1, 1), (2, 1)]


@versions2
def test_TC_B_52_CS_status_change_offline_shorter_than_threshold(version: str) -> None:
    """Offline for less than OfflineThreshold: what changed is told. [B04.FR.02]"""
    assert plugged_offline(version, 18).told == [(1, 1)]
