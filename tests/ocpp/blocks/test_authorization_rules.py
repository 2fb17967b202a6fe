"""C. Authorization: requirements of part 2 that the tests of the use cases leave open."""

from __future__ import annotations

from typing import Any

import pytest

from evse.errors import StoreError
from evse.model import Token
from tests.support.bench import Bench, versions, versions2
from tests.support.driver import Driver
from tests.support.wholestation import WholeStation, board


def start(version: str, **variables: str) -> tuple[Bench, Driver]:
    """A booted station; variables as AuthCtrlr_Enabled="false"."""
    bench = Bench()
    for name, value in variables.items():
        component, variable = name.split("_")
        bench.model.set(component, variable, value)
    bench.connect(version)
    return bench, Driver(bench)


@versions
def test_c01_fr_01_c06_fr_01_no_energy_without_an_authorization(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    driver.wait(300)
    assert [effect for effect in driver.effects if effect[0] == "authorize"] == []
    assert bench.engine.evses[1].authorized is None


@versions2
@pytest.mark.parametrize("kind", ["NoAuthorization", "Central"])
def test_c02_fr_03_c03_fr_02_what_is_no_identifier_of_a_driver_is_not_cached(version: str, kind: str) -> None:
    bench, _ = start(version, AuthCtrlr_LocalPreAuthorize="true")
    block = bench.engine.block("authorization")
    block.learn("ONCE", kind, {"status": "Accepted"})
    assert block.cache.stored(Token("ONCE", kind)) is None


@versions2
def test_c04_fr_04_a_key_code_never_stands_in_a_log(version: str) -> None:
    bench, driver = start(version)
    driver.answers["Authorize"] = {"idTokenInfo": {"status": "Invalid"}}
    driver.plug()
    driver.tap("73915", kind="KeyCode")
    assert "73915" not in repr(bench.log.lines)


@versions2
def test_c05_fr_05_the_token_of_a_remote_start_stands_in_the_first_event_and_only_there(version: str) -> None:
    bench, driver = start(version)
    driver.plug()
    token = {"idToken": "BYAPP", "type": "Central"}
    assert (
        bench.ask("RequestStartTransaction", {"idToken": token, "remoteStartId": 1, "evseId": 1})["status"]
        == "Accepted"
    )
    driver.settle()
    driver.draw(100)
    driver.unplug()
    told = [payload.get("idToken") for action, payload in driver.said if action == "TransactionEvent"]
    assert told.count(token) == 1
    assert next(each for each in told if each is not None) == token


@versions
def test_c11_fr_05_a_cache_that_cannot_be_cleared_is_rejected(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, driver = start(version)
    driver.plug()
    driver.tap()

    def full(*_: Any) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(type(bench.engine.documents), "save", full)
    monkeypatch.setattr(type(bench.engine.documents), "delete", full)
    assert bench.ask("ClearCache") == {"status": "Rejected"}


@versions
def test_c12_fr_04_a_cached_token_starts_the_energy_offer_at_once(version: str) -> None:
    _, driver = start(version, AuthCtrlr_LocalPreAuthorize="true")
    driver.plug()
    driver.tap()
    driver.tap()
    driver.unplug()
    driver.plug()
    driver.effects.clear()
    driver.said.clear()
    driver.tap()
    assert ("authorize", 1) in driver.effects
    assert "Authorize" not in [action for action, _ in driver.said]


@versions2
def test_errata_2_17_a_cable_that_goes_before_the_transaction_takes_the_authorization_with_it(version: str) -> None:
    """The charging side, too, must not wait for the next vehicle."""
    station = WholeStation(board(socket=True), version=version, boot=False)
    station.connect()
    station.expect("BootNotification", answer=station.registration("Accepted", 86_400))
    station.take()
    for variable, value in (("TxStartPoint", "EnergyTransfer"), ("StopTxOnEVSideDisconnect", "false")):
        item = {"component": {"name": "TxCtrlr"}, "variable": {"name": variable}, "attributeValue": value}
        station.ask("SetVariables", setVariableData=[item])
    station.plug()
    station.do("suspend", 1)
    station.take()
    station.tap("CARD")
    station.take(Authorize={"idTokenInfo": {"status": "Accepted"}})
    assert station.engine.evses[1].authorized is not None
    assert station.engine.block("transactions").current(1) is None
    station.unplug()
    station.advance(2)
    assert station.engine.evses[1].authorized is None
    assert not station.controllers[1].authorized
    assert not station.is_locked(), "the cable can be taken"
    station.plug()
    station.advance(10)
    assert not station.is_charging()
