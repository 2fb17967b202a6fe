"""OCPP 2.0.1 test cases, P DataTransfer: unknown vendors, and customData in any message."""

from __future__ import annotations

from typing import Any

from tests.support.bench import versions2
from tests.support.states201 import Station

# Any members are allowed in it. [part 4, 4.1.6: CustomDataType]
CUSTOM: dict[str, Any] = {"customData": {"vendorId": "org.example.test", "anything": {"else": [1, "two", None]}}}
THRESHOLD = {
    "component": {"name": "OCPPCommCtrlr", **CUSTOM},
    "variable": {"name": "OfflineThreshold", **CUSTOM},
    "attributeType": "Actual",
    **CUSTOM,
}


@versions2
def test_TC_P_01_CS_data_transfer_of_unknown_vendor(version: str) -> None:
    """A vendor that nobody knows here: UnknownVendorId. [P01.FR.05, P01.FR.06]"""
    station = Station(version=version)
    answer = station.ask("DataTransfer", vendorId="org.openchargealliance.octt", messageId="unused")
    assert answer["status"] == "UnknownVendorId"
    station.quiet()


@versions2
def test_TC_P_03_CS_receive_custom_data(version: str) -> None:
    """customData in a request and in its parts changes nothing of what is asked for."""
    station = Station(version=version)
    answer = station.ask("SetVariables", setVariableData=[{**THRESHOLD, "attributeValue": "200"}], **CUSTOM)
    assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
    answer = station.ask("GetVariables", getVariableData=[THRESHOLD], **CUSTOM)
    (result,) = answer["getVariableResult"]
    assert result["attributeStatus"] == "Accepted"
    assert result.get("attributeType") in ("Actual", None)
    assert result["attributeValue"] == "200"
