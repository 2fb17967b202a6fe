"""The resident process: loads the compiled configuration, builds the station, runs the loop until it is told to end.

Exit codes: 1 refused or failed at the start, 70 an internal error (outputs were made safe first), 75 the station asks
to be started again (a reset), 76 that the machine is (new firmware), 129, 130 and 143 after SIGHUP, SIGINT and SIGTERM.
"""

from __future__ import annotations

import marshal

from evse.app import FAULTS, Station
from evse.errors import EvseError, StoreError
from evse.shell.log import Log
from evse.shell.loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FAILED, INTERNAL = 1, 70
SIGNALS = (1, 2, 15)  # SIGHUP, SIGINT, SIGTERM


def main(arguments: list[str]) -> int:
    """`arguments`: compiled configuration, state directory, control socket, log level; the exit code."""
    config_path, state_dir, control, level = arguments
    log = Log(level)
    loop = Loop(lambda loop, context: _heard(log, context["exception"]))
    station = None
    try:
        config = load(config_path)
        if config["log"]["file"] is not None:
            from evse.shell.logfile import LogFile

            log.copy = LogFile(config["log"]["file"], config["log"]["file_bytes"]).write
        station = Station(config, state_dir, control, loop, log)
        for number in SIGNALS:
            loop.add_signal_handler(number, station.shut_down, 128 + number)
        station.start()
        loop.run_forever()
        return station.exit_code
    except EvseError as error:
        log.error("the station cannot start", why=str(error))
        return FAILED
    except Exception as error:
        log.error("an internal error ends the station", kind=type(error).__name__, why=str(error))
        if station is not None:
            station.make_safe()
        _tell_where(log, error)
        return INTERNAL
    finally:
        if station is not None:
            station.close()
        loop.close()


def _heard(log: Log, problem: Exception) -> None:
    """What a callback raised: a fault outside is logged, a defect ends the process."""
    if not isinstance(problem, FAULTS):
        raise problem
    log.error("a part failed", kind=type(problem).__name__, why=str(problem))


def _tell_where(log: Log, error: Exception) -> None:
    """The frames of a crash; the byte code has no lines, `evse.bytecode.line_of` finds them by function and offset."""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        log.error(
            "at", file=code.co_filename, function=code.co_name, first_line=code.co_firstlineno, offset=trace.tb_lasti
        )
        trace = trace.tb_next


def load(path: str) -> dict[str, Any]:
    """The compiled configuration. Raises StoreError."""
    try:
        with open(path, "rb") as file:
            config: dict[str, Any] = marshal.loads(file.read())
            return config
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise StoreError(f"{path}: {error}; start the station by `evse run`") from None
