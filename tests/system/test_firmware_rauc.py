"""A firmware update of the real process by RAUC: a signed bundle into the other of two slots, and what RAUC refuses.

Needs root, RAUC, loop devices and a D-Bus daemon of its own; skipped with the reason elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.test_updates import Authority, Machine, machine, ok
from tests.support.csms import CsmsThread
from tests.system.test_firmware import STEPS, Rig

__all__ = ["machine"]
FIRMWARE = """
[firmware]
installer = "rauc"
command = ["{directory}/rauc"]
installed_after_s = 0.5
"""


class RaucRig(Rig):
    """The station on that machine; its `rauc` talks to the machine's bus."""

    def __init__(self, machine: Machine, csms: CsmsThread, version: str) -> None:
        directory = machine.directory
        words = " ".join(f"{name}='{machine.environment[name]}'" for name in machine.environment if "DBUS" in name)
        (directory / "rauc").write_text(f'#!/bin/sh\n{words} exec rauc --conf={machine.etc}/system.conf "$@"\n')
        (directory / "rauc").chmod(0o755)
        super().__init__(directory, csms, version, firmware=FIRMWARE.format(directory=directory))

    def expect_any(self, *statuses: str) -> None:
        self.csms.expect(
            "FirmwareStatusNotification",
            lambda said: said["requestId"] == self.id and said["status"] in statuses,
            limit_s=30,
        )


@pytest.mark.slow
@pytest.mark.parametrize("starts", ["B", "A"])
def test_a_bundle_in_the_other_slot(machine: Machine, tmp_path: Path, starts: str) -> None:
    """The new slot starts: Installed. The boot loader goes back to the old one: InstallationFailed."""
    with CsmsThread(versions=["2.0.1"]) as csms:
        rig = RaucRig(machine, csms, "2.0.1")
        try:
            bundle = machine.authority.sign(tmp_path, "1.10.0").read_bytes()
            assert rig.update(bundle) == {"status": "Accepted"}
            assert rig.station.ended(30) == 76
            assert machine.content("B") == b"new system"
            assert (machine.boot / "primary").read_text() == "B\n"
            machine.start_from(starts)
            rig.station.start()
            for _ in range(0 if starts == "B" else 3):  # by the kernel's boot id the machine did not start: once more
                assert rig.station.ended(30) == 76
                rig.station.start()
            rig.expect("Installed" if starts == "B" else "InstallationFailed")
            assert rig.told() == [*STEPS[:-1], "Installed" if starts == "B" else "InstallationFailed"]
        finally:
            rig.close()


@pytest.mark.slow
def test_bundles_that_are_unsigned_of_a_stranger_or_older_are_refused(machine: Machine, tmp_path: Path) -> None:
    """Though the signature that OCPP has is good: what RAUC refuses is not installed, and the station goes on."""
    with CsmsThread(versions=["2.0.1"]) as csms:
        rig = RaucRig(machine, csms, "2.0.1")
        try:
            older = machine.authority.sign(tmp_path, "1.1.9").read_bytes()
            stranger = Authority(tmp_path / "stranger", "stranger").sign(tmp_path, "2.0.0").read_bytes()
            unsigned = tmp_path / "unsigned.raucb"
            ok("mksquashfs", tmp_path / "source-2.0.0", unsigned, "-quiet")
            for image, statuses in (
                (unsigned.read_bytes(), ["InstallVerificationFailed"]),
                (stranger, ["InstallVerificationFailed"]),
                (older, ["InstallVerificationFailed", "InstallationFailed"]),
            ):
                assert rig.update(image) == {"status": "Accepted"}
                rig.expect_any(*statuses)
                assert machine.content("B") == b"empty" and (machine.boot / "primary").read_text() == "A\n"
            assert rig.station.booted()
        finally:
            rig.close()
