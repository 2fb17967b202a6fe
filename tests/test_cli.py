"""The command line: exit codes, refusals, output; and that docs/cli.md knows every command and option."""

from __future__ import annotations

import argparse
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import evse
from evse import cli
from evse.commands.charging import status_text
from evse.commands.client import explained
from tests.support import compiled
from tests.support.csms import CsmsThread
from tests.support.station import ROOT, Station

DOCS = (ROOT / "docs" / "cli.md").read_text()
SOCKET_DOCS = (ROOT / "docs" / "control-socket.md").read_text()


def evse_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evse", *arguments]
    variables = {**compiled.environment(), **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=30)


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with CsmsThread() as csms:
        with Station(tmp_path_factory.mktemp("cli"), csms.url, "2.0.1") as station:
            station.wait(lambda: station.control("status")["registration"] == "Accepted")
            yield station


def main(station: Station, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main([*arguments, "--state-dir", str(station.state)])
    out, err = capsys.readouterr()
    return code, out, err


def parsers(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from parsers(child, (*path, name))
            return
    yield path, parser


def test_every_command_and_option_is_documented() -> None:
    for path, parser in parsers(cli.parser()):
        command = "evse " + " ".join(path)
        assert re.search(rf"`{command}[ `\]|]", DOCS), f"docs/cli.md lacks {command}"
        for action in parser._actions:
            for option in action.option_strings:
                assert option in ("-h", "--help") or re.search(rf"{option}\b", DOCS), f"docs/cli.md lacks {option}"


def test_every_verb_of_the_control_socket_is_documented() -> None:
    from evse.shell.ocppverbs import OcppVerbs
    from evse.shell.verbs import SIMULATION, Verbs

    class Nothing:
        def __getattr__(self, name: str) -> Any:
            return self

        def __call__(self, *_: Any) -> dict[str, Any]:
            return {}

    verbs = {*Verbs(Nothing()).commands(), *OcppVerbs(Nothing(), Nothing()).commands(), *SIMULATION, "tags"}
    assert {"plug", "vars", "status", "emergency_stop"} <= verbs
    for verb in verbs:
        assert f"`{verb}`" in SOCKET_DOCS, f"docs/control-socket.md lacks {verb}"


def test_the_client_side_loads_neither_engine_nor_cryptography() -> None:
    code = (
        "import sys, evse.cli; evse.cli.parser();"
        "print([m for m in sys.modules if m.partition('.')[0] in ('hal', 'asyncio', 'websockets', 'cryptography')"
        " or m.startswith(('evse.ocpp', 'evse.charging', 'evse.app', 'evse.csms'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "[]", done.stderr


def test_version_and_usage() -> None:
    assert evse_command("--version").stdout == f"evse {evse.__version__}\n"
    assert evse_command().returncode == 2
    assert evse_command("dance").returncode == 2
    assert evse_command("sim", "plug", "one").returncode == 2


def test_without_a_daemon_the_exit_code_is_3_and_says_what_to_do(tmp_path: Path) -> None:
    done = evse_command("status", "--state-dir", str(tmp_path))
    assert done.returncode == 3
    assert f"no station answers at {tmp_path}/control.sock; start one with `evse run`" in done.stderr
    done = evse_command("status", "--json", EVSE_CONTROL=str(tmp_path / "x"))
    assert done.returncode == 3 and json.loads(done.stdout)["ok"] is False


def test_status_for_people_and_programs(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = main(station, capsys, "status")
    assert code == 0 and out.startswith("CS001: connected OCPP 2.0.1, Accepted")
    assert "1.1" in out and "Available" in out and "32 A (board)" in out and "\033" not in out
    code, out, _ = main(station, capsys, "status", "--json")
    assert code == 0 and json.loads(out)["evses"][0]["id"] == 1


def test_a_session_by_hand(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(station, capsys, "sim", "plug", "1", "--phases", "3", "--current", "16")[0] == 0
    assert main(station, capsys, "start", "1", "--token", "CARD0001")[:2] == (0, "start EVSE 1: done\n")
    station.wait(lambda: station.control("status")["evses"][0]["power_path"])
    code, _, err = main(station, capsys, "start", "1")
    assert code == 1 and "EVSE 1 is charging or about to; stop it first" in err
    assert main(station, capsys, "stop", "1")[0] == 0
    assert main(station, capsys, "sim", "unplug", "1")[0] == 0
    assert main(station, capsys, "unlock", "1")[0] == 0
    code, _, err = main(station, capsys, "sim", "plug", "7")
    assert code == 1 and "no EVSE 7" in err


def test_each_simulation_verb_reaches_the_station(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        "swipe CARD9 --kind ISO15693 --evse 1", "fault 1 GroundFailure", "clear 1 GroundFailure", "meter 1 5000",
        "network down", "network up", "power loss", "power restore", "clock jump 5", "clock set 2030-01-01T00:00:00Z",
        "emergency-stop", "emergency-stop release", "plug 1", "suspend 1", "resume 1", "unplug 1",
    ):  # fmt: skip
        code, _, err = main(station, capsys, "sim", *arguments.split())
        assert code == 0, f"{arguments}: {err}"
    code, _, err = main(station, capsys, "sim", "park", "1")
    assert code == 1 and "EVSE 1 has no parking bay sensor" in err
    code, _, err = main(station, capsys, "sim", "lock", "1", "fail")
    assert code == 1 and "EVSE 1 has no lock" in err
    assert station.control("status")["evses"][0]["register_wh"] >= 5000


def test_variables(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = main(station, capsys, "vars", "list", "TxUpdatedInterval")
    assert code == 0 and out.splitlines()[0].split() == ["name", "value", "default", "source"]
    assert "file" in out.splitlines()[1]
    assert main(station, capsys, "vars", "set", "TxCtrlr.EVConnectionTimeOut", "77")[0] == 0
    assert main(station, capsys, "vars", "get", "TxCtrlr.EVConnectionTimeOut")[1] == "77\n"
    _, out, _ = main(station, capsys, "vars", "list", "--changed", "--json")
    assert {"TxCtrlr.EVConnectionTimeOut"} <= {entry["name"] for entry in json.loads(out)}
    assert main(station, capsys, "vars", "reset", "TxCtrlr.EVConnectionTimeOut")[1].endswith("= 60\n")
    code, _, err = main(station, capsys, "vars", "get", "TxCtrlr.Nothing")
    assert code == 1 and "`evse vars list TxCtrlr` shows what there is" in err
    code, _, err = main(station, capsys, "vars", "set", "TxCtrlr.EVConnectionTimeOut", "soon")
    assert code == 1 and "was not set: Rejected" in err


def test_trace(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = main(station, capsys, "trace", "--action", "BootNotification")
    assert code == 0 and "-> CSMS BootNotification" in out and "<- CSMS BootNotification answer (" in out
    _, out, _ = main(station, capsys, "trace", "--json")
    assert {"at", "dir", "action", "ms", "frame"} == set(json.loads(out.splitlines()[0]))


def test_following_the_trace_ends_with_130_and_143(station: Station) -> None:
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        command = [
            sys.executable,
            "-m",
            "evse",
            "trace",
            "-f",
            "--action",
            "DataTransfer",
            "--state-dir",
            str(station.state),
        ]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        while True:  # until the subscription holds, each transfer may be too early
            station.control("data_transfer", vendor_id="acme")
            line = process.stdout.readline()
            if line:
                break
        assert "-> CSMS DataTransfer" in line or "<- CSMS DataTransfer" in line
        process.send_signal(number)
        assert process.wait(10) == code
        process.stdout.close()


def test_tags_are_for_standalone_stations(station: Station, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = main(station, capsys, "tag", "list")
    assert code == 1 and "cannot do that" in err


def test_tags_of_a_standalone_station(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Station(tmp_path, "", text="[behaviour]\nstandalone = true\n") as station:
        assert main(station, capsys, "tag", "add", "AABB", "--name", "me")[0] == 0
        assert "AABB" in main(station, capsys, "tag", "list")[1]
        assert main(station, capsys, "tag", "rm", "aabb")[0] == 0
        code, _, err = main(station, capsys, "tag", "rm", "aabb")
        assert code == 1 and "no card" in err
        code, _, err = main(station, capsys, "tag", "learn", "--wait", "0.05")
        assert code == 1 and "no card within 0.05 s" in err
        assert "standalone" in main(station, capsys, "status")[1]


def test_config_check_show_and_init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "station.toml")
    assert cli.main(["config", "init", path]) == 0
    assert cli.main(["config", "init", path]) == 1
    assert "exists and is left as it is" in capsys.readouterr().err
    assert cli.main(["config", "check", path]) == 0
    (tmp_path / "bad.toml").write_text('[csms]\nurl = "ws://localhost"\npassword = "s3cret"\n')
    assert cli.main(["config", "check", "--config", str(tmp_path / "bad.toml")]) == 1
    assert "line 1: csms.identity: is missing" in capsys.readouterr().err
    assert cli.main(["config", "check", "--json", str(tmp_path / "bad.toml")]) == 1
    assert json.loads(capsys.readouterr().out)["problems"][0]["line"] == 1
    (tmp_path / "bad.toml").write_text('[csms]\nurl = "ws://localhost"\npassword = "s3cret"\nidentity = "A"\n')
    assert cli.main(["config", "show", str(tmp_path / "bad.toml")]) == 0
    out = capsys.readouterr().out
    assert 'csms.identity = "A"' in out and "s3cret" not in out
    assert cli.main(["config", "check"]) == 1


def test_check_explains(capsys: pytest.CaptureFixture[str]) -> None:
    with CsmsThread() as csms:
        assert cli.main(["check", "--csms", csms.url, "--identity", "A"]) == 0
        assert capsys.readouterr().out.splitlines()[-1].startswith("Everything works")
        assert cli.main(["check", "--csms", csms.url.replace("/ocpp", "/wrong"), "--identity", "A", "--json"]) == 1
        assert json.loads(capsys.readouterr().out)
    assert cli.main(["check", "--csms", "ws://csms.example/", "--identity", "A"]) == 1
    assert "neither TLS nor a password" in capsys.readouterr().err


def test_check_of_a_slot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.3", 0))
        port = closed.getsockname()[1]
        file = tmp_path / "station.toml"
        file.write_text(
            '[csms]\nurl = "ws://localhost:1"\nidentity = "CS1"\n'
            f'[csms.slot.2]\nurl = "ws://127.0.0.3:{port}/x"\nsecurity_profile = 1\npassword = "0123456789abcdef"\n'
        )
        assert cli.main(["check", "--config", str(file), "--slot", "2"]) == 1
        assert f"ws://127.0.0.3:{port}/x/CS1" in capsys.readouterr().out
        assert cli.main(["check", "--config", str(file), "--slot", "3"]) == 1
        assert "there is no [csms.slot.3]" in capsys.readouterr().err


def test_colours_only_on_a_terminal_and_not_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    from evse.commands.client import colour

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colour("31", "x") == "\033[31mx\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert colour("31", "x") == "x"


def test_status_says_why_there_is_no_connection() -> None:
    network = {"last_error": "nothing listens on localhost port 9000", "next_attempt_in_s": 7.6}
    answer: dict[str, Any] = {"identity": "A", "connection": "waiting", "version": None, "registration": None}
    answer["evses"] = []
    lines = status_text({**answer, "network": network}).splitlines()
    assert lines[:2] == ["A: waiting", "nothing listens on localhost port 9000; tried again in 8 s"]
    assert "nothing listens" not in status_text({**answer, "connection": "connected", "network": network})


@pytest.mark.parametrize(
    ("cmd", "word"), [("tags", "standalone = true"), ("vars", "without OCPP"), ("plug", 'board = "simulated-ac-1"')]
)
def test_what_a_station_cannot_do_says_what_could(cmd: str, word: str) -> None:
    assert word in explained(cmd, "unsupported")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--csms", "http://localhost", "--identity", "A"], "evse: --csms: must be a URL such as wss://"),
        (["--csms", "wss://localhost", "--identity", "a:b"], "evse: --identity: must be an identity"),
        (["--csms", "wss://localhost", "--security-profile", "1"], "evse: security profile 1 needs a password"),
    ],
)
def test_check_names_the_option_that_is_wrong(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", *options]) == 1
    assert capsys.readouterr().err.startswith(said)


def test_sim_takes_no_option_without_effect(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["sim", "plug", "1", "--connector", "2"])
    assert "--connector" in capsys.readouterr().err
