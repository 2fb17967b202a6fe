"""What the built-in CSMS answers to each message of a station, in all three versions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from evse.clock import timestamp

if TYPE_CHECKING:
    from evse.csms.connection import Connection

Payload = dict[str, Any]
Answer = Callable[["Connection", Payload], Payload]

# Messages that need no more than a constant answer; what is in none of the tables here is answered by {}.
CONSTANT: dict[str, Payload] = {
    "Get15118EVCertificate": {"status": "Failed", "exiResponse": ""},
    "GetCertificateStatus": {"status": "Failed"},
    "NotifyEVChargingNeeds": {"status": "NoChargingProfile"},
    "NotifyEVChargingSchedule": {"status": "Accepted"},
    "OpenPeriodicEventStream": {"status": "Accepted"},
    "PullDynamicScheduleUpdate": {"status": "Rejected"},
    "SignCertificate": {"status": "Rejected"},
}


def answer(connection: Connection, action: str, payload: Payload) -> Payload:
    """The answer to a station's call whose payload passed the table; books what is to be booked."""
    special = SPECIAL.get(action)
    return special(connection, payload) if special else dict(CONSTANT.get(action, {}))


def _now() -> str:
    return timestamp(time.time())


def _boot_notification(connection: Connection, payload: Payload) -> Payload:
    csms = connection.csms
    return {"currentTime": _now(), "interval": csms.heartbeat_interval_s, "status": csms.registration_status}


def _heartbeat(connection: Connection, payload: Payload) -> Payload:
    return {"currentTime": _now()}


def _data_transfer(connection: Connection, payload: Payload) -> Payload:
    return {"status": "UnknownVendorId"}


def _authorize(connection: Connection, payload: Payload) -> Payload:
    if connection.version == "1.6":
        return {"idTagInfo": {"status": connection.csms.token_status(payload["idTag"])}}
    return {"idTokenInfo": {"status": connection.csms.token_status(payload["idToken"]["idToken"])}}


def _start_transaction(connection: Connection, payload: Payload) -> Payload:
    session = connection.csms.ledger.start_transaction(connection.identity, payload)
    status = connection.csms.token_status(payload["idTag"])
    return {"transactionId": int(session.transaction_id), "idTagInfo": {"status": status}}


def _stop_transaction(connection: Connection, payload: Payload) -> Payload:
    connection.csms.ledger.stop_transaction(connection.identity, payload)
    if "idTag" in payload:
        return {"idTagInfo": {"status": connection.csms.token_status(payload["idTag"])}}
    return {}


def _meter_values(connection: Connection, payload: Payload) -> Payload:
    if connection.version == "1.6":
        connection.csms.ledger.meter_values(connection.identity, payload)
    return {}


def _transaction_event(connection: Connection, payload: Payload) -> Payload:
    connection.csms.ledger.transaction_event(connection.identity, str(connection.version), payload)
    if "idToken" in payload:
        return {"idTokenInfo": {"status": connection.csms.token_status(payload["idToken"]["idToken"])}}
    return {}


def _certificate_chain_status(connection: Connection, payload: Payload) -> Payload:
    return {
        "certificateStatus": [
            {
                "certificateHashData": request["certificateHashData"],
                "source": request["source"],
                "status": "Unknown",
                "nextUpdate": _now(),
            }
            for request in payload["certificateStatusRequests"]
        ]
    }


def _vat_number_validation(connection: Connection, payload: Payload) -> Payload:
    return {"vatNumber": payload["vatNumber"], "status": "Rejected"}


SPECIAL: dict[str, Answer] = {
    "Authorize": _authorize,
    "BootNotification": _boot_notification,
    "DataTransfer": _data_transfer,
    "GetCertificateChainStatus": _certificate_chain_status,
    "Heartbeat": _heartbeat,
    "MeterValues": _meter_values,
    "StartTransaction": _start_transaction,
    "StopTransaction": _stop_transaction,
    "TransactionEvent": _transaction_event,
    "VatNumberValidation": _vat_number_validation,
}
