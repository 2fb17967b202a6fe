"""OCPP 2.0.1 test cases on network profiles: A_19 to A_22, B_43 to B_50; by the station as a process, real sockets.

Two CSMSs, at 127.0.0.1 and 127.0.0.2, are the two end points of the tool. The station is restarted when it asks for it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.bench import versions2
from tests.support.csms import CsmsThread
from tests.support.endpoints import (
    ACTIVE,
    IDENTITY,
    LIMIT_S,
    PASSWORD,
    PRIORITY,
    SECURITY_PROFILE,
    Authority,
    Deaf,
    by_tls,
    end_points,
    migrate,
    move,
    profile,
    restart,
    set_profile,
    set_variable,
    station,
    url,
    value,
    wait_booted,
)
from tests.support.states201 import variable

# -- A05: security profiles -------------------------------------------------------------------------------------------


@versions2
@pytest.mark.parametrize("level", [1, 2])
def test_TC_A_19_CS_upgrade_security_profile(level: int, version: str, tmp_path: Path) -> None:
    """The next higher security profile by the other slot; the slot with the lower one is gone. [A05.FR.04]-[A05.FR.06]

    From 1 to 2 the station does not come back to profile 1, though the end point speaks it again. [errata 2025-06]
    """
    authority = Authority(tmp_path)
    with CsmsThread(versions=[version], passwords={IDENTITY: PASSWORD}) as csms:
        here = {"host": "127.0.0.1"}
        if level == 2:
            move(csms, authority.server(), **here)
        first = url(csms, "127.0.0.1", "ws" if level == 1 else "wss")
        under_test = station(tmp_path, version, first, security_profile=level, password=PASSWORD)
        authority.install(under_test)
        authority.give(under_test)
        with under_test:
            wait_booted(csms, under_test)
            migrate(csms, profile(url(csms, "127.0.0.1", "wss"), level + 1))

            def upgrade() -> None:
                if level == 2:
                    csms.now.passwords = None
                move(csms, authority.server(clients=level == 2), **here)

            restart(csms, under_test, upgrade)
            wait_booted(csms, under_test)
            assert value(csms, SECURITY_PROFILE) == str(level + 1)
            assert value(csms, PRIORITY) == "2"
            if level == 1:
                before = csms.now.connections[IDENTITY]
                move(csms, None, **here)
                time.sleep(1.5)  # for some ten attempts
                assert IDENTITY not in csms.now.connections
                move(csms, authority.server(), **here)
                under_test.wait(lambda: csms.now.connections.get(IDENTITY) not in (None, before), LIMIT_S)


@versions2
@pytest.mark.parametrize("level", [2, 3])
def test_TC_A_20_CS_no_csms_root_certificate(level: int, version: str, tmp_path: Path) -> None:
    """A slot with TLS while there is no root of the CSMS: it cannot be put first. [A05.FR.02]"""
    with end_points(version, **{IDENTITY: PASSWORD}) as (csms, other):
        with station(tmp_path, version, csms.url, security_profile=1, password=PASSWORD) as under_test:
            wait_booted(csms, under_test)
            assert set_variable(csms, PRIORITY, "1") == "Accepted"
            assert set_profile(csms, 2, profile(url(other, scheme="wss"), level)) in ("Accepted", "Rejected")
            assert set_variable(csms, PRIORITY, "2,1") == "Rejected"
            assert value(csms, SECURITY_PROFILE) == "1"


@versions2
def test_TC_A_21_CS_no_charging_station_certificate(version: str, tmp_path: Path) -> None:
    """Security profile 3 while there is no certificate of the station: its slot cannot be put first. [A05.FR.03]"""
    with by_tls(tmp_path, version, Authority(tmp_path)) as (csms, other, _):
        assert set_profile(csms, 2, profile(url(other, scheme="wss"), 3)) == "Accepted"
        assert set_variable(csms, PRIORITY, "2,1") == "Rejected"


@versions2
def test_TC_A_22_CS_downgrade_security_profile_rejected(version: str, tmp_path: Path) -> None:
    """SetNetworkProfile with security profile 1 over a connection with profile 2: Rejected. [B09.FR.04, B09.FR.31]"""
    with by_tls(tmp_path, version, Authority(tmp_path)) as (csms, other, _):
        assert set_profile(csms, 2, profile(url(other), 1)) == "Rejected"


# -- B09, B10: migration ----------------------------------------------------------------------------------------------


@versions2
def test_TC_B_43_CS_set_network_profile_rejected(version: str, tmp_path: Path) -> None:
    """SetNetworkProfile for a slot that is not there: Rejected. [B09.FR.05]"""
    with CsmsThread(versions=[version]) as csms, station(tmp_path, version, csms.url) as under_test:
        wait_booted(csms, under_test)
        assert set_profile(csms, 999, profile(csms.url)) == "Rejected"


@versions2
def test_TC_B_45_CS_migrate_same_root(version: str, tmp_path: Path) -> None:
    """The other slot is set up, put first, and used after the reset. [B09.FR.01, B10.FR.01, B10.FR.04, B10.FR.06]"""
    with end_points(version) as (csms, other), station(tmp_path, version, csms.url) as under_test:
        wait_booted(csms, under_test)
        migrate(csms, profile(url(other)))
        restart(csms, under_test)
        wait_booted(other, under_test)
        assert value(other, ACTIVE) == "2"
        assert IDENTITY not in csms.now.connections
        # and back, with the slots changed round
        migrate(other, profile(csms.url), slot=1, present=2)
        restart(other, under_test)
        wait_booted(csms, under_test)
        assert value(csms, ACTIVE) == "1"


@versions2
def test_TC_B_46_CS_fall_back_in_the_list(version: str, tmp_path: Path) -> None:
    """The first slot does not answer: after NetworkProfileConnectionAttempts the second one. [B10.FR.03, B10.FR.04]"""
    deaf = Deaf()
    with CsmsThread(versions=[version]) as csms, station(tmp_path, version, csms.url) as under_test:
        wait_booted(csms, under_test)
        assert set_variable(csms, variable("OCPPCommCtrlr__NetworkProfileConnectionAttempts"), "2") == "Accepted"
        migrate(csms, profile(f"ws://127.0.0.2:{deaf.port}/ocpp"))
        restart(csms, under_test)
        wait_booted(csms, under_test)
        assert deaf.attempts == 2
        assert value(csms, ACTIVE) == "1"
        assert value(csms, PRIORITY) == "2,1"
    deaf.close()


@versions2
def test_TC_B_49_CS_fall_back_to_the_last_that_worked(version: str, tmp_path: Path) -> None:
    """No slot answers: then the one that worked last is tried again, after RetryBackOffWaitMinimum. [B10.FR.07]"""
    refused = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    deaf = Deaf(answer=refused)
    with CsmsThread(versions=[version]) as csms, station(tmp_path, version, csms.url) as under_test:
        wait_booted(csms, under_test)
        for name, text in (
            ("NetworkProfileConnectionAttempts", "1"),
            ("RetryBackOffRepeatTimes", "0"),
            ("RetryBackOffRandomRange", "0"),
            ("RetryBackOffWaitMinimum", "1"),
        ):
            assert set_variable(csms, variable("OCPPCommCtrlr__" + name), text) == "Accepted"
        migrate(csms, profile(f"ws://127.0.0.2:{deaf.port}/ocpp"))
        asked: list[float] = []

        def refuse(request: Any) -> tuple[int, str] | None:
            asked.append(time.monotonic())
            return (503, "not now") if len(asked) == 1 else None

        csms.now.refuse = refuse
        restart(csms, under_test)
        wait_booted(csms, under_test)
        assert deaf.attempts == 1 and len(asked) == 2
        assert 0.9 <= asked[0] - deaf.when[0] <= 15 and 0.9 <= asked[1] - asked[0] <= 15
    deaf.close()


def install(csms: CsmsThread, authority: Authority) -> None:
    """Memory state CertificateInstalled of a root of the CSMS."""
    asked = {"certificateType": "CSMSRootCertificate", "certificate": authority.root.pem()}
    assert csms.call(IDENTITY, "InstallCertificate", asked)["status"] == "Accepted"


@versions2
def test_TC_B_50_CS_migrate_to_a_new_root(version: str, tmp_path: Path) -> None:
    """The other CSMS has a certificate of a root that was installed before. [M05.FR.13]"""
    old, new = Authority(tmp_path, "Old"), Authority(tmp_path, "New")
    with by_tls(tmp_path, version, old) as (csms, other, under_test):
        move(other, new.server())
        install(csms, new)
        migrate(csms, profile(url(other, scheme="wss"), 2))
        restart(csms, under_test)
        wait_booted(other, under_test)


@versions2
def test_TC_B_47_CS_fall_back_with_the_old_root(version: str, tmp_path: Path) -> None:
    """With AdditionalRootCertificateCheck the new root takes the place of the old one, by which it is signed.

    The other CSMS has a certificate of the old root: the connection fails. The station goes back to the slot before,
    and to the old root. It is still installed. [B10.FR.07, M05.FR.15, M05.FR.16]
    """
    old = Authority(tmp_path, "Old")
    new = Authority(tmp_path, "New", old.root)
    with by_tls(tmp_path, version, old, check=True) as (csms, other, under_test):
        move(other, old.server())
        install(csms, new)
        assert set_variable(csms, variable("OCPPCommCtrlr__NetworkProfileConnectionAttempts"), "1") == "Accepted"
        migrate(csms, profile(url(other, scheme="wss"), 2))
        restart(csms, under_test)
        wait_booted(csms, under_test)
        assert IDENTITY not in other.now.connections
        asked = {"certificateType": ["CSMSRootCertificate"]}
        answer = csms.call(IDENTITY, "GetInstalledCertificateIds", asked)
        assert answer["status"] == "Accepted"
        numbers = [chain["certificateHashData"]["serialNumber"] for chain in answer["certificateHashDataChain"]]
        assert f"{old.root.certificate.serial_number:x}" in numbers
