"""OCPP 1.6: whatever happens in whatever order, statuses follow the table of §4.9 and tell the truth, each request is
answered, and transactions add up.

Days of random events at one or two connectors; the CSMS answers at once, refuses a card now and then.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.support.wholestation import REFUSED, WholeStation, board

# Status transitions that 1.6 §4.9 allows, and two that it forgets: ChangeAvailability with a cable plugged in takes
# effect at once, in both directions. [1.6 §5.2]
TRANSITIONS = {
    "Available": "Preparing Charging SuspendedEV SuspendedEVSE Reserved Unavailable Faulted",
    "Preparing": "Available Charging SuspendedEV SuspendedEVSE Finishing Unavailable Faulted",
    "Charging": "Available SuspendedEV SuspendedEVSE Finishing Unavailable Faulted",
    "SuspendedEV": "Available Charging SuspendedEVSE Finishing Unavailable Faulted",
    "SuspendedEVSE": "Available Charging SuspendedEV Finishing Unavailable Faulted",
    "Finishing": "Available Preparing Unavailable Faulted",
    "Unavailable": "Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Faulted",
    "Faulted": "Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Unavailable",
}
IN_TRANSACTION = ("Charging", "SuspendedEV", "SuspendedEVSE")
CARDS = ("ONE", "TWO", "THREE")
FAULTS = ("GroundFailure", "EmergencyStop")


class Day:
    """A station, what is done to it, and the books of its CSMS."""

    def __init__(self, seed: int, outages: bool) -> None:
        self.random = Random(seed)
        self.outages = outages
        self.trail: list[Any] = []
        self.status: dict[int, str] = {}
        self.sessions: dict[int, dict[str, int]] = {}
        self.connected = True
        socket = self.coin()
        self.evses = self.random.choice((1, 2))
        contactor = {"delay_s": self.random.choice((0.0, 0.2))}
        description = {"power_loss": self.random.choice(("end", "resume"))}
        self.station = WholeStation(board(self.evses, socket, contactor=contactor), station=description)
        self.station.configure(
            MeterValueSampleInterval=self.random.choice((0, 30)),
            AllowOfflineTxForUnknownId=True,
            StopTransactionOnEVSideDisconnect=self.coin(),
            StopTransactionOnInvalidId=self.coin(),
            AuthorizeRemoteTxRequests=self.coin(),
        )

    def coin(self) -> bool:
        return self.random.random() < 0.5

    def step(self) -> None:
        station, random = self.station, self.random
        evse = random.randint(1, self.evses)
        plugged = station.sim.outlet(evse).vehicle.plugged
        steps = ["tap", "tap", "tap", "wait", "wait", "fault", "clear", "limit"]
        steps += ["unplug", "suspend", "resume"] if plugged else ["plug", "plug"]
        if self.connected:
            steps += ["RemoteStartTransaction", "RemoteStopTransaction", "UnlockConnector", "ChangeAvailability"]
        if self.outages:
            steps += ["outage", "outage", "power"] + (["Reset"] if self.connected else [])
        step = random.choice(steps)
        self.trail.append((step, evse))
        if step == "tap":
            station.tap(random.choice(CARDS), *(() if self.coin() else (evse,)))
        elif step == "wait":
            self.wait(random.choice((2, 70)))
        elif step == "fault":
            station.do("fault", evse, random.choice(FAULTS))
        elif step == "clear":
            self.clear(evse)
        elif step == "limit":
            station.controllers[evse].limit("test", random.choice((None, None, 0.0, 10.0)))
            station.advance(0)
        elif step in ("plug", "unplug"):
            getattr(station, step)(evse)
        elif step in ("suspend", "resume"):
            station.do(step, evse)
        elif step == "outage":
            self.connected = not self.connected
            (station.connect if self.connected else station.drop)()
        elif step == "power":
            self.power(random.choice((1, 100)))
        else:
            station.send(step, **self.request(step, evse))
        if not self.outages or random.random() < 0.8:
            self.take()

    def request(self, action: str, evse: int) -> dict[str, Any]:
        if action == "RemoteStartTransaction":
            return {"idTag": self.random.choice(CARDS), "connectorId": evse}
        if action == "RemoteStopTransaction":
            return {"transactionId": self.station.transaction_id}
        if action == "ChangeAvailability":
            kind = "Inoperative" if self.random.random() < 0.3 else "Operative"
            return {"connectorId": evse, "type": kind}
        return {"type": self.random.choice(("Soft", "Hard"))} if action == "Reset" else {"connectorId": evse}

    def power(self, seconds: float) -> None:
        self.station.effects.clear()
        self.station.power_cut()
        self.station.advance(seconds)
        self.station.power_up()
        self.connected = False

    def clear(self, evse: int) -> None:
        for code in FAULTS:
            self.station.do("clear", evse, code)

    def wait(self, seconds: int) -> None:
        for _ in range(0, seconds, 5):
            self.take()
            self.station.advance(min(seconds, 5))
            if any(effect[0] == "reboot" for effect in self.station.effects):
                self.power(1)
        self.take()

    def take(self) -> None:
        """The CSMS answers what the station says, and books it."""
        station = self.station
        while station.calls:
            action = station.calls[0][2]
            answer: dict[str, Any] = {}
            if action == "BootNotification":
                answer = {"answer": station.registration("Accepted", 86_400)}
            elif action == "Authorize" and self.random.random() < 0.1:
                answer = {"answer": REFUSED}
            elif action == "StartTransaction":
                station.transaction_id += 1
                refused = REFUSED if self.random.random() < 0.1 else {"idTagInfo": {"status": "Accepted"}}
                answer = {"answer": {"transactionId": station.transaction_id, **refused}}
            said = station.expect(action, **answer)
            self.trail.append((action, said))
            self.book(action, said)

    def book(self, action: str, said: dict[str, Any]) -> None:
        connector = said.get("connectorId", 0)
        if action == "StartTransaction":
            open = [each for each in self.sessions.values() if each["connector"] == connector and "stop" not in each]
            assert not open, self.trail
            self.sessions[self.station.transaction_id] = {"connector": connector, "start": said["meterStart"]}
        elif action == "StopTransaction":
            session = self.sessions[said["transactionId"]]
            assert "stop" not in session, self.trail
            session["stop"] = said["meterStop"]
        elif action == "MeterValues" and "transactionId" in said:
            assert "stop" not in self.sessions[said["transactionId"]], self.trail
        elif action == "StatusNotification" and connector:
            before, status = self.status.get(connector, "Available"), said["status"]
            if before != status and not self.outages:
                assert status in TRANSITIONS[before].split(), (before, status, self.trail)
            self.status[connector] = status

    def check(self) -> None:
        """Nothing is on its way any more: what the CSMS was told last is so."""
        self.station.advance(4)
        self.take()
        for evse in range(1, self.evses + 1):
            status = self.status.get(evse, "Available")
            outlet = self.station.sim.outlet(evse)
            open = any(each["connector"] == evse and "stop" not in each for each in self.sessions.values())
            assert outlet.contactor.closed == (status == "Charging"), (status, self.trail)
            assert open == (status in IN_TRANSACTION), (status, self.trail)
            assert not (status == "Available" and outlet.vehicle.plugged), self.trail
            kept = any(lock.locked for lock in outlet.locks)
            assert not (status == "Finishing" and not outlet.vehicle.plugged and not kept), self.trail

    def end(self) -> None:
        """Everybody leaves, everything is repaired: the books must be closed and right."""
        station = self.station
        if not self.connected:
            station.connect()
            self.connected = True
        for evse in range(1, self.evses + 1):
            self.clear(evse)
            station.unplug(evse)
            self.take()
            station.send("ChangeAvailability", connectorId=evse, type="Operative")
            station.send("UnlockConnector", connectorId=evse)
        self.wait(70)
        if not self.connected:
            station.connect()
        for id, session in self.sessions.items():
            if "stop" not in session:
                station.send("RemoteStopTransaction", transactionId=id)
                self.wait(20)
        for evse in range(1, self.evses + 1):
            sessions = [session for session in self.sessions.values() if session["connector"] == evse]
            energy_wh = sum(session["stop"] - session["start"] for session in sessions)
            register_wh = station.sim.outlet(evse).meter.register_wh
            assert abs(energy_wh - register_wh) <= len(sessions) + 1, self.trail
            assert self.status.get(evse, "Available") == "Available", self.trail
        assert not station.log.texts("error")


@pytest.mark.parametrize("seed", range(30))
def test_statuses_follow_the_table(seed: int) -> None:
    day = Day(seed, outages=False)
    day.station.replies.clear()
    asked = day.station.asked
    for _ in range(60):
        day.step()
        day.check()
    day.wait(40)
    assert len(day.station.replies) == day.station.asked - asked
    day.end()


@pytest.mark.parametrize("seed", range(20))
def test_transactions_add_up_over_outages_and_power_cuts(seed: int) -> None:
    day = Day(seed, outages=True)
    for _ in range(60):
        day.step()
    day.end()
