"""What the journal costs: bytes on flash per session, events per second, memory with a month of events to deliver.

    python bench/journal.py [--json] [--directory DIR] [--pending N]

A session lasts 60 minutes: begun (durable), 60 samples (written at once, synced later in groups of `samples_per_sync`:
1 is a station with one EVSE, 5 one with several), ended (durable). Online each event is delivered at once; offline none
is. DIR should be on the medium in question (default: the system's temporary directory); on tmpfs `proc_io_bytes` is 0
and the rates are flattering.

- `block_bytes`: 4 KiB for each block of a file with new data, at each sync; the file system's own journal comes on top.
- `proc_io_bytes`: `write_bytes` of /proc/self/io, what the kernel charged this process with.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from evse.shell.log import Log  # noqa: E402
from evse.store.journal import Journal  # noqa: E402

BLOCK_BYTES = 4096
SAMPLES = 60
TRANSACTION = "5f0c7b8e-4c1e-4e0a-9d5e-3b1f0d6a2c47"

# Runs alone, as lean as the station; prints private memory (KiB) before the journal's code is loaded, with a small
# journal in use, with the large one open, and with 2000 of its events delivered.
MEMORY_PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
from evse.shell.log import Log
import evse.jsontext
def anonymous():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))
def deliver(journal, count):
    for _ in range(count):
        journal.done(journal.head()[0])
log = Log("error")
figures = [anonymous()]
from evse.store.journal import Journal
small = Journal(sys.argv[2] + "-small", log=log)
deliver(small, 10)
figures.append(anonymous())
journal = Journal(sys.argv[2], log=log)
pending = journal.pending
figures.append(anonymous())
deliver(journal, min(2000, pending))
figures.append(anonymous())
print(pending, *figures)
"""


class Disk:
    """The module os, counting what its syncs write out."""

    def __init__(self) -> None:
        self.syncs = self.block_bytes = self.written_bytes = 0
        self._dirty: dict[int, set[int]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, fd: int, data: bytes) -> int:
        count = os.write(fd, data)
        end = os.fstat(fd).st_size
        self._dirty.setdefault(fd, set()).update(range((end - count) // BLOCK_BYTES, (end - 1) // BLOCK_BYTES + 1))
        self.written_bytes += count
        return count

    def fdatasync(self, fd: int) -> None:
        os.fdatasync(fd)
        self.syncs += 1
        self.block_bytes += BLOCK_BYTES * len(self._dirty.pop(fd, {0}))

    def fsync(self, fd: int) -> None:
        os.fsync(fd)
        self.syncs += 1
        self.block_bytes += BLOCK_BYTES * len(self._dirty.pop(fd, {0}))


def io_bytes() -> int:
    """Bytes that the kernel charged this process with, 0 where it does not say."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


def event(kind: str, number: int, register_wh: float) -> dict[str, Any]:
    """A transaction event as the station keeps it: energy, power, three currents, three voltages."""
    values = [["Energy.Active.Import.Register", None, register_wh, "Wh"], ["Power.Active.Import", None, 11040.0, "W"]]
    values += [["Current.Import", phase, 16.0, "A"] for phase in ("L1", "L2", "L3")]
    values += [["Voltage", phase, 230.1, "V"] for phase in ("L1-N", "L2-N", "L3-N")]
    return {"kind": kind, "transaction": TRANSACTION, "number": number, "at": 1767225600.0 + number, "values": values}


def session(journal: Journal, online: bool, samples_per_sync: int) -> None:
    """60 minutes of charging, compressed."""
    register_wh = 1_000_000.0
    for number in range(SAMPLES + 2):
        last = number == SAMPLES + 1
        kind = "Ended" if last else "Updated" if number else "Started"
        state = None if last else {"number": number, "register_wh": register_wh}
        journal.write(event(kind, number, register_wh), {TRANSACTION: state}, durable=kind != "Updated")
        if online:
            journal.done(journal.last_seq)
        if number % samples_per_sync == 0:
            journal.sync()
        register_wh += 184.0


def wear(directory: str, online: bool, samples_per_sync: int, sessions: int = 20) -> dict[str, Any]:
    """What a session writes, the mean of `sessions` (segments rolling over included)."""
    disk, before = Disk(), io_bytes()
    journal = Journal(directory, disk, log=Log("error"))
    for _ in range(sessions):
        session(journal, online, samples_per_sync)
    size = journal.bytes
    journal.close()
    return {
        "what": "session", "phase": "online" if online else "offline", "samples_per_sync": samples_per_sync,
        "events": SAMPLES + 2,
        "event_bytes": len(json.dumps(event("Updated", 1, 1e6), separators=(",", ":"))),
        "syncs": round(disk.syncs / sessions, 1), "written_bytes": disk.written_bytes // sessions,
        "block_bytes": disk.block_bytes // sessions, "proc_io_bytes": (io_bytes() - before) // sessions,
        "log_bytes": size // (1 if online else sessions),
    }  # fmt: skip


def rate(directory: str, durable: bool, count: int) -> dict[str, Any]:
    """Events appended and then delivered per second, and CPU time of each."""
    journal = Journal(directory, log=Log("error"))
    start, cpu = time.perf_counter(), time.process_time()
    for number in range(count):
        journal.write(event("Updated", number, 1e6), durable=durable)
    appended, append_cpu = time.perf_counter() - start, time.process_time() - cpu
    journal.sync()
    start, cpu = time.perf_counter(), time.process_time()
    while head := journal.head():
        journal.done(head[0])
    drained, drain_cpu = time.perf_counter() - start, time.process_time() - cpu
    journal.close()
    return {
        "what": "rate", "durable": durable, "events": count,
        "append_per_s": round(count / appended), "append_cpu_us": round(append_cpu / count * 1e6),
        "drain_per_s": round(count / drained), "drain_cpu_us": round(drain_cpu / count * 1e6),
    }  # fmt: skip


def memory(directory: str, pending: int) -> dict[str, Any]:
    """Private memory that `pending` events add to a station with a journal in use, in a process of their own."""
    for path, count in ((directory, pending), (directory + "-small", 20)):
        journal = Journal(path, log=Log("error"), limit_bytes=1 << 26)
        for number in range(count):
            journal.write(event("Updated", number, 1e6), durable=False)
        journal.close()
    start = time.perf_counter()
    journal = Journal(directory, log=Log("error"))
    opened = time.perf_counter() - start
    log_bytes = journal.bytes
    journal.close()
    runs = []
    for run in range(3):
        copy = f"{directory}-{run}"
        for suffix in ("", "-small"):
            shutil.copytree(directory + suffix, copy + suffix)
        command = [sys.executable, "-I", "-S", "-OO", "-c", MEMORY_PROBE, str(ROOT), copy]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        runs.append([int(figure) for figure in output.split()])
    found, without, small, large, draining = (statistics.median(figures) for figures in zip(*runs, strict=True))
    return {
        "what": "memory", "pending": found, "log_bytes": log_bytes, "open_s": round(opened, 3),
        "journal_private_kib": small - without, "added_private_kib": large - small,
        "added_private_kib_draining": draining - small,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.add_argument("--directory", help="where to write; on the medium to measure")
    parser.add_argument("--pending", type=int, default=18_600, help="events to deliver, for the memory (default 18600)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as base:
        results = [
            *(
                wear(os.path.join(base, f"{online}{samples_per_sync}"), online, samples_per_sync)
                for samples_per_sync in (1, 5)
                for online in (True, False)
            ),
            rate(os.path.join(base, "durable"), durable=True, count=500),
            rate(os.path.join(base, "group"), durable=False, count=5000),
            memory(os.path.join(base, "memory"), options.pending),
        ]
    if options.json:
        print(json.dumps(results, indent=1))
        return
    for result in results:
        print("  ".join(f"{name} {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
