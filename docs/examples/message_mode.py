"""Message mode: any message of OCPP 2.0.1 with plain dicts, checked by the table at run time and by mypy before.

    python docs/examples/message_mode.py ws://127.0.0.1:9000/ocpp CS-1
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from evse.ocpp.messages import CallError, MessageClient

if TYPE_CHECKING:
    from evse.ocpp.typed import v201


def announce(reset: asyncio.Event, client: v201.Client) -> None:
    """Answers what the CSMS may ask of this station."""

    @client.on("Reset")
    def on_reset(request: v201.ResetRequest) -> v201.ResetResponse:
        if request["type"] == "OnIdle" and "evseId" in request:
            return {"status": "Rejected", "statusInfo": {"reasonCode": "UnsupportedParam"}}
        reset.set()
        return {"status": "Accepted"}

    @client.on("GetVariables")
    async def on_get_variables(request: v201.GetVariablesRequest) -> v201.GetVariablesResponse:
        results: list[v201.GetVariableResultType] = [
            {"attributeStatus": "UnknownComponent", "component": wanted["component"], "variable": wanted["variable"]}
            for wanted in request["getVariableData"]
        ]
        return {"getVariableResult": results}


async def main(url: str, identity: str) -> None:
    client: v201.Client = MessageClient(url, identity, "2.0.1")
    reset = asyncio.Event()
    announce(reset, client)
    await client.connect()
    answer = await client.call(
        "BootNotification", {"reason": "PowerUp", "chargingStation": {"vendorName": "Example", "model": "One"}}
    )
    print(f"{answer['status']}, heartbeat every {answer['interval']} s")
    try:
        authorized = await client.call("Authorize", {"idToken": {"idToken": "04A224B3", "type": "ISO14443"}})
        print(authorized["idTokenInfo"]["status"])
    except CallError as error:
        print(f"Authorize was refused: {error.code} {error.description}")
    await client.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
