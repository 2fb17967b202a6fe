"""Driver: a person with a car and a card at a Bench, and the charging side that answers the station's effects.

    driver = Driver(bench)
    driver.plug(); driver.tap("CARD"); driver.draw(500)
    driver.tap("CARD"); driver.unplug()
    started, *_, ended = transaction_messages(driver.said)

Each step carries out the effects (authorize, stop, limit) as the charging controller promises to, and answers whatever
the station says to the CSMS, if it is connected; `said` is all of it in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.support.bench import Bench

TRANSACTION_ACTIONS = ("TransactionEvent", "StartTransaction", "StopTransaction", "MeterValues")


class Driver:
    """See the module. `answers` are given instead of the usual ones (action -> payload or function of the request)."""

    def __init__(self, bench: Bench, register_wh: float = 1000.0, stop_on_disconnect: bool = True) -> None:
        self.bench = bench
        self.stop_on_disconnect = stop_on_disconnect
        self.answers: dict[str, Any] = {}
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.effects: list[tuple[Any, ...]] = []
        self.register_wh = dict.fromkeys(bench.engine.evses, register_wh)
        self.authorized: set[int] = set()
        for evse in bench.engine.evses:
            self.meter(0, evse)

    # -- the person ------------------------------------------------------------------------------------------------

    def plug(self, evse: int = 1, connector: int = 1) -> None:
        self._fact("plugged", evse, connector)
        self._fact("charging_state", evse, "EVConnected")
        if evse in self.authorized:
            self._power(evse)
        self.settle()

    def unplug(self, evse: int = 1) -> None:
        connector = self.bench.engine.evses[evse].plugged
        if evse in self.authorized and self.stop_on_disconnect:
            self._stop(evse, "EVDisconnected")
        self._fact("unplugged", evse, connector)
        self._fact("charging_state", evse, "Idle")
        self.settle()

    def tap(self, token: str = "CARD", evses: tuple[int, ...] = (1,), kind: str = "ISO14443") -> None:
        self.bench.tap(token, evses, kind)
        self.settle()

    def draw(self, energy_wh: float, evse: int = 1) -> None:
        """The car takes energy; the meter is read."""
        self.meter(energy_wh, evse)
        self.settle()

    def state(self, state: str, evse: int = 1) -> None:
        """The charging state changes by itself."""
        self._fact("charging_state", evse, state)
        self.settle()

    def fault(self, reason: str = "Other", evse: int = 1) -> None:
        """The charging side ends the session by itself."""
        self._stop(evse, reason)
        self.settle()

    def wait(self, seconds: float) -> None:
        """Time passes, the meters are read every 10 s."""
        while seconds > 0:
            step = min(seconds, 10.0)
            self.bench.advance(step)
            for evse in self.register_wh:
                self.meter(0, evse)
            seconds -= step
            self.settle()

    # -- the charging side -----------------------------------------------------------------------------------------

    def meter(self, more_wh: float, evse: int = 1, **values: float) -> None:
        self.register_wh[evse] += more_wh
        self.bench.reading(evse, self.register_wh[evse], **values)

    def settle(self) -> None:
        """Carries out effects and answers calls until both rest."""
        while True:
            effects, self.bench.effects = self.bench.effects, []
            self.effects += effects
            for name, *args in effects:
                if name == "authorize":
                    self.authorized.add(args[0])
                    if self.bench.engine.evses[args[0]].plugged is not None:
                        self._power(args[0])
                elif name == "stop":
                    self._stop(*args)
            if self.bench.sent and self.bench.engine.is_connected:
                self.said += self.bench.settle(self.answers)
            elif not self.bench.effects:
                return

    def _power(self, evse: int) -> None:
        self._fact("power_path", evse, True)
        self._fact("charging_state", evse, "Charging")

    def _stop(self, evse: int, reason: str) -> None:
        self.authorized.discard(evse)
        if self.bench.engine.evses[evse].power_path:
            self._fact("power_path", evse, False)
        self.meter(0, evse)
        self._fact("stopped", evse, reason)
        if self.bench.engine.evses[evse].plugged is not None and reason != "EVDisconnected":
            self._fact("charging_state", evse, "EVConnected")

    def _fact(self, name: str, *args: Any) -> None:
        self.bench.fact(name, *args)

    # -- what was said and shown -----------------------------------------------------------------------------------

    def take(self) -> list[tuple[str, dict[str, Any]]]:
        """The transaction messages since the last take, in order."""
        said, self.said = self.said, []
        return transaction_messages(said)

    def shown(self) -> list[str]:
        """The texts on the display since the last call."""
        texts = [effect[2] for effect in self.effects if effect[0] == "display"]
        self.effects = [effect for effect in self.effects if effect[0] != "display"]
        return texts


def transaction_messages(said: Iterable[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    return [(action, payload) for action, payload in said if action in TRANSACTION_ACTIONS]


def events(said: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    """Transaction messages in short: "Started Authorized EVConnected", "StartTransaction", "MeterValues", ..."""
    short = []
    for action, payload in transaction_messages(said):
        if action == "TransactionEvent":
            words = [
                payload["eventType"],
                payload["triggerReason"],
                payload["transactionInfo"].get("chargingState", ""),
            ]
            short.append(" ".join(word for word in words if word))
        else:
            short.append(action)
    return short


def measurands(meter_value: dict[str, Any]) -> list[tuple[str, str | None, Any]]:
    """The values of one MeterValue: measurand, phase, value."""
    return [(each["measurand"], each.get("phase"), each["value"]) for each in meter_value["sampledValue"]]
