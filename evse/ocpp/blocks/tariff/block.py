"""I. Tariff and cost: the driver's price, the running cost and the final cost on the display.

What the CSMS says of a cost holds for one moment and one register value; from there on the station counts by itself
until the CSMS says it anew. It is for the display: the bill is the CSMS's.
"""

from __future__ import annotations

from evse.errors import UsageError
from evse.jsontext import JsonError, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.model import Evse

OWN = "OCPP16Ctrlr"
ENABLED = "CustomDisplayCostAndPrice"
# A running cost on the display is no younger than this.
SHOW_EVERY_S = 30.0
# Power must fall this far below a threshold, as a part of it, before it counts as passed downwards.
POWER_HYSTERESIS = 0.05
DECIMALS = 2
POWER = ("Power.Active.Import", None)


class _Cost:
    """Running cost of one transaction, since the CSMS told it last.

    prices        {"energy": per kWh, "time": per hour}, of charging and of idling; an absent one is 0
    grace_s       idle time that costs nothing
    next          (UTC second at which they change, what applies then), None
    wants         what the CSMS wants meter values for: {"at", "energy_wh", "power_w", "states"}
    """

    __slots__ = (
        "tx", "cost", "register_wh", "when", "is_idle", "idle_s", "charging", "idle", "grace_s", "next", "wants",
        "is_above", "timers", "shown", "shown_when",
    )  # fmt: skip

    def __init__(self, tx: Any) -> None:
        self.tx = tx
        self.cost = 0.0
        self.register_wh: float | None = None
        self.when = 0.0
        self.is_idle = False
        self.idle_s = 0.0
        self.charging: dict[str, float] = {}
        self.idle: dict[str, float] = {}
        self.grace_s = 0.0
        self.next: tuple[float, dict[str, Any]] | None = None
        self.wants: dict[str, Any] = {}
        self.is_above: bool | None = None
        self.timers: list[Any] = []
        self.shown = ""
        self.shown_when = 0.0

    def count(self, now: float) -> None:
        """Adds what energy and time since the last count cost."""
        hours = max(0.0, now - self.when) / 3600
        register_wh = self.tx.evse.register_wh
        if register_wh is not None:
            if self.register_wh is not None:
                energy_kwh = max(0.0, register_wh - self.register_wh) / 1000
                self.cost += energy_kwh * self.charging.get("energy", 0.0)
            self.register_wh = register_wh
        if self.is_idle:
            free_s = max(0.0, self.grace_s - self.idle_s)
            self.idle_s += hours * 3600
            self.cost += max(0.0, hours - free_s / 3600) * self.idle.get("time", 0.0)
        else:
            self.cost += hours * self.charging.get("time", 0.0)
        self.when = now


class Block:
    """What the driver sees of money."""

    name = "tariff"

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        self._costs: dict[int, _Cost] = {}
        # The CSMS's id of the transaction that ended last, by EVSE; those whose cable was still plugged then.
        self._last: dict[int, str | int] = {}
        self._left: set[int] = set()

    # -- what the CSMS says ----------------------------------------------------------------------------------------

    def user_price(self, request: dict[str, Any]) -> bool:
        """Shows the price of a driver where his token is: {"token", "texts": {language or None: text}}."""
        if not self._is_enabled():
            return False
        shown = [evse.id for evse in self.ctx.evses.values() if _is(evse.authorized, request["token"])]
        for evse_id in shown or [None]:
            self.ctx.effect("display", evse_id, self._text(request["texts"]))
        return True

    def running_cost(self, request: dict[str, Any]) -> bool:
        """Takes the cost of a transaction at a moment, and the prices from there on.

        {"transaction", "cost", "register_wh", "at": UTC seconds, "is_idle", "charging", "idle", "grace_s",
        "next": (at, prices) or None, "wants"}; False for a transaction that is not there.
        """
        transactions = self.ctx.block("transactions")
        tx = transactions.find(request["transaction"]) if transactions is not None else None
        if not self._is_enabled() or tx is None:
            return False
        self._forget(tx.evse.id)
        cost = self._costs[tx.evse.id] = _Cost(tx)
        now, utc = self.ctx.clock.now(), self.ctx.clock.utc()
        cost.cost = request["cost"]
        cost.register_wh = request["register_wh"]
        cost.when = now if utc is None else min(now, now - (utc - request["at"]))
        cost.is_idle = request["is_idle"]
        self._apply(cost, request)
        cost.next = request["next"]
        cost.wants = request["wants"]
        cost.count(now)
        cost.is_idle = _is_idle(tx.evse)
        if cost.next is not None:
            self._at(cost, cost.next[0], self._next_period, cost)
        if "at" in cost.wants:
            self._at(cost, cost.wants["at"], self._meter_values, cost)
        self._show(cost)
        return True

    def final_cost(self, request: dict[str, Any]) -> bool:
        """Shows what a transaction cost: {"transaction", "cost", "texts"}; also after its end."""
        transactions = self.ctx.block("transactions")
        tx = transactions.find(request["transaction"]) if transactions is not None else None
        ended = [evse_id for evse_id, id in self._last.items() if id == request["transaction"]]
        if not self._is_enabled() or (tx is None and not ended):
            return False
        evse_id = ended[0] if tx is None else tx.evse.id
        self._forget(evse_id)
        text = self._text(request["texts"]) or f"total cost: {self._amount(request['cost'])}"
        self.ctx.effect("display", evse_id, text)
        return True

    # -- facts -----------------------------------------------------------------------------------------------------

    def on_accepted(self) -> None:
        self._show_default("priceText")

    def on_disconnected(self) -> None:
        self._show_default("priceTextOffline")

    def on_reading(self, evse: Evse) -> None:
        cost = self._costs.get(evse.id)
        if cost is None:
            return
        if self.ctx.clock.now() - cost.shown_when >= SHOW_EVERY_S:
            self._show(cost)
        energy_wh, register_wh = cost.wants.get("energy_wh"), evse.register_wh
        if energy_wh is not None and register_wh is not None and register_wh >= energy_wh:
            del cost.wants["energy_wh"]
            self._meter_values(cost)
        self._watch_power(cost, evse.values.get(POWER))

    def on_charging_state(self, evse: Evse, state: str) -> None:
        cost = self._costs.get(evse.id)
        if cost is None:
            return
        cost.count(self.ctx.clock.now())
        if cost.is_idle != _is_idle(evse):
            cost.is_idle, cost.idle_s = not cost.is_idle, 0.0
        if state in cost.wants.get("states", ()):
            self._meter_values(cost)

    def on_transaction_ended(self, tx: Any) -> None:
        cost = self._costs.get(tx.evse.id)
        if cost is not None:
            self._show(cost)
        self._forget(tx.evse.id)
        self._last[tx.evse.id] = self.ctx.block("transactions").csms_ids.get(tx.id, tx.id)
        if tx.evse.plugged is not None and tx.reason != "EVDisconnected" and self._is_enabled():
            self._left.add(tx.evse.id)

    def on_unplugged(self, evse: Evse, connector: int) -> None:
        """The CSMS stops counting idle time of a transaction that had ended before."""
        if evse.id in self._left:
            self._left.discard(evse.id)
            data = {"transaction": self._last[evse.id], "stamp": self.ctx.clock.stamp()}
            self.ctx.call(self, "ConnectorUnplugged", data)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _is_enabled(self) -> bool:
        return bool(self.ctx.model.boolean(OWN, ENABLED))

    def _apply(self, cost: _Cost, prices: dict[str, Any]) -> None:
        cost.charging = prices.get("charging") or {}
        cost.idle = prices.get("idle") or {}
        cost.grace_s = prices.get("grace_s") or 0.0

    def _next_period(self, cost: _Cost) -> None:
        cost.count(self.ctx.clock.now())
        if cost.next is not None:
            self._apply(cost, cost.next[1])
            cost.next = None
        self._show(cost)

    def _at(self, cost: _Cost, at: float, call: Any, *args: Any) -> None:
        clock = self.ctx.clock
        utc = clock.utc()
        if utc is not None:
            cost.timers.append(self.ctx.timers.at(clock.now() + max(0.0, at - utc), call, *args))

    def _watch_power(self, cost: _Cost, power_w: float | None) -> None:
        """Meter values when the power crosses the threshold, either way."""
        threshold_w = cost.wants.get("power_w")
        if threshold_w is None or power_w is None:
            return
        is_above = power_w >= threshold_w * (1 - POWER_HYSTERESIS if cost.is_above else 1)
        if cost.is_above is not None and is_above != cost.is_above:
            self._meter_values(cost)
        cost.is_above = is_above

    def _meter_values(self, cost: _Cost) -> None:
        self.ctx.block("metering").trigger("MeterValues", cost.tx.evse)

    def _forget(self, evse_id: int) -> None:
        cost = self._costs.pop(evse_id, None)
        if cost is not None:
            for timer in cost.timers:
                timer.cancel()

    def _show(self, cost: _Cost) -> None:
        cost.count(self.ctx.clock.now())
        text = f"cost so far: {self._amount(cost.cost)}"
        cost.shown_when = cost.when
        if text != cost.shown:
            cost.shown = text
            self.ctx.effect("display", cost.tx.evse.id, text)

    def _amount(self, cost: float) -> str:
        decimals = self.ctx.model.integer(OWN, "NumberOfDecimalsForCostValues")
        return f"{cost:.{DECIMALS if decimals is None else decimals}f}"

    def _text(self, texts: dict[str | None, str]) -> str:
        """The text in the language of the display, else the one that the CSMS prefers."""
        language = self.ctx.model.get(OWN, "Language")
        return texts.get(language) or texts.get(None) or ""

    def _show_default(self, field: str) -> None:
        text = self.ctx.model.get(OWN, "DefaultPrice")
        if not text or not self._is_enabled() or self._costs:
            return
        try:
            price = loads(text)
            shown = price.get(field) or price.get("priceText")
            if not isinstance(shown, str):
                raise UsageError("it has no priceText")
        except (JsonError, UsageError, AttributeError) as error:
            self.ctx.log.warning("DefaultPrice cannot be shown", why=str(error))
            return
        self.ctx.effect("display", None, shown)


def _is(token: Any, id_token: str) -> bool:
    return token is not None and token.id_token.lower() == id_token.lower()


def _is_idle(evse: Evse) -> bool:
    return evse.charging_state != "Charging"
