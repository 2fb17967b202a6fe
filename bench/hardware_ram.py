"""RAM that real drivers add: a Raspberry Pi kit (relay, mirror contact, Modbus meter, PN532) beside simulated hardware.

    python bench/hardware_ram.py [--json] [--runs 5] [--version 2.0.1]

Private memory of the station process, idle and inside a session, the same CSMS and messages. Meter and reader are real
drivers on pseudo terminals, GPIO real drivers over bench/leankernel.py, whose own weight is counted in; the control
pilot is simulated in both.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rig import EVERY_SECOND, ROOT, Central, loading, median, memory, rest, station

from evse.shell.loop import Loop
from tests.support.modbusline import BAUD, ModbusLine, fill, map_source
from tests.support.pn532_emulator import Card, Line, Pn532Chip
from tests.support.station import Station

LIMIT_KIB = 0.6 * 1024
IDLE_S = 5.0
SESSION_S = 6.0
UID = bytes.fromhex("04a22b3c4d5e6f")


class Periphery:
    """Meter and reader of the kit, in threads of this process."""

    def __init__(self, directory: Path) -> None:
        self.loop = Loop()
        self.reader = Line(self.loop, directory, Pn532Chip())
        truth = dict.fromkeys(map_source("eastron-sdm630")["values"], 1.0)
        self.meter = ModbusLine({1: fill("eastron-sdm630", truth)})
        self.meter.__enter__()
        text = (ROOT / "board_configs/rpi-devkit.toml").read_text()
        text = text.replace("/dev/ttySC0", self.meter.device).replace("/dev/serial0", self.reader.device)
        text = text.replace("baud = 9600", f"baud = {BAUD}")
        text = text.replace("min_close_interval_s = 10", "min_close_interval_s = 0")
        head, _, rest_of = text.partition("[watchdog]")
        (directory / "board.toml").write_text(head + rest_of.partition("# the hardware ends at 15.9 s")[2])
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _live(self) -> None:
        while not self._ends.is_set():
            self.loop.run_once(0.02)

    def close(self) -> None:
        self._ends.set()
        self._thread.join(5)
        self.meter.__exit__(None)
        self.loop.close()


def with_kernel(process: Station) -> list[str]:
    """The command line of the daemon, with the kernel of this bench in it."""
    command = loading(process, "leankernel")
    process.start_as(command)  # byte code of the kernel is written
    process.stop()
    return command


def phases(process: Station, card: Any) -> dict[str, int]:
    process.wait(process.booted)
    rest(IDLE_S)
    idle = memory(process.pid)["private"]
    process.control("plug", evse=1)
    card()
    process.wait(lambda: process.control("status")["evses"][0]["charging_state"] == "Charging")
    rest(SESSION_S)
    found = {"idle": idle, "session": memory(process.pid)["private"]}
    process.stop()
    return found


def run(directory: Path, version: str) -> dict[str, dict[str, int]]:
    central = Central()
    simulated = station(directory / "simulated", central, version)
    simulated.start()
    simulated.stop()
    simulated.start()
    found = {"simulated": phases(simulated, lambda: simulated.control("swipe", token="CARD0001"))}
    (directory / "kit").mkdir()
    periphery = Periphery(directory / "kit")
    kit = station(directory / "kit", central, version, EVERY_SECOND)
    kit.file.write_text(kit.file.read_text().replace('board = "simulated-ac-1"', 'board = "board.toml"'))
    command = with_kernel(kit)
    kit.start_as(command)
    found["kit"] = phases(kit, lambda: periphery.loop.call_soon(periphery.reader.place, Card(UID)))
    periphery.close()
    central.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--version", default="2.0.1", choices=("1.6", "2.0.1", "2.1"))
    args = parser.parse_args()
    runs = []
    for _ in range(args.runs):
        with tempfile.TemporaryDirectory() as name:
            runs.append(run(Path(name), args.version))
    result = {
        phase: {board: round(median([run[board][phase] for run in runs])) for board in ("simulated", "kit")}
        for phase in ("idle", "session")
    }
    added = {phase: figures["kit"] - figures["simulated"] for phase, figures in result.items()}
    if args.json:
        print(json.dumps({"private_kib": result, "added_kib": added, "runs": args.runs, "version": args.version}))
    else:
        for phase, figures in result.items():
            print(f"{phase:8} simulated {figures['simulated']} KiB, kit {figures['kit']} KiB: {added[phase]:+} KiB")
    return 0 if all(kib <= LIMIT_KIB for kib in added.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
