"""OCPP 1.6, profile Reservation."""

from __future__ import annotations

import pytest

from evse.clock import timestamp
from tests.support.bench import NOW_UTC
from tests.support.wholestation import WholeStation, board

RESERVATION = 17


def reserve(
    station: WholeStation,
    connector: int = 1,
    id: int = RESERVATION,
    tag: str = "TAG",
    parent: str = "",
    s: float = 3600,
) -> str:
    """ReserveNow for `s` seconds: the status of the answer."""
    more = {"parentIdTag": parent} if parent else {}
    expiry = timestamp(NOW_UTC + station.loop.now + s)
    answer = station.ask(
        "ReserveNow", connectorId=connector, expiryDate=expiry, idTag=tag, reservationId=id, **more
    )  # fmt: skip
    status: str = answer["status"]
    return status


def refuse(station: WholeStation, tag: str, evse: int = 1) -> None:
    """A token that may not use the reservation does not charge."""
    station.tap(tag, evse)
    station.expect("Authorize", idTag=tag)
    station.quiet()
    assert not station.is_charging(evse)


@pytest.mark.parametrize("plug_first", [True, False])
def test_TC_CP_V16_046_1_reservation_local_start(plug_first: bool) -> None:
    """A connector is Reserved, for others too; the token of the reservation starts, StartTransaction names it.

    Then the reservation is over. [1.6 §5.13]
    """
    station = WholeStation()
    assert reserve(station) == "Accepted"
    station.expect_status("Reserved")
    if plug_first:
        station.plug()
        station.quiet()
        refuse(station, "OTHER")
        station.tap("TAG")
        station.expect("Authorize", idTag="TAG")
        station.expect_status("Preparing")
    else:
        refuse(station, "OTHER")
        station.tap("TAG")
        station.expect("Authorize", idTag="TAG")
        station.expect_status("Preparing")
        station.plug()
    station.expect("StartTransaction", connectorId=1, idTag="TAG", reservationId=RESERVATION)
    station.expect_status("Charging")
    station.quiet()
    assert station.ask("CancelReservation", reservationId=RESERVATION) == {"status": "Rejected"}


@pytest.mark.parametrize("plug_first", [True, False])
def test_TC_CP_V16_046_2_reservation_remote_start(plug_first: bool) -> None:
    """RemoteStartTransaction with the token of the reservation uses it; with another one it is rejected."""
    station = WholeStation()
    station.configure(AuthorizeRemoteTxRequests=False)
    assert reserve(station) == "Accepted"
    station.expect_status("Reserved")
    if plug_first:
        station.plug()
    assert station.ask("RemoteStartTransaction", idTag="OTHER", connectorId=1) == {"status": "Rejected"}
    assert station.ask("RemoteStartTransaction", idTag="TAG", connectorId=1) == {"status": "Accepted"}
    station.expect_status("Preparing")
    if not plug_first:
        station.plug()
    station.expect("StartTransaction", connectorId=1, idTag="TAG", reservationId=RESERVATION)
    station.expect_status("Charging")
    station.quiet()


def test_TC_CP_V16_047_reservation_expires() -> None:
    """At expiryDate the connector is Available, for every token; the reservation is gone. [1.6 §5.13]"""
    station = WholeStation()
    assert reserve(station, s=60) == "Accepted"
    station.expect_status("Reserved")
    station.advance(59)
    station.quiet()
    station.advance(2)
    station.expect_status("Available")
    assert station.ask("CancelReservation", reservationId=RESERVATION) == {"status": "Rejected"}
    station.charge("OTHER")


@pytest.mark.parametrize(("case", "connector"), [("048_1", 1), ("050_1", 0)])
def test_TC_CP_V16_048_1_050_1_reservation_faulted(case: str, connector: int) -> None:
    """The connector, or every connector, is Faulted: Faulted."""
    station = WholeStation(board(evses=2))
    for evse in (1, 2) if connector == 0 else (1,):
        station.do("fault", evse, "GroundFailure")
    assert set(station.take_statuses().values()) == {"Faulted"}
    assert reserve(station, connector) == "Faulted"
    station.quiet()


@pytest.mark.parametrize(("case", "connector"), [("048_2", 1), ("050_2", 0)])
def test_TC_CP_V16_048_2_050_2_reservation_occupied(case: str, connector: int) -> None:
    """The connector, or every connector, is in use, or reserved already: Occupied."""
    station = WholeStation(board(evses=2))
    station.charge(evse=1)
    if connector == 0:
        assert reserve(station, 2, id=1) == "Accepted"
        station.expect_status("Reserved", connector=2)
    assert reserve(station, connector) == "Occupied"
    station.quiet()


@pytest.mark.parametrize(("case", "connector"), [("048_3", 1), ("050_3", 0)])
def test_TC_CP_V16_048_3_050_3_reservation_unavailable(case: str, connector: int) -> None:
    """The connector, or the charge point, is Unavailable: Unavailable."""
    station = WholeStation(board(evses=2))
    assert station.ask("ChangeAvailability", connectorId=connector, type="Inoperative") == {"status": "Accepted"}
    assert set(station.take_statuses().values()) == {"Unavailable"}
    assert reserve(station, connector) == "Unavailable"
    station.quiet()


def test_TC_CP_V16_048_4_reservation_rejected() -> None:
    """A charge point that is set up not to take reservations: Rejected. [1.6 §7.40]"""
    station = WholeStation(variables=[{"component": "ReservationCtrlr", "variable": "Enabled", "value": "false"}])
    assert reserve(station) == "Rejected"
    station.quiet()
    station.charge("OTHER")


def test_TC_CP_V16_049_reservation_of_a_charge_point() -> None:
    """Connector 0: one connector stays free for the token, at any; StartTransaction names the reservation."""
    station = WholeStation(board(evses=2))
    assert station.key("ReserveConnectorZeroSupported") == "true"
    assert reserve(station, 0) == "Accepted"
    station.quiet()
    station.plug(1)
    assert station.take_statuses() == {1: "Preparing", 2: "Reserved"}
    station.tap("OTHER", 1)
    station.expect("Authorize", idTag="OTHER")
    station.expect("StartTransaction", connectorId=1, idTag="OTHER")
    station.expect_status("Charging")
    refuse(station, "THIRD", 2)
    station.plug(2)
    station.quiet()
    station.tap("TAG", 2)
    station.expect("Authorize", idTag="TAG")
    station.expect_status("Preparing", connector=2)
    station.expect("StartTransaction", connectorId=2, idTag="TAG", reservationId=RESERVATION)
    station.expect_status("Charging", connector=2)
    station.quiet()


def test_TC_CP_V16_050_4_reservation_of_a_charge_point_rejected() -> None:
    """ReserveConnectorZeroSupported is false: connector 0 is Rejected, a connector is not. [1.6 §5.13]"""
    off = {"component": "ReservationCtrlr", "variable": "NonEvseSpecific", "value": "false"}
    station = WholeStation(variables=[off])
    assert station.key("ReserveConnectorZeroSupported") == "false"
    assert reserve(station, 0) == "Rejected"
    station.quiet()
    assert reserve(station, 1) == "Accepted"


def test_TC_CP_V16_051_cancel_reservation() -> None:
    """CancelReservation: Accepted, the connector is Available for every token. [1.6 §5.1]"""
    station = WholeStation()
    assert reserve(station) == "Accepted"
    station.expect_status("Reserved")
    assert station.ask("CancelReservation", reservationId=RESERVATION) == {"status": "Accepted"}
    station.expect_status("Available")
    station.quiet()
    station.charge("OTHER")


def test_TC_CP_V16_052_cancel_reservation_rejected() -> None:
    """CancelReservation with another id: Rejected, the reservation stands. [1.6 §5.1]"""
    station = WholeStation()
    assert reserve(station) == "Accepted"
    station.expect_status("Reserved")
    assert station.ask("CancelReservation", reservationId=RESERVATION + 1) == {"status": "Rejected"}
    station.quiet()
    refuse(station, "OTHER")


def test_TC_CP_V16_053_use_a_reserved_connector_with_parent_id() -> None:
    """A token whose parentIdTag, told by Authorize, is that of the reservation uses it. [1.6 §5.13]"""
    station = WholeStation()
    assert reserve(station, parent="FLEET") == "Accepted"
    station.expect_status("Reserved")
    station.plug()
    for parent, charges in (("OTHERS", False), ("FLEET", True)):
        station.tap("COLLEAGUE")
        info = {"status": "Accepted", "parentIdTag": parent}
        station.expect("Authorize", idTag="COLLEAGUE", answer={"idTagInfo": info})
        assert station.is_charging() == charges
    station.expect_status("Preparing")
    station.expect("StartTransaction", connectorId=1, idTag="COLLEAGUE", reservationId=RESERVATION)
    station.expect_status("Charging")
    station.quiet()


def test_a_reservation_outlives_a_power_cut() -> None:
    """The connector is Reserved again after the start, for the same token."""
    station = WholeStation()
    assert reserve(station) == "Accepted"
    station.expect_status("Reserved")
    station.power_cut()
    station.power_up()
    station.boot()
    assert station.statuses[1] == "Reserved"
    refuse(station, "OTHER")
    station.tap("TAG")
    station.expect("Authorize", idTag="TAG")
    station.expect_status("Preparing")
    station.plug()
    station.expect("StartTransaction", idTag="TAG", reservationId=RESERVATION)
