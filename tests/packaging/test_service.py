"""The service: what systemd says of the unit, and that the scripts for other inits do the same."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evse import cli
from tests.support.outlets import BOARDS
from tests.support.station import ROOT, Station

SERVICE = ROOT / "yocto" / "service"
UNIT = (SERVICE / "evse.service").read_text()
EXPOSURE = 1.5


def systemd_analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C"}
    )


@pytest.mark.parametrize("board", [None, *sorted(path.stem for path in BOARDS.glob("*.toml"))])
def test_the_unit_exposes_little_with_the_devices_of_every_board(
    board: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unit = tmp_path / "evse.service"
    unit.write_text(UNIT)
    if board is not None:
        assert cli.main(["hw", "service", "--board", board]) == 0
        (tmp_path / "evse.service.d").mkdir()
        (tmp_path / "evse.service.d" / "board.conf").write_text(capsys.readouterr().out)
        unit.write_text(UNIT + (tmp_path / "evse.service.d" / "board.conf").read_text())
    done = systemd_analyze("security", "--offline=true", "--no-pager", str(unit))
    if "--offline" in done.stderr:
        pytest.skip("this systemd does not judge units that are not loaded")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= EXPOSURE, done.stdout


@pytest.mark.parametrize("name", ["evse.service", "evse-mark-good.service"])
def test_systemd_understands_every_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "rauc.service").write_text("[Service]\nExecStart=/bin/true\n")
    for unit in SERVICE.glob("*.service"):
        text = re.sub(r"^(Exec\w+=)\S+", r"\1/bin/true", unit.read_text(), flags=re.M)
        (tmp_path / unit.name).write_text(text)
    done = systemd_analyze("verify", "--man=no", str(tmp_path / name))
    assert done.stderr.strip() == "" and done.returncode == 0


def setting(name: str) -> list[str]:
    return [word for line in re.findall(rf"^{name}=(.*)$", UNIT, re.M) for word in line.split()]


def test_the_unit_knows_the_exit_codes_of_the_daemon() -> None:
    from evse.app import REBOOT, RESTART
    from evse.daemon import SIGNALS

    assert setting("RestartForceExitStatus") == [str(RESTART)]
    assert {int(code) for code in setting("SuccessExitStatus")} == {
        RESTART,
        REBOOT,
        *(128 + number for number in SIGNALS),
    }
    assert f'"$EXIT_STATUS" = {REBOOT}' in UNIT
    assert setting("Type") == ["notify"] and setting("Restart") == ["always"] and setting("WatchdogSec")
    assert "evse-outputs-off" in setting("ExecStopPost")[0]


def test_the_watchdog_is_longer_than_what_the_station_may_take() -> None:
    """A step of the station blocks for the time of a name look-up at worst; it is fed at a third."""
    assert int(setting("WatchdogSec")[0]) >= 10
    assert int(setting("TimeoutStartSec")[0]) > 120  # the byte code of a slow machine, see evse/prepare.py


@pytest.mark.parametrize("script", ["evse.init", "evse-supervise", "evse-mark-good", "evse-attributes"])
def test_scripts_are_plain_shell(script: str) -> None:
    path = SERVICE / script
    assert os.access(path, os.X_OK)
    subprocess.run(["sh", "-n", path], check=True)
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", "-s", "sh", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_unit_and_script_put_the_station_before_other_programs() -> None:
    (nice,) = setting("Nice")
    assert int(nice) < 0
    script = (SERVICE / "evse.init").read_text()
    assert f'&& before="$before -n {nice}"' in script and "$before start-stop-daemon" in script


def test_unit_and_script_agree_on_paths() -> None:
    script = (SERVICE / "evse-supervise").read_text() + (SERVICE / "evse.init").read_text()
    for path in ("/etc/evse/station.toml", "/var/lib/evse", "/run/evse"):
        assert path in script and path in UNIT


class Supervised:
    """evse-supervise with our `evse` in the path, and a helper that notes when the outputs are switched off."""

    def __init__(self, directory: Path, station: Station) -> None:
        programs = directory / "bin"
        programs.mkdir()
        self.outputs_off = directory / "outputs-off"
        for name, text in (
            ("evse", f'exec {sys.executable} -m evse "$@"'),
            ("evse-outputs-off", f"echo \"$@\" >>{self.outputs_off}"),
            ("logger", f"exec cat >>{directory / 'syslog'}"),
        ):
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
        run = directory / "run"
        run.mkdir()
        station.state.mkdir()
        self.socket = run / "control.sock"
        environment = {
            **os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "EVSE_RESTART_S": "0",
            "EVSE_CONFIG": str(station.file), "EVSE_STATE": str(station.state), "EVSE_RUN": str(run),
        }  # fmt: skip
        self.process = subprocess.Popen([SERVICE / "evse-supervise"], env=environment, stderr=subprocess.PIPE)
        self.syslog = directory / "syslog"

    def children(self) -> list[int]:
        """Python processes that the supervisor started."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                name, _, rest = path.read_text().partition(" (")[2].rpartition(") ")
                if int(rest.split()[1]) == self.process.pid and name.startswith("python"):
                    found.append(int(path.parent.name))
        return found

    def daemon(self, other: int = 0, limit_s: float = 20) -> int:
        """The process of the station, another than `other`."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            pids = [pid for pid in self.children() if pid != other]
            if pids and self.socket.exists():
                return pids[0]
            time.sleep(0.05)
        raise AssertionError(f"no station: {self.syslog.read_text() if self.syslog.exists() else ''}")


@pytest.mark.slow
def test_without_systemd_a_station_that_dies_is_started_again(tmp_path: Path) -> None:
    station = Station(tmp_path, "", text='board = "simulated-ac-1"\n[behaviour]\nstandalone = true\n')
    supervised = Supervised(tmp_path, station)
    try:
        first = supervised.daemon()
        os.kill(first, signal.SIGKILL)
        second = supervised.daemon(first)
        assert supervised.outputs_off.read_text().splitlines() == [f"--config {station.file}"]
        assert second != first
    finally:
        supervised.process.send_signal(signal.SIGTERM)
        code = supervised.process.wait(20)
    assert code == 0 and len(supervised.outputs_off.read_text().splitlines()) == 2
    assert "is started again" in supervised.syslog.read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


@pytest.mark.slow
def test_without_systemd_root_hears_that_new_firmware_wants_the_machine_started(tmp_path: Path) -> None:
    """Exit code 76 reaches the pipe at which the init script waits; the station is started again all the same."""
    programs = tmp_path / "bin"
    programs.mkdir()
    programs_text = {"evse": f"echo run >>{tmp_path}/runs; exit 76", "evse-outputs-off": "true", "logger": "cat"}
    for name, text in programs_text.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    os.mkfifo(tmp_path / "reboot")
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "EVSE_RUN": str(tmp_path), "EVSE_RESTART_S": "1"}
    waits = subprocess.Popen(["sh", "-c", f"read -r word <{tmp_path}/reboot && echo $word"], stdout=subprocess.PIPE)
    supervisor = subprocess.Popen([SERVICE / "evse-supervise"], env=environment, stderr=subprocess.DEVNULL)
    try:
        assert waits.communicate(timeout=10)[0] == b"firmware\n"
        end = time.monotonic() + 10
        while (tmp_path / "runs").read_text().count("run") < 2:  # nobody waits at the pipe any more
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(10)
    assert "reboot" in (SERVICE / "evse.init").read_text()
