"""Network slots and credentials across real sockets: fail-over, ways back, wrong passwords, wrong certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.bench import versions
from tests.support.csms import CsmsThread
from tests.support.endpoints import (
    ACTIVE,
    IDENTITY,
    LIMIT_S,
    PASSWORD,
    PRIORITY,
    Authority,
    Deaf,
    end_points,
    migrate,
    move,
    profile,
    restart,
    set_variable,
    station,
    url,
    value,
    wait_booted,
)
from tests.support.states201 import variable

OTHER = "Password-76543210"
ATTEMPTS = variable("OCPPCommCtrlr__NetworkProfileConnectionAttempts")
BASIC = variable("SecurityCtrlr__BasicAuthPassword")
SLOT = """
[csms.slot.2]
url = "{url}"
security_profile = {level}
"""


def connections(csms: CsmsThread) -> Any:
    return csms.now.connections.get(IDENTITY)


@versions
def test_fail_over_and_back_over_the_slots_of_the_station_file(version: str, tmp_path: Path) -> None:
    """The CSMS goes: the station connects to the other one and registers there [B10.FR.10]; and back, likewise."""
    with end_points(version) as (csms, other):
        slots = SLOT.format(url=url(other), level=0)
        with station(tmp_path, version, csms.url, slots=slots) as under_test:
            wait_booted(csms, under_test)
            under_test.control("vars", op="set", name="OCPPCommCtrlr.NetworkProfileConnectionAttempts", value="1")
            under_test.control("vars", op="set", name="OCPPCommCtrlr.RetryBackOffRepeatTimes", value="0")
            csms.run(csms.now.stop)
            wait_booted(other, under_test)
            assert under_test.control("status")["network"]["slot"] == 2
            (shown,) = under_test.control("vars", op="list", pattern="NetworkConfiguration[2].OcppCsmsUrl")["vars"]
            assert (shown["value"], shown["mutability"]) == (url(other), "ReadWrite")
            other.run(other.now.stop)
            move(csms, host="127.0.0.1")
            wait_booted(csms, under_test)
            assert under_test.control("status")["network"]["slot"] == 1


def test_a_wrong_password_at_the_second_slot(tmp_path: Path) -> None:
    """The new CSMS does not know the password: the station goes back, and tells what happened there."""
    with end_points("2.0.1", **{IDENTITY: PASSWORD}) as (csms, other):
        other.now.passwords = {IDENTITY: OTHER}
        with station(tmp_path, "2.0.1", csms.url, security_profile=1, password=PASSWORD) as under_test:
            wait_booted(csms, under_test)
            assert set_variable(csms, ATTEMPTS, "1") == "Accepted"
            migrate(csms, profile(url(other), 1))
            restart(csms, under_test)
            wait_booted(csms, under_test)
            assert value(csms, ACTIVE) == "1"
            assert "the CSMS refused user name and password (401 Unauthorized)" in under_test.tail()
            assert PASSWORD not in under_test.tail()


def test_a_slot_with_a_password_of_its_own(tmp_path: Path) -> None:
    """2.1: SetNetworkProfile brings it; afterwards it is the station's. [B09.FR.28]"""
    with end_points("2.1", **{IDENTITY: PASSWORD}) as (csms, other):
        other.now.passwords = {"OTHER-ID": OTHER}
        with station(tmp_path, "2.1", csms.url, security_profile=1, password=PASSWORD) as under_test:
            wait_booted(csms, under_test)
            migrate(csms, {**profile(url(other), 1), "basicAuthPassword": OTHER, "identity": "OTHER-ID"})
            restart(csms, under_test)
            wait_booted(other, under_test)
            identity = variable("SecurityCtrlr__Identity")
            asked = {"getVariableData": [identity]}
            (result,) = other.call("OTHER-ID", "GetVariables", asked)["getVariableResult"]
            assert result["attributeValue"] == "OTHER-ID"
            asked = {"requestId": 7, "componentVariable": [{"component": {"name": "NetworkConfiguration"}}]}
            assert other.call("OTHER-ID", "GetReport", asked) == {"status": "Accepted"}
            told = other.expect("NotifyReport", lambda said: said["tbc"] is False, limit_s=LIMIT_S)
            assert OTHER not in str([message.payload for message in other.now.messages])
            assert {item["component"]["instance"] for item in told.payload["reportData"]} <= {"1", "2", "3"}


@versions
def test_a_password_that_the_csms_does_not_take_over(version: str, tmp_path: Path) -> None:
    """It answers by 401 to the new one: the old one again, also after a power cut. [A01.FR.04]"""
    with CsmsThread(versions=[version], passwords={IDENTITY: PASSWORD}) as csms:
        with station(tmp_path, version, csms.url, security_profile=1, password=PASSWORD) as under_test:
            wait_booted(csms, under_test)
            under_test.control("vars", op="set", name="OCPPCommCtrlr.NetworkProfileConnectionAttempts", value="1")
            before = connections(csms)
            if version == "1.6":
                asked = {"key": "AuthorizationKey", "value": OTHER}
                assert csms.call(IDENTITY, "ChangeConfiguration", asked) == {"status": "Accepted"}
            else:
                assert set_variable(csms, BASIC, OTHER) == "Accepted"
            under_test.wait(lambda: connections(csms) not in (None, before), LIMIT_S)
            under_test.wait(lambda: "those before hold again" in under_test.tail(), LIMIT_S)
            under_test.kill()
            csms.now.messages.clear()
            under_test.start()
            wait_booted(csms, under_test)


def test_an_upgrade_to_profile_3_that_the_csms_refuses(tmp_path: Path) -> None:
    """The new end point does not know who signed the station's certificate: back to profile 2, nothing is removed."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "Stranger")
    with end_points("2.0.1", **{IDENTITY: PASSWORD}) as (csms, other):
        move(csms, authority.server(), "127.0.0.1")
        move(other, authority.server(clients=True))
        first = url(csms, "127.0.0.1", "wss")
        under_test = station(tmp_path, "2.0.1", first, security_profile=2, password=PASSWORD)
        authority.install(under_test)
        stranger.give(under_test)
        with under_test:
            wait_booted(csms, under_test)
            assert set_variable(csms, ATTEMPTS, "1") == "Accepted"
            migrate(csms, profile(url(other, scheme="wss"), 3))
            restart(csms, under_test)
            wait_booted(csms, under_test)
            assert value(csms, PRIORITY) == "2,1"
            assert value(csms, variable("SecurityCtrlr__SecurityProfile")) == "2"


def test_16_an_upgrade_that_does_not_work_is_taken_back(tmp_path: Path) -> None:
    """[1.6 security, A05.FR.08]"""
    authority = Authority(tmp_path)
    with CsmsThread(versions=["1.6"], passwords={IDENTITY: PASSWORD}) as csms:
        under_test = station(tmp_path, "1.6", csms.url, security_profile=1, password=PASSWORD)
        authority.install(under_test)
        with under_test:
            wait_booted(csms, under_test)
            under_test.control("vars", op="set", name="OCPPCommCtrlr.NetworkProfileConnectionAttempts", value="1")
            before = connections(csms)
            asked = {"key": "SecurityProfile", "value": "2"}
            assert csms.call(IDENTITY, "ChangeConfiguration", asked) == {"status": "Accepted"}
            under_test.wait(lambda: connections(csms) not in (None, before), LIMIT_S)
            (key,) = csms.call(IDENTITY, "GetConfiguration", {"key": ["SecurityProfile"]})["configurationKey"]
            assert key["value"] == "1"


@pytest.mark.parametrize("interface", ["127.0.0.5"])
def test_a_slot_by_an_interface(interface: str, tmp_path: Path) -> None:
    with end_points("2.1") as (csms, other):
        slots = f'[csms.interfaces]\nWireless0 = "{interface}"\n'
        with station(tmp_path, "2.1", csms.url, slots=slots) as under_test:
            wait_booted(csms, under_test)
            migrate(csms, {**profile(url(other)), "ocppInterface": "Wireless0"})
            restart(csms, under_test)
            wait_booted(other, under_test)
            assert connections(other)._transport.get_extra_info("peername")[0] == interface


def test_a_station_never_stops_trying(tmp_path: Path) -> None:
    """Neither slot answers for a while; then the first one does. [B10.FR.09]"""
    deaf = Deaf(answer=b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    slots = SLOT.format(url=f"ws://127.0.0.2:{deaf.port}/", level=0)
    with CsmsThread(versions=["2.0.1"]) as csms, station(tmp_path, "2.0.1", csms.url, slots=slots) as under_test:
        wait_booted(csms, under_test)
        under_test.control("vars", op="set", name="OCPPCommCtrlr.NetworkProfileConnectionAttempts", value="1")
        under_test.control("vars", op="set", name="OCPPCommCtrlr.RetryBackOffRepeatTimes", value="0")
        csms.run(csms.now.stop)
        under_test.wait(lambda: deaf.attempts >= 2, LIMIT_S)
        csms.now.messages.clear()
        csms.run(csms.now.start, port=csms.now.port)
        under_test.wait(under_test.booted, LIMIT_S)
    deaf.close()
