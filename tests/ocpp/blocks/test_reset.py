"""B11, B12: reset with and without transactions, of the station and of an EVSE."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bench import Bench, versions, versions2

QUIET = {"security": ""}


def station(version: str, evses: int = 1, **options: Any) -> Bench:
    """A station that is connected, accepted and has told its status."""
    bench = Bench(evses=evses, blocks=QUIET, **options)
    bench.connect(version)
    for evse in range(1, evses + 1):
        bench.reading(evse, 1000)
    bench.take_effects()
    return bench


def charge(bench: Bench, evse: int = 1) -> None:
    """A session up to the flow of energy."""
    bench.fact("plugged", evse, 1)
    bench.tap("CARD", (evse,))
    bench.settle()
    bench.fact("power_path", evse, True)
    bench.fact("charging_state", evse, "Charging")
    bench.settle()
    bench.take_effects()


def stopped(bench: Bench, reason: str, evse: int = 1) -> None:
    """The charging side obeys a stop."""
    bench.fact("power_path", evse, False)
    bench.fact("stopped", evse, reason)


def immediate(version: str) -> dict[str, str]:
    return {"type": "Hard" if version == "1.6" else "Immediate"}


@versions
def test_b11_fr_01_fr_03_an_idle_station_restarts(version: str) -> None:
    bench = station(version)
    assert bench.ask("Reset", immediate(version)) == {"status": "Accepted"}
    assert [effect for effect in bench.take_effects() if effect[0] != "permit"] == [("reboot", "RemoteReset")]
    bench.quiet()


@versions2
def test_b11_an_idle_station_restarts_on_idle_at_once(version: str) -> None:
    bench = station(version)
    assert bench.ask("Reset", {"type": "OnIdle"}) == {"status": "Accepted"}
    assert bench.take_effects("reboot") == [("reboot", "RemoteReset")]


@versions2
def test_b11_fr_04_b01_fr_09_the_next_start_says_why(version: str) -> None:
    bench = station(version)
    bench.ask("Reset", immediate(version))
    bench.cut()
    bench.restart()
    bench.open(version)
    assert bench.expect("BootNotification")["reason"] == "RemoteReset"


@pytest.mark.parametrize(
    ("version", "kind", "reason"),
    [
        ("1.6", "Hard", "HardReset"),
        ("1.6", "Soft", "SoftReset"),
        ("2.0.1", "Immediate", "ImmediateReset"),
        ("2.1", "Immediate", "ImmediateReset"),
    ],
)
def test_b12_fr_02_fr_04_a_transaction_is_ended_and_recorded_before_the_restart(
    version: str, kind: str, reason: str
) -> None:
    bench = station(version)
    charge(bench)
    assert bench.ask("Reset", {"type": kind}) == {"status": "Accepted"}
    effects = bench.take_effects()
    assert [effect[:2] for effect in effects if effect[0] in ("stop", "reboot")] == [("stop", 1)]
    (_, _, why) = next(effect for effect in effects if effect[0] == "stop")
    stopped(bench, why)
    bench.advance(1)
    assert not bench.take_effects("reboot"), "the CSMS has not got the end of the transaction yet"
    said = [
        (action, payload) for action, payload in bench.settle() if action in ("StopTransaction", "TransactionEvent")
    ]
    ((_, payload),) = said
    if version == "1.6":
        assert payload["reason"] == reason
    else:
        assert (payload["eventType"], payload["triggerReason"]) == ("Ended", "ResetCommand")
        assert payload["transactionInfo"]["stoppedReason"] == reason
    bench.advance(1)
    assert bench.take_effects("reboot") == [("reboot", "RemoteReset")]


@versions
def test_b12_fr_05_a_silent_csms_does_not_hold_the_restart_up_and_gets_the_end_afterwards(version: str) -> None:
    bench = station(version)
    charge(bench)
    bench.ask("Reset", immediate(version))
    stopped(bench, "ImmediateReset")
    bench.advance(11)
    assert bench.take_effects("reboot")
    bench.cut()
    bench.restart()
    bench.connect(version)
    assert not bench.journal.pending


@versions
def test_b12_fr_05_offline_the_station_restarts_as_soon_as_the_end_is_recorded(version: str) -> None:
    bench = station(version)
    charge(bench)
    bench.ask("Reset", immediate(version))
    bench.drop()
    stopped(bench, "ImmediateReset")
    bench.advance(0.5)
    assert bench.take_effects("reboot")
    assert bench.journal.pending


@versions
def test_a_session_that_does_not_stop_does_not_hold_the_restart_up(version: str) -> None:
    bench = station(version)
    charge(bench)
    bench.ask("Reset", immediate(version))
    bench.advance(10)
    assert not bench.take_effects("reboot")
    bench.advance(20)
    assert bench.take_effects("reboot")
    ended = [payload for action, payload in bench.settle() if action in ("StopTransaction", "TransactionEvent")]
    assert "HardReset" in str(ended) or "ImmediateReset" in str(ended), "and its transaction was ended all the same"


@versions
def test_a_session_that_waits_for_its_cable_is_stopped_too(version: str) -> None:
    bench = station(version)
    bench.tap("CARD")
    bench.settle()
    bench.ask("Reset", immediate(version))
    assert len(bench.take_effects("stop")) == 1


@versions2
def test_b12_fr_01_fr_03_on_idle_waits_for_every_transaction(version: str) -> None:
    bench = station(version, evses=3)
    charge(bench, 1)
    charge(bench, 2)
    assert bench.ask("Reset", {"type": "OnIdle"}) == {"status": "Scheduled"}
    said = [(each["evseId"], each["connectorStatus"]) for _, each in bench.settle()]
    assert said == [(3, "Unavailable")]  # B12, scenario 3a
    assert not bench.take_effects("stop")
    for evse in (1, 2):
        bench.advance(3600)
        bench.settle()
        assert not bench.take_effects("reboot")
        bench.tap("CARD", (evse,))
        stopped(bench, "Local", evse)
        ended = [payload for action, payload in bench.settle() if action == "TransactionEvent"]
        assert ended[-1]["transactionInfo"]["stoppedReason"] == "Local"
    bench.advance(1)
    assert bench.take_effects("reboot") == [("reboot", "ScheduledReset")]


@versions2
def test_b12_on_idle_waits_for_one_who_was_authorized(version: str) -> None:
    bench = station(version)
    bench.tap("CARD")
    bench.settle()
    assert bench.ask("Reset", {"type": "OnIdle"}) == {"status": "Scheduled"}
    bench.fact("connection_timeout", 1)
    bench.advance(1)
    assert bench.take_effects("reboot") == [("reboot", "ScheduledReset")]


@versions2
def test_an_immediate_reset_overtakes_a_scheduled_one(version: str) -> None:
    bench = station(version)
    charge(bench)
    bench.ask("Reset", {"type": "OnIdle"})
    assert bench.ask("Reset", {"type": "Immediate"}) == {"status": "Accepted"}
    stopped(bench, "ImmediateReset")
    bench.settle()
    bench.advance(1)
    assert bench.take_effects("reboot") == [("reboot", "RemoteReset")]


@versions
def test_a_second_reset_is_accepted_and_restarts_once(version: str) -> None:
    bench = station(version)
    bench.ask("Reset", immediate(version))
    assert bench.ask("Reset", immediate(version)) == {"status": "Accepted"}
    assert len(bench.take_effects("reboot")) == 1


@versions
def test_no_session_begins_between_the_answer_and_the_restart(version: str) -> None:
    bench = station(version, evses=2)
    charge(bench, 1)
    bench.ask("Reset", immediate(version))
    assert ("permit", 2, False) in bench.take_effects("permit")
    bench.settle()
    assert "Unavailable" not in str(bench.sent)


@versions2
def test_b11_fr_08_an_idle_evse_is_reset_alone(version: str) -> None:
    bench = station(version, evses=2)
    assert bench.ask("Reset", {"type": "Immediate", "evseId": 2}) == {"status": "Accepted"}
    said = [(each["evseId"], each["connectorStatus"]) for _, each in bench.settle()]
    assert said == [(2, "Unavailable")]
    bench.advance(5)
    said = [(each["evseId"], each["connectorStatus"]) for _, each in bench.settle()]
    assert said == [(2, "Available")]
    assert bench.take_effects("permit") == [("permit", 2, False), ("permit", 2, True)]
    assert not bench.take_effects("reboot")


@versions2
def test_b12_fr_08_the_transaction_of_the_evse_is_ended_and_no_other(version: str) -> None:
    bench = station(version, evses=2)
    charge(bench, 1)
    charge(bench, 2)
    assert bench.ask("Reset", {"type": "Immediate", "evseId": 1}) == {"status": "Accepted"}
    assert bench.take_effects("stop") == [("stop", 1, "ImmediateReset")]
    stopped(bench, "ImmediateReset")
    (ended,) = [payload for action, payload in bench.settle() if action == "TransactionEvent"]
    assert (ended["eventType"], ended["triggerReason"]) == ("Ended", "ResetCommand")
    bench.advance(30)
    bench.settle()
    assert not bench.take_effects("reboot")


@versions2
def test_b12_fr_07_an_evse_is_reset_when_it_is_idle(version: str) -> None:
    bench = station(version, evses=2)
    charge(bench, 1)
    charge(bench, 2)
    assert bench.ask("Reset", {"type": "OnIdle", "evseId": 1}) == {"status": "Scheduled"}
    bench.tap("CARD", (1,))
    stopped(bench, "Local")
    said = [each["connectorStatus"] for action, each in bench.settle() if action == "StatusNotification"]
    assert said == ["Unavailable"]
    bench.advance(5)
    said = [each["connectorStatus"] for action, each in bench.settle() if action == "StatusNotification"]
    assert said == ["Occupied"]


@versions2
@pytest.mark.parametrize("kind", ["Immediate", "OnIdle"])
def test_b11_fr_09_b12_fr_09_an_evse_that_cannot_be_reset_is_rejected(version: str, kind: str) -> None:
    bench = station(version, variables=[{"component": "EVSE", "variable": "AllowReset", "value": "false"}])
    charge(bench)
    assert bench.ask("Reset", {"type": kind, "evseId": 1})["status"] == "Rejected"
    assert not bench.take_effects()


@versions2
@pytest.mark.parametrize("evse", [0, 2])
def test_an_unknown_evse_is_rejected(version: str, evse: int) -> None:
    bench = station(version)
    answer = bench.ask("Reset", {"type": "Immediate", "evseId": evse})
    assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": "UnknownEvse"}}


def test_b13_fr_01_resuming_transactions_is_rejected() -> None:
    bench = station("2.1")
    assert bench.ask("Reset", {"type": "ImmediateAndResume"})["status"] == "Rejected"
    assert not bench.take_effects()


@pytest.mark.parametrize(("version", "kind"), [("1.6", "Immediate"), ("2.0.1", "ImmediateAndResume"), ("2.1", "Hard")])
def test_a_type_of_another_version_breaks_the_schema(version: str, kind: str) -> None:
    bench = station(version)
    reply = bench.ask_raw("Reset", {"type": kind})
    assert reply is not None and reply[0] == 4
    assert not bench.take_effects()


@versions
def test_reset_retries_asks_again_and_gives_up(version: str) -> None:
    bench = station(version)
    bench.model.set("OCPPCommCtrlr", "ResetRetries", "2")
    bench.ask("Reset", immediate(version))
    bench.take_effects("permit")
    assert len(bench.take_effects("reboot")) == 1
    bench.advance(61)
    assert len(bench.take_effects("reboot")) == 1
    bench.advance(60)
    assert len(bench.take_effects("reboot")) == 1
    bench.advance(600)
    assert not bench.take_effects("reboot")
    assert any("given up" in text for text in bench.log.texts("error"))
    assert bench.take_effects("permit") == [("permit", 1, True)], "the station serves again"
    bench.settle()
    assert bench.ask("Reset", immediate(version)) == {"status": "Accepted"}
    bench.advance(600)
    assert len(bench.take_effects("reboot")) == 3, "with as many retries as the first"


@versions2
def test_a_reset_that_was_given_up_leaves_no_reason(version: str) -> None:
    bench = station(version)
    bench.model.set("OCPPCommCtrlr", "ResetRetries", "0")
    bench.ask("Reset", immediate(version))
    bench.advance(61)
    bench.cut()
    bench.restart()
    bench.open(version)
    assert bench.expect("BootNotification")["reason"] == "PowerUp"


@versions
def test_b11_fr_02_b12_fr_06_what_was_inoperative_is_unavailable_after_the_reset(version: str) -> None:
    bench = station(version)
    request: dict[str, Any] = {"connectorId": 1, "type": "Inoperative"}
    if version != "1.6":
        request = {"operationalStatus": "Inoperative", "evse": {"id": 1}}
    bench.ask("ChangeAvailability", request)
    bench.settle()
    bench.ask("Reset", immediate(version))
    bench.cut()
    bench.restart()
    bench.connect(version)
    assert bench.model.get("EVSE", "AvailabilityState", evse=1) == "Unavailable"
