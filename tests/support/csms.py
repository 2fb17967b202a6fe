"""The built-in CSMS in a thread of its own, for tests that drive a real station process.

with CsmsThread(versions=["2.0.1"]) as csms:
    csms.call("CS001", "Reset", {"type": "Immediate"})
    csms.now.ledger, csms.now.messages ...          read only
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from evse.csms import Csms, Message


class CsmsThread:
    """See the module; `settings` as for Csms."""

    def __init__(self, tls: ssl.SSLContext | None = None, **settings: Any) -> None:
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._settings = settings

    def __enter__(self) -> CsmsThread:
        self._thread.start()
        self.now: Csms = self.run(self._make)
        self.run(self.now.start, tls=self._tls)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self.now.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _make(self) -> Csms:
        return Csms(**self._settings)

    def run(self, call: Callable[..., Any], *args: Any, **settings: Any) -> Any:
        """A coroutine function of the CSMS, from this thread."""
        return asyncio.run_coroutine_threadsafe(call(*args, **settings), self._loop).result(60)

    @property
    def url(self) -> str:
        return self.now.url

    def call(self, identity: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """As Csms.call."""
        answer: dict[str, Any] = self.run(self.now.call, identity, action, payload)
        return answer

    def expect(
        self, action: str, where: Callable[[dict[str, Any]], Any] = lambda payload: True, limit_s: float = 10
    ) -> Message:
        """As Csms.expect."""
        message: Message = self.run(self.now.expect, action, where, timeout_s=limit_s)
        return message
