"""A variable that the CSMS may write changes what the station does: each of them, and the test that shows it.

A new one fails here until some test of its behaviour names it as `Component.Variable`, `Component__Variable`,
`Component_Variable` or ("Component", "Variable"); tests of the device model itself do not count. What a test names in
another way (a key of 1.6, a member of a helper) stands in ELSEWHERE.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from evse.ocpp.device_model import DeviceModel
from evse.ocpp.tables import compile_variables
from evse.ocpp.variable_row import MUTABILITY, NAME
from evse.profiles import Profiles
from evse.store.documents import Documents
from tests.support import states201
from tests.support.bench import FakeLog, versions2
from tests.support.states201 import Station

ROOT = Path(__file__).parents[1]
# Their tests are about any variable.
ABOUT_VARIABLES = (
    "test_device_model.py", "test_variables_table.py", "test_configuration.py", "test_stationfile.py", "test_cli.py",
    "test_ocpp201_b_custom_report.py", "test_soak.py",
)  # fmt: skip
WIRING = "ocpp/test_device_model.py::test_phase_rotation_and_evse_variables_reach_every_evse"
ELSEWHERE = {
    # How the station is wired: a note for the CSMS, which 1.6 demands to be writable. What is set in one version is
    # told in the others; nothing else comes of it.
    "ChargingStation.PhaseRotation": WIRING,
    "EVSE.PhaseRotation": WIRING,
    "AlignedDataCtrlr.SignUpdatedReadings": "ocpp/blocks/test_metering.py::test_the_keys_of_signed_meter_values",
    "SampledDataCtrlr.SignStartedReadings": "ocpp/blocks/test_metering.py::test_the_keys_of_signed_meter_values",
    "SampledDataCtrlr.SignUpdatedReadings": "ocpp/blocks/test_metering.py::test_the_keys_of_signed_meter_values",
    "SecurityCtrlr.BasicAuthPassword": "test_daemon.py::"
    "test_a_new_password_of_the_csms_is_used_at_once_and_over_the_file_at_the_next_start",
}
# Components whose tests write them by a helper: the file that has them.
BY_HELPER = {
    "NetworkConfiguration": "ocpp/blocks/test_network.py",
    "OCPP16Ctrlr": "ocpp/blocks",
    "SecurityCtrlr": "ocpp/blocks",
}


def writable() -> list[tuple[str, str]]:
    ours, _ = compile_variables.parse(compile_variables.text("variables.txt"))
    return sorted({(name, row[NAME]) for name, rows in ours.items() for row in rows if row[MUTABILITY] != "ReadOnly"})


def every_test() -> dict[str, str]:
    """ "file::test" -> its text and decorators, of all tests of behaviour."""
    found = {}
    for path in sorted(ROOT.rglob("test_*.py")):
        source = path.read_text("utf-8")
        lines = source.splitlines()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                text = "\n".join(lines[first - 1 : node.end_lineno])
                found[f"{path.relative_to(ROOT).as_posix()}::{node.name}"] = text
    return found


@pytest.fixture(scope="module")
def known() -> dict[str, str]:
    return every_test()


@pytest.mark.parametrize(("component", "variable"), writable(), ids=lambda name: str(name))
def test_each_writable_variable_has_a_test_of_what_it_does(
    component: str, variable: str, known: dict[str, str]
) -> None:
    stated = ELSEWHERE.get(f"{component}.{variable}")
    if stated is not None:
        assert stated in known, f"{stated} is gone"
        return
    named = re.compile(rf'\b{component}(?:\.|_+){variable}\b|"{component}",[^\n]{{0,60}}"{variable}"')
    behaviour = {name: text for name, text in known.items() if not name.split("::")[0].endswith(ABOUT_VARIABLES)}
    proofs = [name for name, text in behaviour.items() if named.search(text) or named.search(name)]
    if not proofs and component in BY_HELPER:
        place = ROOT / BY_HELPER[component]
        files = [place] if place.is_file() else sorted(place.glob("test_*.py"))
        proofs = [file.name for file in files if re.search(rf"\b{variable}\b", file.read_text("utf-8"))]
    assert proofs, f"no test of behaviour names {component}.{variable}"


def test_what_stands_elsewhere_is_still_writable() -> None:
    assert set(ELSEWHERE) <= {f"{component}.{variable}" for component, variable in writable()}


# -- the connection ----------------------------------------------------------------------------------------------------

CSMS: dict[str, Any] = {
    "url": "ws://csms.example/ocpp", "identity": "S1", "password": None, "security_profile": 0,
    "ocpp_versions": ["2.0.1"], "cert": None, "key": None, "ca": None, "verify_hostname": True,
    "connect_timeout_s": 10, "max_message_bytes": 65536, "deflate": False, "slots": {}, "interfaces": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("component", "variable", "value", "member"),
    [
        ("OCPPCommCtrlr", "WebSocketPingInterval", "17", ("ping_interval_s",)),
        ("OCPPCommCtrlr", "NetworkProfileConnectionAttempts", "7", ("attempts",)),
        ("OCPPCommCtrlr", "RetryBackOffWaitMinimum", "23", ("backoff", "wait_minimum_s")),
        ("OCPPCommCtrlr", "RetryBackOffRandomRange", "29", ("backoff", "random_range_s")),
        ("OCPPCommCtrlr", "RetryBackOffRepeatTimes", "3", ("backoff", "repeat_times")),
    ],
)
def test_the_connection_follows(
    component: str, variable: str, value: str, member: tuple[str, ...], tmp_path: Path
) -> None:
    """What the profile that the connection takes says; tests/shell/test_connection.py shows what it does by that."""
    documents = Documents(str(tmp_path), log=FakeLog())
    model = DeviceModel(compile_variables.blobs().get, documents, evses={})
    profiles = Profiles(CSMS, model, documents, FakeLog(), str(tmp_path), str(tmp_path))
    model.set(component, variable, value)
    said: Any = profiles.shared()
    for name in member:
        said = said[name]
    assert said == int(value)


def test_OCPPCommCtrlr_NetworkConfigurationPriority_is_the_order_of_the_slots(tmp_path: Path) -> None:
    documents = Documents(str(tmp_path), log=FakeLog())
    model = DeviceModel(compile_variables.blobs().get, documents, evses={})
    slot = {"url": "ws://other.example/ocpp", "password": None, "security_profile": 0, "ocpp_versions": None}
    csms = {**CSMS, "slots": {2: slot}}
    for order in ("1,2", "2,1"):
        model.set("OCPPCommCtrlr", "NetworkConfigurationPriority", order)
        profiles = Profiles(csms, model, documents, FakeLog(), str(tmp_path), str(tmp_path))
        profiles.begin()
        assert [row["slot"] for row in profiles.rows] == [int(number) for number in order.split(",")]


# -- meter values ------------------------------------------------------------------------------------------------------


@versions2
def test_AlignedDataCtrlr_Enabled_false_sends_no_aligned_values(version: str) -> None:
    station = Station(version=version)
    station.put(AlignedDataCtrlr__Interval=60, AlignedDataCtrlr__Enabled=False)
    station.advance(180)
    station.quiet()
    station.put(AlignedDataCtrlr__Enabled=True)
    station.advance(60)
    station.expect("MeterValues", evseId=1)


@versions2
def test_OCPPCommCtrlr_OfflineThreshold_decides_which_statuses_are_told_again(version: str) -> None:
    """Longer offline than that: all of them. Shorter: those that changed. [B04.FR.01, B04.FR.02]"""
    for offline_s, told in ((59, []), (61, [(1, 1)])):
        station = Station(version=version)
        station.put(OCPPCommCtrlr__OfflineThreshold=60)
        station.drop()
        station.advance(offline_s)
        station.connect()
        assert station.hear() == [] and station.told == told


@versions2
def test_TxCtrlr_EVConnectionTimeOut_cannot_be_0(version: str) -> None:
    """0 would be no time at all to connect a vehicle, or all the time: neither is meant. [C01.FR.26]"""
    station = Station(version=version)
    item = {**states201.variable("TxCtrlr__EVConnectionTimeOut"), "attributeValue": "0"}
    (result,) = station.ask("SetVariables", setVariableData=[item])["setVariableResult"]
    assert result["attributeStatus"] == "Rejected"
