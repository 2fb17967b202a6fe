"""OCPP 1.6, profile Local Auth List Management."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.wholestation import REFUSED, WholeStation

OK = {"status": "Accepted"}


def entry(tag: str, status: str = "Accepted") -> dict[str, Any]:
    return {"idTag": tag, "idTagInfo": {"status": status}}


def send(station: WholeStation, version: int, *entries: dict[str, Any], kind: str = "Full") -> dict[str, Any]:
    return station.ask("SendLocalList", listVersion=version, updateType=kind, localAuthorizationList=list(entries))


def version_of(station: WholeStation) -> int:
    version: int = station.ask("GetLocalListVersion")["listVersion"]
    return version


@pytest.mark.parametrize("plug_first", [True, False])
def test_TC_CP_V16_008_regular_start_id_in_authorization_list(plug_first: bool) -> None:
    """A token that the list accepts starts at once, without Authorize, with LocalPreAuthorize. [1.6 §3.5.2, §4.1]

    One that the list does not know is asked about; StopTransaction with the same token needs no Authorize either.
    """
    station = WholeStation()
    station.configure(LocalAuthListEnabled=True, LocalPreAuthorize=True)
    assert send(station, 1, entry("TAG")) == OK
    if plug_first:
        station.plug()
        station.expect_status("Preparing")
        station.tap("TAG")
    else:
        station.tap("TAG")
        station.expect_status("Preparing")
        station.plug()
    station.expect("StartTransaction", connectorId=1, idTag="TAG")
    station.expect_status("Charging")
    station.quiet()
    assert station.is_charging()
    station.tap("TAG")
    station.expect("StopTransaction", idTag="TAG")
    station.expect_status("Finishing")
    station.leave()
    station.plug()
    station.expect_status("Preparing")
    station.tap("OTHER")
    station.expect("Authorize", idTag="OTHER", answer=REFUSED)
    station.quiet()
    assert not station.is_charging()


def test_TC_CP_V16_042_1_get_local_list_version_not_supported() -> None:
    """LocalAuthListEnabled is false: the version is -1. [1.6 §5.10]"""
    station = WholeStation()
    assert send(station, 1, entry("TAG")) == OK
    station.configure(LocalAuthListEnabled=False)
    assert version_of(station) == -1


def test_TC_CP_V16_042_2_get_local_list_version_empty() -> None:
    """Without a list, and with an empty one, the version is 0. [1.6 §5.10]"""
    station = WholeStation()
    station.configure(LocalAuthListEnabled=True)
    assert version_of(station) == 0
    assert send(station, 3, entry("TAG")) == OK
    assert version_of(station) == 3
    assert send(station, 4) == OK
    assert version_of(station) == 0


def test_TC_CP_V16_043_send_local_list_differential_and_full() -> None:
    """Full replaces the list, Differential adds, changes and removes; each gives it its version. [1.6 §5.15]

    The list outlives a restart, and decides while offline.
    """
    station = WholeStation()
    station.configure(LocalAuthListEnabled=True, LocalPreAuthorize=True, LocalAuthorizeOffline=True)
    assert send(station, 1, entry("A"), entry("B")) == OK
    assert version_of(station) == 1
    assert send(station, 2, entry("C"), entry("A", "Blocked"), {"idTag": "B"}, kind="Differential") == OK
    assert version_of(station) == 2
    station.power_cut()
    station.power_up()
    station.boot()
    assert version_of(station) == 2
    station.drop()
    station.plug()
    for tag in ("A", "B"):
        station.tap(tag)
        assert not station.is_charging(), tag
    station.tap("C")
    assert station.is_charging()
    station.connect()
    assert [said["idTag"] for said in station.take()["StartTransaction"]] == ["C"]
    assert send(station, 1, entry("D")) == OK
    assert version_of(station) == 1


def test_TC_CP_V16_043_1_send_local_list_not_supported() -> None:
    """LocalAuthListEnabled is false: NotSupported. Without the profile the request is refused. [1.6 §7.47, §3.2]"""
    station = WholeStation()
    station.configure(LocalAuthListEnabled=False)
    for kind in ("Full", "Differential"):
        assert send(station, 1, entry("TAG"), kind=kind) == {"status": "NotSupported"}
    profiles = {"component": "OCPP16Ctrlr", "variable": "SupportedFeatureProfiles", "value": "Core"}
    without = WholeStation(variables=[profiles])
    without.send("SendLocalList", listVersion=1, updateType="Full")
    reply = without.reply()
    assert reply is not None and reply[2] == "NotSupported"


@pytest.mark.parametrize("version", [4, 5])
def test_TC_CP_V16_043_2_send_local_list_version_mismatch(version: int) -> None:
    """A differential update whose version is not above that of the list: VersionMismatch, nothing changes."""
    station = WholeStation()
    station.configure(LocalAuthListEnabled=True)
    assert send(station, 5, entry("A")) == OK
    assert send(station, version, entry("B"), kind="Differential") == {"status": "VersionMismatch"}
    assert version_of(station) == 5
    assert send(station, 6, entry("B"), kind="Differential") == OK
    assert version_of(station) == 6


def test_TC_CP_V16_043_3_send_local_list_failed() -> None:
    """A list that cannot be taken over: Failed, the one before stays. [1.6 §6.41: each idTag once; §9.2]"""
    station = WholeStation()
    station.configure(LocalAuthListEnabled=True)
    assert send(station, 5, entry("A")) == OK
    most = int(station.key("SendLocalListMaxLength") or 0)
    too_many = [entry(f"T{index}") for index in range(most + 1)]
    for entries in ([entry("B"), entry("B")], too_many, [{"idTag": "B"}]):
        assert send(station, 6, *entries) == {"status": "Failed"}
        assert version_of(station) == 5
