"""E. Transactions: when one starts and ends, and every event of it, journaled before anything else happens.

What is journaled and kept of it: `events`; after a power cut: `recovery`. Besides, `transactions:csms` keeps the ids
that a 1.6 CSMS gave, each from the answer to StartTransaction until StopTransaction is delivered.

Register unknown: a start without any meter reading is told without meter values in 2.x, and takes them up with the next
event; 1.6 must say a number: the first reading of the transaction if there is one by the time it is sent, else 0. Then
StopTransaction says what was counted since the first reading, so that the difference is never too much; these
transactions are in `blind`, kept as `transactions:blind` beside the ids.
"""

from __future__ import annotations

from evse.model import Evse
from evse.ocpp.blocks.transactions.events import ENDED, STARTED, UNPLACED, UPDATED, Events
from evse.ocpp.blocks.transactions.points import (
    AUTHORIZATION_LOST,
    CONNECTION_LOST,
    FINAL_REASONS,
    START,
    STOP,
    TRIGGERS,
    holds,
    points,
)
from evse.ocpp.blocks.transactions.recovery import Recovery
from evse.ocpp.blocks.transactions.transaction import Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.model import Token

CSMS_IDS = "transactions:csms"
BLIND = "transactions:blind"
# The charging side answers a stop within about a second; a transaction does not stay open if it never does.
STOP_GUARD_S = 15.0
IDLE_GUARD_S = 3.0


class Block:
    """At most one transaction per EVSE. [E. Introduction]"""

    name = "transactions"

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        self.open: dict[int, Transaction] = {}
        # Occupied parking bays, and EVSEs whose cable has had its signed reading.
        self.bays: set[int] = set()
        self._signed: set[int] = set()
        # EVSE id -> trigger of a start that waits for the lock of the cable.
        self._unlocked: dict[int, str] = {}
        self.csms_ids: dict[str, int] = dict(ctx.journal.state.get(CSMS_IDS) or {})
        self.blind: set[str] = set(ctx.journal.state.get(BLIND) or ())
        self.say = Events(self).say
        self._recovery = Recovery(self)
        if ctx.station.get("free_vending"):
            ctx.block("authorization")  # it answers a plug then

    # -- for other blocks ------------------------------------------------------------------------------------------

    def current(self, evse_id: int) -> Transaction | None:
        """The open transaction of an EVSE."""
        return self.open.get(evse_id)

    def find(self, transaction_id: str | int) -> Transaction | None:
        """The open transaction with this transactionId, of 2.x or as the 1.6 CSMS gave it."""
        for tx in self.open.values():
            csms_id = self.csms_ids.get(tx.id)
            if tx.id == transaction_id or (csms_id is not None and str(csms_id) == str(transaction_id)):
                return tx
        return None

    def stop(self, tx: Transaction, reason: str, trigger: str | None = None, token: Token | None = None) -> None:
        """Ends the authorization of a transaction, and the transaction too if TxStopPoint says so.

        `reason` is a ReasonEnum word, `trigger` a TriggerReasonEnum word (None: what goes with the reason), `token` the
        one that was presented to stop. The Ended event follows when the charging side has stopped. [E07, F03.FR.02-03]
        """
        trigger = trigger or TRIGGERS.get(reason, "AbnormalCondition")
        if tx.evse.id >= UNPLACED:
            self.ctx.block("authorization").withdraw(tx, trigger, reason, token)
            return
        if tx.stop is None:
            if self._ends(tx, reason, trigger):
                self._await_stop(tx, trigger, reason, token)
            else:
                tx.reason = reason
                self.say(tx, UPDATED, trigger, token=token)
        self.ctx.effect("stop", tx.evse.id, reason)

    def begin_unplaced(self, grant: Any) -> Transaction | None:
        """A token was accepted that waits for a cable at one of several EVSEs: a transaction, if one starts by that.

        Its events name no EVSE until it is placed. [E01.FR.03, E01.FR.16]
        """
        if "Authorized" not in self._start_points() or any(evse.id in self.open for evse in grant.evses):
            return None
        evse = Evse(UNPLACED + grant.evses[0].id, [])
        if (interrupted := self.open.get(evse.id)) is not None:
            self._recovery.ends(interrupted)  # of before a power cut, and not told yet
        evse.authorized = grant.token
        tx = self.open[evse.id] = self._made(evse, "Idle")
        self.say(tx, STARTED, grant.trigger, state="Idle", grant=grant)
        return tx

    def unplaced(self) -> list[Transaction]:
        """Those that wait for their EVSE."""
        return [tx for id, tx in self.open.items() if id >= UNPLACED]

    def place(self, tx: Transaction, evse: Evse) -> None:
        """The cable was plugged: the transaction is at this EVSE from now on."""
        was = self.open.pop(tx.evse.id).evse
        self.open[evse.id] = tx
        tx.evse = evse
        tx.begin_wh = self.ctx.block("metering").register_wh(evse)
        self.say(tx, UPDATED, "CablePluggedIn", state=_connected(evse), more={"z": _beginning(tx)}, left=was)
        self.ctx.fact("transaction_started", tx)
        if tx.limit_wh == 0:
            self._suspend(tx)

    def sampled(self, tx: Transaction, sample: list[Any], trigger: str, stamp: Any = None) -> None:
        """An Updated event for a meter sample; dropped first when the journal overflows. [J02.FR.11-13]"""
        if tx.stop is None and self.open.get(tx.evse.id) is tx and not tx.resuming:
            self.say(tx, UPDATED, trigger, samples=[sample], stamp=stamp, droppable=True)

    def rate_changed(self, tx: Transaction) -> None:
        """An Updated event for a changed rate of charging. [2.1 part 2, TriggerReasonEnumType]"""
        if tx.stop is None and self.open.get(tx.evse.id) is tx and not tx.resuming:
            self.say(tx, UPDATED, "ChargingRateChanged")

    def trigger(self, message: str, evse: Evse | None) -> bool:
        """TriggerMessage(TransactionEvent); False if there is no transaction. [F06.FR.07]"""
        metering = self.ctx.block("metering")
        asked = [tx for tx in self.open.values() if evse is None or tx.evse is evse]
        for tx in asked:
            tx.state = None
            sample = metering.updated(tx.evse, "Trigger")
            self.say(tx, UPDATED, "Trigger", samples=[sample] if sample else None, state=tx.evse.charging_state)
        return bool(asked)

    def transaction_status(self, request: dict[str, Any]) -> dict[str, Any]:
        """GetTransactionStatus. [E14]"""
        id = request.get("transactionId")
        status: dict[str, Any] = {"messagesInQueue": self._in_queue(id)}
        if id is not None:
            status["ongoingIndicator"] = any(tx.id == id for tx in self.open.values())
        return status

    def delivered(
        self, event: str, row: dict[str, Any], action: str, answer: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """Takes the CSMS's answer to an event, None if it was given up: cache, 1.6 id, deauthorization, cost."""
        ended = row.get("e") == ENDED
        if answer == {} and not ended:
            return None  # as most are
        keep = None
        id = row["t"]
        if answer is not None and "transactionId" in answer:
            self.csms_ids[id] = answer["transactionId"]
            keep = self._keep_csms_ids()
        elif ended and self.csms_ids.pop(id, None) is not None:
            keep = self._keep_csms_ids()
        if answer is None:
            self.ctx.log.error("the CSMS never took an event of a transaction", transaction=id, seq=row["n"])
            return keep
        tx = next((tx for tx in self.open.values() if tx.id == id), None)
        info = answer.get("idTokenInfo")
        if info is not None:
            self._informed(tx, row, info)
        if tx is not None:
            self._note_answer(tx, answer)
        return keep

    # -- facts -----------------------------------------------------------------------------------------------------

    def on_started(self) -> None:
        """Takes up the transactions that a power cut interrupted."""
        self._recovery.begin()

    def on_plugged(self, evse: Evse, connector: int) -> None:
        tx = self.open.get(evse.id)
        if tx is None:
            grant = self._grant(evse)
            remote = grant is not None and grant.remote_start_id is not None
            self._start_if(
                evse, holds(evse, evse.id in self.bays), "RemoteStart" if remote else "CablePluggedIn", _connected(evse)
            )
        elif tx.stop is None:
            if tx.resuming and tx.connector is None:
                self._recovery.settle(tx)  # there was no cable before: the register at the beginning is that of now
            if not tx.resuming:
                self.say(tx, UPDATED, "CablePluggedIn", state=_connected(evse))

    def on_authorized(self, evse: Evse, grant: Any) -> None:
        """`grant`: token, group, trigger, remote_start_id, reservation_id of the authorization that now lives."""
        tx = self.open.get(evse.id)
        if tx is None:
            self._signed.discard(evse.id)
            state = _connected(evse) if evse.plugged is not None else evse.charging_state
            self._start_if(evse, holds(evse, evse.id in self.bays), grant.trigger, state)
            return
        if tx.resuming or grant.tx is tx:
            return
        tx.reason = None
        self._lift_limit(tx)
        self.say(tx, UPDATED, grant.trigger, grant=grant)

    def on_lock(self, evse: Evse, connector: int, locked: bool) -> None:
        """The lock holds the cable: what waited for it can start."""
        if locked and connector == evse.plugged and evse.authorized is not None:
            trigger = self._unlocked.get(evse.id)
            if trigger is not None and evse.id not in self.open:
                self._start(evse, trigger, _connected(evse))

    def on_unplugged(self, evse: Evse, connector: int) -> None:
        self._unlocked.pop(evse.id, None)
        self._signed.discard(evse.id)
        tx = self.open.get(evse.id)
        if tx is None or self._recovery.ends(tx):
            return
        if tx.stop is not None:
            self.end(tx, *tx.stop, state="Idle")
        elif self.stop_points() & CONNECTION_LOST or (evse.authorized is None and self.is_last()):
            self.end(tx, "EVCommunicationLost", tx.reason or "EVDisconnected", state="Idle")
            if evse.authorized is not None:
                self.ctx.effect("stop", evse.id, "EVDisconnected")
        elif not tx.resuming:
            self.say(tx, UPDATED, "EVCommunicationLost", state="Idle")
            tx.connector = None

    def on_charging_state(self, evse: Evse, state: str) -> None:
        tx = self.open.get(evse.id)
        if tx is None:
            # Whatever TxStartPoint waits for, no energy flows untold; the lock or a signature is still to come.
            if state == "Charging" and evse.id not in self._unlocked and "DataSigned" not in self._start_points():
                self._start(evse, "ChargingStateChanged", state)
            return
        before = tx.state
        tx.note_state(state, self.ctx.clock.now())
        if tx.stop is not None or state == before or tx.resuming:
            return
        if before == "Charging" and "EnergyTransfer" in self.stop_points():
            reason = "StoppedByEV" if state == "SuspendedEV" else "Other"
            self._await_stop(tx, "ChargingStateChanged", tx.reason or reason, None)
            self.ctx.effect("stop", evse.id, reason)
        else:
            self.say(tx, UPDATED, "ChargingStateChanged", state=state)

    def on_reading(self, evse: Evse) -> None:
        tx = self.open.get(evse.id)
        if tx is None:
            if evse.signed is not None:
                self._data_signed(evse)
            return
        if self._recovery.waiting and self._recovery.ends(tx):
            return
        if tx.begin_wh is None:
            tx.begin_wh = self.ctx.block("metering").register_wh(evse)
        if tx.limit_wh is not None and not tx.limited and (tx.energy_wh() or 0) >= tx.limit_wh:
            self._suspend(tx)

    def on_stopped(self, evse: Evse, reason: str) -> None:
        """The charging side has stopped, the contactor is open and the meter read: the transaction can end."""
        self._unlocked.pop(evse.id, None)
        tx = self.open.get(evse.id)
        if tx is None or self._recovery.ends(tx):
            return
        unplugging = reason == "EVDisconnected"
        if tx.stop is not None:
            self.end(tx, *tx.stop, state="Idle" if unplugging else _stopped(evse))
            return
        trigger = TRIGGERS.get(reason, "AbnormalCondition")
        if self._ends(tx, reason, trigger) or (unplugging and self.stop_points() & CONNECTION_LOST):
            self.end(tx, trigger, tx.reason or reason, state="Idle" if unplugging else _stopped(evse))
        elif tx.reason is None:
            tx.reason = reason
            if not (unplugging and evse.plugged is not None):  # else the fact `unplugged` follows and tells it
                self.say(tx, UPDATED, trigger, state=_stopped(evse))

    def on_connection_timeout(self, evse: Evse) -> None:
        """The EV did not come in time. [E03.FR.05, E03.FR.15]"""
        tx = self.open.get(evse.id)
        if tx is None:
            return
        if "ParkingBayOccupancy" in self.stop_points():
            tx.reason = "Timeout"
            self.say(tx, UPDATED, "EVConnectTimeout")
        else:
            self.end(tx, "EVConnectTimeout", "Timeout")

    def on_parking_bay(self, evse: Evse, occupied: bool) -> None:
        """A vehicle came to the parking bay of an EVSE, or left it. [E01.FR.01, E06.FR.01]"""
        tx = self.open.get(evse.id)
        was_occupied = evse.id in self.bays
        if occupied:
            self.bays.add(evse.id)
            if tx is None:
                self._start_if(evse, holds(evse, True), "EVDetected", evse.charging_state)
            elif not was_occupied and not tx.resuming:
                self.say(tx, UPDATED, "EVDetected")
            return
        self.bays.discard(evse.id)
        if tx is not None and "ParkingBayOccupancy" in self.stop_points():
            if evse.authorized is None:
                self.end(tx, "EVDeparted", tx.reason or "Local")
                return
            if tx.stop is None:  # the contactor has to open yet
                self._await_stop(tx, "EVDeparted", tx.reason or "Local", None)
            self.ctx.effect("stop", evse.id, "EVDisconnected")
        elif tx is not None and was_occupied:
            if evse.plugged is None and evse.authorized is None and tx.stop is None and self.is_last():
                self.end(tx, "EVDeparted", tx.reason or "Local")  # nothing else could end it
            else:
                self.say(tx, UPDATED, "EVDeparted")

    # -- start -----------------------------------------------------------------------------------------------------

    def _start_points(self) -> frozenset[str]:
        return points(self.ctx.model, "TxStartPoint", START)

    def stop_points(self) -> frozenset[str]:
        return points(self.ctx.model, "TxStopPoint", STOP)

    def _start_if(self, evse: Evse, reached: frozenset[str], trigger: str, state: str) -> None:
        """A cable that cannot be locked starts nothing where energy must be able to flow first. [G05.FR.01]

        Nor does an EVSE for which a transaction is there already, and only waits for the cable.
        """
        authorization = self.ctx.loaded("authorization")
        if authorization is not None and authorization.awaits(evse):
            return
        reached &= self._start_points()
        connector = evse.connectors.get(evse.plugged or 0)
        if reached == {"PowerPathClosed"} and connector is not None and connector.locked is False:
            self._unlocked[evse.id] = trigger
        elif reached:
            self._start(evse, trigger, state)

    def _data_signed(self, evse: Evse) -> None:
        """The first signed reading since the EV is connected. [E01.FR.04]"""
        if evse.plugged is None or evse.id in self._signed:
            return
        if "DataSigned" in self._start_points() and self.ctx.model.boolean("SampledDataCtrlr", "SignReadings"):
            self._signed.add(evse.id)
            self._start(evse, "SignedDataReceived", evse.charging_state)

    def _start(self, evse: Evse, trigger: str, state: str) -> None:
        self._unlocked.pop(evse.id, None)
        tx = self.open[evse.id] = self._made(evse, state)
        self.say(tx, STARTED, trigger, state=state, grant=self._grant(evse))
        self.ctx.fact("transaction_started", tx)

    def _made(self, evse: Evse, state: str) -> Transaction:
        tx = Transaction(_uuid(self.ctx.random), evse, self.ctx.clock.stamp(), self.ctx.clock.now())
        tx.begin_wh = self.ctx.block("metering").register_wh(evse)
        tx.note_state(state, tx.started_when)
        return tx

    def _grant(self, evse: Evse) -> Any:
        """The live authorization of an EVSE as the authorization block knows it."""
        authorization = self.ctx.block("authorization") if evse.authorized is not None else None
        return authorization.granted(evse.id) if authorization is not None else None

    # -- end -------------------------------------------------------------------------------------------------------

    def _ends(self, tx: Transaction, reason: str, trigger: str) -> bool:
        """Whether a transaction ends with its authorization."""
        final = reason in FINAL_REASONS or trigger == "ResetCommand"
        return bool(final or self.stop_points() & AUTHORIZATION_LOST or (tx.evse.plugged is None and self.is_last()))

    def is_last(self) -> bool:
        """Without EV and authorization nothing but a parking bay could end a transaction later. [E. 1.1, warning]"""
        return "ParkingBayOccupancy" not in self.stop_points()

    def _await_stop(self, tx: Transaction, trigger: str, reason: str, token: Token | None) -> None:
        """The transaction ends when the charging side says that it has stopped, or the guard runs out."""
        self._settled(tx)
        tx.stop = (trigger, tx.reason or reason, token)
        running = tx.evse.power_path or tx.state == "Charging"
        tx.guard = self._at(STOP_GUARD_S if running else IDLE_GUARD_S, self._give_up_waiting, tx)

    def _settled(self, tx: Transaction) -> None:
        """Nothing is awaited any more for a transaction."""
        self._recovery.forget(tx)
        tx.resuming = False
        if tx.guard is not None:
            tx.guard.cancel()
            tx.guard = None

    def _give_up_waiting(self, tx: Transaction) -> None:
        tx.guard = None
        if tx.stop is not None and self.open.get(tx.evse.id) is tx:
            self.ctx.log.warning("charging did not confirm its stop, the transaction ends", evse=tx.evse.id)
            self.end(tx, *tx.stop)

    def end(
        self,
        tx: Transaction,
        trigger: str,
        reason: str,
        token: Token | None = None,
        *,
        state: str | None = None,
        stamp: Any = None,
    ) -> None:
        self._settled(tx)
        tx.reason = reason
        now = self.ctx.clock.now()
        tx.note_state(state or "Idle", now)
        samples = self.ctx.block("metering").ended(tx)
        row: dict[str, Any] = {"s": reason, "l": tx.charging_s(now), "z": _beginning(tx)}
        del self.open[tx.evse.id]
        self._lift_limit(tx)
        self.say(tx, ENDED, trigger, state=state, token=token, samples=samples, stamp=stamp, more=row)
        self.ctx.fact("transaction_ended", tx)

    # -- answers ---------------------------------------------------------------------------------------------------

    def _informed(self, tx: Transaction | None, row: dict[str, Any], info: dict[str, Any]) -> None:
        """IdTokenInfo for the token of an event: into the cache; a refused one is deauthorized. [E05, C10.FR.05]"""
        token = row.get("k") or (row["z"][2] if "z" in row else None)
        authorization = self.ctx.block("authorization")
        if token is not None and authorization is not None:
            authorization.learn(token[0], token[1], info)
        if tx is None or tx.token is None or tx.stop is not None:
            return
        stopping = row.get("g") == "StopAuthorized"
        if token is not None and token[0].lower() == tx.token.id_token.lower() and not stopping:
            tx.group = (info.get("groupIdToken") or {}).get("idToken") or tx.group
        judged = tx.reason is not None or tx.limit_wh is not None
        if info["status"] != "Accepted" and not (stopping or judged) and tx.evse.authorized is not None:
            self._deauthorize(tx, info["status"])

    def _deauthorize(self, tx: Transaction, status: str) -> None:
        """The CSMS does not accept the token of a running transaction. [E05.FR.02-10, C15.FR.03-07, 1.6 §3.5.4]"""
        self.ctx.log.info("the CSMS refused the token of a transaction", evse=tx.evse.id, status=status)
        self._show(tx, f"card refused: {status}")
        if self.ctx.model.boolean("TxCtrlr", "StopTxOnInvalidId") is not False:
            self.stop(tx, "DeAuthorized")
            return
        tx.limit_wh = float(self.ctx.model.integer("TxCtrlr", "MaxEnergyOnInvalidId") or 0)
        if tx.evse.id < UNPLACED and (tx.energy_wh() or 0) >= tx.limit_wh:
            self._suspend(tx)

    def _suspend(self, tx: Transaction) -> None:
        """No more energy, but the transaction goes on: the charging state follows as a fact. [E05.FR.02]"""
        tx.limited = True
        self.ctx.effect("limit", tx.evse.id, "invalid_id", 0.0)

    def _lift_limit(self, tx: Transaction) -> None:
        tx.limit_wh = None
        if tx.limited:
            tx.limited = False
            self.ctx.effect("limit", tx.evse.id, "invalid_id", None)

    def _note_answer(self, tx: Transaction, answer: dict[str, Any]) -> None:
        """Running cost and personal message, for the display. [I02, I03]"""
        if "totalCost" in answer:
            tx.cost = answer["totalCost"]
            self._show(tx, f"cost so far: {tx.cost}")
        if "updatedPersonalMessage" in answer:
            tx.message = answer["updatedPersonalMessage"]
            self._show(tx, answer["updatedPersonalMessage"]["content"])

    def _show(self, tx: Transaction, text: str) -> None:
        self.ctx.effect("display", tx.evse.id if tx.evse.id < UNPLACED else None, text)

    def _keep_csms_ids(self) -> dict[str, Any]:
        self.blind.intersection_update(self.csms_ids)
        return {CSMS_IDS: dict(self.csms_ids) or None, BLIND: sorted(self.blind) or None}

    def _in_queue(self, id: str | None) -> bool:
        """Whether an event of the transaction (None: of any) waits in the journal."""
        journal = self.ctx.journal
        found = journal.head()
        while found is not None:
            seq, entry = found
            if entry[0] == self.name and (id is None or entry[2]["t"] == id):
                return True
            found = journal.after(seq)
        return False

    def _at(self, seconds: float, call: Any, *args: Any) -> Any:
        return self.ctx.timers.at(self.ctx.clock.now() + seconds, call, *args)


def _connected(evse: Evse) -> str:
    """Charging state of an EVSE that was just plugged, though its own word may not have come yet."""
    return "EVConnected" if evse.charging_state == "Idle" else evse.charging_state


def _beginning(tx: Transaction) -> list[Any]:
    """What 1.6 must know to start a transaction late: stamp, register, token, reservation."""
    return [tx.started, tx.begin_wh, tx.token and [tx.token.id_token, tx.token.kind], tx.reservation_id]


def _stopped(evse: Evse) -> str:
    """Charging state of an EVSE whose authorization has ended."""
    return "Idle" if evse.plugged is None else "EVConnected"


def _uuid(random: Any) -> str:
    """A random (version 4) UUID as text. [E01.FR.08]"""
    raw = bytearray(random(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
