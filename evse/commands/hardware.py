"""evse hw: looks at the machine's hardware and tries the parts of a board one by one, without a station."""

from __future__ import annotations

import argparse
from typing import Any

PARTS = ("relay", "pilot", "meter", "rfid", "lock", "led")


def add(commands: Any, shared: argparse.ArgumentParser, daemon: argparse.ArgumentParser) -> None:
    """evse hw list | test PART | meter | service"""
    hardware = commands.add_parser("hw", help="look at the hardware, try its parts")
    verbs = hardware.add_subparsers(metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="what this machine has, and who may use it", parents=[shared])
    listing.set_defaults(call=_list)
    test = verbs.add_parser("test", help="try one part of the board", parents=[shared, daemon])
    test.add_argument("part", choices=PARTS, help="what to try")
    _add_board(test)
    test.add_argument("--evse", type=int, default=1, metavar="N", help="of which EVSE (default 1)")
    test.add_argument("--limit", type=float, metavar="A", help="pilot: offer this current (default: none)")
    test.add_argument("--seconds", type=float, default=10.0, metavar="S", help="how long to look and listen (10)")
    test.add_argument("--yes", action="store_true", help="do not ask whether it is safe")
    test.set_defaults(call=_test)
    meter = verbs.add_parser("meter", help="find the meter on a serial line", parents=[shared, daemon])
    meter.add_argument("--detect", action="store_true", required=True, help="ask every address at every usual speed")
    meter.add_argument("--port", required=True, metavar="DEVICE", help="serial port, as /dev/ttyUSB0")
    meter.add_argument("--units", default="1-10", metavar="N-M", help="addresses to ask (default 1-10)")
    meter.add_argument("--baud", type=int, help="only this speed")
    meter.add_argument("--parity", choices=("N", "E", "O"), help="only this parity")
    meter.add_argument("--rs485", choices=("auto", "kernel"), default="auto", help="who turns the transceiver (auto)")
    meter.set_defaults(call=_detect)
    service = verbs.add_parser("service", help="what the board opens, as a drop-in of systemd", parents=[shared])
    _add_board(service)
    service.set_defaults(call=_service)


def _add_board(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--board", metavar="NAME", help="board, or path of a board file (default: by the device tree)")
    parser.add_argument("--config", metavar="FILE", help="station file, which names the board")


def _list(args: argparse.Namespace) -> int:
    from evse import hardware

    return hardware.show(args)


def _test(args: argparse.Namespace) -> int:
    from evse import hardware

    return hardware.test(args)


def _detect(args: argparse.Namespace) -> int:
    from evse import hardware

    return hardware.detect(args)


def _service(args: argparse.Namespace) -> int:
    from evse import hardware

    return hardware.service(args)
