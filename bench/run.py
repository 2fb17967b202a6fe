"""How fast and how frugal the running station is: start, idle CPU, CPU per message, growth, bytes written.

    python bench/run.py [--json] [--version 2.0.1] [--idle-s 60] [--messages 20000]

start      from exec of the compiled daemon (second start with the same state) to BootNotification at the CSMS
idle       CPU of an idle, connected station with a 1 s meter tick over --idle-s seconds, extrapolated to an hour
message    CPU per trigger: the CSMS asks for a message about the transaction, the station answers and sends it
growth     private memory after --messages more messages, minus that after the first 2,000
written    bytes of one session of 60 samples: that reached the disk, and that were given to write()
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rig import EVERY_SECOND, VERSIONS, Central, cpu_ns, median, memory, rest, station

START_RUNS = 9
WARM_UP = 2000


def start_s(directory: Path, central: Central, version: str) -> float:
    """Seconds from starting the process to BootNotification, everything compiled already: median of several starts."""
    found = []
    for run in range(START_RUNS + 1):
        central.csms.messages.clear()
        process = station(directory, central, version)
        begin = time.time()
        process.start()
        at = central.expect("BootNotification").at
        process.stop()
        if run:
            found.append(at - begin)
    return median(found)


def idle_cpu_s_per_hour(directory: Path, central: Central, version: str, seconds: float) -> float:
    """CPU seconds per hour while nothing happens but the meter's tick and heartbeats."""
    with station(directory, central, version) as process:
        process.wait(lambda: process.control("status")["ready"])
        rest(3)
        before = cpu_ns(process.pid)
        rest(seconds)
        return (cpu_ns(process.pid) - before) / 1e9 * 3600 / seconds


def messages(directory: Path, central: Central, version: str, count: int) -> dict[str, float]:
    """CPU per message and growth over many messages, inside a session."""
    with station(directory, central, version) as process:
        process.wait(lambda: process.control("status")["ready"])
        process.control("plug", evse=1)
        process.control("swipe", token="CARD0001")
        process.wait(lambda: process.control("status")["evses"][0]["charging_state"] == "Charging")
        trigger(central, version, WARM_UP)
        rest(2)
        before, cpu_before = memory(process.pid), cpu_ns(process.pid)
        trigger(central, version, count)
        rest(2)
        cpu_after, after = cpu_ns(process.pid), memory(process.pid)
        return {
            "cpu_us_per_message": (cpu_after - cpu_before) / 1000 / count,
            "growth_kib": after["private"] - before["private"],
        }


def trigger(central: Central, version: str, count: int) -> None:
    """Makes the station send `count` messages about its transaction."""
    evse = {"connectorId": 1} if version == "1.6" else {"evse": {"id": 1}}
    wanted = "MeterValues" if version == "1.6" else "TransactionEvent"

    async def ask() -> None:
        for _ in range(count):
            await central.csms.call("CS001", "TriggerMessage", {"requestedMessage": wanted, **evse})

    central.run(ask(), 600)


def written(directory: Path, central: Central, version: str) -> dict[str, int]:
    """Bytes written by one session with 60 samples of one second each."""
    with station(directory, central, version) as process:
        process.wait(lambda: process.control("status")["ready"])
        rest(1)
        before = disk_bytes(process.pid)
        process.control("plug", evse=1)
        process.control("swipe", token="CARD0001")
        rest(62)
        process.control("unplug", evse=1)
        rest(3)
        after = disk_bytes(process.pid)
    return {"written_bytes": after[0] - before[0], "syscall_bytes": after[1] - before[1]}


def disk_bytes(pid: int) -> tuple[int, int]:
    """Bytes sent to the storage layer, and bytes given to write()."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["write_bytes"]), int(fields["wchar"])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--version", choices=VERSIONS, default="2.0.1")
    parser.add_argument("--idle-s", type=float, default=60)
    parser.add_argument("--messages", type=int, default=20000)
    given = parser.parse_args()
    assert EVERY_SECOND
    central = Central()
    # Not below /tmp if that is memory: bytes written are to be counted.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        place = Path(scratch)
        result: dict[str, Any] = {"version": given.version}
        result["start_s"] = start_s(place / "start", central, given.version)
        result["idle_cpu_s_per_hour"] = idle_cpu_s_per_hour(place / "idle", central, given.version, given.idle_s)
        result.update(messages(place / "messages", central, given.version, given.messages))
        result.update(written(place / "written", central, given.version))
    central.close()
    if given.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:24}{value:>12.3f}" if isinstance(value, float) else f"{name:24}{value:>12}")


if __name__ == "__main__":
    main()
