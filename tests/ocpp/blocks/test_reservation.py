"""H. Reservation, in the three versions."""

from __future__ import annotations

from typing import Any

import pytest

from evse.clock import timestamp
from evse.model import Connector
from tests.support.bench import Bench, versions, versions2
from tests.support.driver import Driver
from tests.support.powercut import PowerCutFS

HOUR_S = 3600.0
FROM_AUTHORIZED = [{"component": "TxCtrlr", "variable": "TxStartPoint", "value": "Authorized"}]


def station(version: str, evses: int = 1, **kwargs: Any) -> tuple[Bench, Driver]:
    bench = Bench(evses=evses, **kwargs)
    bench.connect(version)
    return bench, Driver(bench)


def reserve(
    bench: Bench,
    id: int = 1,
    evse: int | None = 1,
    token: str = "MINE",
    group: str = "",
    seconds: float = HOUR_S,
    type: str = "",
) -> str:
    """ReserveNow in the words of the version; `evse` None for any. The status of the answer."""
    at = timestamp(bench.time.utc + seconds)
    request: dict[str, Any]
    if bench.version == "1.6":
        request = {"reservationId": id, "connectorId": evse or 0, "expiryDate": at, "idTag": token}
        if group:
            request["parentIdTag"] = group
    else:
        request = {"id": id, "expiryDateTime": at, "idToken": {"idToken": token, "type": "ISO14443"}}
        request.update({} if evse is None else {"evseId": evse})
        request.update({"groupIdToken": {"idToken": group, "type": "Central"}} if group else {})
        request.update({"connectorType": type} if type else {})
    status: str = bench.ask("ReserveNow", request)["status"]
    return status


def cancel(bench: Bench, id: int = 1) -> str:
    status: str = bench.ask("CancelReservation", {"reservationId": id})["status"]
    return status


def said(bench: Bench, driver: Driver | None = None) -> list[tuple[int, str]]:
    """What was said since the last call about EVSEs, (id, status), and reservations, (id, how it ended)."""
    told = bench.settle()
    if driver is not None:
        told, driver.said = driver.said + told, []
    short = []
    for action, payload in told:
        if action == "StatusNotification":
            short.append((payload.get("evseId", payload.get("connectorId")), status_of(payload)))
        elif action == "ReservationStatusUpdate":
            short.append((payload["reservationId"], payload["reservationUpdateStatus"]))
    return short


def status_of(payload: dict[str, Any]) -> str:
    status: str = payload.get("connectorStatus") or payload["status"]
    return status


def told_end(version: str, id: int, status: str) -> list[tuple[int, str]]:
    """A ReservationStatusUpdate, which 1.6 does not have."""
    return [] if version == "1.6" else [(id, status)]


def is_charging(bench: Bench, evse: int = 1) -> bool:
    return bench.engine.evses[evse].authorized is not None


def reservation_ids(driver: Driver) -> list[int]:
    """The reservationIds that transactions named."""
    return [payload["reservationId"] for _, payload in driver.take() if "reservationId" in payload]


# -- H01 -------------------------------------------------------------------------------------------------------------


@versions
def test_H01_FR_03_FR_23_an_available_evse_is_reserved(version: str) -> None:
    bench, _ = station(version, evses=2)
    assert reserve(bench, evse=2) == "Accepted"
    assert said(bench) == [(2, "Reserved")]
    assert bench.take_effects("permit") == [("permit", 2, False)]


@versions
def test_H01_FR_01_a_station_that_takes_no_reservations_rejects(version: str) -> None:
    bench, _ = station(version)
    bench.model.set("ReservationCtrlr", "Enabled", "false")
    assert reserve(bench) == "Rejected"
    assert said(bench) == []


@versions
def test_H01_FR_19_any_evse_is_rejected_unless_NonEvseSpecific(version: str) -> None:
    off = [{"component": "ReservationCtrlr", "variable": "NonEvseSpecific", "value": "false"}]
    bench, _ = station(version, variables=off)
    assert reserve(bench, evse=None) == "Rejected"
    assert reserve(bench, evse=1) == "Accepted"


@versions
def test_H01_an_evse_that_is_not_there_is_rejected(version: str) -> None:
    bench, _ = station(version)
    assert reserve(bench, evse=2) == "Rejected"


@versions
def test_H01_an_expiry_in_the_past_is_rejected(version: str) -> None:
    bench, _ = station(version)
    assert reserve(bench, seconds=0) == "Rejected"
    assert said(bench) == []


@versions
def test_H01_FR_02_the_same_id_replaces(version: str) -> None:
    bench, driver = station(version, evses=2)
    reserve(bench, evse=1)
    said(bench)
    assert reserve(bench, evse=1, token="OTHER") == "Accepted"
    assert said(bench) == []
    assert reserve(bench, evse=2, token="OTHER") == "Accepted"
    assert sorted(said(bench)) == [(1, "Available"), (2, "Reserved")]
    driver.plug(2)
    driver.tap("MINE", (2,))
    assert not is_charging(bench, 2)
    driver.tap("OTHER", (2,))
    assert is_charging(bench, 2)


@versions
def test_H01_FR_02_a_replacement_that_cannot_be_made_leaves_the_old_one(version: str) -> None:
    bench, driver = station(version, evses=2)
    driver.plug(2)
    reserve(bench, evse=1)
    said(bench, driver)
    assert reserve(bench, evse=2) == "Occupied"
    assert said(bench) == []
    assert cancel(bench) == "Accepted"


@versions
def test_H01_FR_11_reserved_is_occupied_for_another_reservation(version: str) -> None:
    bench, _ = station(version)
    reserve(bench, id=1)
    assert reserve(bench, id=2, token="OTHER") == "Occupied"
    assert reserve(bench, id=3) == "Occupied"  # [1.6 §5.13: for the same or another idTag]
    assert reserve(bench, id=4, evse=None) == "Occupied"


@versions
@pytest.mark.parametrize("evse", [1, None])
def test_H01_FR_11_an_evse_in_use_is_occupied(version: str, evse: int | None) -> None:
    bench, driver = station(version)
    driver.plug()
    assert reserve(bench, evse=evse) == "Occupied"
    driver.tap("SOMEBODY")
    assert reserve(bench, evse=evse) == "Occupied"
    driver.unplug()
    assert reserve(bench, evse=evse) == "Accepted"


@versions
def test_H01_FR_11_somebody_who_has_not_plugged_in_yet_occupies_too(version: str) -> None:
    bench, driver = station(version)
    driver.tap("SOMEBODY")
    assert reserve(bench) == "Occupied"


@versions
@pytest.mark.parametrize("evse", [1, None])
def test_H01_FR_12_a_faulted_evse(version: str, evse: int | None) -> None:
    bench, _ = station(version)
    bench.fact("fault", 1, "GroundFailure", "")
    bench.settle()
    assert reserve(bench, evse=evse) == "Faulted"
    bench.fact("cleared", 1, "GroundFailure")
    bench.settle()
    assert reserve(bench, evse=evse) == "Accepted"


def make_inoperative(bench: Bench, evse: int, status: str = "Inoperative") -> str:
    if bench.version == "1.6":
        request: dict[str, Any] = {"connectorId": evse, "type": status}
    else:
        request = {"operationalStatus": status, **({"evse": {"id": evse}} if evse else {})}
    answer: str = bench.ask("ChangeAvailability", request)["status"]
    return answer


@versions
@pytest.mark.parametrize("evse", [1, None])
def test_H01_FR_14_an_unavailable_evse(version: str, evse: int | None) -> None:
    bench, _ = station(version)
    make_inoperative(bench, 0)
    bench.settle()
    assert reserve(bench, evse=evse) == "Unavailable"


@versions
def test_H01_one_evse_of_several_that_is_free_is_enough(version: str) -> None:
    bench, driver = station(version, evses=3)
    bench.fact("fault", 1, "GroundFailure", "")
    driver.plug(2)
    assert reserve(bench, evse=None) == "Accepted"
    assert (3, "Reserved") in said(bench, driver)


@versions
def test_H01_FR_07_FR_20_any_evse_holds_none_until_there_are_as_many_reservations_as_evses(version: str) -> None:
    bench, driver = station(version, evses=2)
    assert reserve(bench, id=1, evse=None) == "Accepted"
    assert said(bench) == []
    assert reserve(bench, id=2, evse=None, token="ALSO") == "Accepted"
    assert said(bench) == [(1, "Reserved"), (2, "Reserved")]
    assert reserve(bench, id=3, evse=None, token="THIRD") == "Occupied"
    driver.plug(1)
    driver.tap("SOMEBODY", (1,))
    assert not is_charging(bench, 1)
    driver.tap("MINE", (1,))
    assert is_charging(bench, 1)
    assert (2, "Reserved") not in said(bench, driver)  # it still is
    driver.tap("SOMEBODY", (2,))
    assert not is_charging(bench, 2)


@versions
def test_H01_FR_07_the_last_free_evse_is_kept(version: str) -> None:
    bench, driver = station(version, evses=2)
    reserve(bench, evse=None)
    driver.plug(1)
    driver.tap("SOMEBODY", (1,))
    assert is_charging(bench, 1)
    assert (2, "Reserved") in said(bench, driver)
    driver.plug(2)
    assert said(bench, driver) == []  # [G01.FR.09]
    driver.tap("OTHER", (2,))
    assert not is_charging(bench, 2)
    driver.unplug(1)
    heard = said(bench, driver)
    assert heard[-1] == (1, "Reserved") and (2, "Preparing" if version == "1.6" else "Occupied") in heard


@versions2
def test_H01_FR_06_FR_09_FR_24_a_type_of_connector(version: str) -> None:
    bench, driver = station(version, evses=3)
    bench.engine.evses[1].connectors[1] = Connector(1, "cCCS2")
    assert reserve(bench, evse=None, type="cCCS2") == "Accepted"
    assert said(bench) == [(1, "Reserved")]
    assert reserve(bench, id=2, evse=None, type="cCCS2", token="ALSO") == "Occupied"
    assert reserve(bench, id=2, evse=None, type="sType3") == "Rejected"
    assert reserve(bench, id=2, evse=2, type="cCCS2") == "Rejected"
    assert reserve(bench, id=2, evse=None, token="ANY") == "Accepted"
    assert reserve(bench, id=3, evse=None, token="ALL") == "Accepted"
    assert said(bench) == [(2, "Reserved"), (3, "Reserved")]
    driver.plug(1)
    driver.tap("ANY", (1,))  # any will do, but this one is the only one of its kind
    assert not is_charging(bench, 1)
    driver.tap("MINE", (1,))
    assert is_charging(bench, 1)


@versions
@pytest.mark.parametrize("evse", [1, None])
@pytest.mark.parametrize("at", [1, None])
def test_H01_FR_16_a_fault_ends_the_reservation(version: str, evse: int | None, at: int | None) -> None:
    bench, _ = station(version)
    reserve(bench, evse=evse)
    said(bench)
    bench.fact("fault", at, "GroundFailure", "")
    heard = said(bench)
    assert (1, "Faulted") in heard
    assert heard[-1:] == told_end(version, 1, "Removed") or version == "1.6"
    assert cancel(bench) == "Rejected"
    bench.fact("cleared", at, "GroundFailure")
    assert (1, "Available") in said(bench)


@versions
def test_H01_FR_16_a_warning_does_not(version: str) -> None:
    bench, _ = station(version)
    reserve(bench)
    bench.fact("fault", 1, "WeakSignal", "")
    bench.settle()
    assert cancel(bench) == "Accepted"


@versions
@pytest.mark.parametrize("at", [1, 0])
def test_H01_FR_17_ChangeAvailability_ends_the_reservation(version: str, at: int) -> None:
    bench, _ = station(version)
    reserve(bench)
    said(bench)
    assert make_inoperative(bench, at) == "Accepted"
    assert [each for each in said(bench) if each[0] == 1] == [(1, "Unavailable"), *told_end(version, 1, "Removed")]
    make_inoperative(bench, at, "Operative")
    assert (1, "Available") in said(bench)


@versions
def test_H01_FR_16_of_several_for_any_evse_the_latest_goes(version: str) -> None:
    bench, _ = station(version, evses=2)
    reserve(bench, id=7, evse=None)
    reserve(bench, id=8, evse=None, token="ALSO")
    said(bench)
    bench.fact("fault", 1, "GroundFailure", "")
    assert said(bench) == [(1, "Faulted"), *told_end(version, 8, "Removed")]
    assert (cancel(bench, 8), cancel(bench, 7)) == ("Rejected", "Accepted")
    assert said(bench) == [(2, "Available")]


# -- H02 -------------------------------------------------------------------------------------------------------------


@versions
def test_H02_FR_01_an_unknown_reservation_cannot_be_cancelled(version: str) -> None:
    bench, _ = station(version)
    assert cancel(bench) == "Rejected"
    reserve(bench, id=1)
    assert cancel(bench, 2) == "Rejected"


@versions
def test_H02_FR_02_FR_03_FR_04_a_cancelled_reservation_frees_its_evse(version: str) -> None:
    bench, driver = station(version)
    reserve(bench)
    said(bench)
    assert cancel(bench) == "Accepted"
    assert said(bench) == [(1, "Available")]  # and no ReservationStatusUpdate
    assert cancel(bench) == "Rejected"
    driver.plug()
    driver.tap("SOMEBODY")
    assert is_charging(bench)
    assert reservation_ids(driver) == []


@versions
def test_H02_FR_05_FR_06_cancelling_one_for_any_evse_frees_all(version: str) -> None:
    bench, _ = station(version, evses=2)
    reserve(bench, id=1, evse=None)
    reserve(bench, id=2, evse=None)
    said(bench)
    cancel(bench, 1)
    assert said(bench) == [(1, "Available"), (2, "Available")]


# -- H03 -------------------------------------------------------------------------------------------------------------


@versions
def test_H03_FR_01_cable_first(version: str) -> None:
    """G01.FR.09: the cable alone does not end the reservation. H01.FR.15: the transaction names it."""
    bench, driver = station(version)
    reserve(bench, id=42)
    said(bench)
    driver.plug()
    assert said(bench, driver) == []
    driver.tap("SOMEBODY")
    assert not is_charging(bench)
    assert driver.shown()[-1] == "card refused: reserved"
    driver.tap("mine")
    assert is_charging(bench)
    told = said(bench, driver)
    assert told[0] == (1, "Preparing" if version == "1.6" else "Occupied")
    driver.unplug()
    driver.plug()
    driver.tap("SOMEBODY")
    assert is_charging(bench)


@versions
def test_H01_FR_15_the_transaction_names_the_reservation_once(version: str) -> None:
    bench, driver = station(version)
    reserve(bench, id=42)
    driver.plug()
    driver.tap("MINE")
    driver.draw(100)
    driver.tap("MINE")
    driver.unplug()
    assert reservation_ids(driver) == [42]
    driver.plug()
    driver.tap("MINE")
    assert reservation_ids(driver) == []


@versions
def test_H03_FR_09_FR_10_card_first(version: str) -> None:
    bench, driver = station(version, variables=FROM_AUTHORIZED)
    reserve(bench, id=42)
    said(bench)
    driver.tap("MINE")
    assert said(bench, driver)[0] == (1, "Preparing" if version == "1.6" else "Available")
    assert cancel(bench, 42) == "Rejected"  # it is used up
    driver.plug()
    assert is_charging(bench)
    driver.unplug()


@versions2
def test_G01_FR_09_a_transaction_that_begins_with_the_cable_leaves_the_reservation(version: str) -> None:
    connected = [{"component": "TxCtrlr", "variable": "TxStartPoint", "value": "EVConnected"}]
    bench, driver = station(version, variables=connected)
    reserve(bench, id=42)
    said(bench)
    driver.plug()
    assert len(driver.take()) == 1
    assert said(bench, driver) == []
    driver.tap("SOMEBODY")
    assert not is_charging(bench)
    driver.tap("MINE")
    assert (1, "Occupied") in [
        (payload["evseId"], status_of(payload)) for action, payload in driver.said if action == "StatusNotification"
    ]
    assert reservation_ids(driver) == [42]


@versions
@pytest.mark.parametrize("evse", [1, None])
def test_H03_FR_04_FR_06_a_token_of_the_same_group(version: str, evse: int | None) -> None:
    bench, driver = station(version)
    reserve(bench, id=42, evse=evse, group="FLEET")
    group = {"parentIdTag": "other"} if version == "1.6" else {"groupIdToken": {"idToken": "other", "type": "Central"}}
    info = {"status": "Accepted", **group}
    driver.answers["Authorize"] = {"idTagInfo" if version == "1.6" else "idTokenInfo": info}
    driver.plug()
    driver.tap("COLLEAGUE")
    assert not is_charging(bench)
    info.update(
        {"parentIdTag": "fleet"}
        if version == "1.6"
        else {"groupIdToken": {**group["groupIdToken"], "idToken": "fleet"}}
    )
    driver.tap("COLLEAGUE")
    assert is_charging(bench)
    assert reservation_ids(driver) == [42]


@versions
def test_H03_FR_03_any_evse_serves(version: str) -> None:
    bench, driver = station(version, evses=2)
    reserve(bench, id=42, evse=None)
    driver.plug(2)
    driver.tap("MINE", (2,))
    assert is_charging(bench, 2)
    assert reservation_ids(driver) == [42]


@versions
def test_a_reservation_of_another_evse_is_not_used_up(version: str) -> None:
    """[1.6 §5.13] it ends with a transaction on the reserved connector."""
    bench, driver = station(version, evses=2)
    reserve(bench, id=42, evse=2)
    driver.plug(1)
    driver.tap("MINE", (1,))
    assert reservation_ids(driver) == []
    assert cancel(bench, 42) == "Accepted"


@versions
def test_at_a_reader_of_several_evses_the_reserved_one_is_meant(version: str) -> None:
    bench, driver = station(version, evses=2)
    reserve(bench, evse=2)
    said(bench)
    driver.tap("MINE", (1, 2))
    assert not is_charging(bench, 1) and is_charging(bench, 2)
    assert said(bench, driver)[0] == (2, "Preparing" if version == "1.6" else "Available")


@versions
def test_at_a_reader_of_several_evses_any_will_do(version: str) -> None:
    """H03.FR.09: presented is used, before it is known where."""
    bench, driver = station(version, evses=2, variables=FROM_AUTHORIZED)
    reserve(bench, id=41, evse=None)
    reserve(bench, id=42, evse=None, token="ALSO")
    said(bench)
    driver.tap("ALSO", (1, 2))
    ids = [p["reservationId"] for _, p in driver.said if "reservationId" in p]
    assert said(bench, driver) == [(1, "Available"), (2, "Available")]
    driver.plug(2)
    assert is_charging(bench, 2)
    assert [*ids, *(p["reservationId"] for _, p in driver.said if "reservationId" in p)] == [42]
    assert (1, "Reserved") in said(bench, driver)


def remote_start(bench: Bench, token: str, evse: int | None = None, group: str = "") -> str:
    request: dict[str, Any]
    if bench.version == "1.6":
        request = {"idTag": token, **({} if evse is None else {"connectorId": evse})}
        answer = bench.ask("RemoteStartTransaction", request)
    else:
        request = {"idToken": {"idToken": token, "type": "ISO14443"}, "remoteStartId": 1}
        request.update({} if evse is None else {"evseId": evse})
        request.update({"groupIdToken": {"idToken": group, "type": "Central"}} if group else {})
        answer = bench.ask("RequestStartTransaction", request)
    status: str = answer["status"]
    return status


@versions
def test_H03_FR_09_a_remote_start_uses_the_reservation(version: str) -> None:
    bench, driver = station(version)
    reserve(bench, id=42)
    driver.settle()
    assert remote_start(bench, "SOMEBODY", 1) == "Rejected"
    assert remote_start(bench, "MINE", 1) == "Accepted"
    driver.settle()
    driver.plug()
    assert is_charging(bench)
    assert reservation_ids(driver) == [42]


@versions
def test_H03_FR_09_a_remote_start_at_any_evse_takes_the_reserved_one(version: str) -> None:
    bench, driver = station(version, evses=2)
    reserve(bench, id=42, evse=2)
    driver.settle()
    assert remote_start(bench, "MINE") == "Accepted"
    assert is_charging(bench, 2) and not is_charging(bench, 1)


@versions2
def test_H03_FR_04_a_remote_start_with_the_group(version: str) -> None:
    bench, driver = station(version)
    reserve(bench, group="FLEET")
    driver.settle()
    assert remote_start(bench, "COLLEAGUE", 1, "OTHER") == "Rejected"
    assert remote_start(bench, "COLLEAGUE", 1, "FLEET") == "Accepted"


@versions
def test_free_vending_does_not_take_a_reserved_evse(version: str) -> None:
    bench, driver = station(version, station={"free_vending": True})
    reserve(bench)
    driver.plug()
    assert not is_charging(bench)
    driver.tap("MINE")
    assert is_charging(bench)


@versions
@pytest.mark.parametrize("readers", [(1,), (1, 2)])
def test_H03_FR_11_used_but_nobody_charged(version: str, readers: tuple[int, ...]) -> None:
    start = [{"component": "TxCtrlr", "variable": "TxStartPoint", "value": "PowerPathClosed"}]
    bench, driver = station(version, evses=2, variables=start)
    reserve(bench, id=42, evse=1 if readers == (1,) else None)
    driver.tap("MINE", readers)
    driver.said.clear()
    if readers == (1,):
        bench.fact("connection_timeout", 1)
    else:
        bench.advance(61)  # EVConnectionTimeOut
    heard = [each for each in said(bench, driver) if each[0] == 42]
    assert heard == ([(42, "NoTransaction")] if version == "2.1" else [])
    assert bench.journal.pending == 0


def test_H03_FR_11_the_cable_is_gone_before_a_transaction_began() -> None:
    start = [{"component": "TxCtrlr", "variable": "TxStartPoint", "value": "EnergyTransfer"}]
    bench, driver = station("2.1", variables=start)
    reserve(bench, id=42)
    driver.settle()
    bench.fact("plugged", 1, 1)
    bench.tap("MINE")
    driver.said += bench.settle()
    bench.fact("unplugged", 1, 1)
    assert said(bench, driver)[-1:] == [(42, "NoTransaction")]
    bench.tap("SOMEBODY")
    driver.said += bench.settle()
    bench.fact("connection_timeout", 1)
    assert 42 not in [id for id, _ in said(bench, driver)]


@versions
def test_H03_FR_11_a_transaction_that_began_is_told_by_itself(version: str) -> None:
    bench, driver = station(version, variables=FROM_AUTHORIZED)
    reserve(bench, id=42)
    driver.tap("MINE")
    driver.said.clear()
    bench.fact("connection_timeout", 1)
    assert 42 not in [id for id, _ in said(bench, driver)]


# -- H04, and what survives ------------------------------------------------------------------------------------------


@versions
def test_H04_FR_01_FR_02_FR_03_a_reservation_expires(version: str) -> None:
    bench, driver = station(version)
    reserve(bench, seconds=60)
    said(bench)
    bench.advance(59)
    assert said(bench) == []
    bench.advance(2)
    assert said(bench) == [(1, "Available"), *told_end(version, 1, "Expired")]
    assert bench.journal.state.get("reservation:1") is None
    driver.plug()
    driver.tap("SOMEBODY")
    assert is_charging(bench)


@versions
def test_H04_each_expires_at_its_time(version: str) -> None:
    bench, _ = station(version, evses=2)
    reserve(bench, id=11, evse=1, seconds=120)
    reserve(bench, id=12, evse=2, seconds=60)
    said(bench)
    bench.advance(61)
    assert said(bench) == [(2, "Available"), *told_end(version, 12, "Expired")]
    bench.advance(60)
    assert said(bench) == [(1, "Available"), *told_end(version, 11, "Expired")]


@versions
def test_H04_an_expiry_while_offline_is_told_later(version: str) -> None:
    bench, _ = station(version)
    reserve(bench, seconds=60)
    bench.settle()
    bench.drop()
    bench.advance(61)
    assert bench.take_effects("permit")[-1] == ("permit", 1, True)
    bench.open(version)
    assert set(told_end(version, 1, "Expired")) | {(1, "Available")} == set(said(bench))


@versions
def test_H04_the_corrected_clock_counts(version: str) -> None:
    bench, _ = station(version)
    reserve(bench, seconds=600)
    said(bench)
    bench.time.utc += 601
    bench.fact("clock_changed")
    assert said(bench) == [(1, "Available"), *told_end(version, 1, "Expired")]


@versions
@pytest.mark.parametrize("evse", [1, None])
def test_a_reservation_survives_a_power_cut(version: str, evse: int | None) -> None:
    bench, _ = station(version)
    reserve(bench, id=42, evse=evse, group="FLEET")
    bench.settle()
    bench.take_effects()
    bench.cut()
    bench.restart()
    assert bench.take_effects("permit") == [("permit", 1, False)]
    driver = Driver(bench)
    bench.open(version)
    assert (1, "Reserved") in said(bench)
    driver.plug()
    driver.tap("SOMEBODY")
    assert not is_charging(bench)
    driver.tap("MINE")
    assert is_charging(bench)
    assert reservation_ids(driver) == [42]
    bench.cut()
    bench.restart()
    assert not [key for key in bench.journal.state if key.startswith("reservation:")]


@pytest.mark.parametrize("version", ["2.1"])
def test_an_accepted_reservation_is_on_the_disk(version: str) -> None:
    fs = PowerCutFS("/state")
    bench, _ = station(version, fs=fs)
    assert reserve(bench) == "Accepted"
    for _, disk in fs.cut():
        assert Bench(fs=disk).effects == [("permit", 1, False)]
    assert cancel(bench) == "Accepted"
    for _, disk in fs.cut():
        assert Bench(fs=disk).effects == []


@versions
def test_a_reservation_of_an_evse_that_the_station_has_no_more_is_removed(version: str) -> None:
    bench, _ = station(version, evses=2)
    reserve(bench, id=42, evse=2)
    bench.settle()
    bench.cut()
    bench._evses = 1
    bench.restart()
    assert not [key for key in bench.journal.state if key.startswith("reservation:")]
    bench.open(version)
    assert set(told_end(version, 42, "Removed")) <= set(said(bench))


@versions
def test_a_reservation_that_expired_without_power_is_told(version: str) -> None:
    bench, _ = station(version)
    reserve(bench, seconds=60)
    bench.settle()
    bench.cut()
    bench.time.advance(61)
    bench.restart()
    bench.open(version)
    heard = said(bench)
    assert (1, "Available") in heard and (1, "Reserved") not in heard
    assert set(told_end(version, 1, "Expired")) <= set(heard)


@versions2
def test_an_evse_reset_leaves_the_reservation(version: str) -> None:
    """[B11, B12: persistent states]"""
    bench, _ = station(version, variables=[{"component": "EVSE", "variable": "AllowReset", "value": "true"}])
    reserve(bench)
    said(bench)
    assert bench.ask("Reset", {"type": "Immediate", "evseId": 1})["status"] == "Accepted"
    heard = said(bench)
    bench.advance(60)
    heard += said(bench)
    assert heard == [(1, "Unavailable"), (1, "Reserved")]


def test_16_without_the_profile_both_requests_are_refused() -> None:
    bench, _ = station("1.6")
    bench.model.set("OCPP16Ctrlr", "SupportedFeatureProfiles", "Core")
    request = {"reservationId": 1, "connectorId": 1, "expiryDate": bench.utc_text(), "idTag": "A"}
    for action, payload in (("ReserveNow", request), ("CancelReservation", {"reservationId": 1})):
        reply = bench.ask_raw(action, payload)
        assert reply is not None and reply[2] == "NotSupported"


def test_16_ReserveConnectorZeroSupported_is_told() -> None:
    bench, _ = station("1.6")
    (known,) = bench.ask("GetConfiguration", {"key": ["ReserveConnectorZeroSupported"]})["configurationKey"]
    assert known == {"key": "ReserveConnectorZeroSupported", "readonly": True, "value": "true"}


@versions
def test_nothing_is_loaded_for_a_station_without_reservations(version: str) -> None:
    bench, driver = station(version)
    driver.plug()
    driver.tap("A")
    driver.unplug()
    assert bench.engine.loaded("reservation") is None
    reserve(bench)
    bench.cut()
    bench.restart()
    assert bench.engine.loaded("reservation") is not None


def test_H03_FR_11_a_transaction_that_began_with_the_cable_took_the_reservation_up() -> None:
    start = [{"component": "TxCtrlr", "variable": "TxStartPoint", "value": "EVConnected"}]
    bench, driver = station("2.1", variables=start)
    reserve(bench, id=42)
    driver.plug()
    driver.tap("MINE")
    (named,) = [event for _, event in driver.take() if "reservationId" in event]
    assert named["reservationId"] == 42
    driver.tap("MINE")
    assert 42 not in [id for id, *_ in said(bench, driver)]
