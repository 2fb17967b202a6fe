"""The version of the firmware that runs, from a file of the installed image: `[station] firmware_file`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evse.shell.log import Log

LENGTH = 50
READ_BYTES = 65536


def version(place: str, log: Log) -> str | None:
    """`/etc/os-release:VERSION_ID` is the value of that line, a path alone the first line of the file.

    At most 50 characters; None, and a line in the log, where there is none to be had: the station starts all the same.
    """
    path, colon, name = place.rpartition(":")
    if not colon or "/" in name:
        path, name = place, ""
    try:
        with open(path, "rb") as file:
            lines = file.read(READ_BYTES).decode("utf-8", "replace").splitlines()
    except OSError as error:
        log.error("the firmware version cannot be read", file=path, why=error.strerror)
        return None
    wanted = name + "="
    found = (line.removeprefix(wanted) for line in lines if not name or line.startswith(wanted))
    text = next(found, "").strip().strip("\"'")
    if not text:
        log.error("the file has no firmware version", file=path, name=name or None)
    return text[:LENGTH] or None
