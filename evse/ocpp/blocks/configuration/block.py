"""B05-B08. Configuration: the CSMS reads, writes and lists the device model; in 1.6 the keys that are a view on it."""

from __future__ import annotations

from evse.clock import timestamp
from evse.errors import CsmsError
from evse.ocpp.status_info import refusal, status_info
from evse.ocpp.variable_row import INSTANCE, NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from evse.ocpp.engine import Engine
    from evse.ocpp.variable_row import Found

# Variables in one NotifyReport, which bounds the memory of a report, and about its bytes, which bounds the frame.
PART_ITEMS = 12
PART_BYTES = 12_000
# What a variable's names, types and braces take beside its texts.
ITEM_BYTES = 300
# Reports that wait for the one under way; more are Rejected. [B07.FR.13] [B08.FR.16]
WAITING = 4
# Variables of SecurityCtrlr whose change is a security event.
SECURITY = ("BasicAuthPassword", "SecurityProfile")
# What SummaryInventory lists beside AvailabilityState: problem conditions that are present.
CONDITIONS = ("Problem", "Tripped", "Overload", "Fallback")


class Block:
    """Answers from the device model; sends one part of a report after the other."""

    name = "configuration"

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        # (request id, variables still to be told), the first is under way.
        self._reports: list[tuple[int, Iterator[Found]]] = []
        self._sequence = 0
        self._next: Found | None = None
        ctx.block("availability")  # it provides AvailabilityState
        ctx.block("authorization")  # AuthCacheCtrlr.Storage
        ctx.block("network")  # NetworkConfiguration, and what may be written there
        for variable in SECURITY:
            ctx.model.watch("SecurityCtrlr", variable, lambda *_, name=variable: self._security_changed(name))

    def _security_changed(self, variable: str) -> None:
        """The security log hears of the change, not of the value. [A01.FR.11] [A01.FR.12]"""
        security = self.ctx.block("security")
        if security is not None:
            security.event("ReconfigurationOfSecurityParameters", tech_info=f"SecurityCtrlr.{variable}")

    # -- variables -------------------------------------------------------------------------------------------------

    def set_variables(self, request: dict[str, Any]) -> dict[str, Any]:
        """[B05] One result for each element, in order. [B05.FR.01] [B05.FR.02]"""
        items = request["setVariableData"]
        self._bound(items, "SetVariables")
        results = []
        for item, (status, reason) in zip(items, self.ctx.model.write_all(items), strict=True):
            result = self._result(item, status, reason)
            if status in ("Accepted", "RebootRequired"):
                self.ctx.log.info("a variable was changed by the CSMS", variable=_spelled(item))
            elif reason is not None and reason[0] == "InternalError":
                self.ctx.log.error("a change by the CSMS could not be stored", variable=_spelled(item))
            results.append(result)
        return {"setVariableResult": results}

    def get_variables(self, request: dict[str, Any]) -> dict[str, Any]:
        """[B06] One result for each element, in order. [B06.FR.01] [B06.FR.02]"""
        items = request["getVariableData"]
        self._bound(items, "GetVariables")  # [B06.FR.16]
        results = []
        for item in items:
            status, value, reason = self.ctx.model.read(item)
            result = self._result(item, status, reason)
            if value is not None:
                result["attributeValue"] = value
            results.append(result)
        return {"getVariableResult": results}

    @staticmethod
    def _result(item: dict[str, Any], status: str, reason: tuple[str, str] | None) -> dict[str, Any]:
        result = {
            "attributeType": item.get("attributeType", "Actual"),  # [B05.FR.03] [B05.FR.12] [B06.FR.03] [B06.FR.11]
            "attributeStatus": status,
            "component": item["component"],
            "variable": item["variable"],
        }
        if reason is not None:
            result["attributeStatusInfo"] = status_info(*reason)
        return result

    def _bound(self, items: list[Any], message: str) -> None:
        """Raises CsmsError for more elements than ItemsPerMessage allows."""
        most = self.ctx.model.integer("DeviceDataCtrlr", "ItemsPerMessage", message)
        if most is not None and len(items) > most:
            raise CsmsError("OccurrenceConstraintViolation", f"more than {most} elements in {message}")

    # -- reports ---------------------------------------------------------------------------------------------------

    def get_base_report(self, request: dict[str, Any]) -> dict[str, Any]:
        """[B07] All that is asked for follows as NotifyReport."""
        select: dict[str, Callable[[Found], bool] | None] = {
            "ConfigurationInventory": self.ctx.model.is_writable,  # [B07.FR.07]
            "FullInventory": None,
            "SummaryInventory": self._is_condition,  # [B07.FR.09]
        }
        base = request["reportBase"]
        if base not in select:
            return {"status": "NotSupported"}  # [B07.FR.02]
        chosen, found = select[base], self.ctx.model.walk()
        return self._report(request["requestId"], found if chosen is None else filter(chosen, found))

    def get_report(self, request: dict[str, Any]) -> dict[str, Any]:
        """[B08] By criteria, by component and variable, or by both at once. [B08.FR.05]"""
        criteria, wanted = request.get("componentCriteria"), request.get("componentVariable")
        if wanted is not None:
            self._bound(wanted, "GetReport")  # [B08.FR.17]
        found = self.ctx.model.walk()
        if wanted:
            found = (variable for variable in found if any(_is_meant(variable, item) for item in wanted))
        if criteria:
            found = (variable for variable in found if self._meets(variable, criteria))
        return self._report(request["requestId"], found)

    def _report(self, request_id: int, found: Iterator[Found]) -> dict[str, Any]:
        if len(self._reports) > WAITING:
            return refusal("OutOfMemory", "too many reports are under way")
        first = next(found, None)
        if first is None:
            return {"status": "EmptyResultSet"}  # [B08.FR.15]
        self._reports.append((request_id, _after(first, found)))
        if len(self._reports) == 1:
            self._begin()
        return {"status": "Accepted"}

    def _begin(self) -> None:
        self._sequence = 0  # [B07.FR.10] [B08.FR.14]
        self._next = next(self._reports[0][1], None)
        self._send_part()

    def _send_part(self) -> None:
        """Builds and sends the next part of the report under way; the one after it waits for its answer."""
        request_id, rest = self._reports[0]
        items: list[dict[str, Any]] = []
        bytes_left = PART_BYTES
        while self._next is not None and len(items) < PART_ITEMS and bytes_left > 0:
            item = self.ctx.model.describe(self._next)
            bytes_left -= _length(item)
            if bytes_left > 0 or not items:
                items.append(item)
                self._next = next(rest, None)
        clock = self.ctx.clock
        part = {
            "requestId": request_id,  # [B07.FR.04] [B08.FR.04]
            "generatedAt": timestamp(clock.resolve(clock.stamp())),
            "reportData": items,
            "tbc": self._next is not None,
            "seqNo": self._sequence,
        }
        self._sequence += 1
        self.ctx.call(self, "NotifyReport", part, self._part_answered, early=True)

    def _part_answered(self, _: dict[str, Any] | None, error: CsmsError | None) -> None:
        """Goes on, or ends the report: what the CSMS did not take, it has to ask for again."""
        if not self.ctx.is_connected:
            self._reports.clear()
            return
        if error is None and self._next is not None:
            self._send_part()
            return
        if error is not None:
            self.ctx.log.warning("a report ends early", why=str(error))
        del self._reports[0]
        if self._reports:
            self._begin()

    def _is_condition(self, found: Found) -> bool:
        name = found[2][NAME]
        return name == "AvailabilityState" or (name in CONDITIONS and self.ctx.model.value(found) == "true")

    def _meets(self, found: Found, criteria: list[str]) -> bool:
        """Whether the component meets one of the criteria. [B08.FR.07]-[B08.FR.10] [B08.FR.13]"""
        name, place, _ = found
        for criterion in criteria:
            value = None
            for other in self.ctx.model.walk(name):
                if other[1] == place and other[2][NAME] == criterion and other[2][INSTANCE] is None:
                    value = self.ctx.model.value(other)
            if value == "true" or (value is None and criterion != "Problem"):
                return True
        return False

    # -- 1.6 -------------------------------------------------------------------------------------------------------

    def get_keys(self, request: dict[str, Any]) -> dict[str, Any]:
        """Keys by name (`keys`; none: all): {"known": [(key, read-only, value or None)], "unknown": [...]}."""
        view = self._keys()
        known, unknown = [], []
        for name in request.get("keys") or view.names():
            key = view.get(name)
            if key is None:
                unknown.append(name)
            else:
                known.append(key)
        return {"known": known, "unknown": unknown}

    def set_key(self, request: dict[str, Any]) -> dict[str, Any]:
        """Changes `key` to the text `value`: {"status": ConfigurationStatus}."""
        status = self._keys().change(request["key"], request["value"])
        if status in ("Accepted", "RebootRequired"):
            self.ctx.log.info("a variable was changed by the CSMS", variable=request["key"])
        return {"status": status}

    def _keys(self) -> Any:
        from evse.ocpp.keys16 import KeyView

        return KeyView(self.ctx.model)


def _after(first: Found, rest: Iterator[Found]) -> Iterator[Found]:
    yield first
    yield from rest


def _is_meant(found: Found, item: dict[str, Any]) -> bool:
    """Whether a ComponentVariable means the variable; what it leaves out may be anything. [B08.FR.20]-[B08.FR.25]"""
    name, (instance, evse, connector), row = found
    component, variable = item["component"], item.get("variable")
    place = component.get("evse") or {}
    stated = [(component["name"], name), (component.get("instance"), instance)]
    if variable is not None:
        stated += [(variable["name"], row[NAME]), (variable.get("instance"), row[INSTANCE])]
    if any(asked and asked.lower() != (has or "").lower() for asked, has in stated):
        return False
    return place.get("id") in (None, evse) and place.get("connectorId") in (None, connector)


def _length(item: dict[str, Any]) -> int:
    """About how many bytes a variable takes in a frame."""
    texts = [attribute.get("value", "") for attribute in item["variableAttribute"]]
    texts.append(item["variableCharacteristics"].get("valuesList", ""))
    return ITEM_BYTES + sum(len(text.encode()) for text in texts)


def _spelled(item: dict[str, Any]) -> str:
    """The name of a variable for the log; never its value."""
    instance = item["variable"].get("instance")
    return f"{item['component']['name']}.{item['variable']['name']}" + (f"[{instance}]" if instance else "")
