"""P. DataTransfer: what vendors say to each other beside OCPP."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from evse.errors import CsmsError
    from evse.ocpp.engine import Engine

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

    def data_transfer(self, request: dict[str, Any]) -> dict[str, Any]:
        """[P01] UnknownVendorId and UnknownMessageId carry no data. [P01.FR.05, P01.FR.06; 1.6 §4.3]"""
        messages = self._handlers.get(request["vendorId"])
        if messages is None:
            return {"status": "UnknownVendorId"}
        message_id = request.get("messageId")
        handler = messages.get(message_id) or messages.get(None)
        if handler is None:
            return {"status": "UnknownMessageId"}
        status, data = handler(message_id, request.get("data"))
        return {"status": status} if data is None else {"status": status, "data": data}

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
