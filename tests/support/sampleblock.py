"""A block for the engine's own tests: it takes the place of data_transfer and has wire forms of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from evse.errors import CsmsError


class Block:
    """Answers DataTransfer as its `messageId` says, and writes down what it hears."""

    name = "data_transfer"
    FINAL_ERRORS = ("NotSupported",)

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        self.later: Any = None
        self.heard: list[tuple[Any, ...]] = []
        self.ends: list[tuple[Any, ...]] = []

    def transfer(self, request: dict[str, Any]) -> Any:
        wish = request.get("messageId")
        if wish == "later":
            self.later = self.ctx.later()
            return self.later
        if wish == "error":
            raise CsmsError("SecurityError", "no")
        if wish == "defect":
            raise KeyError(wish)
        if wish == "invalid":
            return {"status": "Perhaps"}
        if wish == "talk":
            self.say("after")
        return {"status": "Accepted"}

    def say(self, text: str, **options: Any) -> None:
        """Calls the CSMS."""
        self.ctx.call(
            self, "Talk", {"vendorId": "V", "data": text}, lambda *end: self.ends.append((text, *end)), **options
        )

    def keep(self, text: str, **options: Any) -> None:
        """Records an event."""
        self.ctx.record(self, "Event", text, **options)

    def delivered(self, event: str, row: Any, action: str, answer: Any) -> Any:
        self.heard.append((event, row, action, answer))
        return {"data_transfer:last": row} if answer is not None else None


def _record(row: str, ctx: Any) -> Any:
    if row == "silent":
        return None
    if row == "broken":
        raise KeyError(row)
    if row == "twice" and not ctx.journal.state.get("data_transfer:last") == "twice":
        return "DataTransfer", {"vendorId": "V", "data": "first"}, False
    return "DataTransfer", {"vendorId": "V", "data": row}, True


v2 = SimpleNamespace(
    CALLS={"DataTransfer": ("transfer", None, None)},
    EVENTS={"Talk": ("DataTransfer", None, None)},
    RECORDS={"Event": (_record, None)},
)
v16 = SimpleNamespace(
    CALLS={"DataTransfer": ("transfer", None, None)},
    EVENTS={
        "Talk": (
            "DataTransfer",
            lambda data, ctx: None if data["data"] == "2.x only" else data,
            lambda answer: {"16": answer["status"]},
        )
    },
    RECORDS={"Event": (_record, None)},
)
