"""P. DataTransfer: what vendors say to each other beside OCPP."""

from __future__ import annotations

from evse.errors import CsmsError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.ocpp.engine import Engine
    from evse.ocpp.inbox import Later

    Handler = Callable[[str | None, Any], tuple[str, Any]]


class Block:
    """Routes what the CSMS sends to the handler of its vendor, and sends to the CSMS."""

    name = "data_transfer"

    def __init__(self, ctx: Engine) -> None:
        self.ctx = ctx
        # Vendor id -> message id (None: every other) -> handler.
        self._handlers: dict[str, dict[str | None, Handler]] = {}

    def register(self, vendor_id: str, message_id: str | None, handler: Handler | None) -> None:
        """`handler(message_id, data) -> (status, data)` answers this message; id None: all that have no own one.

        Status is a DataTransferStatusEnum word; data None for none. A handler None removes it.
        """
        messages = self._handlers.setdefault(vendor_id, {})
        if handler is not None:
            messages[message_id] = handler
        else:
            messages.pop(message_id, None)
            if not messages:
                del self._handlers[vendor_id]

    def data_transfer(self, request: dict[str, Any]) -> dict[str, Any] | Later:
        """[P01] UnknownVendorId and UnknownMessageId carry no data. [P01.FR.05, P01.FR.06; 1.6 §4.3]"""
        messages = self._handlers.get(request["vendorId"])
        if messages is None:
            return self._extension(request)
        message_id = request.get("messageId")
        handler = messages.get(message_id) or messages.get(None)
        if handler is None:
            return {"status": "UnknownMessageId"}
        return _said(*handler(message_id, request.get("data")))

    def _extension(self, request: dict[str, Any]) -> dict[str, Any] | Later:
        """What a version carries in DataTransfer for want of a message of its own: the block has the rules."""
        dialect = self.ctx.dialect(self.name)
        name = dialect.VENDORS.get(request["vendorId"])
        block = None if name is None else self.ctx.block(name)
        if block is None:
            return {"status": "UnknownVendorId"}
        method, read, write = self.ctx.dialect(name).DATA.get(request.get("messageId"), (None, None, None))
        if method is None:
            return {"status": "UnknownMessageId"}
        try:
            answer = getattr(block, method)(read(dialect.opened(request.get("data"))))
        except (CsmsError, UsageError) as error:
            self.ctx.log.warning(
                "DataTransfer refused", vendor=request["vendorId"], message=request["messageId"], why=str(error)
            )
            return {"status": "Rejected"}
        if not hasattr(answer, "when_set"):
            return _said(*write(answer))
        later = self.ctx.later()
        answer.when_set(
            lambda said: later.set({"status": "Rejected"} if isinstance(said, CsmsError) else _said(*write(said)))
        )
        return later

    def send(
        self,
        vendor_id: str,
        message_id: str | None = None,
        data: Any = None,
        done: Callable[[dict[str, Any] | None, CsmsError | None], Any] | None = None,
    ) -> None:
        """[P02] Sends data to the CSMS; without a connection it is lost: `done(None, error)`, the code "Disconnected".

        `data` is any JSON value; 1.6 carries what is no text as JSON text.
        """
        request: dict[str, Any] = {"vendorId": vendor_id}
        if message_id is not None:
            request["messageId"] = message_id
        if data is not None:
            request["data"] = data
        self.ctx.call(self, "DataTransfer", request, done)


def _said(status: str, data: Any) -> dict[str, Any]:
    return {"status": status} if data is None else {"status": status, "data": data}
