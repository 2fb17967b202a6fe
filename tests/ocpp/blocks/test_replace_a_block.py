"""The documented example of a replaced block, in every version."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evse.ocpp import registry
from evse.settings import NEEDED_BLOCKS
from evse.stationfile import load
from tests.support.bench import Bench, versions
from tests.support.driver import Driver, transaction_messages

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def acme(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example, installed as the package it says."""
    spec = importlib.util.spec_from_file_location("acme.blocks", ROOT / "docs/examples/replace_a_block.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    package = type(sys)("acme")
    package.blocks = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "acme", package)
    monkeypatch.setitem(sys.modules, "acme.blocks", module)
    spec.loader.exec_module(module)
    yield


def station(version: str) -> Bench:
    bench = Bench(blocks={"reset": "acme.blocks:MyReset"})
    bench.connect(version)
    return bench


@versions
def test_the_class_of_the_station_file_takes_the_place_of_the_block(version: str) -> None:
    bench = station(version)
    kind = "Hard" if version == "1.6" else "Immediate"
    bench.fact("reading", 1, {("Temperature", None): 75.0}, None)
    assert bench.ask("Reset", {"type": kind})["status"] == "Rejected"
    assert not bench.take_effects("reboot")
    bench.fact("reading", 1, {("Temperature", None): 40.0}, None)
    assert bench.ask("Reset", {"type": kind}) == {"status": "Accepted"}
    assert bench.take_effects("reboot")


@versions
def test_a_block_that_is_switched_off_is_refused_and_the_others_do_without_it(version: str) -> None:
    bench = Bench(blocks={"data_transfer": "", "availability": ""})
    bench.connect(version)
    reply = bench.ask_raw("DataTransfer", {"vendorId": "V"})
    assert reply is not None and (reply[0], reply[2]) == (4, "NotSupported")
    kind = "Hard" if version == "1.6" else "Immediate"
    assert bench.ask("Reset", {"type": kind}) == {"status": "Accepted"}


@pytest.mark.parametrize("name", sorted(set(registry.ACTIONS) - set(NEEDED_BLOCKS)))
@versions
def test_a_session_goes_without_each_block_that_may_be_switched_off(version: str, name: str) -> None:
    bench = Bench(blocks={name: ""})
    bench.connect(version)
    driver = Driver(bench)
    driver.plug()
    driver.tap()
    driver.draw(500)
    driver.wait(1000)
    driver.tap()
    driver.unplug()
    started, *_, ended = transaction_messages(driver.said)
    assert (started[0], ended[0]) in (("StartTransaction", "StopTransaction"), ("TransactionEvent",) * 2)
    assert bench.log.texts("error") == []


def test_the_station_files_of_the_documentation_are_understood(tmp_path: Path) -> None:
    found = []
    for number, text in enumerate((ROOT / "docs/blocks.md").read_text().split("```toml\n")[1:]):
        file = tmp_path / f"{number}.toml"
        file.write_text('[csms]\nurl = "ws://127.0.0.1:9000"\nidentity = "CS1"\n' + text.split("```")[0])
        found.append(load(str(file))["blocks"])
    assert found == [{"reset": "acme.blocks:MyReset"}, {"data_transfer": ""}]
