"""Journal: the ordered queue of events to deliver to the CSMS and a small keyed state, in one append-only log.

A line is one atomic change, each field optional: `crc32 {"done":4,"keep":{...},"seq":5,"event":...,"group":1}`. The
log is cut into segments. The first line of each, its head, repeats the whole state, so that a segment whose events are
delivered can go. What a power cut may leave, and what becomes of it:

- a torn or damaged end of the active segment, from the first bad line on: cut off;
- a damaged line before one that was written on synced ground: it was durable once, so the flash is at fault. It is
  skipped, counted in `corrupt` and logged as lost data; the rest is kept. (A line written while others were not synced
  yet says `"group":1`: a power cut may take any part of such a group, so it proves nothing about lines before it.)
- a half-made segment (`.new`), or segments that a merged one has replaced: removed.

Overflow: when the next segment would exceed `limit_bytes`, the oldest closed ones are rewritten without what is
delivered and without every second droppable event, one round over all before the next. Where nothing droppable is left
the log grows on, and beyond twice `limit_bytes` events are refused; changes of the state and deliveries are written.
"""

from __future__ import annotations

import posix

from evse.errors import StoreError, UsageError
from evse.jsontext import as_read, dumps, loads_own
from evse.store import frame
from evse.store.segments import Segment, Segments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# An event, or one change of the state, has no more characters than this.
VALUE_CHARACTERS = 65536
# The state has no more keys than this.
KEYS = 256
# After so many events without a sync the next one is durable, and a start skips so many numbers: events may have been
# sent and then lost by a power cut, and their numbers must not come again.
RESERVE = 32
# So many groups, of at most two full segments each, are thinned when a segment begins: it bounds the time of a write.
GROUPS = 4


class Journal:
    """Events in, oldest first out, over restarts and power cuts; the rules stand at the top of the module.

    `state` is the keyed state (read only), `pending` the number of events to deliver, `last_seq` the highest number
    taken, `done_seq` that of the last event delivered, `corrupt` the number of damaged lines met, `identity` eight
    hexadecimal digits chosen when the journal began. Numbers begin at 1 and rise; each start skips `RESERVE` of them.
    """

    __slots__ = (
        "state", "pending", "last_seq", "done_seq", "corrupt", "identity",
        "_files", "_log", "_segment_bytes", "_limit_bytes", "_droppable",
        "_head", "_next", "_places", "_head_bytes", "_noted", "_loose", "_thinned", "_odd",
    )  # fmt: skip

    def __init__(
        self,
        directory: str,
        fs: Any = posix,
        *,
        log: Any,
        segment_bytes: int = 1 << 18,
        limit_bytes: int = 1 << 24,
        droppable: Callable[[Any], bool] = lambda event: False,
    ) -> None:
        """Opens or begins the journal in `directory`, whose parent exists; one process at a time.

        `log` has the methods of `evse.shell.log.Log`; `droppable(event)` tells what may go when the log is full.
        Raises StoreError.
        """
        self._log, self._segment_bytes, self._limit_bytes, self._droppable = log, segment_bytes, limit_bytes, droppable
        self.state: dict[str, Any] = {}
        self.identity = ""
        self.pending = self.last_seq = self.done_seq = self.corrupt = 0
        self._head: tuple[int, Any] | None = None
        self._next: tuple[int, Any, Segment, int] | None = None  # the event behind the head, its place, while it is new
        # Size of the active segment's head; `done_seq` as it is written; events since the last sync; number of the
        # segment thinned last; whether the next droppable event stays.
        self._head_bytes = self._noted = self._loose = self._thinned = 0
        self._odd = True
        self._files = Segments(directory, fs, log)
        self._recover()

    @property
    def bytes(self) -> int:
        """Size of the whole log."""
        return self._files.closed_bytes + self._files.all[-1].size

    @property
    def unsynced(self) -> bool:
        """True while something is written that a power cut could take, until `sync()`."""
        return self._files.unsynced

    # -- writing ------------------------------------------------------------------------------------------------------

    def write(self, event: Any = None, keep: dict[str, Any] | None = None, durable: bool = True) -> int | None:
        """Appends an event, a change of the state (None forgets the key), or both at once.

        `keep` is copied; the event is the journal's from here on and must not be changed any more. Returns its number,
        None without one. Durable: on the disk on return, with all before it; else it survives a kill of the process at
        once and a power cut after `sync()`. Raises UsageError (too long, too many keys), JsonError, StoreError (disk
        full or broken, journal full): nothing was written, and the journal goes on; only a power cut before the next
        durable line may bring back what a broken disk refused.
        """
        fields, keep = self._change(keep) if keep else ("", None)
        if event is not None:
            files, seq = self._files, self.last_seq + 1
            field = f',"seq":{seq},"event":{_text(event)}'
            if files.closed_bytes + files.all[-1].size + len(field) > 2 * self._limit_bytes:
                raise StoreError(f"journal full: {self.bytes} bytes, {self.pending} events to deliver")
            self.last_seq = seq  # also when it fails: a line that was refused may yet be found after a power cut
            self._loose = self._loose + 1 if files.unsynced else 1
            self._append(fields + field, durable or self._loose > RESERVE)
            self.pending += 1
            segment = files.all[-1]
            segment.last = seq
            if self.done_seq == seq - 1:  # nothing else waits: no need to read it back
                self._head = seq, event
                self._places[1] = self._places[2] = seq, segment, segment.size
            elif self.done_seq == seq - 2:  # it comes next
                self._next = seq, event, segment, segment.size
        elif fields:
            self._append(fields, durable)
        elif durable:
            self.sync()
        if keep:
            _apply(self.state, keep)
        return None if event is None else self.last_seq

    def done(self, seq: int, keep: dict[str, Any] | None = None, durable: bool = False) -> None:
        """Everything up to and including `seq` is delivered; `keep` and `durable` as in `write()`.

        Raises UsageError (no such event, or as `write()`), JsonError; StoreError: the events stay delivered, which the
        next line will say, but `keep` was not applied.
        """
        if seq > self.last_seq:
            raise UsageError(f"journal: there is no event {seq}, the last is {self.last_seq}")
        fields, keep = self._change(keep) if keep else ("", None)
        if seq > self.done_seq:
            self.pending = max(0, self.pending - self._count(seq))
            self.done_seq = seq
            self._head = None
            if self._next is not None:
                number, event, segment, end = self._next
                self._next = None
                if number == seq + 1:
                    self._head = number, event
                    self._places[1] = self._places[2] = number, segment, end
            self._forget_delivered()
        if fields or self.done_seq != self._noted:
            self._append(fields, durable)
            if keep:
                _apply(self.state, keep)
        elif durable:
            self.sync()

    def sync(self) -> None:
        """Everything written is durable on return. Raises StoreError: nothing is given up, call it again."""
        if self._files.suspect:
            self._rewrite(self._files.all[-1:])
        elif self._files.unsynced:
            self._files.sync()
        self._loose = 0

    def close(self) -> None:
        """Syncs and closes. Idempotent. Raises StoreError (closed all the same)."""
        try:
            self.sync()
        finally:
            self._files.close()

    def _change(self, keep: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The field of a line for a change of the state, and a copy of the change."""
        if len(self.state) + len(keep) > KEYS and len(self.state.keys() | keep.keys()) > KEYS:
            raise UsageError(f"journal: more than {KEYS} keys")
        text = _text(keep)
        return ',"keep":' + text, as_read(text)

    def _append(self, fields: str, durable: bool) -> None:
        """Writes one line, or nothing and raises StoreError; each of the fields begins with a comma."""
        files, done = self._files, self.done_seq
        if files.suspect:
            self._rewrite(files.all[-1:])
        if files.all[-1].size - self._head_bytes + len(fields) > self._segment_bytes:
            self._roll()
        if done != self._noted:
            fields = f',"done":{done}{fields}'
        if files.unsynced:
            fields += ',"group":1'
        files.append(frame(f"{{{fields[1:]}}}"), durable)
        self._noted = done

    # -- reading ------------------------------------------------------------------------------------------------------

    def head(self) -> tuple[int, Any] | None:
        """Number and event of the oldest that is not delivered, None if all are. Raises StoreError."""
        if self._head is None:
            self._head = self.after(self.done_seq)
            self._places[1] = self._places[2]
            if self._head is None and self.pending:
                self.pending = 0  # what was left is damaged, and logged: look no more
                for segment in self._files.all:
                    segment.last = min(segment.last, self.done_seq)
        return self._head

    def after(self, seq: int) -> tuple[int, Any] | None:
        """Number and event of the first to deliver above `seq`, None if there is none. Raises StoreError."""
        seq = max(seq, self.done_seq)
        _, start, offset = self._place(seq)
        for segment in self._files.all[self._files.all.index(start) :]:
            if segment.last > seq:
                for begin, end, body in self._files.lines(segment, offset if segment is start else 0):
                    if body is None:
                        self._damage(segment, begin)
                    elif (number := _number(body)) > seq:
                        self._places[2] = number, segment, end
                        return number, _parse(body)["event"]
        return None

    def _count(self, seq: int) -> int:
        """How many events are to be delivered up to `seq`."""
        if self._head is not None and self._head[0] == seq:
            return 1
        count, at = 0, self.done_seq
        while at < seq and (found := self.after(at)) and found[0] <= seq:
            count, at = count + 1, found[0]
        return count

    def _place(self, seq: int) -> tuple[int, Segment, int]:
        """The farthest known place (an event, its segment, the offset behind it) that no event above `seq` precedes."""
        best = self._places[0]
        for place in self._places:
            if best[0] < place[0] <= seq:
                best = place
        return best

    def _rewind(self) -> None:
        """Forgets the known places (the start, behind the head, behind the last read): segments have changed."""
        self._next = None
        self._places = [(0, self._files.all[0], 0)] * 3

    def _damage(self, segment: Segment, offset: int) -> None:
        self.corrupt += 1
        self._log.error("journal: damaged line skipped, data lost", file=self._files.path(segment), offset=offset)

    # -- segments -----------------------------------------------------------------------------------------------------

    def _roll(self) -> None:
        """Begins a new segment, and makes room for it."""
        self.sync()
        self._rewrite([])
        self._forget_delivered()
        try:
            for _ in range(GROUPS):
                if self.bytes + self._segment_bytes > self._limit_bytes and (group := self._to_thin()):
                    self._rewrite(group)
        except StoreError as error:
            self._log.error("journal: cannot make room", error=error)

    def _to_thin(self) -> list[Segment]:
        """The next closed neighbours to thin, at most two segments' worth; none if that would yield nothing."""
        closed = self._files.all[:-1]
        left = [segment for segment in closed if segment.droppable != 0]
        if not left:
            return []
        first = next((segment for segment in left if segment.number > self._thinned), left[0])
        group, size = [first], first.size
        for segment in closed[closed.index(first) + 1 :]:
            size += segment.size
            if size > 2 * self._segment_bytes:
                break
            group.append(segment)
        self._thinned = group[-1].number
        return group

    def _rewrite(self, old: list[Segment]) -> None:
        """Replaces neighbours by one segment: a head, and their events to deliver; none: begins a new active segment.

        Closed segments are thinned. Raises StoreError; the journal is whole, whatever step failed.
        """
        files = self._files
        active = not old or old[-1] is files.all[-1]
        new = Segment(old[-1].number if old else files.all[-1].number + 1 if files.all else 1)
        head = frame(
            f'{{"id":"{self.identity}","last":{self.last_seq},"done":{self.done_seq},"keep":{dumps(self.state)}}}'
        )
        odd, dropped, droppable = self._odd, 0, 0

        def lines() -> Iterator[bytes]:
            nonlocal odd, dropped, droppable
            new.size = len(head)
            yield head
            for seq, event in self._undelivered(old):
                if not active and self._droppable(event) and (self._head is None or seq != self._head[0]):
                    odd = not odd
                    if odd:
                        dropped += 1
                        continue
                    droppable += 1
                line = frame(f'{{"seq":{seq},"event":{dumps(event)}}}')
                new.size, new.last = new.size + len(line), seq
                yield line

        try:
            files.replace(old, new, lines())
        finally:
            if new in files.all:
                self._rewind()
                self._odd = odd
                self.pending -= dropped
                if active:
                    self._head_bytes, self._noted = len(head), self.done_seq
                else:
                    new.droppable = droppable
        if dropped:
            self._log.error("journal full: intermediate events dropped", count=dropped, bytes=self.bytes)

    def _undelivered(self, segments: list[Segment]) -> Iterator[tuple[int, Any]]:
        for segment in segments:
            for begin, _, body in self._files.lines(segment):
                if body is None:
                    self._damage(segment, begin)
                elif (seq := _number(body)) > self.done_seq:
                    yield seq, _parse(body)["event"]

    def _forget_delivered(self) -> None:
        """Removes the oldest closed segments as far as all their events are delivered."""
        while len(self._files.all) > 1 and self._files.all[0].last <= self.done_seq:
            self._files.remove(self._files.all[0])
            self._rewind()

    # -- start --------------------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        segments = self._files.all
        if not segments:
            self.identity = posix.urandom(4).hex()
            self._rewrite([])
            return
        self._replay()
        self._take_stock()
        self._rewind()
        self.last_seq = max(self.last_seq, max(segment.last for segment in segments)) + RESERVE
        if not self.identity:
            self._log.error("journal: no head readable, state lost, new identity")
            self.identity = posix.urandom(4).hex()
        if not self._headed(segments[-1]):
            self._rewrite(segments[-1:])
            return
        self._forget_delivered()
        try:
            self._append(f',"last":{self.last_seq}', True)
        except StoreError as error:
            self._log.error("journal: cannot write at the start", error=error)

    def _replay(self) -> None:
        """Restores the state, from the newest readable head on."""
        start = len(self._files.all) - 1
        while start and not self._headed(self._files.all[start]):
            start -= 1
        for segment in self._files.all[start:]:
            for _, _, body in self._files.lines(segment):
                if body is None or body.startswith(b'{"seq":'):
                    continue
                record = _parse(body)
                if "id" in record:
                    self.identity, self.state = record["id"], {}
                self.last_seq = max(self.last_seq, record.get("last", 0))
                self.done_seq = max(self.done_seq, record.get("done", 0))
                _apply(self.state, record.get("keep", {}))

    def _headed(self, segment: Segment) -> bool:
        for _, _, body in self._files.lines(segment):
            return body is not None and body.startswith(b'{"id":')
        return False

    def _take_stock(self) -> None:
        """Counts the events to deliver and the damaged lines; removes segments that a merged one has replaced."""
        earlier: list[tuple[Segment, int]] = []
        for segment in self._files.all[:]:
            count = 0
            for begin, _, body in self._files.lines(segment):
                if body is None:
                    self._damage(segment, begin)
                elif seq := _number(body):
                    while not segment.last and earlier and (earlier[-1][0].last or seq) >= seq:
                        self._files.remove(earlier.pop()[0])
                    segment.last = seq
                    count += seq > self.done_seq
            earlier.append((segment, count))
        self.pending = sum(count for _, count in earlier)


def _text(value: Any) -> str:
    """The value as JSON. Raises UsageError, JsonError."""
    text = dumps(value)
    if len(text) > VALUE_CHARACTERS:
        raise UsageError(f"journal: a value of {len(text)} characters is longer than {VALUE_CHARACTERS}")
    return text


def _apply(state: dict[str, Any], keep: dict[str, Any]) -> None:
    for key, value in keep.items():
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value


def _parse(body: bytes) -> dict[str, Any]:
    record: dict[str, Any] = loads_own(body.decode())
    return record


def _number(body: bytes) -> int:
    """The number of the event in a line, 0 if there is none."""
    if body.startswith(b'{"seq":'):
        return int(body[7 : body.index(b",", 7)])
    seq: int = _parse(body).get("seq", 0)
    return seq
