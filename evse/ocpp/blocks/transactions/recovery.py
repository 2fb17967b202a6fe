"""Transactions that a power cut interrupted: they end with what the meter says now, or go on. [E17, 1.6 §7.36]

The meter counts on its own, so its first reading after the start is exact; where none comes within RECOVERY_S, or it is
below the last one known (another meter), the last known register holds. The end bears the time of the last event.
"""

from __future__ import annotations

from evse.model import REGISTER, Evse
from evse.ocpp.blocks.transactions.events import UPDATED
from evse.ocpp.blocks.transactions.points import AUTHORIZATION_LOST, CONNECTION_LOST
from evse.ocpp.blocks.transactions.transaction import revive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.ocpp.blocks.transactions.transaction import Transaction

RECOVERY_S = 5.0


class Recovery:
    """What is to be done for the transactions found open in the kept state; `waiting` are those not settled yet."""

    __slots__ = ("_block", "ctx", "waiting")

    def __init__(self, block: Any) -> None:
        self._block = block
        self.ctx = block.ctx
        self.waiting: list[Transaction] = []
        state = self.ctx.journal.state
        for key in sorted(state):
            name, _, id = key.partition(":")
            if name == block.name and id.isdecimal() and key + "n" in state:
                evse = self.ctx.evses.get(int(id)) or Evse(int(id), [])  # an EVSE may be gone from the station file
                tx = revive(evse, state[key], state[key + "n"], self.ctx.clock.now())
                tx.resuming = evse.id in self.ctx.evses and self._may_resume(state[key + "n"][4])
                if not tx.resuming:
                    tx.stop = ("AbnormalCondition", "PowerLoss", None)
                block.open[evse.id] = tx
                self.waiting.append(tx)

    def begin(self) -> None:
        """At the start of the process, before the first fact."""
        for tx in self.waiting:
            tx.guard = self.ctx.timers.at(self.ctx.clock.now() + RECOVERY_S, self.settle, tx)
            if tx.resuming:
                self._resume(tx)

    def ends(self, tx: Transaction) -> bool:
        """A first word about the EVSE of an interrupted transaction: True if that has ended it now."""
        if tx in self.waiting and not tx.resuming:
            self.settle(tx)
            return True
        return False

    def forget(self, tx: Transaction) -> None:
        """The transaction has ended, one way or another."""
        if tx in self.waiting:
            self.waiting.remove(tx)

    def settle(self, tx: Transaction) -> None:
        """The meter has spoken, or had time enough."""
        self.forget(tx)
        if tx.guard is not None:
            tx.guard.cancel()
            tx.guard = None
        tx.resuming = False
        block = self._block
        if tx.stop is not None:
            self._end(tx)
        elif tx.evse.plugged is None and self._ends_without_ev(tx):
            block.end(tx, "EVCommunicationLost", "EVDisconnected", state="Idle")
            if tx.evse.authorized is not None:
                self.ctx.effect("stop", tx.evse.id, "EVDisconnected")
        else:
            sample = self.ctx.block("metering").updated(tx.evse, "Interruption.End")
            tx.state = None  # told in any case [E17.FR.14]
            state = tx.evse.charging_state
            tx.note_state(state, self.ctx.clock.now())
            block.say(tx, UPDATED, "TxResumed", state=state, samples=[sample] if sample else None)

    def _ends_without_ev(self, tx: Transaction) -> bool:
        """Whether the transaction would have ended had the EV left before our eyes. [E09, E10]"""
        if tx.evse.authorized is None and self._block.is_last():
            return True
        ends_session = self.ctx.model.boolean("TxCtrlr", "StopTxOnEVSideDisconnect") is not False
        lost = CONNECTION_LOST | AUTHORIZATION_LOST if ends_session else CONNECTION_LOST
        return bool(self._block.stop_points() & lost)

    def _may_resume(self, stamp: Any) -> bool:
        """Whether an interruption since `stamp` is short enough to go on. [E17.FR.10, E17.FR.20]"""
        timeout_s = self.ctx.model.integer("TxCtrlr", "ResumptionTimeout") or 0
        if not timeout_s:
            return bool(self.ctx.station.get("power_loss") == "resume")
        utc = self.ctx.clock.utc()
        return utc is not None and utc - self.ctx.clock.resolve(stamp) <= timeout_s

    def _resume(self, tx: Transaction) -> None:
        """The authorization lives again, unless AllowEnergyTransferResumption forbids it. [E17.FR.11, E17.FR.12]"""
        allowed = self.ctx.model.boolean("TxCtrlr", "AllowEnergyTransferResumption") is not False
        if tx.token is not None and tx.reason is None and allowed:
            self.ctx.block("authorization").restore(tx)
        self.ctx.block("metering")
        self.ctx.fact("transaction_started", tx)

    def _end(self, tx: Transaction) -> None:
        """Ended(PowerLoss). [E17.FR.21]"""
        counters = self.ctx.journal.state[f"transactions:{tx.evse.id}n"]
        known, stamp = counters[1], counters[4]
        fresh = tx.evse.values
        if known is not None and (tx.evse.register_wh is None or tx.evse.register_wh < known):
            tx.evse.values = {REGISTER: known}
        self._block.end(tx, "AbnormalCondition", "PowerLoss", stamp=stamp)
        tx.evse.values = fresh
