"""evse cert: the store of a station from the command line, without a station."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evse import cli
from tests.support.certificates import Certificate
from tests.support.signing import read, sign

FILE = """
[csms]
url = "wss://csms.example/"
identity = "CS001"
security_profile = 3

[station]
vendor = "Acme"
serial = "S1"
"""


class Shell:
    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.capsys = capsys
        self.file = directory / "station.toml"
        self.file.write_text(FILE)

    def run(self, *arguments: str, code: int = 0) -> str:
        options = ["--config", str(self.file), "--state-dir", str(self.directory / "state")]
        assert cli.main(["cert", *arguments, *options]) == code
        said = self.capsys.readouterr()
        return said.err if code else said.out

    def put(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return str(path)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def test_a_station_is_provisioned_by_three_commands(shell: Shell) -> None:
    root = Certificate("Operator Root", ca=True)
    assert "no certificates are installed" in shell.run("show")
    assert "holds 1 certificates" in shell.run("install", shell.put("root.pem", root.pem()), "--type", "csms")
    csr = shell.run("csr", "--organization", "Operator")
    assert read(csr) == {"CN": "S1", "O": "Operator", "kind": "ec", "bits": 256}
    assert "holds 2 certificates" in shell.run("install", shell.put("own.pem", sign(csr, root)))
    shown: list[dict[str, Any]] = json.loads(shell.run("show", "--json"))
    assert [(each["kind"], each["subject"], each["note"]) for each in shown] == [
        ("CSMSRootCertificate", "Operator Root", ""),
        ("ChargingStationCertificate", "S1", ""),
    ]
    assert all(os.path.exists(each["path"]) for each in shown)
    assert "PRIVATE" not in csr + json.dumps(shown)


def test_what_is_refused_is_said(shell: Shell) -> None:
    leaf = Certificate("Leaf")
    assert "not made for signing" in shell.run("install", shell.put("a.pem", leaf.pem()), "--type", "v2g", code=1)
    assert "asked to be signed" in shell.run("install", shell.put("b.pem", leaf.pem()), code=1)
    assert "no PEM certificate" in shell.run("install", shell.put("c.pem", "hello"), "--type", "mo", code=1)
    assert "No such file" in shell.run("install", "/nonexistent.pem", code=1)
    assert "asked to be signed" in shell.run("install", shell.put("d.pem", leaf.pem()), "--vehicle", code=1)


def test_what_is_wrong_with_a_certificate_stands_beside_it(shell: Shell) -> None:
    path = shell.directory / "state/certificates/ca/mf/MF_ROOT_CA.pem"
    path.parent.mkdir(parents=True)
    path.write_text(Certificate("Old Root", ca=True, days=(-9, -1)).pem())
    other = shell.directory / "state/certificates/ca/mo/MO_ROOT_CA.pem"
    other.parent.mkdir(parents=True)
    other.write_text("-----BEGIN CERTIFICATE-----\n")
    shown = shell.run("show")
    assert "has expired" in shown
    assert "no valid X.509" in shown


def test_the_command_line_loads_no_cryptography() -> None:
    code = "import sys; from evse.commands import certificates; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
