"""The station file: what it may say, and every way in which it can be wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from evse import settings, stationfile
from evse.errors import UsageError
from evse.tomllines import lines_of

DOCS = Path(__file__).parents[1] / "docs" / "configuration.md"
CSMS = '[csms]\nurl = "ws://localhost:1/ocpp"\nidentity = "CS1"\n'


def load(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "station.toml"
    path.write_text(text)
    return stationfile.load(str(path))


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(stationfile.StationFileError) as caught:
        load(tmp_path, text)
    return [str(problem) for problem in caught.value.problems]


def values(config: dict[str, Any]) -> dict[str, str]:
    return {f"{entry['component']}.{entry['variable']}": entry["value"] for entry in config["overrides"]}


def test_no_file_is_a_simulated_station_for_a_csms_on_this_machine() -> None:
    config = stationfile.load(None)
    assert config["board"]["board"]["id"] == "simulated-ac-1"
    assert (config["csms"]["url"], config["csms"]["security_profile"]) == ("ws://localhost:9000/ocpp", 0)


def test_the_file_that_init_writes_is_good_and_complete(tmp_path: Path) -> None:
    config = load(tmp_path, stationfile.DEFAULT)
    assert config["csms"]["ocpp_versions"] == ["2.1", "2.0.1", "1.6"]
    assert [evse["id"] for evse in config["board"]["evse"]] == [1]


def test_all_errors_at_once_in_the_order_of_the_file_with_lines_and_hints(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        'boord = "x"\n[csms]\nulr = "ws://x"\nidentity = "a/b"\nsecurity_profile = 7\n'
        '[station]\nvendor = "abcdefghijklmnopqrstuvwxyz"\n[[evse]]\nid = 1\n[[evse]]\nid = 1\nphasse = 3\n'
        "[ocpp.blocks]\nrset = false\n[behavior]\n",
    )
    assert found == [
        "line 1: boord: there is no such table; did you mean 'board'?",
        'line 2: csms.url: is missing; without a CSMS set "standalone = true" in [behaviour]',
        "line 3: csms.ulr: there is no such setting; did you mean 'url'?",
        "line 4: csms.identity: must be an identity without ':' and '/'; it is 'a/b'",
        "line 5: csms.security_profile: must be a whole number from 0 to 3; it is 7",
        "line 7: station.vendor: must be text of 1 to 20 characters; it is 'abcdefghijklmnopqrstuvwxyz'",
        "line 11: evse.2.id: 1 is taken by another EVSE",
        "line 12: evse.2.phasse: there is no such setting; did you mean 'phases'?",
        "line 14: ocpp.blocks.rset: there is no such block; did you mean 'reset'?",
        "line 15: behavior: there is no such table; did you mean 'behaviour'?",
    ]


def test_toml_that_cannot_be_read_names_the_line(tmp_path: Path) -> None:
    assert problems(tmp_path, "[csms]\nurl = \n")[0].startswith("line 2: TOML: ")


@pytest.mark.parametrize(
    "text",
    [
        "csms = 3\n",
        "[csms]\nslot = 3\n",
        "[evse]\nid = 1\n",
        "[[station]]\n",
        "[ocpp]\nvariables = 3\n",
        "[ocpp]\nkeys = []\n",
    ],
)
def test_a_table_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    assert any("table" in problem for problem in problems(tmp_path, text))


def test_a_file_that_is_not_there_or_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No such file .* `evse config init`"):
        stationfile.load(str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(UsageError, match="byte 5 is not UTF-8"):
        stationfile.load(str(tmp_path / "latin.toml"))


@pytest.mark.parametrize(
    ("csms", "profile"),
    [
        ('url = "ws://localhost/"', 0),
        ('url = "ws://[::1]/"', 0),
        ('url = "ws://csms.example/"\npassword = "0123456789abcdef"', 1),
        ('url = "wss://csms.example/"\npassword = "0123456789abcdef"', 2),
        ('url = "wss://csms.example/"\ncert = "c.pem"\nkey = "k.pem"', 3),
        ('url = "ws://csms.example/"\nsecurity_profile = 0', 0),
    ],
)
def test_the_security_profile_follows_from_the_rest(tmp_path: Path, csms: str, profile: int) -> None:
    config = load(tmp_path, f'[csms]\nidentity = "CS1"\n{csms}\n')
    assert config["csms"]["security_profile"] == profile
    assert values(config)["SecurityCtrlr.SecurityProfile"] == str(profile)


@pytest.mark.parametrize(
    ("csms", "words"),
    [
        ('url = "ws://csms.example/"', "neither TLS nor a password"),
        ('url = "ws://csms.example/"\nsecurity_profile = 1', "needs a password"),
        ('url = "ws://csms.example/"\nsecurity_profile = 2\npassword = "x"', "must begin with wss://"),
        ('url = "wss://csms.example/"\nsecurity_profile = 3\ncert = "c.pem"', "cert and key in [csms]"),
        ('url = "http://csms.example/"', "must be a URL such as"),
        ('url = "ws://csms.example/a b"', "without spaces"),
        ('url = "ws://localhost/"\nocpp_versions = []', "each once"),
        ('url = "ws://localhost/"\nocpp_versions = ["1.6", "1.6"]', "each once"),
        ('url = "ws://localhost/"\nocpp_versions = ["1.5"]', "one of 2.1, 2.0.1, 1.6"),
        ('url = "ws://localhost/"\npassword = 5', "must be text of 1 to 64 characters; it is not"),
        ('url = "ws://localhost/"\nverify_hostname = 1', "true or false"),
        ('url = "ws://localhost/"\nconnect_timeout_s = true', "a number from 1 to 600"),
        ('url = "ws://localhost/"\n[csms.slot.x]\nurl = "ws://localhost"', "slots are numbered"),
        ('url = "ws://localhost/"\n[csms.slot.1]\npassword = "x"', "csms.slot.1.url: is missing"),
        ('url = "ws://localhost/"\n[csms.slot.10]\nurl = "ws://localhost"', "slots are numbered from 1 to 9"),
        ('url = "ws://localhost/"\n[csms.interfaces]\nWired9 = "eth0"', "no such setting; did you mean 'Wired"),
    ],
)
def test_wrong_connections(tmp_path: Path, csms: str, words: str) -> None:
    assert any(words in problem for problem in problems(tmp_path, f'[csms]\nidentity = "CS1"\n{csms}\n'))


def test_password_file_is_the_first_line_as_given(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" 00ff \nrest\n")
    config = load(tmp_path, CSMS + 'password_file = "secret"\n')
    assert config["csms"]["password"] == " 00ff "
    assert values(config)["SecurityCtrlr.BasicAuthPassword"] == " 00ff "
    assert "keep one of them" in problems(tmp_path, CSMS + 'password = "x"\npassword_file = "secret"\n')[0]
    assert "No such file" in problems(tmp_path, CSMS + 'password_file = "none"\n')[0]
    (tmp_path / "secret").write_text("\n")
    assert "its first line must be" in problems(tmp_path, CSMS + 'password_file = "secret"\n')[0]


def test_slots_inherit_versions_and_have_their_own_security(tmp_path: Path) -> None:
    slot = '[csms.slot.2]\nurl = "wss://b.example/"\npassword = "0123456789abcdef"\n'
    config = load(tmp_path, CSMS + 'ocpp_versions = ["1.6"]\n' + slot)
    assert config["csms"]["slots"][2]["ocpp_versions"] == ["1.6"]
    assert config["csms"]["slots"][2]["security_profile"] == 2


@pytest.mark.parametrize(
    ("numbers", "order", "offered"),
    [((), None, None), ((2,), "1,2", "1,2,3"), ((1, 2), "0,1,2", "0,1,2,3"), ((7, 3), "1,3,7", "1,2,3,7")],
)
def test_the_order_of_the_network_slots(
    tmp_path: Path, numbers: tuple[int, ...], order: str | None, offered: str | None
) -> None:
    slots = "".join(f'[csms.slot.{number}]\nurl = "ws://127.0.0.1:{number}/"\n' for number in numbers)
    entries = [
        (entry["value"], entry["values"])
        for entry in load(tmp_path, CSMS + slots)["overrides"]
        if entry["variable"] == "NetworkConfigurationPriority"
    ]
    assert entries == ([(order, offered)] if numbers else [])


def test_network_slots_are_no_variables_of_the_file(tmp_path: Path) -> None:
    text = CSMS + '[ocpp.variables]\n"NetworkConfiguration[2]".OcppCsmsUrl = "ws://127.0.0.1/"\n'
    assert "set up in [csms] and [csms.slot.N]" in problems(tmp_path, text)[0]


def test_settings_of_csms_that_are_variables(tmp_path: Path) -> None:
    stated = values(load(tmp_path, CSMS + "ping_interval_s = 7\ncall_timeout_s = 9\nbackoff_repeats = 2\n"))
    assert stated["OCPPCommCtrlr.WebSocketPingInterval"] == "7"
    assert stated["OCPPCommCtrlr.MessageTimeout"] == "9"
    assert stated["OCPPCommCtrlr.RetryBackOffRepeatTimes"] == "2"


def test_variables_by_name_and_as_tables(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        CSMS
        + "[ocpp.variables]\nOCPPCommCtrlr.HeartbeatInterval = 300\n"
        + 'OCPPCommCtrlr."MessageAttempts[TransactionEvent]" = 5\n'
        + 'SampledDataCtrlr.TxUpdatedMeasurands = ["Voltage", "SoC"]\n'
        + '"Acme[left]@1"."Colour:Target" = { value = "blue", type = "string", mutability = "ReadOnly" }\n',
    )
    entries = config["overrides"][1:]
    assert entries[0] == {"component": "OCPPCommCtrlr", "variable": "HeartbeatInterval", "value": "300"}
    assert entries[1]["variable_instance"] == "TransactionEvent"
    assert entries[2]["value"] == "Voltage,SoC"
    assert entries[3] == {
        "component": "Acme",
        "instance": "left",
        "evse": 1,
        "variable": "Colour",
        "attribute": "Target",
        "value": "blue",
        "type": "string",
        "mutability": "ReadOnly",
    }
    table = '[[ocpp.variables]]\ncomponent = "OCPPCommCtrlr"\nvariable = "HeartbeatInterval"\nvalue = 300\n'
    assert load(tmp_path, CSMS + table)["overrides"][1] == entries[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[ocpp.variables]\nHeartbeat = 3\n", "write Component.Variable = value"),
        ('[ocpp.variables]\nA."b@c" = 3\n', "is no variable"),
        ("[ocpp.variables]\nOCPPCommCtrlr.HeartbeatIntervall = 3\n", "did you mean HeartbeatInterval?"),
        (
            "[ocpp.variables]\nOCPPCommCtrlr.HeartbeatInterval = -1\n",
            "line 5: ocpp.variables.OCPPCommCtrlr.HeartbeatInterval",
        ),
        ("[ocpp.variables]\nA.B = { mutability = 'RO' }\n", "must be one of ReadOnly, WriteOnly, ReadWrite"),
        ("[ocpp.variables]\nA.B = { valeu = 1 }\n", "did you mean 'value'?"),
        ("[[ocpp.variables]]\nvariable = 'B'\n", "component: is missing"),
        ("[ocpp.keys]\nHeartbeatInterval = 'often'\n", "line 5: ocpp.keys.HeartbeatInterval"),
        ("[ocpp.keys]\nX = { read_only = true }\n", "ocpp.keys.X.value: is missing"),
        ("[ocpp.keys]\nX = { }\n", "is missing"),
        ("[ocpp.blocks]\nreset = 'acme'\n", 'a class as "module:Class", or false'),
        ("[ocpp.blocks]\nreset = true\n", 'a class as "module:Class", or false'),
    ],
)
def test_wrong_variables_keys_and_blocks(tmp_path: Path, text: str, words: str) -> None:
    assert any(words in problem for problem in problems(tmp_path, CSMS + text))


def test_blocks_are_replaced_or_switched_off(tmp_path: Path) -> None:
    config = load(tmp_path, CSMS + '[ocpp.blocks]\nreset = "acme.blocks:MyReset"\ndata_transfer = false\n')
    assert config["blocks"] == {"reset": "acme.blocks:MyReset", "data_transfer": ""}


@pytest.mark.parametrize("name", sorted(settings.NEEDED_BLOCKS))
def test_a_block_that_every_session_needs_is_replaced_but_not_switched_off(tmp_path: Path, name: str) -> None:
    (problem,) = problems(tmp_path, CSMS + f"[ocpp.blocks]\n{name} = false\n")
    assert f"line 5: ocpp.blocks.{name}: cannot be switched off" in problem
    config = load(tmp_path, CSMS + f'[ocpp.blocks]\n{name} = "acme.blocks:Mine"\n')
    assert config["blocks"] == {name: "acme.blocks:Mine"}


def test_evses_of_a_simulated_board(tmp_path: Path) -> None:
    evses = (
        '[[evse]]\nid = 2\ncable = "socket"\nphases = 1\nmax_current_a = 16\nreaders = ["left"]\n'
        "[[evse]]\nid = 1\nconnectors = 2\n"
    )
    board = load(tmp_path, CSMS + evses)["board"]
    first, second = board["evse"]
    assert [connector["id"] for connector in first["connector"]] == [1, 2]
    assert (second["phases"], second["max_current_a"]) == (1, 16)
    assert second["connector"] == [{"id": 1, "type": "sType2", "tethered": False, "lock": "simulated"}]
    assert [reader["evses"] for reader in board["reader"]] == [[1], [2]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('board = "simulated-ac-9"\n' + CSMS, "there is no board 'simulated-ac-9'; did you mean"),
        ('board = "./none.toml"\n' + CSMS, "No such file"),
        (CSMS + "[[evse]]\nid = 2\n", "numbered from 1 without gaps, not 2"),
        (CSMS + "[[evse]]\nphases = 3\n", "evse.1.id: is missing"),
        (CSMS + "[[evse]]\nid = 1\nphases = 4\n", "one of 1, 2, 3"),
        (CSMS + "[[evse]]\nid = 1\ncable = 'spiral'\n", "one of tethered, socket"),
    ],
)
def test_wrong_boards_and_evses(tmp_path: Path, text: str, words: str) -> None:
    assert any(words in problem for problem in problems(tmp_path, text))


def test_on_a_real_board_the_current_can_be_lowered_and_nothing_else(tmp_path: Path) -> None:
    simulated = (Path(__file__).parents[1] / "board_configs" / "simulated-ac-1.toml").read_text()
    (tmp_path / "my.toml").write_text(simulated)
    head = 'board = "./my.toml"\n' + CSMS
    assert load(tmp_path, head + "[[evse]]\nid = 1\nmax_current_a = 10\n")["board"]["evse"][0]["max_current_a"] == 10
    assert "the board allows 32 A" in problems(tmp_path, head + "[[evse]]\nid = 1\nmax_current_a = 63\n")[0]
    assert "phases is the board's" in problems(tmp_path, head + "[[evse]]\nid = 1\nphases = 1\n")[0]
    assert "has no such EVSE, only 1" in problems(tmp_path, head + "[[evse]]\nid = 2\n")[0]


def test_a_wrong_board_file_is_told_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text('[board]\nid = "x"\n')
    assert "no [[evse]]" in " ".join(
        problems(tmp_path, 'board = "./my.toml"\n' + CSMS)
    ) or "evse is missing" in " ".join(problems(tmp_path, 'board = "./my.toml"\n' + CSMS))


def test_standalone_needs_no_csms(tmp_path: Path) -> None:
    assert load(tmp_path, "[behaviour]\nstandalone = true\n")["csms"]["url"] is None


def test_paths_count_from_the_station_file(tmp_path: Path) -> None:
    config = load(tmp_path, CSMS + '[trace]\nfile = "t.jsonl"\n[log]\nfile = "evse.log"\n')
    assert config["trace"]["file"] == str(tmp_path / "t.jsonl")
    assert config["log"] == {"file": str(tmp_path / "evse.log"), "file_bytes": 262_144}


def test_given_settings_stand_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text(CSMS + "security_profile = 0\n")
    given = {"url": "wss://x.example", "security_profile": None, "password": "0123456789abcdef"}
    config = stationfile.load(str(tmp_path / "station.toml"), given)
    assert (config["csms"]["url"], config["csms"]["security_profile"]) == ("wss://x.example", 2)


def test_lines_of_tables_keys_and_values_over_several_lines() -> None:
    lines = lines_of(
        'a = """\n[b]\n"""\nc = [\n  { d = 1 },\n]\n[e.f]\n"g.h" = 1  # [x]\n'
        'i.j = \'\'\'[k]\n\'\'\'\n[[l]]\nm = 1\n[[l]]\n[l.n]\no = "]"\np=1\n'
    )
    assert lines[("a",)] == 1 and lines[("c",)] == 4 and ("b",) not in lines and ("d",) not in lines
    assert lines[("e", "f")] == 7 and lines[("e", "f", "g.h")] == 8 and lines[("e", "f", "i", "j")] == 9
    assert lines[("l", 0)] == 11 and lines[("l", 0, "m")] == 12 and lines[("l", 1, "n", "o")] == 15
    assert lines[("l", 1, "n", "p")] == 16


def test_every_setting_is_documented_in_the_section_of_its_table() -> None:
    sections = dict(
        re.findall(r"^#+ \[*([a-z._]+?)(?:\.\d+)?\]*(?:, [^\n]*)?\n(.*?)(?=^#|\Z)", DOCS.read_text(), re.M | re.S)
    )
    for table, known in settings.TABLES.items():
        documented = set(re.findall(r"`([A-Za-z_0-9]+)`", sections[table]))
        assert set(known) <= documented, f"[{table}] of docs/configuration.md lacks {set(known) - documented}"
    assert settings.BOARD.default in sections["board"]
