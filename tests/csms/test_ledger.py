"""The books: each event counts once, however often it is delivered."""

from __future__ import annotations

from typing import Any

from evse.csms.ledger import Ledger


def event(kind: str, seq_no: int, **more: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": f"2026-01-01T00:00:0{seq_no}Z",
        "triggerReason": "Authorized",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": "T1", **more.pop("info", {})},
        **more,
    }


def register(value: float, **more: Any) -> list[dict[str, Any]]:
    return [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": value, **more}]}]


def test_a_2x_session_from_its_events() -> None:
    ledger = Ledger()
    token = {"idToken": "CARD", "type": "ISO14443"}
    ledger.transaction_event(
        "CS", "2.0.1", event("Started", 0, idToken=token, evse={"id": 1}, meterValue=register(100))
    )
    ledger.transaction_event(
        "CS", "2.0.1", event("Updated", 1, meterValue=register(0.2, unitOfMeasure={"unit": "kWh"}))
    )
    session = ledger.of("CS")[0]
    assert not session.complete
    ledger.transaction_event("CS", "2.0.1", event("Ended", 2, info={"stoppedReason": "EVDisconnected"}))
    assert (session.complete, session.energy_wh, session.reason) == (True, 100.0, "EVDisconnected")
    assert (session.id_token, session.evse_id, session.samples) == ("CARD", 1, 2)


def test_a_missing_sequence_number_is_no_whole_session() -> None:
    ledger = Ledger()
    ledger.transaction_event("CS", "2.1", event("Started", 0))
    ledger.transaction_event("CS", "2.1", event("Ended", 2))
    assert not ledger.of("CS")[0].complete


def test_a_repeated_event_counts_once_and_a_changed_one_is_a_conflict() -> None:
    ledger = Ledger()
    ledger.transaction_event("CS", "2.1", event("Started", 0))
    ledger.transaction_event("CS", "2.1", event("Started", 0, offline=True))
    assert (ledger.repeated, ledger.conflicts) == (1, [])
    ledger.transaction_event("CS", "2.1", event("Ended", 0))
    assert ledger.repeated == 2 and len(ledger.conflicts) == 1


def test_a_16_session_and_its_repetitions() -> None:
    ledger = Ledger()
    start = {"connectorId": 1, "idTag": "CARD", "meterStart": 1000, "timestamp": "2026-01-01T00:00:00Z"}
    first = ledger.start_transaction("CS", start)
    assert ledger.start_transaction("CS", dict(start)) is first and ledger.repeated == 1
    assert ledger.start_transaction("CS", {**start, "timestamp": "2026-01-01T00:00:01Z"}) is not first
    number = int(first.transaction_id)
    ledger.meter_values("CS", {"connectorId": 1, "transactionId": number, "meterValue": register("1500")})
    ledger.meter_values("CS", {"connectorId": 1, "meterValue": register("9999")})
    stop = {"transactionId": number, "meterStop": 1600, "timestamp": "2026-01-01T00:01:00Z"}
    ledger.stop_transaction("CS", stop)
    ledger.stop_transaction("CS", dict(stop))
    assert (first.complete, first.energy_wh, first.samples, ledger.repeated) == (True, 600.0, 1, 2)
