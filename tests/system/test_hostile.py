"""A hostile CSMS and the real process: it lives, answers as the specification says, keeps its memory, charges on.

[OCPP-J 1.6 §4; part 4 §4.2, §4.3; RFC 6455; field lessons 1, 3, 9, 10]
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from evse.csms import SILENCE
from tests.support.bench import versions
from tests.support.csms import CsmsThread
from tests.support.hostile import LIMIT_BYTES, RESULT, HostileLine, frame, frames
from tests.support.station import SUBPROTOCOLS, Station
from tests.test_imports import FORBIDDEN

LONG = bool(os.environ.get("EVSE_LONG"))
FLOOD = 20_000
GROWTH_KIB = 2048
LOG_BYTES = 256 * 1024
IDENTITY = "CS001"
PASSWORD = "correct horse battery staple"
TOKEN = "DEADBEEF0042"
STATION_FILE = f"""
board = "simulated-ac-1"

[csms]
url = "URL"
identity = "{IDENTITY}"
password = "{PASSWORD}"
ocpp_versions = ["VERSION"]
security_profile = 1
backoff_random_s = 0
ping_interval_s = 0
call_timeout_s = 1

[ocpp.variables]
OCPPCommCtrlr.RetryBackOffWaitMinimum = 0
SampledDataCtrlr.TxUpdatedInterval = 1
OCPPCommCtrlr."MessageAttempts[TransactionEvent]" = 20
OCPPCommCtrlr."MessageAttemptInterval[TransactionEvent]" = 1
"""
# What ends a connection; each version tries a third of it by default.
DEADLY = (
    frame(2, b"binary"),
    frame(1, b"x" * (LIMIT_BYTES + 1)),
    frame(1, b"x" * LIMIT_BYTES, False) + frame(0, b"x"),
    b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
    frame(1, b"[\xff\xfe]"),
    frame(3, b"reserved"),
    b"\xc1\x02[]",
    b"\x81\x82abcd[]",
    frame(9, b"x" * 126),
    frame(9, b"x", False),
    frame(0, b"nothing to go on with"),
    frame(1, b"[", False) + frame(1, b"["),
    frame(8, b"\x00"),
    frame(8, b"\x03\xe7no such code"),
    frame(8, b"\x03\xe8\xff"),
    b"HTTP/1.1 200 OK\r\n\r\n",
)


class Siege:
    """One station under attack in one version."""

    def __init__(self, directory: Path, version: str) -> None:
        self.version = version
        self.csms = CsmsThread(versions=[version], passwords={IDENTITY: PASSWORD})
        self.csms.__enter__()
        self.csms.now.registration_status = "Pending"
        text = STATION_FILE.replace("URL", self.csms.url).replace("VERSION", version)
        self.station = Station(directory, self.csms.url, version, text=text)
        self.station.start()
        self.line = HostileLine(self.csms, IDENTITY)

    def close(self) -> None:
        self.station.stop()
        self.csms.__exit__(None, None, None)

    def accept(self) -> None:
        """The CSMS accepts the station."""
        self.station.wait(lambda: self.station.control("status")["registration"] == "Pending")
        self.csms.now.registration_status = "Accepted"
        asked = ("TriggerMessage", {"requestedMessage": "BootNotification"})
        assert self.csms.call(IDENTITY, *asked)["status"] == "Accepted"
        self.station.wait(lambda: self.station.control("status")["registration"] == "Accepted")

    def charge(self) -> None:
        self.station.control("plug", evse=1, phases=3, current=32)
        self.station.control("swipe", token=TOKEN)
        self.station.wait(lambda: self.station.control("status")["evses"][0]["charging_state"] == "Charging")

    def reconnect(self) -> None:
        """The station has closed the connection and comes back."""
        self.station.wait(self.line.is_gone)
        self.line.tap()
        self.line.sync()

    def answers(self) -> None:
        """Every frame of the collection gets its answer, once."""
        for text, id, expected in frames(self.version):
            self.line.say(text)
            self.line.sync()
            found = self.line.replies(id)
            stray, self.line.heard = self.line.heard, []
            assert not stray, (text[:80], stray)
            if expected is None:
                assert found == [], (text[:80], found)
            elif expected == RESULT:
                assert [each[0] for each in found] == [3], (text[:80], found)
            else:
                assert [each[0] for each in found] == [4], (text[:80], found)
                assert found[0][2] == expected, (text[:80], found)
                assert len(found[0]) == 5 and len(found[0][3]) <= 255 and isinstance(found[0][4], dict), found

    def private_kib(self) -> int:
        text = Path(f"/proc/{self.station.pid}/smaps_rollup").read_text()
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))

    def cost_kib(self, attack: Any) -> int:
        """What an attack leaves behind in the process."""
        before = self.private_kib()
        attack()
        self.line.sync()
        self.line.heard.clear()
        return self.private_kib() - before


@pytest.fixture(params=["1.6", "2.0.1", "2.1"])
def siege(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    siege = Siege(tmp_path, request.param)
    yield siege
    siege.close()


def test_hostile_frames_get_the_answer_of_the_specification_and_leave_nothing_behind(siege: Siege) -> None:
    """Before the boot is accepted, afterwards, and in a session whose energy is booked in the end."""
    siege.answers()
    siege.accept()
    siege.answers()
    siege.charge()
    siege.answers()
    texts = [text for text, _, _ in frames(siege.version)]
    short = [text for text in texts if len(text) < 2000]
    random = Random(siege.version)

    def flood() -> None:
        for _ in range(FLOOD // 100):
            siege.line.say(*random.choices(short, k=98), *random.choices(texts, k=2))
            siege.line.sync()

    siege.line.say(*['[2,"twin","DataTransfer",{"vendorId":"x"}]'] * 5)  # an id may come again once it is answered
    siege.line.sync()
    assert [each[0] for each in siege.line.replies("twin")] == [3] * 5
    siege.line.say(*texts)
    assert siege.cost_kib(flood) < GROWTH_KIB
    assert siege.cost_kib(lambda: broken_answers(siege)) < GROWTH_KIB
    finish(siege)


def broken_answers(siege: Siege) -> None:
    """The CSMS answers our own calls with what no schema allows, other ids, errors of no name, twice, not at all."""
    csms, line = siege.csms, siege.line
    wrong = [
        {}, {"currentTime": 5}, {"currentTime": None}, {"currentTime": ["now"]}, {"status": "Accepted"},
        {"currentTime": "2026-01-01T00:00:00Z", "x": "y" * 30_000},
    ]  # fmt: skip
    for answer in wrong:
        csms.now.script["Heartbeat"] = answer
        refused = len(line.heard)
        beats = heartbeats(siege)
        csms.call(IDENTITY, "TriggerMessage", {"requestedMessage": "Heartbeat"})
        siege.station.wait(lambda beats=beats: heartbeats(siege) > beats)
        line.sync()
        beat = next(each for each in reversed(csms.now.messages) if each.action == "Heartbeat")
        line.say(*[f'[3,"{beat.unique_id}",{{"currentTime":"2030-01-01T00:00:00Z"}}]'] * 3)  # too late, and thrice
        line.sync()
        told = [each for each in line.heard[refused:] if each[0] != 3]
        assert all(each[0] == 5 for each in told)
        assert len(told) == (siege.version == "2.1"), (answer, told)
    del csms.now.script["Heartbeat"]


def heartbeats(siege: Siege) -> int:
    return sum(
        message.direction == "out" and message.action == "Heartbeat" for message in list(siege.csms.now.messages)
    )


def finish(siege: Siege) -> None:
    """The session ends, its energy is booked; the process has neither loaded nor told what it should not."""
    station, csms = siege.station, siege.csms
    time.sleep(1)
    station.control("swipe", token=TOKEN)
    station.wait(lambda: [each for each in csms.now.ledger.of(IDENTITY) if each.stopped_at])
    [session] = csms.now.ledger.of(IDENTITY)
    assert session.complete
    register_wh = station.control("status")["evses"][0]["register_wh"]
    assert register_wh > 0
    assert abs(session.energy_wh - register_wh) <= 1
    assert csms.now.ledger.conflicts == []
    modules = set(station.control("modules")["modules"])
    assert modules & FORBIDDEN <= {"abc"}  # which the interpreter itself loads
    log = station.log.read_text(errors="replace")
    assert TOKEN not in log
    assert PASSWORD not in log
    assert "Traceback" not in log
    assert [line for line in log.splitlines() if line.split()[1:2] == ["error"]] == []
    assert len(log) < LOG_BYTES, len(log)


def test_frames_below_websocket_cannot_stop_a_session(siege: Siege) -> None:
    """[RFC 6455 §5, §7] Control frames by the thousand, crumbs of messages, and what closes a connection."""
    line = siege.line
    siege.accept()
    siege.charge()
    text = b'[2,"crumbs","DataTransfer",{"vendorId":"x","data":"' + b"y" * 3000 + b'"}]'

    def crumbs() -> None:
        data = frame(1, text[:1], False) + b"".join(frame(0, text[at : at + 1], False) for at in range(1, len(text)))
        line.raw(data + frame(9, b"in between") + frame(0, b"", False) * 2000 + frame(0, b""))
        line.sync()
        assert [each[0] for each in line.replies("crumbs")] == [3]

    def pings() -> None:
        for _ in range(FLOOD // 500):
            line.raw(frame(9, b"x" * 125) * 250 + frame(10, b"unasked") * 250)
        line.sync()

    assert siege.cost_kib(crumbs) < GROWTH_KIB
    assert siege.cost_kib(pings) < GROWTH_KIB
    before = siege.private_kib()
    share = slice(None) if LONG else slice(list(SUBPROTOCOLS).index(siege.version), None, 3)
    for deadly in DEADLY[share]:
        line.raw(deadly)
        siege.reconnect()
    assert siege.private_kib() - before < GROWTH_KIB
    finish(siege)


@versions
def test_a_csms_that_hears_nothing_for_a_while_cannot_stop_a_session(version: str, tmp_path: Path) -> None:
    """[field lessons 1, 2] What it does not answer is told again; the session goes on, and is booked in the end."""
    siege = Siege(tmp_path, version)
    try:
        siege.accept()

        async def late(connection: Any, payload: Any) -> None:
            await asyncio.sleep(0.5)

        script = siege.csms.now.script
        script["Authorize"] = late
        siege.charge()
        script.update(dict.fromkeys(("TransactionEvent", "MeterValues", "StatusNotification"), SILENCE))
        time.sleep(3)
        script.clear()
        finish(siege)
    finally:
        siege.close()


@pytest.mark.skipif(not LONG, reason="takes as long as the station waits for the end of a message")
def test_a_message_that_never_ends_ends_the_connection_and_not_the_session(siege: Siege) -> None:
    """[field lesson 9] One byte a second, each in time: it is the whole message that has its time."""
    siege.accept()
    siege.charge()
    siege.line.raw(b"\x01\x7d" + b"[")
    end = time.monotonic() + 40
    while not siege.line.is_gone() and time.monotonic() < end:
        time.sleep(1)
        siege.line.raw(b" ")
    siege.reconnect()
    finish(siege)
