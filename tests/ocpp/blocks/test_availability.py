"""G01, G03, G04, B04: status from facts, ChangeAvailability, reports to CSMS and charging side."""

from __future__ import annotations

from typing import Any

import pytest

from evse.model import Connector, Evse
from tests.support.bench import Bench, versions, versions2

QUIET = {"security": ""}


def station(version: str, evses: int = 1, **options: Any) -> Bench:
    """A station that is connected, accepted and has told its status."""
    bench = Bench(evses=evses, blocks=QUIET, **options)
    bench.connect(version)
    bench.take_effects()
    return bench


def statuses(bench: Bench) -> list[tuple[int, str]]:
    """What the station says until it is silent, of StatusNotification: (EVSE, status)."""
    said = [payload for action, payload in bench.settle() if action == "StatusNotification"]
    return [(each.get("evseId", each["connectorId"]), each.get("connectorStatus") or each["status"]) for each in said]


def change(bench: Bench, version: str, evse: int | None, kind: str, connector: int | None = None) -> str:
    """ChangeAvailability; its status."""
    if version == "1.6":
        answer = bench.ask("ChangeAvailability", {"connectorId": evse or 0, "type": kind})
    else:
        request: dict[str, Any] = {"operationalStatus": kind}
        if evse is not None:
            request["evse"] = {"id": evse} if connector is None else {"id": evse, "connectorId": connector}
        answer = bench.ask("ChangeAvailability", request)
    status: str = answer["status"]
    return status


def charge(bench: Bench, evse: int = 1) -> None:
    """A session up to the flow of energy; everything that is said is answered."""
    bench.reading(evse, 1000)
    bench.fact("plugged", evse, 1)
    bench.tap("CARD", (evse,))
    bench.settle()
    bench.fact("power_path", evse, True)
    bench.fact("charging_state", evse, "Charging")


def stop(bench: Bench, evse: int = 1, reason: str = "Local") -> None:
    """The same card ends the session; the cable stays."""
    bench.tap("CARD", (evse,))
    bench.fact("power_path", evse, False)
    bench.fact("stopped", evse, reason)
    bench.fact("charging_state", evse, "EVConnected")


@versions
def test_after_a_report_whose_answer_was_lost_the_csms_is_told_what_holds_now(version: str) -> None:
    """It may have the report: that all is as it was before is news to it."""
    bench = station(version)
    bench.fact("fault", 1, "GroundFailure", "")
    bench.expect("StatusNotification")
    bench.fact("cleared", 1, "GroundFailure")
    bench.advance(31)
    assert ("reconnect", "StatusNotification was not answered in time") in bench.take_effects()
    bench.drop()
    bench.open(version)
    assert statuses(bench) == [(1, "Available")]


# -- status ---------------------------------------------------------------------------------------------------------


@versions
def test_a_cable_that_stays_locked_occupies_its_connector(version: str) -> None:
    bench = station(version, sockets=True)
    bench.engine.evses[1].connectors[1].locked = False
    charge(bench)
    bench.fact("lock", 1, 1, True)
    bench.settle()
    bench.fact("power_path", 1, False)
    bench.fact("stopped", 1, "EVDisconnected")
    bench.fact("unplugged", 1, 1)
    bench.fact("charging_state", 1, "Idle")
    assert statuses(bench) == ([(1, "Finishing")] if version == "1.6" else [])
    bench.fact("lock", 1, 1, False)
    assert statuses(bench) == [(1, "Available")]


@versions2
def test_g01_fr_03_fr_04_a_cable_makes_a_connector_occupied(version: str) -> None:
    bench = station(version)
    bench.fact("plugged", 1, 1)
    said = bench.expect("StatusNotification")
    assert said == {"timestamp": bench.utc_text(), "evseId": 1, "connectorId": 1, "connectorStatus": "Occupied"}
    bench.answer()
    bench.fact("unplugged", 1, 1)
    assert statuses(bench) == [(1, "Available")]


@versions2
def test_a_session_is_occupied_from_plug_to_unplug(version: str) -> None:
    bench = station(version)
    charge(bench)
    stop(bench)
    assert statuses(bench) == []
    bench.fact("unplugged", 1, 1)
    assert statuses(bench) == [(1, "Available")]


@versions2
def test_f02_a_token_alone_does_not_occupy_a_connector(version: str) -> None:
    bench = station(version)
    bench.tap("CARD")
    assert statuses(bench) == []


def test_16_the_states_of_a_session_cable_first() -> None:
    """[1.6 §4.9] A2, B3, C4, D5, E3, C6, F1."""
    bench = station("1.6")
    bench.reading(1, 1000)
    bench.fact("plugged", 1, 1)
    bench.tap("CARD")
    assert statuses(bench) == [(1, "Preparing")]
    for state in ("Charging", "SuspendedEV", "SuspendedEVSE", "Charging"):
        bench.fact("charging_state", 1, state)
        assert statuses(bench) == [(1, state)]
    stop(bench)
    assert statuses(bench) == [(1, "Finishing")]
    bench.fact("unplugged", 1, 1)
    assert statuses(bench) == [(1, "Available")]


def test_16_the_states_of_a_session_token_first() -> None:
    """[1.6 §4.9] A2 by a presented idTag, B1 by its time-out."""
    bench = station("1.6")
    bench.tap("CARD")
    assert statuses(bench) == [(1, "Preparing")]
    bench.fact("connection_timeout", 1)
    assert statuses(bench) == [(1, "Available")]


def test_16_a_finished_connector_prepares_again_for_the_next_token() -> None:
    """[1.6 §4.9] F2."""
    bench = station("1.6")
    charge(bench)
    stop(bench)
    bench.settle()
    bench.tap("OTHER")
    assert statuses(bench) == [(1, "Preparing")]


def test_16_an_ev_that_departs_suspends_its_transaction() -> None:
    """[1.6 §4.9] StopTransactionOnEVSideDisconnect false: SuspendedEV, info "EV side disconnected"."""
    bench = station("1.6")
    charge(bench)
    bench.settle()
    bench.model.set("TxCtrlr", "StopTxOnEVSideDisconnect", "false")
    bench.fact("power_path", 1, False)
    bench.fact("unplugged", 1, 1)
    said = [payload for action, payload in bench.settle() if action == "StatusNotification"]
    assert [(each["status"], each["errorCode"], each["info"]) for each in said] == [
        ("SuspendedEV", "NoError", "EV side disconnected")
    ]
    bench.fact("plugged", 1, 1)
    bench.fact("charging_state", 1, "Charging")
    assert statuses(bench)[-1] == (1, "Charging")


@versions
@pytest.mark.parametrize("code", ["EVCommunicationError", "ReaderFailure", "WeakSignal"])
def test_a_warning_does_not_make_a_connector_faulted(version: str, code: str) -> None:
    """[1.6 §4.9] When the status is not Faulted, the condition is a warning."""
    bench = station(version)
    bench.fact("fault", 1, code, "")
    said = bench.settle()
    if version != "1.6" or code == "EVCommunicationError":
        assert said == []  # 1.6: EVCommunicationError comes with Preparing, Suspended and Finishing only
    else:
        assert [(each["status"], each["errorCode"]) for _, each in said] == [("Available", code)]


def test_16_ev_communication_error_is_told_while_preparing() -> None:
    bench = station("1.6")
    bench.fact("plugged", 1, 1)
    bench.settle()
    bench.fact("fault", 1, "EVCommunicationError", "control pilot lost")
    ((_, said),) = bench.settle()
    assert (said["status"], said["errorCode"], said["info"]) == (
        "Preparing",
        "EVCommunicationError",
        "control pilot lost",
    )


@versions
def test_g01_a_fault_is_told_and_its_end_too(version: str) -> None:
    bench = station(version)
    bench.fact("fault", 1, "GroundFailure", "6 mA")
    assert statuses(bench) == [(1, "Faulted")]
    bench.fact("cleared", 1, "GroundFailure")
    assert statuses(bench) == [(1, "Available")]


LOCK = {"name": "ConnectorPlugRetentionLock", "evse": {"id": 1, "connectorId": 1}}


def lock_problems(bench: Bench) -> list[str]:
    """What the station says until it is silent of the lock of connector 1: values of Problem."""
    events = [event for action, said in bench.settle() if action == "NotifyEvent" for event in said["eventData"]]
    assert all(event["component"] == LOCK and event["variable"] == {"name": "Problem"} for event in events)
    return [event["actualValue"] for event in events]


@versions2
def test_g05_fr_02_a_lock_that_fails_is_told_and_that_it_works_again(version: str) -> None:
    bench = station(version, sockets=True)
    bench.fact("fault", 1, "ConnectorLockFailure", "the lock did not confirm")
    (said,) = [said for action, said in bench.settle() if action == "NotifyEvent"]
    (event,) = said["eventData"]
    assert (event["component"], event["variable"], event["actualValue"]) == (LOCK, {"name": "Problem"}, "true")
    assert (event["trigger"], event["eventNotificationType"]) == ("Alerting", "HardWiredNotification")
    assert bench.engine.model.get("ConnectorPlugRetentionLock", "Problem", evse=1, connector=1) == "true"
    bench.fact("fault", 1, "GroundFailure", "6 mA")
    bench.fact("cleared", 1, "ConnectorLockFailure")
    assert lock_problems(bench) == ["false"]


@versions2
def test_g05_fr_02_a_lock_that_failed_in_an_outage_is_told_after_it(version: str) -> None:
    bench = station(version, sockets=True)
    bench.drop()
    bench.fact("fault", 1, "ConnectorLockFailure", "the lock did not confirm")
    bench.open(version)
    assert lock_problems(bench) == ["true"]


@versions2
def test_g05_fr_02_what_a_broken_connection_took_is_said_again(version: str) -> None:
    bench = station(version, sockets=True)
    bench.fact("fault", 1, "ConnectorLockFailure", "the lock did not confirm")
    bench.expect("StatusNotification")
    bench.answer()
    bench.expect("NotifyEvent")
    bench.drop()
    bench.open(version)
    assert lock_problems(bench) == ["true"]


@versions2
def test_g05_fr_02_what_the_csms_does_not_take_is_said_once(version: str) -> None:
    bench = station(version, sockets=True)
    bench.fact("fault", 1, "ConnectorLockFailure", "the lock did not confirm")
    bench.expect("StatusNotification")
    bench.answer()
    bench.expect("NotifyEvent")
    bench.refuse("NotImplemented")
    bench.fact("fault", 1, "GroundFailure", "6 mA")
    assert lock_problems(bench) == []


@versions
def test_g05_fr_02_nothing_is_said_of_a_lock_in_1_6_nor_where_there_is_none(version: str) -> None:
    bench = station(version, sockets=version == "1.6")
    bench.fact("fault", 1, "ConnectorLockFailure", "the lock did not confirm")
    assert {action for action, _ in bench.settle()} == {"StatusNotification"}


@versions
def test_a_fault_of_the_station_makes_every_connector_faulted(version: str) -> None:
    bench = station(version, evses=2)
    bench.fact("fault", None, "EmergencyStop", "button")
    assert dict(statuses(bench)) == dict.fromkeys((0, 1, 2) if version == "1.6" else (1, 2), "Faulted")
    bench.fact("cleared", None, "EmergencyStop")
    assert set(dict(statuses(bench)).values()) == {"Available"}


@pytest.mark.parametrize(
    ("code", "error", "vendor"),
    [
        ("GroundFailure", "GroundFailure", None),
        ("WeldedContactor", "PowerSwitchFailure", "WeldedContactor"),
        ("LockFailure", "ConnectorLockFailure", "LockFailure"),
        ("MeterSilent", "PowerMeterFailure", "MeterSilent"),
        ("DiodeFault", "OtherError", "DiodeFault"),
        ("X" * 60, "OtherError", "X" * 50),
    ],
)
def test_16_error_codes(code: str, error: str, vendor: str | None) -> None:
    bench = station("1.6")
    bench.fact("fault", 1, code, "d" * 60)
    ((_, said),) = bench.settle()
    assert (said["status"], said["errorCode"], said["info"]) == ("Faulted", error, "d" * 50)
    assert (said.get("vendorId"), said.get("vendorErrorCode")) == (("Acme", vendor) if vendor else (None, None))


def test_16_what_prevents_charging_is_told_before_a_warning() -> None:
    bench = station("1.6")
    bench.fact("fault", 1, "WeakSignal", "")
    bench.fact("fault", 1, "OverVoltage", "")
    assert statuses(bench)[-1] == (1, "Faulted")
    bench.fact("cleared", 1, "OverVoltage")
    ((_, said),) = bench.settle()
    assert (said["status"], said["errorCode"]) == ("Available", "WeakSignal")


@versions2
def test_g01_fr_08_the_other_connector_of_an_evse_says_nothing(version: str) -> None:
    bench = station(version)
    bench.engine.evses[1].connectors[2] = Connector(2)
    bench.fact("cleared", 1, "none")
    bench.settle()
    bench.fact("plugged", 1, 2)
    ((_, said),) = bench.settle()
    assert (said["connectorId"], said["connectorStatus"]) == (2, "Occupied")


# -- reports --------------------------------------------------------------------------------------------------------


@versions
def test_a_status_is_told_once(version: str) -> None:
    bench = station(version)
    for _ in range(3):
        bench.fact("plugged", 1, 1)
        bench.fact("charging_state", 1, "EVConnected")
    assert len(statuses(bench)) == 1


@versions
def test_what_changes_while_the_csms_is_silent_is_told_as_it_is_then(version: str) -> None:
    """One report of a connector is on its way at a time, however often it changes."""
    bench = station(version)
    bench.fact("plugged", 1, 1)
    bench.expect("StatusNotification")
    for _ in range(200):
        bench.fact("unplugged", 1, 1)
        bench.fact("plugged", 1, 1)
    bench.fact("unplugged", 1, 1)
    bench.answer()
    assert statuses(bench) == [(1, "Available")]


@versions
def test_a_refused_status_is_not_repeated(version: str) -> None:
    bench = station(version)
    bench.fact("plugged", 1, 1)
    bench.expect("StatusNotification")
    bench.refuse("NotSupported")
    bench.quiet()
    bench.fact("unplugged", 1, 1)
    assert statuses(bench) == [(1, "Available")]


@versions
def test_a_status_lost_with_the_connection_is_told_by_the_next(version: str) -> None:
    bench = station(version)
    bench.fact("plugged", 1, 1)
    bench.expect("StatusNotification")
    bench.drop()
    bench.open(version)
    assert statuses(bench) == [(1, "Preparing" if version == "1.6" else "Occupied")]


@versions
def test_b04_fr_01_after_a_long_outage_every_connector_is_reported(version: str) -> None:
    bench = station(version, evses=2)
    bench.drop()
    bench.advance(301)
    bench.open(version)
    assert sorted(id for id, _ in statuses(bench)) == ([0, 1, 2] if version == "1.6" else [1, 2])


@versions
def test_b04_fr_02_after_a_short_outage_what_changed_is_reported(version: str) -> None:
    """Also what changed and is as before again."""
    bench = station(version, evses=3)
    bench.drop()
    bench.fact("plugged", 2, 1)
    bench.fact("plugged", 3, 1)
    bench.fact("unplugged", 3, 1)
    bench.advance(299)
    bench.open(version)
    assert statuses(bench) == [(2, "Preparing" if version == "1.6" else "Occupied"), (3, "Available")]


@versions
def test_b04_fr_02_a_short_outage_without_a_change_reports_nothing(version: str) -> None:
    bench = station(version)
    bench.drop()
    bench.advance(10)
    bench.open(version)
    bench.quiet()


def test_a_connection_in_another_version_reports_all_in_its_own_words() -> None:
    bench = station("2.0.1")
    bench.fact("plugged", 1, 1)
    bench.settle()
    bench.drop()
    bench.connect("1.6")
    bench.drop()
    bench.open("1.6")
    bench.quiet()
    bench.drop()
    bench.open("2.1")
    bench.expect("BootNotification")
    bench.answer(bench.usual("BootNotification"))
    assert statuses(bench) == [(1, "Occupied")]


@versions
def test_minimum_status_duration_holds_a_status_back_until_it_lasts(version: str) -> None:
    """[1.6 §4.9, MinimumStatusDuration]"""
    minimum = {"component": "EVSE", "variable": "MinimumStatusDuration", "value": "10"}
    bench = Bench(blocks=QUIET, variables=[minimum])
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer(bench.usual("BootNotification"))
    assert statuses(bench)[-1] == (1, "Available"), "the first report is not held back"
    bench.fact("plugged", 1, 1)
    bench.advance(9)
    bench.quiet()
    bench.fact("unplugged", 1, 1)
    bench.advance(9)
    bench.quiet()
    bench.fact("plugged", 1, 1)
    bench.advance(10.1)
    assert len(statuses(bench)) == 1


# -- ChangeAvailability ---------------------------------------------------------------------------------------------


@versions
def test_g03_fr_04_fr_06_fr_07_an_evse_becomes_unavailable_and_available_again(version: str) -> None:
    bench = station(version, evses=2)
    assert change(bench, version, 1, "Inoperative") == "Accepted"
    assert statuses(bench) == [(1, "Unavailable")]
    assert bench.take_effects("permit") == [("permit", 1, False)]
    assert change(bench, version, 1, "Operative") == "Accepted"
    assert statuses(bench) == [(1, "Available")]
    assert bench.take_effects("permit") == [("permit", 1, True)]


@versions
def test_g03_fr_03_the_state_it_is_in_is_accepted_and_nothing_is_said(version: str) -> None:
    bench = station(version)
    assert change(bench, version, 1, "Operative") == "Accepted"
    bench.quiet()
    change(bench, version, 1, "Inoperative")
    bench.settle()
    assert change(bench, version, 1, "Inoperative") == "Accepted"
    bench.quiet()


@versions
def test_g04_fr_05_fr_07_fr_08_the_whole_station(version: str) -> None:
    bench = station(version, evses=2)
    assert change(bench, version, None, "Inoperative") == "Accepted"
    assert dict(statuses(bench)) == dict.fromkeys((0, 1, 2) if version == "1.6" else (1, 2), "Unavailable")
    assert change(bench, version, None, "Operative") == "Accepted"
    assert set(dict(statuses(bench)).values()) == {"Available"}


@versions2
def test_g04_note_1_station_evse_and_connector_have_states_of_their_own(version: str) -> None:
    bench = station(version)
    change(bench, version, 1, "Inoperative", connector=1)
    change(bench, version, 1, "Inoperative")
    change(bench, version, None, "Inoperative")
    bench.settle()
    change(bench, version, None, "Operative")
    change(bench, version, 1, "Operative")
    assert statuses(bench) == []
    change(bench, version, 1, "Operative", connector=1)
    assert statuses(bench) == [(1, "Available")]


def test_16_connector_0_means_every_connector_by_itself() -> None:
    """[1.6 §5.2] The change applies to the charge point and all connectors; one of them can be set apart then."""
    bench = station("1.6", evses=2)
    change(bench, "1.6", 0, "Inoperative")
    bench.settle()
    change(bench, "1.6", 2, "Operative")
    assert statuses(bench) == [(0, "Available"), (2, "Available")]
    change(bench, "1.6", 0, "Operative")
    assert statuses(bench) == [(1, "Available")]


def test_16_connector_0_lifts_what_2_x_had_set() -> None:
    bench = station("2.0.1")
    change(bench, "2.0.1", None, "Inoperative")
    change(bench, "2.0.1", 1, "Inoperative", connector=1)
    bench.settle()
    bench.drop()
    bench.connect("1.6")
    change(bench, "1.6", 0, "Operative")
    assert statuses(bench) == [(0, "Available"), (1, "Available")]


@versions
def test_g03_fr_05_g01_fr_05_with_a_transaction_the_change_is_scheduled(version: str) -> None:
    bench = station(version)
    charge(bench)
    bench.settle()
    bench.take_effects()
    assert change(bench, version, 1, "Inoperative") == "Scheduled"
    assert statuses(bench) == []
    assert not bench.take_effects("permit"), "the session that is on may go on"
    stop(bench)
    assert statuses(bench)[-1] == (1, "Unavailable")
    assert bench.take_effects("permit") == [("permit", 1, False)]
    bench.fact("unplugged", 1, 1)
    assert statuses(bench) == []


@versions
def test_g04_fr_06_the_station_is_scheduled_and_idle_evses_change_at_once(version: str) -> None:
    bench = station(version, evses=2)
    charge(bench, 1)
    bench.settle()
    assert change(bench, version, None, "Inoperative") == "Scheduled"
    assert statuses(bench) == [(2, "Unavailable")]
    stop(bench, 1)
    assert (1, "Unavailable") in statuses(bench)


@versions2
def test_g03_fr_05_the_other_connector_of_a_busy_evse_changes_at_once(version: str) -> None:
    bench = station(version)
    bench.engine.evses[1].connectors[2] = Connector(2)
    charge(bench)
    bench.settle()
    assert change(bench, version, 1, "Inoperative", connector=2) == "Accepted"
    assert statuses(bench) == [(1, "Unavailable")]
    assert change(bench, version, 1, "Inoperative", connector=1) == "Scheduled"
    assert statuses(bench) == []


@versions
def test_a_scheduled_change_can_be_taken_back(version: str) -> None:
    bench = station(version)
    charge(bench)
    change(bench, version, 1, "Inoperative")
    assert change(bench, version, 1, "Operative") == "Accepted"
    bench.settle()
    stop(bench)
    assert statuses(bench)[-1:] == ([(1, "Finishing")] if version == "1.6" else [])


@versions
def test_g03_fr_08_g04_fr_09_b01_fr_07_what_was_set_survives_a_power_cut(version: str) -> None:
    bench = station(version, evses=2)
    change(bench, version, 2, "Inoperative")
    bench.cut()
    bench.restart()
    assert ("permit", 2, False) in bench.effects
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer(bench.usual("BootNotification"))
    assert dict(statuses(bench))[2] == "Unavailable"
    assert change(bench, version, 2, "Operative") == "Accepted"
    assert statuses(bench) == [(2, "Available")]


@versions
def test_a_scheduled_change_survives_a_power_cut(version: str) -> None:
    bench = station(version)
    charge(bench)
    change(bench, version, 1, "Inoperative")
    bench.cut()
    bench.restart()
    bench.connect(version)
    bench.reading(1, 1000)
    bench.advance(10)
    bench.settle()
    assert bench.model.get("EVSE", "AvailabilityState", evse=1) == "Unavailable"


@versions
def test_an_unknown_evse_is_rejected(version: str) -> None:
    bench = station(version)
    assert change(bench, version, 7, "Inoperative") == "Rejected"
    assert bench.ask_raw("ChangeAvailability", {"connectorId": -1, "type": "Inoperative"}) is not None
    assert statuses(bench) == []


@versions2
def test_an_unknown_connector_is_rejected_with_a_reason(version: str) -> None:
    bench = station(version)
    answer = bench.ask("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 1, "connectorId": 2}})
    assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": "UnknownConnectorId"}}


@versions
def test_a_faulted_connector_stays_faulted_when_it_is_made_inoperative(version: str) -> None:
    """[G03.FR.06] All operative connectors (i.e. not Faulted) become Unavailable."""
    bench = station(version)
    bench.fact("fault", 1, "GroundFailure", "")
    bench.settle()
    assert change(bench, version, 1, "Inoperative") == "Accepted"
    bench.quiet()
    bench.fact("cleared", 1, "GroundFailure")
    assert (1, "Unavailable") in statuses(bench)


# -- holds, trigger, device model -----------------------------------------------------------------------------------


@versions
@pytest.mark.parametrize("status", ["Unavailable", "Reserved"])
def test_a_block_can_hold_an_evse(version: str, status: str) -> None:
    bench = station(version, evses=2)
    availability = bench.engine.block("availability")
    availability.hold("someone", 2, status)
    bench.fact("cleared", 1, "none")
    assert statuses(bench) == [(2, status)]
    assert bench.take_effects("permit") == [("permit", 2, False)]
    bench.fact("plugged", 2, 1)  # [G01.FR.09]
    assert statuses(bench) == []
    availability.release("someone", 2)
    bench.fact("cleared", 1, "none")
    assert statuses(bench) == [(2, "Preparing" if version == "1.6" else "Occupied")]


@versions
def test_a_hold_without_a_status_stops_new_sessions_and_says_nothing(version: str) -> None:
    bench = station(version)
    availability = bench.engine.block("availability")
    availability.hold("someone", 0, None)
    bench.fact("cleared", 1, "none")
    assert bench.take_effects("permit") == [("permit", 1, False)]
    bench.quiet()
    assert not availability.is_operative(bench.engine.evses[1])


@versions
def test_f06_a_triggered_status_is_sent_after_the_answer(version: str) -> None:
    bench = station(version, evses=2)
    wanted = {"connectorId": 2} if version == "1.6" else {"evse": {"id": 2, "connectorId": 1}}
    assert bench.ask("TriggerMessage", {"requestedMessage": "StatusNotification", **wanted}) == {"status": "Accepted"}
    assert statuses(bench) == [(2, "Available")]


@versions
def test_f06_fr_11_a_triggered_status_of_nothing_in_particular_is_that_of_all(version: str) -> None:
    bench = station(version, evses=2)
    assert bench.ask("TriggerMessage", {"requestedMessage": "StatusNotification"}) == {"status": "Accepted"}
    assert [id for id, _ in statuses(bench)] == ([0, 1, 2] if version == "1.6" else [1, 2])


def test_16_a_trigger_for_connector_0_is_for_the_charge_point() -> None:
    bench = station("1.6", evses=2)
    bench.ask("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 0})
    assert statuses(bench) == [(0, "Available")]


@versions2
@pytest.mark.parametrize("evse", [{"id": 0}, {"id": 9}, {"id": 1, "connectorId": 5}])
def test_f06_a_trigger_for_what_does_not_exist_is_rejected(version: str, evse: dict[str, int]) -> None:
    bench = station(version)
    assert bench.ask("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": evse})["status"] == "Rejected"
    bench.quiet()


@versions
def test_a_triggered_status_is_sent_while_pending(version: str) -> None:
    """[B02.FR.02] ... unless it has been instructed by the CSMS."""
    bench = Bench(blocks=QUIET)
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer({"status": "Pending", "currentTime": bench.utc_text(), "interval": 60})
    wanted = {"connectorId": 1} if version == "1.6" else {"evse": {"id": 1, "connectorId": 1}}
    assert bench.ask("TriggerMessage", {"requestedMessage": "StatusNotification", **wanted}) == {"status": "Accepted"}
    assert statuses(bench) == [(1, "Available")]


@versions
def test_the_device_model_shows_the_states(version: str) -> None:
    bench = station(version, evses=2)
    get = bench.model.get
    change(bench, version, 2, "Inoperative")
    bench.fact("plugged", 1, 1)
    assert get("Connector", "AvailabilityState", evse=1, connector=1) == "Occupied"
    assert get("EVSE", "AvailabilityState", evse=1) == "Occupied"
    assert get("EVSE", "AvailabilityState", evse=2) == "Unavailable"
    assert get("ChargingStation", "AvailabilityState") == "Occupied"
    bench.fact("unplugged", 1, 1)
    assert get("ChargingStation", "AvailabilityState") == "Available"


def test_an_evse_with_two_connectors_is_occupied_when_one_is() -> None:
    bench = station("2.0.1")
    evse: Evse = bench.engine.evses[1]
    evse.connectors[2] = Connector(2)
    bench.fact("plugged", 1, 1)
    assert bench.model.get("EVSE", "AvailabilityState", evse=1) == "Occupied"
    assert bench.model.get("Connector", "AvailabilityState", evse=1, connector=2) == "Available"


def test_an_evse_may_start_as_long_as_one_connector_is_left() -> None:
    bench = station("2.0.1")
    bench.engine.evses[1].connectors[2] = Connector(2)
    change(bench, "2.0.1", 1, "Inoperative", connector=1)
    assert not bench.take_effects("permit")
    bench.fact("plugged", 1, 1)
    assert bench.take_effects("permit") == [("permit", 1, False)]


@versions
def test_g03_what_is_made_inoperative_takes_no_vehicle_for_a_token_that_waits_for_its_cable(version: str) -> None:
    bench = station(version)
    bench.reading(1, 1000)
    bench.tap("CARD")
    bench.settle()
    bench.take_effects()
    assert change(bench, version, 1, "Inoperative") == "Accepted"
    assert (1, "Unavailable") in statuses(bench)
    assert bench.take_effects("stop") == [("stop", 1, "Other")], "the authorization ends"
    bench.fact("stopped", 1, "Other")
    bench.fact("plugged", 1, 1)
    assert not [action for action, _ in bench.settle() if action in ("TransactionEvent", "StartTransaction")]


@versions2
def test_g03_a_token_that_waits_may_still_go_to_the_other_connector(version: str) -> None:
    bench = station(version)
    bench.engine.evses[1].connectors[2] = Connector(2)
    bench.reading(1, 1000)
    bench.tap("CARD")
    bench.settle()
    assert change(bench, version, 1, "Inoperative", connector=2) == "Accepted"
    assert not bench.take_effects("stop")
