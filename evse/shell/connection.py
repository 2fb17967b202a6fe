"""Connection: one WebSocket to the CSMS, kept open: security profiles, back-off, fall-back profiles, pings.

    idle -> resolving -> connecting -> [tls] -> handshake -> open -> closing -> idle
              ^----------------- waiting <---- any failure or loss

It calls back and asks for nothing but a loop with asyncio's method names. It knows frames, not OCPP.
"""

from __future__ import annotations

from _functools import partial
from posix import urandom

from evse.shell.channel import ChannelError
from evse.shell.dial import Dial
from evse.shell.endpoint import DEFAULTS, Endpoint
from evse.shell.websocket import WebSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from evse.shell.log import Log

READ_BYTES = 4096
CLOSE_TIMEOUT_S = 5.0
# Shorter back-offs than this are not waited: a CSMS that refuses at once is not asked without pause.
BACKOFF_FLOOR_S = 0.1


class Connection:
    """The way to the CSMS. `configure()` first, then `connect()`; from there on it reconnects until `close()`.

    on_open(subprotocol)               once per connection, when messages can flow
    on_text(text)                      each message
    on_close(why)                      once per on_open
    on_failure(code, sentence, event)  each failed attempt: word of the advice table, sentence, security event or None
    on_state(state)                    each change, for `evse check`
    on_profile(index)                  the profile of that index has its turn now
    trace(direction, text)             "in" and "out", each message
    """

    __slots__ = (
        "_loop", "_log", "_on_open", "_on_text", "_on_close", "_random", "_trace", "on_failure", "on_state",
        "on_profile", "state", "profiles", "profile", "endpoint", "channel", "_details", "_wanted", "_online", "_since",
        "_last_error", "_repeats", "_attempt", "_waits", "_profile_failures", "_next_at", "_timer", "_assembly",
        "_more", "dial", "_fd", "_websocket", "_out", "_writing", "_heard", "_goodbye",
    )  # fmt: skip

    def __init__(
        self,
        loop: Any,
        log: Log,
        *,
        on_open: Callable[[str], Any],
        on_text: Callable[[str], Any],
        on_close: Callable[[str], Any],
        random: Callable[[int], bytes] = urandom,
        trace: Callable[[str, str], Any] | None = None,
    ) -> None:
        self._loop = loop
        self._log = log
        self._on_open, self._on_text, self._on_close = on_open, on_text, on_close
        self._random = random
        self._trace = trace
        self.on_failure: Callable[[str, str, str | None], Any] | None = None
        self.on_state: Callable[[str], Any] | None = None
        self.on_profile: Callable[[int], Any] | None = None
        self.state = "idle"
        self.profiles: list[dict[str, Any]] = []
        self.profile = 0  # index of the one whose turn it is
        self.endpoint: Endpoint | None = None
        self._details: dict[str, Any] = {}
        self._wanted = False  # connect() was called, close() was not
        self._online = True
        self._since = loop.time()
        self._last_error: str | None = None
        self._repeats = 0  # of the same error
        self._attempt = 0
        self._waits = 0  # back-offs since the last success
        self._profile_failures = 0
        self._next_at = 0.0
        self._timer: Any = None
        self._assembly: Any = None
        self._more: Any = None
        self.dial: Dial | None = None
        self.channel: Any = None  # once the dial is done
        self._fd = -1
        self._websocket: WebSocket | None = None
        self._out = bytearray()
        self._writing = False  # the descriptor is watched for room
        self._heard = True  # something arrived since the last ping
        self._goodbye = ""

    # What the station asks for

    def configure(self, profiles: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Takes one network profile, or several in order of priority, for the next attempt; pings change at once.

        Keys: "url", "identity", "subprotocols", and those of `endpoint.DEFAULTS`. Raises UsageError and changes nothing
        if one cannot lead to a connection.
        """
        several = [profiles] if hasattr(profiles, "keys") else profiles
        complete = [{**DEFAULTS, **profile} for profile in several]
        for profile in complete:
            profile["backoff"] = {**DEFAULTS["backoff"], **profile["backoff"]}
            Endpoint(profile)
        self.profiles = complete
        if self.profile >= len(complete):
            self.profile = self._profile_failures = 0
        if self.state == "open":
            self._restart_ping()

    def connect(self) -> None:
        """Connects now, with the first profile [B10.FR.04], and stays connected; nothing new if that is under way."""
        if not self._wanted:
            self._wanted = True
            self.profile = self._profile_failures = self._waits = 0
            if self.state != "closing":  # else it follows on the goodbye
                self._now()

    def send(self, *texts: str) -> bool:
        """Sends messages, those given at once in one piece.

        False if the connection is not open, or ends because the CSMS does not read what is sent.
        """
        websocket = self._websocket
        if self.state != "open" or websocket is None:
            return False
        data = b"".join(map(websocket.text, texts))
        if self._out and len(self._out) + len(data) > self._setting("max_unsent_bytes"):
            self._end(f"the CSMS does not read: {len(self._out)} bytes wait to be sent")
            return False
        if self._trace is not None:
            for text in texts:
                self._trace("out", text)
        return self._write(data)

    def close(self, code: int = 1000, reason: str = "", reconnect: bool = False) -> None:
        """Says goodbye and closes; then stays idle, or with `reconnect` connects again after the back-off."""
        self._wanted = reconnect
        if self.state == "open" and self._websocket is not None:
            self._goodbye = f"closed by the station: {code} {reason}".rstrip()
            self._enter("closing")
            if self._write(self._websocket.close(code, reason)):
                self._restart_timer(CLOSE_TIMEOUT_S, self._end, self._goodbye)
        elif self.state != "closing":
            self._drop()
            if reconnect:
                self._wait()
            else:
                self._enter("idle")

    def network(self, up: bool) -> None:
        """Down: drops the connection and stays offline. Up: connects at once, without back-off."""
        if not up:
            self._online = False
            self._end("the network is down")
        elif not self._online or self.state == "waiting":
            self._online = True
            self._waits = 0
            self._now()

    def select(self, index: int) -> None:
        """Gives the profile of that index its turn at the next reconnection. Raises IndexError if there is none."""
        if not 0 <= index < len(self.profiles):
            raise IndexError(f"no network profile {index}")
        self.profile = index
        self._profile_failures = 0

    def status(self) -> dict[str, Any]:
        """What `evse status` shows: state and seconds in it, where to, the last error in words, the next attempt."""
        now = self._loop.time()
        return {
            "state": self.state,
            "since_s": round(now - self._since, 3),
            "url": self.endpoint.url if self.endpoint is not None else None,
            "profile": self.profile,
            "network": self._online,
            "last_error": self._last_error,
            "attempt": self._attempt,
            "next_attempt_in_s": max(0.0, round(self._next_at - now, 3)) if self.state == "waiting" else None,
        }

    # Attempts

    def _setting(self, name: str) -> Any:
        return self.profiles[self.profile][name]

    def _enter(self, state: str) -> None:
        self.state = state
        self._since = self._loop.time()
        if self.on_state is not None:
            self.on_state(state)

    def _now(self) -> None:
        """Begins an attempt; whatever was there before is closed first: one connection per identity."""
        self._drop()
        if not self._wanted or not self._online:
            self._enter("idle")
            return
        profile = self.profiles[self.profile]
        self.endpoint = endpoint = Endpoint(profile)
        self._attempt += 1
        self._details = {
            "host": endpoint.host,
            "port": endpoint.port,
            "secure": endpoint.secure,
            "resource": endpoint.resource,
            "identity": profile["identity"],
            "subprotocols": ", ".join(profile["subprotocols"]),
            "authorized": bool(endpoint.headers),
            "ca": profile["ca"],
            "cert": profile["cert"] if endpoint.secure else None,
            "timeout_s": profile["connect_timeout_s"],
        }
        self._enter("resolving")
        ready = partial(self._greet, endpoint, profile)
        self.dial = Dial(self._loop, endpoint, profile, self._enter, ready, self._fail)

    def _greet(self, endpoint: Endpoint, profile: Mapping[str, Any], channel: Any) -> None:
        """Asks for the WebSocket."""
        self.dial = None
        self.channel = channel
        self._fd = channel.socket.fileno()
        self._enter("handshake")
        self._restart_timer(profile["connect_timeout_s"], self._fail, "late_handshake", "")
        self._websocket = WebSocket(
            endpoint.authority,
            endpoint.resource,
            profile["subprotocols"],
            endpoint.headers,
            max_size=profile["max_message_bytes"],
            deflate=profile["deflate"],
            random=self._random,
        )
        self._loop.add_reader(self._fd, self._readable)
        self._write(self._websocket.handshake())

    # Bytes

    def _readable(self) -> None:
        websocket = self._websocket
        self._more = None
        if websocket is None:
            return
        try:
            data = self.channel.read(READ_BYTES)
        except ChannelError as problem:
            self._broken(problem)
            return
        if data is None:
            return
        if not data:
            self._broken(ChannelError("eof", "it ended the connection"))
            return
        self._heard = True
        for event in websocket.receive(data):
            if event[0] == "text":
                self._got_text(event[1])
            else:
                getattr(self, "_got_" + event[0])(*event[1:])
            if websocket is not self._websocket:
                return  # closed by what the event led to
        if websocket.owed:
            self._write(websocket.outgoing())
            if websocket is not self._websocket:
                return
        if not websocket.assembling:
            if self._assembly is not None:
                self._cancel_assembly()
        elif self._assembly is None:
            self._assembly = self._loop.call_later(self._setting("assembly_timeout_s"), self._overlong)
        if self.channel.pending():
            self._more = self._loop.call_soon(self._readable)

    def _got_open(self, subprotocol: str | None, deflate: bool) -> None:
        if subprotocol is None:
            self._out += self._websocket.close(1002, "no OCPP version agreed")  # type: ignore[union-attr]
            self._say_goodbye()
            self._fail("no_subprotocol", "")
            return
        url = self.endpoint.url  # type: ignore[union-attr]
        self._log.info("connected", url=url, subprotocol=subprotocol, attempt=self._attempt)
        self._waits = self._repeats = self._profile_failures = self._attempt = 0
        self._last_error = None
        self._heard = True
        self._restart_ping()
        self._enter("open")
        self._on_open(subprotocol)

    def _got_text(self, text: str) -> None:
        if self._assembly is not None:
            self._cancel_assembly()
        if self._trace is not None:
            self._trace("in", text)
        self._on_text(text)

    def _got_ping(self, payload: bytes) -> None:
        self._log.debug("ping from the CSMS")

    def _got_pong(self, payload: bytes) -> None:
        self._log.debug("pong")

    def _got_close(self, code: int, reason: str) -> None:
        self._say_goodbye()
        if self.state == "closing":
            self._end(self._goodbye)
        else:
            self._end(f"closed by the CSMS: {code} {reason}".rstrip())

    def _got_refused(self, status: int, reason: str, headers: dict[str, str]) -> None:
        self._details.update(status=status, reason=reason[:100], location=headers.get("location", "?")[:200])
        self._fail("http", f"{status} {reason}"[:100])

    def _got_failed(self, code: int | str, why: str) -> None:
        self._say_goodbye()
        if self.state == "handshake":
            self._fail(code if isinstance(code, str) else "protocol", why)
        else:
            self._end(f"the CSMS breaks the WebSocket protocol: {why}")

    def _say_goodbye(self) -> None:
        """What the codec still owes, as far as it can be sent at once."""
        self._out += self._websocket.outgoing()  # type: ignore[union-attr]
        try:
            self.channel.write(self._out)
        except ChannelError:
            self._out.clear()

    def _write(self, data: bytes) -> bool:
        """Sends now what can be sent, the rest when there is room; False if the connection turned out to be lost."""
        if data and not self._out:
            try:
                data = data[self.channel.write(data) :]
            except ChannelError as problem:
                self._broken(problem)
                return False
            if not data:
                return True
        self._out += data
        return self._writing or self._flush()

    def _flush(self) -> bool:
        if self._out:
            try:
                del self._out[: self.channel.write(self._out)]
            except ChannelError as problem:
                self._broken(problem)
                return False
        if self._out and not self._writing:
            self._loop.add_writer(self._fd, self._flush)
        elif self._writing and not self._out:
            self._loop.remove_writer(self._fd)
        self._writing = bool(self._out)
        return True

    # Time

    def _restart_timer(self, delay_s: float, call: Callable[..., Any], *args: Any) -> None:
        """The one timer of the present state."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, call, *args)

    def _restart_ping(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        interval_s = self._setting("ping_interval_s")
        if interval_s:
            self._restart_timer(interval_s, self._ping)

    def _ping(self) -> None:
        if not self._heard:
            self._end("the CSMS is silent: no answer to a ping")
            return
        self._heard = False
        if self._websocket is not None and self._write(self._websocket.ping(b"evse")):
            self._restart_ping()

    def _overlong(self) -> None:
        self._end(f"a message did not arrive completely within {self._setting('assembly_timeout_s'):g} s")

    def _cancel_assembly(self) -> None:
        if self._assembly is not None:
            self._assembly.cancel()
            self._assembly = None

    # Ends

    def _broken(self, problem: ChannelError) -> None:
        """The channel is no more."""
        if self.state == "handshake":
            self._fail("eof" if problem.code == "lost" else problem.code, problem.why)
        else:
            self._end(self._goodbye if self.state == "closing" else f"the connection was lost: {problem.why}")

    def _fail(self, code: str, why: str) -> None:
        """An attempt has failed: says so, once for the same error, and waits for the next."""
        from evse.shell.advice import security_event, sentence

        self._details["why"] = why
        words = sentence(code, self._details)
        self._drop()
        self._repeats = self._repeats + 1 if words == self._last_error else 1
        self._last_error = words
        url = self.endpoint.url if self.endpoint is not None else None
        write = self._log.warning if self._repeats == 1 else self._log.debug
        write("cannot connect: " + words, url=url, times=self._repeats)
        self._profile_failures += 1
        if len(self.profiles) > 1 and self._profile_failures >= self._setting("attempts"):  # [B10.FR.03, B10.FR.08]
            self._profile_failures = 0
            self.profile = (self.profile + 1) % len(self.profiles)
            self._log.info("the next network profile has its turn", profile=self.profile)
            if self.on_profile is not None:
                self.on_profile(self.profile)
        self._wait()
        if self.on_failure is not None:
            self.on_failure(code, words, security_event(code, self._details))

    def _end(self, why: str) -> None:
        """Whatever there is of a connection ends; then waits for the next attempt, or stays idle."""
        was_open = self.state in ("open", "closing")
        self._drop()
        if self._wanted and self._online:
            self._wait()
        else:
            self._enter("idle")
        if was_open:
            self._log.info("disconnected", why=why)
            self._on_close(why)

    def _wait(self) -> None:
        """The back-off: the minimum, doubled with every failed attempt, and a random part. [OCPP-J 2.1 §5.4]"""
        backoff = self._setting("backoff")
        base_s = backoff["wait_minimum_s"] * 2 ** min(self._waits, backoff["repeat_times"])
        self._waits += 1
        share = int.from_bytes(self._random(4), "big") / 0xFFFFFFFF
        delay_s = max(BACKOFF_FLOOR_S, base_s + share * backoff["random_range_s"])
        self._next_at = self._loop.time() + delay_s
        self._enter("waiting")
        self._restart_timer(delay_s, self._now)

    def _drop(self) -> None:
        """Closes whatever is open and stops whatever is pending."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._more is not None:
            self._more.cancel()
            self._more = None
        self._cancel_assembly()
        if self.dial is not None:
            self.dial.cancel()
            self.dial = None
        if self.channel is not None:
            self._loop.remove_reader(self._fd)
            if self._writing:
                self._loop.remove_writer(self._fd)
                self._writing = False
            self.channel.close()
            self.channel = None
        self._websocket = None
        self._out = bytearray()
