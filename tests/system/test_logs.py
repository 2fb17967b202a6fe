"""Logs in the real process: what a CSMS gets to see, and that neither the station nor its child grows with the file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from evse.shell.jobs import Children
from evse.shell.log import Log
from tests.support.csms import CsmsThread
from tests.support.fakeloop import FakeLoop
from tests.support.fileservers import Handler, HttpFiles, http_files
from tests.support.station import Station

MORE = """
[log]
file = "{log}"
file_bytes = 40000000

[trace]
file = "{trace}"
file_bytes = 40000000

[[ocpp.variables]]
component = "SecurityCtrlr"
variable = "BasicAuthPassword"
value = "a-hidden-password"
"""
PART_BYTES = 1 << 16
# What the station may grow by with a log of 6 MB, and a child with a file of 50 MB over one of 5 MB.
GROWTH_KIB = 256
CHILD_GROWTH_KIB = 1024


@pytest.fixture(scope="module")
def files() -> Iterator[HttpFiles]:
    with http_files() as server:
        yield server


def private_kib(pid: int) -> int:
    """Private dirty memory of a process."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty"))


def get_log(csms: CsmsThread, id: int, url: str, status: str = "Uploaded") -> str:
    """An upload that ends with `status`: the name of its file."""
    request = {"logType": "DiagnosticsLog", "requestId": id, "retries": 0, "log": {"remoteLocation": url}}
    answer = csms.call("LOG1", "GetLog", request)
    assert answer["status"] == "Accepted"
    for expected in ("Uploading", status):
        csms.expect("LogStatusNotification", lambda said, word=expected: said == {"status": word, "requestId": id}, 30)
    return str(answer["filename"])


def test_diagnostics_of_a_real_station(tmp_path: Path, files: HttpFiles) -> None:
    """All parts are there, from the station that runs; no password and no whole token; the station stays as it was."""
    files.clear()
    log, trace = tmp_path / "evse.log", tmp_path / "trace.jsonl"
    more = MORE.format(log=log, trace=trace)
    with CsmsThread() as csms, Station(tmp_path, csms.url, "2.0.1", identity="LOG1", more=more) as station:
        station.wait(station.booted)
        station.control("swipe", token="04AABBCCDD1122")
        csms.expect("Authorize")
        name = get_log(csms, 1, files.url + "/logs/")
        with ZipFile(BytesIO(files.kept["/logs/" + name])) as archive:
            found = {name: archive.read(name).decode() for name in archive.namelist()}
        everything = "".join(found.values())
        assert "a-hidden-password" not in everything
        assert "04AABBCCDD1122" not in everything
        for part in ("about.json", "status.json", "variables.txt", "trace.jsonl", "log.txt"):
            assert "not available" not in found[part], part
        assert json.loads(found["about.json"])["serial"] == "S1"
        assert json.loads(found["status.json"])["identity"] == "LOG1"
        assert "SecurityCtrlr.BasicAuthPassword = ***" in found["variables.txt"]
        actions = [json.loads(line)["action"] for line in found["trace.jsonl"].splitlines()]
        assert actions[0] == "BootNotification"
        assert "Authorize" in actions
        assert "a log is sent to the CSMS" in found["log.txt"]
        assert f"Name:\t{Path(f'/proc/{station.pid}/comm').read_text().strip()}" in found["system.txt"]

        # The second is as large as it may become; what the first one loaded stays.
        before = private_kib(station.pid)
        noise = os.urandom(3_000_000).hex().encode()
        with log.open("ab") as file:
            for at in range(0, len(noise), 1000):
                file.write(b"2026-01-01T00:00:00Z info    " + noise[at : at + 1000] + b"\n")
        with trace.open("ab") as file:
            for at in range(0, len(noise), 1000):
                frame = json.dumps([2, "1", "Noise", {"noise": noise[at : at + 1000].decode()}])
                entry = {"at": None, "dir": "in", "action": "Noise", "ms": None, "frame": frame}
                file.write(json.dumps(entry).encode() + b"\n")
        name = get_log(csms, 2, files.url + "/logs/")
        assert len(files.kept["/logs/" + name]) > 5_000_000
        assert private_kib(station.pid) - before < GROWTH_KIB
        get_log(csms, 3, "http://127.0.0.1:1/", "UploadFailure")
        assert csms.now.errors == []


def peak_kib(state: Path, files: HttpFiles, parts: int) -> int:
    """The child's largest size while it fetches a file of so many parts."""
    part = os.urandom(PART_BYTES)

    def serve(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(parts * PART_BYTES))
        handler.end_headers()
        for _ in range(parts):
            handler.wfile.write(part)

    files.behave["/image"] = serve
    loop, ends, peak = FakeLoop(), [], [0]
    places = {"state": str(state), "certificates": str(state), "ca": None}
    children = Children(loop, Log("error"), places, lambda *_: None, lambda *end: ends.append(end))
    children.start(1, "download", {"url": files.url + "/image", "to": f"image{parts}", "max_bytes": 1 << 30}, 60)
    (child,) = children._children.values()

    def ended() -> bool:
        for line in Path(f"/proc/{child.pid}/status").read_text().splitlines() if not ends else ():
            if line.startswith("VmHWM"):
                peak.append(int(line.split()[1]))
        return bool(ends)

    loop.until(ended, 30)
    children.close()
    loop.close()
    ((_, answer, error),) = ends
    assert error is None, error
    assert answer["bytes"] == parts * PART_BYTES
    return max(peak)


def test_a_child_does_not_grow_with_the_file(tmp_path: Path, files: HttpFiles) -> None:
    files.clear()
    small = peak_kib(tmp_path, files, 80)
    large = peak_kib(tmp_path, files, 800)
    assert (tmp_path / "image800").stat().st_size == 800 * PART_BYTES
    assert large - small < CHILD_GROWTH_KIB
