"""Smart charging in the real process: a profile limits the vehicle, `evse status` says so, a restart keeps it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from evse.commands.charging import status_text
from tests.support.csms import CsmsThread
from tests.support.station import Station

BOARDS = Path(__file__).resolve().parents[2] / "board_configs"
PROFILE: dict[str, Any] = {
    "stackLevel": 3,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
}
SCHEDULE: dict[str, Any] = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7.5}]}
SET = {
    "1.6": {"connectorId": 0, "csChargingProfiles": {"chargingProfileId": 5, **PROFILE, "chargingSchedule": SCHEDULE}},
    "2.0.1": {"evseId": 0, "chargingProfile": {"id": 5, **PROFILE, "chargingSchedule": [{"id": 1, **SCHEDULE}]}},
}


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_profile_reaches_the_vehicle_and_says_why_also_after_a_restart(tmp_path: Path, version: str) -> None:
    with CsmsThread() as csms:
        station = Station(tmp_path, csms.url, version, identity="SC1", more="")

        def charges_at_7_5_a() -> None:
            station.wait(lambda: station.control("status")["registration"] == "Accepted")
            station.control("plug", evse=1, phases=3)
            station.control("start", evse=1, token="CARD0001")
            station.wait(lambda: (station.control("status")["evses"][0]["power_w"] or 0) > 0)
            status = station.control("status")
            (evse,) = status["evses"]
            assert (evse["limit_a"], evse["limit_source"], evse["offered_a"]) == (7.5, "schedule", 7.5)
            assert evse["power_w"] == pytest.approx(7.5 * 690)
            assert evse["limit_profile"] == {"id": 5, "purpose": "TxDefaultProfile", "stack_level": 3, "evse": 0}
            assert "7.5 A (schedule: TxDefaultProfile 5, level 3)" in status_text(status)

        with station:
            station.wait(lambda: station.control("status")["registration"] == "Accepted")
            loaded = station.control("modules")["modules"]
            assert not [name for name in loaded if "smart_charging" in name]
            assert csms.call("SC1", "SetChargingProfile", SET[version])["status"] == "Accepted"
            charges_at_7_5_a()
        with station:
            charges_at_7_5_a()
        assert csms.now.errors == []


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_profile_of_one_phase_moves_the_phase_switch(tmp_path: Path, version: str) -> None:
    board = (BOARDS / "simulated-ac-1.toml").read_text()
    switch = '[evse.phase_switch]\ndriver = "simulated"\npause_s = 1.5\ndelay_s = 1.0\n\n'
    (tmp_path / "board.toml").write_text(board.replace("[[evse.connector]]", switch + "[[evse.connector]]", 1))
    payload = copy.deepcopy(SET[version])
    if version == "1.6":
        schedule = payload["csChargingProfiles"]["chargingSchedule"]
    else:
        (schedule,) = payload["chargingProfile"]["chargingSchedule"]
    schedule["chargingSchedulePeriod"][0]["numberPhases"] = 1
    with CsmsThread() as csms:
        station = Station(tmp_path, csms.url, version, identity="SC1", more="")
        station.file.write_text(station.file.read_text().replace("simulated-ac-1", f"{tmp_path}/board.toml"))

        def draws(power_w: float) -> bool:
            return bool(station.control("status")["evses"][0]["power_w"] == pytest.approx(power_w))

        def phases() -> tuple[int | None, str | None, str]:
            """As the socket says, and the cell of the table that people see."""
            status = station.control("status")
            heads, row = status_text(status).splitlines()[1:3]
            cell = row[heads.index("phases") : heads.index("transaction")]
            (evse,) = status["evses"]
            return evse["phases"], evse["phases_source"], cell.rstrip()

        with station:
            station.wait(lambda: station.control("status")["registration"] == "Accepted")
            station.control("plug", evse=1, phases=3, current=16)
            station.control("start", evse=1, token="CARD0001")
            station.wait(lambda: draws(16 * 690))
            assert phases() == (3, None, "3")
            assert csms.call("SC1", "SetChargingProfile", payload)["status"] == "Accepted"
            station.wait(lambda: draws(0))
            station.wait(lambda: phases() == (None, "schedule", "switching"))
            station.wait(lambda: draws(7.5 * 230))
            assert phases() == (1, "schedule", "1 (schedule)")
        assert csms.now.errors == []
