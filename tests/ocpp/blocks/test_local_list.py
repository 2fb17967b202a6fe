"""D. Local authorization list, in the three versions; C13 and C14, authorization by it."""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any

import pytest

from evse.clock import timestamp
from evse.errors import StoreError
from evse.model import Token
from tests.support.bench import Bench, versions, versions2
from tests.support.driver import Driver
from tests.support.powercut import PowerCutFS

LATER = {"expiry": 86_400.0}
ENTRIES = 1000
ITEMS = 250


def station(version: str, **kwargs: Any) -> Bench:
    bench = Bench(**kwargs)
    bench.connect(version)
    bench.model.set("AuthCtrlr", "LocalPreAuthorize", "true")
    return bench


def entry(bench: Bench, token: str, status: str | None = "Accepted", group: str = "", expiry: float = 0.0) -> Any:
    """AuthorizationData in the words of the version; without a status one that removes. `expiry` in s from now."""
    info: dict[str, Any] = {"status": status}
    at = timestamp(bench.time.utc + expiry)
    if bench.version == "1.6":
        if group:
            info["parentIdTag"] = group
        if expiry:
            info["expiryDate"] = at
        return {"idTag": token} if status is None else {"idTag": token, "idTagInfo": info}
    if group:
        info["groupIdToken"] = {"idToken": group, "type": "Central"}
    if expiry:
        info["cacheExpiryDateTime"] = at
    said = {"idToken": {"idToken": token, "type": "ISO14443"}}
    return said if status is None else {**said, "idTokenInfo": info}


def send(bench: Bench, version: int, *entries: Any, kind: str = "Full") -> str:
    request: dict[str, Any] = {"updateType": kind}
    request["listVersion" if bench.version == "1.6" else "versionNumber"] = version
    if entries:
        request["localAuthorizationList"] = list(entries)
    status: str = bench.ask("SendLocalList", request)["status"]
    return status


def version_of(bench: Bench) -> int:
    answer = bench.ask("GetLocalListVersion")
    number: int = answer["listVersion" if bench.version == "1.6" else "versionNumber"]
    return number


def found(bench: Bench, token: str, kind: str = "ISO14443") -> str | None:
    """Status of a token in the list."""
    info = bench.engine.block("local_list").find(Token(token, kind))
    return None if info is None else info["status"]


def entries(bench: Bench) -> int | None:
    return bench.model.integer("LocalAuthListCtrlr", "Entries")


# -- D01, D02 --------------------------------------------------------------------------------------------------------


@versions
def test_D01_FR_15_a_full_list_replaces_what_was_there(version: str) -> None:
    bench = station(version)
    assert send(bench, 5, entry(bench, "A"), entry(bench, "B", "Blocked")) == "Accepted"
    assert version_of(bench) == 5
    assert [found(bench, token) for token in "ABC"] == ["Accepted", "Blocked", None]
    assert send(bench, 2, entry(bench, "C")) == "Accepted"  # a lower version, too
    assert version_of(bench) == 2
    assert [found(bench, token) for token in "ABC"] == [None, None, "Accepted"]


@versions
def test_D01_FR_16_17_a_differential_list_adds_changes_and_removes(version: str) -> None:
    bench = station(version)
    send(bench, 1, entry(bench, "A"), entry(bench, "B"), entry(bench, "C", group="G"), entry(bench, "AB"))
    changes = [entry(bench, "A", "Invalid"), entry(bench, "b", None), entry(bench, "D"), entry(bench, "E", None)]
    assert send(bench, 2, *changes, kind="Differential") == "Accepted"
    assert version_of(bench) == 2
    assert [found(bench, token) for token in ("A", "B", "C", "D", "E", "AB")] == [
        "Invalid", None, "Accepted", "Accepted", None, "Accepted",
    ]  # fmt: skip
    assert entries(bench) == 4
    assert bench.engine.block("local_list").find(Token("c"))["groupIdToken"]["idToken"] == "G"


@versions
def test_D01_FR_04_a_full_update_without_a_list_empties_it(version: str) -> None:
    bench = station(version)
    send(bench, 1, entry(bench, "A"))
    assert send(bench, 7) == "Accepted"
    assert found(bench, "A") is None
    assert version_of(bench) == (0 if version == "1.6" else 7)  # [1.6 §5.10: 0 is an empty list]
    told = version_of(bench)
    assert send(bench, told, entry(bench, "A"), kind="Differential") != "Accepted"
    assert send(bench, told + 1, entry(bench, "A"), kind="Differential") == "Accepted"  # it is above what was told
    assert version_of(bench) == told + 1


@versions
def test_D01_FR_05_a_differential_update_without_a_list_changes_the_version_only(version: str) -> None:
    bench = station(version)
    send(bench, 1, entry(bench, "A"))
    assert send(bench, 2, kind="Differential") == "Accepted"
    assert version_of(bench) == 2 and found(bench, "A") == "Accepted"


@versions
@pytest.mark.parametrize("number", [4, 5])
def test_D01_FR_19_a_differential_update_must_have_a_higher_version(version: str, number: int) -> None:
    bench = station(version)
    send(bench, 5, entry(bench, "A"))
    assert send(bench, number, entry(bench, "B"), kind="Differential") == "VersionMismatch"
    assert version_of(bench) == 5 and found(bench, "B") is None


@versions
@pytest.mark.parametrize("number", [0, -1])
@pytest.mark.parametrize("kind", ["Full", "Differential"])
def test_D01_FR_18_no_list_has_a_version_that_means_something_else(version: str, number: int, kind: str) -> None:
    """[1.6 errata 3.52]"""
    bench = station(version)
    send(bench, 5, entry(bench, "A"))
    assert send(bench, number, entry(bench, "B"), kind=kind) == "Failed"
    assert version_of(bench) == 5 and found(bench, "A") == "Accepted"


@versions
@pytest.mark.parametrize("kind", ["Full", "Differential"])
def test_D01_FR_06_a_list_with_a_token_twice_fails_as_a_whole(version: str, kind: str) -> None:
    bench = station(version)
    send(bench, 1, entry(bench, "A"))
    assert send(bench, 2, entry(bench, "B"), entry(bench, "tag"), entry(bench, "TAG"), kind=kind) == "Failed"
    assert version_of(bench) == 1 and found(bench, "B") is None and found(bench, "A") == "Accepted"


@versions
def test_D01_a_full_list_must_say_what_is_known_of_each_token(version: str) -> None:
    bench = station(version)
    assert send(bench, 1, entry(bench, "A"), entry(bench, "B", None)) == "Failed"
    assert version_of(bench) == 0


@versions
@pytest.mark.parametrize("token", ["A\nISO14443:B\t", "Ä", ""])
def test_D01_a_token_that_is_no_identifier_fails(version: str, token: str) -> None:
    bench = station(version)
    assert send(bench, 1, entry(bench, token)) == "Failed"
    assert entries(bench) == 0


@versions
def test_a_token_at_a_reader_cannot_pass_for_two_lines_of_the_list(version: str) -> None:
    bench = station(version)
    send(bench, 1, entry(bench, "A"), entry(bench, "B", "Blocked"))
    kind = "" if version == "1.6" else "ISO14443"
    assert found(bench, f"A\t\n{kind}:B") is None


@versions
def test_D01_FR_11_a_message_has_at_most_ItemsPerMessage(version: str) -> None:
    bench = station(version)
    assert bench.model.integer("LocalAuthListCtrlr", "ItemsPerMessage") == ITEMS
    many = [entry(bench, f"T{index}") for index in range(ITEMS + 1)]
    assert send(bench, 1, *many) == "Failed"
    assert send(bench, 1, *many[:-1]) == "Accepted"
    assert entries(bench) == ITEMS


@versions
def test_D01_FR_12_the_list_has_at_most_the_maxLimit_of_Entries(version: str) -> None:
    limit = [{"component": "LocalAuthListCtrlr", "variable": "Entries", "max": 3.0}]
    bench = station(version, variables=limit)
    assert send(bench, 1, *[entry(bench, f"T{index}") for index in range(4)]) == "Failed"
    assert send(bench, 1, *[entry(bench, f"T{index}") for index in range(3)]) == "Accepted"
    assert send(bench, 2, entry(bench, "T3"), kind="Differential") == "Failed"
    assert version_of(bench) == 1
    assert send(bench, 2, entry(bench, "T0", None), entry(bench, "T3"), kind="Differential") == "Accepted"
    assert entries(bench) == 3


@versions
def test_D01_FR_10_the_list_survives_a_power_cut(version: str) -> None:
    bench = station(version)
    send(bench, 3, entry(bench, "A", group="G"), entry(bench, "B", "Blocked"))
    send(bench, 4, entry(bench, "C"), kind="Differential")
    bench.cut()
    bench.restart()
    bench.connect(version)
    assert version_of(bench) == 4
    assert [found(bench, token) for token in "ABC"] == ["Accepted", "Blocked", "Accepted"]


@pytest.mark.parametrize("version", ["2.1"])
def test_D01_FR_10_a_power_cut_leaves_the_old_list_or_the_new(version: str) -> None:
    fs = PowerCutFS("/state")
    bench = station(version, fs=fs)
    seen = set()

    def look(call: str, path: str) -> None:
        for _, disk in fs.cut():
            after = Bench(fs=disk)
            block = after.engine.loaded("local_list")
            number = 0 if block is None else block.list_version({})["versionNumber"]
            seen.add((number, *[block and block.find(Token(token)) and token for token in "AB"]))

    fs.before = look
    assert send(bench, 1, entry(bench, "A")) == "Accepted"
    assert {number for number, *_ in seen} == {0, 1}
    seen.clear()
    look("end", "")
    assert send(bench, 2, entry(bench, "B")) == "Accepted"
    assert seen == {(1, "A", None), (2, None, "B")}
    seen.clear()
    look("end", "")
    assert seen == {(2, None, "B")}


@versions
def test_a_list_that_cannot_be_saved_fails_and_the_old_one_stays(version: str, monkeypatch: Any) -> None:
    bench = station(version)
    send(bench, 1, entry(bench, "A"))

    def full(*_: Any) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(type(bench.engine.documents), "save", full)
    assert send(bench, 2, entry(bench, "B")) == "Failed"
    assert version_of(bench) == 1 and found(bench, "A") == "Accepted"


@versions
def test_D02_FR_02_without_a_list_the_version_is_0(version: str) -> None:
    assert version_of(station(version)) == 0


@versions
def test_D02_FR_03_D01_FR_13_a_list_that_is_not_enabled(version: str) -> None:
    """1.6 has words of its own for it: -1 and NotSupported. [1.6 §5.10, §7.47]"""
    bench = station(version)
    send(bench, 1, entry(bench, "A"))
    bench.model.set("LocalAuthListCtrlr", "Enabled", "false")
    assert version_of(bench) == (-1 if version == "1.6" else 0)
    assert send(bench, 2, entry(bench, "B")) == ("NotSupported" if version == "1.6" else "Failed")
    assert found(bench, "A") is None
    bench.model.set("LocalAuthListCtrlr", "Enabled", "true")
    assert version_of(bench) == 1 and found(bench, "A") == "Accepted"  # [D01.FR.09]


def test_16_without_the_profile_both_requests_are_refused() -> None:
    bench = station("1.6")
    bench.model.set("OCPP16Ctrlr", "SupportedFeatureProfiles", "Core")
    for action, payload in (("GetLocalListVersion", {}), ("SendLocalList", {"listVersion": 1, "updateType": "Full"})):
        reply = bench.ask_raw(action, payload)
        assert reply is not None and reply[2] == "NotSupported"


def test_16_keys() -> None:
    bench = station("1.6")
    names = ["LocalAuthListEnabled", "LocalAuthListMaxLength", "SendLocalListMaxLength"]
    known = bench.ask("GetConfiguration", {"key": names})["configurationKey"]
    assert {each["key"]: (each["readonly"], each["value"]) for each in known} == {
        "LocalAuthListEnabled": (False, "true"),
        "LocalAuthListMaxLength": (True, str(ENTRIES)),
        "SendLocalListMaxLength": (True, str(ITEMS)),
    }


def test_16_a_tag_has_no_kind_so_any_reader_may_read_it() -> None:
    bench = station("1.6")
    send(bench, 1, entry(bench, "1234"))
    assert found(bench, "1234", "KeyCode") == "Accepted"


@versions2
def test_2x_tokens_of_different_kinds_are_different_tokens(version: str) -> None:
    """[C01.FR.25]"""
    bench = station(version)
    send(bench, 1, entry(bench, "1234"))
    assert found(bench, "1234", "KeyCode") is None


@versions2
def test_2x_what_is_known_of_a_token_comes_back_whole(version: str) -> None:
    bench = station(version)
    info = {
        "status": "Accepted",
        "groupIdToken": {"idToken": "G", "type": "Central"},
        "evseId": [1],
        "language1": "de",
        "personalMessage": {"format": "UTF8", "content": "Grüß Gott\n\tund tschüß"},
    }
    send(bench, 1, {"idToken": {"idToken": "A", "type": "ISO14443"}, "idTokenInfo": info}, entry(bench, "B", "Blocked"))
    assert bench.engine.block("local_list").find(Token("A")) == info
    assert found(bench, "B") == "Blocked"


# -- C13, C14: authorization -----------------------------------------------------------------------------------------


def authorizations(driver: Driver) -> int:
    """How often the CSMS was asked about a token since the last call."""
    said, driver.said = driver.said, []
    return sum(action == "Authorize" for action, _ in said)


def is_charging(bench: Bench) -> bool:
    return bench.engine.evses[1].authorized is not None


@versions
def test_C14_FR_02_an_accepted_token_starts_without_asking(version: str) -> None:
    bench = station(version)
    send(bench, 1, entry(bench, "A", **LATER))
    driver = Driver(bench)
    driver.plug()
    driver.tap("a")
    assert is_charging(bench) and authorizations(driver) == 0


@versions
def test_C14_FR_03_a_token_that_is_not_accepted_is_asked_about(version: str) -> None:
    bench = station(version)
    send(bench, 1, entry(bench, "A", "Blocked"))
    driver = Driver(bench)
    driver.plug()
    driver.tap("A")
    assert is_charging(bench) and authorizations(driver) == 1


@versions
def test_C14_DisablePostAuthorize_believes_the_list(version: str) -> None:
    bench = station(version)
    bench.model.set("LocalAuthListCtrlr", "DisablePostAuthorize", "true")
    send(bench, 1, entry(bench, "A", "Blocked"))
    driver = Driver(bench)
    driver.plug()
    driver.tap("A")
    assert not is_charging(bench) and authorizations(driver) == 0
    assert driver.shown()[-1] == "card refused: Blocked"


@versions
@pytest.mark.parametrize("believes", ["true", "false"])
def test_C14_FR_05_a_token_whose_date_has_passed_is_asked_about(version: str, believes: str) -> None:
    bench = station(version)
    bench.model.set("LocalAuthListCtrlr", "DisablePostAuthorize", believes)
    send(bench, 1, entry(bench, "A", expiry=60.0))
    driver = Driver(bench)
    bench.advance(61)
    driver.plug()
    driver.tap("A")
    assert authorizations(driver) == 1


@versions
@pytest.mark.parametrize("unknown", ["true", "false"])
def test_C13_FR_05_06_offline_the_list_decides_and_dates_count(version: str, unknown: str) -> None:
    """[1.6 §3.5.4] what was valid and has expired is rejected, even if unknown tokens may charge."""
    bench = station(version)
    bench.model.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", unknown)
    send(bench, 1, entry(bench, "A"), entry(bench, "B", "Blocked"), entry(bench, "C", expiry=60.0))
    driver = Driver(bench)
    bench.drop()
    bench.advance(61)
    driver.plug()
    for token in ("B", "C"):
        driver.tap(token)
        assert not is_charging(bench), token
    driver.tap("A")
    assert is_charging(bench)


def test_C13_FR_02_dates_do_not_count_without_SupportsExpiryDateTime() -> None:
    off = [{"component": "LocalAuthListCtrlr", "variable": "SupportsExpiryDateTime", "value": "false"}]
    bench = station("2.1", variables=off)
    send(bench, 1, entry(bench, "A", expiry=60.0))
    bench.advance(61)
    assert found(bench, "A") == "Accepted"


@versions
def test_C13_FR_01_the_list_comes_before_the_cache(version: str) -> None:
    bench = station(version)
    driver = Driver(bench)
    driver.plug()
    driver.tap("A")  # now in the cache
    driver.tap("A")
    driver.unplug()
    send(bench, 1, entry(bench, "A", "Blocked"))
    bench.drop()
    driver.plug()
    driver.tap("A")
    assert not is_charging(bench)


@versions
def test_a_token_of_the_list_is_not_cached(version: str) -> None:
    """[1.6 §3.5.3]"""
    bench = station(version)
    send(bench, 1, entry(bench, "A", "Blocked"))
    driver = Driver(bench)
    driver.plug()
    driver.tap("A")
    assert bench.engine.block("authorization").cache.find(Token("A")) is None


def test_16_a_conflict_with_the_list_is_reported() -> None:
    """[1.6 §3.5.2] errorCode LocalListConflict at connector 0, whose status stays what it is."""
    bench = station("1.6")
    send(bench, 1, entry(bench, "A"), entry(bench, "B"))
    driver = Driver(bench)
    driver.plug()
    driver.answers["StartTransaction"] = {"transactionId": 1, "idTagInfo": {"status": "ConcurrentTx"}}
    driver.tap("A")
    driver.unplug()
    driver.answers["StartTransaction"] = {"transactionId": 2, "idTagInfo": {"status": "Invalid"}}
    assert "LocalListConflict" not in [payload.get("errorCode") for _, payload in driver.said]
    driver.plug()
    driver.tap("B")
    conflicts = [payload for _, payload in driver.said if payload.get("errorCode") == "LocalListConflict"]
    assert conflicts == [{"connectorId": 0, "status": "Available", "errorCode": "LocalListConflict"}]


@versions2
def test_2x_has_no_words_for_a_conflict(version: str) -> None:
    bench = station(version)
    send(bench, 1, entry(bench, "A", "Blocked"))
    driver = Driver(bench)
    driver.plug()
    driver.tap("A")
    told = [payload["connectorStatus"] for action, payload in driver.said if action == "StatusNotification"]
    assert told == ["Occupied"]
    assert "the local list and the CSMS differ" in bench.log.texts("warning")


# -- memory ----------------------------------------------------------------------------------------------------------


@versions
def test_nothing_is_loaded_for_a_station_without_a_list(version: str) -> None:
    bench = station(version)
    driver = Driver(bench)
    driver.plug()
    driver.tap("A")
    assert bench.engine.loaded("local_list") is None
    assert (entries(bench), bench.model.integer("LocalAuthListCtrlr", "Storage")) == (0, 0)
    send(bench, 1, entry(bench, "A"))
    bench.cut()
    bench.restart()
    assert bench.engine.loaded("local_list") is not None


@versions
def test_a_thousand_tokens_with_groups_and_dates_take_less_than_100_KiB(version: str) -> None:
    bench = station(version)
    tokens = [entry(bench, f"04A2B3C4D5{index:04}", group=f"GROUP{index % 50}", **LATER) for index in range(ENTRIES)]
    for part in range(0, ENTRIES, ITEMS):
        kind = "Differential" if part else "Full"
        assert send(bench, part + 1, *tokens[part : part + ITEMS], kind=kind) == "Accepted"
    assert entries(bench) == ENTRIES
    block = bench.engine.block("local_list")
    assert sum(map(sys.getsizeof, vars(block).values())) < 100 * 1024
    assert bench.model.integer("LocalAuthListCtrlr", "Storage") < 100 * 1024
    assert found(bench, "04A2B3C4D50999") == found(bench, "04A2B3C4D50000") == "Accepted"


def test_a_thousand_listed_and_a_thousand_cached_tokens_take_less_than_200_KiB() -> None:
    """With a group and a date each; what is kept of both, and what the process holds more than before."""
    bench = station("2.1")
    authorization = bench.engine.block("authorization")
    send(bench, 1, entry(bench, "FIRST", group="GROUP", **LATER))  # tables and code are there before
    authorization.learn("FIRST", "ISO14443", {"status": "Accepted"})
    bench.advance(5)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tokens = [entry(bench, f"04A2B3C4D5{index:04}", group=f"GROUP{index % 50}", **LATER) for index in range(ENTRIES)]
    for part in range(0, ENTRIES, ITEMS):
        send(bench, part + 2, *tokens[part : part + ITEMS], kind="Differential" if part else "Full")
    del tokens
    for index in range(ENTRIES):
        info = {"status": "Accepted", "groupIdToken": {"idToken": f"GROUP{index % 50}", "type": "Central"}, **LATER}
        authorization.learn(f"04FFFFFFFF{index:04}", "ISO14443", info)
    bench.advance(5)
    bench.replies.clear()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert authorization.cache.find(Token("04FFFFFFFF0000")) is not None
    assert after - before < 200 * 1024
