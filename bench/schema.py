"""Checks per second of the message tables, beside `jsonschema` with the same schemas on the same payloads.

    python bench/schema.py [--json] [--seconds S]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jsonschema

from evse.ocpp.schema import Tables
from evse.ocpp.tables import compile, generate
from tests.support import payloads

AT = "2025-01-31T12:00:00.000Z"
SAMPLED = (("Energy.Active.Import.Register", "Wh"), ("Current.Import", "A"), ("Voltage", "V"))
SAMPLES_16 = [{"value": "1", "context": "Sample.Periodic", "measurand": name, "unit": unit} for name, unit in SAMPLED]
SAMPLES = [
    {"value": 1.5, "context": "Sample.Periodic", "measurand": name, "unitOfMeasure": {"unit": unit}}
    for name, unit in SAMPLED
]
# What a station says in a session, by version; "all" is one generated payload of every message.
SESSION: dict[str, dict[str, Any]] = {
    "1.6": {
        "BootNotificationRequest": {"chargePointVendor": "v", "chargePointModel": "m", "firmwareVersion": "1.0"},
        "AuthorizeRequest": {"idTag": "04A224B3"},
        "StartTransactionRequest": {"connectorId": 1, "idTag": "04A224B3", "meterStart": 0, "timestamp": AT},
        "MeterValuesRequest": {
            "connectorId": 1, "transactionId": 1, "meterValue": [{"timestamp": AT, "sampledValue": SAMPLES_16}],
        },
        "StopTransactionRequest": {"transactionId": 1, "meterStop": 10, "timestamp": AT, "reason": "Local"},
    },
}  # fmt: skip
SESSION["2.0.1"] = SESSION["2.1"] = {
    "BootNotificationRequest": {"reason": "PowerUp", "chargingStation": {"vendorName": "v", "model": "m"}},
    "AuthorizeRequest": {"idToken": {"idToken": "04A224B3", "type": "ISO14443"}},
    "TransactionEventRequest": {
        "eventType": "Updated", "timestamp": AT, "triggerReason": "MeterValuePeriodic", "seqNo": 3,
        "transactionInfo": {"transactionId": "f2b7c1d0", "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1}, "meterValue": [{"timestamp": AT, "sampledValue": SAMPLES}],
    },
}  # fmt: skip


def _per_second(check: Callable[[], object], seconds: float) -> float:
    """How often `check` runs in a second: the best of five stretches, so that a busy machine counts less."""
    best = 0.0
    for _ in range(5):
        count, start = 0, time.perf_counter()
        while (took := time.perf_counter() - start) < seconds / 5:
            check()
            count += 1
        best = max(best, count / took)
    return best


def measure(version: str, what: str, messages: dict[str, Any], seconds: float) -> dict[str, Any]:
    tables = Tables(version, compile.blobs(version).get)
    formats = jsonschema.FormatChecker(["date-time", "uri"])
    schemas = generate.schemas(version)
    validators = {
        name: (jsonschema.Draft4Validator if "draft-04" in schemas[name]["$schema"] else jsonschema.Draft6Validator)(
            schemas[name], format_checker=formats
        )
        for name in messages
    }

    def ours() -> None:
        for name, payload in messages.items():
            tables.check(name, payload)

    def theirs() -> None:
        for name, payload in messages.items():
            validators[name].is_valid(payload)

    ours()
    ours_per_s = _per_second(ours, seconds) * len(messages)
    theirs_per_s = _per_second(theirs, seconds) * len(messages)
    return {
        "version": version,
        "messages": what,
        "checks_per_s": round(ours_per_s),
        "jsonschema_per_s": round(theirs_per_s),
        "ratio": round(ours_per_s / theirs_per_s, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="a list of objects instead of a table")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure (default 1)")
    arguments = parser.parse_args()
    rows = []
    for version, session in SESSION.items():
        rng = random.Random(1)
        every = {name: payloads.valid(schema, rng) for name, schema in generate.schemas(version).items()}
        for what, messages in (("session", session), ("all", every)):
            rows.append(measure(version, what, messages, arguments.seconds))
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'version':8} {'messages':9} {'checks/s':>10} {'jsonschema/s':>13} {'ratio':>7}")
    for row in rows:
        print("{version:8} {messages:9} {checks_per_s:>10} {jsonschema_per_s:>13} {ratio:>7}".format(**row))


if __name__ == "__main__":
    main()
