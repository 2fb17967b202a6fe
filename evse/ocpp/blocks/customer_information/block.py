"""N09, N10. Customer information: what the station holds about a token is told in parts, and forgotten.

It holds tokens in the authorization cache, the local list, reservations, transactions under way, and events that wait
for the CSMS. The local list is the CSMS's to change [N10.FR.02], and what belongs to a transaction goes with its
delivery: these are told and stay. Of customer identifiers and certificates nothing is ever stored.
"""

from __future__ import annotations

from evse.clock import timestamp
from evse.jsontext import dumps
from evse.model import Token
from evse.ocpp.status_info import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from evse.errors import CsmsError
    from evse.ocpp.engine import Engine

# Characters of one NotifyCustomerInformation.
PART = 512
# Reports that wait for the one under way; more are Rejected. [N09.FR.03]
WAITING = 4
# Journaled events that are looked through at once, and the pause in which others have their turn.
SLICE, PAUSE_S = 100, 0.01
IDENTIFIERS = ("idToken", "customerIdentifier", "customerCertificate")


class Block:
    """Each report: [requestId, lines still to come or None, seqNo, text not told yet]; the first is under way."""

    name = "customer_information"

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        self._reports: list[list[Any]] = []

    def inform(self, request: dict[str, Any]) -> dict[str, Any]:
        """CustomerInformation. [N09, N10]"""
        given = [name for name in IDENTIFIERS if name in request]
        if len(given) != 1:
            return refusal("InvalidValue", "one of " + ", ".join(IDENTIFIERS), "Invalid")  # [N09.FR.09]
        if not request["report"] and not request["clear"]:
            return refusal("InvalidValue", "neither report nor clear")  # [N09.FR.07, N10.FR.07]
        if len(self._reports) > WAITING:
            return refusal("OutOfMemory", "too many reports are under way")
        token = Token(request["idToken"]["idToken"], request["idToken"]["type"]) if "idToken" in request else None
        lines: Iterator[str | None] = iter(["the data was cleared"])  # [N10.FR.06]
        if request["report"]:
            lines = self._told(token)
        if request["clear"] and token is not None and not self._clear(token):
            return refusal("InternalError", "the store refuses")
        self._reports.append([request["requestId"], lines, 0, ""])
        if len(self._reports) == 1:
            self._go_on()
        return {"status": "Accepted"}  # [N09.FR.02, N10.FR.01]

    # -- what is known ---------------------------------------------------------------------------------------------

    def _told(self, token: Token | None) -> Iterator[str | None]:
        """Lines about the customer; what can be cleared is looked up now. None: go on a little later."""
        known = [] if token is None else self._stored(token)
        return self._all(token, known)

    def _all(self, token: Token | None, known: list[str]) -> Iterator[str | None]:
        yield from known
        found = len(known)
        if token is not None:
            for line in self._waiting(token):
                found += line is not None
                yield line
        if not found:
            yield "no data was found"  # [N09.FR.06, N10.FR.04]

    def _stored(self, token: Token) -> list[str]:
        ctx = self.ctx
        lines = []
        authorization, local_list = ctx.block("authorization"), ctx.loaded("local_list")
        kept = None if authorization is None else authorization.cache.stored(token)
        if kept is not None:
            lines.append(f"authorization cache: {_shown(kept[0])}{_time(', expires', kept[1])}")
        info = None if local_list is None else local_list.stored(token)
        if info is not None:
            lines.append(f"local authorization list: {_shown(info)}")
        reservation = ctx.loaded("reservation")
        for each in () if reservation is None else reservation.of(token):
            place = "any EVSE" if each.evse_id is None else f"EVSE {each.evse_id}"
            lines.append(f"reservation {each.id}: {place}{_time(', expires', each.at)}")
        transactions = ctx.loaded("transactions")
        for id in () if transactions is None else ctx.evses:
            tx = transactions.current(id)
            if tx is not None and tx.token == token:
                lines.append(f"transaction {tx.id}: EVSE {id}{_time(', since', ctx.clock.resolve(tx.started))}")
        return lines

    def _waiting(self, token: Token) -> Iterator[str | None]:
        """Events with the token that wait for the CSMS."""
        journal = self.ctx.journal
        found, looked, count = journal.head(), 0, 0
        while found is not None:
            seq, entry = found
            count += _mentions(entry[2], token.id_token.lower())
            looked += 1
            if not looked % SLICE:
                yield None
            found = journal.after(seq)
        if count:
            yield f"events that wait for the CSMS: {count}"

    def _clear(self, token: Token) -> bool:
        """Forgets all but what the CSMS has to change or still to hear; False if the store refuses. [N10.FR.03]"""
        authorization, reservation = self.ctx.block("authorization"), self.ctx.loaded("reservation")
        if authorization is not None and not authorization.cache.forget(token):
            return False
        if reservation is not None:
            reservation.forget(token)
        return True

    # -- parts -----------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Sends the next part of the report under way; the one after it waits for its answer."""
        if not self._reports:
            return
        report = self._reports[0]
        id, lines, seq, text = report
        while lines is not None and len(text) <= PART:
            line = next(lines, "")
            if line is None:
                report[3] = text
                self.ctx.timers.at(self.ctx.clock.now() + PAUSE_S, self._go_on)
                return
            if line:
                text = f"{text}\n{line}" if text else line
            else:
                lines = None
        report[1:] = lines, seq + 1, text[PART:]
        clock = self.ctx.clock
        part = {
            "data": text[:PART],
            "tbc": bool(report[3]) or lines is not None,
            "seqNo": seq,
            "generatedAt": timestamp(clock.resolve(clock.stamp())),
            "requestId": id,
        }
        self.ctx.call(self, "NotifyCustomerInformation", part, self._answered, early=True)

    def _answered(self, _: dict[str, Any] | None, error: CsmsError | None) -> None:
        """Goes on, or ends the report: what the CSMS did not take, it has to ask for again."""
        if not self.ctx.is_connected:
            self._reports.clear()
            return
        if error is not None:
            self.ctx.log.warning("a report of customer information ends early", why=str(error))
        if error is not None or (self._reports[0][1] is None and not self._reports[0][3]):
            del self._reports[0]
        self._go_on()


def _shown(info: dict[str, Any]) -> str:
    """An IdTokenInfo for people to read."""
    return ", ".join(
        f"{name} {value if isinstance(value, str) else dumps(value)}"
        for name, value in info.items()
        if name != "customData"
    )


def _time(word: str, at: float | None) -> str:
    return "" if at is None else f"{word} {timestamp(at)}"


def _mentions(row: Any, id_token: str) -> bool:
    """Whether a journaled event holds the token, in whatever place."""
    if isinstance(row, str):
        return row.lower() == id_token
    if isinstance(row, dict):
        row = row.values()
    elif not isinstance(row, list):
        return False
    return any(_mentions(part, id_token) for part in row)
