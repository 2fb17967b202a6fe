"""A transfer that the other side refused: tried again, unless trying again could only do harm."""

from __future__ import annotations

from evse.shell.children.main import JobError


class Refusal(JobError):
    """`final`: not tried again, as a login that was refused (an account may be locked after some)."""

    def __init__(self, code: str, text: str, *, final: bool) -> None:
        super().__init__(code, text)
        self.final = final
