"""What drivers of real devices share: where they report to, and each fault told once."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Driver:
    """A device of the board; `options` is its table in the board file, `faults` what it reported and did not clear."""

    def __init__(self, options: dict[str, Any], evse_id: int | None, board: Any) -> None:
        self.options = options
        self.evse_id = evse_id
        self.board = board
        self.faults: dict[str, str] = {}
        self._loop: Any = None
        self._report: Any = None
        self._timer: Any = None

    def start(self, loop: Any, report: Any) -> None:
        self._loop = loop
        self._report = report

    def close(self) -> None:
        self._report = None
        self._cancel()

    def report(self, event: str, *values: Any) -> None:
        """Tells what happened; nothing before `start` and after `close`."""
        if self._report is not None:
            self._report(event, *values)

    def fault(self, code: str, detail: str) -> None:
        if code not in self.faults:
            self.faults[code] = detail
            self.report("fault", code, detail)

    def clear(self, code: str) -> None:
        if self.faults.pop(code, None) is not None:
            self.report("cleared", code)

    def _after(self, delay_s: float, call: Any, *args: Any) -> None:
        """The one timer of the device."""
        self._cancel()
        self._timer = self._loop.call_later(delay_s, call, *args)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
