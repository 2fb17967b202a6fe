"""Network profiles: SetNetworkProfile, the variables of the slots, their order, and what follows from a connection."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from evse.errors import StoreError
from evse.profiles import Profiles
from evse.shell.credentials import problem
from evse.store.documents import Documents
from tests.support.bench import Bench, versions, versions2
from tests.support.certificates import Certificate

PASSWORD, OTHER = "Password-01234567", "Password-76543210"
URL = "ws://csms.example/ocpp"
COMM = "OCPPCommCtrlr"


class Station(Bench):
    """A bench whose station has network slots; `wire()` connects them as evse/online.py does."""

    def __init__(self, level: int = 1, slots: dict[int, Any] | None = None, **settings: Any) -> None:
        own = {"url": URL if level < 2 else "wss://csms.example/ocpp", "security_profile": level, "password": PASSWORD}
        self.csms: dict[str, Any] = {
            **own,
            "identity": "CS001",
            "ocpp_versions": ["2.1", "2.0.1", "1.6"],
            **dict.fromkeys(("ca", "cert", "key")),
            "verify_hostname": True,
            "connect_timeout_s": 10.0,
            "max_message_bytes": 65536,
            "deflate": False,
            "interfaces": {},
            "slots": slots or {},
            **settings,
        }
        order = [0 if 1 in self.csms["slots"] else 1, *sorted(self.csms["slots"])]
        stated = (("SecurityProfile", str(level)), ("BasicAuthPassword", PASSWORD))
        variables = [{"component": "SecurityCtrlr", "variable": name, "value": value} for name, value in stated]
        priority = {"component": COMM, "variable": "NetworkConfigurationPriority"}
        variables.append({**priority, "value": ",".join(map(str, order)), "values": "0,1,2,3"})
        super().__init__(variables=variables, station={"identity": "CS001"})

    def start(self) -> None:
        super().start()
        directory = self.directory
        documents, store = self.engine.documents, directory + "/certificates"
        self.profiles = Profiles(self.csms, self.model, documents, self.log, directory, store)
        self.engine.station["network"] = lambda: self.profiles
        self.profiles.begin()

    def ways(self) -> list[tuple[int, str, int, str | None]]:
        """What the connection would try, in its order."""
        return [(row["slot"], row["url"], row["security_profile"], row["password"]) for row in self.profiles.profiles()]

    def works(self, turn: int = 0) -> None:
        """A connection comes of the way with this turn."""
        profile = self.profiles.profiles()[turn]
        if self.profiles.worked(profile):
            self.engine.block("network").connected_by(profile)

    def value(self, name: str, component: str = COMM) -> str | None:
        self.engine.block("configuration")
        return self.model.get(component, name)


def station(version: str = "2.0.1", level: int = 1, slots: dict[int, Any] | None = None, **settings: Any) -> Station:
    made = Station(level, slots, **settings)
    made.works()
    made.connect(version)
    return made


def profile(**fields: Any) -> dict[str, Any]:
    return {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": "ws://other.example/ocpp",
        "messageTimeout": 20,
        "securityProfile": 1,
        "ocppInterface": "Wired0",
        **fields,
    }


def put(bench: Station, slot: int = 2, **fields: Any) -> tuple[str, str | None]:
    """SetNetworkProfile: status and reason code."""
    answer = bench.ask("SetNetworkProfile", {"configurationSlot": slot, "connectionData": profile(**fields)})
    return answer["status"], answer.get("statusInfo", {}).get("reasonCode")


def write(bench: Station, component: str, variable: str, value: str) -> tuple[str, str | None]:
    """SetVariables of one: status and reason code."""
    name, _, instance = component.partition("[")
    item = {
        "component": {"name": name, **({"instance": instance[:-1]} if instance else {})},
        "variable": {"name": variable},
        "attributeValue": value,
    }
    (result,) = bench.ask("SetVariables", {"setVariableData": [item]})["setVariableResult"]
    return result["attributeStatus"], result.get("attributeStatusInfo", {}).get("reasonCode")


def order(bench: Station, value: str) -> tuple[str, str | None]:
    return write(bench, COMM, "NetworkConfigurationPriority", value)


def reset(bench: Station) -> None:
    """The station restarts; nothing is connected yet."""
    bench.drop()
    bench.cut()
    bench.restart()


def certificates(bench: Station, root: bool = True, own: bool = True, **settings: Any) -> None:
    """Puts certificates into the store."""
    store = Path(bench.directory) / "certificates"
    made = Certificate("Root", ca=True, **settings)
    for place in ("ca/csms", "client/csms"):
        (store / place).mkdir(parents=True)
    if root:
        (store / "ca/csms/CSMS_ROOT_CA.pem").write_text(made.pem())
    if own:
        Certificate("CS001", made, **settings).write(store / "client/csms", "CS001")


# -- B09: setting up a slot -------------------------------------------------------------------------------------------


@versions2
def test_a_profile_is_kept_and_its_variables_follow(version: str) -> None:
    """[B09.FR.01, B09.FR.08, B09.FR.09, B09.FR.11]"""
    bench = station(version)
    assert put(bench, messageTimeout=17) == ("Accepted", None)
    shown = {
        found[2][0]: bench.model.describe(found)["variableAttribute"][0]
        for found in bench.model.walk("NetworkConfiguration")
        if found[1][0] == "2"
    }
    assert {name: attribute.get("value") for name, attribute in shown.items()} == {
        "OcppCsmsUrl": "ws://other.example/ocpp",
        "OcppInterface": "Wired0",
        "OcppTransport": "JSON",
        "OcppVersion": "OCPP20",
        "MessageTimeout": "17",
        "SecurityProfile": "1",
        "Identity": "",
        "BasicAuthPassword": None,
        "VpnEnabled": "false",
        "ApnEnabled": "false",
    }
    assert shown["ApnEnabled"]["mutability"] == "ReadOnly" and shown["BasicAuthPassword"]["mutability"] == "WriteOnly"
    bench.cut()
    bench.restart()
    assert bench.value("OcppCsmsUrl", "NetworkConfiguration[2]") == "ws://other.example/ocpp"


def test_the_slots_of_the_station_file_are_shown() -> None:
    slots = {1: {"url": "wss://b.example", "security_profile": 2, "password": OTHER, "ocpp_versions": ["1.6"]}}
    bench = station(slots=slots)
    assert bench.value("OcppCsmsUrl", "NetworkConfiguration[0]") == URL
    assert bench.value("SecurityProfile", "NetworkConfiguration[1]") == "2"
    assert bench.value("OcppVersion", "NetworkConfiguration[1]") == "OCPP16"
    assert bench.value("OcppCsmsUrl", "NetworkConfiguration[3]") == ""
    assert bench.value("ActiveNetworkProfile") == "0"
    priority = {"component": {"name": COMM}, "variable": {"name": "NetworkConfigurationPriority"}}
    bench.ask("GetReport", {"requestId": 1, "componentVariable": [priority]})
    (said,) = bench.expect("NotifyReport")["reportData"]
    assert said["variableCharacteristics"]["valuesList"] == "0,1,2,3"


@pytest.mark.parametrize(
    ("slot", "fields", "reason"),
    [
        (999, {}, "InvalidConfSlot"),
        (0, {}, "InvalidConfSlot"),
        (2, {"ocppCsmsUrl": "http://csms.example"}, "InvalidNetworkConf"),
        (2, {"ocppCsmsUrl": "ws://user:secret@csms.example"}, "InvalidNetworkConf"),
        (2, {"ocppCsmsUrl": "ws://csms.example:99999"}, "InvalidNetworkConf"),
        (2, {"ocppCsmsUrl": "ws://csms.example#top"}, "InvalidNetworkConf"),
        (2, {"ocppCsmsUrl": ""}, "InvalidNetworkConf"),
        (2, {"securityProfile": 2}, "InvalidNetworkConf"),  # and the URL is ws://
        (2, {"ocppCsmsUrl": "wss://csms.example"}, "InvalidNetworkConf"),  # and the profile is 1
        (2, {"securityProfile": 0}, "NoSecurityDowngrade"),
        (2, {"securityProfile": 4, "ocppCsmsUrl": "wss://csms.example"}, "InvalidNetworkConf"),
        (2, {"messageTimeout": 0}, "InvalidNetworkConf"),
        (2, {"messageTimeout": -5}, "InvalidNetworkConf"),
        (2, {"ocppTransport": "SOAP"}, "InvalidNetworkConf"),
        (2, {"ocppVersion": "OCPP15"}, "InvalidNetworkConf"),
        (2, {"apn": {"apn": "internet", "apnAuthentication": "AUTO"}}, "InvalidNetworkConf"),
        (
            2,
            {"vpn": {"server": "v", "user": "u", "password": "p", "key": "k", "type": "IKEv2"}},
            "InvalidNetworkConf",
        ),
    ],
)
@versions2
def test_a_profile_that_cannot_work_is_rejected(version: str, slot: int, fields: dict[str, Any], reason: str) -> None:
    """[B09.FR.02, B09.FR.04, B09.FR.05] Nothing of it is kept."""
    bench = station(version)
    assert put(bench, slot, **fields) == ("Rejected", reason)
    assert bench.model.changes("NetworkConfiguration[2]") == {}


@pytest.mark.parametrize("fields", [{"identity": "a:b"}, {"identity": "a b"}, {"basicAuthPassword": "short"}])
def test_credentials_that_cannot_be_are_rejected(fields: dict[str, Any]) -> None:
    assert put(station("2.1"), **fields) == ("Rejected", "InvalidNetworkConf")


def test_an_interface_that_the_station_does_not_have() -> None:
    bench = station("2.1", interfaces={"Wired1": "eth1"})
    assert put(bench, ocppInterface="Wired0") == ("Rejected", "InvalidNetworkConf")
    assert put(bench, ocppInterface="Wired1")[0] == put(bench, 3, ocppInterface="Any")[0] == "Accepted"
    assert order(bench, "2,3,1")[0] == "RebootRequired"
    reset(bench)
    assert [row["interface"] for row in bench.profiles.profiles()] == ["eth1", None, None, None]


def test_a_disk_that_refuses_is_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """[B09.FR.03]"""
    bench = station()

    def save(documents: Documents, name: str, value: Any) -> None:
        raise StoreError("full")

    monkeypatch.setattr(Documents, "save", save)
    assert put(bench) == ("Failed", "OutOfStorage")


@versions2
def test_a_variable_of_a_slot_that_is_not_in_use_can_be_written(version: str) -> None:
    """[B09.FR.10, B09.FR.22]-[B09.FR.25, B09.FR.35]"""
    bench = station(version)
    assert write(bench, "NetworkConfiguration[1]", "OcppCsmsUrl", "ws://x.example") == ("Rejected", "ActiveNetworkConf")
    two = "NetworkConfiguration[2]"
    assert write(bench, two, "OcppCsmsUrl", "wss://x.example/a") == ("Accepted", None)
    assert write(bench, two, "SecurityProfile", "0") == ("Rejected", "NoSecurityDowngrade")
    assert write(bench, two, "SecurityProfile", "2") == ("Accepted", None)
    assert write(bench, two, "OcppCsmsUrl", "x.example") == ("Rejected", "InvalidNetworkConf")
    assert write(bench, two, "BasicAuthPassword", OTHER) == ("Accepted", None)
    assert write(bench, two, "Identity", "a:b") == ("Rejected", "InvalidNetworkConf")
    assert write(bench, two, "ApnEnabled", "true") == ("Rejected", "ReadOnly")
    assert write(bench, two, "OcppTransport", "JSON") == ("Rejected", "ReadOnly")
    assert write(bench, "NetworkConfiguration[4]", "OcppCsmsUrl", "ws://x.example")[0] == "UnknownComponent"
    certificates(bench)
    assert order(bench, "2,1") == ("RebootRequired", None)
    reset(bench)
    assert bench.ways()[0] == (2, "wss://x.example/a", 2, OTHER)


# -- B10, A05: the order ----------------------------------------------------------------------------------------------


@versions2
def test_the_order_counts_from_the_next_start_on(version: str) -> None:
    """[B10.FR.01, B10.FR.04] After the list the slot that worked last has its turn once more. [B10.FR.07]"""
    bench = station(version)
    put(bench)
    before = bench.ways()
    assert order(bench, "2,1") == ("RebootRequired", None)
    assert bench.ways() == before == [(1, URL, 1, PASSWORD)]
    reset(bench)
    first, one = (2, "ws://other.example/ocpp", 1, PASSWORD), (1, URL, 1, PASSWORD)
    assert bench.ways() == [first, one, one]
    bench.works()
    assert bench.ways() == [first, one, first]
    assert (bench.value("ActiveNetworkProfile"), bench.model.get(COMM, "MessageTimeout", "Default")) == ("2", "20")
    bench.works(1)
    assert (bench.value("ActiveNetworkProfile"), bench.model.get(COMM, "MessageTimeout", "Default")) == ("1", "30")


@versions2
def test_the_slot_that_worked_last_is_the_way_back(version: str) -> None:
    """[B10.FR.07] Also where the list does not name it any more."""
    bench = station(version)
    put(bench)
    assert order(bench, "2") == ("RebootRequired", None)
    reset(bench)
    assert [way[0] for way in bench.ways()] == [2, 1]


@pytest.mark.parametrize(
    ("value", "reason"),
    [("3,1", "InvalidNetworkConf"), ("4,1", "ValueOutOfRange"), ("", "InvalidValue"), ("1,1", "InvalidValue")],
)
@versions2
def test_an_order_that_cannot_work_is_rejected(version: str, value: str, reason: str) -> None:
    """[B10.FR.02]"""
    bench = station(version)
    assert order(bench, value) == ("Rejected", reason)
    assert bench.value("NetworkConfigurationPriority") == "1"


def test_removing_a_slot_counts_at_once() -> None:
    """[B09.FR.20] So that it can be set up anew."""
    slots = {2: {"url": "ws://b.example", "security_profile": 1, "password": OTHER, "ocpp_versions": ["1.6"]}}
    bench = station("2.1", slots=slots)
    assert [way[0] for way in bench.ways()] == [1, 2, 1]
    assert order(bench, "1") == ("Accepted", None)
    assert [way[0] for way in bench.ways()] == [1]
    assert write(bench, "NetworkConfiguration[2]", "OcppCsmsUrl", "ws://c.example")[0] == "Accepted"
    assert order(bench, "1,2") == ("RebootRequired", None)
    reset(bench)
    assert bench.ways()[1] == (2, "ws://c.example", 1, OTHER)


@pytest.mark.parametrize(
    ("level", "given", "settings", "why"),
    [
        (2, {"root": False}, {}, "root certificate"),
        (2, {}, {"days": (-10, -1)}, "valid now"),
        (3, {"own": False}, {}, "no certificate of the station"),
        (3, {"root": False}, {}, "root certificate"),
        (3, {}, {}, None),
        (2, {"own": False}, {}, None),
    ],
)
@versions2
def test_the_certificates_must_be_there(
    version: str, level: int, given: dict[str, bool], settings: dict[str, Any], why: str | None
) -> None:
    """[A05.FR.02]-[A05.FR.04]"""
    bench = station(version)
    certificates(bench, **given, **settings)
    assert put(bench, securityProfile=level, ocppCsmsUrl="wss://other.example") == ("Accepted", None)
    item = {"component": {"name": COMM}, "variable": {"name": "NetworkConfigurationPriority"}, "attributeValue": "2,1"}
    (result,) = bench.ask("SetVariables", {"setVariableData": [item]})["setVariableResult"]
    if why is None:
        assert result["attributeStatus"] == "RebootRequired"
        return
    assert result["attributeStatus"] == "Rejected" and why in result["attributeStatusInfo"]["additionalInfo"]
    assert bench.value("NetworkConfigurationPriority") == "1"


def test_a_slot_in_use_must_be_able_to_work_at_once() -> None:
    bench = station()
    assert put(bench, 1, securityProfile=2, ocppCsmsUrl="wss://x.example") == ("Rejected", "InvalidNetworkConf")
    certificates(bench)
    assert put(bench, 1, securityProfile=2, ocppCsmsUrl="wss://x.example") == ("Accepted", None)


@versions2
def test_upgrade_of_the_security_profile(version: str) -> None:
    """[A05.FR.05, A05.FR.06] Slots with a lower one are gone, and cannot come back. [A05.FR.10, B09.FR.04]"""
    bench = station(version)
    certificates(bench)
    put(bench, securityProfile=2, ocppCsmsUrl="wss://other.example")
    order(bench, "2,1")
    assert bench.value("SecurityProfile", "SecurityCtrlr") == "1"
    reset(bench)
    assert [way[0] for way in bench.ways()] == [2, 1, 1]
    bench.works()
    assert bench.value("SecurityProfile", "SecurityCtrlr") == "2"
    assert bench.value("NetworkConfigurationPriority") == "2"
    assert bench.ways() == [(2, "wss://other.example", 2, PASSWORD)]
    bench.connect(version)
    assert bench.value("OcppCsmsUrl", "NetworkConfiguration[1]") == ""
    assert put(bench, 1) == ("Rejected", "NoSecurityDowngrade")
    assert order(bench, "2,1") == ("Rejected", "InvalidNetworkConf")
    reset(bench)
    assert [way[0] for way in bench.ways()] == [2]


def test_an_upgrade_that_does_not_work_changes_nothing() -> None:
    bench = station()
    certificates(bench)
    put(bench, securityProfile=2, ocppCsmsUrl="wss://other.example")
    order(bench, "2,1")
    reset(bench)
    bench.works(1)
    assert bench.value("SecurityProfile", "SecurityCtrlr") == "1"
    assert bench.value("NetworkConfigurationPriority") == "2,1"


@pytest.mark.parametrize(
    ("allowed", "present", "wanted", "status"),
    [
        ("false", 3, 2, "Rejected"),
        ("true", 3, 2, "Accepted"),
        ("true", 3, 1, "Rejected"),
        ("true", 2, 1, "Rejected"),
        ("true", 1, 0, "Rejected"),
    ],
)
@versions2
def test_downgrade(version: str, allowed: str, present: int, wanted: int, status: str) -> None:
    """[A05.FR.08]-[A05.FR.10, B09.FR.31]"""
    bench = station(version, present, cert="c.pem", key="k.pem")
    bench.model.set("SecurityCtrlr", "AllowSecurityProfileDowngrade", allowed)
    url = "wss://x.example" if wanted > 1 else "ws://x.example"
    reason = None if status == "Accepted" else "NoSecurityDowngrade"
    assert put(bench, securityProfile=wanted, ocppCsmsUrl=url) == (status, reason)


def test_a_list_of_the_station_file_may_mix_security_profiles() -> None:
    """Whoever wrote the file knows; nothing of it is removed."""
    slots = {2: {"url": "ws://b.example", "security_profile": 0, "password": None, "ocpp_versions": ["2.1"]}}
    bench = station("2.1", slots=slots)
    bench.works(1)
    assert bench.value("SecurityProfile", "SecurityCtrlr") == "0"
    bench.works(0)
    assert bench.value("SecurityProfile", "SecurityCtrlr") == "1"
    assert [way[0] for way in bench.ways()] == [1, 2, 1]


def test_the_way_back_from_an_active_slot_that_was_overwritten() -> None:
    bench = station()
    assert put(bench, 1, ocppCsmsUrl="ws://wrong.example") == ("Accepted", None)
    assert bench.ways() == [(1, URL, 1, PASSWORD)]
    bench.works()  # a mere reconnection
    reset(bench)
    wrong, right = (1, "ws://wrong.example", 1, PASSWORD), (1, URL, 1, PASSWORD)
    assert bench.ways()[:2] == [wrong, right]
    bench.works(1)
    assert bench.ways() == [right]
    assert bench.value("OcppCsmsUrl", "NetworkConfiguration[1]") == URL
    reset(bench)
    assert bench.ways() == [right]


def test_the_way_back_is_that_of_the_slot_in_use() -> None:
    """Though another slot, overwritten while it was in use, has not been tried yet."""
    bench = station()
    put(bench, 1, ocppCsmsUrl="ws://wrong.example")
    put(bench, 2)
    order(bench, "2,1")
    reset(bench)
    bench.works()
    bench.connect("2.0.1")
    assert write(bench, "SecurityCtrlr", "BasicAuthPassword", OTHER) == ("Accepted", None)
    assert [way[::3] for way in bench.ways()[:2]] == [(2, OTHER), (2, PASSWORD)]


def test_what_the_csms_broke_does_not_keep_the_station_from_connecting() -> None:
    bench = station()
    bench.engine.documents.save("variables", {"NetworkConfiguration[1].SecurityProfile": "3"})
    reset(bench)
    assert bench.ways() == [(1, URL, 1, PASSWORD)]
    assert "the connection begins as the station file says" in bench.log.texts("error")


# -- A01, and A05 of 1.6 ----------------------------------------------------------------------------------------------


def renew(bench: Station, key: str, variable: str, value: str) -> str:
    """The CSMS changes a security setting in its version's way: the status."""
    if bench.version == "1.6":
        status: str = bench.ask("ChangeConfiguration", {"key": key, "value": value})["status"]
        return status
    return write(bench, "SecurityCtrlr", variable, value)[0]


@versions
def test_a_new_password_is_tried_at_once_and_the_old_one_is_the_way_back(version: str) -> None:
    """[A01.FR.01, A01.FR.11, A01.FR.12]"""
    bench = station(version)
    assert renew(bench, "AuthorizationKey", "BasicAuthPassword", OTHER) == "Accepted"
    assert bench.take_effects("credentials") == [("credentials",)]
    assert [way[3] for way in bench.ways()[:2]] == [OTHER, PASSWORD]
    bench.works()
    assert bench.ways() == [(1, URL, 1, OTHER)]
    reset(bench)
    assert bench.ways() == [(1, URL, 1, OTHER)]
    log = str(bench.engine.documents.load("security_log")) + str(bench.log.lines)
    assert "BasicAuthPassword" in log and OTHER not in log


@versions
def test_a_password_that_the_csms_refuses_is_taken_back(version: str) -> None:
    """Also over a power cut in between."""
    bench = station(version)
    renew(bench, "AuthorizationKey", "BasicAuthPassword", OTHER)
    reset(bench)
    assert [way[3] for way in bench.ways()[:2]] == [OTHER, PASSWORD]
    bench.works(1)
    assert bench.ways() == [(1, URL, 1, PASSWORD)]
    reset(bench)
    assert bench.ways() == [(1, URL, 1, PASSWORD)]


@versions
def test_the_way_back_is_on_the_disk_before_the_new_password(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the old password is there again before the way back is forgotten: a power cut in between locks nobody out."""
    bench = station(version)
    saved: list[str] = []
    save = Documents.save

    def note(documents: Documents, name: str, value: Any) -> None:
        if name in ("network", "variables"):
            saved.append(name)
        save(documents, name, value)

    monkeypatch.setattr(Documents, "save", note)
    renew(bench, "AuthorizationKey", "BasicAuthPassword", OTHER)
    assert saved == ["network", "variables"]
    saved.clear()
    bench.works(1)
    assert saved == ["variables", "network"]


@versions2
def test_a_password_that_could_not_be_stored_changes_nothing(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = station(version)
    save = Documents.save

    def refuse(documents: Documents, name: str, value: Any) -> None:
        if name == "variables":
            raise StoreError("full")
        save(documents, name, value)

    monkeypatch.setattr(Documents, "save", refuse)
    assert write(bench, "SecurityCtrlr", "BasicAuthPassword", OTHER) == ("Rejected", "InternalError")
    assert bench.ways() == [(1, URL, 1, PASSWORD)] and bench.take_effects("credentials") == []
    monkeypatch.setattr(Documents, "save", save)
    reset(bench)
    bench.works()
    assert bench.ways() == [(1, URL, 1, PASSWORD)]


@versions2
def test_a_password_that_is_not_used_needs_no_reconnection(version: str) -> None:
    bench = station(version, 0)
    assert write(bench, "SecurityCtrlr", "BasicAuthPassword", OTHER) == ("Accepted", None)
    assert bench.take_effects("credentials") == [] and len(bench.ways()) == 1


@versions2
def test_the_password_of_a_slot_becomes_that_of_the_station(version: str) -> None:
    """[B09.FR.28] The slots that used the one before keep it. [B09.FR.27] A new one is that of the slot in use."""
    bench = station(version)
    put(bench)
    write(bench, "NetworkConfiguration[2]", "BasicAuthPassword", OTHER)
    order(bench, "2,1")
    reset(bench)
    bench.works()
    assert bench.model.get("SecurityCtrlr", "BasicAuthPassword") == OTHER
    assert [way[3] for way in bench.ways()] == [OTHER, PASSWORD, OTHER]
    bench.connect(version)
    newest = "Password-newest-0"
    assert write(bench, "SecurityCtrlr", "BasicAuthPassword", newest) == ("Accepted", None)
    bench.works()
    reset(bench)
    assert [way[3] for way in bench.ways()] == [newest, PASSWORD, newest]


def test_the_identity_of_a_slot() -> None:
    """[B09.FR.28]"""
    bench = station("2.1")
    assert put(bench, identity="OTHER-1") == ("Accepted", None)
    order(bench, "2,1")
    reset(bench)
    assert [row["identity"] for row in bench.profiles.profiles()] == ["OTHER-1", "CS001", "CS001"]
    bench.works()
    assert bench.value("Identity", "SecurityCtrlr") == "OTHER-1"


@pytest.mark.parametrize(
    ("present", "wanted", "given", "status"),
    [
        (1, "1", {}, "Rejected"),
        (2, "1", {}, "Rejected"),
        (1, "4", {}, "Rejected"),
        (1, "2", {"root": False}, "Rejected"),
        (1, "3", {"own": False}, "Rejected"),
        (0, "1", {}, "Accepted"),
        (1, "2", {}, "Accepted"),
        (1, "3", {}, "Accepted"),
        (2, "3", {}, "Accepted"),
    ],
)
def test_16_upgrade(present: int, wanted: str, given: dict[str, bool], status: str) -> None:
    """[1.6 security, A05.FR.01]-[A05.FR.05]"""
    bench = station("1.6", present)
    certificates(bench, **given)
    assert renew(bench, "SecurityProfile", "", wanted) == status
    assert bench.value("SecurityProfile", "SecurityCtrlr") == (wanted if status == "Accepted" else str(present))


def test_16_upgrade_without_a_password() -> None:
    """[1.6 security, A05.FR.02]"""
    bench = station("1.6", 0)
    bench.model.set_all([("SecurityCtrlr", "BasicAuthPassword", None, "")])
    reset(bench)
    bench.connect("1.6")
    assert renew(bench, "SecurityProfile", "", "1") == "Rejected"


def test_16_upgrade_that_works() -> None:
    """[1.6 security, A05.FR.06, A05.FR.07]"""
    bench = station("1.6")
    certificates(bench)
    assert renew(bench, "SecurityProfile", "", "2") == "Accepted"
    assert bench.take_effects("credentials") == [("credentials",)]
    secure = (1, "wss://csms.example/ocpp", 2, PASSWORD)
    assert bench.ways() == [secure, (1, URL, 1, PASSWORD), secure]
    bench.works()
    assert bench.ways() == [secure]
    reset(bench)
    assert bench.ways() == [secure]
    assert bench.value("SecurityProfile", "SecurityCtrlr") == "2"


def test_16_upgrade_that_does_not_work() -> None:
    """[1.6 security, A05.FR.08]"""
    bench = station("1.6")
    certificates(bench)
    renew(bench, "SecurityProfile", "", "2")
    bench.works(1)
    assert bench.ways() == [(1, URL, 1, PASSWORD)]
    assert bench.value("SecurityProfile", "SecurityCtrlr") == "1"
    reset(bench)
    assert bench.ways() == [(1, URL, 1, PASSWORD)]


def test_16_upgrade_takes_the_url_of_a_slot_with_that_security_profile() -> None:
    slots = {2: {"url": "wss://tls.example:8443", "security_profile": 2, "password": OTHER, "ocpp_versions": ["1.6"]}}
    bench = station("1.6", slots=slots)
    certificates(bench)
    renew(bench, "SecurityProfile", "", "2")
    assert bench.ways()[0] == (1, "wss://tls.example:8443", 2, PASSWORD)


# -- what the station has ---------------------------------------------------------------------------------------------


def test_a_station_without_slots_refuses() -> None:
    bench = Bench()
    bench.connect("2.1")
    asked = {"configurationSlot": 1, "connectionData": profile()}
    answer = bench.ask("SetNetworkProfile", asked)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidConfSlot")


def test_a_clock_that_was_never_set_does_not_make_certificates_invalid(tmp_path: Path) -> None:
    root = Certificate("Root", ca=True, days=(100, 200))
    (tmp_path / "root.pem").write_text(root.pem())
    settings = {"url": "wss://h", "identity": "a", "subprotocols": ["x"], "security_profile": 2, "password": "p"}
    asked = {**settings, "ca": str(tmp_path / "root.pem")}
    assert "valid now" in str(problem(asked))
    now = 1_767_225_600.0
    assert problem(asked, now) is None
    assert "valid now" in str(problem(asked, now + 1e9))


def test_the_clock_is_behind_what_the_station_wrote_last() -> None:
    """Then the time is unknown, but for that: certificates are checked by it."""
    bench = station()
    assert bench.profiles.shared()["clock_floor_s"] is None
    written = Path(bench.directory) / "documents" / "later"
    written.touch()
    ahead_s = time.time() + 86_400
    os.utime(written, (ahead_s, ahead_s))
    assert bench.profiles.shared()["clock_floor_s"] == pytest.approx(ahead_s, abs=1)
