"""One session against a foreign CSMS: boot, authorize, start, meter values, remote stop, reset.

The CSMS is anything with `calls(action) -> payloads seen` and `call(action, payload) -> answer payload`.
"""

from __future__ import annotations

from typing import Any, Protocol

from tests.support.station import Station


class Csms(Protocol):
    """What the session needs of a central system."""

    def calls(self, action: str) -> list[dict[str, Any]]: ...

    def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]: ...

    def schema_errors(self) -> list[str]: ...


RESET_EXIT = 75


def run_session(station: Station, csms: Csms, version: str) -> None:
    """Drives the session and checks what the CSMS saw."""
    station.wait(lambda: csms.calls("BootNotification"))
    station.wait(station.booted)
    station.control("plug", evse=1)
    station.control("swipe", token="CARD0001")
    (drive16 if version == "1.6" else drive2)(station, csms)
    assert station.ended() == RESET_EXIT
    assert csms.schema_errors() == []
    assert "breaks the schema" not in station.tail(1000)


def drive16(station: Station, csms: Csms) -> None:
    """A session in 1.6."""
    station.wait(lambda: csms.calls("StartTransaction"))
    assert csms.calls("Authorize")[0] == {"idTag": "CARD0001"}
    assert csms.calls("StartTransaction")[0]["idTag"] == "CARD0001"
    station.wait(lambda: len(csms.calls("MeterValues")) >= 2)
    assert csms.calls("MeterValues")[0]["transactionId"] == 4711
    assert csms.call("RemoteStopTransaction", {"transactionId": 4711}) == {"status": "Accepted"}
    stop = station.wait(lambda: csms.calls("StopTransaction"))[0]
    assert (stop["transactionId"], stop["reason"]) == (4711, "Remote")
    assert stop["meterStop"] > csms.calls("StartTransaction")[0]["meterStart"]
    states = [call["status"] for call in csms.calls("StatusNotification") if call["connectorId"] == 1]
    assert states[0] == "Available" and "Charging" in states
    assert csms.call("Reset", {"type": "Soft"}) == {"status": "Accepted"}


def drive2(station: Station, csms: Csms) -> None:
    """A session in 2.0.1 and 2.1."""

    def events(kind: str) -> list[dict[str, Any]]:
        return [call for call in csms.calls("TransactionEvent") if call["eventType"] == kind]

    started = station.wait(lambda: events("Started"))[0]
    transaction = started["transactionInfo"]["transactionId"]
    assert csms.calls("Authorize")[0]["idToken"] == {"idToken": "CARD0001", "type": "ISO14443"}
    station.wait(lambda: len([e for e in events("Updated") if e["triggerReason"] == "MeterValuePeriodic"]) >= 2)
    assert csms.call("RequestStopTransaction", {"transactionId": transaction}) == {"status": "Accepted"}
    station.control("unplug", evse=1)
    ended = station.wait(lambda: events("Ended"))[0]
    assert ended["transactionInfo"]["stoppedReason"] == "Remote"
    sequence = [event["seqNo"] for event in csms.calls("TransactionEvent")]
    assert sequence == list(range(len(sequence)))
    report = csms.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    assert report == {"status": "Accepted"}
    station.wait(lambda: [part for part in csms.calls("NotifyReport") if not part.get("tbc")])
    assert csms.call("Reset", {"type": "OnIdle"})["status"] == "Accepted"
