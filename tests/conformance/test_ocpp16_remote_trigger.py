"""OCPP 1.6, profile Remote Trigger."""

from __future__ import annotations

from tests.support.wholestation import WholeStation, board


def test_TC_CP_V16_054_trigger_message() -> None:
    """TriggerMessage: Accepted, then the message with the present state, and nothing else. [1.6 §5.17]

    MeterValues have the context Trigger and, in a transaction, its id; without a connector every one is reported, and
    the charge point as connector 0. BootNotification is not sent again by a charge point that was accepted.
    [1.6 errata 3.35, 3.46]
    """
    station = WholeStation(board(evses=2))
    station.configure(MeterValueSampleInterval=0, ClockAlignedDataInterval=0)
    accepted = {"status": "Accepted"}
    id = station.charge(evse=1)
    assert station.ask("TriggerMessage", requestedMessage="MeterValues", connectorId=1) == accepted
    said = station.expect("MeterValues", connectorId=1, transactionId=id)
    contexts = {value["context"] for each in said["meterValue"] for value in each["sampledValue"]}
    assert contexts == {"Trigger"}
    station.quiet()
    assert station.ask("TriggerMessage", requestedMessage="MeterValues", connectorId=2) == accepted
    assert "transactionId" not in station.expect("MeterValues", connectorId=2)
    station.quiet()
    assert station.ask("TriggerMessage", requestedMessage="Heartbeat") == accepted
    station.expect("Heartbeat")
    station.quiet()
    assert station.ask("TriggerMessage", requestedMessage="StatusNotification", connectorId=1) == accepted
    station.expect_status("Charging", connector=1)
    station.quiet()
    assert station.ask("TriggerMessage", requestedMessage="StatusNotification") == accepted
    assert station.take_statuses() == {0: "Available", 1: "Charging", 2: "Available"}
    assert station.ask("TriggerMessage", requestedMessage="StatusNotification", connectorId=0) == accepted
    station.expect_status("Available", connector=0)
    assert station.ask("TriggerMessage", requestedMessage="BootNotification") == {"status": "Rejected"}
    station.quiet()


def test_TC_CP_V16_055_trigger_message_rejected() -> None:
    """TriggerMessage for a connector that is not there: Rejected, and no message follows. [1.6 §5.17]"""
    station = WholeStation()
    for message in ("MeterValues", "StatusNotification"):
        answer = station.ask("TriggerMessage", requestedMessage=message, connectorId=2)
        assert answer == {"status": "Rejected"}, message
    station.quiet()


def test_extended_trigger_message() -> None:
    """ExtendedTriggerMessage of the security extension does the same. [whitepaper §5]"""
    station = WholeStation()
    accepted = {"status": "Accepted"}
    assert station.ask("ExtendedTriggerMessage", requestedMessage="Heartbeat") == accepted
    station.expect("Heartbeat")
    assert station.ask("ExtendedTriggerMessage", requestedMessage="StatusNotification", connectorId=1) == accepted
    station.expect_status("Available")
    assert station.ask("ExtendedTriggerMessage", requestedMessage="MeterValues", connectorId=1) == accepted
    station.expect("MeterValues", connectorId=1)
    station.quiet()
