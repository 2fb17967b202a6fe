"""The station as a process: start, life with a CSMS, and every way in which it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evse.commands.run import LEVELS
from evse.shell.log import Log
from evse.store.documents import Documents
from tests.support import compiled
from tests.support.certificates import Certificate
from tests.support.csms import CsmsThread
from tests.support.localhost import needs_localhost
from tests.support.station import Refused, Station

FORBIDDEN = (
    "asyncio websockets ssl logging typing dataclasses enum re json datetime hashlib uuid secrets subprocess threading"
    " urllib email http importlib.metadata argparse tomllib sqlite3 socket selectors collections functools contextlib"
    " random tempfile shutil pathlib base64 traceback cryptography jsonschema"
).split()
SAMPLES = "\n[ocpp.variables]\nSampledDataCtrlr.TxUpdatedInterval = 1\n"
SOCKETS = '\n[[evse]]\nid = 1\n[[evse]]\nid = 2\ncable = "socket"\n'
STANDALONE = "[behaviour]\nstandalone = true\n"


@pytest.fixture(scope="module")
def csms() -> Iterator[CsmsThread]:
    with CsmsThread() as csms:
        yield csms


@pytest.fixture
def station(tmp_path: Path, csms: CsmsThread, request: pytest.FixtureRequest) -> Iterator[Station]:
    """A station with an identity of its own, connected and accepted."""
    identity = request.node.name[:40].replace("[", "-").replace("]", "").replace(":", "-")
    station = Station(tmp_path, csms.url, "2.0.1", identity=identity, more=SAMPLES + SOCKETS)
    station.identity = identity  # type: ignore[attr-defined]
    with station:
        station.wait(lambda: station.control("status")["registration"] == "Accepted")
        yield station


def identity(station: Station) -> str:
    return str(station.identity)  # type: ignore[attr-defined]


def evse(station: Station, number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = station.control("status")["evses"][number - 1]
    return found


def charge(station: Station, number: int = 1, token: str = "CARD0001") -> None:
    station.control("plug", evse=number, phases=3)
    station.control("start", evse=number, token=token)
    station.wait(lambda: evse(station, number)["power_path"])


def test_start_to_control_socket_within_two_seconds_and_booted_within_three(tmp_path: Path, csms: CsmsThread) -> None:
    station = Station(tmp_path, csms.url, "2.0.1", identity="START", more="")
    station.start()
    station.stop()
    began = time.monotonic()
    with station:
        assert time.monotonic() - began < 2
        station.wait(lambda: station.control("status")["registration"] == "Accepted", 3)


def test_the_process_in_session_loads_nothing_that_is_forbidden(station: Station) -> None:
    charge(station)
    modules = station.control("modules")["modules"]
    assert "evse.ocpp.blocks.transactions.block" in modules and "evse.ocpp.blocks.boot.v2" in modules
    assert forbidden(modules) == [] and [name for name in modules if name.endswith(".v16")] == []


def forbidden(modules: list[str]) -> list[str]:
    return [name for name in modules if name in FORBIDDEN or name.partition(".")[0] in FORBIDDEN]


@needs_localhost
def test_over_tls_with_password_nothing_forbidden_is_loaded_either(tmp_path: Path) -> None:
    root = Certificate("Root", ca=True)
    ca, _ = root.write(tmp_path, "root")
    tls = Certificate("localhost", root, names=("localhost",)).server(tmp_path)
    password = "correct horse battery"
    text = f"""
[csms]
url = "wss://localhost:{{port}}/ocpp"
identity = "TLS1"
password = "{password}"
ca = "{ca}"
ocpp_versions = ["2.0.1"]
"""
    with CsmsThread(tls=tls, passwords={"TLS1": password}) as csms:
        with Station(tmp_path, "", text=text.format(port=csms.now.port)) as station:
            station.wait(lambda: station.control("status")["registration"] == "Accepted")
            charge(station)
            station.wait(lambda: csms.now.ledger.of("TLS1"))
            modules = station.control("modules")["modules"]
            assert "_ssl" in modules and forbidden(modules) == []
            assert password not in station.tail(10_000)
        assert csms.now.errors == [] and csms.now.ledger.of("TLS1")[0].complete


def test_status_tells_what_happens(station: Station) -> None:
    status = station.control("status")
    assert (status["ready"], status["connection"], status["version"]) == (True, "connected", "2.0.1")
    charge(station)
    station.wait(lambda: (evse(station)["power_w"] or 0) > 0)
    shown = evse(station)
    assert (shown["plugged"], shown["charging_state"], shown["authorized"]) == (1, "Charging", True)
    assert (shown["limit_a"], shown["limit_source"], shown["transaction"] is not None) == (32, "board", True)
    assert (shown["phases"], shown["phases_source"]) == (3, None)
    assert [connector["status"] for connector in shown["connectors"]] == ["Occupied"]
    assert evse(station, 2)["connectors"] == [{"id": 1, "type": "sType2", "status": "Available"}]


def test_refusals_of_the_control_socket_say_what_is_wrong(station: Station) -> None:
    for command, members, words in (
        ("plug", {"evse": 9}, "no EVSE 9"),
        ("plug", {}, "missing"),
        ("plug", {"evse": 1, "phases": 7}, "phases"),
        ("start", {"evse": 9}, "this station has 1, 2"),
        ("start", {"evse": 1, "token": ""}, "1 to 255"),
        ("stop", {"evse": 1}, "no session to stop"),
        ("unlock", {"evse": 1, "connector": 7}, "no connector 7"),
        ("fault", {"evse": 1, "code": "Boredom"}, "Boredom"),
        ("network", {"up": "yes"}, "true or false"),
        ("power", {"state": "half"}, "loss, restore"),
        ("clock", {}, "set or jump"),
        ("clock", {"set": "noon"}, "noon"),
        ("clock", {"jump": "far"}, "number of seconds"),
        ("vars", {"op": "get", "name": "A.B"}, "no variable 'A.B'"),
        ("vars", {"op": "get", "name": "NoSuchKey"}, "no configuration key"),
        ("vars", {"op": "set", "name": "ChargingStation.Model", "value": "x"}, "Rejected"),
        ("vars", {"op": "fly", "name": "A.B"}, "op must be"),
        ("trace", {"action": 5}, "action must be text"),
        ("data_transfer", {}, "vendor_id"),
        ("security_event", {}, "type must be"),
        ("tags", {"op": "list"}, "unsupported"),
    ):
        with pytest.raises(Refused) as refused:
            station.control(command, **members)
        assert words in str(refused.value), f"{command}: {refused.value}"
    charge(station)
    with pytest.raises(Refused, match="stop it first"):
        station.control("start", evse=1)
    with pytest.raises(Refused, match="stop it first"):
        station.control("unlock", evse=1)


def test_variables_over_the_control_socket(station: Station) -> None:
    name = "OCPPCommCtrlr.HeartbeatInterval"
    listed = station.control("vars", op="list", pattern="heartbeat")["vars"]
    assert [entry["name"] for entry in listed] == [name]
    station.control("vars", op="set", name="AlignedDataCtrlr.Interval", value="77")
    shown = station.control("vars", op="get", name="AlignedDataCtrlr.Interval")
    assert (shown["value"], shown["source"]) == ("77", "CSMS")
    assert station.control("vars", op="reset", name="AlignedDataCtrlr.Interval")["source"] == "default"
    assert station.control("vars", op="get", name="SampledDataCtrlr.TxUpdatedInterval")["source"] == "file"
    assert station.control("vars", op="get", name="SecurityCtrlr.BasicAuthPassword")["value"] == "***"
    assert station.control("vars", op="get", name="ClockAlignedDataInterval")["value"] is not None
    parts, start = [], 0
    while start is not None:
        answer = station.control("vars", op="list", start=start)
        parts += answer["vars"]
        start = answer.get("next")
    assert len(parts) > 100 and len({entry["name"] for entry in parts}) == len(parts)


def test_start_without_a_token_and_stop_by_hand(station: Station, csms: CsmsThread) -> None:
    station.control("plug", evse=1)
    station.control("start", evse=1)
    station.wait(lambda: evse(station)["power_path"])
    station.control("stop", evse=1)
    station.wait(lambda: not evse(station)["power_path"])
    station.control("unplug", evse=1)
    station.wait(lambda: [session.complete for session in csms.now.ledger.of(identity(station))] == [True])
    assert csms.now.ledger.of(identity(station))[0].reason == "Local"


def test_network_off_and_on_connects_without_back_off(station: Station) -> None:
    station.control("network", up=False)
    assert station.control("status")["connection"] == "idle"
    station.control("network", up=True)
    station.wait(lambda: station.control("status")["connection"] == "connected", 3)


def test_trace_shows_frames_with_latency(station: Station) -> None:
    frames = station.control("trace", action="BootNotification")["frames"]
    assert [frame["dir"] for frame in frames] == ["out", "in"] and frames[1]["ms"] > 0


def test_the_simulated_clock_jumps_and_is_set(station: Station) -> None:
    at = 1_924_992_000  # 2031-01-01
    station.control("network", up=False)
    station.control("clock", set="2031-01-01T00:00:00Z")
    assert abs(station.control("status")["utc"] - at) < 60
    station.control("clock", jump=-3600)
    assert abs(station.control("status")["utc"] - at + 3600) < 60
    station.control("network", up=True)  # the CSMS corrects it by Heartbeat, as often as it is off
    for jump in (7200, 7200):
        station.wait(lambda: station.control("status")["connection"] == "connected")
        station.control("clock", jump=jump)
        station.control("vars", op="set", name="OCPPCommCtrlr.HeartbeatInterval", value="1")
        station.wait(lambda: abs(station.control("status")["utc"] - time.time()) < 60)


def test_events_data_transfer_and_security_event(station: Station, csms: CsmsThread) -> None:
    station.control("events")
    station.control("data_transfer", vendor_id="acme", message_id="m", data="d")
    station.control("security_event", type="TamperDetectionActivated", tech_info="door")
    assert csms.expect("DataTransfer").payload == {"vendorId": "acme", "messageId": "m", "data": "d"}
    wanted = lambda payload: payload["type"] == "TamperDetectionActivated"  # noqa: E731
    assert csms.expect("SecurityEventNotification", wanted).payload["techInfo"] == "door"
    station.control("plug", evse=2)
    assert station.control("display")["display"] is not None


def test_reset_by_the_csms_ends_with_75_after_its_answer(station: Station, csms: CsmsThread) -> None:
    assert csms.call(identity(station), "Reset", {"type": "Immediate"}) == {"status": "Accepted"}
    assert station.ended() == 75
    station.start()
    csms.expect("BootNotification", lambda payload: payload["reason"] == "RemoteReset")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_signals_end_sessions_orderly(station: Station, csms: CsmsThread, number: int, code: int) -> None:
    charge(station)
    assert station.stop(number) == code
    sessions = csms.now.ledger.of(identity(station))
    assert [(session.complete, session.reason) for session in sessions] == [(True, "Reboot")]
    assert not (station.state / "control.sock").exists()


def test_kill_is_a_power_cut_and_the_session_ends_at_the_next_start(station: Station, csms: CsmsThread) -> None:
    charge(station)
    station.wait(lambda: (evse(station)["register_wh"] or 0) > 1)
    station.kill()
    station.start()
    station.wait(lambda: csms.now.ledger.of(identity(station))[0].complete)
    assert csms.now.ledger.of(identity(station))[0].reason == "PowerLoss"
    assert not evse(station)["power_path"]


def test_a_csms_that_goes_and_comes_ends_nothing(station: Station, csms: CsmsThread) -> None:
    charge(station)
    csms.run(drop, csms.now, identity(station))
    station.control("swipe", token="CARD0001", evses=[1, 2])
    station.wait(lambda: not evse(station)["power_path"])
    station.control("network", up=False)
    station.control("network", up=True)
    station.wait(lambda: any(each.complete for each in csms.now.ledger.of(identity(station))))


async def drop(csms: Any, identity: str) -> None:
    csms.connections[identity].abort()


def test_all_messages_were_right(csms: CsmsThread) -> None:
    """After all of the above."""
    assert csms.now.errors == [] and csms.now.ledger.conflicts == []


def test_standalone_charges_by_its_own_list_without_ocpp(tmp_path: Path) -> None:
    with Station(tmp_path, "", text=STANDALONE) as station:
        assert station.control("status")["connection"] == "none"
        station.control("plug", evse=1)
        station.control("swipe", token="CARD")
        assert station.control("display")["display"] == {"1": "card unknown"} and not evse(station)["authorized"]
        station.control("tags", op="add", token="card", name="me")
        station.control("swipe", token="CARD")
        station.wait(lambda: evse(station)["power_path"])
        assert [name for name in station.control("modules")["modules"] if name.startswith("evse.ocpp")] == []
        station.control("swipe", token="CARD")
        station.wait(lambda: not evse(station)["power_path"])
        with pytest.raises(Refused, match="no card"):
            station.control("tags", op="rm", token="OTHER")
        station.control("tags", op="learn", name="new", seconds=5)
        station.control("swipe", token="NEW")
        station.kill()
        station.start()
        assert [tag["token"] for tag in station.control("tags", op="list")["tags"]] == ["card", "NEW"]


def test_standalone_free_vending_charges_whoever_plugs_in(tmp_path: Path) -> None:
    with Station(tmp_path, "", text=STANDALONE + "free_vending = true\n") as station:
        station.control("plug", evse=1)
        station.wait(lambda: evse(station)["power_path"])
        station.control("unplug", evse=1)
        station.wait(lambda: not evse(station)["power_path"])


def test_a_token_before_the_plug_can_be_refused(tmp_path: Path) -> None:
    with Station(tmp_path, "", text=STANDALONE + "token_before_plug = false\n") as station:
        station.control("tags", op="add", token="CARD")
        station.control("swipe", token="CARD")
        assert station.control("display")["display"] == {"1": "plug in first, then show the card"}


def test_one_station_a_state_directory(tmp_path: Path) -> None:
    with Station(tmp_path, "", text=STANDALONE) as station:
        second = run(tmp_path, station, "--control", str(tmp_path / "other.sock"))
        assert second.returncode == 1 and "another station runs there" in second.stderr


def test_what_cannot_run_is_refused_before_anything_starts(tmp_path: Path) -> None:
    station = Station(tmp_path, "", text="[csms]\nurl = 3\n")
    refused = run(tmp_path, station)
    assert refused.returncode == 1 and "line 2: csms.url" in refused.stderr
    assert run(tmp_path, station, "--log-level", "chatty").returncode == 2


def run(directory: Path, station: Station, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evse", "run", "--config", str(station.file), "--state-dir", str(station.state)]
    compiled.lay(station.state)
    environment = compiled.environment()
    return subprocess.run(
        [*command, *arguments], cwd=directory, env=environment, capture_output=True, text=True, timeout=30
    )


def test_an_unchanged_start_compiles_nothing_and_a_changed_file_is_seen(tmp_path: Path) -> None:
    station = Station(tmp_path, "", text=STANDALONE)
    with station:
        stamps = {path: path.stat().st_mtime_ns for path in (station.state / "compiled").glob("*.stamp")}
        assert len(stamps) == 2
    with station:
        assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    station.file.write_text(STANDALONE + "[station]\nvendor = 7\n")
    assert run(tmp_path, station).returncode == 1


def test_every_log_level_is_one_of_the_log() -> None:
    from evse.shell.log import LEVELS as KNOWN

    assert tuple(KNOWN) == LEVELS


def test_a_defect_ends_the_process_with_70_and_says_where(tmp_path: Path, csms: CsmsThread) -> None:
    more = '\n[ocpp.blocks]\nsecurity = "tests.support.badblock:Defective"\n'
    station = Station(tmp_path, csms.url, "2.0.1", identity="DEFECT", more=more).start()
    with pytest.raises(AssertionError):  # the process ends before it answers
        station.control("fault", evse=1, code="GroundFailure")
    assert station.ended() == 70
    assert "kind=AssertionError" in station.tail() and "function=on_fault" in station.tail()


def test_a_new_password_of_the_csms_is_used_at_once_and_over_the_file_at_the_next_start(tmp_path: Path) -> None:
    old, new = "0123456789abcdef", "fedcba9876543210"
    more = "\n[ocpp.variables]\nOCPPCommCtrlr.RetryBackOffWaitMinimum = 0\nOCPPCommCtrlr.RetryBackOffRandomRange = 0\n"
    with CsmsThread(versions=["2.0.1"], passwords={"PASS": old}) as csms:
        text = f'[csms]\nurl = "{csms.url}"\nidentity = "PASS"\npassword = "{old}"\n{more}'
        with Station(tmp_path, "", text=text) as station:
            station.wait(lambda: station.control("status")["registration"] == "Accepted")
            csms.now.passwords = {"PASS": new}
            before = csms.now.connections["PASS"]
            item = {
                "component": {"name": "SecurityCtrlr"},
                "variable": {"name": "BasicAuthPassword"},
                "attributeValue": new,
            }
            answer = csms.call("PASS", "SetVariables", {"setVariableData": [item]})
            assert [result["attributeStatus"] for result in answer["setVariableResult"]] == ["Accepted"]
            station.wait(lambda: csms.now.connections.get("PASS") not in (None, before))
            assert new not in str(station.control("trace")["frames"])
        with Station(tmp_path, "", text=text) as station:
            station.wait(lambda: station.control("status")["registration"] == "Accepted")


def test_a_security_profile_that_cannot_work_falls_back_to_the_file(tmp_path: Path, csms: CsmsThread) -> None:
    station = Station(tmp_path, csms.url, "2.0.1", identity="FALLBACK", more="")
    station.state.mkdir()
    Documents(str(station.state / "documents"), log=Log("error")).save(
        "variables", {"NetworkConfiguration[1].SecurityProfile": "2"}
    )
    with station:
        station.wait(lambda: station.control("status")["registration"] == "Accepted")
        assert "begins as the station file says" in station.tail()
