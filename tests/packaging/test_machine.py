"""An emulated ARM machine: from the kernel to BootNotification, killed, its power cut. Where EVSE_MACHINE is set.

Fetches 110 MB once; some minutes of one processor.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import armmachine
from tests.support.csms import CsmsThread

pytestmark = pytest.mark.slow
IDENTITY = "ARM001"
CUTS = 5
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
component = "SampledDataCtrlr"
variable = "TxUpdatedInterval"
value = "1"
"""


@pytest.fixture
def image() -> Path:
    if not os.environ.get("EVSE_MACHINE"):
        pytest.skip("EVSE_MACHINE is not set")
    try:
        return armmachine.build()
    except OSError as error:
        pytest.skip(str(error))


@pytest.fixture
def csms() -> Iterator[CsmsThread]:
    with CsmsThread(versions=["2.0.1"]) as csms:
        yield csms


@pytest.fixture
def machine(image: Path, csms: CsmsThread, tmp_path: Path) -> Iterator[armmachine.Machine]:
    text = STATION.format(port=csms.now.port, identity=IDENTITY)
    machine = armmachine.Machine(image, tmp_path, text)
    yield machine
    machine.cut()


def test_from_the_kernel_to_boot_notification_and_after_a_kill(machine: armmachine.Machine, csms: CsmsThread) -> None:
    machine.start("boot")
    (uptime_s,) = machine.wait_for("booted")
    print(f"\nkernel start to BootNotification accepted: {uptime_s:.1f} s (QEMU, armhf, Cortex-A7)")
    ((uids, groups),) = machine.wait_for("account")
    assert set(uids) == {"900"} and "901" in groups
    (restart_s,) = machine.wait_for("restarted")
    print(f"SIGKILL to BootNotification accepted: {restart_s:.1f} s")
    machine.ended()
    boots = [message for message in csms.now.messages if (message.kind, message.action) == (2, "BootNotification")]
    assert len(boots) == 2


def test_the_power_goes_five_times_and_nothing_is_lost(machine: armmachine.Machine, csms: CsmsThread) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    begun: set[str] = set()
    for _ in range(CUTS):
        machine.start("charge")
        machine.wait_for("session")
        time.sleep(chance.uniform(0, 12))
        machine.cut()
        begun |= {transaction for (transaction,) in machine.told("session")}
    machine.start("drain")
    machine.wait_for("drained")
    machine.ended()
    sessions = {session.transaction_id: session for session in csms.now.ledger.of(IDENTITY)}
    print(f"\n{len(sessions)} transactions, {CUTS} power cuts, seed {seed}, {csms.now.ledger.repeated} told twice")
    assert begun <= set(sessions), f"lost with seed {seed}"
    for session in sessions.values():
        story = [(key, event["eventType"], event["triggerReason"]) for key, event in sorted(session.events.items())]
        assert session.complete, f"incomplete with seed {seed}: {session.transaction_id} {story}"
    assert csms.now.ledger.conflicts == []
