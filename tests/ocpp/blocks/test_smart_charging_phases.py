"""K. Smart charging with one phase or three: numberPhases where a phase switch can see to it. [K 3.8]"""

from __future__ import annotations

from typing import Any

import pytest

from tests.ocpp.blocks.test_smart_charging import DEFAULT, MAX, put, schedule
from tests.ocpp.blocks.test_smart_charging import profile as flat_profile
from tests.support.bench import Bench, versions


def profile(*periods: tuple[int, float, int | None], purpose: str = DEFAULT, **more: Any) -> dict[str, Any]:
    """(start, limit, numberPhases) of each period."""
    payload = flat_profile(purpose, *(period[:2] for period in periods), **more)
    for period, (_, _, count) in zip(payload["chargingSchedule"][0]["chargingSchedulePeriod"], periods, strict=True):
        if count is not None:
            period["numberPhases"] = count
    return payload


def station(version: str) -> Bench:
    """EVSE 1 can switch phases, EVSE 2 cannot."""
    bench = Bench(evses=2)
    bench.engine.evses[1].switches_phases = True
    bench.connect(version)
    return bench


def told(bench: Bench, evse: int = 1) -> list[tuple[Any, ...]]:
    """(limit in A, phases if any) of each effect since the last call."""
    bench.effects, found = [], [effect for effect in bench.effects if effect[:2] == ("limit", evse)]
    return [effect[3:] for effect in found]


@versions
def test_the_phases_of_a_period_reach_the_charging_side_and_end_with_it(version: str) -> None:
    bench = station(version)
    assert put(bench, 1, profile((0, 16, 1), (600, 16, 3), (1200, 10, None))) == "Accepted"
    assert told(bench) == [(16, 1)]
    bench.advance(600)
    assert told(bench) == [(16,)]
    bench.advance(600)
    assert told(bench) == [(10,)]


@versions
def test_k01_fr_43_what_an_evse_cannot_switch_is_refused(version: str) -> None:
    bench = station(version)
    assert put(bench, 2, profile((0, 16, 1))).startswith("Rejected")
    assert put(bench, 1, profile((0, 16, 2))).startswith("Rejected")
    assert put(bench, 0, profile((0, 16, 1))).startswith("Rejected")
    assert told(bench) == []


@versions
def test_k_3_8_the_fewest_phases_of_all_purposes_are_used(version: str) -> None:
    bench = station(version)
    bench.engine.evses[2].switches_phases = True
    assert put(bench, 0, profile((0, 20, 1), (600, 20, None), purpose=MAX, id=1)) == "Accepted"
    assert put(bench, 1, profile((0, 16, 3), id=2)) == "Accepted"
    assert told(bench)[-1] == (16, 1)
    bench.advance(600)
    assert told(bench)[-1] == (16,)


@versions
def test_a_profile_that_leads_without_numberphases_means_three(version: str) -> None:
    """[K01.FR.49]"""
    bench = station(version)
    put(bench, 1, profile((0, 16, 1), id=1, level=0))
    put(bench, 1, profile((0, 12, None), id=2, level=1))
    assert told(bench)[-1] == (12,)


@versions
def test_watts_are_of_the_phases_in_use(version: str) -> None:
    bench = station(version)
    assert put(bench, 1, profile((0, 3680, 1), (600, 6900, None), unit="W")) == "Accepted"
    assert told(bench) == [(16, 1)]
    assert schedule(bench, chargingRateUnit="W") == [(0, 3680), (600, 6900)]
    assert schedule(bench, chargingRateUnit="A") == [(0, 16), (600, 10)]


@versions
def test_the_composite_schedule_says_how_many_phases(version: str) -> None:
    bench = station(version)
    put(bench, 1, profile((0, 16, 1), (600, 16, 3)))
    id = "connectorId" if version == "1.6" else "evseId"
    answer = bench.ask("GetCompositeSchedule", {id: 1, "duration": 1200})
    found = answer["chargingSchedule" if version == "1.6" else "schedule"]["chargingSchedulePeriod"]
    assert [(period["startPeriod"], period["limit"], period["numberPhases"]) for period in found] == [
        (0, 16, 1),
        (600, 16, 3),
    ]


@versions
def test_a_profile_that_is_cleared_gives_the_phases_back(version: str) -> None:
    bench = station(version)
    put(bench, 1, profile((0, 32, 1)))
    assert told(bench) == [(None, 1)]  # as much as the board allows, on one phase
    assert bench.engine.block("smart_charging").why(1)["id"] == 1
    request = {"id": 1} if version == "1.6" else {"chargingProfileId": 1}
    assert bench.ask("ClearChargingProfile", request)["status"] == "Accepted"
    assert told(bench) == [(None,)]


@pytest.mark.parametrize(("switches", "wanted"), [((True, True), "true"), ((True, False), "false")])
def test_phases3to1_is_true_where_every_evse_can(switches: tuple[bool, bool], wanted: str) -> None:
    bench = Bench(evses=2)
    for evse, switch in zip(bench.engine.evses.values(), switches, strict=True):
        evse.switches_phases = switch
    bench.connect("1.6")
    assert bench.model.get("SmartChargingCtrlr", "Phases3to1") == wanted
    key = "ConnectorSwitch3to1PhaseSupported"
    (known,) = bench.ask("GetConfiguration", {"key": [key]})["configurationKey"]
    assert known == {"key": key, "readonly": True, "value": wanted}
