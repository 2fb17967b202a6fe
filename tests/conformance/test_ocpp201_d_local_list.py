"""OCPP 2.0.1 test cases, D Local Authorization List, and those of C that authorize by it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import states201
from tests.support.bench import versions2
from tests.support.states201 import ACCEPTED, TOKEN, Station, check, token, triggers

FAMILY = {"status": "Accepted", "groupIdToken": {"idToken": "FAMILY", "type": "Central"}}
INVALID = {"status": "Invalid"}
MESSAGE_TIMEOUT_S = 30
VERSION = 5

# -- the list itself ---------------------------------------------------------------------------------------------------


def with_list(version: str) -> Station:
    """A station that holds TOKEN in a list with the configured version."""
    station = Station(version=version)
    states201.id_token_local_auth_list(station, version=VERSION)
    return station


def send(station: Station, kind: str, version: int, *items: dict[str, Any]) -> str:
    """SendLocalList: the status. An empty list is left out, as the schema wants."""
    listed = {"localAuthorizationList": list(items)} if items else {}
    status: str = station.ask("SendLocalList", updateType=kind, versionNumber=version, **listed)["status"]
    return status


def list_version(station: Station) -> int:
    version: int = station.ask("GetLocalListVersion")["versionNumber"]
    return version


def entry(id: str) -> dict[str, Any]:
    return {"idToken": token(id), "idTokenInfo": ACCEPTED}


def knows(station: Station, id: str) -> bool:
    """Whether a card is taken without a question."""
    station.put(AuthCtrlr__LocalPreAuthorize=True, AuthCacheCtrlr__Enabled=False)
    station.tap(id, 1)
    asked = bool(station.calls)
    if asked:
        station.expect("Authorize", idToken=token(id), answer={"idTokenInfo": INVALID})
    station.hear()
    return not asked and station.engine.evses[1].authorized is not None


@versions2
def test_TC_D_01_CS_send_local_list_full(version: str) -> None:
    """A full list with one token. [D01.FR.01, D02.FR.01]"""
    station = Station(version=version)
    station.put(LocalAuthListCtrlr__Enabled=True)
    assert send(station, "Full", VERSION, entry(TOKEN)) == "Accepted"
    assert list_version(station) == VERSION
    assert knows(station, TOKEN)


@versions2
def test_TC_D_02_CS_send_local_list_differential_update(version: str) -> None:
    """A second token is added; the first stays. [D01.FR.16]"""
    station = with_list(version)
    assert send(station, "Differential", VERSION + 1, entry("SECOND")) == "Accepted"
    assert list_version(station) == VERSION + 1
    assert station.read("LocalAuthListCtrlr__Entries") == "2"
    assert knows(station, "SECOND")


@versions2
def test_TC_D_03_CS_send_local_list_differential_remove(version: str) -> None:
    """An element without idTokenInfo takes its token out. [D01.FR.17]"""
    station = with_list(version)
    assert send(station, "Differential", VERSION + 1, {"idToken": token()}) == "Accepted"
    assert list_version(station) == VERSION + 1
    assert not knows(station, TOKEN)


@versions2
def test_TC_D_04_CS_send_local_list_full_empty(version: str) -> None:
    """An empty full list: all tokens go. [D01.FR.04]"""
    station = with_list(version)
    assert send(station, "Full", VERSION) == "Accepted"
    assert list_version(station) == VERSION
    assert not knows(station, TOKEN)


@versions2
def test_TC_D_05_CS_send_local_list_differential_empty(version: str) -> None:
    """An empty difference: nothing changes but the version. [D01.FR.05]"""
    station = with_list(version)
    assert send(station, "Differential", VERSION + 1) == "Accepted"
    assert list_version(station) == VERSION + 1
    assert knows(station, TOKEN)


@versions2
def test_TC_D_06_CS_send_local_list_version_mismatch(version: str) -> None:
    """A difference to an older version is refused and changes nothing. [D01.FR.19]"""
    station = with_list(version)
    assert send(station, "Differential", VERSION - 1, entry("SECOND")) == "VersionMismatch"
    assert list_version(station) == VERSION
    assert not knows(station, "SECOND")


@versions2
def test_TC_D_07_CS_local_list_persistent_over_reboot(version: str) -> None:
    """The list survives a reset. [D01.FR.10]"""
    station = with_list(version)
    states201.booted(station)
    assert list_version(station) == VERSION
    assert knows(station, TOKEN)


@versions2
def test_TC_D_08_CS_get_local_list_version(version: str) -> None:
    """[D02.FR.01]"""
    assert list_version(with_list(version)) == VERSION


@versions2
def test_TC_D_10_CS_get_local_list_version_function_disabled(version: str) -> None:
    """0 as long as the list is not enabled, be there one or not. [D02.FR.03]"""
    station = with_list(version)
    station.put(LocalAuthListCtrlr__Enabled=False)
    assert list_version(station) == 0


# -- authorization by the list, offline --------------------------------------------------------------------------------


def offline(station: Station) -> None:
    """Configuration of the offline cases, then the connection is gone."""
    station.put(AuthCtrlr__LocalPreAuthorize=True, AuthCtrlr__LocalAuthorizeOffline=True)
    station.put(AuthCtrlr__OfflineTxForUnknownIdEnabled=False)
    station.drop()


@pytest.mark.parametrize("point", ["PowerPathClosed", "Authorized"])
@versions2
def test_TC_C_21_CS_offline_list_accepted(version: str, point: str) -> None:
    """StartOfflineTransaction with a card of the list; it stops by the same card, back online. [C13.FR.01]"""
    station = Station(version=version)
    states201.id_token_local_auth_list(station)
    station.put(TxCtrlr__TxStartPoint=point)
    offline(station)
    station.tap(TOKEN, 1)
    station.plug()
    assert station.is_charging()
    station.connect()
    station.tap(TOKEN, 1)
    station.unplug()
    events = station.hear()
    stopped = triggers(events).index("StopAuthorized")
    started = next(event for event in events if "idToken" in event)
    assert started["idToken"] == token() and started["eventType"] == "Started"
    assert stopped >= 1 and all(event["offline"] is True for event in events[:stopped])
    assert not station.is_on() and not station.is_charging()


def offline_refused(version: str, status: str) -> None:
    """A card that the list does not accept starts nothing offline. [C13.FR.01-C13.FR.03]"""
    station = Station(version=version)
    states201.id_token_local_auth_list(station, (TOKEN, {"status": status}))
    offline(station)
    station.tap(TOKEN, 1)
    station.plug()
    assert not station.is_charging()
    station.unplug()
    station.advance(10)
    station.connect()
    station.advance(1)
    assert station.hear() == []


@versions2
def test_TC_C_22_CS_offline_list_invalid(version: str) -> None:
    offline_refused(version, "Invalid")


@versions2
def test_TC_C_23_CS_offline_list_restricted(version: str) -> None:
    offline_refused(version, "Blocked")


@versions2
def test_TC_C_24_CS_offline_list_expired(version: str) -> None:
    offline_refused(version, "Expired")


@versions2
def test_TC_C_25_CS_list_before_cache(version: str) -> None:
    """Accepted in the cache, Invalid in the list: the list counts, even where unknown cards may charge. [C13.FR.01]"""
    station = Station(version=version)
    station.put(AuthCtrlr__LocalPreAuthorize=True, AuthCtrlr__LocalAuthorizeOffline=True)
    station.put(AuthCtrlr__OfflineTxForUnknownIdEnabled=True, TxCtrlr__StopTxOnInvalidId=False)
    states201.id_token_cached(station)
    states201.id_token_local_auth_list(station, (TOKEN, INVALID))
    states201.ev_connected_pre_session(station)
    station.drop()
    station.tap(TOKEN, 1)
    station.advance(states201.DURATION_S)
    assert not station.is_charging()
    station.connect()
    station.advance(1)
    assert station.hear() == [] and not station.is_on()


# -- authorization by the list, online ---------------------------------------------------------------------------------


local_and_remote = pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])  # [errata 2025-02]


def listed(version: str, info: dict[str, Any], **variables: Any) -> Station:
    """TOKEN is in the list with this info; LocalPreAuthorize."""
    station = Station(version=version)
    station.put(AuthCtrlr__LocalPreAuthorize=True, AuthCtrlr__AuthorizeRemoteStart=True, **variables)
    states201.id_token_local_auth_list(station, (TOKEN, info))
    return station


def start_remotely(station: Station) -> None:
    answer = station.ask("RequestStartTransaction", idToken=token(), evseId=1, remoteStartId=77)
    assert answer["status"] == "Accepted"


@local_and_remote
@pytest.mark.parametrize("point", ["PowerPathClosed", "Authorized"])
@versions2
def test_TC_C_27_CS_online_list_accepted(version: str, point: str, remote: bool) -> None:
    """Nobody is asked for a card that the list accepts. [C14.FR.02]"""
    station = listed(version, ACCEPTED, TxCtrlr__TxStartPoint=point)
    for event in states201.authorized(station, asked=False, remote=remote):
        check(event, "RemoteStart" if remote else "Authorized", "Started")
        assert event["idToken"] == token()
    states201.energy_transfer_started(station, asked=False)


def online_refused(version: str, status: str, remote: bool) -> None:
    """A card that the list does not accept is asked for, and refused. [C14.FR.03]"""
    station = listed(version, {"status": status}, LocalAuthListCtrlr__DisablePostAuthorize=False)
    station.tokens[TOKEN] = {"status": status}
    if remote:
        start_remotely(station)
        station.expect("Authorize", idToken=token())
        assert station.hear() == []
    else:
        assert states201.present(station) == []
    station.advance(MESSAGE_TIMEOUT_S)
    assert station.hear() == [] and station.engine.evses[1].authorized is None


@local_and_remote
@versions2
def test_TC_C_28_CS_online_list_invalid_and_not_accepted(version: str, remote: bool) -> None:
    online_refused(version, "Invalid", remote)


@local_and_remote
@versions2
def test_TC_C_29_CS_online_list_restricted(version: str, remote: bool) -> None:
    online_refused(version, "Blocked", remote)


@local_and_remote
@versions2
def test_TC_C_30_CS_online_list_expired(version: str, remote: bool) -> None:
    online_refused(version, "Expired", remote)


@local_and_remote
@pytest.mark.parametrize("point", ["PowerPathClosed", "Authorized"])
@versions2
def test_TC_C_31_CS_online_list_invalid_and_accepted(version: str, point: str, remote: bool) -> None:
    """Invalid in the list, accepted by the CSMS now: it charges. [C14.FR.03]"""
    variables = {"LocalAuthListCtrlr__DisablePostAuthorize": False, "TxCtrlr__TxStartPoint": point}
    station = listed(version, INVALID, **variables)
    station.tokens[TOKEN] = ACCEPTED
    states201.authorized(station, remote=remote)
    states201.energy_transfer_started(station)


@local_and_remote
@versions2
def test_TC_C_58_CS_online_list_disable_post_authorize(version: str, remote: bool) -> None:
    """DisablePostAuthorize: the list's refusal is final. [C14.FR.03]"""
    station = listed(version, INVALID, LocalAuthListCtrlr__DisablePostAuthorize=True)
    station.tokens[TOKEN] = ACCEPTED
    if remote:
        start_remotely(station)
        assert station.hear() == []
    else:
        assert states201.present(station, asked=False) == []
    assert station.engine.evses[1].authorized is None


@versions2
def test_TC_C_40_CS_group_by_list(version: str) -> None:
    """Both cards of a group are in the list: the second stops what the first began, nobody is asked. [C09.FR.03]"""
    station = Station(version=version)
    station.put(AuthCtrlr__LocalPreAuthorize=True)
    station.tokens.update({TOKEN: FAMILY, "COUSIN": FAMILY})
    states201.id_token_local_auth_list(station, (TOKEN, FAMILY), ("COUSIN", FAMILY))
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station, asked=False)
    states201.stop_authorized(station, "COUSIN")
    states201.ev_disconnected(station)


@versions2
def test_TC_C_43_CS_group_invalid_by_list(version: str) -> None:
    """40 with a second card that list and CSMS refuse: it is asked for and stops nothing. [C09.FR.05, C14.FR.03]"""
    refused = {**FAMILY, "status": "Invalid"}
    station = Station(version=version)
    station.put(AuthCtrlr__LocalPreAuthorize=True)
    station.tokens.update({TOKEN: FAMILY, "COUSIN": refused})
    states201.id_token_local_auth_list(station, (TOKEN, FAMILY), ("COUSIN", refused))
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station, asked=False)
    assert states201.present(station, "COUSIN") == []
    station.advance(MESSAGE_TIMEOUT_S)
    assert station.hear() == [] and station.is_charging()
