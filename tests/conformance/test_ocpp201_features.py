"""The declared features are those that the station has: its device model says so, or a test that does it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.features201 import FEATURES, declared, evidence
from tests.support import states201
from tests.support.bench import versions2
from tests.support.states201 import Station, board


@pytest.fixture(scope="module")
def inventory() -> list[dict[str, Any]]:
    """Of a station with all that a board can have: a socket, parking bay sensors."""
    return Station(board(evses=2, socket=True, parking=True)).report("FullInventory")


@pytest.mark.parametrize("feature", FEATURES)
def test_the_device_model_bears_the_declaration_out(feature: str, inventory: list[dict[str, Any]]) -> None:
    assert evidence(feature, inventory), FEATURES[feature]


def test_what_is_not_declared() -> None:
    """Each of these leaves cases of part 6 out: it is a decision, not an accident."""
    assert {feature for feature in FEATURES if not declared(feature)} == {"C-07", "C-21", "C-25", "C-26", "C-34"}


# -- kinds of token: C-30 to C-39 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ISO14443", "ISO15693", "KeyCode", "Local"])
@versions2
def test_local_start_by_each_kind_of_token(version: str, kind: str) -> None:
    """Asked for with its kind, told with its kind, stopped by itself. [C01, C03, C04, C06]"""
    station = Station(version=version)
    token = {"idToken": "1234", "type": kind}
    states201.ev_connected_pre_session(station)
    station.do("swipe", "1234", kind)
    station.expect("Authorize", idToken=token)
    started, *_ = station.hear()
    assert started["idToken"] == token and station.is_charging()
    station.do("swipe", "1234", kind)
    assert station.hear()[-1]["transactionInfo"]["stoppedReason"] == "Local"


@pytest.mark.parametrize(
    "kind", ["ISO14443", "ISO15693", "KeyCode", "Central", "NoAuthorization", "eMAID", "MacAddress"]
)
@pytest.mark.parametrize("asks", [False, True])
@versions2
def test_remote_start_by_each_kind_of_token(version: str, kind: str, asks: bool) -> None:
    """Tokens that the CSMS or nobody gave are never asked for. [C02.FR.01, C05.FR.01, F01.FR.01, F01.FR.02]"""
    station = Station(version=version)
    station.put(AuthCtrlr__AuthorizeRemoteStart=asks)
    states201.ev_connected_pre_session(station)
    token = {"idToken": "" if kind == "NoAuthorization" else "1234", "type": kind}
    assert station.ask("RequestStartTransaction", idToken=token, evseId=1, remoteStartId=7)["status"] == "Accepted"
    if asks and kind not in ("Central", "NoAuthorization"):
        station.expect("Authorize", idToken=token)
    started, *_ = station.hear()
    assert started["idToken"] == token and started["triggerReason"] == "RemoteStart" and station.is_charging()


@versions2
def test_local_start_without_authorization(version: str) -> None:
    """[C02.FR.01] The cable alone; nobody is asked."""
    station = Station(version=version, station={"free_vending": True})
    station.plug()
    started, *_ = station.hear()
    assert started["idToken"] == {"idToken": "", "type": "NoAuthorization"} and station.is_charging()


@versions2
def test_two_kinds_with_the_same_text_are_two_tokens(version: str) -> None:
    """A KeyCode 1234 does not stop what the card 1234 began."""
    station = Station(version=version)
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station, "1234")
    station.do("swipe", "1234", "KeyCode")
    station.expect("Authorize", idToken={"idToken": "1234", "type": "KeyCode"})
    assert station.hear() == [] and station.is_charging()
