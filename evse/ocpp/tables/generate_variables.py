"""Brings variables.txt up to date from the appendices of OCPP 2.0.1 and 2.1.

    python -m evse.ocpp.tables.generate_variables OF_2.0.1/dm_components_vars.csv OF_2.1/dm_components_vars.csv [TABLE]

Name, type, unit, "required" and versions come from the appendices, with the corrections below; the columns written by
hand (where, mutability, limits, what this station has) are kept. A line that no appendix has any more is dropped,
unless its versions begin with "+". A new line has "?" as its mutability, for a person to fill in from part 2.
"""

from __future__ import annotations

import csv
import os
import sys

VERSIONS = ("2.0.1", "2.1")
COLUMNS = ("name", "where", "type", "unit", "mutability", "limits", "versions", "station")
NAME, WHERE, TYPE, UNIT, MUTABILITY, LIMITS, IN, STATION = range(8)
WIDTHS = (48, 9, 14, 8, 10, 24, 11)
PATH = os.path.join(os.path.dirname(__file__), "variables.txt")

# Where the appendix is silent, or part 2 ("Referenced Components and Variables") and the errata say otherwise.
NAMES = {"AuthCtrlr.SupportedIdTokenType": "AuthCtrlr.SupportedIdTokenTypes"}
TYPES = {
    "NetworkConfiguration.BasicAuthPassword": "passwordString",
    "NetworkConfiguration.Identity": "identifierString",
    "OCPPCommCtrlr.ActiveNetworkProfile": "integer",
    "OCPPCommCtrlr.NetworkConfigurationPriority": "SequenceList",
    "SampledDataCtrlr.SignStartedReadings": "boolean",
    "SampledDataCtrlr.SignUpdatedReadings": "boolean",
    "V2XChargingCtrlr.LocalFrequencyUpdateThreshold": "integer",
    "WebPaymentsCtrlr.TOTPVersion": "OptionList",
}
UNITS = {
    "AuthCacheCtrlr.LifeTime": "s",
    "ClockCtrlr.TimeAdjustmentReportingThreshold": "s",
    "ISO15118Ctrlr.NotificationDelay": "s",
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "s",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "s",
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "s",
    "TxCtrlr.MaxEnergyOnInvalidId": "Wh",
}
REQUIRED = {  # part 2 and part 4 demand them
    "AuthCtrlr.SupportedIdTokenTypes",
    "OCPPCommCtrlr.ActiveNetworkProfile",
    "OCPPCommCtrlr.RetryBackOffRandomRange",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes",
    "OCPPCommCtrlr.RetryBackOffWaitMinimum",
    "OCPPCommCtrlr.WebSocketPingInterval",
}
# The appendix of 2.1 writes attributes of the vehicle's variables into their names.
ATTRIBUTES = (".min/maxSet", ".maxSet", ".minSet", ".target", ".actual")


def standard(paths: dict[str, str]) -> dict[str, list[str]]:
    """Name -> [type, unit, versions] of what the appendices list, in their order. Raises OSError, ValueError."""
    found: dict[str, list[str]] = {}
    for version, path in paths.items():
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = list(csv.reader(file, delimiter=";"))
        if rows[0][:6] != ["Specific Component", "Variable", "Instance", "Required?", "DataType", "Unit"]:
            raise ValueError(f"{path} is no dm_components_vars.csv")
        for component, variable, instance, required, type_, unit, *_ in rows[1:]:
            if not component:
                continue
            variable = variable.strip()
            for suffix in ATTRIBUTES:
                variable = variable.removesuffix(suffix)
            name = f"{component.strip()}.{variable}" + (f"[{instance.strip()}]" if instance.strip() else "")
            name = NAMES.get(name, name)
            line = found.setdefault(name, ["", "", ""])
            if type_ or name in TYPES:
                needed = required == "yes" or name in REQUIRED
                line[0] = TYPES.get(name, type_).replace("DateTime", "dateTime") + ("!" if needed else "")
            line[1] = UNITS.get(name, unit.partition(",")[0].replace("%", "Percent"))
            if version not in line[2].split():
                line[2] = f"{line[2]} {version}".strip()
    return found


def merge(table: str, found: dict[str, list[str]]) -> str:
    """The new text of variables.txt from its old text and what the appendices list."""
    head = []
    kept: dict[str, list[str]] = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        if line.startswith("#") or len(cells) != len(COLUMNS):
            if not kept and not line.startswith("# name  "):
                head.append(line)
            continue
        kept[cells[NAME]] = cells
    names = [*found, *(name for name, cells in kept.items() if cells[IN].startswith("+") and name not in found)]
    first = {name.partition(".")[0]: place for place, name in reversed(list(enumerate(names)))}
    names.sort(key=lambda name: first[name.partition(".")[0]])
    lines = ["\n".join(head).rstrip(), "", _line(["# name", *COLUMNS[1:]])]
    component = None
    for name in names:
        cells = kept.get(name) or [name, "station", "", "", "?", "", "", "-"]
        if name in found:
            cells[TYPE], cells[UNIT], cells[IN] = found[name]
        if component != (component := name.partition(".")[0]):
            lines.append("")
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=False)]
    return " | ".join([*padded, cells[STATION]]).rstrip()


def main(arguments: list[str]) -> int:
    """Rewrites the table; returns the exit code."""
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    path = arguments[2] if len(arguments) == 3 else PATH
    with open(path, encoding="utf-8") as file:
        table = file.read()
    table = merge(table, standard(dict(zip(VERSIONS, arguments[:2], strict=True))))
    with open(path, "w", encoding="utf-8") as file:
        file.write(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
