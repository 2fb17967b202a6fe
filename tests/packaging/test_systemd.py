"""An emulated 64-bit ARM machine under systemd with the Debian package: what the unit does. Where EVSE_MACHINE is set.

Readiness, a contactor with mirror contact and an emergency stop on GPIO lines, the watchdog's bite while it is closed,
resets by the CSMS, firmware that wants the machine started again. What is missing is a failure. Fetches 170 MB once;
some minutes of one processor.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.support.csms import CsmsThread
from tests.support.systemdmachine import SystemdMachine, build

pytestmark = pytest.mark.slow
IDENTITY = "ARM064"
STATION = """
board = "board.toml"
[csms]
url = "ws://10.0.2.2:{port}/ocpp"
identity = "{identity}"
ocpp_versions = ["2.0.1"]
security_profile = 0
backoff_minimum_s = 1
backoff_random_s = 0
[station]
firmware_file = "/var/lib/evse/image-version"
[firmware]
installer = "executable"
command = ["/usr/lib/acme/install"]
unsigned = true
restart = "machine"
installed_after_s = 5
"""
# Lines of the machine's own GPIO controller; pilot, meter and reader are simulated.
COIL, MIRROR, STOP, LIGHT = 5, 4, 2, 6
BOARD = f"""
schema = 1
[board]
id = "emulated"
description = "QEMU's arm64 machine: contactor with mirror contact, emergency stop and light on its PL061"
bench_only = true
[gpio.coil]
chip = "9030000.pl061"
offset = {COIL}
direction = "out"
safe = "inactive"
[gpio.mirror]
chip = "9030000.pl061"
offset = {MIRROR}
direction = "in"
debounce_ms = 10
[gpio.stop]
chip = "9030000.pl061"
offset = {STOP}
direction = "in"
debounce_ms = 5
[gpio.light]
chip = "9030000.pl061"
offset = {LIGHT}
direction = "out"
safe = "inactive"
[[meter]]
id = "main"
driver = "simulated"
on_loss = "stop"
loss_s = 10
[[reader]]
id = "front"
driver = "simulated"
evses = [1]
[[led]]
driver = "gpio"
line = "light"
on = ["charging"]
[[evse]]
id = 1
phases = 3
max_current_a = 32
meter = "main"
[evse.pilot]
driver = "simulated"
[evse.contactor]
driver = "gpio"
coil = "coil"
feedback = "mirror"
feedback_contact = "nc"
feedback_timeout_ms = 5000
min_close_interval_s = 1
[[evse.sensor]]
driver = "gpio"
line = "stop"
fault = "EmergencyStop"
[[evse.connector]]
id = 1
type = "cType2"
tethered = true
"""
INSTALL = '#!/bin/sh\ncp "$1" /var/lib/evse/image-version && echo version 2.0\n'


@pytest.fixture
def csms() -> Iterator[CsmsThread]:
    with CsmsThread(versions=["2.0.1"]) as csms:
        yield csms


@pytest.fixture
def firmware(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "image").write_text("2.0\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web")))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://10.0.2.2:{server.server_port}/image"
    server.shutdown()
    server.server_close()


@pytest.fixture
def machine(csms: CsmsThread, tmp_path: Path) -> Iterator[SystemdMachine]:
    if not os.environ.get("EVSE_MACHINE"):
        pytest.skip("EVSE_MACHINE is not set")
    text = STATION.format(port=csms.now.port, identity=IDENTITY)
    files = {
        "etc/evse/board.toml": BOARD, "usr/lib/acme/install": INSTALL, "var/lib/evse/image-version": "1.0\n"
    }  # fmt: skip
    machine = SystemdMachine(build(), tmp_path, text, files)
    yield machine
    machine.kill()


def test_the_unit_under_systemd(machine: SystemdMachine, csms: CsmsThread, firmware: str) -> None:
    pressed = False
    machine.wires.inputs = {MIRROR: lambda levels: not levels >> COIL & 1, STOP: lambda levels: pressed}
    machine.start()
    uptime_s, _ = machine.wait_for("booted", limit_s=600)
    print(f"\nkernel start to BootNotification accepted: {uptime_s:.1f} s (QEMU, arm64, Cortex-A53, systemd)")
    (unit,) = machine.wait_for("unit")
    assert (unit["Type"], unit["ActiveState"], unit["SubState"]) == ("notify", "active", "running")
    assert unit["User"] == "evse" and unit["WatchdogUSec"] == "20s" and unit["StatusText"]
    for word in ("analyze", "blame", "exposure"):
        print(*machine.wait_for(word))
    assert float(machine.told("exposure")[0][0].split()[-3]) <= 1.5

    (transaction,) = machine.wait_for("charges")
    assert machine.wires.high(COIL) and not machine.wires.high(MIRROR)
    pressed, pressed_at = True, time.monotonic()
    machine.wait(lambda: not machine.wires.high(COIL), "the contactor opens", 30)
    print(f"emergency stop to the contactor's coil off: {time.monotonic() - pressed_at:.2f} s")
    csms.expect("TransactionEvent", lambda said: ended(said, transaction) == "EmergencyStop", limit_s=30)
    pressed = False

    (hung,) = machine.wait_for("session")
    machine.wait_for("stopped")
    assert (machine.wires.high(COIL), machine.wires.high(LIGHT)) == (True, True)
    stopped = time.monotonic()
    machine.wait(lambda: not machine.wires.high(COIL), "the contactor opens", 120)
    print(f"SIGSTOP while charging to the contactor's coil off: {time.monotonic() - stopped:.0f} s")
    assert machine.told("started") == [], "outputs-off opened it, before the station was started again"
    machine.wait_for("started")
    assert not machine.wires.high(LIGHT)
    killed_s, accepted_s, after, reason = machine.wait_for("bitten")
    print(f"to the process's end: {killed_s:.0f} s, to BootNotification accepted: {accepted_s:.0f} s", reason)
    assert after["NRestarts"] == "1" and any("watchdog" in line for line in reason)
    csms.expect("TransactionEvent", lambda said: ended(said, hung) == "PowerLoss", limit_s=30)

    for kind, status, why, boot in (
        ("Immediate", "Accepted", "ImmediateReset", "RemoteReset"),
        ("OnIdle", "Scheduled", "EVDisconnected", "ScheduledReset"),
    ):
        machine.wait(lambda kind=kind: kind in [row[0] for row in machine.told("charging")], kind, 240)
        _, transaction = machine.told("charging")[-1]
        assert machine.wires.high(COIL)
        assert csms.call(IDENTITY, "Reset", {"type": kind})["status"] == status
        csms.expect("TransactionEvent", lambda said, id=transaction, why=why: ended(said, id) == why, limit_s=120)
        csms.expect("BootNotification", lambda said, boot=boot: said["reason"] == boot, limit_s=120)
        machine.wait(lambda kind=kind: kind in [row[0] for row in machine.told("reset")], f"reset {kind}", 120)
        assert not machine.wires.high(COIL)
    assert machine.told("still") == [[True, "Charging"]]

    machine.wait_for("update")
    request = {"requestId": 7, "firmware": {"location": firmware, "retrieveDateTime": "2024-01-01T00:00:00Z"}}
    assert csms.call(IDENTITY, "UpdateFirmware", request)["status"] == "Accepted"
    csms.expect("FirmwareStatusNotification", lambda said: said["status"] == "InstallRebooting", limit_s=120)
    machine.ended()
    assert "reboot: Restarting system" in machine.console()
    machine.start()
    again_s, after_update = machine.wait_for("booted", limit_s=600)
    assert after_update
    print(f"after the reboot that the update asked for: {again_s:.1f} s")
    started = csms.expect("BootNotification", lambda said: said["reason"] == "FirmwareUpdate", limit_s=30)
    assert started.payload["chargingStation"]["firmwareVersion"] == "2.0"
    csms.expect("FirmwareStatusNotification", lambda said: said["status"] == "Installed", limit_s=120)
    assert csms.now.ledger.conflicts == [] and csms.now.errors == []
    assert all(session.complete for session in csms.now.ledger.of(IDENTITY))


def ended(said: dict[str, object], transaction: str) -> str | None:
    """Why this transaction ended, if that is what is said."""
    info = said["transactionInfo"]
    assert isinstance(info, dict)
    if said["eventType"] != "Ended" or info["transactionId"] != transaction:
        return None
    return str(info.get("stoppedReason", "Local"))
