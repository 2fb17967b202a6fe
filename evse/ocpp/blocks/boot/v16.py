"""BootNotification and Heartbeat in OCPP 1.6."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evse.ocpp.engine import Engine

# A charge point that was rejected does not respond at all. [1.6 §4.2]
REFUSAL = ""

# Name in BootNotification.req: name in the station's description.
_FIELDS = {
    "chargePointVendor": "vendor",
    "chargePointModel": "model",
    "chargePointSerialNumber": "serial",
    "firmwareVersion": "firmware",
    "iccid": "iccid",
    "imsi": "imsi",
    "meterType": "meter_type",
    "meterSerialNumber": "meter_serial",
}


def _boot(data: dict[str, Any], ctx: Engine) -> dict[str, Any]:
    """BootNotification.req; 1.6 knows no reason."""
    return {wire: ctx.station[name] for wire, name in _FIELDS.items() if ctx.station.get(name)}


CALLS: dict[str, Any] = {}
EVENTS = {"BootNotification": ("BootNotification", _boot, None), "Heartbeat": ("Heartbeat", None, None)}
RECORDS: dict[str, Any] = {}
