"""The same controller and devices on an asyncio loop, as an integrator may embed them."""

from __future__ import annotations

import asyncio

from evse.charging.session import ChargingController
from evse.clock import Clock, Timers
from hal.board import load_board
from tests.support.outlets import Settings, board_file


def test_a_session_on_asyncio() -> None:
    told: list[tuple[object, ...]] = []

    async def session() -> None:
        loop = asyncio.get_running_loop()
        board = load_board(board_file("simulated-ac-2"))
        devices = board.evses[2]
        controller = ChargingController(2, devices, Timers(), Clock(), lambda *fact: told.append(fact), Settings())
        controller.start(loop)
        board.simulation.plug(2)
        controller.authorize()
        await passes()
        assert controller.state == "charging"
        board.simulation.unplug(2)
        await passes()
        assert controller.state == "idle"
        controller.close()

    async def passes() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    asyncio.run(session())
    facts = [fact for fact, *_ in told if fact not in ("reading", "lock", "charging_state")]
    assert facts == ["plugged", "power_path", "power_path", "stopped", "unplugged"]
