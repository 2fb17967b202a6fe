"""RAM of a station on 32-bit ARM: bench/ram.py's figures from inside an emulated machine, so guest pages only.

    python bench/ram_arm.py [--json]

Anonymous memory from the guest's smaps_rollup (its root lies in memory, where pages of files count as dirty), with
Debian 12's CPython 3.11 and OpenSSL 3.0 for armhf and the lean image's byte code. "added" is the station with OCPP
2.0.1 minus the same station in standalone mode, in the same phase. Needs what tests/support/armmachine.py needs; some
minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rig import EVERY_SECOND, STANDALONE, Central

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


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure()
    rows = [
        {"over": name, "phase": phase, "added_private_kib": figures[at] - found["base"][at],
         "total_private_kib": figures[at]}
        for name, figures in found.items()
        for at, phase in enumerate(("idle", "session"))
    ]  # fmt: skip
    if given.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'over':6}{'phase':9}{'added KiB':>10}{'private KiB':>13}")
    for row in rows:
        print(f"{row['over']:6}{row['phase']:9}{row['added_private_kib']:>10}{row['total_private_kib']:>13}")


if __name__ == "__main__":
    main()
