"""Verbs of the control socket that need OCPP: vars, network, trace, data_transfer, security_event."""

from __future__ import annotations

from evse.errors import UsageError
from evse.ocpp.variable_row import key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.ocpp.keys16 import KeyView

    Request = dict[str, Any]

# Answers of `vars list` come in parts of so many.
PART = 40
SET = ("Accepted", "RebootRequired")


class OcppVerbs:
    """The verbs of one station; `side` is its OCPP (evse/online.py)."""

    def __init__(self, station: Any, side: Any) -> None:
        self._station = station
        self._side = side

    def commands(self) -> dict[str, Any]:
        """Name -> verb."""
        return {
            "vars": self._vars,
            "network": self._network,
            "trace": self._trace,
            "data_transfer": self._data_transfer,
            "security_event": self._security_event,
        }

    # Variables

    def _keys(self) -> Any:
        """The 1.6 key view; no part of the daemon under 2.x until somebody asks for a key."""
        from evse.ocpp.keys16 import KeyView

        return KeyView(self._side.model)

    def _vars(self, request: Request, client: Any) -> Request:
        op = request.get("op")
        self._side.engine.block("configuration")  # with it the blocks that provide and check variables
        if op == "list":
            return self._list(request)
        name = request.get("name")
        if not isinstance(name, str):
            raise UsageError("name must be text")
        key = None if "." in name else self._keys()
        if op == "get":
            return self._get(name) if key is None else self._get_key(key, name)
        if op == "set":
            value = request.get("value")
            if not isinstance(value, str):
                raise UsageError("value must be text")
            status, reason = self._set(name, value) if key is None else (key.change(name, value), None)
            if status not in SET:
                raise UsageError(
                    f"{name} was not set: {status}" + (f", {' '.join(filter(None, reason))}" if reason else "")
                )
            return {"status": status}
        if op == "reset" and key is None:
            component, place, row = self._find(name)[0]
            own = component if place[0] is None else f"{component}[{place[0]}]"
            self._side.model.reset(own, row[0], row[1], place[1], place[2])
            return self._get(name)
        raise UsageError("op must be list, get, set or reset" if key is None else "reset wants Component.Variable")

    def _list(self, request: Request) -> Request:
        start = request.get("start", 0)
        pattern = request.get("pattern") or ""
        if isinstance(start, bool) or not isinstance(start, int) or not isinstance(pattern, str):
            raise UsageError("start must be a number and pattern text")
        model = self._side.model
        found: list[Request] = []
        for count, (component, place, row) in enumerate(model.walk()):
            if count < start:
                continue
            if len(found) == PART:
                return {"vars": found, "next": count}
            name = key_of(component, place, row)
            if pattern.lower() in name.lower():
                found.append(self._described((component, place, row), "Actual"))
        return {"vars": found}

    def _find(self, name: str) -> tuple[Any, str]:
        """The variable of a name as `vars list` shows it, and the attribute. Raises UsageError."""
        plain, colon, attribute = name.rpartition(":")
        if not colon:
            plain, attribute = name, "Actual"
        component = plain.partition(".")[0].partition("[")[0].partition("@")[0]
        for found in self._side.model.walk(component):
            if _name(found).lower() == plain.lower():
                return found, attribute
        raise UsageError(f"there is no variable {name!r}; `evse vars list {component}` shows what there is")

    def _get(self, name: str) -> Request:
        return self._described(*self._find(name))

    def _described(self, found: Any, attribute: str) -> Request:
        model = self._side.model
        secret = found[2][5] == "WriteOnly"
        default = found[2][10]
        return {
            "name": _name(found, attribute),
            "value": "***" if secret else model.value(found, attribute),
            "default": "***" if secret and default else default,
            "source": model.source(found, attribute),
            "mutability": found[2][5],
        }

    def _set(self, name: str, value: str) -> tuple[str, tuple[str, str] | None]:
        found, attribute = self._find(name)
        said = self._side.model.describe(found)
        item = {
            "component": said["component"],
            "variable": said["variable"],
            "attributeType": attribute,
            "attributeValue": value,
        }
        result: tuple[str, tuple[str, str] | None] = self._side.model.write(item)
        return result

    @staticmethod
    def _get_key(view: KeyView, name: str) -> Request:
        """A 1.6 configuration key."""
        found = view.get(name)
        if found is None:
            raise UsageError(f"there is no configuration key {name!r}; variables are named Component.Variable")
        key, read_only, value = found
        return {"name": key, "value": "***" if value is None else value, "read_only": read_only}

    # The CSMS

    def _network(self, request: Request, client: Any) -> None:
        up = request.get("up")
        if not isinstance(up, bool):
            raise UsageError("up must be true or false")
        self._side.network(up)

    def _trace(self, request: Request, client: Any) -> Request:
        action = request.get("action")
        if action is not None and not isinstance(action, str):
            raise UsageError("action must be text")
        if request.get("follow"):
            client.wants |= {"trace"}
            self._side.trace.follow = self._follow
            self._station.control.gone = self._unfollow
        return {"frames": self._side.trace.entries(action)}

    def _follow(self, entry: Request) -> None:
        self._station.control.publish("trace", {"event": "frame", **entry})

    def _unfollow(self) -> None:
        if not self._station.control.wanted("trace"):
            self._side.trace.follow = None

    def _data_transfer(self, request: Request, client: Any) -> None:
        """`vendor_id`, `message_id`, `data`; the CSMS's answer is an event."""
        vendor_id, message_id = request.get("vendor_id"), request.get("message_id")
        if not isinstance(vendor_id, str) or not 1 <= len(vendor_id) <= 255:
            raise UsageError("vendor_id must be text of 1 to 255 characters")
        if message_id is not None and not (isinstance(message_id, str) and 1 <= len(message_id) <= 50):
            raise UsageError("message_id must be text of 1 to 50 characters")

        def done(answer: Any, error: Any) -> None:
            event = {"event": "data_transfer", "answer": answer, "error": str(error) if error is not None else None}
            self._station.control.publish("events", event)

        block = self._side.engine.block("data_transfer")
        if block is None:
            raise UsageError("the block data_transfer is switched off")
        block.send(vendor_id, message_id, request.get("data"), done)

    def _security_event(self, request: Request, client: Any) -> None:
        kind, tech_info = request.get("type"), request.get("tech_info")
        if not isinstance(kind, str) or not 1 <= len(kind) <= 50:
            raise UsageError("type must be text of 1 to 50 characters")
        if tech_info is not None and not isinstance(tech_info, str):
            raise UsageError("tech_info must be text")
        security = self._side.engine.block("security")
        if security is None:
            raise UsageError("the block security is switched off")
        security.event(kind, tech_info=tech_info)


def _name(found: tuple[str, Any, Any], attribute: str = "Actual") -> str:
    """What `vars list` calls a variable of `DeviceModel.walk`."""
    return key_of(found[0], found[1], found[2], attribute)
