"""TxStartPoint and TxStopPoint: which facts start a transaction and which end it. [E01, E06; part 2 §2.6.6]

Defaults where the device model names none: start PowerPathClosed, stop Authorized. Unplugging ends the authorization as
long as StopTxOnEVSideDisconnect is true, and with it the transaction; where it is false the transaction survives a
disconnected EV, as 1.6 §4.10 and E10 want it. That is 1.6 behaviour and that of E09 and E10 in one setting.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.model import Evse

START = ("PowerPathClosed",)
STOP = ("Authorized",)

# Stop points that are lost when the authorization ends: energy can flow no more.
AUTHORIZATION_LOST = frozenset(("Authorized", "PowerPathClosed", "EnergyTransfer"))
# ... when the EV is disconnected while its authorization stands.
CONNECTION_LOST = frozenset(("EVConnected", "PowerPathClosed"))
# Reasons that end a transaction whatever TxStopPoint says: the session will not be taken up again.
FINAL_REASONS = frozenset(("ImmediateReset", "Reboot", "PowerLoss"))

# TriggerReasonEnum for a session that the charging side ended; AbnormalCondition for the rest. [E06.FR.16]
TRIGGERS = {
    "DeAuthorized": "Deauthorized",
    "EVDisconnected": "EVCommunicationLost",
    "ImmediateReset": "ResetCommand",
    "Local": "StopAuthorized",
    "MasterPass": "StopAuthorized",
    "Remote": "RemoteStop",
    "StoppedByEV": "StopAuthorized",
    "Timeout": "EVConnectTimeout",
    "EnergyLimitReached": "EnergyLimitReached",
    "TimeLimitReached": "TimeLimitReached",
}


def points(model: Any, variable: str, default: tuple[str, ...]) -> frozenset[str]:
    """The points that a variable of TxCtrlr lists."""
    return frozenset(name for name in model.members("TxCtrlr", variable) or () if name) or frozenset(default)


def holds(evse: Evse, occupied: bool) -> frozenset[str]:
    """The points that an EVSE is at; `occupied` is its parking bay. EnergyTransfer and DataSigned are moments."""
    reached = []
    if occupied:
        reached.append("ParkingBayOccupancy")
    if evse.plugged is not None:
        reached.append("EVConnected")
    if evse.authorized is not None:
        reached.append("Authorized")
        if evse.plugged is not None:
            reached.append("PowerPathClosed")
    return frozenset(reached)
