"""What the benchmarks share: a CSMS in a thread, the station as a process, and what the kernel says about both."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from evse.csms import Csms  # noqa: E402
from tests.support.station import Station  # noqa: E402

VERSIONS = ("1.6", "2.0.1", "2.1")
# One sample a second with three values, as the peer does.
EVERY_SECOND = """
[[ocpp.variables]]
component = "SampledDataCtrlr"
variable = "TxUpdatedInterval"
value = "1"

[[ocpp.variables]]
component = "SampledDataCtrlr"
variable = "TxUpdatedMeasurands"
value = "Energy.Active.Import.Register,Power.Active.Import,Current.Offered"
"""
STANDALONE = """
board = "simulated-ac-1"

[station]
vendor = "Acme"
model = "Bench"

[behaviour]
standalone = true
free_vending = true
"""
SECURE = """
board = "simulated-ac-1"

[csms]
url = "{url}"
identity = "CS001"
ocpp_versions = ["{version}"]
security_profile = 2
password = "not-a-secret-0123456789"
ca = "{ca}"

[station]
vendor = "Acme"
model = "Bench"
{more}
"""


class Central:
    """The built-in CSMS in a thread of this process."""

    def __init__(self, *, tls: Any = False) -> None:
        """`tls`: True for a certificate of its own, or a server's ssl.SSLContext."""
        self.csms = Csms()
        self.csms.messages = deque(maxlen=1000)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._scratch = tempfile.TemporaryDirectory()
        self.ca = ""
        context = None if isinstance(tls, bool) else tls
        if tls is True:
            from tests.support.certificates import Certificate

            scratch = Path(self._scratch.name)
            root = Certificate("Bench root", ca=True)
            self.ca = root.write(scratch, "root")[0]
            context = Certificate("localhost", root, names=("localhost", "127.0.0.1")).server(scratch)
        self.run(self.csms.start(tls=context))
        self.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{self.csms.port}/ocpp"

    def run(self, coroutine: Any, limit_s: float = 30) -> Any:
        """Runs a coroutine on the CSMS's loop and waits for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(limit_s)

    def expect(self, action: str, where: Any = lambda payload: True, limit_s: float = 15) -> Any:
        """The first call with this action."""
        return self.run(self.csms.expect(action, where, timeout_s=limit_s), limit_s + 1)

    def close(self) -> None:
        """Stops listening."""
        self.run(self.csms.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def station(
    directory: Path, central: Central | None, version: str = "2.0.1", more: str = EVERY_SECOND, identity: str = "CS001"
) -> Station:
    """A station process, not started yet; without a central system it is standalone."""
    directory.mkdir(parents=True, exist_ok=True)
    if central is None:
        return Station(directory, "", text=STANDALONE)
    if central.ca:
        return Station(directory, "", text=SECURE.format(url=central.url, version=version, ca=central.ca, more=more))
    return Station(directory, central.url, version, identity=identity, more=more)


@contextmanager
def peer(central: Central, version: str, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A mobilityhouse station, booted and idle."""
    command = [sys.executable, str(ROOT / "bench" / "peer_mobilityhouse.py"), central.url, version, *more]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        hear_peer(process, "idle")
        yield process
    finally:
        process.kill()
        process.wait()


def ask_peer(process: subprocess.Popen[str], line: str, word: str) -> None:
    """Tells the mobilityhouse station a line and waits for its word."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    hear_peer(process, word)


def hear_peer(process: subprocess.Popen[str], word: str) -> None:
    """Waits for the mobilityhouse station's word."""
    assert process.stdout is not None
    if process.stdout.readline().strip() != word:
        raise SystemExit("the mobilityhouse station failed")


def loading(process: Station, module: str) -> list[str]:
    """The daemon's command line, with a module of this directory that it imports before itself; started once for it."""
    process.start()
    command = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")[:-1]
    process.stop()
    at = next(number for number, word in enumerate(command) if "/evse/start" in word)
    bench = str(Path(__file__).resolve().parent)
    code = (
        f"import sys; sys.argv[0] = {command[at]!r}; from marshal import loads; start = {{'__name__': 'start'}};"
        "exec(loads(open(sys.argv[0], 'rb').read()[16:]), start); start['find'](sys.argv[0], sys.argv[1].split(':'));"
        f"sys.path.append({bench!r}); import {module}; from evse import daemon; sys.exit(daemon.main(sys.argv[2:]))"
    )
    return [*command[:at], "-c", code, *command[at + 1 :]]


def memory(pid: int) -> dict[str, int]:
    """Private dirty and proportional set size of a process, in KiB."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        sizes[name] = int(rest.split()[0])
    return {"private": sizes["Private_Dirty"], "pss": sizes["Pss"], "rss": sizes["Rss"]}


def cpu_s(pid: int) -> float:
    """CPU seconds (user and system) that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_ns(pid: int) -> int:
    """CPU nanoseconds of the main thread, as the scheduler counts them."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def median(values: list[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def rest(seconds: float) -> None:
    """Lets the processes run."""
    time.sleep(seconds)
