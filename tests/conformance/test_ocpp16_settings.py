"""OCPP 1.6, profile Core: configuration keys, meter values, the authorization cache, data transfer."""

from __future__ import annotations

from typing import Any

import pytest

from evse.clock import parse_timestamp
from tests.support.wholestation import WholeStation, board

# Keys of the core profile that every charge point must have, with their accessibility. [1.6 §9.1, errata 3.80]
REQUIRED = {
    "AuthorizeRemoteTxRequests": None,
    "ClockAlignedDataInterval": False,
    "ConnectionTimeOut": False,
    "ConnectorPhaseRotation": False,
    "GetConfigurationMaxKeys": True,
    "HeartbeatInterval": False,
    "LocalAuthorizeOffline": False,
    "LocalPreAuthorize": False,
    "MeterValuesAlignedData": False,
    "MeterValuesSampledData": False,
    "MeterValueSampleInterval": False,
    "NumberOfConnectors": True,
    "ResetRetries": False,
    "StopTransactionOnInvalidId": False,
    "StopTxnAlignedData": False,
    "StopTxnSampledData": False,
    "SupportedFeatureProfiles": True,
    "TransactionMessageAttempts": False,
    "TransactionMessageRetryInterval": False,
    "UnlockConnectorOnEVSideDisconnect": False,
}
ENERGY = "Energy.Active.Import.Register"


# -- configuration ----------------------------------------------------------------------------------------------------


def test_TC_CP_V16_019_retrieve_all_configuration_keys() -> None:
    """GetConfiguration without keys: all of them, each required one with its accessibility and a value. [1.6 §5.8]"""
    station = WholeStation(board(socket=True))
    answer = station.ask("GetConfiguration")
    assert not answer.get("unknownKey")
    known = {key["key"]: key for key in answer["configurationKey"]}
    assert len(known) == len(answer["configurationKey"])
    assert not REQUIRED.keys() - known.keys()
    for name, read_only in REQUIRED.items():
        assert "value" in known[name], name
        assert read_only is None or known[name]["readonly"] == read_only, name
    assert "Core" in known["SupportedFeatureProfiles"]["value"].split(",")
    assert known["NumberOfConnectors"]["value"] == "1"
    assert "value" not in known["AuthorizationKey"]  # it can be written only
    (key,) = station.ask("GetConfiguration", key=["ConnectionTimeOut"])["configurationKey"]
    assert key == known["ConnectionTimeOut"]
    answer = station.ask("GetConfiguration", key=["ConnectionTimeOut", "NoSuchKey"])
    assert answer["unknownKey"] == ["NoSuchKey"]
    assert answer["configurationKey"] == [known["ConnectionTimeOut"]]


def test_TC_CP_V16_021_change_configuration() -> None:
    """ChangeConfiguration: Accepted, holds at once and over a power failure. [1.6 §5.3]"""
    station = WholeStation()
    assert station.ask("ChangeConfiguration", key="MeterValueSampleInterval", value="15") == {"status": "Accepted"}
    assert station.key("MeterValueSampleInterval") == "15"
    station.power_cut()
    station.power_up()
    station.boot()
    assert station.key("MeterValueSampleInterval") == "15"


def test_TC_CP_V16_040_1_unknown_key() -> None:
    """ChangeConfiguration of a key that the charge point does not know: NotSupported. [1.6 §5.3]"""
    station = WholeStation()
    assert station.ask("ChangeConfiguration", key="NoSuchKey", value="1") == {"status": "NotSupported"}


@pytest.mark.parametrize(
    "key, value",
    [
        ("MeterValueSampleInterval", "-1"),
        ("MeterValueSampleInterval", "often"),
        ("LocalPreAuthorize", "perhaps"),
        ("MeterValuesSampledData", ENERGY + ",Nonsense"),
        ("MeterValuesSampledData", "Voltage.L4"),
        ("NumberOfConnectors", "7"),
        ("ConnectorPhaseRotation", "0.XYZ"),
    ],
)
def test_TC_CP_V16_040_2_invalid_value(key: str, value: str) -> None:
    """ChangeConfiguration with a value that cannot be, or of a key that is read-only: Rejected, nothing changes."""
    station = WholeStation()
    before = station.key(key)
    assert station.ask("ChangeConfiguration", key=key, value=value) == {"status": "Rejected"}
    assert station.key(key) == before


@pytest.mark.parametrize("profile", ["0", "1", "2"])
def test_TC_CP_V16_084_downgrade_security_profile_rejected(profile: str) -> None:
    """ChangeConfiguration of SecurityProfile to a lower or the same one: Rejected, nothing changes. [whitepaper A05]"""
    variable = {"component": "SecurityCtrlr", "variable": "SecurityProfile", "value": "2"}
    station = WholeStation(variables=[variable])
    assert station.ask("ChangeConfiguration", key="SecurityProfile", value=profile) == {"status": "Rejected"}
    assert station.key("SecurityProfile") == "2"
    assert station.effects == []


# -- meter values -----------------------------------------------------------------------------------------------------


def sampled(said: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """MeterValues: measurand, context, phase of each value; each has a unit and a number."""
    (sample,) = said["meterValue"]
    for value in sample["sampledValue"]:
        float(value["value"])
    return [(each["measurand"], each["context"], each.get("phase")) for each in sample["sampledValue"]]


def test_TC_CP_V16_070_sampled_meter_values() -> None:
    """MeterValueSampleInterval and MeterValuesSampledData: values of the transaction at its intervals. [1.6 §4.7]

    StopTxnSampledData: the same at its start, in between and at its end, in StopTransaction.
    """
    station = WholeStation()
    station.configure(
        ClockAlignedDataInterval=0,
        MeterValuesSampledData=ENERGY + ",Current.Import,Voltage",
        MeterValueSampleInterval=5,
        StopTxnSampledData=ENERGY,
    )
    id = station.charge()
    begin = station.clock.utc() or 0.0
    for number in (1, 2):
        station.advance(4.9)
        station.quiet()
        station.advance(0.1)
        said = station.expect("MeterValues", connectorId=1, transactionId=id)
        assert parse_timestamp(said["meterValue"][0]["timestamp"]) == pytest.approx(begin + 5 * number, abs=0.01)
        assert set(sampled(said)) == {
            (ENERGY, "Sample.Periodic", None),
            *[("Current.Import", "Sample.Periodic", phase) for phase in ("L1", "L2", "L3")],
            *[("Voltage", "Sample.Periodic", phase) for phase in ("L1-N", "L2-N", "L3-N")],
        }
        assert len(sampled(said)) == 7
    station.tap("TAG")
    said = station.expect("StopTransaction", transactionId=id)
    contexts = [value["sampledValue"][0]["context"] for value in said["transactionData"]]
    assert contexts == ["Transaction.Begin", "Sample.Periodic", "Sample.Periodic", "Transaction.End"]
    station.expect_status("Finishing")
    station.advance(60)
    station.quiet()


def test_measurand_of_one_phase() -> None:
    """A measurand with its phase: the value of that phase only. [1.6 §9.1.17]"""
    station = WholeStation()
    station.configure(MeterValuesSampledData="Voltage.L1, Current.Import.L3", MeterValueSampleInterval=5)
    assert station.key("MeterValuesSampledData") == "Voltage.L1,Current.Import.L3"
    station.charge()
    station.advance(5)
    values = station.expect("MeterValues")["meterValue"][0]["sampledValue"]
    assert [(value["measurand"], value["phase"]) for value in values] == [("Voltage", "L1-N"), ("Current.Import", "L3")]


def test_TC_CP_V16_071_clock_aligned_meter_values() -> None:
    """ClockAlignedDataInterval: values of every connector at whole intervals of the day, transaction or not.

    StopTxnAlignedData: those of the transaction in StopTransaction, too. [1.6 §4.7, §9.1.3]
    """
    station = WholeStation(board(evses=2))
    station.configure(
        ClockAlignedDataInterval=60,
        MeterValueSampleInterval=0,
        MeterValuesAlignedData=ENERGY,
        StopTxnAlignedData=ENERGY,
        StopTxnSampledData="",
    )
    id = station.charge()
    for _ in range(2):
        now = station.clock.utc() or 0.0
        station.advance(60 - now % 60)
        aligned = now // 60 * 60 + 60
        said = station.expect("MeterValues", connectorId=1, transactionId=id)
        assert sampled(said) == [(ENERGY, "Sample.Clock", None)]
        assert parse_timestamp(said["meterValue"][0]["timestamp"]) == aligned
        said = station.expect("MeterValues", connectorId=2)
        assert "transactionId" not in said and sampled(said) == [(ENERGY, "Sample.Clock", None)]
        station.quiet()
    station.advance(10)
    station.tap("TAG")
    said = station.expect("StopTransaction", transactionId=id)
    contexts = [value["sampledValue"][0]["context"] for value in said["transactionData"]]
    assert contexts == ["Sample.Clock", "Sample.Clock"]


# -- authorization cache ----------------------------------------------------------------------------------------------


def test_TC_CP_V16_061_clear_authorization_cache() -> None:
    """ClearCache: Accepted; a card that was in the cache is asked for again. [1.6 §5.4]"""
    station = WholeStation()
    station.configure(AuthorizationCacheEnabled=True, LocalPreAuthorize=True, LocalAuthorizeOffline=True)
    station.charge("TAG")
    station.tap("TAG")
    station.expect("StopTransaction")
    station.expect_status("Finishing")
    station.leave()
    assert station.ask("ClearCache") == {"status": "Accepted"}
    station.plug()
    station.expect_status("Preparing")
    station.tap("TAG")
    station.expect("Authorize", idTag="TAG")
    station.expect("StartTransaction", idTag="TAG")


def test_clear_cache_that_is_switched_off() -> None:
    """061 without a cache: Rejected."""
    station = WholeStation()
    station.configure(AuthorizationCacheEnabled=False)
    assert station.ask("ClearCache") == {"status": "Rejected"}


# -- data transfer ----------------------------------------------------------------------------------------------------


def test_TC_CP_V16_062_data_transfer_to_a_charge_point() -> None:
    """DataTransfer of a vendor or a message that the charge point does not know, and of one that it does. [1.6 §5.6]"""
    station = WholeStation()
    assert station.ask("DataTransfer", vendorId="com.example", messageId="Hello") == {"status": "UnknownVendorId"}
    heard = []

    def greet(message: str | None, data: Any) -> tuple[str, Any]:
        heard.append((message, data))
        return "Accepted", "hello"

    station.engine.block("data_transfer").register("com.example", "Hello", greet)
    answer = station.ask("DataTransfer", vendorId="com.example", messageId="Hello", data="you")
    assert answer == {"status": "Accepted", "data": "hello"}
    assert heard == [("Hello", "you")]
    assert station.ask("DataTransfer", vendorId="com.example", messageId="Bye") == {"status": "UnknownMessageId"}
    station.quiet()


def test_TC_CP_V16_064_data_transfer_to_a_central_system() -> None:
    """The charge point sends DataTransfer and takes the answer. [1.6 §4.3]"""
    station = WholeStation()
    answers: list[Any] = []
    transfer = station.engine.block("data_transfer")
    station.runner.tell(
        transfer.send, "com.example", "Hello", {"n": 1}, lambda answer, error: answers.append((answer, error))
    )
    station.runner.tell(station.engine.pump)
    station.advance(0)
    answer = {"status": "Accepted", "data": "thanks"}
    station.expect("DataTransfer", answer=answer, vendorId="com.example", messageId="Hello", data='{"n":1}')
    assert answers == [(answer, None)]
    station.quiet()
