"""E. Transactions; 1.6 §3.7, §4.8, §4.10 and errata §3.14 to §3.18."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from evse.jsontext import dumps
from evse.model import Token
from tests.support.bench import STATION, Bench, FakeClock, versions, versions2
from tests.support.driver import Driver, events, measurands

REFUSED = {
    "StartTransaction": {"transactionId": 7, "idTagInfo": {"status": "Blocked"}},
    "TransactionEvent": {"idTokenInfo": {"status": "Blocked"}},
}


def start(version: str, evses: int = 1, *, stop_on_disconnect: bool = True, **variables: str) -> tuple[Bench, Driver]:
    """A booted station; variables as TxCtrlr_TxStartPoint="EVConnected"."""
    entries = [
        {"component": name.split("_")[0], "variable": name.split("_")[1], "value": value, **free(name)}
        for name, value in variables.items()
    ]
    bench = Bench(evses=evses, variables=entries)
    bench.connect(version)
    return bench, Driver(bench, stop_on_disconnect=stop_on_disconnect)


def free(name: str) -> dict[str, Any]:
    """Lets a test use points that this station does not offer by itself."""
    if name in ("TxCtrlr_TxStartPoint", "TxCtrlr_TxStopPoint"):
        return {
            "values": [*"ParkingBayOccupancy EVConnected Authorized PowerPathClosed EnergyTransfer DataSigned".split()]
        }
    return {}


def restart(bench: Bench, version: str | None = None, *, register_wh: float | None = None) -> Driver:
    """A power cut and the next start; the meter is silent unless a register is given."""
    bench.cut()
    bench.effects.clear()
    bench.restart()
    if version is not None:
        bench.open(version)
    driver = Driver.__new__(Driver)
    driver.bench, driver.stop_on_disconnect, driver.answers = bench, True, {}
    driver.said, driver.effects, driver.authorized = [], [], set()
    driver.register_wh = {}
    if register_wh is not None:
        driver.register_wh = dict.fromkeys(bench.engine.evses, register_wh)
        driver.meter(0)
    driver.settle()
    return driver


def until_said(bench: Bench) -> None:
    """Lets time pass until the station says something."""
    while not bench.sent:
        bench.advance(1)


def infos(said: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [payload["transactionInfo"] for _, payload in said]


# -- E01, E02, E03: start --------------------------------------------------------------------------------------------


@versions2
def test_E02_cable_first_tells_the_whole_story(version: str) -> None:
    _, driver = start(version, TxCtrlr_TxStartPoint="EVConnected,Authorized", TxCtrlr_TxStopPoint="EVConnected")
    driver.plug()
    driver.tap("CARD")
    driver.tap("CARD")
    driver.unplug()
    said = driver.take()
    assert events(said) == [
        "Started CablePluggedIn EVConnected",
        "Updated Authorized",
        "Updated ChargingStateChanged Charging",
        "Updated StopAuthorized",
        "Updated ChargingStateChanged EVConnected",
        "Ended EVCommunicationLost Idle",
    ]
    assert [payload["seqNo"] for _, payload in said] == [0, 1, 2, 3, 4, 5]
    assert len({info["transactionId"] for info in infos(said)}) == 1
    assert [payload.get("idToken", {}).get("idToken") for _, payload in said] == [
        None,
        "CARD",
        None,
        "CARD",
        None,
        None,
    ]
    assert [payload.get("evse") for _, payload in said] == [{"id": 1, "connectorId": 1}, *[None] * 5]
    assert infos(said)[-1]["stoppedReason"] == "Local"
    assert not any(payload.get("offline") for _, payload in said)


@versions2
def test_E03_token_first_with_authorization_as_start_point(version: str) -> None:
    """E03.FR.01, E01.FR.16, E01.FR.17: token, then connector and Transaction.Begin values, each once."""
    _, driver = start(version, TxCtrlr_TxStartPoint="Authorized", TxCtrlr_TxStopPoint="Authorized")
    driver.tap("CARD")
    driver.plug()
    driver.tap("CARD")
    said = driver.take()
    assert events(said) == [
        "Started Authorized Idle",
        "Updated CablePluggedIn EVConnected",
        "Updated ChargingStateChanged Charging",
        "Ended StopAuthorized EVConnected",
    ]
    started, plugged = said[0][1], said[1][1]
    assert started["idToken"] == {"idToken": "CARD", "type": "ISO14443"}
    assert "evse" not in started and "meterValue" not in started
    assert plugged["evse"] == {"id": 1, "connectorId": 1}
    assert plugged["meterValue"][0]["sampledValue"][0]["context"] == "Transaction.Begin"


@versions
@pytest.mark.parametrize("card_first", [True, False])
def test_E01_FR_05_power_path_closed_is_cable_and_authorization(version: str, card_first: bool) -> None:
    _, driver = start(version, TxCtrlr_TxStartPoint="PowerPathClosed")
    (driver.tap if card_first else driver.plug)()
    assert driver.take() == []
    (driver.plug if card_first else driver.tap)()
    said = driver.take()
    if version == "1.6":
        assert events(said) == ["StartTransaction"]
    else:
        trigger = "CablePluggedIn" if card_first else "Authorized"
        assert events(said) == [f"Started {trigger} EVConnected", "Updated ChargingStateChanged Charging"]
        assert said[0][1]["idToken"]["idToken"] == "CARD"


@versions
@pytest.mark.parametrize("card_first", [True, False])
def test_G05_FR_01_the_transaction_begins_when_the_lock_holds_the_cable(version: str, card_first: bool) -> None:
    bench, driver = start(version)
    bench.engine.evses[1].connectors[1].locked = False
    for step in (driver.tap, driver.plug) if card_first else (driver.plug, driver.tap):
        step()
    assert driver.take() == []
    bench.fact("lock", 1, 1, True)
    driver.settle()
    (started, *_) = events(driver.take())
    trigger = "CablePluggedIn" if card_first else "Authorized"
    assert started.startswith("StartTransaction" if version == "1.6" else f"Started {trigger}")


@versions
def test_G05_FR_01_a_cable_that_cannot_be_locked_starts_nothing(version: str) -> None:
    bench, driver = start(version)
    bench.engine.evses[1].connectors[1].locked = False
    driver.plug()
    driver.tap()
    driver.fault()
    bench.fact("lock", 1, 1, True)
    driver.settle()
    assert driver.take() == []


@versions2
def test_E01_FR_06_energy_transfer_starts(version: str) -> None:
    _, driver = start(version, TxCtrlr_TxStartPoint="EnergyTransfer")
    driver.plug()
    driver.tap()
    said = driver.take()
    assert events(said) == ["Started ChargingStateChanged Charging"]
    assert said[0][1]["idToken"]["idToken"] == "CARD"


@versions2
def test_E01_FR_01_E06_FR_01_parking_bay_starts_and_ends(version: str) -> None:
    bench, driver = start(
        version, TxCtrlr_TxStartPoint="ParkingBayOccupancy", TxCtrlr_TxStopPoint="ParkingBayOccupancy"
    )
    bench.fact("parking_bay", 1, True)
    driver.plug()
    driver.tap()
    driver.unplug()
    bench.fact("parking_bay", 1, False)
    driver.settle()
    said = driver.take()
    assert events(said) == [
        "Started EVDetected Idle",
        "Updated CablePluggedIn EVConnected",
        "Updated Authorized",
        "Updated ChargingStateChanged Charging",
        "Updated EVCommunicationLost Idle",
        "Ended EVDeparted",
    ]
    assert infos(said)[-1]["stoppedReason"] == "EVDisconnected"


@versions2
def test_E01_FR_04_signed_data_start(version: str) -> None:
    bench, driver = start(version, TxCtrlr_TxStartPoint="DataSigned", SampledDataCtrlr_SignReadings="true")
    signed = {"data": "AB==", "method": "ECDSA", "encoding": "OCMF", "public_key": "key"}
    driver.plug()
    for _ in range(2):
        bench.fact("reading", 1, {("Energy.Active.Import.Register", None): 5.0}, signed)
    driver.settle()
    said = driver.take()
    assert events(said) == ["Started SignedDataReceived EVConnected"]
    assert said[0][1]["meterValue"][0]["sampledValue"][0]["signedMeterValue"]["signedMeterData"] == "AB=="


@versions2
def test_E01_FR_09_begin_values_are_in_the_started_event(version: str) -> None:
    _, driver = start(version)
    driver.plug()
    driver.tap()
    started = driver.take()[0][1]
    assert measurands(started["meterValue"][0]) == [("Energy.Active.Import.Register", None, 1000)]
    assert started["meterValue"][0]["sampledValue"][0]["context"] == "Transaction.Begin"


@versions
def test_E01_FR_08_transaction_ids_never_repeat_and_have_36_characters(version: str) -> None:
    bench, driver = start(version)
    ids = set()
    for _ in range(3):
        driver.plug()
        driver.tap()
        tx = bench.engine.block("transactions").current(1)
        ids.add(tx.id)
        assert len(tx.id) == 36
        driver.unplug()
    assert len(ids) == 3


@versions2
def test_after_the_end_only_a_new_plug_or_card_starts_again(version: str) -> None:
    _, driver = start(version, TxCtrlr_TxStartPoint="EVConnected", TxCtrlr_TxStopPoint="Authorized")
    driver.plug()
    driver.tap()
    driver.tap()
    driver.take()
    driver.state("SuspendedEVSE")
    driver.state("EVConnected")
    assert driver.take() == []
    driver.tap()
    assert events(driver.take())[0] == "Started Authorized EVConnected"


@versions2
def test_F02_FR_21_a_remote_start_is_the_trigger_of_the_next_event(version: str) -> None:
    bench, driver = start(version)
    request = {"idToken": {"idToken": "APP", "type": "Central"}, "remoteStartId": 99, "evseId": 1}
    assert bench.ask("RequestStartTransaction", request)["status"] == "Accepted"
    driver.settle()
    driver.plug()
    started = driver.take()[0][1]
    assert started["triggerReason"] == "RemoteStart"
    assert started["transactionInfo"]["remoteStartId"] == 99
    assert started["idToken"] == {"idToken": "APP", "type": "Central"}


@versions2
def test_F01_FR_25_remoteStartId_comes_with_the_authorization_of_a_running_transaction(version: str) -> None:
    bench, driver = start(version, TxCtrlr_TxStartPoint="EVConnected")
    driver.plug()
    driver.take()
    request = {"idToken": {"idToken": "APP", "type": "Central"}, "remoteStartId": 99, "evseId": 1}
    bench.ask("RequestStartTransaction", request)
    driver.settle()
    said = driver.take()
    assert events(said)[0] == "Updated RemoteStart"
    assert infos(said)[0]["remoteStartId"] == 99
    assert "remoteStartId" not in infos(said)[1]


@versions2
def test_E02_FR_18_phases_used_are_told_when_known_and_when_they_change(version: str) -> None:
    bench, driver = start(version, SampledDataCtrlr_TxUpdatedInterval="10")
    driver.plug()
    driver.tap()
    driver.take()

    def draw(*phases: str) -> dict[str, Any]:
        values = {("Energy.Active.Import.Register", None): 1000.0}
        values.update({("Current.Import", phase): 16.0 if phase in phases else 0.0 for phase in ("L1", "L2", "L3")})
        bench.fact("reading", 1, values, None)
        bench.advance(10)
        driver.settle()
        return driver.take()[0][1]

    assert draw("L1", "L2", "L3")["numberOfPhasesUsed"] == 3
    assert "numberOfPhasesUsed" not in draw("L1", "L2", "L3")
    assert draw("L1")["numberOfPhasesUsed"] == 1


# -- E06 to E10: end -------------------------------------------------------------------------------------------------


@versions
def test_E07_FR_02_stop_by_token(version: str) -> None:
    _, driver = start(version)
    driver.plug()
    driver.tap("CARD")
    driver.draw(5000)
    driver.wait(20)
    driver.take()
    driver.tap("CARD")
    said = driver.take()
    payload = said[-1][1]
    if version == "1.6":
        assert events(said) == ["StopTransaction"]
        assert payload["transactionId"] == 4711
        assert payload["meterStop"] == 6000
        assert payload["reason"] == "Local"
        assert payload["idTag"] == "CARD"
        contexts = [each["sampledValue"][0]["context"] for each in payload["transactionData"]]
        assert contexts == ["Transaction.Begin", "Transaction.End"]  # errata 3.14
    else:
        assert events(said) == ["Ended StopAuthorized EVConnected"]
        assert payload["idToken"]["idToken"] == "CARD"
        assert payload["transactionInfo"]["stoppedReason"] == "Local"
        assert payload["transactionInfo"]["timeSpentCharging"] == 20
        contexts = [each["sampledValue"][0]["context"] for each in payload["meterValue"]]
        assert contexts == ["Transaction.Begin", "Transaction.End"]  # E06.FR.11


@versions
def test_E06_the_end_waits_for_the_contactor_and_the_meter(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    driver.tap()
    driver.take()
    bench.tap("CARD")
    assert ("stop", 1, "Local") in bench.take_effects("stop")
    bench.quiet()
    bench.fact("power_path", 1, False)
    bench.reading(1, 1234.5)
    bench.quiet()
    bench.fact("stopped", 1, "Local")
    driver.settle()
    payload = driver.take()[-1][1]
    if version == "1.6":
        assert payload["meterStop"] == 1235
    else:
        assert measurands(payload["meterValue"][-1]) == [("Energy.Active.Import.Register", None, 1234.5)]


@versions
def test_a_charging_side_that_never_confirms_does_not_keep_a_transaction_open(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    driver.tap()
    driver.take()
    bench.tap("CARD")
    bench.take_effects()
    bench.advance(14)
    bench.quiet()
    bench.advance(2)
    driver.settle()
    assert len(driver.take()) == 1
    assert bench.engine.block("transactions").current(1) is None


@versions
def test_E09_FR_01_unplug_ends_with_EVDisconnected(version: str) -> None:
    _, driver = start(version)
    driver.plug()
    driver.tap()
    driver.take()
    driver.unplug()
    said = driver.take()
    if version == "1.6":
        assert events(said) == ["StopTransaction"]
        assert said[0][1]["reason"] == "EVDisconnected"
        assert "idTag" not in said[0][1]
    else:
        assert events(said) == ["Ended EVCommunicationLost Idle"]
        assert infos(said)[0]["stoppedReason"] == "EVDisconnected"


@versions
def test_E10_a_transaction_survives_the_unplug_when_TxStopPoint_is_Authorized(version: str) -> None:
    """E10, 1.6 §4.10: StopTxOnEVSideDisconnect is false, so the session is only suspended."""
    _, driver = start(version, stop_on_disconnect=False, TxCtrlr_TxStopPoint="Authorized")
    driver.plug()
    driver.tap()
    driver.take()
    driver.unplug()
    driver.plug()
    said = driver.take()
    if version == "1.6":
        assert said == []
    else:
        assert events(said) == [
            "Updated EVCommunicationLost Idle",
            "Updated CablePluggedIn EVConnected",
            "Updated ChargingStateChanged Charging",
        ]
        assert said[1][1]["evse"] == {"id": 1, "connectorId": 1}
    driver.tap()
    assert len(driver.take()) == 1


@versions2
def test_E06_FR_06_power_path_closed_ends_at_the_unplug_even_if_the_session_could_go_on(version: str) -> None:
    _, driver = start(version, stop_on_disconnect=False, TxCtrlr_TxStopPoint="PowerPathClosed")
    driver.plug()
    driver.tap()
    driver.take()
    driver.unplug()
    assert events(driver.take()) == ["Ended EVCommunicationLost Idle"]
    assert ("stop", 1, "EVDisconnected") in driver.effects


@versions2
def test_E06_FR_02_EVConnected_ends_at_the_unplug_with_the_reason_that_stopped_it(version: str) -> None:
    bench, driver = start(version, TxCtrlr_TxStartPoint="EVConnected", TxCtrlr_TxStopPoint="EVConnected")
    driver.plug()
    driver.tap()
    id = bench.engine.block("transactions").current(1).id
    driver.take()
    assert bench.ask("RequestStopTransaction", {"transactionId": id}) == {"status": "Accepted"}
    driver.settle()
    said = driver.take()
    assert events(said) == ["Updated RemoteStop", "Updated ChargingStateChanged EVConnected"]
    assert "idToken" not in said[0][1]
    driver.unplug()
    assert infos(driver.take())[0]["stoppedReason"] == "Remote"


@versions2
def test_E06_FR_07_energy_transfer_ends_when_the_ev_suspends(version: str) -> None:
    _, driver = start(version, TxCtrlr_TxStopPoint="EnergyTransfer")
    driver.plug()
    driver.tap()
    driver.take()
    driver.state("SuspendedEV")
    said = driver.take()
    assert events(said) == ["Ended ChargingStateChanged EVConnected"]
    assert infos(said)[0]["stoppedReason"] == "StoppedByEV"


@versions
def test_E06_FR_16_a_fault_ends_with_AbnormalCondition(version: str) -> None:
    _, driver = start(version)
    driver.plug()
    driver.tap()
    driver.take()
    driver.fault("GroundFault")
    said = driver.take()
    if version == "1.6":
        assert [payload["reason"] for _, payload in said] == ["Other"]
    else:
        assert events(said) == ["Ended AbnormalCondition EVConnected"]
        assert infos(said)[0]["stoppedReason"] == "GroundFault"


@versions
@pytest.mark.parametrize(
    ("reason", "trigger", "word"),
    [
        ("Remote", None, "Remote"),
        ("EmergencyStop", None, "EmergencyStop"),
        ("Reboot", None, "Reboot"),
        ("ImmediateReset", "ResetCommand", "HardReset"),
        ("Other", "ResetCommand", "SoftReset"),
        ("Other", "UnlockCommand", "UnlockCommand"),
        ("PowerQuality", None, "Other"),
        ("DeAuthorized", None, "DeAuthorized"),
    ],
)
def test_16_7_36_stop_reasons(version: str, reason: str, trigger: str | None, word: str) -> None:
    bench, driver = start(version)
    driver.plug()
    driver.tap()
    driver.take()
    block = bench.engine.block("transactions")
    block.stop(block.current(1), reason, trigger)
    bench._drain()
    driver.settle()
    said = driver.take()
    if version == "1.6":
        assert said[0][1]["reason"] == word
    else:
        assert infos(said)[0]["stoppedReason"] == reason
        assert trigger is None or said[0][1]["triggerReason"] == trigger


@versions2
def test_a_reset_ends_a_transaction_whatever_TxStopPoint_says(version: str) -> None:
    """B12.FR.04"""
    bench, driver = start(version, TxCtrlr_TxStopPoint="EVConnected")
    driver.plug()
    driver.tap()
    driver.take()
    assert bench.ask("Reset", {"type": "Immediate"})["status"] == "Accepted"
    driver.settle()
    assert events(driver.take()) == ["Ended ResetCommand EVConnected"]


@versions
def test_E03_FR_05_no_cable_in_time(version: str) -> None:
    bench, driver = start(version, TxCtrlr_TxStartPoint="Authorized", TxCtrlr_TxStopPoint="Authorized")
    driver.tap("CARD")
    driver.take()
    bench.fact("connection_timeout", 1)
    driver.settle()
    said = driver.take()
    if version == "1.6":
        assert [payload["reason"] for _, payload in said] == ["Other"]
    else:
        assert events(said) == ["Ended EVConnectTimeout"]
        assert infos(said)[0]["stoppedReason"] == "Timeout"


@versions2
def test_E03_FR_15_no_cable_in_time_but_the_bay_is_the_end(version: str) -> None:
    bench, driver = start(version, TxCtrlr_TxStartPoint="Authorized", TxCtrlr_TxStopPoint="ParkingBayOccupancy")
    driver.tap("CARD")
    driver.take()
    bench.fact("connection_timeout", 1)
    driver.settle()
    assert events(driver.take()) == ["Updated EVConnectTimeout"]


@versions2
def test_a_transaction_that_no_stop_point_could_end_ends_with_its_authorization(version: str) -> None:
    """The specification warns of such points: E. 1.1."""
    _, driver = start(version, TxCtrlr_TxStartPoint="Authorized", TxCtrlr_TxStopPoint="EVConnected")
    driver.tap()
    driver.take()
    driver.tap()
    assert events(driver.take()) == ["Ended StopAuthorized Idle"]


@versions2
def test_an_unauthorized_transaction_ends_with_the_cable(version: str) -> None:
    _, driver = start(version, TxCtrlr_TxStartPoint="EVConnected", TxCtrlr_TxStopPoint="Authorized")
    driver.plug()
    driver.unplug()
    assert events(driver.take()) == ["Started CablePluggedIn EVConnected", "Ended EVCommunicationLost Idle"]


@versions2
def test_E10_FR_02_an_ev_that_does_not_come_back_is_deauthorized(version: str) -> None:
    """The charging side gives up after EVConnectionTimeOut; the parking bay is still occupied."""
    bench, driver = start(version, stop_on_disconnect=False, TxCtrlr_TxStopPoint="ParkingBayOccupancy")
    driver.plug()
    driver.tap()
    driver.unplug()
    driver.take()
    driver.fault("Timeout")
    said = driver.take()
    assert events(said) == ["Updated EVConnectTimeout"]
    bench.fact("parking_bay", 1, False)
    driver.settle()
    assert infos(driver.take())[0]["stoppedReason"] == "Timeout"


@versions2
def test_a_new_authorization_after_a_signed_start_waits_for_a_new_signature(version: str) -> None:
    bench, driver = start(version, TxCtrlr_TxStartPoint="DataSigned", SampledDataCtrlr_SignReadings="true")
    signed = {"data": "AB==", "method": "ECDSA", "encoding": "OCMF", "public_key": "key"}
    reading = ({("Energy.Active.Import.Register", None): 5.0}, signed)
    driver.plug()
    bench.fact("reading", 1, *reading)
    driver.tap()
    driver.tap()
    bench.fact("reading", 1, *reading)
    driver.settle()
    assert events(driver.take())[-1].startswith("Ended")
    driver.tap()
    bench.fact("reading", 1, *reading)
    driver.settle()
    assert events(driver.take())[0].startswith("Started SignedDataReceived")


# -- E05: the CSMS does not accept the token -------------------------------------------------------------------------


@versions
def test_E05_FR_10_a_refused_token_ends_its_transaction(version: str) -> None:
    """1.6 errata §3.17"""
    _, driver = start(version)
    driver.answers.update(REFUSED)
    driver.plug()
    driver.tap()
    said = driver.take()
    if version == "1.6":
        assert events(said) == ["StartTransaction", "StopTransaction"]
        assert said[-1][1]["transactionId"] == 7
        assert said[-1][1]["reason"] == "DeAuthorized"
    else:
        assert events(said)[-1] == "Ended Deauthorized EVConnected"
        assert infos(said)[-1]["stoppedReason"] == "DeAuthorized"
    assert "card refused: Blocked" in driver.shown()


@versions2
def test_E05_FR_09_a_refused_token_only_suspends_where_the_cable_is_the_end(version: str) -> None:
    _, driver = start(version, TxCtrlr_TxStartPoint="EVConnected", TxCtrlr_TxStopPoint="EVConnected")
    driver.plug()
    driver.take()
    driver.answers.update(REFUSED)
    driver.tap()
    said = driver.take()
    assert "Updated Deauthorized" in events(said)
    assert events(said)[-1] == "Updated ChargingStateChanged EVConnected"
    driver.answers.clear()
    driver.unplug()
    assert infos(driver.take())[-1]["stoppedReason"] == "DeAuthorized"


@versions
def test_E05_FR_02_without_StopTxOnInvalidId_only_the_energy_stops(version: str) -> None:
    _, driver = start(version, TxCtrlr_StopTxOnInvalidId="false")
    driver.answers.update(REFUSED)
    driver.plug()
    driver.tap()
    assert ("limit", 1, "invalid_id", 0.0) in driver.effects
    driver.state("SuspendedEVSE")
    driver.answers.clear()
    driver.unplug()
    assert ("limit", 1, "invalid_id", None) in driver.effects
    said = driver.take()
    if version != "1.6":
        assert "Updated ChargingStateChanged SuspendedEVSE" in events(said)


@versions
def test_E05_FR_03_MaxEnergyOnInvalidId_lets_the_ev_drive_away(version: str) -> None:
    _, driver = start(version, TxCtrlr_StopTxOnInvalidId="false", TxCtrlr_MaxEnergyOnInvalidId="500")
    driver.answers.update(REFUSED)
    driver.plug()
    driver.tap()
    driver.draw(499)
    assert not [effect for effect in driver.effects if effect[0] == "limit"]
    driver.draw(1)
    assert ("limit", 1, "invalid_id", 0.0) in driver.effects


@versions
def test_C15_FR_04_a_transaction_authorized_offline_is_judged_when_it_is_told(version: str) -> None:
    bench, driver = start(version, AuthCtrlr_OfflineTxForUnknownIdEnabled="true")
    bench.drop()
    driver.plug()
    driver.tap()
    driver.wait(30)
    assert bench.engine.block("transactions").current(1) is not None
    driver.answers.update(REFUSED)
    bench.open(version)
    driver.settle()
    said = driver.take()
    assert bench.engine.block("transactions").current(1) is None
    if version == "1.6":
        assert events(said) == ["StartTransaction", "StopTransaction"]
        assert said[-1][1]["reason"] == "DeAuthorized"
    else:
        assert said[0][1]["offline"] is True
        assert events(said)[-1] == "Ended Deauthorized EVConnected"
        assert "offline" not in said[-1][1]


@versions2
def test_cost_and_personal_message_reach_the_display(version: str) -> None:
    _, driver = start(version)
    message = {"format": "UTF8", "content": "Enjoy"}
    driver.answers["TransactionEvent"] = {"totalCost": 1.25, "updatedPersonalMessage": message}
    driver.plug()
    driver.tap()
    shown = driver.shown()
    assert "cost so far: 1.25" in shown and "Enjoy" in shown


# -- E04, E08, E11, E12, lesson 11: offline --------------------------------------------------------------------------


@versions
def test_E12_lesson_11_offline_start_and_stop_and_a_restart_tell_both_once_in_order(version: str) -> None:
    bench, driver = start(version, AuthCtrlr_OfflineTxForUnknownIdEnabled="true")
    bench.drop()
    began = bench.utc_text()
    driver.plug()
    driver.tap("CARD")
    driver.draw(4321)
    driver.wait(30)
    driver.tap("CARD")
    ended = bench.utc_text()
    driver.unplug()
    bench.advance(10)
    driver = restart(bench)
    bench.advance(60)
    bench.open(version)
    driver.settle()
    said = driver.take()
    if version == "1.6":
        assert events(said) == ["StartTransaction", "StopTransaction"]
        assert said[0][1] == {"connectorId": 1, "idTag": "CARD", "meterStart": 1000, "timestamp": began}
        stop = said[1][1]
        assert (stop["transactionId"], stop["meterStop"], stop["timestamp"]) == (4711, 5321, ended)
    else:
        assert events(said) == [
            "Started Authorized EVConnected",
            "Updated ChargingStateChanged Charging",
            "Ended StopAuthorized EVConnected",
        ]
        assert [payload["offline"] for _, payload in said] == [True] * 3
        assert said[0][1]["timestamp"] == began and said[2][1]["timestamp"] == ended
    bench.drop()
    bench.open(version)
    driver.settle()
    assert driver.take() == []
    assert bench.journal.state.get("transactions:csms") is None


@versions2
def test_E11_FR_07_what_was_still_queued_when_the_connection_broke_is_offline(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    bench.tap("CARD")
    bench.expect("Authorize")
    bench.answer({"idTokenInfo": {"status": "Accepted"}})
    assert "offline" not in bench.expect("TransactionEvent")
    bench.drop()
    bench.open(version)
    driver.settle()
    said = driver.take()
    assert said[0][1]["offline"] is True
    assert said[0][1]["seqNo"] == 0
    driver.wait(61)
    assert not any(payload.get("offline") for _, payload in driver.take())


@versions
def test_E13_lesson_1_refused_and_unanswered_events_are_sent_again_later(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    bench.tap("CARD")
    bench.expect("Authorize")
    bench.answer(bench.usual("Authorize"))
    action = "StartTransaction" if version == "1.6" else "TransactionEvent"
    first = bench.expect(action)
    bench.refuse("SomeUnheardOfCode")
    bench.quiet()
    bench.advance(59)
    bench.quiet()
    bench.advance(1)
    assert bench.expect(action) == first
    bench.advance(30)  # no answer at all
    bench.quiet()
    bench.advance(120)
    assert bench.expect(action) == first
    bench.answer(bench.usual(action))
    driver.settle()
    driver.tap("CARD")
    assert len(driver.take()) >= 1


def test_E13_FR_04_an_event_given_up_does_not_hold_up_the_next() -> None:
    bench, driver = start("2.0.1")
    driver.plug()
    bench.tap("CARD")
    bench.expect("Authorize")
    bench.answer(bench.usual("Authorize"))
    bench.fact("charging_state", 1, "Charging")
    for _ in range(3):
        until_said(bench)
        assert bench.expect("TransactionEvent")["seqNo"] == 0
        bench.refuse()
    assert bench.sent[0][3]["seqNo"] == 1
    assert "the CSMS never took an event of a transaction" in bench.log.texts("error")


# -- 1.6: ids of the CSMS --------------------------------------------------------------------------------------------


def test_16_4_8_a_start_that_was_given_up_is_tried_again_before_the_stop() -> None:
    """1.6 errata §3.18: never -1, never without an id."""
    bench, driver = start("1.6", SampledDataCtrlr_TxUpdatedInterval="10")
    driver.plug()
    bench.tap("CARD")
    bench.expect("Authorize")
    bench.answer(bench.usual("Authorize"))
    bench.take_effects()
    for _ in range(3):
        until_said(bench)
        bench.expect("StartTransaction")
        bench.refuse()
    assert "the CSMS never took an event of a transaction" in bench.log.texts("error")
    bench.reading(1, 1500.0)
    driver.settle()
    bench.advance(10)
    driver.settle()
    meter_values = [payload for action, payload in driver.take() if action == "MeterValues"]
    assert meter_values and not any("transactionId" in payload for payload in meter_values)
    driver.register_wh[1] = 2500.0
    driver.tap("CARD")
    said = driver.take()
    assert events(said) == ["StartTransaction", "StopTransaction"]
    assert said[0][1]["meterStart"] == 1000
    assert said[1][1]["transactionId"] == 4711
    assert said[1][1]["meterStop"] == 2500


@pytest.mark.parametrize("id", [0, -5, 2_147_483_647])
def test_16_errata_3_54_any_id_of_the_csms_is_used_as_it_is(id: int) -> None:
    bench, driver = start("1.6")
    driver.answers["StartTransaction"] = {"transactionId": id, "idTagInfo": {"status": "Accepted"}}
    driver.plug()
    driver.tap()
    assert bench.engine.block("transactions").find(str(id)) is not None
    driver.tap()
    assert driver.take()[-1][1]["transactionId"] == id


def test_16_the_id_of_the_csms_survives_a_power_cut() -> None:
    bench, driver = start("1.6")
    driver.plug()
    driver.tap()
    driver = restart(bench, "1.6", register_wh=1800.0)
    said = driver.take()
    assert events(said) == ["StopTransaction"]
    assert (said[0][1]["transactionId"], said[0][1]["reason"], said[0][1]["meterStop"]) == (4711, "PowerLoss", 1800)


def test_16_two_connectors_keep_their_ids_apart() -> None:
    _, driver = start("1.6", evses=2)
    ids = iter((41, 42))
    driver.answers["StartTransaction"] = lambda _: {"transactionId": next(ids), "idTagInfo": {"status": "Accepted"}}
    for evse in (1, 2):
        driver.plug(evse)
        driver.tap(f"CARD{evse}", (evse,))
    driver.tap("CARD1", (1,))
    driver.tap("CARD2", (2,))
    said = driver.take()
    assert [(action, payload.get("connectorId"), payload.get("transactionId")) for action, payload in said] == [
        ("StartTransaction", 1, None),
        ("StartTransaction", 2, None),
        ("StopTransaction", None, 41),
        ("StopTransaction", None, 42),
    ]


def test_16_a_transaction_that_began_at_the_plug_is_told_when_its_driver_is_known() -> None:
    _, driver = start("1.6", TxCtrlr_TxStartPoint="EVConnected", TxCtrlr_TxStopPoint="Authorized")
    driver.plug()
    assert driver.take() == []
    driver.draw(10)
    driver.tap("CARD")
    said = driver.take()
    assert events(said) == ["StartTransaction"]
    assert said[0][1]["meterStart"] == 1010
    driver.tap("CARD")
    assert events(driver.take()) == ["StopTransaction"]


def test_16_a_transaction_without_any_driver_is_none_in_16() -> None:
    bench, driver = start("1.6", TxCtrlr_TxStartPoint="EVConnected", TxCtrlr_TxStopPoint="EVConnected")
    driver.plug()
    driver.unplug()
    assert driver.take() == []
    assert bench.journal.pending == 0


def test_16_3_9_a_long_token_is_cut_in_transaction_messages_and_logged() -> None:
    bench, driver = start("1.6", AuthCtrlr_Enabled="false")
    driver.plug()
    driver.tap("0123456789ABCDEF01234567")
    assert driver.take()[0][1]["idTag"] == "0123456789ABCDEF0123"
    assert "a token is too long for OCPP 1.6 and was cut" in bench.log.texts("warning")


# -- both dialects over one journal ----------------------------------------------------------------------------------


def test_a_transaction_begun_in_2x_ends_in_16() -> None:
    bench, driver = start("2.0.1")
    driver.plug()
    driver.tap("CARD")
    driver.draw(700)
    driver.take()
    bench.drop()
    bench.connect("1.6")
    driver.tap("CARD")
    said = driver.take()
    assert events(said) == ["StartTransaction", "StopTransaction"]
    assert (said[0][1]["meterStart"], said[0][1]["idTag"]) == (1000, "CARD")
    assert (said[1][1]["meterStop"], said[1][1]["transactionId"]) == (1700, 4711)


@versions2
def test_a_transaction_begun_in_16_ends_in_2x(version: str) -> None:
    bench, driver = start("1.6")
    driver.plug()
    driver.tap("CARD")
    driver.take()
    bench.drop()
    bench.connect(version)
    driver.tap("CARD")
    said = driver.take()
    assert events(said) == ["Ended StopAuthorized EVConnected"]
    assert bench.journal.state.get("transactions:csms") is None


@versions
def test_a_journal_written_under_one_version_is_worded_in_another(version: str) -> None:
    bench, driver = start("2.1" if version == "1.6" else "1.6", AuthCtrlr_OfflineTxForUnknownIdEnabled="true")
    bench.drop()
    driver.plug()
    driver.tap()
    driver.tap()
    bench.open(version)
    driver.settle()
    assert bench.journal.pending == 0


@versions
def test_samples_are_on_the_disk_before_they_are_sent_and_in_groups_while_offline(version: str) -> None:
    """A sample that was sent and then lost would leave its seqNo to the next event."""
    bench, driver = start(version, SampledDataCtrlr_TxUpdatedInterval="60")
    driver.plug()
    driver.tap()
    driver.take()
    bench.advance(60)
    assert bench.sent and not bench.journal.unsynced
    driver.settle()
    bench.drop()
    driver.meter(1)
    bench.advance(60)
    assert bench.journal.unsynced


@versions2
def test_a_word_that_2_0_1_lacks_is_left_out_of_an_event_with_meter_values(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    driver.tap()
    driver.take()
    bench.fact("stopped", 1, "ReqEnergyTransferRejected")
    driver.settle()
    payload = driver.take()[-1][1]
    assert payload["meterValue"]
    info = payload["transactionInfo"]
    assert info.get("stoppedReason") == ("ReqEnergyTransferRejected" if version == "2.1" else None)


# -- what is kept of an open transaction ---------------------------------------------------------------------------


def running() -> tuple[Bench, Any]:
    """A transaction whose kept state has been found as it should be, so that it is compared no more."""
    bench, driver = start("2.1")
    driver.plug()
    driver.tap()
    driver.take()
    tx = bench.engine.block("transactions").current(1)
    for _ in range(2):
        bench.engine.block("transactions").rate_changed(tx)
    driver.take()
    assert tx.kept[0] is bench.journal.state["transactions:1"]
    return bench, tx


@pytest.mark.parametrize(
    "fact, value, letter, kept",
    [
        ("begin_wh", 7.5, "b", 7.5), ("begin_wh", None, "b", None), ("group", "G", "g", "G"),
        ("remote_start_id", 0, "r", 0), ("reservation_id", 9, "v", 9), ("connector", 2, "x", 2),
        ("reason", "Local", "s", "Local"), ("limit_wh", 0.0, "l", 0.0), ("begun", False, "m", None),
        ("token", Token("OTHER"), "k", ["OTHER", "ISO14443"]), ("token", Token("card"), "k", ["card", "ISO14443"]),
        ("token", Token("CARD", "Central"), "k", ["CARD", "Central"]), ("token", None, "k", None),
    ],
)  # fmt: skip
def test_a_fact_of_a_transaction_that_changed_is_kept_with_the_next_event(
    fact: str, value: Any, letter: str, kept: Any
) -> None:
    bench, tx = running()
    assert bench.journal.state["transactions:1"].get(letter) != kept
    setattr(tx, fact, value)
    if fact == "begun":
        tx.evse.values_when = None  # else its values are told, and it has begun
    bench.engine.block("transactions").rate_changed(tx)
    assert bench.journal.state["transactions:1"].get(letter) == kept
    assert bench.journal.state["transactions:1"] == tx.live()


@pytest.mark.parametrize("there", [None, {"t": "another"}])
def test_what_is_kept_of_a_transaction_is_written_again_where_the_journal_has_it_no_more(there: Any) -> None:
    bench, tx = running()
    bench.journal.write(keep={"transactions:1": there})
    bench.engine.block("transactions").rate_changed(tx)
    assert bench.journal.state["transactions:1"] == tx.live()


def test_what_is_kept_of_a_transaction_is_not_written_with_every_event() -> None:
    bench, tx = running()
    written: list[Any] = []
    record = bench.engine.record
    bench.engine.record = lambda *args, **more: (written.append(set(more["keep"])), record(*args, **more))[1]
    for _ in range(3):
        bench.engine.block("transactions").rate_changed(tx)
    tx.group = "G"
    for _ in range(3):
        bench.engine.block("transactions").rate_changed(tx)
    counters, both = {"transactions:1n"}, {"transactions:1", "transactions:1n"}
    assert written == [counters, counters, counters, both, counters, counters]


# -- power loss, E17 -------------------------------------------------------------------------------------------------


@versions
def test_power_loss_ends_the_transaction_with_what_the_meter_says_then(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    driver.tap()
    driver.draw(100)
    driver.wait(61)
    driver.draw(50)
    driver.take()
    driver = restart(bench, version, register_wh=1155.0)
    said = driver.take()
    payload = said[-1][1]
    if version == "1.6":
        assert events(said) == ["StopTransaction"]
        assert (payload["reason"], payload["meterStop"]) == ("PowerLoss", 1155)
    else:
        assert events(said) == ["Ended AbnormalCondition"]
        assert payload["transactionInfo"]["stoppedReason"] == "PowerLoss"
        assert payload["offline"] is True
        assert payload["seqNo"] == 3
        assert measurands(payload["meterValue"][-1]) == [("Energy.Active.Import.Register", None, 1155)]
        assert payload["transactionInfo"]["timeSpentCharging"] == 60
    assert bench.engine.block("transactions").current(1) is None


@versions
def test_after_a_power_loss_the_plug_is_seen_before_the_meter_speaks(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    driver.tap()
    driver.take()
    driver = restart(bench)
    bench.open(version)
    driver.plug()
    bench.tap("CARD")
    driver.settle()
    assert driver.take() == []
    driver.register_wh[1] = 1001.0
    driver.meter(0)
    driver.settle()
    said = driver.take()
    assert events(said) == ["StopTransaction" if version == "1.6" else "Ended AbnormalCondition"]
    driver.wait(20)
    assert driver.take() == []
    driver.tap("CARD")
    assert events(driver.take())[0] == ("StartTransaction" if version == "1.6" else "Started Authorized EVConnected")


@versions
@pytest.mark.parametrize("register_wh", [None, 3.0])
def test_power_loss_with_a_silent_or_another_meter_ends_with_the_last_known_register(
    version: str, register_wh: float | None
) -> None:
    bench, driver = start(version)
    driver.plug()
    driver.tap()
    driver.draw(100)
    driver.wait(61)
    driver = restart(bench, version, register_wh=register_wh)
    bench.advance(6)
    driver.settle()
    payload = driver.take()[-1][1]
    if version == "1.6":
        assert payload["meterStop"] == 1100
    else:
        assert measurands(payload["meterValue"][-1]) == [("Energy.Active.Import.Register", None, 1100)]


@versions
def test_E17_FR_14_a_transaction_is_resumed_if_the_station_is_told_to(version: str) -> None:
    bench = Bench(station={**STATION, "power_loss": "resume"})
    bench.connect(version)
    driver = Driver(bench)
    driver.plug()
    driver.tap("CARD")
    id = bench.engine.block("transactions").current(1).id
    driver = restart(bench, register_wh=1200.0)
    assert ("authorize", 1) in driver.effects
    driver.plug()
    bench.advance(6)
    bench.open(version)
    driver.settle()
    said = driver.take()
    assert bench.engine.block("transactions").current(1).id == id
    if version == "1.6":
        assert events(said) == ["MeterValues"]
        assert said[0][1]["transactionId"] == 4711
        assert said[0][1]["meterValue"][0]["sampledValue"][0]["context"] == "Interruption.End"
    else:
        resumed = "TxResumed" if version == "2.1" else "ChargingStateChanged"
        assert events(said) == [f"Updated {resumed} Charging"]
        assert infos(said)[0]["transactionId"] == id
    driver.tap("CARD")
    assert len(driver.take()) == 1


@versions2
def test_a_resumed_transaction_can_be_stopped_at_once(version: str) -> None:
    bench = Bench(station={**STATION, "power_loss": "resume"})
    bench.connect(version)
    driver = Driver(bench)
    driver.plug()
    driver.tap("CARD")
    driver = restart(bench, register_wh=1200.0)
    driver.plug()
    driver.tap("CARD")
    bench.advance(20)
    bench.open(version)
    driver.settle()
    assert events(driver.take()) == ["Ended StopAuthorized EVConnected"]


def test_E17_FR_20_an_interruption_longer_than_ResumptionTimeout_ends() -> None:
    entry = {"component": "TxCtrlr", "variable": "ResumptionTimeout", "value": "60", "mutability": "ReadOnly"}
    for pause_s, expected in ((50, "Updated TxResumed Charging"), (70, "Ended AbnormalCondition")):
        bench = Bench(variables=[entry])
        bench.connect("2.1")
        driver = Driver(bench)
        driver.plug()
        driver.tap()
        bench.time.advance(pause_s)
        driver = restart(bench, register_wh=1000.0)
        driver.plug()
        bench.advance(6)
        bench.open("2.1")
        driver.settle()
        assert events(driver.take())[0] == expected


@versions2
def test_E17_FR_12_energy_does_not_flow_again_where_it_may_not(version: str) -> None:
    entry = {"component": "TxCtrlr", "variable": "AllowEnergyTransferResumption", "value": "false"}
    bench = Bench(variables=[entry], station={**STATION, "power_loss": "resume"})
    bench.connect(version)
    driver = Driver(bench)
    driver.plug()
    driver.tap()
    driver = restart(bench, register_wh=1000.0)
    driver.plug()
    bench.advance(6)
    bench.open(version)
    driver.settle()
    assert ("authorize", 1) not in driver.effects
    assert events(driver.take())[0].endswith("EVConnected")


@versions
def test_a_transaction_of_an_evse_that_is_gone_still_ends(version: str) -> None:
    bench, driver = start(version, evses=2)
    driver.plug(2)
    driver.tap("CARD", (2,))
    bench._evses = 1
    driver = restart(bench, version)
    bench.advance(6)
    driver.settle()
    said = driver.take()
    assert len(said) == 1
    if version == "1.6":
        assert said[0][1]["meterStop"] == 1000
    else:
        assert infos(said)[0]["stoppedReason"] == "PowerLoss"


# -- lesson 12: unknown clock ----------------------------------------------------------------------------------------


@versions
def test_lesson_12_a_transaction_before_the_clock_was_known_gets_true_times(version: str) -> None:
    clock = FakeClock(utc=0.0)
    bench = Bench(clock=clock)
    bench.model.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true")
    driver = Driver(bench)
    driver.plug()
    driver.tap()
    driver.wait(600)
    driver.tap()
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer({"status": "Accepted", "currentTime": "2026-05-01T12:00:00.000Z", "interval": 300})
    driver.settle()
    times = [payload["timestamp"] for action, payload in driver.take() if "timestamp" in payload]
    assert times[0] == "2026-05-01T11:50:00.000Z"
    assert times[-1] == "2026-05-01T12:00:00.000Z"


# -- E14 -------------------------------------------------------------------------------------------------------------


@versions2
def test_E14_transaction_status(version: str) -> None:
    bench, driver = start(version)
    assert bench.ask("GetTransactionStatus") == {"messagesInQueue": False}
    assert bench.ask("GetTransactionStatus", {"transactionId": "unknown"}) == {
        "messagesInQueue": False,
        "ongoingIndicator": False,
    }
    driver.plug()
    driver.tap()
    id = bench.engine.block("transactions").current(1).id
    assert bench.ask("GetTransactionStatus", {"transactionId": id}) == {
        "messagesInQueue": False,
        "ongoingIndicator": True,
    }
    bench.drop()
    driver.tap()
    bench.open(version)
    assert bench.ask("GetTransactionStatus", {"transactionId": id}) == {
        "messagesInQueue": True,
        "ongoingIndicator": False,
    }
    assert bench.ask("GetTransactionStatus") == {"messagesInQueue": True}
    driver.settle()
    assert bench.ask("GetTransactionStatus", {"transactionId": id})["messagesInQueue"] is False


# -- the meter -------------------------------------------------------------------------------------------------------


@versions
def test_a_meter_that_is_silent_at_the_start(version: str) -> None:
    bench = Bench()
    bench.connect(version)
    driver = Driver.__new__(Driver)
    driver.bench, driver.stop_on_disconnect, driver.answers = bench, True, {}
    driver.said, driver.effects, driver.authorized, driver.register_wh = [], [], set(), {}
    driver.plug()
    driver.tap()
    first = driver.take()[0][1]
    if version == "1.6":
        assert first["meterStart"] == 0
        assert "the meter was silent: 0 is sent" in bench.log.texts("warning")
    else:
        assert "meterValue" not in first
    driver.register_wh[1] = 5000.0
    driver.meter(0)
    bench.advance(60)
    driver.settle()
    said = driver.take()
    if version != "1.6":
        contexts = [each["sampledValue"][0]["context"] for each in said[-1][1]["meterValue"]]
        assert contexts == ["Transaction.Begin", "Sample.Periodic"]


@pytest.mark.parametrize(("noted", "cut", "counted_wh"), [(True, False, 1500), (True, True, 1500), (False, True, 0)])
def test_16_a_start_told_without_a_register_never_counts_too_much(noted: bool, cut: bool, counted_wh: int) -> None:
    """The meter comes back within the transaction: the difference is what it saw, and not its whole register."""
    bench = Bench()
    bench.connect("1.6")
    bench.fact("plugged", 1, 1)
    bench.tap("CARD")
    (start,) = [payload for action, payload in bench.settle() if action == "StartTransaction"]
    assert start["meterStart"] == 0
    bench.reading(1, 12_345_000.0)
    if noted:  # any event after the first reading
        tx = bench.engine.block("transactions").current(1)
        bench.engine.block("transactions").rate_changed(tx)
    bench.settle()
    if cut:
        said = restart(bench, "1.6", register_wh=12_346_500.0).take()
    else:
        bench.reading(1, 12_346_500.0)
        bench.fact("stopped", 1, "Local")
        said = bench.settle()
    (stop,) = [payload for action, payload in said if action == "StopTransaction"]
    assert stop["meterStop"] == counted_wh
    assert bench.journal.state.get("transactions:blind") is None


def test_16_a_start_told_late_has_the_first_register_of_the_transaction() -> None:
    bench = Bench()
    bench.model.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true")
    bench.fact("plugged", 1, 1)
    bench.tap("CARD")
    bench.reading(1, 777.0)
    bench.open("1.6")
    said = bench.settle()
    assert [payload["meterStart"] for action, payload in said if action == "StartTransaction"] == [777]


# -- size ------------------------------------------------------------------------------------------------------------


def test_lesson_16_rows_are_small() -> None:
    bench, driver = start("2.0.1")
    values = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage"
    bench.model.set("SampledDataCtrlr", "TxUpdatedMeasurands", values)
    driver.plug()
    driver.tap()
    bench.drop()
    reading: dict[Any, float] = {
        ("Energy.Active.Import.Register", None): 1234567.0,
        ("Power.Active.Import", None): 11000.0,
    }
    for phase in ("L1", "L2", "L3"):
        reading["Current.Import", phase] = 15.987
        reading["Voltage", phase + "-N"] = 230.12
    for _ in range(6):
        bench.fact("reading", 1, reading, None)
        bench.advance(10)
    seq, entry = bench.journal.head() or (0, None)
    assert seq and entry[2]["m"]
    assert len(dumps(entry)) <= 250
    counters = bench.journal.state["transactions:1n"]
    assert len(json.dumps(counters)) <= 60


@versions2
def test_a_long_outage_stays_on_the_flash_and_is_told_in_order(version: str) -> None:
    bench, driver = start(version, AuthCtrlr_OfflineTxForUnknownIdEnabled="true")
    bench.drop()
    for _ in range(10):
        driver.plug()
        driver.tap()
        driver.wait(120)
        driver.tap()
        driver.unplug()
    block = bench.engine.block("transactions")
    assert block.open == {}
    assert not [key for key in bench.journal.state if key.startswith("transactions:")]
    bench.open(version)
    driver.settle()
    said = driver.take()
    sequences: dict[str, list[int]] = {}
    for _, payload in said:
        sequences.setdefault(payload["transactionInfo"]["transactionId"], []).append(payload["seqNo"])
    assert len(sequences) == 10
    assert all(numbers == list(range(len(numbers))) for numbers in sequences.values())
    stamps = [payload["timestamp"] for _, payload in said]
    assert stamps == sorted(stamps)


# -- anything in any order


STEPS = ("plug", "unplug", "tap", "other", "draw", "wait", "drop", "open", "fault", "cut")


class Csms:
    """Takes every transaction message, and holds the station to the rules."""

    def __init__(self) -> None:
        self.transactions: dict[Any, list[tuple[str, dict[str, Any]]]] = {}
        self.ids = 0

    def start16(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.ids += 1
        self.transactions[self.ids] = [("StartTransaction", payload)]
        return {"transactionId": self.ids, "idTagInfo": {"status": "Accepted"}}

    def follow16(self, payload: dict[str, Any]) -> dict[str, Any]:
        if "transactionId" in payload:
            said = self.transactions[payload["transactionId"]]
            assert not any("meterStop" in each for _, each in said), "something follows a StopTransaction"
            said.append(("later", payload))
        return {}

    def event(self, payload: dict[str, Any]) -> dict[str, Any]:
        said = self.transactions.setdefault(payload["transactionInfo"]["transactionId"], [])
        assert payload["seqNo"] == len(said)
        assert (payload["eventType"] == "Started") == (not said)
        assert not said or said[-1][1]["eventType"] != "Ended"
        assert not said or said[-1][1]["timestamp"] <= payload["timestamp"]
        said.append((payload["eventType"], payload))
        return {}


@pytest.mark.parametrize("seed", range(40))
@versions
def test_whatever_happens_each_transaction_is_told_once_whole_and_in_order(version: str, seed: int) -> None:
    chance = Random(seed)
    points = ["PowerPathClosed", "EVConnected", "Authorized", "EnergyTransfer"]
    variables = {
        "TxCtrlr_TxStartPoint": ",".join(chance.sample(points, chance.randint(1, 2))),
        "TxCtrlr_TxStopPoint": ",".join(chance.sample(points, chance.randint(1, 2))),
        "AuthCtrlr_OfflineTxForUnknownIdEnabled": "true",
        "SampledDataCtrlr_TxUpdatedInterval": "20",
    }
    bench, driver = start(version, stop_on_disconnect=chance.random() < 0.7, **variables)
    csms = Csms()
    answers = {"StartTransaction": csms.start16, "StopTransaction": csms.follow16, "MeterValues": csms.follow16}
    answers["TransactionEvent"] = csms.event
    driver.answers = answers
    for _ in range(40):
        step = chance.choice(STEPS)
        plugged = bench.engine.evses[1].plugged is not None
        if step == "plug" and not plugged:
            driver.plug()
        elif step == "unplug" and plugged:
            driver.unplug()
        elif step in ("tap", "other"):
            driver.tap("CARD" if step == "tap" else "OTHER")
        elif step == "draw":
            driver.draw(chance.randint(1, 900))
        elif step == "wait":
            driver.wait(chance.randint(1, 60))
        elif step == "drop" and bench.engine.is_connected:
            bench.drop()
            driver.settle()
        elif step == "open" and not bench.engine.is_connected:
            bench.open(version)
            driver.settle()
        elif step == "fault" and bench.engine.evses[1].authorized:
            driver.fault()
        elif step == "cut" and chance.random() < 0.3:
            stop_on_disconnect, register_wh = driver.stop_on_disconnect, driver.register_wh[1]
            driver = restart(bench)
            driver.stop_on_disconnect, driver.answers = stop_on_disconnect, answers
            driver.register_wh = {1: register_wh}
            driver.meter(0)
            driver.settle()
        evse = bench.engine.evses[1]
        assert (1 in driver.authorized) == (evse.authorized is not None)
    if not bench.engine.is_connected:
        bench.open(version)
    driver.settle()
    if bench.engine.evses[1].authorized:
        driver.fault("Other")
    if bench.engine.evses[1].plugged is not None:
        driver.unplug()
    driver.wait(20)
    assert bench.journal.pending == 0
    assert bench.engine.block("transactions").open == {}
    assert [key for key in bench.journal.state if key.startswith("transactions:")] == []
    assert not bench.log.texts("error")
    for said in csms.transactions.values():
        assert len(said) > 1
        if version == "1.6":
            assert said[-1][1]["meterStop"] >= said[0][1]["meterStart"]
        else:
            assert said[-1][0] == "Ended"
            assert "stoppedReason" in said[-1][1]["transactionInfo"]


@versions
def test_a_lost_connection_is_no_attempt(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    bench.tap("CARD")
    bench.expect("Authorize")
    bench.answer(bench.usual("Authorize"))
    action = "StartTransaction" if version == "1.6" else "TransactionEvent"
    for _ in range(5):
        until_said(bench)
        bench.drop()
        bench.open(version)
    bench.expect(action)
    bench.refuse()
    assert "the CSMS never took an event of a transaction" not in bench.log.texts("error")
    until_said(bench)
    bench.expect(action)
