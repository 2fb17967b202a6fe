"""A transfer that the other side refused; it is tried again as any other that failed."""

from __future__ import annotations

from evse.shell.children.main import JobError


class Refusal(JobError):
    """The server said no."""
