"""OCPP 2.0.1 test cases, C Authorization: cards refused, the cache, groups, the master pass, unknown cards offline."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import states201
from tests.support.bench import versions2
from tests.support.states201 import ACCEPTED, TOKEN, Event, Station, board, check, only, state_of, token, triggers

FAMILY = {"status": "Accepted", "groupIdToken": {"idToken": "FAMILY", "type": "Central"}}
MASTER = {"status": "Accepted", "groupIdToken": {"idToken": "MASTERS", "type": "Central"}}
MESSAGE_TIMEOUT_S = 30

# -- refused -----------------------------------------------------------------------------------------------------------


def refused(version: str, status: str) -> None:
    """The cable is plugged, the CSMS does not accept the card: nothing follows. [C01, C06.FR.03]"""
    station = Station(version=version)
    states201.ev_connected_pre_session(station)
    station.tokens["BAD"] = {"status": status}
    assert states201.present(station, "BAD") == []
    station.advance(MESSAGE_TIMEOUT_S)
    assert station.hear() == [] and not station.is_charging()


@versions2
def test_TC_C_02_CS_local_start_invalid(version: str) -> None:
    refused(version, "Invalid")


@versions2
def test_TC_C_06_CS_local_start_blocked(version: str) -> None:
    refused(version, "Blocked")


@versions2
def test_TC_C_07_CS_local_start_expired(version: str) -> None:
    refused(version, "Expired")


@versions2
def test_TC_C_56_CS_local_start_unknown(version: str) -> None:
    refused(version, "Unknown")


@versions2
def test_TC_C_05_CS_local_start_invalid_cable_lock(version: str) -> None:
    """Card first, the cable would follow: refused, no transaction although it could begin with the card. [C01.FR.02]"""
    station = Station(board(socket=True), version=version)
    station.put(TxCtrlr__TxStartPoint="Authorized")
    station.tokens["BAD"] = {"status": "Invalid"}
    assert states201.present(station, "BAD") == []
    station.advance(MESSAGE_TIMEOUT_S)
    assert station.hear() == [] and not station.is_locked()


@versions2
def test_TC_C_04_CS_local_stop_different_token(version: str) -> None:
    """Another card, though accepted, does not stop the transaction. [C01.FR.03]"""
    station = Station(version=version)
    states201.energy_transfer_started(station)
    assert states201.present(station, "OTHER") == []
    station.advance(MESSAGE_TIMEOUT_S)
    assert station.hear() == [] and station.is_charging()


# -- cache -------------------------------------------------------------------------------------------------------------


def cached(version: str, info: dict[str, Any] = ACCEPTED, **variables: Any) -> Station:
    """A card with this info is in the cache; LocalPreAuthorize."""
    station = Station(version=version)
    station.put(AuthCacheCtrlr__Enabled=True, AuthCtrlr__LocalPreAuthorize=True)
    states201.id_token_cached(station, info=info)
    station.put(**variables)
    return station


local_and_remote = pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])  # [errata 2025-02]


def start_remotely(station: Station) -> None:
    answer = station.ask("RequestStartTransaction", idToken=token(), evseId=1, remoteStartId=77)
    assert answer["status"] == "Accepted"


def cached_but_asked(version: str, status: str, remote: bool) -> None:
    """A card that the cache does not accept is asked for again, and refused. [C10.FR.03]"""
    station = cached(version, {"status": status}, AuthCtrlr__AuthorizeRemoteStart=True)
    states201.ev_connected_pre_session(station)
    if remote:
        start_remotely(station)
        station.expect("Authorize", idToken=token())
        assert station.hear() == []
    else:
        assert states201.present(station) == []
    assert not station.is_charging()


@local_and_remote
@versions2
def test_TC_C_08_CS_cache_accepted(version: str, remote: bool) -> None:
    """Nobody is asked for a card that the cache accepts. [C12.FR.02]"""
    station = cached(version, AuthCtrlr__AuthorizeRemoteStart=True)
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station, remote=remote, asked=False)


@local_and_remote
@versions2
def test_TC_C_09_CS_cache_invalid(version: str, remote: bool) -> None:
    cached_but_asked(version, "Invalid", remote)


@local_and_remote
@versions2
def test_TC_C_10_CS_cache_restricted(version: str, remote: bool) -> None:
    cached_but_asked(version, "Blocked", remote)


@local_and_remote
@versions2
def test_TC_C_11_CS_cache_expired(version: str, remote: bool) -> None:
    cached_but_asked(version, "Expired", remote)


@local_and_remote
@versions2
def test_TC_C_12_CS_cache_invalid_now_accepted(version: str, remote: bool) -> None:
    """Invalid in the cache, accepted by the CSMS now: it charges. [C10.FR.03]"""
    station = cached(version, {"status": "Invalid"}, AuthCtrlr__AuthorizeRemoteStart=True)
    states201.ev_connected_pre_session(station)
    station.tokens[TOKEN] = ACCEPTED
    states201.energy_transfer_started(station, remote=remote)


@local_and_remote
@versions2
def test_TC_C_13_CS_cache_accepted_cable_later(version: str, remote: bool) -> None:
    """A card of the cache, and the cable after it. [C12.FR.02]"""
    station = cached(version, TxCtrlr__TxStartPoint="Authorized", AuthCtrlr__AuthorizeRemoteStart=True)
    events = states201.authorized(station, remote=remote, asked=False)
    only(events, "RemoteStart" if remote else "Authorized", "Started")
    states201.energy_transfer_started(station)


@local_and_remote
@versions2
def test_TC_C_57_CS_cache_disable_post_authorize(version: str, remote: bool) -> None:
    """DisablePostAuthorize: the cache's refusal is final. [C10.FR.03]"""
    variables = {"AuthCacheCtrlr__DisablePostAuthorize": True, "AuthCtrlr__AuthorizeRemoteStart": True}
    station = cached(version, {"status": "Invalid"}, **variables)
    states201.ev_connected_pre_session(station)
    if remote:
        start_remotely(station)
        assert station.hear() == []
    else:
        assert states201.present(station, asked=False) == []
    assert not station.is_charging()


def offline_start(version: str, **variables: Any) -> tuple[Station, list[Event]]:
    """A transaction began offline by a card of the cache, which the CSMS refuses now: (station, all events)."""
    station = cached(version, SampledDataCtrlr__TxUpdatedInterval=0, **variables)
    station.put(AuthCtrlr__LocalAuthorizeOffline=True, AuthCtrlr__OfflineTxForUnknownIdEnabled=True)
    states201.ev_connected_pre_session(station)
    station.drop()
    station.tap(TOKEN, 1)
    station.advance(5)
    assert station.is_charging()
    station.tokens[TOKEN] = {"status": "Invalid"}
    station.connect()
    station.advance(1)
    events = station.hear()
    check(events[0], "Authorized", "Started")
    assert events[0]["idToken"] == token()
    check(events[1], "ChargingStateChanged", "Updated", chargingState="Charging")
    assert events[0]["offline"] is True and events[1]["offline"] is True
    return station, events[2:]


@versions2
def test_TC_C_15_CS_cache_max_energy_on_invalid_id(version: str) -> None:
    """MaxEnergyOnInvalidId: charging goes on until that is delivered. [E05.FR.03, C15.FR.07]"""
    variables = {"TxCtrlr__StopTxOnInvalidId": False, "TxCtrlr__MaxEnergyOnInvalidId": 1000}
    station, events = offline_start(version, **variables)
    assert events == [] and station.is_charging()
    station.advance(300)
    assert station.hear() == [] and station.is_charging()
    station.advance(60)
    only(station.hear(), "ChargingStateChanged", "Updated", chargingState="SuspendedEVSE")
    assert not station.is_charging()
    assert 1000 <= station.engine.evses[1].register_wh <= 1020  # type: ignore[operator]


@versions2
def test_TC_C_16_CS_cache_stop_on_invalid_id(version: str) -> None:
    """StopTxOnInvalidId: the transaction ends, Deauthorized. [E05.FR.10, C15.FR.04]"""
    variables = {"TxCtrlr__StopTxOnInvalidId": True, "TxCtrlr__MaxEnergyOnInvalidId": 0}
    station, events = offline_start(version, **variables)
    only(events, "Deauthorized", "Ended", stoppedReason="DeAuthorized")
    assert not events[0].get("offline") and not station.is_charging()


@versions2
def test_TC_C_17_CS_cache_suspend_on_invalid_id(version: str) -> None:
    """Without it and without MaxEnergyOnInvalidId: SuspendedEVSE. [E05.FR.02, C15.FR.06]"""
    variables = {"TxCtrlr__StopTxOnInvalidId": False, "TxCtrlr__MaxEnergyOnInvalidId": 0}
    station, events = offline_start(version, **variables)
    only(events, "ChargingStateChanged", "Updated", chargingState="SuspendedEVSE")
    assert not station.is_charging()


@versions2
def test_TC_C_18_CS_cache_stop_on_invalid_id_with_max_energy(version: str) -> None:
    """MaxEnergyOnInvalidId means nothing where StopTxOnInvalidId is true. [E05.FR.10]"""
    variables = {"TxCtrlr__StopTxOnInvalidId": True, "TxCtrlr__MaxEnergyOnInvalidId": 500}
    station, events = offline_start(version, **variables)
    only(events, "Deauthorized", "Ended", stoppedReason="DeAuthorized")
    assert not events[0].get("offline") and not station.is_charging()


@pytest.mark.parametrize("wait_s", [0, 60])
@versions2
def test_TC_C_32_CS_cache_persistent(version: str, wait_s: float) -> None:
    """The cache survives a reset, be it at once. [C10.FR.02]"""
    station = cached(version, TxCtrlr__TxStartPoint="Authorized")
    station.advance(wait_s)
    states201.booted(station)
    only(states201.authorized(station, asked=False), "Authorized", "Started")
    states201.energy_transfer_started(station)


@versions2
def test_TC_C_33_CS_cache_update_on_authorize(version: str) -> None:
    """What Authorize was answered is cached: the same card is not asked for again. [C10.FR.04]"""
    station = Station(version=version)
    station.put(AuthCacheCtrlr__Enabled=True, AuthCtrlr__LocalPreAuthorize=True)
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station)
    states201.parking_bay_unoccupied(station)
    states201.ev_connected_pre_session(station)
    station.tokens[TOKEN] = {"status": "Invalid"}
    first, *_ = states201.present(station, asked=False)
    check(first, "Authorized", "Started")
    assert first["idToken"] == token()


@versions2
def test_TC_C_34_CS_cache_update_on_transaction_event(version: str) -> None:
    """What a TransactionEvent was answered is cached: the card is asked for again. [C10.FR.05, errata 2025-04]"""
    station = cached(version, TxCtrlr__StopTxOnInvalidId=True, TxCtrlr__MaxEnergyOnInvalidId=0)
    states201.ev_connected_pre_session(station)
    station.tokens[TOKEN] = {"status": "Invalid"}
    first, *_, ended = states201.present(station, asked=False)
    check(first, "Authorized", "Started")
    check(ended, "Deauthorized", "Ended", stoppedReason="DeAuthorized")
    assert state_of(ended) in ("EVConnected", "SuspendedEVSE")
    states201.ev_disconnected(station)
    states201.ev_connected_pre_session(station)
    assert states201.present(station) == []


@versions2
def test_TC_C_36_CS_cache_without_local_pre_authorize(version: str) -> None:
    """LocalPreAuthorize false: the CSMS is asked for every card. [C12.FR.01]"""
    station = cached(version, AuthCtrlr__LocalPreAuthorize=False)
    station.tokens[TOKEN] = {"status": "Invalid"}
    assert states201.present(station) == []


@versions2
def test_TC_C_37_CS_clear_cache(version: str) -> None:
    """ClearCache: the card is asked for again. [C11.FR.01, C11.FR.03]"""
    station = cached(version)
    assert station.ask("ClearCache") == ACCEPTED
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station)


@versions2
def test_TC_C_38_CS_clear_cache_rejected(version: str) -> None:
    """ClearCache of a cache that is not enabled. [C11.FR.04]"""
    station = cached(version, AuthCacheCtrlr__Enabled=False)
    assert station.ask("ClearCache")["status"] == "Rejected"


@versions2
def test_TC_C_46_CS_cache_life_time(version: str) -> None:
    """An entry older than LifeTime is asked for again. [C10.FR.08]"""
    station = cached(version, AuthCacheCtrlr__LifeTime=60)
    states201.ev_connected_pre_session(station)
    station.advance(61)
    states201.energy_transfer_started(station)


# -- groups and the master pass ----------------------------------------------------------------------------------------


@versions2
def test_TC_C_39_CS_group(version: str) -> None:
    """Another card of the same group stops the transaction. [C09.FR.03, C09.FR.04]"""
    station = Station(version=version)
    station.tokens.update({TOKEN: FAMILY, "COUSIN": FAMILY})
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station)
    states201.stop_authorized(station, "COUSIN", asked=True)
    states201.ev_disconnected(station)


@versions2
def test_TC_C_41_CS_group_by_cache(version: str) -> None:
    """39 with both cards in the cache: nobody is asked. [C09.FR.03]"""
    station = cached(version, FAMILY)
    states201.id_token_cached(station, "COUSIN", FAMILY)
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station, asked=False)
    states201.stop_authorized(station, "COUSIN")
    states201.ev_disconnected(station)


@versions2
def test_TC_C_42_CS_group_not_stopped_by_invalid_card(version: str) -> None:
    """A card of the same group that the CSMS refuses stops nothing. [C09.FR.05]"""
    station = Station(version=version)
    station.tokens.update({TOKEN: FAMILY, "COUSIN": {**FAMILY, "status": "Invalid"}})
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station)
    assert states201.present(station, "COUSIN") == []
    station.advance(MESSAGE_TIMEOUT_S)
    assert station.hear() == [] and station.is_charging()


@versions2
def test_TC_C_44_CS_group_invalid_by_cache(version: str) -> None:
    """42 with both cards in the cache: the refused one is asked for, and stops nothing. [C09.FR.05, C10.FR.03]"""
    station = cached(version, FAMILY)
    states201.id_token_cached(station, "COUSIN", {**FAMILY, "status": "Invalid"})
    states201.ev_connected_pre_session(station)
    states201.energy_transfer_started(station, asked=False)
    assert states201.present(station, "COUSIN") == []
    station.advance(MESSAGE_TIMEOUT_S)
    assert station.hear() == [] and station.is_charging()


@pytest.mark.parametrize("point", ["Authorized", "PowerPathClosed"])
@versions2
def test_TC_C_45_CS_master_pass_starts_nothing(version: str, point: str) -> None:
    """A card of the master group starts no transaction. [C16.FR.03]"""
    station = Station(version=version)
    station.put(AuthCtrlr__MasterPassGroupId="MASTERS", TxCtrlr__TxStartPoint=point)
    station.tokens["MASTER"] = MASTER
    assert states201.present(station, "MASTER") == []
    states201.ev_connected_pre_session(station)
    station.advance(MESSAGE_TIMEOUT_S)
    assert station.hear() == [] and not station.is_charging()


@versions2
def test_TC_C_49_CS_master_pass_without_ui(version: str) -> None:
    """A card of the master group stops all transactions. [C16.FR.01, C16.FR.02]"""
    station = Station(board(evses=2), version=version)
    station.put(AuthCtrlr__MasterPassGroupId="MASTERS")
    station.tokens["MASTER"] = MASTER
    states201.energy_transfer_started(station, "ONE", 1)
    states201.energy_transfer_started(station, "TWO", 2)
    events = states201.present(station, "MASTER")
    assert triggers(events) == ["StopAuthorized"] * 2
    for event in events:
        check(event, "StopAuthorized", "Ended", stoppedReason="MasterPass")
        assert event.get("idToken") in (None, token("MASTER"))
    for evse in (1, 2):
        states201.ev_disconnected(station, evse)


# -- offline -----------------------------------------------------------------------------------------------------------


@versions2
def test_TC_C_26_CS_offline_unknown_id(version: str) -> None:
    """An unknown card charges offline, is refused later and suspended, and may stop. [C15.FR.06, C15.FR.08]"""
    station = Station(version=version)
    station.put(AuthCtrlr__OfflineTxForUnknownIdEnabled=True, AuthCtrlr__LocalAuthorizeOffline=True)
    station.put(TxCtrlr__MaxEnergyOnInvalidId=0, TxCtrlr__StopTxOnInvalidId=False)
    station.drop()
    station.tap(TOKEN, 1)
    station.plug()
    assert station.is_charging()
    station.advance(5)
    station.tokens[TOKEN] = {"status": "Invalid"}
    station.connect()
    station.advance(1)
    *queued, suspended = station.hear()
    assert queued and all(event["offline"] is True for event in queued)
    check(suspended, "ChargingStateChanged", "Updated", chargingState="SuspendedEVSE")
    assert station.status[1, 1] == "Occupied" and not station.is_charging()
    states201.stop_authorized(station)
    states201.ev_disconnected(station)
