"""C. Authorization; 1.6 §3.5, §3.9, §3.10, §4.1."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from evse.clock import timestamp
from evse.model import Token
from evse.ocpp.blocks.authorization.cache import BYTES, ENTRIES
from tests.support.bench import NOW_UTC, STATION, Bench, versions, versions2
from tests.support.driver import Driver, events

GROUP16 = {"idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"}}
GROUP2 = {"idTokenInfo": {"status": "Accepted", "groupIdToken": {"idToken": "FAMILY", "type": "Central"}}}


def start(version: str, evses: int = 1, **variables: str) -> tuple[Bench, Driver]:
    """A booted station; variables as AuthCtrlr_Enabled="false"."""
    bench = Bench(evses=evses)
    for name, value in variables.items():
        component, variable = name.split("_")
        bench.model.set(component, variable, value)
    bench.connect(version)
    return bench, Driver(bench)


def verdict(version: str, status: str, **more: Any) -> dict[str, Any]:
    info = {"status": status, **more}
    return {"idTagInfo": info} if version == "1.6" else {"idTokenInfo": info}


def asked(driver: Driver) -> int:
    """How often the CSMS was asked about a token since the last call."""
    said, driver.said = driver.said, []
    return sum(action == "Authorize" for action, _ in said)


def is_charging(driver: Driver, evse: int = 1) -> bool:
    return driver.bench.engine.evses[evse].authorized is not None


# -- C01: with the CSMS ----------------------------------------------------------------------------------------------


@versions
def test_C01_FR_02_an_unknown_token_is_asked_of_the_csms(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    bench.tap("04A2B3C4")
    request = bench.expect("Authorize")
    if version == "1.6":
        assert request == {"idTag": "04A2B3C4"}
    else:
        assert request == {"idToken": {"idToken": "04A2B3C4", "type": "ISO14443"}}
    assert bench.take_effects("authorize") == []
    bench.answer(verdict(version, "Accepted"))
    assert bench.take_effects("authorize") == [("authorize", 1)]


@versions
@pytest.mark.parametrize("status", ["Invalid", "Blocked", "Expired", "ConcurrentTx"])
def test_C01_a_token_that_is_not_accepted_is_refused_in_words(version: str, status: str) -> None:
    _, driver = start(version)
    driver.answers["Authorize"] = verdict(version, status)
    driver.plug()
    driver.tap()
    assert not is_charging(driver)
    assert driver.shown()[-1] == f"card refused: {status}"
    assert "authorize" not in [effect[0] for effect in driver.effects]


@versions
def test_C01_FR_03_the_token_that_started_stops_without_asking(version: str) -> None:
    _, driver = start(version)
    driver.plug()
    driver.tap("CARD")
    assert asked(driver) == 1
    driver.tap("card")  # case does not matter
    assert asked(driver) == 0
    assert not is_charging(driver)


@versions
def test_C01_the_same_token_during_its_check_is_ignored_and_another_waits(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    bench.tap("CARD")
    bench.take_effects()
    bench.tap("CARD")
    assert bench.take_effects() == []
    bench.tap("OTHER")
    assert bench.take_effects() == [("display", 1, "please wait")]
    driver.settle()
    assert asked(driver) == 1
    assert is_charging(driver)


@versions
def test_C01_FR_23_another_token_cannot_take_over_a_charging_evse(version: str) -> None:
    _, driver = start(version)
    driver.plug()
    driver.tap("CARD")
    driver.tap("OTHER")
    assert driver.shown()[-1] == "card refused: no free connector"
    driver.tap("CARD")
    assert not is_charging(driver)


@versions2
def test_C01_FR_21_a_token_for_other_evses_only_is_refused(version: str) -> None:
    _, driver = start(version, evses=2)
    driver.answers["Authorize"] = verdict(version, "Accepted", evseId=[2])
    driver.plug(1)
    driver.tap("CARD", (1,))
    assert driver.shown()[-1] == "card refused: not at this connector"
    driver.plug(2)
    driver.tap("CARD", (1, 2))
    assert is_charging(driver, 2) and not is_charging(driver, 1)


@versions
def test_C01_FR_26_authorization_ends_when_no_cable_comes(version: str) -> None:
    bench, driver = start(version)
    driver.tap()
    assert is_charging(driver)
    bench.fact("connection_timeout", 1)
    driver.settle()
    assert not is_charging(driver)
    assert driver.shown()[-1] == "no vehicle was connected in time"
    driver.tap()
    assert is_charging(driver)


@versions
def test_C02_authorization_switched_off_accepts_any_token_unasked(version: str) -> None:
    _, driver = start(version, AuthCtrlr_Enabled="false")
    driver.plug()
    driver.tap("WHOEVER")
    assert asked(driver) == 0
    assert is_charging(driver)
    driver.tap("WHOEVER")
    assert not is_charging(driver)


# -- one reader for several EVSEs (1.6 test case 006) ----------------------------------------------------------------


@versions
def test_reader_of_two_evses_takes_the_plugged_one(version: str) -> None:
    _, driver = start(version, evses=2)
    driver.plug(2)
    driver.tap("CARD", (1, 2))
    assert is_charging(driver, 2) and not is_charging(driver, 1)
    driver.plug(1)
    driver.tap("OTHER", (1, 2))
    assert is_charging(driver, 1)
    driver.tap("CARD", (1, 2))
    assert is_charging(driver, 1) and not is_charging(driver, 2)


@versions
def test_reader_of_two_evses_waits_for_the_cable(version: str) -> None:
    _, driver = start(version, evses=2)
    driver.tap("CARD", (1, 2))
    assert not is_charging(driver, 1) and not is_charging(driver, 2)
    assert driver.shown()[-1] == "card accepted: connect the vehicle"
    driver.plug(2)
    assert is_charging(driver, 2) and not is_charging(driver, 1)
    driver.plug(1)
    assert not is_charging(driver, 1)


@versions
def test_reader_of_two_evses_waits_no_longer_than_EVConnectionTimeOut(version: str) -> None:
    _, driver = start(version, evses=2, TxCtrlr_EVConnectionTimeOut="30")
    driver.tap("CARD", (1, 2))
    driver.wait(31)
    assert driver.shown()[-1] == "no vehicle was connected in time"
    driver.plug(1)
    assert not is_charging(driver, 1)


@versions
def test_the_same_token_again_takes_a_waiting_authorization_back(version: str) -> None:
    _, driver = start(version, evses=2)
    driver.tap("CARD", (1, 2))
    driver.tap("CARD", (1, 2))
    assert driver.shown()[-1] == "card withdrawn"
    driver.plug(1)
    assert not is_charging(driver, 1)


# -- C09, C16: groups ------------------------------------------------------------------------------------------------


@versions
def test_C09_FR_03_FR_05_a_token_of_the_same_group_stops_after_asking(version: str) -> None:
    _, driver = start(version, AuthCacheCtrlr_Enabled="false")
    driver.answers["Authorize"] = GROUP16 if version == "1.6" else GROUP2
    driver.plug()
    driver.tap("CARD")
    driver.tap("PARTNER")
    assert asked(driver) == 2
    assert not is_charging(driver)


@versions
def test_C09_FR_07_a_cached_token_of_the_same_group_stops_unasked(version: str) -> None:
    bench, driver = start(version)
    driver.answers["Authorize"] = GROUP16 if version == "1.6" else GROUP2
    bench.engine.block("authorization").learn("PARTNER", "ISO14443", GROUP2["idTokenInfo"])
    driver.plug()
    driver.tap("CARD")
    asked(driver)
    driver.tap("PARTNER")
    assert asked(driver) == 0
    assert not is_charging(driver)


@versions
def test_C09_FR_11_a_refused_token_of_the_same_group_does_not_stop(version: str) -> None:
    _, driver = start(version)
    driver.answers["Authorize"] = GROUP16 if version == "1.6" else GROUP2
    driver.plug()
    driver.tap("CARD")
    more = {"parentIdTag": "FAMILY"} if version == "1.6" else {"groupIdToken": {"idToken": "FAMILY", "type": "Central"}}
    driver.answers["Authorize"] = verdict(version, "Blocked", **more)
    driver.tap("PARTNER")
    assert is_charging(driver)


@versions
def test_C16_FR_02_FR_03_the_master_pass_stops_everything_and_starts_nothing(version: str) -> None:
    _, driver = start(version, evses=3, AuthCtrlr_MasterPassGroupId="FAMILY")
    for evse in (1, 2):
        driver.plug(evse)
        driver.tap(f"CARD{evse}", (evse,))
    driver.plug(3)
    driver.take()
    driver.answers["Authorize"] = GROUP16 if version == "1.6" else GROUP2
    driver.tap("POLICE", (3,))
    assert not any(is_charging(driver, evse) for evse in (1, 2, 3))
    said = driver.take()
    if version == "1.6":
        assert [payload["reason"] for action, payload in said] == ["Other", "Other"]
    else:
        assert [payload["transactionInfo"]["stoppedReason"] for _, payload in said] == ["MasterPass", "MasterPass"]
        assert events(said) == ["Ended StopAuthorized EVConnected"] * 2


# -- C10 to C12: cache -----------------------------------------------------------------------------------------------


@versions
def test_C12_FR_02_a_cached_token_starts_unasked_with_LocalPreAuthorize(version: str) -> None:
    _, driver = start(version, AuthCtrlr_LocalPreAuthorize="true")
    driver.plug()
    driver.tap()
    driver.tap()
    assert asked(driver) == 1
    driver.tap()
    assert asked(driver) == 0
    assert is_charging(driver)


@versions
def test_C12_without_LocalPreAuthorize_the_csms_is_asked_each_time(version: str) -> None:
    _, driver = start(version, AuthCtrlr_LocalPreAuthorize="false")
    driver.plug()
    driver.tap()
    driver.tap()
    driver.tap()
    assert asked(driver) == 2


@versions
def test_C10_FR_03_C12_FR_05_a_token_cached_as_refused_is_asked_again(version: str) -> None:
    _, driver = start(version, AuthCtrlr_LocalPreAuthorize="true")
    driver.answers["Authorize"] = verdict(version, "Blocked")
    driver.plug()
    driver.tap()
    assert asked(driver) == 1
    del driver.answers["Authorize"]
    driver.tap()
    assert asked(driver) == 1
    assert is_charging(driver)


@versions
def test_AuthCacheCtrlr_DisablePostAuthorize_refuses_by_the_cache(version: str) -> None:
    _, driver = start(version, AuthCacheCtrlr_DisablePostAuthorize="true")
    driver.answers["Authorize"] = verdict(version, "Blocked")
    driver.plug()
    driver.tap()
    driver.tap()
    assert asked(driver) == 1
    assert driver.shown()[-1] == "card refused: Blocked"


@versions
def test_DisableRemoteAuthorization_never_asks(version: str) -> None:
    _, driver = start(version, AuthCtrlr_DisableRemoteAuthorization="true")
    driver.plug()
    driver.tap()
    assert asked(driver) == 0
    assert driver.shown()[-1] == "card refused: Unknown"


@versions
def test_C10_FR_05_the_answer_to_a_transaction_message_updates_the_cache(version: str) -> None:
    _, driver = start(version, AuthCtrlr_LocalPreAuthorize="true", TxCtrlr_StopTxOnInvalidId="true")
    driver.plug()
    driver.answers["StartTransaction"] = {"transactionId": 7, "idTagInfo": {"status": "Blocked"}}
    driver.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Blocked"}}
    driver.tap()
    assert not is_charging(driver)
    asked(driver)
    driver.tap()
    assert asked(driver) == 1  # no longer Accepted in the cache


@versions
def test_C10_FR_02_the_cache_survives_a_power_cut(version: str) -> None:
    bench, driver = start(version, AuthCtrlr_LocalPreAuthorize="true")
    driver.plug()
    driver.tap()
    driver.tap()
    driver.unplug()
    driver.wait(5)
    bench.cut()
    bench.restart()
    bench.connect(version)
    driver = Driver(bench)
    driver.plug()
    driver.tap()
    assert asked(driver) == 0
    assert is_charging(driver)


@versions
def test_C10_FR_08_FR_10_a_cached_token_expires_after_LifeTime(version: str) -> None:
    bench, driver = start(version, AuthCacheCtrlr_LifeTime="100")
    bench.engine.block("authorization").learn("CARD", "ISO14443", {"status": "Accepted"})
    bench.drop()
    driver.plug()
    driver.wait(99)
    driver.tap()
    assert is_charging(driver)
    driver.tap()
    driver.wait(10)
    driver.tap()
    assert not is_charging(driver)
    assert driver.shown()[-1] == "card refused: Expired"


@versions
def test_C10_FR_13_a_cached_token_expires_at_its_date(version: str) -> None:
    bench, driver = start(version, AuthCacheCtrlr_LifeTime="100")
    date = timestamp(NOW_UTC + 5000)
    more = {"expiryDate": date} if version == "1.6" else {"cacheExpiryDateTime": date}
    info = verdict(version, "Accepted", **more)
    driver.answers = {"Authorize": info, "TransactionEvent": info, "StopTransaction": info}
    driver.answers["StartTransaction"] = {"transactionId": 7, **info}
    driver.plug()
    driver.tap()
    driver.tap()
    bench.drop()
    driver.wait(1000)
    driver.tap()
    assert is_charging(driver)  # the date, not LifeTime
    driver.tap()
    driver.wait(4100)
    driver.tap()
    assert not is_charging(driver)


@versions
def test_C10_FR_10_a_date_in_the_past_keeps_a_token_out_of_the_cache(version: str) -> None:
    _, driver = start(version, AuthCtrlr_LocalPreAuthorize="true")
    date = timestamp(NOW_UTC - 5)
    more = {"expiryDate": date} if version == "1.6" else {"cacheExpiryDateTime": date}
    info = verdict(version, "Accepted", **more)
    driver.answers = {"Authorize": info, "StartTransaction": {"transactionId": 7, **info}, "StopTransaction": info}
    driver.plug()
    driver.tap()
    assert is_charging(driver)  # the CSMS accepted it now
    driver.tap()
    asked(driver)
    driver.tap()
    assert asked(driver) == 1


def test_C10_FR_07_a_full_cache_gives_up_refused_tokens_first_then_the_least_recently_used() -> None:
    bench, _ = start("2.0.1")
    cache = bench.engine.block("authorization")
    for number in range(ENTRIES):
        cache.learn(f"CARD{number}", "ISO14443", {"status": "Blocked" if number == 77 else "Accepted"})
    model = bench.engine.model
    bench.drop()
    driver = Driver(bench)
    driver.plug()
    driver.tap("CARD0")  # used: no longer the least recently used
    assert is_charging(driver)
    driver.tap("CARD0")
    cache.learn("NEW1", "ISO14443", {"status": "Accepted"})
    cache.learn("NEW2", "ISO14443", {"status": "Accepted"})
    size = int(model.get("AuthCacheCtrlr", "Storage"))
    refused = []
    for token in ("CARD77", "CARD1", "CARD2", "CARD0", "NEW1", "NEW2"):
        driver.tap(token)
        if is_charging(driver):
            driver.tap(token)
        else:
            refused.append(token)
    assert refused == ["CARD77", "CARD1"]
    assert 0 < size < 65_536


def test_C10_FR_07_a_cache_of_long_words_is_bounded_in_bytes() -> None:
    """What the CSMS says of a token counts, too; a word beyond all measure is not kept."""
    bench, _ = start("2.1")
    block = bench.engine.block("authorization")
    long = {"status": "Accepted", "personalMessage": {"format": "UTF8", "content": "\u20ac" * 1000}}
    for number in range(100):
        block.learn(f"CARD{number}", "ISO14443", long)
    assert int(bench.engine.model.get("AuthCacheCtrlr", "Storage")) <= BYTES
    assert block.cache.find(Token("CARD99"))["personalMessage"] == long["personalMessage"]
    assert block.cache.find(Token("CARD0")) is None
    block.learn("CARD99", "ISO14443", {**long, "evseId": list(range(5000))})
    assert block.cache.find(Token("CARD99")) is None
    assert any("not cached" in text for text in bench.log.texts("warning"))


def test_the_same_word_again_is_not_written_again_for_an_hour() -> None:
    bench, _ = start("2.1")
    block = bench.engine.block("authorization")
    saves: list[Any] = []
    bench.engine.documents = SimpleNamespace(save=lambda name, value: saves.append(name))
    for status, due in (("Accepted", 1), ("Accepted", 0), ("Blocked", 1), ("Accepted", 1)):
        block.learn("CARD", "ISO14443", {"status": status})
        bench.advance(10)
        assert saves == ["authorization-cache"] * due
        saves.clear()
    bench.advance(3600)
    saves.clear()
    block.learn("CARD", "ISO14443", {"status": "Accepted"})
    bench.advance(10)
    assert "authorization-cache" in saves


@versions
def test_C05_FR_02_central_tokens_are_not_cached(version: str) -> None:
    bench, _ = start(version, AuthCtrlr_LocalPreAuthorize="true")
    block = bench.engine.block("authorization")
    block.learn("ONCE", "Central", {"status": "Accepted"})
    assert block.cache.stored(Token("ONCE", "Central")) is None


@versions
def test_C11_FR_03_clear_cache(version: str) -> None:
    bench, driver = start(version, AuthCtrlr_LocalPreAuthorize="true")
    driver.plug()
    driver.tap()
    driver.tap()
    assert asked(driver) == 1
    assert bench.ask("ClearCache") == {"status": "Accepted"}
    driver.tap()
    assert asked(driver) == 1


@versions
def test_C11_FR_04_clear_cache_is_rejected_while_the_cache_is_off(version: str) -> None:
    bench, _ = start(version, AuthCacheCtrlr_Enabled="false")
    assert bench.ask("ClearCache") == {"status": "Rejected"}


# -- C13, C15: offline -----------------------------------------------------------------------------------------------


@versions
def test_C13_FR_02_offline_a_cached_token_charges_an_unknown_one_does_not(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    driver.tap("KNOWN")
    driver.tap("KNOWN")
    bench.drop()
    driver.tap("UNKNOWN")
    assert driver.shown()[-1] == "card refused: no decision from the CSMS"
    driver.tap("KNOWN")
    assert is_charging(driver)


@versions
def test_C15_FR_08_C15_FR_01_offline_an_unknown_token_charges_if_allowed_and_is_not_cached(version: str) -> None:
    bench, driver = start(version, AuthCtrlr_OfflineTxForUnknownIdEnabled="true")
    bench.drop()
    driver.plug()
    driver.tap("UNKNOWN")
    assert is_charging(driver)
    driver.tap("UNKNOWN")
    bench.model.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "false")
    driver.tap("UNKNOWN")
    assert not is_charging(driver)


@versions
def test_offline_a_token_known_as_refused_stays_refused(version: str) -> None:
    bench, driver = start(version, AuthCtrlr_OfflineTxForUnknownIdEnabled="true")
    driver.answers["Authorize"] = verdict(version, "Blocked")
    driver.plug()
    driver.tap()
    bench.drop()
    driver.tap()
    assert not is_charging(driver)
    assert driver.shown()[-1] == "card refused: Blocked"


@versions
def test_C10_FR_10_offline_an_expired_token_is_no_unknown_one(version: str) -> None:
    """[1.6 §3.5.4: what was valid and has expired is rejected; 2.x: as C13.FR.06 says of the list]"""
    bench, driver = start(version, AuthCacheCtrlr_LifeTime="100", AuthCtrlr_OfflineTxForUnknownIdEnabled="true")
    bench.engine.block("authorization").learn("CARD", "ISO14443", {"status": "Accepted"})
    bench.drop()
    driver.plug()
    driver.wait(101)
    driver.tap("CARD")
    assert not is_charging(driver)
    assert driver.shown()[-1] == "card refused: Expired"
    driver.tap("STRANGER")
    assert is_charging(driver)


@versions
def test_LocalAuthorizeOffline_false_lets_nobody_charge_offline(version: str) -> None:
    bench, driver = start(version, AuthCtrlr_LocalAuthorizeOffline="false")
    driver.plug()
    driver.tap()
    driver.tap()
    bench.drop()
    driver.tap()
    assert not is_charging(driver)


@versions
def test_E08_FR_01_offline_the_same_token_stops(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    driver.tap()
    bench.drop()
    driver.tap()
    assert not is_charging(driver)


@versions
def test_a_csms_that_does_not_answer_leaves_the_decision_to_the_offline_rules(version: str) -> None:
    bench, driver = start(version, AuthCtrlr_OfflineTxForUnknownIdEnabled="true")
    driver.plug()
    bench.tap("CARD")
    bench.expect("Authorize")
    bench.advance(29)
    assert not is_charging(driver)
    bench.advance(2)
    driver.settle()
    assert is_charging(driver)


@versions
def test_a_csms_that_refuses_the_call_leaves_the_decision_to_the_offline_rules(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    bench.tap("CARD")
    bench.expect("Authorize")
    bench.refuse("InternalError")
    driver.settle()
    assert driver.shown()[-1] == "card refused: no decision from the CSMS"
    driver.tap("CARD")
    assert is_charging(driver)


@versions
def test_a_connection_that_breaks_during_a_check_decides_by_the_offline_rules_once(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    bench.tap("CARD")
    bench.expect("Authorize")
    bench.drop()
    driver.settle()
    assert driver.shown()[-1] == "card refused: no decision from the CSMS"
    bench.connect(version)
    driver.tap("CARD")
    assert is_charging(driver)


# -- edges -----------------------------------------------------------------------------------------------------------


def test_16_3_9_a_token_that_no_idTag_can_carry_is_refused() -> None:
    bench, driver = start("1.6")
    driver.plug()
    driver.tap("X" * 21)
    assert asked(driver) == 0
    assert driver.shown()[-1] == "card refused: Invalid"
    assert "a token is too long for OCPP 1.6 and cannot be authorized" in bench.log.texts("warning")


@pytest.mark.parametrize(("token", "kind"), [("X" * 37, "ISO14443"), ("CARD", "VIN")])
def test_a_token_that_201_cannot_say_is_refused(token: str, kind: str) -> None:
    for version, possible in (("2.0.1", False), ("2.1", True)):
        _, driver = start(version)
        driver.plug()
        driver.tap(token, kind=kind)
        assert is_charging(driver) is possible


@pytest.mark.parametrize(("token", "kind"), [("X" * 37, "ISO14443"), ("CARD", "VIN")])
def test_a_transaction_with_a_token_that_201_cannot_say_is_told_all_the_same(token: str, kind: str) -> None:
    bench, driver = start("2.1")
    driver.plug()
    bench.drop()
    bench.model.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true")
    driver.tap(token, kind=kind)
    bench.open("2.0.1")
    driver.settle()
    said = driver.take()
    assert said[0][1]["idToken"] == {"idToken": token[:36], "type": "Local" if kind == "VIN" else kind}
    assert "a token that OCPP 2.0.1 cannot say was changed" in bench.log.texts("warning")


@versions
@pytest.mark.parametrize("token", ["", "X" * 256])
def test_a_token_of_no_usable_length_is_ignored(version: str, token: str) -> None:
    bench, driver = start(version)
    driver.plug()
    driver.tap(token)
    assert asked(driver) == 0
    assert bench.log.texts("warning") == ["a token that cannot be used was presented"]


@versions
def test_an_inoperative_or_faulted_evse_is_not_granted(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    bench.fact("fault", 1, "GroundFailure", "RCD")
    driver.tap()
    assert not is_charging(driver)
    assert driver.shown()[-1] == "card refused: out of order"
    bench.fact("cleared", 1, "GroundFailure")
    driver.tap()
    assert is_charging(driver)


@versions
def test_a_station_that_the_csms_holds_pending_charges_only_if_TxBeforeAcceptedEnabled(version: str) -> None:
    entry = {"component": "TxCtrlr", "variable": "TxBeforeAcceptedEnabled", "value": "false"}
    bench = Bench(variables=[entry])
    bench.open(version)
    bench.expect("BootNotification")
    bench.answer({"status": "Pending", "currentTime": bench.utc_text(), "interval": 300})
    driver = Driver(bench)
    driver.plug()
    driver.tap()
    assert not is_charging(driver)
    assert "not accepted by its operator" in driver.shown()[-1]


@versions
def test_C02_FR_01_free_vending_charges_without_a_token(version: str) -> None:
    bench = Bench(station={**STATION, "free_vending": True})
    bench.connect(version)
    driver = Driver(bench)
    driver.plug()
    said = driver.take()
    assert asked(driver) == 0
    assert is_charging(driver)
    if version == "1.6":
        assert said[0][1]["idTag"] == "NoAuthorization"
    else:
        assert said[0][1]["idToken"] == {"idToken": "", "type": "NoAuthorization"}
    driver.unplug()
    assert not is_charging(driver)


@versions
def test_a_card_before_the_plug_is_not_asked_about_where_that_is_forbidden(version: str) -> None:
    bench = Bench(station={**STATION, "token_before_plug": False})
    bench.connect(version)
    driver = Driver(bench)
    driver.tap()
    assert asked(driver) == 0
    assert driver.shown() == ["connect the vehicle first"]
    driver.plug()
    driver.tap()
    assert is_charging(driver)


@versions
def test_E09_FR_03_a_cable_that_stayed_locked_is_given_to_its_owner_only(version: str) -> None:
    """UnlockOnEVSideDisconnect is false; 1.6 §4.10 UnlockConnectorOnEVSideDisconnect."""
    bench = Bench(sockets=True)
    bench.model.set("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", "false")
    bench.connect(version)
    driver = Driver(bench)
    driver.answers["Authorize"] = GROUP16 if version == "1.6" else GROUP2
    driver.plug()
    driver.tap("CARD")
    driver.unplug()
    asked(driver)
    driver.answers["Authorize"] = verdict(version, "Accepted")
    driver.tap("THIEF")
    assert driver.shown()[-1] == "card refused: in use"
    driver.tap("CARD")
    assert ("unlock", 1, 1) in driver.effects
    driver.effects.clear()
    driver.answers["Authorize"] = GROUP16 if version == "1.6" else GROUP2
    driver.tap("PARTNER")
    assert ("unlock", 1, 1) in driver.effects
    bench.fact("lock", 1, 1, False)
    driver.tap("CARD")
    assert is_charging(driver)


@versions
def test_E09_with_the_ev_back_at_the_locked_cable_the_card_starts_anew(version: str) -> None:
    bench = Bench(sockets=True)
    bench.model.set("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", "false")
    bench.connect(version)
    driver = Driver(bench)
    driver.plug()
    driver.tap("CARD")
    driver.unplug()
    driver.plug()
    driver.tap("CARD")
    assert is_charging(driver)
    assert not [effect for effect in driver.effects if effect[0] == "unlock"]


# -- C01.FR.25: what makes two tokens one ----------------------------------------------------------------------------


def remote_start_16(bench: Bench, token: str) -> None:
    assert bench.ask("RemoteStartTransaction", {"idTag": token, "connectorId": 1}) == {"status": "Accepted"}


def test_a_token_that_a_16_csms_named_is_one_of_any_kind() -> None:
    bench, driver = start("1.6", AuthCtrlr_AuthorizeRemoteStart="false")
    driver.plug()
    remote_start_16(bench, "1234")
    driver.settle()
    assert is_charging(driver)
    bench.tap("1234", kind="KeyCode")
    driver.settle()
    assert not is_charging(driver)


def test_a_16_csms_finds_a_cached_token_of_any_kind_and_keeps_its_kind() -> None:
    variables = {"AuthCtrlr_AuthorizeRemoteStart": "true", "AuthCtrlr_LocalPreAuthorize": "true"}
    bench, driver = start("1.6", **variables)
    cache = bench.engine.block("authorization").cache
    cache.learn(Token("A:1234", "KeyCode"), {"status": "Accepted"})
    cache.learn(Token("1234", "KeyCode"), {"status": "Accepted"})
    driver.plug()
    remote_start_16(bench, "1234")
    driver.settle()
    assert asked(driver) == 0 and is_charging(driver)
    cache.learn(Token("1234", ""), {"status": "Blocked"})
    assert cache.find(Token("1234", "KeyCode"))["status"] == "Blocked"
    assert cache.find(Token("1234", "ISO14443")) is None
    assert cache.find(Token("A:1234", "KeyCode"))["status"] == "Accepted"
    cache.learn(Token("FRESH", ""), {"status": "Accepted"})
    assert cache.find(Token("FRESH", "ISO15693"))["status"] == "Accepted"
    assert cache.forget(Token("FRESH", "ISO15693")) and cache.find(Token("FRESH", "")) is None


@versions2
def test_a_token_that_a_16_csms_named_has_a_kind_in_2x(version: str) -> None:
    """The transaction that it started under 1.6 is told under 2.x."""
    bench, driver = start("1.6", AuthCtrlr_AuthorizeRemoteStart="false")
    driver.plug()
    id, frame = "csms-1", {"idTag": "1234", "connectorId": 1}
    bench.engine.receive(json.dumps([2, id, "RemoteStartTransaction", frame]))
    bench.drop()
    bench.open(version)
    driver = Driver(bench)
    driver.settle()
    said = [payload["idToken"] for action, payload in driver.said if "idToken" in payload]
    assert said and all(token == {"idToken": "1234", "type": "ISO14443"} for token in said)
