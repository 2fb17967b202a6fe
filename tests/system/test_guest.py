"""GPIO, outputs-off and watchdog on a real kernel: a Charge Control C emulated by QEMU, with its own device tree.

Fetches 70 MB once and takes half a minute: runs where EVSE_GUEST is set.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support import tarragon

pytestmark = pytest.mark.slow


def test_lines_levels_kill_and_watchdog_on_a_real_kernel(tmp_path: Path) -> None:
    if not os.environ.get("EVSE_GUEST"):
        pytest.skip("EVSE_GUEST is not set")
    try:
        lines = tarragon.boot(tarragon.build(), Path(__file__).parent / "guest_script.py", tmp_path)
    except OSError as error:
        pytest.skip(str(error))
    told: dict[str, Any] = dict(json.loads(line) for line in lines if line.startswith("[") and line.endswith("]"))
    assert told["board"] == "chargebyte-tarragon", "\n".join(lines)
    assert told["problems"] == [] and told["missing"] == []
    assert told["second owner"] == "Gpio: [gpio.relay1] RELAY_1_ENABLE: in use by another program or driver"
    assert told["closed"] == [0, True]
    assert told["safe and active low"] == [1, True]  # inactive is high on the wire
    assert told["killed"] == [1, True]  # this kernel keeps the relay closed: what evse-outputs-off is for
    assert told["could not be switched off"] == [] and told["switched off"] == [0, True]
    assert told["input"] == [[False], False]
    assert told["fed"] and told["alive after an orderly end"]
    assert told["hangs"] == "pilot" and "not reset" not in told, "the watchdog did not reset the machine"
