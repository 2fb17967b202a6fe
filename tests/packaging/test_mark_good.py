"""After an update: the slot that runs is kept when the station proves itself, else the machine goes back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.station import ROOT

SCRIPT = ROOT / "yocto" / "service" / "evse-mark-good"
PRE_INSTALL = ROOT / "yocto" / "rauc" / "pre-install"
RAUC = """#!/bin/sh
echo "rauc $*" >>{calls}
[ "$2" = --output-format=shell ] && echo "RAUC_SYSTEM_BOOTED_BOOTNAME='{booted}'"
exit 0
"""


class Rig:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.calls = directory / "calls"
        self.marks = directory / "marks"
        self.marks.mkdir()

    def program(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def run(self, booted: str = "B", healthy: bool = True) -> list[str]:
        """What was called, in order."""
        rauc = self.program("rauc", RAUC.format(calls=self.calls, booted=booted))
        reboot = self.program("reboot", f"#!/bin/sh\necho reboot >>{self.calls}\n")
        words = "healthy after 30 s" if healthy else "evse: not healthy within 900 s: EVSE 1 has MeterSilent"
        self.program("evse", f'#!/bin/sh\necho "evse $1" >>{self.calls}\necho "{words}"\nexit {0 if healthy else 1}\n')
        environment = {
            **os.environ,
            "PATH": f"{self.directory}:{os.environ['PATH']}",
            "EVSE_UPDATE_DIR": str(self.marks),
            "EVSE_RAUC": str(rauc),
            "EVSE_REBOOT": str(reboot),
        }
        subprocess.run([SCRIPT], env=environment, check=True, capture_output=True, timeout=30)
        return [line for line in self.calls.read_text().splitlines() if "--output-format" not in line]

    def pending(self, text: str = "B 1.10.0\n") -> Path:
        path = self.marks / "update-pending"
        path.write_text(text)
        return path

    def result(self) -> str:
        return (self.marks / "update-result").read_text()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_without_an_update_nothing_has_to_be_proven(rig: Rig) -> None:
    assert rig.run(healthy=False) == ["rauc status mark-good"]


def test_a_healthy_station_keeps_the_update(rig: Rig) -> None:
    mark = rig.pending()
    assert rig.run() == ["evse healthy", "rauc status mark-good"]
    assert not mark.exists() and rig.result() == "good 1.10.0: healthy after 30 s\n"


def test_one_that_is_not_goes_back(rig: Rig) -> None:
    mark = rig.pending()
    assert rig.run(healthy=False) == ["evse healthy", "rauc status mark-bad booted", "reboot"]
    assert not mark.exists() and "failed 1.10.0" in rig.result() and "MeterSilent" in rig.result()


def test_the_boot_loader_went_back_by_itself(rig: Rig) -> None:
    mark = rig.pending()
    assert rig.run(booted="A") == ["rauc status mark-good"]
    assert not mark.exists() and "it did not start, the station runs from A" in rig.result()


@pytest.mark.parametrize(
    ("installed", "offered", "code"),
    [
        ("1.2.0", "1.2.0", 0), ("1.2.0", "1.10", 0), ("1.2", "1.2.0", 0), ("1.2.0", "2", 0),
        ("1.2.0", "1.1.9", 1), ("1.10.0", "1.9.9", 1), ("2.0", "1.99.99", 1), ("1.2.0", "", 1),
    ],
)  # fmt: skip
def test_versions_are_compared_by_their_numbers(tmp_path: Path, installed: str, offered: str, code: int) -> None:
    (tmp_path / "version").write_text(installed + "\n")
    (tmp_path / "manifest.raucm").write_text(f"[update]\nversion={offered}\n[image.rootfs]\nversion=9\n")
    assert _pre_install(tmp_path) == code


@pytest.mark.parametrize(("line", "code"), [("min-bundle-version=1.2.0\n", 0), ("", 1)])
def test_a_hidden_manifest_is_trusted_to_rauc_alone(tmp_path: Path, line: str, code: int) -> None:
    (tmp_path / "system.conf").write_text("[system]\n" + line)
    assert _pre_install(tmp_path) == code


def _pre_install(directory: Path) -> int:
    environment = {"RAUC_SYSTEM_CONFIG": str(directory / "system.conf"), "RAUC_BUNDLE_MOUNT_POINT": str(directory)}
    return subprocess.run([PRE_INSTALL], env={**os.environ, **environment}, capture_output=True, timeout=30).returncode
