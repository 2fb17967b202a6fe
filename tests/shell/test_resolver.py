"""Names to addresses, without blocking the loop and without leaving children behind."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

import pytest

from evse.shell.resolver import Lookup, numeric
from tests.support.fakeloop import FakeLoop
from tests.support.localhost import needs_localhost


def look_up(loop: FakeLoop, host: str, getaddrinfo: Any = socket.getaddrinfo, timeout_s: float = 10) -> list[Any]:
    seen: list[Any] = []
    Lookup(loop, host, 8080, lambda *answer: seen.append(answer), timeout_s, getaddrinfo)
    assert seen == []
    return seen


def test_numbers_need_no_child(loop: FakeLoop) -> None:
    def forbidden(*arguments: Any) -> None:
        raise AssertionError

    four, six = look_up(loop, "192.0.2.1", forbidden), look_up(loop, "2001:db8::1", forbidden)
    loop.settle()
    assert four == [([(socket.AF_INET, ("192.0.2.1", 8080))], None)]
    assert six == [([(socket.AF_INET6, ("2001:db8::1", 8080, 0, 0))], None)]


@pytest.mark.parametrize("host", ["192.0.2", "0x7f.1", "1.2.3.4.5", "name", "", "::g"])
def test_what_is_not_quite_a_number_is_a_name(host: str) -> None:
    assert numeric(host, 1) == []


@needs_localhost
def test_localhost_by_the_systems_resolver(loop: FakeLoop) -> None:
    seen = look_up(loop, "localhost")
    loop.until(lambda: seen)
    ((addresses, error),) = seen
    assert error is None and (socket.AF_INET, ("127.0.0.1", 8080)) in addresses


def test_every_address_comes_once_in_the_systems_order_and_not_too_many(loop: FakeLoop) -> None:
    def many(name: bytes, port: int, *rest: Any) -> list[Any]:
        assert name == b"many.example"
        row = [(socket.AF_INET6, 1, 6, "", (f"2001:db8::{n}", port, 0, 0)) for n in range(20)]
        return [row[1], row[1], (socket.AF_UNIX, 1, 0, "", "/x"), *row]

    seen = look_up(loop, "many.example", many)
    loop.until(lambda: seen)
    addresses = [address[0] for _, address in seen[0][0]]
    assert addresses[:3] == ["2001:db8::1", "2001:db8::0", "2001:db8::2"] and len(addresses) == 8


def test_the_resolvers_error_in_its_own_words(loop: FakeLoop) -> None:
    def unknown(*arguments: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    seen = look_up(loop, "nowhere.invalid", unknown)
    loop.until(lambda: seen)
    assert seen == [([], "Name or service not known")]


def test_a_child_that_dies_is_an_error(loop: FakeLoop) -> None:
    seen = look_up(loop, "x.example", lambda *arguments: os.kill(os.getpid(), 9))
    loop.until(lambda: seen)
    assert seen == [([], "the resolver died")]


def test_a_late_child_is_killed(loop: FakeLoop) -> None:
    seen = look_up(loop, "slow.example", lambda *arguments: time.sleep(60), timeout_s=5)
    loop.advance(4)
    assert seen == []
    loop.advance(2)
    assert seen == [([], "no answer within 5 s")]


@pytest.mark.parametrize("call", ["pipe2", "fork"])
def test_a_machine_without_room_for_a_child(loop: FakeLoop, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    from evse.shell import resolver

    def refuse(*arguments: Any) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    descriptors = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(resolver.posix, call, refuse)
    seen = look_up(loop, "csms.example")
    loop.settle()
    assert seen[0][0] == [] and "Resource temporarily unavailable" in seen[0][1]
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_cancel_forgets(loop: FakeLoop) -> None:
    seen: list[Any] = []
    for host in ("192.0.2.1", "slow.example"):
        lookup = Lookup(loop, host, 1, lambda *answer: seen.append(answer), 5, lambda *arguments: time.sleep(60))
        lookup.cancel()
        lookup.cancel()
    loop.advance(10)
    assert seen == []


def test_names_in_other_alphabets_are_looked_up_as_text(loop: FakeLoop) -> None:
    seen = look_up(loop, "bücher.example", lambda name, *rest: [(socket.AF_INET, 1, 6, "", (str(type(name)), 1))])
    loop.until(lambda: seen)
    assert seen[0][0] == [(socket.AF_INET, ("<class 'str'>", 1))]
