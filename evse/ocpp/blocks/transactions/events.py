"""Events of a transaction as rows of the journal; the wire forms expand a row when it is sent.

Each in few letters, as there may be tens of thousands on the flash:

    t  transactionId            n  seqNo                    w  stamp              e  0 Started, 2 Ended, absent: Updated
    g  trigger reason (absent: MeterValuePeriodic)          i  EVSE id            o  1: happened offline
    c  charging state           s  stopped reason           l  seconds of energy flow, with s       b  register in Wh
    k  [id token, kind]         r  remoteStartId and        v  reservationId, with k only
    x  connector id             p  phases used
    m  packed samples           z  in Ended, and where the EVSE became known: [stamp of the start, register then,
                                   [id token, kind], reservationId]

Kept beside the journal, in the same line: per EVSE `transactions:<id>` what identifies the open transaction (when it
changes) and `transactions:<id>n` its counters (with every event).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.model import Evse, Token
    from evse.ocpp.blocks.transactions.transaction import Transaction

STARTED, UPDATED, ENDED = 0, 1, 2
EVENT = "TransactionEvent"
# Id of the place of a transaction whose EVSE is not known yet: this, and the first EVSE of the reader.
UNPLACED = 1000
_L1, _L2, _L3 = (("Current.Import", phase) for phase in ("L1", "L2", "L3"))


class Events:
    """Writes the events of one block's transactions."""

    __slots__ = ("_block", "ctx")

    def __init__(self, block: Any) -> None:
        self._block = block
        self.ctx = block.ctx

    def say(
        self,
        tx: Transaction,
        kind: int,
        trigger: str,
        *,
        state: str | None = None,
        token: Token | None = None,
        grant: Any = None,
        samples: list[list[Any]] | None = None,
        stamp: Any = None,
        droppable: bool = False,
        more: dict[str, Any] | None = None,
        left: Evse | None = None,
    ) -> None:
        """Journals one event with all that is due in it, and the transaction's kept state, in one line.

        `left`: where the transaction was kept until now.
        """
        ctx, evse, online = self.ctx, tx.evse, self.ctx.online
        if stamp is None:
            stamp = ctx.clock.stamp()
        row: dict[str, Any] = {"t": tx.id, "n": tx.seq, "w": stamp, "i": evse.id}
        if kind != UPDATED:
            row["e"] = kind
        if trigger != "MeterValuePeriodic":
            row["g"] = trigger
        if not online:
            row["o"] = 1
        if state is not None and (state != tx.state or kind == ENDED):
            row["c"] = tx.state = state
        if grant is not None:
            self._authorized(tx, row, grant)
        elif token is not None:
            row["k"] = [token.id_token, token.kind]
        # Told once, and where the CSMS asked which transactions there are. [E01.FR.16, F06.FR.07]
        if evse.plugged is not None and (tx.connector is None or trigger == "Trigger"):
            row["x"] = tx.connector = evse.plugged
        if grant is not None or not tx.begun:
            samples = self._with_begin(tx, kind, samples, grant)
        if samples:
            row["m"] = samples
        if kind != UPDATED or grant is not None:
            register = ctx.block("metering").register_wh(evse)
            if register is not None:
                row["b"] = register
        if tx.state == "Charging" and (phases := _phases(evse)) not in (None, tx.phases):
            row["p"] = tx.phases = phases
        if more:
            row.update(more)
        tx.seq += 1
        # A sample goes out at once while online: its seqNo must not be given again after a power cut.
        durable = online or not droppable
        keep = self._kept(tx, kind, stamp)
        if left is not None:
            keep.update({f"transactions:{left.id}": None, f"transactions:{left.id}n": None})
        ctx.record(self._block, EVENT, row, droppable=droppable, durable=durable, keep=keep)

    def _kept(self, tx: Transaction, kind: int, stamp: Any) -> dict[str, Any]:
        key = f"transactions:{tx.evse.id}"
        if kind == ENDED:
            return {key: None, key + "n": None}
        keep: dict[str, Any] = {key + "n": tx.counters(self.ctx.clock.now(), stamp)}
        # Whoever changes either of them changes this: what is kept is replaced and never altered.
        found, facts = self.ctx.journal.state.get(key), tx.facts()
        if found is not tx.kept[0] or facts != tx.kept[1]:
            live = tx.live()
            if found == live:
                tx.kept = found, facts
            else:
                keep[key] = live
        return keep

    def _authorized(self, tx: Transaction, row: dict[str, Any], grant: Any) -> None:
        """The token, once per authorization; what came with it. [E03.FR.01, F02.FR.01, E03.FR.03]"""
        tx.token, tx.group = grant.token, grant.group
        row["k"] = [grant.token.id_token, grant.token.kind]
        if grant.remote_start_id is not None and grant.remote_start_id != tx.remote_start_id:
            row["r"] = tx.remote_start_id = grant.remote_start_id
        if grant.reservation_id is not None and grant.reservation_id != tx.reservation_id:
            row["v"] = tx.reservation_id = grant.reservation_id

    def _with_begin(
        self, tx: Transaction, kind: int, samples: list[list[Any]] | None, grant: Any
    ) -> list[list[Any]] | None:
        """Adds the Transaction.Begin values to the first event that knows them. [E01.FR.09, E01.FR.17]

        And where they were asked for in 1.6, to the one that names the driver: there the transaction starts with it.
        """
        starts = grant is not None and any(self.ctx.model.members("OCPP16Ctrlr", "StartTxnSampledData") or ())
        if (tx.begun and not starts) or kind == ENDED or tx.connector is None:
            return samples
        begin = self.ctx.block("metering").begin(tx.evse)
        if not begin:
            return samples
        tx.begun = True
        return [begin, *(samples or [])]


def _phases(evse: Evse) -> int | None:
    """How many phases carry current, None where the meter does not say. [E02.FR.18]"""
    amps = evse.values.get
    count = (amps(_L1, 0) >= 0.5) + (amps(_L2, 0) >= 0.5) + (amps(_L3, 0) >= 0.5)
    return count or None
