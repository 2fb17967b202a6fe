"""What each table of a board file may hold: docs/boards.md says what it means. Front end, tools and tests only.

A kind is a word, `!` behind it if the member must be there:

    text, flag                              choice a|b|c
    number 6..80, whole 1..247              least and most
    millivolts                              [least, most]
    out, in                                 name of a [gpio.NAME] with that direction
    adc, pwm, serial                        name of a table of that name
    device                                  a path from the root, for one device alone
    texts                                   a text or a list of texts
    bits                                    [lowest bit, number of bits]
    numbers                                 a list of whole numbers
    thresholds                              [[from, value], ...], rising
    compiled                                put there by the front end (hal/meterfile.py)
"""

from __future__ import annotations

from hal.drivers.gpio_lock import PROFILES_MS
from hal.interfaces import FAULTS
from hal.tokens import FORMATS, KINDS, LONGEST, SHORTEST

Kinds = dict[str, str]

_FAULT = "choice " + "|".join(FAULTS)

# Tables of the computer's lines and ports, each with a name: [gpio.NAME] ...
RESOURCES: dict[str, Kinds] = {
    "gpio": {
        "line": "text", "chip": "texts", "offset": "whole 0..1023", "direction": "choice in|out!",
        "active": "choice high|low", "safe": "choice active|inactive",
        "bias": "choice as_is|pull_up|pull_down|disabled", "debounce_ms": "number 0..10000",
        "drive": "choice push_pull|open_drain|open_source",
    },
    "serial": {
        "device": "text!", "baud": "whole 300..4000000", "data_bits": "choice 7|8", "parity": "choice N|E|O",
        "stop_bits": "choice 1|2", "rs485": "choice none|auto|kernel", "echo": "flag",
    },
    "pwm": {"device": "text!", "channel": "whole 0..31!", "inverted": "flag"},
    "adc": {
        "device": "text!", "channel": "whole 0..63!", "mv_per_step": "number -100000..100000",
        "offset_mv": "number -100000..100000",
    },
}  # fmt: skip

# Tables that stand by themselves or within an EVSE.
TABLES: dict[str, Kinds] = {
    "board": {
        "id": "text!", "description": "text", "compatible": "texts", "bench_only": "flag", "gate": "text",
    },
    "watchdog": {"device": "text!", "timeout_s": "whole 2..128!"},
    "evse": {"id": "whole 1..99!", "phases": "choice 1|2|3!", "max_current_a": "number 6..80!", "meter": "text"},
    "connector": {"id": "whole 1..99!", "type": "text!", "tethered": "flag"},
}  # fmt: skip

# What devices of a kind have besides the options of their driver.
COMMON: dict[str, Kinds] = {
    "pilot": {},
    "contactor": {"min_close_interval_s": "number 0..600"},
    "phase_switch": {"pause_s": "number 0..600"},
    "lock": {},
    "sensor": {"evses": "numbers"},
    "meter": {"id": "text!", "on_loss": "choice stop|continue", "loss_s": "number 1..3600"},
    "reader": {"id": "text", "evses": "numbers"},
    "led": {"evse": "whole 1..99", "on": "texts", "blink": "texts"},
}

_INPUT = {"line": "in!", "detail": "text", "latch": "flag", "clear_after_s": "number 0..3600"}
_SIMULATED = {"delay_s": "number 0..60"}
# Readers that see the bytes of a card, and those that get its number as text: see hal/tokens.py.
_CARDS = {
    "byte_order": "choice normal|reversed", "case": "choice upper|lower", "kind": "choice " + "|".join(KINDS),
    "debounce_s": "number 0..60",
}  # fmt: skip
_NUMBERS = {**_CARDS, "format": "choice " + "|".join(FORMATS), "length": f"whole {SHORTEST}..{LONGEST}"}

# (kind, driver) -> its options; those of drivers that are not here are not checked.
OPTIONS: dict[tuple[str, str], Kinds] = {
    ("pilot", "simulated"): _SIMULATED,
    ("pilot", "pwm"): {
        "pwm": "pwm!", "positive": "adc!", "negative": "adc!", "positive_reset": "out", "negative_reset": "out",
        "proximity": "adc", "proximity_mv": "thresholds",
    },
    ("pilot", "openevse"): {"port": "serial!", "heartbeat_s": "whole 0..600", "fallback_a": "whole 6..80"},
    ("pilot", "chargebyte-mcu"): {
        "port": "serial!", "reset": "out", "letter_bits": "bits!", "letters": "text!", "contactor_bits": "bits!",
        "closed_value": "whole 0..255", "diode_bits": "bits",
    },
    ("contactor", "simulated"): _SIMULATED,
    ("contactor", "gpio"): {
        "coil": "out!", "feedback": "in", "feedback_contact": "choice nc|no", "feedback_timeout_ms": "number 20..5000",
    },
    ("contactor", "openevse"): {},
    ("contactor", "chargebyte-mcu"): {},
    ("phase_switch", "simulated"): _SIMULATED,
    ("phase_switch", "gpio"): {
        "coil": "out!", "feedback": "in", "feedback_contact": "choice nc|no", "feedback_timeout_ms": "number 20..5000",
    },
    ("lock", "simulated"): _SIMULATED,
    ("lock", "motor"): {
        "forward": "out!", "reverse": "out!", "profile": "choice " + "|".join(PROFILES_MS),
        "pulse_ms": "number 20..5000", "feedback": "in", "feedback_adc": "adc", "locked_mv": "millivolts",
        "unlocked_mv": "millivolts", "capacitor_adc": "adc", "capacitor_least_v": "number 0..100",
    },
    ("sensor", "simulated"): _SIMULATED,
    ("sensor", "simulated-parking"): _SIMULATED,
    ("sensor", "parking"): {"line": "in!", "settle_s": "number 0..60"},
    ("sensor", "gpio"): {**_INPUT, "fault": _FAULT + "!"},
    ("sensor", "rcd"): {
        **_INPUT, "fault": _FAULT, "test": "out", "reset": "out", "test_timeout_ms": "number 20..10000",
        "test_interval_h": "number 0.1..8760",
    },
    ("sensor", "temperature"): {
        "source": "choice hwmon|iio!", "device": "text!", "channel": "whole 0..63", "limit_from_c": "number -40..125",
        "stop_c": "number -40..125", "hysteresis_c": "number 0.5..30", "interval_s": "number 0.5..60",
    },
    ("meter", "modbus"): {
        "port": "serial!", "unit": "whole 1..247!", "model": "text!", "interval_s": "number 0.1..3600",
        "timeout_s": "number 0.02..10", "attempts": "whole 1..10", "signing": "flag", "user_text": "text",
        "public_key": "text", "map": "compiled",
    },
    ("reader", "simulated"): _SIMULATED,
    ("reader", "pn532-uart"): {**_CARDS, "port": "serial!"},
    ("reader", "pn532-i2c"): {**_CARDS, "device": "device!"},
    ("reader", "pn532-spi"): {**_CARDS, "device": "device!", "speed_hz": "whole 10000..5000000"},
    ("reader", "mfrc522"): {
        **_CARDS, "device": "device!", "speed_hz": "whole 10000..10000000", "gain_db": "choice 18|23|33|38|43|48",
    },
    ("reader", "keyboard"): {
        **_NUMBERS, "device": "device!", "end": "choice enter|pause", "key_timeout_s": "number 0.05..30",
    },
    ("reader", "serial-line"): {
        **_NUMBERS, "port": "serial!", "start": "whole 0..255", "stop": "whole 0..255", "checksum": "choice none|xor",
    },
    ("reader", "fifo"): {**_NUMBERS, "path": "device!"},
    ("led", "gpio"): {"line": "out!"},
    ("led", "class"): {"name": "text!"},
}  # fmt: skip

# Parts of one device: an EVSE that has the one has the other.
PAIRS = ("openevse", "chargebyte-mcu")
# Where several devices may share a serial port, they differ in this member.
SHARED = "unit"
