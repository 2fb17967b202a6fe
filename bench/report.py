"""A device model full of the owner's variables: time of a full inventory, RAM beside a station with the default one.

    python bench/report.py [--json] [--runs 3] [--presets 330] [--custom 50]

The station file presets standard variables (those that the station has, then those it could have) and adds custom ones.
Time: from GetBaseReport(FullInventory) to the last NotifyReport at the CSMS. Memory: private dirty, median of the runs,
booted, and after the report.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rig import Central, median, memory, rest, station

from evse.ocpp.tables import compile_variables
from evse.ocpp.variable_row import DEFAULT, INSTANCE, LEAST, MOST, NAME, TYPE, VALUES, WHERE

VERSION = "2.0.1"
SETTLED_S = 3.0


def entries(presets: int, custom: int) -> Iterator[dict[str, Any]]:
    """Entries of [[ocpp.variables]]."""
    ours, others = compile_variables.parse(compile_variables.text("variables.txt"))
    given = 0
    for known in (ours, others):
        for component, rows in known.items():
            for row in rows:
                usable = component != "<generic>" and row[WHERE] == "station" and (row[INSTANCE] or "")[:1] != "<"
                if given < presets and usable and row[TYPE] != "passwordString" and component != "OCPP16Ctrlr":
                    given += 1
                    instance = {"variable_instance": row[INSTANCE]} if row[INSTANCE] else {}
                    yield {"component": component, "variable": row[NAME], "value": value(row), **instance}
    for number in range(presets - given):
        part = {"component": f"Part{number // 10}", "instance": str(number)}
        yield {**part, "variable": "Label", "value": f"part {number}"}
    for number in range(custom):
        yield {
            "component": f"Acme{number // 10}", "variable": f"Custom{number}", "value": f"value {number}",
            "type": "string", "mutability": "ReadWrite",
        }  # fmt: skip


def value(row: Any) -> str:
    """A value that the variable may have; the default where it has one, so that the station behaves as ever."""
    if row[DEFAULT]:
        return str(row[DEFAULT])
    if row[VALUES]:
        return str(row[VALUES].split(",")[0])
    kinds = {"boolean": "false", "dateTime": "2026-01-01T00:00:00Z", "decimal": "1.5", "integer": str(row[LEAST] or 1)}
    return kinds.get(row[TYPE], "preset"[: row[MOST]])


def toml(entry: dict[str, Any]) -> str:
    return "[[ocpp.variables]]\n" + "".join(f"{name} = {json.dumps(text)}\n" for name, text in entry.items()) + "\n"


def measure(directory: Path, central: Central, more: str) -> dict[str, float]:
    """One station: time of the report in s, its variables, private KiB before and after."""
    with station(directory, central, VERSION, more) as process:
        process.wait(process.booted)
        rest(SETTLED_S)
        before = memory(process.pid)["private"]
        begin = time.perf_counter()
        central.run(central.csms.call("CS001", "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}))
        central.expect("NotifyReport", lambda payload: not payload["tbc"], 60)
        taken_s = time.perf_counter() - begin
        rest(1)
        return {"report_s": taken_s, "booted_kib": before, "reported_kib": memory(process.pid)["private"]}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--presets", type=int, default=330)
    parser.add_argument("--custom", type=int, default=50)
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in (
            ("default", ""),
            ("loaded", "".join(map(toml, entries(given.presets, given.custom)))),
        ):
            runs = []
            for run in range(given.runs):
                central = Central()
                runs.append(measure(Path(scratch) / f"{name}{run}", central, text))
                central.close()
            rows.append({"station": name, **{key: median([each[key] for each in runs]) for key in runs[0]}})
    if given.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'station':10}{'report s':>10}{'booted KiB':>12}{'reported KiB':>14}")
    for row in rows:
        print(f"{row['station']:10}{row['report_s']:>10.2f}{row['booted_kib']:>12.0f}{row['reported_kib']:>14.0f}")


if __name__ == "__main__":
    main()
