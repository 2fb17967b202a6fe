"""Standalone mode: the station without OCPP; the cards on its own list may charge, or everybody (free vending)."""

from __future__ import annotations

from evse.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DOCUMENT = "tags"
TAGS = 1000
CONNECTION_TIMEOUT_S = 60.0
TOKEN_LENGTH = 36


class Standalone:
    """Who may charge, and which EVSE a card is meant for. A card that started a session ends it."""

    engine = None
    journal = None

    def __init__(self, station: Any) -> None:
        self._station = station
        self._free = station.config["behaviour"]["free_vending"]
        kept = station.documents.load(DOCUMENT)
        self._tags: list[dict[str, str]] = kept if isinstance(kept, list) else []
        self._learning: tuple[str, Any] | None = None

    # What the station asks of its side

    def begin(self) -> None:
        """Nothing was kept that goes on."""

    def connect(self) -> None:
        """There is no CSMS."""
        self._station.notify.status("standalone")

    def disconnect(self) -> None:
        """There is no CSMS."""

    def has_to_say(self) -> bool:
        """Nobody to say it to."""
        return False

    def close(self) -> None:
        """Nothing is open."""

    def setting(self, name: str) -> Any:
        """A setting of the charging controllers. Raises AttributeError."""
        try:
            return {
                "connection_timeout_s": CONNECTION_TIMEOUT_S,
                "stop_on_disconnect": True,
                "unlock_on_disconnect": True,
                "free_vending": self._free,
            }[name]
        except KeyError:
            raise AttributeError(name) from None

    def fact(self, name: str, evse_id: int | None, *values: Any) -> None:
        """Keeps the facts that status shows."""
        evse = self._station.evses.get(evse_id)
        if evse is None:
            return
        evse.note(name, values, self._station.clock.now())
        if name == "stopped":
            evse.authorized = None

    def token_presented(self, evse_ids: tuple[int, ...], id_token: str, kind: str) -> None:
        """Learns the card, ends its session, or starts one where a cable waits."""
        if self._learning is not None:
            name, timer = self._learning
            self._learning = None
            timer.cancel()
            self._add(id_token, name)
            self._station.control.publish("tags", {"event": "tag", "token": id_token, "name": name})
            return
        evses = [self._station.evses[id] for id in evse_ids]
        shown = evse_ids[0] if len(evse_ids) == 1 else None
        for evse in evses:
            if evse.authorized is not None and evse.authorized.id_token.lower() == id_token.lower():
                self._station.controllers[evse.id].stop("Local")
                return
        if self._find(id_token) is None and not self._free:
            self._station.display(shown, "card unknown")
            return
        free = [evse for evse in evses if evse.authorized is None]
        free.sort(key=lambda evse: evse.plugged is None)
        if not free:
            self._station.display(shown, "occupied")
            return
        self.start(free[0].id, id_token, kind)

    # What the control socket asks

    def start(self, evse_id: int, id_token: str | None, kind: str = "ISO14443") -> None:
        """Starts a session, with or without a card."""
        from evse.model import Token

        self._station.evses[evse_id].authorized = Token(id_token or "", kind)
        self._station.authorize(evse_id)

    def stop(self, evse_id: int) -> None:
        """Ends the session of an EVSE."""
        self._station.controllers[evse_id].stop("Local")

    def status(self) -> dict[str, Any]:
        """The part of `status` that is about the CSMS."""
        return {"connection": "none", "version": None, "registration": None, "identity": None, "queued": 0}

    def connector_status(self, evse: Any, connector_id: int) -> str:
        """Available, Occupied or Faulted."""
        if evse.faults:
            return "Faulted"
        return "Occupied" if evse.plugged == connector_id else "Available"

    def transaction_of(self, evse_id: int) -> str | None:
        """Nothing here has a number."""
        return None

    def commands(self) -> dict[str, Any]:
        """Verbs of this mode."""
        return {"tags": self._command}

    def _command(self, request: dict[str, Any], client: Any) -> dict[str, Any] | None:
        op = request.get("op")
        if op == "list":
            return {"tags": self._tags}
        if op == "learn":
            seconds = request.get("seconds", 30)
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= 600:
                raise UsageError("seconds must be from 1 to 600")
            client.wants |= {"tags"}
            self._learn(_name(request), seconds)
            return None
        token = request.get("token")
        if not isinstance(token, str) or not 1 <= len(token) <= TOKEN_LENGTH:
            raise UsageError(f"token must be text of 1 to {TOKEN_LENGTH} characters")
        if op == "add":
            self._add(token, _name(request))
        elif op == "rm":
            found = self._find(token)
            if found is None:
                raise UsageError(f"there is no card {token!r}; `evse tag list` shows them")
            self._save([tag for tag in self._tags if tag is not found])
        else:
            raise UsageError("op must be learn, add, list or rm")
        return None

    def _learn(self, name: str, seconds: float) -> None:
        if self._learning is not None:
            raise UsageError("the station is learning a card already")
        timer = self._station.loop.call_later(seconds, self._learnt_nothing)
        self._learning = name, timer

    def _learnt_nothing(self) -> None:
        self._learning = None
        self._station.control.publish("tags", {"event": "tag", "token": None, "name": None})

    def _find(self, id_token: str) -> dict[str, str] | None:
        return next((tag for tag in self._tags if tag["token"].lower() == id_token.lower()), None)

    def _add(self, token: str, name: str) -> None:
        others = [tag for tag in self._tags if tag["token"].lower() != token.lower()]
        if len(others) >= TAGS:
            raise UsageError(f"the list is full with {TAGS} cards; remove one first")
        self._save([*others, {"token": token, "name": name}])

    def _save(self, tags: list[dict[str, str]]) -> None:
        self._station.documents.save(DOCUMENT, tags)
        self._tags = tags


def _name(request: dict[str, Any]) -> str:
    name = request.get("name", "")
    if not isinstance(name, str) or len(name) > 100:
        raise UsageError("name must be text of at most 100 characters")
    return name
