"""California pricing in 1.6: the driver's price, running and final cost; what the CSMS asks meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evse.clock import timestamp
from tests.support.bench import Bench
from tests.support.driver import Driver

VENDOR = "org.openchargealliance.costmsg"
PRICES: dict[str, Any] = {
    "chargingPrice": {"kWhPrice": 0.5, "hourPrice": 1.2, "flatFee": 0.3},
    "idlePrice": {"graceMinutes": 10, "hourPrice": 6.0},
}


class Station:
    """A 1.6 station that shows costs, with a running transaction."""

    def __init__(self, enabled: bool = True) -> None:
        self.bench = Bench()
        self.bench.connect("1.6")
        self.driver = Driver(self.bench, register_wh=10_000.0)
        self.driver.settle()
        assert self.change("CustomDisplayCostAndPrice", str(enabled).lower()) == "Accepted"
        self.driver.plug()
        self.driver.tap("CARD")
        self.id = self.bench.engine.block("transactions").csms_ids.copy().popitem()[1]
        self.take()

    def change(self, key: str, value: str) -> str:
        status: str = self.bench.ask("ChangeConfiguration", {"key": key, "value": value})["status"]
        return status

    def take(self) -> list[tuple[int | None, str]]:
        """What the display showed since the last look."""
        self.driver.settle()
        shown = [(evse, text) for name, evse, text in _shown(self.driver.effects)]
        self.driver.effects.clear()
        return shown

    def send(self, message: str, data: dict[str, Any] | str) -> dict[str, Any]:
        text = data if isinstance(data, str) else json.dumps(data)
        return self.bench.ask("DataTransfer", {"vendorId": VENDOR, "messageId": message, "data": text})

    def cost(self, cost: float = 1.0, **more: Any) -> dict[str, Any]:
        """RunningCost for this moment."""
        said = {
            "transactionId": self.id,
            "timestamp": self.bench.utc_text(),
            "meterValue": int(self.driver.register_wh[1]),
            "cost": cost,
            "state": "Charging",
            **PRICES,
            **more,
        }
        return self.send("RunningCost", said)

    def meter_values(self) -> list[dict[str, Any]]:
        """Triggered meter values since the last look."""
        self.driver.settle()
        said = [payload for action, payload in self.driver.said if action == "MeterValues" and _is_triggered(payload)]
        self.driver.said.clear()
        return said


def _is_triggered(payload: dict[str, Any]) -> bool:
    return payload["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"


def _shown(effects: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [effect for effect in effects if effect[0] == "display"]


@pytest.fixture
def station() -> Station:
    return Station()


def test_the_price_of_a_driver_is_shown_where_he_charges(station: Station) -> None:
    data = {"idToken": "card", "priceText": "$0.50/kWh"}
    assert station.send("SetUserPrice", data) == {"status": "Accepted"}
    assert station.take() == [(1, "$0.50/kWh")]


def test_the_price_is_shown_in_the_language_of_the_display(station: Station) -> None:
    extra = [
        {"format": "UTF8", "language": "nl", "content": "€0,50/kWh"},
        {"format": "HTML", "language": "de", "content": "<b>0,50</b>"},
    ]
    data = {"idToken": "ELSEWHERE", "priceText": "0.50", "priceTextExtra": extra}
    assert station.change("Language", "nl") == "Accepted"
    assert station.send("SetUserPrice", data) == {"status": "Accepted"}
    assert station.take() == [(None, "€0,50/kWh")]
    assert station.change("Language", "de") == "Accepted"
    station.send("SetUserPrice", data)
    assert station.take() == [(None, "0.50")]


def test_energy_and_time_are_added_to_the_running_cost(station: Station) -> None:
    """An hour and 10 kWh at 0.5 per kWh and 1.2 per hour."""
    assert station.cost(1.0) == {"status": "Accepted"}
    assert station.take() == [(1, "cost so far: 1.00")]
    station.bench.advance(3600)
    station.driver.draw(10_000)
    assert station.take()[-1] == (1, "cost so far: 7.20")


def test_what_the_cost_is_late_by_is_counted_too(station: Station) -> None:
    past = timestamp(station.bench.time.utc - 1800)
    station.cost(1.0, timestamp=past, meterValue=int(station.driver.register_wh[1]) - 2000)
    assert station.take() == [(1, "cost so far: 2.60")]


def test_idle_time_is_free_in_the_grace_period_only(station: Station) -> None:
    station.cost(0.0, chargingPrice={"kWhPrice": 1.0})
    station.driver.state("SuspendedEV")
    station.driver.wait(600)
    assert {text for _, text in station.take()} == {"cost so far: 0.00"}
    station.driver.wait(1800)
    assert station.take()[-1] == (1, "cost so far: 3.00")
    station.driver.state("Charging")
    station.driver.wait(600)
    assert station.take() == []


def test_the_next_period_has_its_own_prices(station: Station) -> None:
    at = timestamp(station.bench.time.utc + 600)
    station.cost(0.0, chargingPrice={"kWhPrice": 1.0}, nextPeriod={"atTime": at, "chargingPrice": {"kWhPrice": 2.0}})
    station.driver.draw(1000)
    station.driver.wait(600)
    station.driver.draw(1000)
    station.driver.wait(60)
    assert station.take()[-1] == (1, "cost so far: 3.00")


def test_the_display_is_not_changed_with_every_reading(station: Station) -> None:
    station.cost(0.0)
    station.take()
    for _ in range(29):
        station.bench.advance(1)
        station.driver.draw(100)
    assert station.take() == []
    station.bench.advance(1)
    station.driver.draw(100)
    assert len(station.take()) == 1


def test_the_csms_gets_the_meter_values_that_it_asked_for(station: Station) -> None:
    at = timestamp(station.bench.time.utc + 100)
    wants = {"atTime": at, "atEnergykWh": 11.0, "atPowerkW": 7.0, "atCPStatus": ["SuspendedEV", "Nonsense"]}
    station.cost(0.0, triggerMeterValue=wants)
    station.meter_values()
    station.driver.wait(100)
    assert [said["transactionId"] for said in station.meter_values()] == [station.id]
    station.driver.draw(999)
    assert station.meter_values() == []
    station.driver.draw(1)
    assert len(station.meter_values()) == 1
    station.driver.draw(500)
    assert station.meter_values() == []
    station.driver.meter(0, power_w=6900.0)
    assert station.meter_values() == []
    station.driver.meter(0, power_w=7000.0)
    assert len(station.meter_values()) == 1
    station.driver.meter(0, power_w=6700.0)
    assert station.meter_values() == []
    station.driver.meter(0, power_w=6600.0)
    assert len(station.meter_values()) == 1
    station.driver.state("SuspendedEV")
    assert len(station.meter_values()) == 1


def test_a_new_running_cost_replaces_the_old_one(station: Station) -> None:
    soon = timestamp(station.bench.time.utc + 50)
    station.cost(1.0, triggerMeterValue={"atTime": soon})
    station.cost(5.0)
    assert station.take()[-1] == (1, "cost so far: 5.00")
    station.meter_values()
    station.driver.wait(60)
    assert station.meter_values() == []


def test_the_final_cost_is_shown_after_the_end(station: Station) -> None:
    station.cost(1.0)
    station.driver.tap("CARD")
    station.take()
    assert station.send("FinalCost", {"transactionId": station.id, "cost": 3.31}) == {"status": "Accepted"}
    assert station.take() == [(1, "total cost: 3.31")]
    text = {"transactionId": station.id, "cost": 3.31, "priceText": "$3.31, thank you"}
    station.send("FinalCost", text)
    assert station.take() == [(1, "$3.31, thank you")]


def test_the_csms_hears_when_the_cable_of_an_ended_transaction_is_unplugged(station: Station) -> None:
    station.cost(1.0)
    station.driver.tap("CARD")
    station.driver.said.clear()
    station.bench.advance(60)
    at = station.bench.utc_text()
    station.driver.unplug()
    said = [payload for action, payload in station.driver.said if action == "DataTransfer"]
    assert [(each["vendorId"], each["messageId"]) for each in said] == [(VENDOR, "ConnectorUnplugged")]
    assert json.loads(said[0]["data"]) == {"transactionId": station.id, "timestamp": at}


def test_no_word_about_a_cable_whose_transaction_it_ended(station: Station) -> None:
    station.cost(1.0)
    station.driver.said.clear()
    station.driver.unplug()
    assert "DataTransfer" not in [action for action, _ in station.driver.said]


def test_the_decimals_of_a_cost_are_configured(station: Station) -> None:
    assert station.change("NumberOfDecimalsForCostValues", "0") == "Accepted"
    station.cost(1.6)
    assert station.take() == [(1, "cost so far: 2")]


@pytest.mark.parametrize("message", ["SetUserPrice", "RunningCost", "FinalCost"])
@pytest.mark.parametrize("data", ["", "[]", "{", '{"transactionId":"1","cost":"x"}', '{"cost":true}', "null"])
def test_data_that_is_not_as_the_note_says_is_rejected(station: Station, message: str, data: str) -> None:
    assert station.send(message, data) == {"status": "Rejected"}
    assert station.take() == []


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "Asleep"},
        {"timestamp": "yesterday"},
        {"nextPeriod": {}},
        {"nextPeriod": []},
        {"chargingPrice": {"kWhPrice": "0.5"}},
        {"triggerMeterValue": {"atTime": 5}},
        {"meterValue": None},
        {"transactionId": 999_999},
    ],
)
def test_a_running_cost_with_a_wrong_field_is_rejected(station: Station, broken: dict[str, Any]) -> None:
    assert station.cost(1.0, **broken) == {"status": "Rejected"}
    assert station.take() == []


def test_an_unknown_message_of_the_note(station: Station) -> None:
    assert station.send("Refund", {}) == {"status": "UnknownMessageId"}


def test_nothing_is_shown_while_it_is_switched_off() -> None:
    station = Station(enabled=False)
    assert station.send("SetUserPrice", {"idToken": "CARD", "priceText": "x"}) == {"status": "Rejected"}
    assert station.cost() == {"status": "Rejected"}
    assert station.take() == []


def test_the_default_price_is_shown_while_nobody_charges() -> None:
    """With the price for offline charging as soon as the connection is gone."""
    bench = Bench()
    bench.connect("1.6")
    driver = Driver(bench)
    driver.settle()
    price = json.dumps({"priceText": "0.50 per kWh", "priceTextOffline": "0.60 per kWh"})
    for key, value in (("CustomDisplayCostAndPrice", "true"), ("DefaultPrice", price)):
        assert bench.ask("ChangeConfiguration", {"key": key, "value": value})["status"] == "Accepted"
    bench.restart()
    bench.connect("1.6")
    driver.settle()
    bench.drop()
    driver.settle()
    assert [text for _, _, text in _shown(driver.effects)] == ["0.50 per kWh", "0.60 per kWh"]


@pytest.mark.parametrize("price", ["{", "[]", '{"priceText":5}', "{}"])
def test_a_default_price_that_says_nothing_is_not_shown(station: Station, price: str) -> None:
    assert station.change("DefaultPrice", price) == "Accepted"
    station.driver.unplug()
    station.take()
    station.send("SetUserPrice", {"idToken": "X", "priceText": "y"})
    station.take()
    station.bench.drop()
    assert station.take() == []
    assert "DefaultPrice cannot be shown" in station.bench.log.texts("warning")


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_2_x_has_messages_of_its_own(version: str) -> None:
    bench = Bench()
    bench.connect(version)
    answer = bench.ask("DataTransfer", {"vendorId": VENDOR, "messageId": "SetUserPrice", "data": {}})
    assert answer == {"status": "UnknownVendorId"}
