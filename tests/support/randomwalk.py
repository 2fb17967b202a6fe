"""Random walks over the whole station in 2.x: people, CSMS and outages in any order, and what must hold all the while.

    walk(seed=7, outages=True, steps=80)      fails with the seed and the last steps

A walk makes a station and its settings out of the seed, does `steps` things, then repairs everything, lets everybody
go, and closes the books of the CSMS (tests/support/csmsbooks.py). Nothing is expected of a single step but that it is
survived: what a step should do is told by the tests that are named after it. Of reservations only what they block is
judged (a status, a connector that stays Reserved), not whom they are for.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

from evse.clock import timestamp
from tests.support.csmsbooks import Books
from tests.support.requests201 import ASKED, USERS, answer_of
from tests.support.wholestation import WholeStation, board

POINTS = ("EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer", "ParkingBayOccupancy")
FAULTS = ("GroundFailure", "EmergencyStop", "ConnectorLockFailure", "OverCurrentFailure")
# A restart is an outage.
COMMANDS = tuple(name for name in ASKED if name != "reset")
TRAITS = ("greedy", "stubborn", "diode", "short")
# What may be on its way: an actuator that moves, a command between the two sides of the station.
ON_ITS_WAY_S = 1.0
SHOWN = 30  # steps
LINE = 400  # characters of a line that is shown
# Errors in the log that outages provoke: the CSMS refused the same event again and again.
PROVOKED = ("the CSMS never took", "an event is given up after its last attempt")


def walk(seed: int, *, outages: bool, steps: int = 80) -> None:
    """Raises AssertionError with what is wrong, and how it came to it."""
    walker = Walk(seed, outages)
    try:
        for _ in range(steps):
            walker.step()
        walker.end()
    except Exception as error:
        shown = [walker.made, *(line for step in walker.trail for line in step)]
        kind = "with" if outages else "without"
        what = f"seed {seed} {kind} outages: {type(error).__name__} {error}"
        raise AssertionError("\n".join((what, *shown))) from error


class Walk:
    """One station, what is done to it, and what its CSMS was told.

    `made` says which station it is; `trail` has the last steps, a list of lines each.
    """

    def __init__(self, seed: int, outages: bool) -> None:
        random = self.random = Random(f"{seed} {outages}")
        self.outages = False  # not before everything is set
        self.connected = False
        self.trail: deque[list[str]] = deque([["start"]], SHOWN)
        self.requests = 0
        self.evses = random.choice((1, 2, 3))
        self.socket, self.parking, self.silent_meters = self.coin(), self.coin(0.4), self.coin(0.15)
        version = random.choice(("2.0.1", "2.1"))
        contactor = {"delay_s": random.choice((0.0, 0.2))}
        station = {"power_loss": random.choice(("end", "resume"))}
        self.books = Books(version)
        self.station = WholeStation(
            board(self.evses, self.socket, self.parking, contactor=contactor),
            version=version,
            station=station,
            boot=False,
        )
        bays = f"socket={self.socket}, parking={self.parking}"
        self.made = f"{version}, {self.evses} EVSEs, {bays}, {contactor}, {station}"
        self.connect()
        self._set_variables()
        self.outages = outages

    def _set_variables(self) -> None:
        random = self.random
        start, stop = (random.sample(POINTS, random.randint(1, 3)) for _ in range(2))
        if not self.parking:
            start = [point for point in start if point != "ParkingBayOccupancy"] or ["PowerPathClosed"]
            stop = [point for point in stop if point != "ParkingBayOccupancy"] or ["Authorized"]
        variables = {
            "TxCtrlr.TxStartPoint": ",".join(start),
            "TxCtrlr.TxStopPoint": ",".join(stop),
            "TxCtrlr.EVConnectionTimeOut": "60",
            "TxCtrlr.MaxEnergyOnInvalidId": random.choice(("0", "500")),
            "SampledDataCtrlr.TxUpdatedInterval": random.choice(("0", "30")),
            "AuthCtrlr.MasterPassGroupId": "MP",
            "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
        }
        for name in (
            "TxCtrlr.StopTxOnInvalidId",
            "TxCtrlr.StopTxOnEVSideDisconnect",
            "AuthCtrlr.AuthorizeRemoteStart",
            "AuthCtrlr.LocalPreAuthorize",
            "OCPPCommCtrlr.UnlockOnEVSideDisconnect",
        ):
            variables[name] = random.choice(("true", "false"))
        self.made += f", {variables}"
        for name, value in variables.items():
            component, variable = name.split(".")
            data = {"component": {"name": component}, "variable": {"name": variable}, "attributeValue": value}
            self.ask("SetVariables", setVariableData=[data])

    def coin(self, chance: float = 0.5) -> bool:
        return self.random.random() < chance

    def note(self, *words: object) -> None:
        self.trail[-1].append(("    " + " ".join(map(str, words)))[:LINE])

    # -- steps ---------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Anything that may happen now, and what must hold afterwards."""
        evse = self.random.randint(1, self.evses)
        name = self.random.choice(self._possible(evse))
        self.trail.append([f"{self.station.loop.now:.1f} {name} at EVSE {evse}"])
        if name in ASKED:
            self.requests += 1
            action, payload = ASKED[name](self, evse)
            self.ask(action, **payload)
        else:
            getattr(self, "_" + name)(evse)
        if not self.outages or self.coin(0.85):
            self.hear()
        self.obey()
        self.check()

    def _possible(self, evse: int) -> list[str]:
        """Names of steps, the more often the likelier."""
        steps = ["tap"] * 4 + ["wait"] * 3 + ["fault", "clear", "limit"]
        if self.station.sim.outlet(evse).vehicle.plugged:
            steps += ["unplug"] * 2 + ["suspend", "resume"] + ["misbehave"] * self.coin(0.5)
        else:
            steps += ["plug"] * 3
        steps += ["park", "leave"] * self.parking + ["silence"] * self.silent_meters + ["jam", "unjam"] * self.socket
        if self.connected:
            steps += [*COMMANDS, "start", "start", "stop", "avail", "reserve", "profile"]
        if self.outages:
            steps += ["outage", "outage", "power"] + ["reset"] * 2 * self.connected
        return steps

    def _tap(self, evse: int) -> None:
        card = "MASTER" if self.coin(0.04) else self.random.choice(USERS)
        evses = () if self.coin(0.4) else (evse,)
        self.note(card, *evses)
        self.station.tap(card, *evses)

    def _wait(self, evse: int) -> None:
        self.wait(self.random.choice((2, 20, 70)))

    def _fault(self, evse: int) -> None:
        code = self.random.choice(FAULTS)
        self.note(code)
        self.station.do("fault", evse, code)

    def _clear(self, evse: int) -> None:
        for code in (*FAULTS, "MeterSilent"):
            self.station.do("clear", evse, code)

    def _silence(self, evse: int) -> None:
        self.station.do(self.random.choice(("fault", "clear")), evse, "MeterSilent")

    def _limit(self, evse: int) -> None:
        self.station.controllers[evse].limit("test", self.random.choice((None, None, 0.0, 10.0)))
        self.station.advance(0)

    def _plug(self, evse: int) -> None:
        self.station.plug(evse)

    def _unplug(self, evse: int) -> None:
        self.station.unplug(evse)

    def _suspend(self, evse: int) -> None:
        self.station.do("suspend", evse)

    def _resume(self, evse: int) -> None:
        self.station.do("resume", evse)

    def _misbehave(self, evse: int) -> None:
        trait, active = self.random.choice(TRAITS), self.coin(0.7)
        self.note(trait, active)
        self.station.do("misbehave", evse, trait, active)

    def _park(self, evse: int) -> None:
        self.station.do("park", evse)

    def _leave(self, evse: int) -> None:
        self.station.do("leave", evse)

    def _jam(self, evse: int) -> None:
        self.station.do("lock", evse, False)

    def _unjam(self, evse: int) -> None:
        self.station.do("lock", evse, True)

    def _outage(self, evse: int) -> None:
        (self.disconnect if self.connected else self.connect)()

    def _power(self, evse: int) -> None:
        self.power(self.random.choice((1, 100)))

    # -- the line ------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        self.connected = True
        self.station.connect()
        self.hear()

    def disconnect(self) -> None:
        self.connected = False
        self.station.drop()

    def power(self, seconds: float) -> None:
        """The power goes for a while."""
        self.connected = False
        self.station.effects.clear()
        self.station.power_cut()
        self.station.advance(seconds)
        self.station.power_up()

    def obey(self) -> None:
        """What the station asks its surroundings to do."""
        if self._rebooting():
            self.note("reboot")
            self.power(1)
        elif any(effect[0] == "reconnect" for effect in self.station.effects):
            self.note("reconnect")
            self.station.effects.clear()
            if self.connected:
                self.disconnect()
                self.connect()

    def _rebooting(self) -> bool:
        return any(effect[0] == "reboot" for effect in self.station.effects)

    def ask(self, action: str, **payload: Any) -> None:
        """A CALL of the CSMS, if it is connected; it must be answered within 40 s unless the connection goes."""
        station = self.station
        if not self.connected:
            return
        self.note("CSMS asks", action, payload)
        station.send(action, **payload)
        self.hear()
        reply = station.reply()
        for _ in range(40):
            if reply is not None or not self.connected or self._rebooting():
                break
            station.advance(1)
            self.hear()
            reply = station.reply()
        if reply is None:
            assert not self.connected or self._rebooting(), f"no answer to {action} {payload}"
            return
        self.note("answer", reply[2:])
        if reply[0] == 3:
            self.books.response(action, reply[2])
        else:
            assert reply[2] != "InternalError", f"{action} {payload}: {reply}"

    def hear(self) -> None:
        """The CSMS books and answers what the station says; with outages it refuses, or the answer is lost."""
        station = self.station
        heard = 0
        while station.calls and self.connected:
            heard += 1
            assert heard <= 400, f"never rests: {station.calls[0][2:]}"
            action = station.calls[0][2]
            said = station.expect(action, answer=None)
            self.note(f"{station.loop.now:.1f}", action, said)
            self.books.request(action, said)
            luck = self.random.random() if self.outages and action != "BootNotification" else 1.0
            if luck < 0.02:
                self.note("connection lost")
                self.disconnect()
            elif luck < 0.04:
                self.note("refused")
                station.refuse(self.random.choice(("InternalError", "GenericError")))
            elif action == "BootNotification":
                station.answer(station.registration("Accepted", 86_400))
            else:
                station.answer(answer_of(action, said, self.random, timestamp(station._utc())))

    def wait(self, seconds: int) -> None:
        """Time goes by, everything that is said is heard; what was told last must be so."""
        for _ in range(0, seconds, 2):
            self.hear()
            self.station.advance(2)
            self.obey()
            self.check()
        self.hear()
        engine = self.station.engine
        if not (self.connected and engine.online and engine.journal.head() is None and not self.station.calls):
            return
        for id, evse in engine.evses.items():
            true = engine.block("availability").status(evse, 1)
            told = self.books.statuses.get((id, 1))
            assert told == true, f"EVSE {id} is {true}, the CSMS was told {told}"

    # -- what must hold ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Nothing is wrong for longer than it may be on its way."""
        for evse in range(1, self.evses + 1):
            wrong = self._wrong(evse)
            for _ in range(3):
                if not wrong:
                    break
                self.station.advance(ON_ITS_WAY_S)
                wrong &= self._wrong(evse)
            assert not wrong, f"EVSE {evse} in state {self.station.controllers[evse].state}: {', '.join(sorted(wrong))}"

    def _wrong(self, evse: int) -> set[str]:
        station = self.station
        controller, live = station.controllers[evse], station.engine.evses[evse].authorized is not None
        wrong = set()
        if controller.authorized != live and controller.state not in ("ending", "reading"):
            wrong.add("authorized on one side only")
        if station.is_charging(evse):
            if station.engine.block("transactions").current(evse) is None:
                wrong.add("power without a transaction")
            if not (controller.authorized and live):
                wrong.add("power without an authorization")
            if controller.faults.stop():
                wrong.add("power in spite of a fault")
        return wrong

    def end(self) -> None:
        """Everything is repaired, everybody leaves: the books must be closed and right."""
        self.trail.append(["end"])
        self.outages = False
        evses = range(1, self.evses + 1)
        for evse in evses:
            self._clear(evse)
            if self.socket:
                self._unjam(evse)
        for evse in evses:
            self.station.unplug(evse)
            if self.parking:
                self._leave(evse)
            self.hear()
        for _ in range(6):  # what was refused is said again minutes later, and a reset waits until nothing is going on
            if not self.connected:
                self.connect()
            self._release(evses)
            self.wait(200)
        if not self.connected:
            self.connect()
        self._check_books()

    def _release(self, evses: range) -> None:
        """The CSMS takes back and stops whatever it knows of."""
        operative = {"operationalStatus": "Operative"}
        requests: list[tuple[str, dict[str, Any]]] = []
        requests += [("RequestStopTransaction", {"transactionId": id}) for id in self.books.open()]
        requests += [("CancelReservation", {"reservationId": id}) for id in range(1, 5)]
        requests += [("ChangeAvailability", operative)]
        for evse in evses:
            requests += [
                ("ChangeAvailability", {**operative, "evse": {"id": evse}}),
                ("ChangeAvailability", {**operative, "evse": {"id": evse, "connectorId": 1}}),
                ("UnlockConnector", {"evseId": evse, "connectorId": 1}),
            ]
        for action, payload in requests:
            self.ask(action, **payload)
            self.obey()

    def _check_books(self) -> None:
        assert not self.books.open(), f"never ended: {self.books.open()}"
        for evse in range(1, self.evses + 1):
            register_wh = self.station.sim.outlet(evse).meter.register_wh
            told_wh, transactions = self.books.told_wh(evse)
            off_wh = abs(told_wh - register_wh)
            assert off_wh <= 1 + transactions, f"EVSE {evse}: {told_wh} of {register_wh} Wh in {transactions} sessions"
            assert self.books.statuses.get((evse, 1)) == "Available", f"{evse}: {self.books.statuses}"
        errors = [text for text in self.station.log.texts("error") if not text.startswith(PROVOKED)]
        assert not errors, f"logged: {errors[:3]}"
