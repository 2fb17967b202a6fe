"""Interface: makes a connection go through one network device, or from one source address."""

from __future__ import annotations

import _socket

from evse.shell.channel import ChannelError
from evse.shell.resolver import numeric

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evse.shell.channel import Socket


def bind(sock: Socket, family: int, interface: str) -> None:
    """Makes the connection go through a network device, or from a source address. Raises ChannelError."""
    try:
        if numeric(interface, 0):
            sock.bind((interface, 0) if family == _socket.AF_INET else (interface, 0, 0, 0))
        else:
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    except OSError as problem:
        raise ChannelError("interface", f"{interface}: {problem.strerror or problem}") from None
