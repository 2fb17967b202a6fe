"""The peer of the benchmarks: a station on mobilityhouse `ocpp` and `websockets`, doing the same session.

peer_mobilityhouse.py URL VERSION            prints "idle" when booted; a line on standard input starts the session,
                                             which has a sample a second
peer_mobilityhouse.py URL VERSION --asked    samples only as asked for: each further line is a number of samples to say,
                                             each when the one before was answered; prints "said" after them
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import websockets

SUBPROTOCOLS = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}


def now() -> str:
    """The present as OCPP writes it."""
    return datetime.now(UTC).isoformat()


def sampled(version: str, energy_wh: float) -> list[dict[str, Any]]:
    """Three measurands."""
    values = {"Energy.Active.Import.Register": energy_wh, "Power.Active.Import": 7360.0, "Current.Offered": 32.0}
    if version == "1.6":
        return [{"measurand": name, "value": str(value)} for name, value in values.items()]
    return [{"measurand": name, "value": value} for name, value in values.items()]


async def each_second() -> AsyncIterator[int]:
    """Numbers from 1, one a second, for an hour."""
    for count in range(1, 3600):
        await asyncio.sleep(1)
        yield count


async def as_asked() -> AsyncIterator[int]:
    """Numbers from 1, as many as the lines on standard input ask for."""
    count = 0
    while asked := await line():
        for _ in range(int(asked)):
            count += 1
            yield count
        print("said", flush=True)


async def line() -> str:
    """The next line of standard input, "" at its end."""
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def main(url: str, version: str, samples: AsyncIterator[int]) -> None:
    """Boot, wait, charge."""
    if version == "1.6":
        from ocpp.v16 import ChargePoint, call
    elif version == "2.0.1":
        from ocpp.v201 import ChargePoint, call  # type: ignore[assignment]
    else:
        from ocpp.v21 import ChargePoint, call  # type: ignore[assignment]
    async with websockets.connect(f"{url}/PEER", subprotocols=[SUBPROTOCOLS[version]]) as connection:  # type: ignore[list-item]
        station = ChargePoint("PEER", connection)
        listening = asyncio.ensure_future(station.start())
        if version == "1.6":
            await station.call(call.BootNotification(charge_point_model="Bench", charge_point_vendor="Acme"))
            await station.call(call.StatusNotification(connector_id=1, error_code="NoError", status="Available"))
        else:
            await station.call(
                call.BootNotification(charging_station={"model": "Bench", "vendor_name": "Acme"}, reason="PowerUp")
            )
            await station.call(
                call.StatusNotification(timestamp=now(), connector_status="Available", evse_id=1, connector_id=1)
            )
        print("idle", flush=True)
        await line()
        await (charge16 if version == "1.6" else charge2)(station, call, samples)
        listening.cancel()


async def charge16(station: Any, call: Any, samples: AsyncIterator[int]) -> None:
    """A session of 1.6."""
    await station.call(call.Authorize(id_tag="CARD0001"))
    started = await station.call(
        call.StartTransaction(connector_id=1, id_tag="CARD0001", meter_start=0, timestamp=now())
    )
    print("session", flush=True)
    async for count in samples:
        value = [{"timestamp": now(), "sampled_value": sampled("1.6", count * 2.0)}]
        await station.call(call.MeterValues(connector_id=1, transaction_id=started.transaction_id, meter_value=value))


async def charge2(station: Any, call: Any, samples: AsyncIterator[int]) -> None:
    """A session of 2.x."""
    token = {"id_token": "CARD0001", "type": "ISO14443"}
    await station.call(call.Authorize(id_token=token))
    info = {"transaction_id": "peer-1", "charging_state": "Charging"}
    evse = {"id": 1, "connector_id": 1}
    await station.call(
        call.TransactionEvent(
            event_type="Started",
            timestamp=now(),
            trigger_reason="Authorized",
            seq_no=0,
            transaction_info=info,
            evse=evse,
            id_token=token,
        )
    )
    print("session", flush=True)
    async for count in samples:
        value = [{"timestamp": now(), "sampled_value": sampled("2", count * 2.0)}]
        await station.call(
            call.TransactionEvent(
                event_type="Updated",
                timestamp=now(),
                trigger_reason="MeterValuePeriodic",
                seq_no=count,
                transaction_info=info,
                meter_value=value,
            )
        )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], as_asked() if "--asked" in sys.argv[3:] else each_second()))
