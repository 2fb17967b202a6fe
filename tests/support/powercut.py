"""A file system in memory whose power can be cut: what is not synced may be lost, torn, zeroed or garbage.

`PowerCutFS` has the functions of the module `os` that the store uses (open, close, read, pread, write, ftruncate,
fsync, fdatasync, rename, unlink, listdir, mkdir, stat) and keeps two truths of everything: the volatile one, which
running code sees, and the durable one, which only `fsync` of a file (its content) and `fsync` of a directory (its
names) bring up to date. It is as strict as POSIX allows: a synced file in a directory that was not synced has no name
after the cut.

Sweep all power cuts of a workload in one run, looking at every possible disk ahead of every change:

    fs = PowerCutFS("/state")
    fs.before = lambda call, path: [check(mode, disk) for mode, disk in fs.cut()]
    workload(fs)
    fs.before("end", "")

or let the workload be interrupted, which also unwinds it (`PowerCut` is a BaseException):

    for n in itertools.count():
        fs = PowerCutFS("/state", stop_at=n)
        try:
            workload(fs)
        except PowerCut:
            for mode, disk in fs.cut():
                check(mode, disk)
        else:
            break

- `cut()` yields (mode, disk): each disk is a PowerCutFS of its own, with everything on it durable, no file open, no
  hooks. The running one is left as it is.
- `kill()` gives what SIGKILL leaves: the volatile truth, still not durable.
- `fault`, if set, is called with (function name, path) ahead of each call, also those that only read, and returns an
  errno to raise or None. A `write` refused so has written half of its bytes; a refused `fsync` or `fdatasync` leaves
  the unsynced bytes in the cache but never writes them out, however often it is called again (as Linux does).
- `operations` counts the changes: open that creates or truncates, write, ftruncate, fsync, fdatasync, rename, unlink,
  mkdir. `synced_blocks` counts 4 KiB blocks written out by syncs, an estimate of what a disk gets.
- Every path lies in `directory`, which exists durably from the start.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from random import Random
from types import SimpleNamespace
from typing import Any

BLOCK_BYTES = 4096
# A change of a file that is not durable: write these bytes at this offset, or (None) cut the file there.
Change = tuple[int, bytes | None]
# A change of a directory: these names now mean these nodes (None: nothing), all at once.
Names = dict[str, "File | Directory | None"]


class PowerCut(BaseException):
    """The power went away at the operation that `stop_at` names."""


class File:
    """Content as running code sees it (`data`), as it is on the disk (`durable`), and the changes between the two."""

    def __init__(self, content: bytes = b"") -> None:
        self.data = bytearray(content)
        self.durable = content
        self.changes: list[Change] = []

    def change(self, change: Change) -> None:
        self.changes.append(change)
        _apply(self.data, change)

    def contents(self, random: Random) -> Iterator[tuple[str, bytes]]:
        """What the file may hold after a cut."""
        kept = bytes(self.data)
        yield "lost", self.durable
        yield "kept", kept
        if not self.changes:
            return
        for index in sorted({0, len(self.changes) - 1, random.randrange(len(self.changes))}):
            offset, data = self.changes[index]
            for length in sorted({1, random.randrange(len(data)), len(data) - 1}) if data else ():
                yield f"torn {index}:{length}", _patched(self.durable, [*self.changes[:index], (offset, data[:length])])
        written = [(offset, data) for offset, data in self.changes if data]
        for index in sorted({0, len(written) - 1}) if written else ():
            offset, data = written[index]
            yield f"hole {index}", _patched(kept, [(offset, bytes(len(data)))])[: len(kept)]
            yield f"garbage {index}", _patched(kept, [(offset, random.randbytes(len(data)))])[: len(kept)]
        yield "zeros", _patched(kept, [(offset, bytes(len(data))) for offset, data in written])[: len(kept)]

    def sync(self) -> int:
        """Makes the changes durable; the number of blocks written."""
        blocks = set()
        for offset, data in self.changes:
            blocks.update(range(offset // BLOCK_BYTES, (offset + len(data or b" ") - 1) // BLOCK_BYTES + 1))
        self.durable = _patched(self.durable, self.changes)
        self.changes = []
        return len(blocks)


class Directory:
    """Names as running code sees them, as they are on the disk, and the changes between the two, in order."""

    def __init__(self) -> None:
        self.names: dict[str, File | Directory] = {}
        self.durable: dict[str, File | Directory] = {}
        self.changes: list[Names] = []

    def change(self, names: Names) -> None:
        self.changes.append(names)
        _rename(self.names, names)

    def entries(self) -> Iterator[tuple[str, dict[str, File | Directory]]]:
        """Which names there may be after a cut: the changes up to each of them, or one alone."""
        names = dict(self.durable)
        yield "lost", dict(names)
        for index, change in enumerate(self.changes):
            _rename(names, change)
            yield "kept" if index == len(self.changes) - 1 else f"to {index}", dict(names)
        if len(self.changes) > 1:
            for index, change in enumerate(self.changes):
                alone = dict(self.durable)
                _rename(alone, change)
                yield f"only {index}", alone


class _Left:
    """What a cut may leave of each node below `root`, worked out once; a node that has no such mode takes `kept`."""

    def __init__(self, root: Directory, seed: int) -> None:
        self._root = root
        self._seed = seed
        self._of: dict[int, dict[str, Any]] = {}

    def modes(self) -> Iterator[tuple[str, str]]:
        """Pairs of modes: of the names, of the contents."""
        nodes = list(_nodes(self._root))
        names_modes = dict.fromkeys(mode for node in nodes if isinstance(node, Directory) for mode in self._modes(node))
        content_modes = dict.fromkeys(mode for node in nodes if isinstance(node, File) for mode in self._modes(node))
        names_modes["kept"] = content_modes["lost"] = content_modes["kept"] = None
        for names_mode in names_modes:
            for content_mode in content_modes if names_mode in ("lost", "kept") else ("lost", "kept"):
                yield names_mode, content_mode

    def directory(self, node: Directory, names_mode: str, content_mode: str) -> Directory:
        """A directory with everything below it, all of it durable."""
        left = Directory()
        for name, child in self._modes(node).get(names_mode, node.names).items():
            if isinstance(child, Directory):
                left.names[name] = self.directory(child, names_mode, content_mode)
            else:
                contents = self._modes(child)
                left.names[name] = File(contents[content_mode if content_mode in contents else "kept"])
        left.durable = dict(left.names)
        return left

    def _modes(self, node: File | Directory) -> dict[str, Any]:
        found = self._of.get(id(node))
        if found is None:
            found = dict(node.entries() if isinstance(node, Directory) else node.contents(Random(self._seed)))
            self._of[id(node)] = found
        return found


class PowerCutFS:
    """See the module."""

    def __init__(self, directory: str = "/state", *, stop_at: int | None = None, seed: int = 1) -> None:
        self.directory = directory
        self.before: Callable[[str, str], object] | None = None
        self.fault: Callable[[str, str], int | None] | None = None
        self.stop_at = stop_at
        self.operations = 0
        self.synced_blocks = 0
        self._root = Directory()
        self._open: dict[int, list] = {}  # descriptor -> node, position, flags, path
        self._random = Random(seed)

    # -- what may be left ---------------------------------------------------------------------------------------------

    def cut(self) -> Iterator[tuple[str, PowerCutFS]]:
        """The disks that a power cut now may leave, each with the words for it; no two are equal."""
        seen = set()
        random = Random(self.operations)
        left = _Left(self._root, self.operations)
        for names_mode, content_mode in left.modes():
            disk = PowerCutFS(self.directory, seed=random.randrange(1 << 30))
            disk._root = left.directory(self._root, names_mode, content_mode)
            tree = tuple(sorted(disk.dump().items()))
            if tree not in seen:
                seen.add(tree)
                yield f"names {names_mode}, content {content_mode}", disk

    def kill(self) -> PowerCutFS:
        """What SIGKILL leaves: the cache survives, descriptors do not."""
        copies: dict[int, File | Directory] = {}

        def copy(node: File | Directory) -> File | Directory:
            if id(node) not in copies:
                twin: File | Directory
                if isinstance(node, File):
                    twin = copies[id(node)] = File(node.durable)
                    twin.data, twin.changes = bytearray(node.data), list(node.changes)
                else:
                    twin = copies[id(node)] = Directory()
                    twin.names = {name: copy(child) for name, child in node.names.items()}
                    twin.durable = {name: copy(child) for name, child in node.durable.items()}
                    twin.changes = [{n: c and copy(c) for n, c in names.items()} for names in node.changes]
            return copies[id(node)]

        twin = PowerCutFS(self.directory)
        root = copy(self._root)
        assert isinstance(root, Directory)
        twin._root = root
        return twin

    def dump(self) -> dict[str, bytes]:
        """Path below the directory -> content as running code sees it; directories end in a slash."""
        return {path: bytes(node.data) if isinstance(node, File) else b"" for path, node in _walk(self._root)}

    # -- the functions of `os` ----------------------------------------------------------------------------------------

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        self._called("open", path)
        node = self._find(path)
        if node is None:
            if not flags & os.O_CREAT:
                raise _error(errno.ENOENT, path)
            self._changing("open", path)
            parent, name = self._parent(path)
            node = File()
            parent.change({name: node})
        elif flags & os.O_CREAT and flags & os.O_EXCL:
            raise _error(errno.EEXIST, path)
        elif isinstance(node, File) and flags & os.O_TRUNC and node.data:
            self._changing("open", path)
            node.change((0, None))
        elif isinstance(node, File) and flags & os.O_DIRECTORY:
            raise _error(errno.ENOTDIR, path)
        fd = max(self._open, default=2) + 1
        self._open[fd] = [node, 0, flags, path]
        return fd

    def close(self, fd: int) -> None:
        self._entry(fd)
        del self._open[fd]

    def read(self, fd: int, length: int) -> bytes:
        entry = self._entry(fd)
        data = self.pread(fd, length, entry[1])
        entry[1] += len(data)
        return data

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        node, _, flags, path = self._entry(fd)
        self._called("pread", path)
        if flags & os.O_ACCMODE == os.O_WRONLY:
            raise _error(errno.EBADF, path)
        return bytes(node.data[offset : offset + length])

    def write(self, fd: int, data: bytes) -> int:
        entry = self._entry(fd)
        node, position, flags, path = entry
        if flags & os.O_ACCMODE == os.O_RDONLY:
            raise _error(errno.EBADF, path)
        offset = len(node.data) if flags & os.O_APPEND else position
        self._changing("write", path)
        try:
            self._called("write", path)
        except OSError:
            node.change((offset, bytes(data[: len(data) // 2])))
            raise
        node.change((offset, bytes(data)))
        entry[1] = offset + len(data)
        return len(data)

    def ftruncate(self, fd: int, length: int) -> None:
        node, _, _, path = self._entry(fd)
        self._called("ftruncate", path)
        self._changing("ftruncate", path)
        node.change((length, None))

    def fsync(self, fd: int) -> None:
        self._sync("fsync", fd)

    def fdatasync(self, fd: int) -> None:
        self._sync("fdatasync", fd)

    def rename(self, old: str, new: str) -> None:
        self._called("rename", old)
        (parent, name), (target, new_name) = self._parent(old), self._parent(new)
        if name not in parent.names:
            raise _error(errno.ENOENT, old)
        if parent is not target:
            raise _error(errno.EXDEV, new)  # nothing in the store moves between directories
        self._changing("rename", old)
        if name != new_name:
            parent.change({name: None, new_name: parent.names[name]})

    replace = rename

    def unlink(self, path: str) -> None:
        self._called("unlink", path)
        parent, name = self._parent(path)
        if name not in parent.names:
            raise _error(errno.ENOENT, path)
        if isinstance(parent.names[name], Directory):
            raise _error(errno.EISDIR, path)
        self._changing("unlink", path)
        parent.change({name: None})

    remove = unlink

    def listdir(self, path: str) -> list[str]:
        self._called("listdir", path)
        node = self._find(path)
        if not isinstance(node, Directory):
            raise _error(errno.ENOENT if node is None else errno.ENOTDIR, path)
        return list(node.names)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        self._called("mkdir", path)
        if self._find(path) is not None:
            raise _error(errno.EEXIST, path)
        parent, name = self._parent(path)
        self._changing("mkdir", path)
        parent.change({name: Directory()})

    def stat(self, path: str) -> SimpleNamespace:
        self._called("stat", path)
        node = self._find(path)
        if node is None:
            raise _error(errno.ENOENT, path)
        return SimpleNamespace(st_size=len(node.data) if isinstance(node, File) else 0)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _sync(self, call: str, fd: int) -> None:
        node, _, _, path = self._entry(fd)
        self._changing(call, path)
        try:
            self._called(call, path)
        except OSError:
            if isinstance(node, File):
                node.changes = []  # the cache counts them as written out; the disk never got them
            raise
        if isinstance(node, File):
            self.synced_blocks += node.sync()
        else:
            node.durable = dict(node.names)
            self.synced_blocks += bool(node.changes)
            node.changes = []

    def _called(self, call: str, path: str) -> None:
        code = self.fault(call, path) if self.fault is not None else None
        if code is not None:
            raise _error(code, path)

    def _changing(self, call: str, path: str) -> None:
        if self.operations == self.stop_at:
            raise PowerCut(f"{call} {path}")
        if self.before is not None:
            self.before(call, path)
        self.operations += 1

    def _entry(self, fd: int) -> list:
        if fd not in self._open:
            raise _error(errno.EBADF, str(fd))
        return self._open[fd]

    def _find(self, path: str) -> File | Directory | None:
        node: File | Directory | None = self._root
        for part in self._parts(path):
            node = node.names.get(part) if isinstance(node, Directory) else None
        return node

    def _parent(self, path: str) -> tuple[Directory, str]:
        *above, name = self._parts(path)
        parent = self._find("/".join([self.directory, *above]))
        if not isinstance(parent, Directory):
            raise _error(errno.ENOENT, path)
        return parent, name

    def _parts(self, path: str) -> list[str]:
        if path != self.directory and not path.startswith(self.directory + "/"):
            raise _error(errno.EACCES, path)
        return [part for part in path[len(self.directory) :].split("/") if part]


def _apply(data: bytearray, change: Change) -> None:
    offset, written = change
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    if written is None:
        del data[offset:]
    else:
        data[offset : offset + len(written)] = written


def _patched(content: bytes, changes: list[Change]) -> bytes:
    data = bytearray(content)
    for change in changes:
        _apply(data, change)
    return bytes(data)


def _rename(names: dict[str, File | Directory], change: Names) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def _walk(directory: Directory, above: str = "") -> Iterator[tuple[str, File | Directory]]:
    for name, node in directory.names.items():
        if isinstance(node, File):
            yield above + name, node
        else:
            yield f"{above}{name}/", node
            yield from _walk(node, f"{above}{name}/")


def _nodes(directory: Directory) -> Iterator[File | Directory]:
    """The directory and all below it, also what has a name on the disk only."""
    yield directory
    for node in {id(node): node for node in [*directory.names.values(), *directory.durable.values()]}.values():
        if isinstance(node, File):
            yield node
        else:
            yield from _nodes(node)


def _error(code: int, path: str) -> OSError:
    return OSError(code, os.strerror(code), path)
