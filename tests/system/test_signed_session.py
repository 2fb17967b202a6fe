"""Signed meter values through every layer: registers of a meter, driver, controller, engine, journal, wire, CSMS.

The records are built and signed by what is not the station's; the end of the CSMS takes them out of the message,
compares them byte for byte with what stood in the registers and lets pyocmf verify them.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.csms import CsmsThread
from tests.support.signingmeters import FakeBauer, Signer
from tests.system.test_real_drivers import World, started, status

OCMF = pytest.importorskip("pyocmf", reason="pyocmf wants a newer cryptography than the oldest promised").OCMF

REGISTER = "Energy.Active.Import.Register"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, 20)
    yield world
    world.close()


def sign(world: World, signer: Signer) -> FakeBauer:
    """A Bauer BSM in place of the meter that stands there."""
    file = world.directory / "board.toml"
    text = file.read_text().replace('model = "eastron-sdm120"', 'model = "bauer-bsm-ws36a"')
    file.write_text(text.replace('port = "meterbus"', f'port = "meterbus"\npublic_key = "{signer.public.hex()}"'))
    return FakeBauer(world.meter, signer)


def check(fake: FakeBauer, record: bytes, kind: str, key: str) -> None:
    """The record is one that the meter made, of this kind, and verifies with the key that came with it."""
    assert record in fake.told
    prefix, _, key = key.rpartition(":")
    assert prefix == "oca:base16:asn1" and key == fake.signer.public.hex()
    found = OCMF.from_string(record.decode())
    assert found.verify_signature(key) and found.payload.RD[0].TX == kind
    assert not OCMF.from_string(record.decode().replace("0.100", "0.200")).verify_signature(key)


@pytest.mark.parametrize(
    ("version", "signer"),
    [("2.0.1", ("secp256r1", "hex")), ("2.1", ("secp384r1", "base64"))],
    ids=["2.0.1 secp256r1", "2.1 secp384r1"],
)
def test_records_verify_at_the_csms(world: World, tmp_path: Path, version: str, signer: tuple[str, str]) -> None:
    fake = sign(world, Signer(*signer))
    settings = [("SampledDataCtrlr", "SignReadings", "true"), ("SampledDataCtrlr", "SignUpdatedReadings", "true"),
                ("SampledDataCtrlr", "TxUpdatedInterval", "1"), ("SampledDataCtrlr", "TxEndedInterval", "1"),
                ("OCPPCommCtrlr", "PublicKeyWithSignedMeterValue", "EveryMeterValue")]  # fmt: skip
    with CsmsThread() as csms, started(csms, tmp_path, version) as station:
        station.wait(lambda: station.control("status")["registration"] == "Accepted")
        for component, variable, value in settings:
            item = {"component": {"name": component}, "variable": {"name": variable}, "attributeValue": value}
            answer = csms.call("CS001", "SetVariables", {"setVariableData": [item]})
            assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted", answer
        world.charge()
        station.wait(lambda: status(station)["charging_state"] == "Charging")
        station.wait(lambda: fake.records == 1)
        world.do(world.evse.unplug)
        ended = csms.expect("TransactionEvent", lambda event: event["eventType"] == "Ended", limit_s=25).payload
        signed = [
            (value["signedMeterValue"], value["context"])
            for sample in ended["meterValue"]
            for value in sample["sampledValue"]
            if "signedMeterValue" in value
        ]
        last, context = signed[-1]
        assert context == "Transaction.End" and last["encodingMethod"] == "OCMF"
        if version == "2.0.1":
            assert last["signingMethod"] == fake.signer.method
        check(fake, b64decode(last["signedMeterData"]), "E", b64decode(last["publicKey"]).decode())
        assert csms.now.errors == []


def test_records_verify_at_a_csms_of_16(world: World, tmp_path: Path) -> None:
    fake = sign(world, Signer("brainpoolP256r1"))
    keys = {"SampledDataSignReadings": "true", "PublicKeyWithSignedMeterValue": "EveryMeterValue"}
    with CsmsThread() as csms, started(csms, tmp_path, "1.6") as station:
        station.wait(lambda: station.control("status")["registration"] == "Accepted")
        for key, value in keys.items():
            assert csms.call("CS001", "ChangeConfiguration", {"key": key, "value": value})["status"] == "Accepted"
        world.charge()
        station.wait(lambda: status(station)["charging_state"] == "Charging")
        station.wait(lambda: fake.records == 1)
        world.do(world.evse.unplug)
        ended = csms.expect("StopTransaction", limit_s=25).payload
        signed: list[dict[str, Any]] = [
            value
            for sample in ended["transactionData"]
            for value in sample["sampledValue"]
            if value["format"] == "SignedData" and value["context"] == "Transaction.End"
        ]
        last = json.loads(signed[-1]["value"])
        assert (last["signingMethod"], last["encodingMethod"]) == (fake.signer.method, "OCMF")
        check(fake, b64decode(last["signedMeterData"]), "E", b64decode(last["publicKey"]).decode())
        assert csms.now.errors == []
