"""Whatever can happen to a station of two EVSEs happens in random order, thousands of times; it stays safe and honest.

After every step: contactor closed implies a live authorization and no fault, every message passes the schema, nothing
raised, the station comes to rest. At the end the vehicles go away, faults clear and the CSMS listens: every transaction
that it saw begin has ended, every status that it was told is true. EVSE_LONG=1 runs longer.

A failure names its seed: `Soak(seed, version).run(steps)` repeats it, `trail` is what happened.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from hal.interfaces import FAULTS
from hal.simulated.vehicle import TRAITS
from tests.support.bench import versions
from tests.support.modelcsms import DEAF, IDENTITY, SILENCE
from tests.support.plant import Plant

LONG = bool(os.environ.get("EVSE_LONG"))
SEEDS = range(40 if LONG else 4)
STEPS = 3000 if LONG else 600
EVSES = (1, 2)
TOKENS = ("CARD-A", "CARD-B", "GROUP-1", "GROUP-2", "BLOCKED", "é" * 20, "x")
STATES = {"CARD-A": "Accepted", "CARD-B": "Accepted", "BLOCKED": "Blocked", "x": "Invalid"}
POINTS = ("EVConnected", "Authorized", "PowerPathClosed", "EVConnected,Authorized", "EnergyTransfer")
# What the CSMS changes in the station: component, variable, values.
CHANGES = (
    ("TxCtrlr", "TxStartPoint", POINTS),
    ("TxCtrlr", "TxStopPoint", POINTS),
    ("TxCtrlr", "EVConnectionTimeOut", ("0", "5", "60", "-1", "x")),
    ("TxCtrlr", "StopTxOnEVSideDisconnect", ("true", "false")),
    ("TxCtrlr", "StopTxOnInvalidId", ("true", "false")),
    ("TxCtrlr", "MaxEnergyOnInvalidId", ("0", "50")),
    ("TxCtrlr", "TxBeforeAcceptedEnabled", ("true", "false")),
    ("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", ("true", "false")),
    ("AuthCtrlr", "LocalPreAuthorize", ("true", "false")),
    ("AuthCtrlr", "LocalAuthorizeOffline", ("true", "false")),
    ("AuthCtrlr", "OfflineTxForUnknownIdEnabled", ("true", "false")),
    ("AuthCtrlr", "AuthorizeRemoteStart", ("true", "false")),
    ("AuthCacheCtrlr", "Enabled", ("true", "false")),
    ("SampledDataCtrlr", "TxUpdatedInterval", ("0", "3", "60", "86400")),
    ("SampledDataCtrlr", "TxUpdatedMeasurands", ("Energy.Active.Import.Register,Voltage", "", "SoC", "Rubbish")),
    ("SampledDataCtrlr", "TxEndedInterval", ("0", "5")),
    ("AlignedDataCtrlr", "Interval", ("0", "7", "900")),
    ("AlignedDataCtrlr", "SendDuringIdle", ("true", "false")),
    ("OCPPCommCtrlr", "HeartbeatInterval", ("5", "300", "0")),
)  # fmt: skip
KEYS16 = {
    "ConnectionTimeOut": ("0", "5", "60"),
    "StopTransactionOnEVSideDisconnect": ("true", "false"),
    "StopTransactionOnInvalidId": ("true", "false"),
    "UnlockConnectorOnEVSideDisconnect": ("true", "false"),
    "LocalPreAuthorize": ("true", "false"),
    "AllowOfflineTxForUnknownId": ("true", "false"),
    "AuthorizeRemoteTxRequests": ("true", "false"),
    "MeterValueSampleInterval": ("0", "3", "60"),
    "MeterValuesSampledData": ("Energy.Active.Import.Register,Power.Active.Import.L1", "Voltage", "Rubbish"),
    "ClockAlignedDataInterval": ("0", "7"),
    "MinimumStatusDuration": ("0", "2"),
    "HeartbeatInterval": ("5", "0"),
}
TRIGGERS = (
    "BootNotification",
    "Heartbeat",
    "StatusNotification",
    "MeterValues",
    "TransactionEvent",
    "FirmwareStatusNotification",
)


OCCUPIED16 = ("Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing")


class Soak:
    """One station's life; see the module."""

    def __init__(self, seed: int, version: str) -> None:
        self.random = Random(f"{seed} {version}")
        self.versions = [version, *(["1.6", "2.0.1", "2.1"] if seed % 2 else [])]
        # The clock may be lost: an event of that time that is told again after a restart bears another time stamp.
        self.timeless = seed % 4 == 2 and version != "1.6"
        self.trail: list[str] = []
        pick = self.random.choice
        self.plant = Plant(
            version=version,
            board="simulated-ac-2",
            power_loss=pick(["end", "resume"]),
            variables={
                "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": "1000",
                "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "1",
                "SampledDataCtrlr.TxUpdatedInterval": "10",
                "SecurityCtrlr.BasicAuthPassword": "0123456789abcdef",
            },
        )
        self.plant.csms.tokens.update(STATES)
        self.plant.start()
        self.plant.connect()
        self.plant.advance(3)

    def run(self, steps: int = STEPS) -> None:
        try:
            for _ in range(steps):
                self.step()
            self.rest()
        except Exception as error:
            last = "\n  ".join(self.trail[-25:])
            raise AssertionError(f"{error}\nafter {len(self.trail)} steps, the last:\n  {last}") from error

    def step(self) -> None:
        name = self.random.choice(self.VERBS)
        self.trail.append(name)
        getattr(self, name)()
        plant = self.plant
        plant.runner.pump()
        plant.advance(self.random.choice([0, 0, 0.01, 0.06, 0.11, 0.3, 1, 4, 15, 70]))
        if plant.reboot is not None:
            self.trail.append(f"restart: {plant.reboot}")
            self.plant = plant.restart()
            self.plant.connect()
        self.hear_csms()
        del self.plant.log.lines[:]

    def hear_csms(self) -> None:
        csms = self.plant.csms
        wrong = csms.errors if self.timeless else csms.verdict()
        assert not wrong, wrong

    VERBS = (
        "plug plug plug plug unplug unplug tap tap tap tap tap suspend resume fault clear clear misbehave meter lock "
        "emergency power glitch remote_start remote_start remote_stop remote_stop unlock availability trigger variable "
        "variable reset drop connect connect connect mood mood cheer token clock cut nonsense"
    ).split()

    def note(self, *words: Any) -> None:
        self.trail[-1] += " " + " ".join(map(str, words))

    def evse(self) -> int:
        return self.random.choice(EVSES)

    def ask(self, action: str, payload: dict[str, Any]) -> None:
        self.note(action, payload)
        answer = self.plant.ask(action, payload) if self.plant.up else None
        if answer is not None:
            self.note("->", answer[2:])
            assert answer[0] == 3 or answer[2] != "InternalError", answer

    # -- people and vehicles

    def plug(self) -> None:
        evse = self.evse()
        if not self.plant.sim.outlet(evse).vehicle.plugged:
            cable_a = self.random.choice([None, 13, 32]) if evse == 2 else None
            self.note(evse, cable_a)
            self.plant.sim.plug(
                evse, phases=self.random.choice([1, 3]), current=self.random.choice([0, 6, 16]), cable_a=cable_a
            )

    def unplug(self) -> None:
        evse = self.evse()
        if all(not lock.locked for lock in self.plant.sim.outlet(evse).locks) or self.random.random() < 0.2:
            self.note(evse)
            self.plant.sim.unplug(evse)

    def tap(self) -> None:
        token = self.random.choice(TOKENS)
        evses = self.random.choice([None, [1], [2]])
        self.note(token, evses)
        self.plant.sim.swipe(token, evses=evses)

    def suspend(self) -> None:
        self._vehicle("suspend")

    def resume(self) -> None:
        self._vehicle("resume")

    def misbehave(self) -> None:
        self._vehicle("misbehave", self.random.choice(TRAITS), self.random.choice([True, False, False]))

    def _vehicle(self, verb: str, *values: Any) -> None:
        evse = self.evse()
        if self.plant.sim.outlet(evse).vehicle.plugged:
            self.note(evse, *values)
            getattr(self.plant.sim, verb)(evse, *values)

    # -- hardware

    def fault(self) -> None:
        evse, code = self.evse(), self.random.choice(FAULTS)
        self.note(evse, code)
        self.plant.sim.fault(evse, code)

    def clear(self) -> None:
        for evse in EVSES:
            for code in sorted({*self.plant.evses[evse].faults, *self.plant.controllers[evse].faults.present}):
                self.plant.sim.clear(evse, code)

    def meter(self) -> None:
        evse, register_wh = self.evse(), self.random.choice([0, 10, 99_999.9])
        self.note(evse, register_wh)
        self.plant.sim.meter(evse, register_wh)

    def lock(self) -> None:
        self.plant.sim.lock(2, self.random.choice([True, True, False]))

    def emergency(self) -> None:
        self.plant.sim.emergency_stop(self.random.choice([True, False]))

    def power(self) -> None:
        event = self.random.choice(["loss", "restore", "restore"])
        self.note(event)
        self.plant.sim.power(event)

    def glitch(self) -> None:
        outlet = self.plant.sim.outlet(self.evse())
        outlet.pilot.report("pilot", self.random.choice(["E", "F", None, outlet.vehicle.letter]))

    # -- the CSMS

    def remote_start(self) -> None:
        token, evse = self.random.choice(TOKENS), self.random.choice([None, 1, 1, 2, 2, 3])
        if self.plant.version == "1.6":
            payload: dict[str, Any] = {"idTag": token, **({} if evse is None else {"connectorId": evse})}
            self.ask("RemoteStartTransaction", payload)
            return
        payload = {"idToken": {"idToken": token, "type": "Central"}, "remoteStartId": self.random.randrange(1000)}
        self.ask("RequestStartTransaction", payload if evse is None else {**payload, "evseId": evse})

    def remote_stop(self) -> None:
        known = [book.transaction_id for book in self.plant.csms.ledger.of(IDENTITY)[-3:]]
        id = self.random.choice([*known, "12345"])
        if self.plant.version == "1.6":
            self.ask("RemoteStopTransaction", {"transactionId": int(id) if id.isdecimal() else -1})
        else:
            self.ask("RequestStopTransaction", {"transactionId": id})

    def unlock(self) -> None:
        if self.plant.version == "1.6":
            self.ask("UnlockConnector", {"connectorId": self.random.choice([1, 2, 3])})
        else:
            self.ask("UnlockConnector", {"evseId": self.random.choice([1, 2, 3]), "connectorId": 1})

    def availability(self) -> None:
        operative = self.random.random() < 0.6
        if self.plant.version == "1.6":
            kind = "Operative" if operative else "Inoperative"
            self.ask("ChangeAvailability", {"connectorId": self.random.choice([0, 1, 2, 3]), "type": kind})
            return
        where = self.random.choice(
            [{}, {"evse": {"id": 1}}, {"evse": {"id": 2, "connectorId": 1}}, {"evse": {"id": 9}}]
        )
        self.ask("ChangeAvailability", {"operationalStatus": "Operative" if operative else "Inoperative", **where})

    def trigger(self) -> None:
        word, evse = self.random.choice(TRIGGERS), self.random.choice([None, 1, 2, 7])
        if self.plant.version == "1.6":
            if word != "TransactionEvent":
                self.ask(
                    "TriggerMessage", {"requestedMessage": word, **({} if evse is None else {"connectorId": evse})}
                )
            return
        where = {} if evse is None else {"evse": {"id": evse, **({"connectorId": 1} if word[0] == "S" else {})}}
        self.ask("TriggerMessage", {"requestedMessage": word, **where})

    def variable(self) -> None:
        if self.plant.version == "1.6":
            key = self.random.choice(list(KEYS16))
            self.ask("ChangeConfiguration", {"key": key, "value": self.random.choice(KEYS16[key])})
            return
        component, variable, values = self.random.choice(CHANGES)
        item = {"component": {"name": component}, "variable": {"name": variable}}
        self.ask("SetVariables", {"setVariableData": [{**item, "attributeValue": self.random.choice(values)}]})

    def reset(self) -> None:
        if self.random.random() < 0.5:
            return
        if self.plant.version == "1.6":
            self.ask("Reset", {"type": self.random.choice(["Soft", "Hard"])})
        else:
            where = self.random.choice([{}, {"evseId": 1}, {"evseId": 2}, {"evseId": 5}])
            self.ask("Reset", {"type": self.random.choice(["Immediate", "OnIdle"]), **where})

    def nonsense(self) -> None:
        self.plant.downlink(self.plant.link, self.random.choice(["[", '[3,"x",{}]', '[2,"a","Reset",{}]', "null"]))

    def drop(self) -> None:
        self.plant.drop()

    def connect(self) -> None:
        if not self.plant.up:
            self.plant.connect(self.random.choice(self.versions))
            self.note(self.plant.version)

    def mood(self) -> None:
        share = self.random.choice([0.05, 0.3, 1.0])
        kind = self.random.choice([SILENCE, DEAF, "InternalError", "GenericError"])
        self.note(share, kind)
        random = self.random
        self.plant.csms.mood = lambda action, payload: kind if random.random() < share else None
        self.plant.csms.registration = random.choice(["Accepted", "Accepted", "Pending", "Rejected"])

    def cheer(self) -> None:
        self.plant.csms.mood = lambda action, payload: None
        self.plant.csms.registration = "Accepted"

    def token(self) -> None:
        token = self.random.choice(TOKENS)
        self.plant.csms.tokens[token] = self.random.choice(["Accepted", "Blocked", "Expired", "ConcurrentTx"])

    # -- time and power

    def clock(self) -> None:
        """Somebody sets the machine's clock."""
        unset = [-self.plant.utc()] if self.timeless else []
        self.plant.skew_s = self.random.choice([0.0, 0.0, 3600.0, -3600.0, 86_400.0 * 400, *unset])
        self.note(self.plant.skew_s)

    def cut(self) -> None:
        if self.random.random() < 0.3:
            mode, disk = self.random.choice(list(self.plant.fs.cut()))
            self.note(mode)
            self.plant = self.plant.after_cut(disk, self.plant.csms)
            if self.random.random() < 0.8:
                self.plant.connect(self.random.choice(self.versions))

    # -- the end

    def rest(self) -> None:
        """All is well again, everybody leaves."""
        self.trail.append("rest")
        self.cheer()
        plant = self.plant
        plant.csms.tokens.clear()
        plant.sim.power("restore")
        plant.sim.emergency_stop(False)
        plant.sim.lock(2, True)
        for evse in EVSES:
            plant.sim.unplug(evse)
            plant.sim.outlet(evse).pilot.report("pilot", "A")
            for code in FAULTS:
                plant.sim.clear(evse, code)
        plant.advance(5)
        for _ in range(2):  # also those that a late answer of the CSMS authorizes
            self.send_off(plant)
            plant.advance(30)
        plant.drop()
        plant.connect()
        plant.advance(700)
        if plant.reboot is not None:
            plant = self.plant = plant.restart()
            plant.connect()
            plant.advance(300)
        plant.drain()
        plant.advance(5)
        self.judge(plant)

    def send_off(self, plant: Plant) -> None:
        """What neither a vehicle that goes nor a time-out ends, goes on until somebody stops it."""
        for evse in plant.evses.values():
            if evse.authorized is not None:
                plant.runner.tell(plant.engine.block("authorization").release, evse, "Local", "StopAuthorized")

    def judge(self, plant: Plant) -> None:
        self.hear_csms()
        transactions = plant.engine.block("transactions")
        for evse in EVSES:
            assert transactions.current(evse) is None, f"EVSE {evse}: a transaction stays open"
            assert plant.controllers[evse].state == "idle", (evse, plant.controllers[evse].state)
            assert plant.evses[evse].authorized is None, f"EVSE {evse}: an authorization stays"
            assert not plant.sim.outlet(evse).contactor.closed
        begun = plant.begun()
        for id in begun:
            books = plant.books_of(id)
            if len(self.versions) > 1 and all(book.id_token is None for book in books):
                continue  # never authorized: 1.6 has no word for its end
            # 1.6 may have been told of a later authorization of it as its start.
            ended = [book.stopped_at for book in books] + [
                book.stopped_at
                for book in plant.csms.ledger.of(IDENTITY)
                if len(self.versions) > 1 and book.version == "1.6" and book.evse_id == begun[id][0]
            ]
            assert any(ended), f"{id} {begun[id]} never ended: {books}"
            if len(self.versions) == 1 and self.versions != ["1.6"]:
                assert all(book.complete for book in books), (id, [sorted(map(str, book.events)) for book in books])
        self.compare_statuses(plant)

    def compare_statuses(self, plant: Plant) -> None:
        """What the CSMS was told last is what holds."""
        availability = plant.engine.block("availability")
        for evse in EVSES:
            told, status = plant.csms.statuses[plant.version, evse, 1], availability.status(plant.evses[evse], 1)
            told = "Occupied" if told in OCCUPIED16 else told
            assert told == status, f"EVSE {evse} is {status}, the CSMS was told {told}"


@versions
@pytest.mark.parametrize("seed", SEEDS)
def test_a_station_that_everything_happens_to_stays_safe_and_honest(version: str, seed: int) -> None:
    Soak(seed, version).run()
