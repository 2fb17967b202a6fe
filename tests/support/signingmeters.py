"""Meters that sign, as their registers show it, and the keys that they sign with: none of it is the station's code."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hal import meterfile
from hal.drivers.modbus_meter import REGISTER
from tests.support.modbusline import HOLDING, ModbusLine, fill, map_source

Table = dict[str, Any]
METHOD = "ECDSA-secp256r1-SHA256"
# By their names in OCMF.
CURVES: dict[str, Any] = {
    "secp192r1": ec.SECP192R1,
    "secp256k1": ec.SECP256K1,
    "secp256r1": ec.SECP256R1,
    "secp384r1": ec.SECP384R1,
    "brainpoolP256r1": ec.BrainpoolP256R1,
}


def payload(number: int, kind: str, pad: int = 0) -> bytes:
    """A payload as meters write them: odd spaces, signs of JSON within strings, numbers that must not be rewritten."""
    text = (
        '{"FV" : "1.0","GI":"a{\\"}","GS":"1","PG":"T%d","MV":"x","MS":"7","IS":false,"IL":"NONE","IF":[],"IT":"NONE",'
        '"ID":"","TT":"é%s","RD":[{"TM":"2026-01-01T00:00:00,000+0000 S","TX":"%s","RV":0.100,"RI":"1-0:1.8.0",'
        '"RU":"kWh","RT":"AC","EF":"","ST":"G"}]}'
    )
    return (text % (number, "x" * pad, kind)).encode()


class Signer:
    """The key of a meter on a curve; `encoding` "hex" or "base64" is that of its signatures."""

    def __init__(self, curve: str = "secp256r1", encoding: str = "hex") -> None:
        self.method = f"ECDSA-{curve}-SHA256"
        self.encoding = encoding
        self.key = ec.generate_private_key(CURVES[curve]())
        numbers, size = self.key.public_key().public_numbers(), (self.key.curve.key_size + 7) // 8
        self.point = numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")
        der = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        self.public = self.key.public_key().public_bytes(*der)

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))

    def record(self, data: bytes) -> bytes:
        """A whole record; what is the default in OCMF is left out."""
        said = "" if self.method == METHOD else f'"SA": "{self.method}", '
        signature = self.sign(data)
        if self.encoding == "hex":
            said += f'"SD":"{signature.hex()}"'
        else:
            said += f'"SE":"base64","SD":"{b64encode(signature).decode()}"'
        return b"OCMF|" + data + b"|{" + said.encode() + b"}"


class FakeMeter:
    """What the registers of a signing meter do when they are written; `fail` is the status it ends with."""

    def __init__(self, line: ModbusLine, model: str, signer: Signer | None = None) -> None:
        self.line = line
        self.signer = signer or Signer()
        self.places: Table = meterfile.load(model)["signing"]
        self.records = 0
        self.fail: int | None = None
        self.slow = False
        truth = dict.fromkeys(map_source(model)["values"], 1.0)
        truth[REGISTER[0]] = 5000.0
        line.registers[1] = fill(model, truth)
        line.on_write = self.hear
        line.written.clear()

    @property
    def holding(self) -> dict[int, int]:
        return self.line.registers[1][HOLDING]

    def put(self, address: int, data: bytes) -> None:
        data += bytes(len(data) % 2)
        self.holding.update({address + i // 2: data[i] << 8 | data[i + 1] for i in range(0, len(data), 2)})

    def hear(self, unit: int, address: int, values: list[int]) -> None:
        raise AssertionError("nothing was to be written")


class FakeIskra(FakeMeter):
    raw_signature = False

    def __init__(self, line: ModbusLine) -> None:
        super().__init__(line, "iskra-wm3m4")
        for first, count in ((7000, 1), (7051, 20), (7100, 512), (7612, 512), (8124, 32), (8188, 64)):
            self.put(first, bytes(2 * count))
        self.put(8124, self.signer.point)

    def hear(self, unit: int, address: int, values: list[int]) -> None:
        if address != 7051:
            return
        self.records += 1
        self.holding[7000] = 1 if values == [0x4200] else 0
        if self.fail is not None:
            self.holding[7052] = self.fail
            return
        data = payload(self.records, "B" if values == [0x4200] else "E", pad=100 + self.records)
        signature = self.signer.sign(data)
        if self.raw_signature:
            r, s = decode_dss_signature(signature)
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        self.put(7612, data)
        self.put(8188, signature)
        self.holding.update({7057: len(data), 7058: len(signature), 7052: 2 if self.slow else 15})


class FakeBauer(FakeMeter):
    def __init__(self, line: ModbusLine, signer: Signer | None = None) -> None:
        super().__init__(line, "bauer-bsm-ws36a", signer)
        self.told: list[bytes] = []
        for start in (0xA91B, 0xAB0F):
            self.put(start, bytes(2 * 498))

    def hear(self, unit: int, address: int, values: list[int]) -> None:
        assert values == [2] and address in (0xA91B + 3, 0xAB0F + 3)
        self.records += 1
        if self.fail is not None:
            self.holding[address] = self.fail
            return
        data = payload(self.records, "B" if address == 0xA91B + 3 else "E", pad=200)
        record = self.signer.record(data)
        self.told.append(record)
        self.put(address + 1, record + bytes(988 - len(record)))
        self.holding[address] = 2 if self.slow else 0
