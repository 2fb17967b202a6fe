"""The table [firmware] of the station file, and where the firmware's version comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_stationfile import CSMS, load, problems

FILE = '[station]\nfirmware_file = "/etc/os-release:VERSION_ID"\n'


def test_without_the_table_there_is_no_installer(tmp_path: Path) -> None:
    firmware = load(tmp_path, CSMS)["firmware"]
    assert firmware["installer"] is None
    assert (firmware["unsigned"], firmware["pkcs1v15"]) == (False, False)


@pytest.mark.parametrize(
    ("table", "command", "restart"),
    [
        ('installer = "rauc"', None, "machine"),
        ('installer = "rauc"\nrestart = "station"', None, "station"),
        ('installer = "executable"\ncommand = ["/bin/install", "-q"]', ["/bin/install", "-q"], "station"),
    ],
)
def test_an_installer(tmp_path: Path, table: str, command: list[str] | None, restart: str) -> None:
    config = load(tmp_path, f"{CSMS}{FILE}[firmware]\n{table}\n")
    assert (config["firmware"]["command"], config["firmware"]["restart"]) == (command, restart)
    assert config["station"]["firmware_file"] == "/etc/os-release:VERSION_ID"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f'{FILE}[firmware]\ninstaller = "swupdate"', "must be one of rauc, executable"),
        (f'{FILE}[firmware]\ninstaller = "executable"', "needs one that begins with an absolute path"),
        (f'{FILE}[firmware]\ninstaller = "executable"\ncommand = ["install"]', "needs one that begins with"),
        (f'{FILE}[firmware]\ninstaller = "rauc"\ncommand = "rauc"', "must be a program and its arguments"),
        (f'{FILE}[firmware]\ninstaller = "rauc"\ncommand = []', "must be a program and its arguments"),
        (f'{FILE}[firmware]\ninstaller = "rauc"\ncommand = [""]', "must be a program and its arguments"),
        (f'{FILE}[firmware]\ncommand = ["/bin/x"]', "is for an installer"),
        ('[firmware]\ninstaller = "rauc"', "needs [station] firmware_file"),
        (f'{FILE}firmware = "1.0"\n', "stands beside firmware; keep one of them"),
        (f"{FILE}[firmware]\nmax_bytes = 0", "must be a whole number from 1"),
        (f"{FILE}[firmware]\ninstall_within_s = 1", "must be a number from 10"),
        (f"{FILE}[firmware]\nunsined = true", "did you mean 'unsigned'?"),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    found = problems(tmp_path, CSMS + text)
    assert len(found) == 1 and problem in found[0]


def test_the_path_counts_from_the_station_file(tmp_path: Path) -> None:
    config = load(tmp_path, f'{CSMS}[station]\nfirmware_file = "version:V"\n')
    assert config["station"]["firmware_file"] == f"{tmp_path}/version:V"
