"""Journal: the ordered queue of events to deliver to the CSMS and a small keyed state, in one append-only log.

A line is one atomic change: `crc32 {"done":4,"keep":{...},"seq":5,"event":...}`, each field optional. The log is cut
into segments `00000001.log`, ...; the first line of each repeats the whole state, so that a segment whose events are
delivered can go. What a power cut may leave, and what becomes of it:

- a torn or damaged end of the last segment, from the first bad line on: cut off;
- a damaged line before lines that were written on synced ground: it was durable once, so the flash is at fault. It is
  skipped, counted in `corrupt` and logged as lost data; the rest is kept. (A line written while others were not synced
  yet carries `"group":1`; after a power cut any part of such a group may be missing, so it proves nothing.)
- a half-made segment (`.new`): removed; segments that a merged one replaces: removed.

Overflow: when the segments would exceed `limit_bytes`, the oldest are rewritten without what is delivered and without
every second droppable event, one round over all before the next. Where nothing droppable is left the log grows on, and
beyond twice `limit_bytes` new events are refused; changes of the keyed state and deliveries are still written.
"""

from __future__ import annotations

import os

from evse.errors import StoreError, UsageError
from evse.jsontext import MAX_DEPTH, dumps, loads
from evse.store import UNFINISHED, failed, frame, make_directory, sync_directory, unframe, unlink, write_all, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

CHUNK_BYTES = 8192
# A longer line is refused.
LINE_BYTES = 65536
# The kept state holds no more keys than this.
KEYS = 256
# After so many events without a sync the next one is durable. A start skips as many numbers: events that were sent and
# then lost in a power cut had numbers, and those must not come again.
RESERVE = 32


class _Segment:
    """One file of the log: its number, size, the number of its last event (0: none), droppable events (None: unknown)."""

    __slots__ = ("number", "size", "last", "droppable")

    def __init__(self, number: int) -> None:
        self.number = number
        self.size = self.last = 0
        self.droppable: int | None = None


class Journal:
    """Events in, oldest first out, over restarts and power cuts; see the module for the rules.

    `state` is the kept state (read only), `pending` the number of events to deliver, `last_seq` the highest number in
    use, `done_seq` that of the last event delivered, `identity` eight hexadecimal digits chosen when the journal began,
    `unsynced` True while something is written that a power cut could take: call `sync()` a few seconds later.
    Numbers begin at 1, rise, and skip `RESERVE` at each start. `log` has the methods of `evse.shell.log.Log`.
    `droppable(event)` is True for an event that may be dropped when the log is full.
    """

    __slots__ = (
        "state", "pending", "last_seq", "done_seq", "identity", "unsynced", "corrupt",
        "_directory", "_fs", "_log", "_segment_bytes", "_limit_bytes", "_droppable", "_segments", "_fd", "_head_bytes",
        "_noted", "_loose", "_suspect", "_head", "_places", "_thinned", "_odd",
    )  # fmt: skip

    def __init__(
        self,
        directory: str,
        fs: Any = os,
        *,
        log: Any,
        segment_bytes: int = 262144,
        limit_bytes: int = 16 << 20,
        droppable: Callable[[Any], bool] = lambda event: False,
    ) -> None:
        """Opens or creates the journal in `directory`, whose parent exists. Raises StoreError."""
        self._directory, self._fs, self._log = directory, fs, log
        self._segment_bytes, self._limit_bytes, self._droppable = segment_bytes, limit_bytes, droppable
        self.state: dict[str, Any] = {}
        self.pending = self.last_seq = self.done_seq = self.corrupt = 0
        self.identity = ""
        self.unsynced = self._suspect = False
        self._segments: list[_Segment] = []
        self._fd = -1
        self._head: tuple[int, Any] | None = None
        # Size of the active segment's first line; delivery mark already written; events not synced.
        self._head_bytes = self._noted = self._loose = 0
        self._thinned, self._odd = 0, False
        make_directory(fs, directory)
        self._recover()

    @property
    def bytes(self) -> int:
        """Size of all segments."""
        return sum(segment.size for segment in self._segments)

    # -- writing ------------------------------------------------------------------------------------------------------

    def write(self, event: Any = None, keep: dict[str, Any] | None = None, durable: bool = True) -> int | None:
        """Appends an event, a change of the kept state (None forgets the key), or both at once.

        Returns the number of the event, None without one. Durable: on the disk on return, with all before it; else it
        survives a kill of the process at once and a power cut after `sync()`. Values of `keep` must not be changed
        afterwards. Raises UsageError (too long, too many keys), StoreError (disk or journal full, disk broken: nothing
        was written, and the journal goes on).
        """
        if event is None and not keep:
            if durable:
                self.sync()
            return None
        fields = []
        if keep:
            if len(self.state.keys() | keep) > KEYS:
                raise UsageError(f"journal: more than {KEYS} keys")
            fields.append('"keep":' + dumps(keep))
        if event is None:
            self._append(fields, durable)
        else:
            fields.append(f'"seq":{self.last_seq + 1},"event":{dumps(event)}')
            if self.bytes + len(fields[-1]) > 2 * self._limit_bytes:
                raise StoreError(f"journal full: {self.bytes} bytes, {self.pending} events to deliver")
            self._append(fields, durable or self._loose >= RESERVE)
            self.last_seq += 1
            self.pending += 1
            self._segments[-1].last = self.last_seq
            self._loose += self.unsynced
        self._keep(keep)
        return None if event is None else self.last_seq

    def done(self, seq: int, keep: dict[str, Any] | None = None, durable: bool = False) -> None:
        """Everything up to and including `seq` is delivered; `keep` and `durable` as in `write()`.

        Raises UsageError (no such event), StoreError: the events are delivered all the same, the next line will say so,
        but `keep` was not applied.
        """
        if seq > self.last_seq:
            raise UsageError(f"journal: event {seq} does not exist, the last is {self.last_seq}")
        if seq > self.done_seq:
            self.pending -= self._count(seq)
            self._places[0] = self._place(seq)
            self.done_seq = seq
            self._head = None
            self._forget_delivered()
        if keep or self.done_seq != self._noted:
            self._append(['"keep":' + dumps(keep)] if keep else [], durable)
            self._keep(keep)
        elif durable:
            self.sync()

    def sync(self) -> None:
        """Everything written is durable on return. Raises StoreError: call again, nothing is given up."""
        if self._suspect:
            self._repair()
        elif self.unsynced:
            try:
                self._fs.fdatasync(self._fd)
            except OSError as error:
                self._suspect = True  # the kernel may have dropped the pages, and a second call would not tell
                raise failed("sync", self._path(self._segments[-1]), error) from error
        self.unsynced = False
        self._loose = 0

    def close(self) -> None:
        """Syncs and closes. Idempotent. Raises StoreError (closed all the same)."""
        if self._fd < 0:
            return
        try:
            self.sync()
        finally:
            self._fs.close(self._fd)
            self._fd = -1

    def _keep(self, keep: dict[str, Any] | None) -> None:
        for key, value in (keep or {}).items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def _append(self, fields: list[str], durable: bool) -> None:
        """Writes one line, or nothing and raises StoreError."""
        if self._suspect:
            self._repair()
        size = sum(map(len, fields)) + 64
        if size > LINE_BYTES:
            raise UsageError(f"journal: a line of {size} bytes is longer than {LINE_BYTES}")
        if self._segments[-1].size - self._head_bytes + size > self._segment_bytes:
            self._roll()
        if self.done_seq != self._noted:
            fields.insert(0, f'"done":{self.done_seq}')
        if self.unsynced:
            fields.append('"group":1')
        active, line = self._segments[-1], frame("{" + ",".join(fields) + "}")
        try:
            write_all(self._fs, self._fd, line)
            if durable:
                # Until it succeeds nothing is known about any line since the last one that did.
                self._suspect = True
                self._fs.fdatasync(self._fd)
                self._suspect = False
        except OSError as error:
            self._truncate(active.size)
            raise failed("write", self._path(active), error) from error
        active.size += len(line)
        self._noted = self.done_seq
        self.unsynced = not durable
        if durable:
            self._loose = 0

    def _truncate(self, size: int) -> None:
        try:
            self._fs.ftruncate(self._fd, size)
        except OSError:
            self._suspect = True

    def _repair(self) -> None:
        """Writes the active segment anew: the disk refused something, and what it holds is not known."""
        self._rewrite(self._segments[-1:])

    # -- reading ------------------------------------------------------------------------------------------------------

    def head(self) -> tuple[int, Any] | None:
        """The oldest event that is not delivered, with its number. Raises StoreError."""
        if self._head is None and self.pending:
            self._head = self.after(self.done_seq)
            self._places[1] = self._places[2]
            if self._head is None:
                self.pending = 0  # what was left is damaged, and logged
        return self._head

    def after(self, seq: int) -> tuple[int, Any] | None:
        """The first event to deliver with a number above `seq`. Raises StoreError."""
        found = self._seek(max(seq, self.done_seq))
        return None if found is None else (found[0], _parse(found[1])["event"])

    def _count(self, seq: int) -> int:
        """How many events will be delivered with `seq`."""
        if self._head is not None and self._head[0] == seq:
            return 1
        count, at = 0, self.done_seq
        while at < seq and (found := self._seek(at)) and found[0] <= seq:
            count, at = count + 1, found[0]
        return count

    def _place(self, seq: int) -> tuple[int, _Segment, int]:
        """The farthest known place (number of an event, segment, offset behind it) with all events above `seq` behind it."""
        best = self._places[0]
        for place in self._places:
            if best[0] < place[0] <= seq:
                best = place
        return best

    def _seek(self, seq: int) -> tuple[int, bytes] | None:
        """The first event above `seq`, with its line; the place behind it is remembered."""
        _, start, offset = self._place(seq)
        for segment in self._segments[self._segments.index(start) :]:
            if segment.last > seq:
                for begin, end, body in self._lines(segment, offset if segment is start else 0):
                    if body is None:
                        self._damage(segment, begin)
                    elif (found := _number(body)) > seq:
                        self._places[2] = found, segment, end
                        return found, body
        return None

    def _rewind(self) -> None:
        """Forgets all places: segments have changed."""
        self._places = [(0, self._segments[0], 0)] * 3

    def _lines(self, segment: _Segment, offset: int = 0) -> Iterator[tuple[int, int, bytes | None]]:
        """Begin, end and text of each line from `offset` on; the text is None where the line is damaged or torn."""
        path = self._path(segment)
        try:
            fd = self._fs.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise failed("read", path, error) from error
        try:
            begin, rest = offset, b""
            while offset < segment.size:
                want = min(CHUNK_BYTES, segment.size - offset)
                try:
                    chunk = self._fs.pread(fd, want, offset)
                except OSError:
                    chunk = bytes(want)  # a bad block: what it held is damaged
                if not chunk:
                    break
                offset += len(chunk)
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    end = begin + len(line) + 1
                    yield begin, end, unframe(line)
                    begin = end
            if rest:
                yield begin, begin + len(rest), None
        finally:
            self._fs.close(fd)

    def _damage(self, segment: _Segment, offset: int) -> None:
        self.corrupt += 1
        self._log.error("journal: damaged line skipped, data lost", file=self._path(segment), offset=offset)

    def _path(self, segment: _Segment) -> str:
        return os.path.join(self._directory, f"{segment.number:08d}.log")

    # -- segments -----------------------------------------------------------------------------------------------------

    def _roll(self) -> None:
        """Begins a new segment; what lies before it is durable then."""
        self.sync()
        self._rewrite([])
        self._forget_delivered()
        try:
            while self.bytes + self._segment_bytes > self._limit_bytes and (group := self._to_thin()):
                self._rewrite(group)
        except StoreError as error:
            self._log.error("journal: cannot make room", error=error)

    def _to_thin(self) -> list[_Segment]:
        """The next closed segments to thin: neighbours that make at most two segments together, empty if none is left."""
        closed = self._segments[:-1]
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

    def _rewrite(self, old: list[_Segment]) -> None:
        """Replaces neighbouring segments by one with the state and their events to deliver; none: a new active segment.

        Closed segments are thinned, too. Raises StoreError; the journal is whole then, whatever step failed.
        """
        active = not old or old[-1] is self._segments[-1]
        new = _Segment(old[-1].number if old else self._segments[-1].number + 1 if self._segments else 1)
        new.droppable = None if active else 0
        head = frame(
            f'{{"id":"{self.identity}","last":{self.last_seq},"done":{self.done_seq},"keep":{dumps(self.state)}}}'
        )
        odd, dropped = self._odd, 0

        def lines() -> Iterator[bytes]:
            nonlocal odd, dropped
            new.size = len(head)
            yield head
            for seq, event in self._undelivered(old):
                if not active and self._droppable(event) and seq != (self._head or (0,))[0]:
                    odd = not odd
                    if not odd:
                        dropped += 1
                        continue
                    new.droppable += 1
                line = frame(f'{{"seq":{seq},"event":{dumps(event)}}}')
                new.size, new.last = new.size + len(line), seq
                yield line

        write_file(self._fs, self._path(new), lines())
        at = self._segments.index(old[0]) if old else len(self._segments)
        self._segments[at : at + len(old)] = [new]
        self._rewind()
        self._odd = odd
        self.pending -= dropped
        if dropped:
            self._log.error("journal full: intermediate events dropped", count=dropped, bytes=self.bytes)
        if active:
            self._head_bytes, self._noted, self._loose, self.unsynced = len(head), self.done_seq, 0, False
            self._open(new)
        self._suspect = True
        sync_directory(self._fs, self._directory)
        self._suspect = False
        for segment in old[:-1]:
            self._remove(segment)

    def _undelivered(self, segments: list[_Segment]) -> Iterator[tuple[int, Any]]:
        for segment in segments:
            for begin, _, body in self._lines(segment):
                if body is None:
                    self._damage(segment, begin)
                elif (seq := _number(body)) > self.done_seq:
                    yield seq, _parse(body)["event"]

    def _open(self, segment: _Segment) -> None:
        """Opens the active segment for appending."""
        path = self._path(segment)
        self._suspect = True
        try:
            if self._fd >= 0:
                self._fs.close(self._fd)
            self._fd = -1
            self._fd = self._fs.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise failed("open", path, error) from error
        self._suspect = False

    def _forget_delivered(self) -> None:
        """Removes the oldest closed segments as far as all their events are delivered."""
        while len(self._segments) > 1 and self._segments[0].last <= self.done_seq:
            self._remove(self._segments.pop(0))
            self._rewind()

    def _remove(self, segment: _Segment) -> None:
        error = unlink(self._fs, self._path(segment))
        if error is not None:
            self._log.warning("journal: cannot remove a segment", file=self._path(segment), error=error)

    # -- start --------------------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        self._segments = segments = self._found()
        # Names that a killed process left in the cache become durable before anything is removed because of them.
        sync_directory(self._fs, self._directory)
        headed = False
        if segments:
            self._open(segments[-1])
            self._cut_tail(segments[-1])
            headed = self._replay()
            self._take_stock()
            self._rewind()
            self.last_seq = max(self.last_seq, max(segment.last for segment in segments)) + RESERVE
            if not self.identity:
                self._log.error("journal: no head readable, keyed state lost, new identity")
        if not self.identity:
            self.identity = os.urandom(4).hex()
        if not headed:
            self._rewrite(segments[-1:])
            return
        self._forget_delivered()
        self._noted = self.done_seq
        self.unsynced = True  # what a killed process left in the cache is not on the disk yet
        try:
            self._append([f'"last":{self.last_seq}'], True)
        except StoreError as error:
            self._log.error("journal: cannot write at the start", error=error)

    def _found(self) -> list[_Segment]:
        """The segments in the directory, oldest first; unfinished ones are removed."""
        found = []
        try:
            for name in self._fs.listdir(self._directory):
                if name.endswith(UNFINISHED):
                    unlink(self._fs, os.path.join(self._directory, name))
                elif len(name) == 12 and name.endswith(".log") and name[:8].isdecimal():
                    segment = _Segment(int(name[:8]))
                    segment.size = self._fs.stat(self._path(segment)).st_size
                    found.append(segment)
        except OSError as error:
            raise failed("list", self._directory, error) from error
        return sorted(found, key=lambda segment: segment.number)

    def _cut_tail(self, segment: _Segment) -> None:
        """Cuts the active segment at the first damaged line that no line on synced ground follows."""
        cut = None
        for begin, _, body in self._lines(segment):
            if body is None:
                cut = begin if cut is None else cut
            elif not body.endswith(b',"group":1}'):
                cut = None
        if cut is not None:
            self._log.warning("journal: torn end cut", file=self._path(segment), bytes=segment.size - cut)
            segment.size = cut
            self._truncate(cut)

    def _replay(self) -> bool:
        """Restores the state from the newest readable head on; True if it is the active segment's."""
        start = len(self._segments) - 1
        while start and not self._headed(self._segments[start]):
            start -= 1
        for segment in self._segments[start:]:
            for _, _, body in self._lines(segment):
                if body is None or body.startswith(b'{"seq":'):
                    continue
                record = _parse(body)
                if "id" in record:
                    self.identity, self.state = record["id"], {}
                self.last_seq = max(self.last_seq, record.get("last", 0))
                self.done_seq = max(self.done_seq, record.get("done", 0))
                self._keep(record.get("keep"))
        return self._headed(self._segments[-1])

    def _headed(self, segment: _Segment) -> bool:
        for _, _, body in self._lines(segment):
            return body is not None and body.startswith(b'{"id":')
        return False

    def _take_stock(self) -> None:
        """Counts the events to deliver and the damaged lines; removes closed segments that a later one has replaced."""
        counts: list[int] = []
        for segment in self._segments[:]:
            count = 0
            for begin, _, body in self._lines(segment):
                if body is None:
                    self._damage(segment, begin)
                elif seq := _number(body):
                    before = len(counts) - 1
                    while not segment.last and counts and (self._segments[before].last or seq) >= seq:
                        counts.pop()
                        self._remove(self._segments.pop(before))
                        before -= 1
                    segment.last = seq
                    count += seq > self.done_seq
            counts.append(count)
        self.pending = sum(counts)


def _parse(body: bytes) -> dict[str, Any]:
    record: dict[str, Any] = loads(body, max_depth=2 * MAX_DEPTH, max_bytes=1 << 30)
    return record


def _number(body: bytes) -> int:
    """The number of the event in a line, 0 if there is none."""
    if body.startswith(b'{"seq":'):
        return int(body[7 : body.index(b",", 7)])
    seq: int = _parse(body).get("seq", 0)
    return seq
