"""RAM of a station, stated as rivals state theirs: the same process without and with OCPP, idle and inside a session.

    python bench/ram.py [--json] [--version 2.0.1] [--transport ws] [--runs 5] [--peer]

Private dirty memory and PSS from smaps_rollup, median of the runs. "added" is the station with OCPP minus the same
station in standalone mode, in the same phase. The session sends one sample a second. `--peer` adds a mobilityhouse
`ocpp` station doing the same session in the same run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rig import VERSIONS, Central, ask_peer, median, memory, peer, rest, station

IDLE_S = 3.0
SESSION_S = 6.0
Phases = dict[str, dict[str, int]]


def ours(directory: Path, central: Central | None, version: str) -> Phases:
    """Memory of our station in both phases."""
    with station(directory, central, version) as process:
        if central is not None:
            process.wait(process.booted)
        rest(IDLE_S)
        idle = memory(process.pid)
        process.control("plug", evse=1)
        if central is not None:
            process.control("swipe", token="CARD0001")
        process.wait(lambda: process.control("status")["evses"][0]["charging_state"] == "Charging")
        rest(SESSION_S)
        return {"idle": idle, "session": memory(process.pid)}


def mobilityhouse(central: Central, version: str) -> Phases:
    """Memory of the peer in both phases."""
    with peer(central, version) as process:
        rest(IDLE_S)
        idle = memory(process.pid)
        ask_peer(process, "start", "session")
        rest(SESSION_S)
        return {"idle": idle, "session": memory(process.pid)}


def medians(runs: list[Phases]) -> Phases:
    """Per phase and figure, the median of the runs."""
    return {
        phase: {figure: round(median([run[phase][figure] for run in runs])) for figure in runs[0][phase]}
        for phase in runs[0]
    }


def measure(versions: list[str], transports: list[str], runs: int, with_peer: bool) -> Iterator[dict[str, Any]]:
    """One object per version, transport and phase."""
    with tempfile.TemporaryDirectory() as scratch:
        base = medians([ours(Path(scratch) / f"base-{run}", None, "") for run in range(runs)])
        for phase, figures in base.items():
            yield row("evse standalone", None, None, phase, figures, figures)
        for transport in transports:
            central = Central(tls=transport == "wss")
            for version in versions:
                found = [ours(Path(scratch) / f"{transport}-{version}-{run}", central, version) for run in range(runs)]
                for phase, figures in medians(found).items():
                    yield row("evse", version, transport, phase, figures, base[phase])
                if with_peer and transport == "ws":
                    found = [mobilityhouse(central, version) for _ in range(runs)]
                    for phase, figures in medians(found).items():
                        yield row("mobilityhouse ocpp", version, transport, phase, figures, None)
            central.close()


def row(
    station: str,
    version: str | None,
    transport: str | None,
    phase: str,
    figures: dict[str, int],
    base: dict[str, int] | None,
) -> dict[str, Any]:
    """A line of the result."""
    return {
        "station": station,
        "version": version,
        "transport": transport,
        "phase": phase,
        "added_private_kib": None if base is None else figures["private"] - base["private"],
        "total_private_kib": figures["private"],
        "total_pss_kib": figures["pss"],
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print a list of objects, without the standalone station")
    parser.add_argument("--version", choices=VERSIONS, action="append", help="default: all")
    parser.add_argument("--transport", choices=("ws", "wss"), action="append", help="default: both")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peer", action="store_true", help="measure mobilityhouse ocpp beside it")
    given = parser.parse_args()
    rows = measure(given.version or list(VERSIONS), given.transport or ["ws", "wss"], given.runs, given.peer)
    if given.json:
        print(json.dumps([line for line in rows if line["version"]], indent=1))
        return
    print(f"{'station':20} {'version':8}{'over':6}{'phase':9}{'added KiB':>10}{'private KiB':>13}{'PSS KiB':>9}")
    for line in rows:
        added = "" if line["added_private_kib"] is None else line["added_private_kib"]
        print(
            f"{line['station']:20} {line['version'] or '-':8}{line['transport'] or '-':6}{line['phase']:9}"
            f"{added:>10}{line['total_private_kib']:>13}{line['total_pss_kib']:>9}",
            flush=True,
        )


if __name__ == "__main__":
    main()
