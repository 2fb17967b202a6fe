"""RAM of a station on 32-bit ARM: bench/ram.py's figures from inside an emulated machine, so guest pages only.

    python bench/ram_arm.py [--json] [--runs 1]

Anonymous memory from the guest's smaps_rollup (its root lies in memory, where pages of files count as dirty), with
Debian 12's CPython 3.11 and OpenSSL 3.0 for armhf and the lean image's byte code. "added" is the station with OCPP
2.0.1 minus the same station in standalone mode, in the same phase. Needs what tests/support/armmachine.py needs; some
minutes.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import ram
from rig import EVERY_SECOND, STANDALONE, Central, median

from tests.support.armmachine import Machine, build
from tests.support.certificates import Certificate

HOST = "10.0.2.2"
STATION = """
board = "simulated-ac-1"

[csms]
url = "{url}"
identity = "CS001"
ocpp_versions = ["2.0.1"]
security_profile = {profile}
password = "not-a-secret-0123456789"
ca = "/stations/root.pem"

[station]
vendor = "Acme"
model = "Bench"
"""


def measure() -> dict[str, tuple[int, int]]:
    """base, ws and wss -> private KiB idle and in a session."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        root = Certificate("Bench root", ca=True)
        server = Certificate("CSMS", root, names=(HOST,)).server(directory)
        central, secure = Central(), Central(tls=server)
        files = {
            "stations/root.pem": Path(root.write(directory, "root")[0]).read_bytes(),
            "stations/base.toml": STANDALONE.encode(),
        }
        for name, side, profile in (("ws", central, 1), ("wss", secure, 2)):
            url = f"{name}://{HOST}:{side.csms.port}/ocpp"
            files[f"stations/{name}.toml"] = (STATION.format(url=url, profile=profile) + EVERY_SECOND).encode()
        machine = Machine(build(), directory, STANDALONE, files)
        try:
            machine.start("ram")
            machine.wait_for("measured", limit_s=900)
            return {name: (idle, session) for name, idle, session in machine.told("ram")}
        finally:
            machine.close()
            central.close()
            secure.close()


def rows(runs: int) -> list[dict[str, Any]]:
    """One object per station and phase, KiB: armhf and this machine."""
    found = [measure() for _ in range(runs)]
    arm = {name: [round(median([run[name][at] for run in found])) for at in (0, 1)] for name in found[0]}
    host = {(row["transport"] or "base", row["phase"]): row for row in ram.measure(["2.0.1"], ["ws", "wss"], 3, False)}
    return [
        {
            "over": name, "phase": phase,
            "armhf_added": figures[at] - arm["base"][at], "armhf_private": figures[at],
            "host_added": host[name, phase]["added_private_kib"],
            "host_private": host[name, phase]["total_private_kib"],
        }
        for name, figures in arm.items()
        for at, phase in enumerate(("idle", "session"))
    ]  # fmt: skip


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=1, help="starts of the emulated machine (1)")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error("--runs must be 1 or more")
    found = rows(given.runs)
    if given.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{'KiB':6}{'':9}{'armhf':>10}{'':10}{platform.machine():>10}")
    print(f"{'over':6}{'phase':9}" + f"{'added':>10}{'private':>10}" * 2)
    for row in found:
        print(f"{row['over']:6}{row['phase']:9}" + "".join(f"{value:>10}" for value in list(row.values())[2:]))


if __name__ == "__main__":
    main()
