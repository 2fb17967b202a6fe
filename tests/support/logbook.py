"""A log that remembers its lines: (level, text, fields)."""

from __future__ import annotations

from typing import Any


class Logbook:
    """Takes the place of `evse.shell.log.Log`."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Any:
        if level not in ("error", "warning", "info", "debug"):
            raise AttributeError(level)
        return lambda text, **fields: self.lines.append((level, text, fields))

    def texts(self, level: str) -> list[str]:
        """The texts at one level."""
        return [text for line_level, text, _ in self.lines if line_level == level]
