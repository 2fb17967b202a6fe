"""An emulated ARM machine: from the kernel to BootNotification, killed, its power cut. Where EVSE_MACHINE is set.

Then what is missing is a failure. Fetches 110 MB once; some minutes of one processor.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evse.csms.ledger import REGISTER
from tests.support import armmachine
from tests.support.csms import CsmsThread
from tests.support.station import ROOT

pytestmark = pytest.mark.slow
IDENTITY = "ARM001"
# When the power goes: the CSMS is there, and it is a while after the first session began, or after the power came.
CUTS = (
    (True, "session"), (False, "session"), (False, "power"), (False, "session"), (True, "session"), (True, "power"),
    (False, "session"),
)  # fmt: skip
STATION = """
board = "simulated-ac-1"
[csms]
url = "ws://10.0.2.2:{port}/ocpp"
identity = "{identity}"
ocpp_versions = ["2.0.1"]
security_profile = 0
backoff_minimum_s = 1
backoff_random_s = 0
[[ocpp.variables]]
component = "AuthCtrlr"
variable = "OfflineTxForUnknownIdEnabled"
value = "true"
[[ocpp.variables]]
component = "SampledDataCtrlr"
variable = "TxUpdatedInterval"
value = "1"
"""


@pytest.fixture
def image() -> Path:
    if not os.environ.get("EVSE_MACHINE"):
        pytest.skip("EVSE_MACHINE is not set")
    return armmachine.build()


@pytest.fixture
def csms() -> Iterator[CsmsThread]:
    with CsmsThread(versions=["2.0.1"]) as csms:
        yield csms


@pytest.fixture
def seed() -> int:
    return random.randrange(10**6)


@pytest.fixture
def machine(image: Path, csms: CsmsThread, seed: int, tmp_path: Path) -> Iterator[armmachine.Machine]:
    text = STATION.format(port=csms.now.port, identity=IDENTITY)
    machine = armmachine.Machine(image, tmp_path, text, chance=random.Random(seed))
    yield machine
    machine.close()


def test_what_python_takes_on_flash(image: Path) -> None:
    """Interpreter, standard library and program of a lean image for armhf; without OpenSSL, which is the system's."""
    done = subprocess.run([sys.executable, ROOT / "yocto" / "flash", image / "root"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print("\n" + done.stdout)
    sizes = {kind.strip(): int(size) for size, kind in (line.split(None, 1) for line in done.stdout.splitlines())}
    assert sizes["evse"] <= 800_000 and sizes["all without OpenSSL"] <= 7_000_000


def test_from_the_kernel_to_boot_notification_and_after_a_kill(machine: armmachine.Machine, csms: CsmsThread) -> None:
    machine.start("boot")
    (uptime_s,) = machine.wait_for("booted")
    print(f"\nkernel start to BootNotification accepted: {uptime_s:.1f} s (QEMU, armhf, Cortex-A7)")
    (((device, kind),), files) = machine.wait_for("state")
    assert (device, kind) == ("/dev/vda", "ext4") and files, "the journal is on the disk"
    ((uids, groups),) = machine.wait_for("account")
    assert set(uids) == {"900"} and "901" in groups
    (restart_s,) = machine.wait_for("restarted")
    print(f"SIGKILL to BootNotification accepted: {restart_s:.1f} s")
    machine.ended()
    boots = [message for message in csms.now.messages if (message.kind, message.action) == (2, "BootNotification")]
    assert len(boots) == 2
    assert csms.now.errors == []


def test_the_power_goes_and_nothing_is_lost(machine: armmachine.Machine, csms: CsmsThread, seed: int) -> None:
    """The disk forgets what it was not told to flush; starts are interrupted, too; most sessions wait for a CSMS."""
    chance = random.Random(seed)
    port = csms.now.port
    begun: set[str] = set()
    ended: dict[str, tuple[float, float]] = {}
    complaints: list[str] = []
    fates = []
    listens = True
    for online, moment in CUTS:
        if online != listens:
            csms.run(csms.now.start, port=port) if online else csms.run(csms.now.stop)
            listens = online
        machine.start("charge")
        if moment == "session":
            machine.wait_for("session")
            time.sleep(chance.uniform(0, 12))
        else:
            time.sleep(chance.uniform(5, 25))
        if chance.random() < 0.7:
            machine.disk.hold(20)
        fates.append(machine.cut())
        begun |= {transaction for (transaction,) in machine.told("session")}
        ended |= {transaction: (before, after) for transaction, before, after in machine.told("ended")}
        complaints += [line for line in machine.console().splitlines() if "journal" in line or "Traceback" in line]
    if not listens:
        csms.run(csms.now.start, port=port)
    machine.start("drain")
    machine.wait_for("drained")
    machine.ended()
    ledger, disk = csms.now.ledger, machine.disk
    print(f"\n{len(begun)} sessions seen to begin, {len(ended)} to end; {len(CUTS)} power cuts, fate of the cache")
    print(f"{fates}, {disk.lost} sectors lost, {disk.flushes} flushes; {ledger.repeated} told twice, seed {seed}")
    sessions = {session.transaction_id: session for session in ledger.of(IDENTITY)}
    assert begun <= set(sessions), f"lost with seed {seed}"
    assert disk.flushes and complaints == []
    for transaction, session in sessions.items():
        events = [session.events[number] for number in sorted(session.events)]
        story = [(event["seqNo"], event["eventType"], event["triggerReason"]) for event in events]
        assert session.complete, f"incomplete with seed {seed}: {story}"
        kinds = [event["eventType"] for event in events]
        assert kinds == ["Started", *["Updated"] * (len(kinds) - 2), "Ended"], f"seed {seed}: {story}"
        registers = [value for event in events for value in registered(event)[-1:]]  # the end repeats the beginning
        assert registers == sorted(registers), f"seed {seed}: {transaction} {registers}"
        if transaction in ended:
            assert session.reason == "EVDisconnected", f"seed {seed}: {story}"
            assert (session.first_wh, session.last_wh) == pytest.approx(ended[transaction], abs=0.01), f"seed {seed}"
        else:
            assert session.reason in ("EVDisconnected", "PowerLoss"), f"seed {seed}: {story}"
    assert ledger.conflicts == [] and csms.now.errors == []


def registered(event: dict[str, Any]) -> list[float]:
    """The energy registers of a TransactionEvent in Wh."""
    samples = [sample for value in event.get("meterValue", ()) for sample in value["sampledValue"]]
    return [sample["value"] for sample in samples if sample.get("measurand", REGISTER) == REGISTER]
