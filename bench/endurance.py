"""What a long life costs the running station: bytes written per session, a month offline, a hundred thousand messages.

    python bench/endurance.py [--json] [--version 2.0.1] [--directory DIR] [--only written|offline|soak ...]
                              [--sessions 300] [--messages 100000]

written   bytes that the kernel charged the process with for a session of one hour with a sample a minute, online and
          offline, the mean of 20
offline   --sessions such sessions in 30 days without the CSMS, then all is delivered: events, whether in order, events
          a second, and the growth of private memory over both, at its highest
soak      --messages mixed messages of both sides with a new connection after every 1,000 and a session every 5,000:
          growth of private memory after the first tenth, descriptors, threads

The clock of the station jumps from timer to timer where nothing happens (bench/quickclock.py). DIR should be on the
medium in question; where it is memory, the bytes written are 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rig import VERSIONS, Central, loading, memory, rest, station
from run import disk_bytes

from tests.support.station import Station

SETTINGS = """
[ocpp.variables]
SampledDataCtrlr.TxUpdatedInterval = {interval}
AuthCtrlr.OfflineTxForUnknownIdEnabled = true
AuthCacheCtrlr.LifeTime = 8640000
OCPPCommCtrlr.WebSocketPingInterval = 0
OCPPCommCtrlr.RetryBackOffWaitMinimum = 0
OCPPCommCtrlr.RetryBackOffRandomRange = 0
"""
SESSION_S = 3600
MONTH_S = 30 * 86_400
WARM_UP = 2
WRITTEN_SESSIONS = 20
MESSAGES_PER_CONNECTION, MESSAGES_PER_SESSION = 1000, 5000
# More heartbeats would tell the station the time outside.
NO_HEARTBEAT_S = 100 * 86_400


class Quick:
    """A station whose clock jumps."""

    def __init__(self, directory: Path, central: Central, version: str) -> None:
        central.csms.heartbeat_interval_s = NO_HEARTBEAT_S
        self._done = directory / "done"
        self.process = station(directory, central, version, SETTINGS.format(interval=60))
        self._command = loading(self.process, "quickclock")

    def start(self, sessions: int, pause_s: float) -> None:
        """Starts it; `live()` then lets it live so long. Byte code is there from the second start on."""
        os.environ["EVSE_BENCH_LIFE"] = f"{sessions} {SESSION_S} {pause_s} {self._done}"
        self.process.start_as(self._command)
        self.process.wait(self.process.booted)

    def live(self, limit_s: float) -> None:
        self._done.unlink(missing_ok=True)
        os.kill(self.process.pid, signal.SIGUSR1)
        self.process.wait(self._done.exists, limit_s)
        rest(2.0)


def written(directory: Path, central: Central, version: str) -> dict[str, int]:
    """Bytes written per session, online and offline."""
    quick = Quick(directory, central, version)
    found = {}
    for phase, up in (("online", True), ("offline", False)):
        for sessions in (WARM_UP, WRITTEN_SESSIONS):
            quick.start(sessions, 600)
            quick.process.control("network", up=up)
            before = disk_bytes(quick.process.pid)[0]
            quick.live(120)
            found[f"written_{phase}_bytes"] = (disk_bytes(quick.process.pid)[0] - before) // sessions
            quick.process.stop()
    return found


def offline(directory: Path, central: Central, version: str, sessions: int) -> dict[str, Any]:
    """A month without the CSMS, and its end."""
    quick = Quick(directory, central, version)
    process = quick.process
    quick.start(WARM_UP, 600)
    quick.live(60)
    process.stop()
    quick.start(sessions, MONTH_S / sessions - SESSION_S - 5.5)
    rest(2)
    process.control("network", up=False)
    before_kib = memory(process.pid)["private"]
    disk = disk_bytes(process.pid)[0]
    quick.live(1800)
    highest_kib = memory(process.pid)["private"]
    disk = disk_bytes(process.pid)[0] - disk
    events = process.control("status")["queued"]
    told: list[str] = []
    central.csms.on_message = lambda message: told.extend(times(message))
    begun = time.monotonic()
    process.control("network", up=True)
    while process.control("status")["queued"]:
        rest(0.1)
        highest_kib = max(highest_kib, memory(process.pid)["private"])
    took_s = time.monotonic() - begun
    central.csms.on_message = None
    books = central.csms.ledger.of("CS001")[-sessions:]
    process.stop()
    return {
        "offline_sessions": sessions,
        "offline_events": events,
        "offline_written_bytes_per_session": disk // sessions,
        "offline_complete": sum(book.complete for book in books),
        "offline_in_order": told == sorted(told) and len(told) >= events,
        "offline_events_per_s": round(events / took_s, 1),
        "offline_growth_kib": highest_kib - before_kib,
    }


def times(message: Any) -> list[str]:
    """The time stamp of a message about a transaction that the station sent."""
    if message.direction != "in" or message.action not in (
        "TransactionEvent", "StartTransaction", "StopTransaction", "MeterValues"
    ):  # fmt: skip
        return []
    payload = message.payload
    if "timestamp" in payload:
        return [payload["timestamp"]]
    return [payload["meterValue"][0]["timestamp"]] if "meterValue" in payload else []


def mixture(version: str) -> list[tuple[str, dict[str, Any]]]:
    """What the CSMS asks, in turn."""
    wanted = ["Heartbeat", "MeterValues", "StatusNotification"]
    if version == "1.6":
        return [
            *(("TriggerMessage", {"requestedMessage": name, "connectorId": 1}) for name in wanted),
            ("GetConfiguration", {"key": ["HeartbeatInterval", "SupportedFeatureProfiles"]}),
            ("ChangeConfiguration", {"key": "NoSuchKey", "value": "1"}),
            ("DataTransfer", {"vendorId": "com.example", "data": "x" * 200}),
            ("GetLocalListVersion", {}),
        ]
    place = {"id": 1, "connectorId": 1}
    variable = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    unknown = {"component": {"name": "NoSuchCtrlr"}, "variable": {"name": "X"}, "attributeValue": "1"}
    return [
        *(("TriggerMessage", {"requestedMessage": name, "evse": place}) for name in (*wanted, "TransactionEvent")),
        ("GetVariables", {"getVariableData": [variable]}),
        ("SetVariables", {"setVariableData": [unknown]}),
        ("DataTransfer", {"vendorId": "com.example", "data": "x" * 200}),
        ("GetLocalListVersion", {}),
        ("GetTransactionStatus", {}),
    ]


class Soak:
    """Both sides talk; `passed` counts the messages, without their answers."""

    def __init__(self, central: Central, process: Station, version: str) -> None:
        self.central = central
        self.process = process
        self.passed = 0
        self._calls = mixture(version)
        self._random = random.Random(1)
        central.csms.on_message = self._note

    def _note(self, message: Any) -> None:
        self.passed += message.kind in (2, 6)

    def until(self, count: int) -> None:
        """Goes on until so many messages have passed."""
        while self.passed < count:
            some = self.passed + MESSAGES_PER_CONNECTION
            self.central.run(self._talk(min(some, count)), 600)
            self.central.run(self._reconnect(), 60)
            if self.passed // MESSAGES_PER_SESSION != (self.passed - MESSAGES_PER_CONNECTION) // MESSAGES_PER_SESSION:
                self._session()

    async def _talk(self, count: int) -> None:
        csms = self.central.csms
        while self.passed < count:
            await csms.call("CS001", *self._random.choice(self._calls))

    async def _reconnect(self) -> None:
        csms = self.central.csms
        csms.connections["CS001"].close(1001, "bench")
        while "CS001" in csms.connections:
            await asyncio.sleep(0.01)
        await csms.connected("CS001", 30)

    def _session(self) -> None:
        """The present session ends, another begins."""
        self.process.control("unplug", evse=1)
        self.process.wait(lambda: self.process.control("status")["evses"][0]["charging_state"] == "Idle")
        begin(self.process)


def begin(process: Station) -> None:
    process.wait(process.booted, 30)
    process.control("plug", evse=1)
    process.control("swipe", token="CARD0001")
    process.wait(lambda: process.control("status")["evses"][0]["charging_state"] == "Charging")


def soak(directory: Path, central: Central, version: str, count: int) -> dict[str, int]:
    """Growth over many messages."""
    central.csms.heartbeat_interval_s = 300
    with station(directory, central, version, SETTINGS.format(interval=5)) as process:
        begin(process)
        talk = Soak(central, process, version)
        talk.until(count // 10)
        rest(3)
        before = state(process.pid)
        talk.until(count)
        rest(3)
        after = state(process.pid)
        central.csms.on_message = None
        growth = {f"soak_{name}_growth": after[name] - before[name] for name in before}
        return {"soak_messages": talk.passed, **growth}


def state(pid: int) -> dict[str, int]:
    """Private memory in KiB, open descriptors, threads."""
    kinds = {"descriptors": "fd", "threads": "task"}
    return {"kib": memory(pid)["private"], **{name: len(os.listdir(f"/proc/{pid}/{at}")) for name, at in kinds.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.add_argument("--version", choices=VERSIONS, default="2.0.1")
    parser.add_argument("--directory", default="/var/tmp", help="where the station keeps its state (default /var/tmp)")
    parser.add_argument("--only", choices=("written", "offline", "soak"), action="append", help="default: all")
    parser.add_argument("--sessions", type=int, default=300)
    parser.add_argument("--messages", type=int, default=100_000)
    given = parser.parse_args()
    only = given.only or ["written", "offline", "soak"]
    central = Central()
    result: dict[str, Any] = {"version": given.version}
    with tempfile.TemporaryDirectory(dir=given.directory) as scratch:
        place = Path(scratch)
        if "written" in only:
            result.update(written(place / "written", central, given.version))
        if "offline" in only:
            result.update(offline(place / "offline", central, given.version, given.sessions))
        if "soak" in only:
            result.update(soak(place / "soak", central, given.version, given.messages))
    central.close()
    if given.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:36}{value!s:>12}")


if __name__ == "__main__":
    main()
