"""variables.txt and keys16.txt: complete, consistent, compiled; what a station file makes of them."""

import marshal
import os

import pytest

import evse
from evse.ocpp.tables import compile_variables, generate_variables
from evse.ocpp.variable_row import DEFAULT, INSTANCE, MUTABILITY, NAME, TYPE, VALUES
from evse.ocpp.variable_value import LISTS, check
from evse.shell.tablefile import TableFile

# Components of functional blocks that every station has: what the standard requires of them must be there.
ALWAYS = (
    "OCPPCommCtrlr", "DeviceDataCtrlr", "ClockCtrlr", "SecurityCtrlr", "AuthCtrlr", "TxCtrlr", "SampledDataCtrlr",
    "AlignedDataCtrlr", "ChargingStation", "EVSE", "Connector",
)  # fmt: skip
CORE_KEYS = """AuthorizeRemoteTxRequests ClockAlignedDataInterval ConnectionTimeOut ConnectorPhaseRotation
    GetConfigurationMaxKeys HeartbeatInterval LocalAuthorizeOffline LocalPreAuthorize MeterValuesAlignedData
    MeterValuesSampledData MeterValueSampleInterval NumberOfConnectors ResetRetries StopTransactionOnEVSideDisconnect
    StopTransactionOnInvalidId StopTxnAlignedData StopTxnSampledData SupportedFeatureProfiles TransactionMessageAttempts
    TransactionMessageRetryInterval UnlockConnectorOnEVSideDisconnect"""
HEADER = "Specific Component;Variable;Instance;Required?;DataType;Unit;Description\n"


def lines():
    table = compile_variables.text("variables.txt")
    split = ([cell.strip() for cell in line.split(" | ")] for line in table.splitlines() if not line.startswith("#"))
    return [cells for cells in split if len(cells) == 8]


def named(component, row):
    return f"{component}.{row[NAME]}" + (f"[{row[INSTANCE]}]" if row[INSTANCE] else "")


@pytest.fixture(scope="module")
def parsed():
    return compile_variables.parse(compile_variables.text("variables.txt"))


def test_has_every_line_of_the_appendices():
    versions = [cells[6].split() for cells in lines() if not cells[6].startswith("+")]
    assert sum("2.0.1" in version for version in versions) == 249
    assert sum("2.1" in version for version in versions) == 432
    assert all(version in (["2.0.1"], ["2.1"], ["2.0.1", "2.1"]) for version in versions)


def test_every_line_has_its_mutability():
    assert [cells[0] for cells in lines() if cells[4].split()[0] not in compile_variables.ACCESS] == []


@pytest.mark.parametrize("component", ALWAYS)
def test_what_the_standard_requires_of_the_core_is_there(component, parsed):
    required = {cells[0] for cells in lines() if cells[2].endswith("!") and cells[0].startswith(component + ".")}
    assert required - {named(component, row) for row in parsed[0][component]} == set()


def test_defaults_keep_their_own_limits_and_lists_say_what_they_may_hold(parsed):
    for component, rows in parsed[0].items():
        for row in rows:
            if row[DEFAULT]:
                assert check(row, row[DEFAULT]) == (row[DEFAULT], None), named(component, row)
            if row[TYPE] in LISTS or row[TYPE] == "OptionList":
                assert row[VALUES], named(component, row)


def test_a_switch_that_switches_nothing_is_read_only(parsed):
    absent = ("DisplayMessageCtrlr", "MonitoringCtrlr")
    for component in absent:
        rows = {row[NAME]: (row[MUTABILITY], row[DEFAULT]) for row in parsed[0][component]}
        assert rows["Available"] == rows["Enabled"] == ("ReadOnly", "false")


def test_what_can_be_written_is_read_by_the_program(parsed):
    """A variable that is accepted and ignored is the commonest silent defect of stations."""
    only_kept = {
        "ChargingStation.PhaseRotation",  # how the installer wired it: reported, and 1.6 demands the key
        "EVSE.PhaseRotation",
    }
    root = os.path.dirname(evse.__file__)
    program = ""
    for directory, _, files in os.walk(root):
        if not directory.endswith("tables"):
            for name in files:
                if name.endswith(".py"):
                    with open(os.path.join(directory, name), encoding="utf-8") as file:
                        program += file.read()
    writable = {
        f"{component}.{row[NAME]}": row[NAME]
        for component, rows in parsed[0].items()
        for row in rows
        if row[MUTABILITY] != "ReadOnly"
    }
    assert {name for name, variable in writable.items() if f'"{variable}"' not in program} == only_kept


def test_keys_show_variables_that_the_tables_know(parsed):
    known = {named(component, row) for rows in parsed for component in rows for row in rows[component]}
    for _, key, component, variable, instance, _ in compile_variables.parse_keys(compile_variables.text("keys16.txt")):
        name = f"{component}.{variable}" + (f"[{instance}]" if instance else "")
        assert name in known or component == "OCPP16Ctrlr", key


def test_every_required_key_of_the_core_profile_shows_a_variable_of_this_station(parsed):
    ours = {named(component, row) for component in parsed[0] for row in parsed[0][component]}
    rows = compile_variables.parse_keys(compile_variables.text("keys16.txt"))
    shown = {row[1]: f"{row[2]}.{row[3]}" + (f"[{row[4]}]" if row[4] else "") for row in rows}
    assert {key for key in CORE_KEYS.split() if shown.get(key) not in ours} == set()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("A.B | moon | integer | | RW | | + | -", "no such name, place or type"),
        ("A.B | station | number | | RW | | + | -", "no such name, place or type"),
        ("AB | station | integer | | RW | | + | -", "no such name, place or type"),
        ("A.B | station | integer | | XX | | + | -", "'XX'"),
        ("A.B | station | integer | | RW | 1..5 | + | = 6", "the default '6' breaks"),
        ("A.B | station | integer | | RW | | + | 6", "neither"),
        ("A.B | station | integer | | RW | | + | -\nA.B | evse | integer | | RW | | + | -", "stands twice"),
    ],
)
def test_a_line_without_meaning_is_named(line, what):
    with pytest.raises(ValueError, match=what) as error:
        compile_variables.parse(line.replace(" | | ", " |  | "))
    assert "variables.txt" in str(error.value)


@pytest.mark.parametrize("line", ["Core Key", "Core Key Component", "Core Key A.B sideways", "Core Key A.B fixed more"])
def test_a_key_without_meaning_is_named(line):
    with pytest.raises(ValueError, match=line):
        compile_variables.parse_keys(line)


def test_compiled_file_is_read_one_component_at_a_time(tmp_path):
    path = str(tmp_path / "variables")
    compile_variables.compile_variables(path)
    table = TableFile(path)
    blobs = compile_variables.blobs()
    assert {name: table.read(name) for name in blobs} == blobs
    assert "OCPPCommCtrlr" in marshal.loads(table.read("components"))
    assert table.read("nothing") is None
    table.close()


def test_compiled_file_is_made_anew_only_if_it_is_not_whole(tmp_path):
    path = tmp_path / "variables"
    compile_variables.compile_variables(str(path))
    first, made = path.read_bytes(), path.stat().st_ino
    compile_variables.compile_variables(str(path))
    assert path.stat().st_ino == made
    for damaged in (first[:-1], first[:40] + b"?" + first[41:], b"", b"x" * 100):
        path.write_bytes(damaged)
        compile_variables.compile_variables(str(path))
        assert path.read_bytes() == first


def write(path, *rows):
    path.write_text(HEADER + "".join(row + ";some text\n" for row in rows), encoding="utf-8")
    return str(path)


def test_generator_follows_the_appendices_and_keeps_what_is_written_by_hand(tmp_path):
    old = write(tmp_path / "201.csv", "OneCtrlr;Alpha;;yes;integer;s", "OneCtrlr;Gone;;no;boolean;")
    table = generate_variables.merge("# head\n", generate_variables.standard({"2.0.1": old}))
    table = table.replace("| ?          |", "| RW         |").replace("| 2.0.1       | -", "| 2.0.1       | = 5", 1)
    table += "OneCtrlr.Own | station | string |  | RO |  | + | = x\n"
    new = write(tmp_path / "21.csv", "OneCtrlr;Alpha;;yes;integer;s", "TwoCtrlr;Beta;<n>;no;DateTime;%", ";;;;;")
    merged = generate_variables.merge(table, generate_variables.standard({"2.1": new}))
    split = [[cell.strip() for cell in line.split(" | ")] for line in merged.splitlines()]
    rows = {cells[0]: cells for cells in split if len(cells) == 8}
    assert merged.startswith("# head\n")
    assert set(rows) == {"# name", "OneCtrlr.Alpha", "OneCtrlr.Own", "TwoCtrlr.Beta[<n>]"}
    assert rows["OneCtrlr.Alpha"][2:] == ["integer!", "s", "RW", "", "2.1", "= 5"]
    assert rows["TwoCtrlr.Beta[<n>]"][2:] == ["dateTime", "Percent", "?", "", "2.1", "-"]
    assert generate_variables.merge(merged, generate_variables.standard({"2.1": new})) == merged


def test_generator_corrects_what_the_appendix_has_wrong(tmp_path):
    rows = ("ConnectedEV;DCCurrent.min/maxSet;;no;decimal;A", "ConnectedEV;DCCurrent.target;;no;decimal;A")
    rows += ("AuthCtrlr;SupportedIdTokenType;;no;MemberList;", "OCPPCommCtrlr;ActiveNetworkProfile;;no;string;")
    found = generate_variables.standard({"2.1": write(tmp_path / "21.csv", *rows)})
    assert found == {
        "ConnectedEV.DCCurrent": ["decimal", "A", "2.1"],
        "AuthCtrlr.SupportedIdTokenTypes": ["MemberList!", "", "2.1"],
        "OCPPCommCtrlr.ActiveNetworkProfile": ["integer!", "", "2.1"],
    }


def test_generator_refuses_another_file(tmp_path, capsys):
    path = tmp_path / "other.csv"
    path.write_text("a;b;c\n")
    with pytest.raises(ValueError, match="is no dm_components_vars"):
        generate_variables.standard({"2.1": str(path)})
    assert generate_variables.main(["only one"]) == 2
    assert "dm_components_vars" in capsys.readouterr().err


def test_generator_writes_the_table_that_it_is_given(tmp_path):
    path = tmp_path / "variables.txt"
    path.write_text("# head\n")
    csv = write(tmp_path / "a.csv", "OneCtrlr;Alpha;;yes;integer;s")
    assert generate_variables.main([csv, csv, str(path)]) == 0
    assert "OneCtrlr.Alpha" in path.read_text() and "2.0.1 2.1" in path.read_text()


def overrides(variables=(), keys=None):
    keys = {key: value if isinstance(value, dict) else {"value": value} for key, value in (keys or {}).items()}
    return compile_variables.station_overrides(list(variables), keys)


def test_station_file_is_judged_by_the_tables():
    entries = [
        {"component": "OCPPCommCtrlr", "variable": "HeartbeatInterval", "value": "0"},
        {"component": "OCPPCommCtrlr", "variable": "HeartbeatIntervall", "value": "5"},
        {"component": "TariffCostCtrlr", "variable": "Currency", "value": "EURO"},
        {"component": "SecurityCtrlr", "variable": "BasicAuthPassword", "value": "short"},
        {"component": "AcmeCtrlr", "variable": "Colour", "value": "red"},
        {"component": "AcmeCtrlr", "variable": "Speed", "type": "integer", "value": "fast"},
        {"component": "EVSE", "evse": 1, "variable": "MinimumStatusDuration", "value": "-1"},
        {"component": "AcmeCtrlr", "variable": "Long", "value": "x" * 2501},
        {"component": "AcmeCtrlr", "variable": "Many", "type": "OptionList", "values": ["x" * 500, "y" * 500]},
    ]
    made, problems = overrides(entries)
    assert made == entries
    assert problems == [
        ("OCPPCommCtrlr.HeartbeatInterval", "less than 1"),
        ("OCPPCommCtrlr.HeartbeatIntervall",
         "no such variable; did you mean HeartbeatInterval? (a custom one states its type)"),
        ("TariffCostCtrlr.Currency", "more than 3 characters"),
        ("AcmeCtrlr.Speed", "no integer as in 1234 or -1234"),
        ("EVSE@1.MinimumStatusDuration", "less than 0"),
        ("AcmeCtrlr.Long", "more than 2500 characters"),
        ("AcmeCtrlr.Many", "its values are more than 1000 characters"),
    ]  # fmt: skip


def test_keys_of_the_station_file_become_variables():
    made, problems = overrides(
        keys={
            "HeartbeatInterval": "600",
            "transactionmessageattempts": {"value": "7", "read_only": True},
            "LocalPreAuthorize": "TRUE",
            "ConnectorPhaseRotation": "0.RST, 1.Unknown,2.NotApplicable",
            "MeterValuesSampledDataMaxLength": "4",
            "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
            "AcmeMode": {"value": "eco", "read_only": True},
        }
    )
    assert problems == []
    assert made == [
        {"component": "OCPPCommCtrlr", "variable": "HeartbeatInterval", "value": "600"},
        {"component": "OCPPCommCtrlr", "variable": "MessageAttempts", "variable_instance": "TransactionEvent",
         "value": "7", "mutability": "ReadOnly"},
        {"component": "AuthCtrlr", "variable": "LocalPreAuthorize", "value": "true"},
        {"component": "ChargingStation", "variable": "PhaseRotation", "value": "RST"},
        {"component": "EVSE", "variable": "PhaseRotation", "evse": 1, "value": ""},
        {"component": "EVSE", "variable": "PhaseRotation", "evse": 2, "value": "Rxx"},
        {"component": "SampledDataCtrlr", "variable": "TxUpdatedMeasurands", "max_elements": 4},
        {"component": "SmartChargingCtrlr", "variable": "RateUnit", "value": "A,W"},
        {"component": "OCPP16Ctrlr", "variable": "AcmeMode", "value": "eco", "type": "string",
         "mutability": "ReadOnly"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("NumberOfConnectors", "3", "follows from the EVSEs"),
        ("ConnectorPhaseRotation", "1.ABC", "no phase rotation"),
        ("MeterValuesSampledDataMaxLength", "many", "no number"),
        ("HeartbeatInterval", "often", "no integer"),
        ("MeterValuesSampledData", "Voltage,Bananas", "'Bananas' is not supported"),
        ("SupportedFeatureProfiles", "Core,Nonsense", "'Nonsense' is not supported"),
    ],
)
def test_a_key_that_cannot_be_is_a_problem(key, value, what):
    _, problems = overrides(keys={key: value})
    assert [name for name, _ in problems] == [key]
    assert what in problems[0][1]
