"""States of a charging session, as two tables.

TABLE says which state follows an event; a pair that is not in it is an error and changes nothing. OUTPUTS says what
holds in a state. Two kinds of events drive the machine (evse/charging/session.py):

    edges   authorize, stop, timeout (of the state's timer), read (a fresh meter reading arrived, or did not in time)
    levels  fault; gone | away | B | C (no vehicle, with or without StopTxOnEVSideDisconnect; there; asking);
            opened | closed | welded (mirror contact); locked | unlocked; go | halt (a current can be offered or not)
"""

from __future__ import annotations

# Each row: a state; "events>state" where they change it; the events that leave it as it is.
_ROWS = """
idle       authorize>waiting  stop>ending  B,C>occupied
           fault,gone,away,opened,closed,welded,locked,unlocked,go,halt;
waiting    stop,fault>ending  timeout>idle  B,C>locking
           authorize,gone,away,opened,closed,locked,unlocked,go,halt;
absent     stop,fault,gone,timeout>ending  B,C>locking
           authorize,away,opened,closed,locked,unlocked,go,halt;
occupied   authorize>locking  stop>ending  gone,away>idle
           fault,B,C,opened,closed,welded,locked,unlocked,go,halt;
locking    stop,fault,gone,timeout>ending  away>absent  locked>suspended
           authorize,B,C,opened,closed,unlocked,go,halt;
suspended  stop,fault,gone,unlocked>ending  away>absent  go>offered
           authorize,B,C,opened,closed,locked,halt;
offered    stop,fault,gone,unlocked>ending  away>absent  timeout>resting  C>delayed  halt>suspended
           authorize,B,opened,closed,locked,go;
resting    stop,fault,gone,unlocked>ending  away>absent  C>delayed  halt>suspended
           authorize,B,opened,closed,locked,go;
delayed    stop,fault,gone,unlocked>ending  away>absent  timeout>closing  B>resting  closed>opening  halt>suspended
           authorize,C,opened,locked,go;
closing    stop,fault,gone,unlocked,timeout>ending  away,B,halt>opening  closed>charging
           authorize,C,opened,locked,go;
charging   stop,fault,gone,unlocked,opened>ending  away,B>opening  halt>pausing
           authorize,C,closed,locked,go;
pausing    stop,fault,gone,unlocked>ending  away,B,timeout,opened>opening  go>charging
           authorize,C,closed,locked,halt;
opening    stop,fault,gone,unlocked>ending  opened>resting
           authorize,away,B,C,closed,locked,go,halt;
ending     opened,welded>reading
           authorize,stop,fault,gone,away,B,C,closed,locked,unlocked,go,halt;
reading    read>occupied
           authorize,stop,fault,gone,away,B,C,opened,closed,welded,locked,unlocked,go,halt
"""


def _parse(rows: str) -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = {}
    for row in rows.split(";"):
        state, *parts = row.split()
        table[state] = {}
        for part in parts:
            events, _, target = part.partition(">")
            table[state].update(dict.fromkeys(events.split(","), target or state))
    return table


TABLE = _parse(_ROWS)

# state: contactor closed; duty cycle on; cable locked; ChargingStateEnum word (None in any of these: as it is); time of
# the state in seconds, or the setting that gives it.
# waiting: EVConnectionTimeOut. absent: the vehicle was unplugged, the session lives on [E10]. delayed: the contactor
# may not close again so soon. pausing: the vehicle has 3 s to stop drawing [IEC 61851-1 A.4, 10.1]; opening: it did.
OUTPUTS: dict[str, tuple[bool, bool | None, bool | None, str | None, float | str | None]] = {
    "idle": (False, False, False, "Idle", None),
    "waiting": (False, False, False, "Idle", "connection_timeout_s"),
    "absent": (False, False, None, "Idle", "connection_timeout_s"),
    "occupied": (False, False, False, "EVConnected", None),
    "locking": (False, False, True, "EVConnected", "lock_timeout_s"),
    "suspended": (False, False, True, "SuspendedEVSE", None),
    "offered": (False, True, True, None, 3.0),
    "resting": (False, True, True, "SuspendedEV", None),
    "delayed": (False, True, True, None, "min_close_interval_s"),
    "closing": (True, True, True, None, "contactor_timeout_s"),
    "charging": (True, True, True, "Charging", None),
    "pausing": (True, False, True, "SuspendedEVSE", 3.0),
    "opening": (False, True, True, None, None),
    "ending": (False, None, None, None, None),
    "reading": (False, False, False, None, None),
}
LIVE = tuple(state for state in TABLE if state not in ("idle", "occupied", "ending", "reading"))
HELD_BACK = ("opening", "ending", "reading")  # "unplugged" is told after the contactor opened and the session ended

# What the controller finds out itself in these pairs.
CAUSES = {
    ("closing", "timeout"): ("PowerSwitchFailure", "the contactor did not close"),
    ("charging", "opened"): ("PowerSwitchFailure", "the contactor opened by itself"),
    ("locking", "timeout"): ("ConnectorLockFailure", "the lock did not confirm"),
}
UNLOCKED = ("ConnectorLockFailure", "the lock opened by itself")
