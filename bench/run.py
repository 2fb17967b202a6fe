"""How fast and how frugal the running station is: start, idle CPU, CPU per message, growth, bytes written.

    python bench/run.py [--json] [--version 2.0.1] [--idle-s 60] [--messages 20000] [--peer]

start      from exec to BootNotification at the CSMS, everything compiled: of `evse run`, and of the daemon it becomes
idle       CPU of an idle, connected station with a 1 s meter tick over --idle-s seconds, extrapolated to an hour
message    CPU per message about the transaction that the station sends and the CSMS answers: the CSMS triggers each
           one; what a trigger costs that only makes the station refuse is taken off; the median of blocks of messages,
           as other work on the machine makes some dear, and the `least` of them, which other work disturbed least.
           Between the blocks, so at the same speed of the machine:
           `in_ram`, a second station whose store is on a RAM disk; `sync`, nothing but a line written and fdatasync on
           the same disk; with --peer `peer`, a mobilityhouse station that says a like message and keeps no journal
growth     private memory after --messages more messages, minus that after the first 2,000 and 200 refusals
written    bytes of one session of 60 samples: that reached the disk, and that were given to write()
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rig import VERSIONS, Central, ask_peer, cpu_ns, median, memory, peer, rest, station

from evse.csms import Message
from tests.support.station import Station

START_RUNS = 9
WARM_UP = 2000
BLOCK = 500
SYNCS = 100
LINE_BYTES = 320
# An EVSE that the station does not have: a trigger for it is refused.
NOWHERE = 9


def start_s(directory: Path, central: Central, version: str) -> dict[str, float]:
    """Seconds from starting the process to BootNotification, everything compiled already: medians of several starts."""
    process = station(directory, central, version)
    process.start()
    command = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")[:-1]
    process.stop()
    found: dict[str, list[float]] = {"start_s": [], "start_daemon_s": []}
    for _ in range(START_RUNS):
        for name, exec_it in (("start_s", process.start), ("start_daemon_s", lambda: process.start_as(command))):
            central.csms.messages.clear()
            begin = time.time()
            exec_it()
            found[name].append(central.expect("BootNotification").at - begin)
            process.stop()
    return {name: median(values) for name, values in found.items()}


def idle_cpu_s_per_hour(directory: Path, central: Central, version: str, seconds: float) -> float:
    """CPU seconds per hour while nothing happens but the meter's tick and heartbeats."""
    with station(directory, central, version) as process:
        process.wait(process.booted)
        rest(3)
        before = cpu_ns(process.pid)
        rest(seconds)
        return (cpu_ns(process.pid) - before) / 1e9 * 3600 / seconds


def messages(directory: Path, central: Central, version: str, count: int, with_peer: bool) -> dict[str, float]:
    """CPU per message in us, ours and of what it is compared with, and growth over many messages in KiB."""
    wanted = "MeterValues" if version == "1.6" else "TransactionEvent"
    found: dict[str, list[float]] = {}
    asked: dict[str, list[float]] = {}
    with ExitStack() as open_ones:
        memory_disk = open_ones.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm"))
        places = {"cpu_us_per_message": directory, "cpu_us_per_message_in_ram": Path(memory_disk)}
        pids = {}
        for name, place in places.items():
            pids[name] = open_ones.enter_context(charging(place, central, version, name)).pid
            trigger(central, version, name, wanted, WARM_UP)
            trigger(central, version, name, wanted, WARM_UP // 10, evse=NOWHERE)
        other = open_ones.enter_context(peer(central, version, "--asked")) if with_peer else None
        if other is not None:
            ask_peer(other, "start", "session")
            said_by_peer_us(other, WARM_UP)
        rest(2)
        before = memory(pids["cpu_us_per_message"])
        for _ in range(max(1, count // BLOCK)):
            for name, pid in pids.items():
                asked.setdefault(name, []).append(trigger(central, version, name, wanted, BLOCK // 4, pid, NOWHERE))
                found.setdefault(name, []).append(trigger(central, version, name, wanted, BLOCK, pid))
            found.setdefault("cpu_us_of_bare_sync", []).append(bare_sync_us(directory))
            if other is not None:
                found.setdefault("cpu_us_per_message_peer", []).append(said_by_peer_us(other, BLOCK))
        rest(2)
        growth_kib = memory(pids["cpu_us_per_message"])["private"] - before["private"]
    result: dict[str, float] = {"growth_kib": growth_kib}
    for end, of in (("", median), ("_least", min)):
        result.update((name + end, of(values) - of(asked.get(name, [0]))) for name, values in found.items())
    return result


@contextmanager
def charging(directory: Path, central: Central, version: str, identity: str) -> Iterator[Station]:
    """A station inside a session."""
    with station(directory, central, version, identity=identity) as process:
        process.wait(process.booted)
        process.control("plug", evse=1)
        process.control("swipe", token="CARD0001")
        process.wait(lambda: process.control("status")["evses"][0]["charging_state"] == "Charging")
        yield process


def trigger(
    central: Central, version: str, identity: str, wanted: str, count: int, pid: int = 0, evse: int = 1
) -> float:
    """Triggers `count` messages, each when the one before was answered; CPU microseconds of the process for each."""
    place = {"connectorId": evse} if version == "1.6" else {"evse": {"id": evse}}
    before = cpu_ns(pid) if pid else 0

    async def ask() -> None:
        said = asyncio.Event()

        def hear(message: Message) -> None:
            if (message.identity, message.action) == (identity, wanted):
                said.set()

        central.csms.on_message = hear
        for _ in range(count):
            answer = await central.csms.call(identity, "TriggerMessage", {"requestedMessage": wanted, **place})
            if answer["status"] == "Accepted":
                await said.wait()
                said.clear()
        central.csms.on_message = None

    central.run(ask(), 600)
    rest(0.1)
    return (cpu_ns(pid) - before) / 1000 / count if pid else 0.0


def said_by_peer_us(other: subprocess.Popen[str], count: int) -> float:
    """Lets the peer say `count` samples, each when the one before was answered; CPU microseconds of it for each."""
    before = cpu_ns(other.pid)
    ask_peer(other, str(count), "said")
    return (cpu_ns(other.pid) - before) / 1000 / count


def bare_sync_us(directory: Path) -> float:
    """CPU microseconds of appending a line as long as a journaled sample and of fdatasync, with pauses as between
    messages: the median."""
    line = b"x" * LINE_BYTES
    found = []
    with (directory / "bare").open("ab", buffering=0) as file:
        for _ in range(SYNCS):
            time.sleep(0.001)
            before = time.thread_time_ns()
            file.write(line)
            os.fdatasync(file.fileno())
            found.append((time.thread_time_ns() - before) / 1000)
    return median(found)


def written(directory: Path, central: Central, version: str) -> dict[str, int]:
    """Bytes written by one session with 60 samples of one second each."""
    with station(directory, central, version) as process:
        process.wait(process.booted)
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
    parser.add_argument("--peer", action="store_true", help="measure mobilityhouse ocpp beside it")
    given = parser.parse_args()
    central = Central()
    # Not below /tmp if that is memory: bytes written are to be counted.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        place = Path(scratch)
        result: dict[str, Any] = {"version": given.version}
        result.update(start_s(place / "start", central, given.version))
        result["idle_cpu_s_per_hour"] = idle_cpu_s_per_hour(place / "idle", central, given.version, given.idle_s)
        result.update(messages(place / "messages", central, given.version, given.messages, given.peer))
        result.update(written(place / "written", central, given.version))
    central.close()
    if given.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:36}{value:>12.3f}" if isinstance(value, float) else f"{name:36}{value:>12}")


if __name__ == "__main__":
    main()
