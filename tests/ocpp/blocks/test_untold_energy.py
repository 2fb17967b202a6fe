"""No energy flows without a transaction that tells of it, in whatever order things come; none is forgotten."""

from __future__ import annotations

from typing import Any

from tests.support.bench import versions2
from tests.support.states201 import ACCEPTED, Event, Station, board, triggers
from tests.support.wholestation import board as bay

RESUME = {"power_loss": "resume"}


def registers(events: list[Event], context: str) -> list[float]:
    """What the events say of the energy register with this context."""
    said: list[float] = []
    for event in events:
        for sampled in (each for value in event.get("meterValue", ()) for each in value["sampledValue"]):
            if (sampled["measurand"], sampled["context"]) == ("Energy.Active.Import.Register", context):
                said.append(sampled["value"])
    return said


def of(events: list[Event], transaction: Any) -> list[Event]:
    return [event for event in events if event["transactionInfo"]["transactionId"] == transaction]


@versions2
def test_without_a_word_of_the_bay_sensor_the_transaction_begins_with_the_energy(version: str) -> None:
    station = Station(bay(parking=True), version=version)
    station.put(TxCtrlr__TxStartPoint="ParkingBayOccupancy")
    station.plug()
    station.tap()
    station.expect("StatusNotification")
    station.expect("Authorize", answer={"idTokenInfo": ACCEPTED})
    (started,) = station.hear()
    assert started["eventType"] == "Started" and started["transactionInfo"]["chargingState"] == "Charging"
    assert registers([started], "Transaction.Begin") == [0]


@versions2
def test_a_start_point_that_is_taken_away_in_the_middle_of_a_session_leaves_no_energy_untold(version: str) -> None:
    station = Station(version=version)
    station.put(TxCtrlr__TxStartPoint="EnergyTransfer")
    station.plug()
    station.do("suspend", 1)
    station.tap()
    station.expect("StatusNotification")
    station.expect("Authorize", answer={"idTokenInfo": ACCEPTED})
    assert station.hear() == []
    station.put(TxCtrlr__TxStartPoint="EVConnected")
    station.do("resume", 1)
    assert triggers(station.hear()) == ["ChargingStateChanged"]


@versions2
def test_what_began_before_a_power_cut_ends_before_the_next_card_begins_at_the_same_reader(version: str) -> None:
    station = Station(board(evses=2), version=version)
    station.put(TxCtrlr__TxStartPoint="Authorized", AuthCtrlr__OfflineTxForUnknownIdEnabled=True)
    station.evse = 2
    station.tap("FIRST")
    station.expect("Authorize", answer={"idTokenInfo": ACCEPTED})
    (first,) = station.hear()
    station.power_cut()
    station.power_up()
    station.tap("SECOND")
    station.connect()
    station.expect("BootNotification", answer=station.registration("Accepted", 86_400))
    (ended,) = of(station.hear(), first["transactionInfo"]["transactionId"])
    assert (ended["eventType"], ended["transactionInfo"]["stoppedReason"]) == ("Ended", "PowerLoss")


@versions2
def test_a_cable_that_comes_right_after_a_power_cut_finds_the_register_at_the_beginning(version: str) -> None:
    station = Station(version=version, station=RESUME)
    station.put(TxCtrlr__TxStartPoint="Authorized")
    station.tap()
    station.expect("Authorize", answer={"idTokenInfo": ACCEPTED})
    station.hear()
    station.power_cut()
    station.power_up()
    station.plug()
    station.advance(60)
    station.connect()
    station.expect("BootNotification", answer=station.registration("Accepted", 86_400))
    events = station.hear()
    assert registers(events, "Transaction.Begin") == [0]
    assert triggers(events)[1] == "CablePluggedIn"


@versions2
def test_a_vehicle_that_drives_on_ends_the_transaction_that_nothing_else_could_end(version: str) -> None:
    station = Station(bay(parking=True), version=version)
    station.put(TxCtrlr__TxStartPoint="ParkingBayOccupancy", TxCtrlr__TxStopPoint="Authorized")
    station.do("park", 1)
    assert triggers(station.hear()) == ["EVDetected"]
    station.do("leave", 1)
    (ended,) = station.hear()
    assert (ended["eventType"], ended["triggerReason"]) == ("Ended", "EVDeparted")


@versions2
def test_a_vehicle_that_left_without_power_ends_the_transaction_that_nobody_was_authorized_for(version: str) -> None:
    station = Station(version=version, station=RESUME)
    station.put(TxCtrlr__TxStartPoint="EVConnected", TxCtrlr__StopTxOnEVSideDisconnect=False)
    station.plug()
    assert triggers(station.hear()) == ["CablePluggedIn"]
    station.power_cut()
    station.sim.outlet(1).vehicle.plugged = False
    station.power_up()
    station.advance(10)
    station.connect()
    station.expect("BootNotification", answer=station.registration("Accepted", 86_400))
    (ended,) = station.hear()
    assert (ended["eventType"], ended["transactionInfo"]["stoppedReason"]) == ("Ended", "EVDisconnected")


@versions2
def test_what_flows_until_the_contactor_is_open_is_told_where_the_vehicle_drives_off(version: str) -> None:
    station = Station(bay(parking=True, contactor={"delay_s": 0.5}), version=version)
    station.put(TxCtrlr__TxStopPoint="ParkingBayOccupancy")
    station.do("park", 1)
    station.plug()
    station.tap()
    station.expect("StatusNotification")
    station.expect("Authorize", answer={"idTokenInfo": ACCEPTED})
    station.hear()
    station.advance(20)
    station.hear()
    station.do("leave", 1)
    station.advance(2)
    ended = station.hear()[-1]
    assert (ended["eventType"], ended["triggerReason"]) == ("Ended", "EVDeparted")
    register_wh = station.sim.outlet(1).meter.register_wh
    assert abs(registers([ended], "Transaction.End")[0] - register_wh) < 0.01
