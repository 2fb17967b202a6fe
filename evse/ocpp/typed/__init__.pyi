"""Types of every payload, one module a version: v16, v201, v21. For annotations only: there is no code to import."""

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")

class Register(Generic[_Request, _Answer]):
    """What `client.on(action)` gives: it takes the function that answers."""

    def __call__(
        self, handler: Callable[[_Request], _Answer | Awaitable[_Answer]], /
    ) -> Callable[[_Request], _Answer | Awaitable[_Answer]]: ...

class Connection(Protocol):
    """What the clients of all versions have in common."""

    async def connect(self) -> None: ...
    async def close(self, timeout_s: float = ...) -> None: ...
    async def wait_closed(self) -> None: ...
    async def ping(self, timeout_s: float = ...) -> float: ...
    @property
    def connected(self) -> bool: ...
