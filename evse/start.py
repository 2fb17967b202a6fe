"""What the interpreter runs: it finds the station's modules where they were compiled, and becomes the daemon.

The import system keeps a specification, a loader and two paths for each module, and the names of all files of every
directory that it looked into. Where a module of ours lies follows from its name and from where this file lies; so
nothing of that is needed. What is not there (the standard library, replaced blocks) is found as ever.
"""

from __future__ import annotations

import sys
from _io import FileIO
from marshal import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

PACKAGES = ("evse", "hal")
# Of a .pyc file: `evse run` has seen to it that it is good for this interpreter and of this source.
HEAD_BYTES = 16


class Compiled:
    """Finder and loader of the modules of ours."""

    __slots__ = ("_root", "_folder", "_end", "_spec")

    def __init__(self, start: str) -> None:
        """`start`: the file with the byte code of this module, `ROOT/evse/[__pycache__/]start[.TAG].pyc`."""
        place, _, self._end = start.rpartition("start")
        self._root, _, self._folder = place.rpartition("evse/")
        self._spec: Any = type(sys.__spec__)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """None for modules of others, and for those that lie elsewhere."""
        package, _, own = name.rpartition(".")
        if (package or own).partition(".")[0] not in PACKAGES:
            return None
        for folder, base in ((package, own), (name, "__init__")):
            file = f"{self._root}{folder.replace('.', '/')}/{self._folder}{base}{self._end}"
            try:
                with FileIO(file) as data:
                    content = data.readall()
            except OSError:
                continue
            spec: ModuleSpec = self._spec(name, self, is_package=folder is name)
            spec.loader_state = loads(memoryview(content)[HEAD_BYTES:])
            return spec
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        """None: a module like any other."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Forgets how this module was found, and where it looked for those of others."""
        spec, module.__spec__ = module.__spec__, None
        exec(spec.loader_state, vars(module))  # type: ignore[union-attr]
        sys.path_importer_cache.clear()


def find(start: str, places: list[str]) -> None:
    """Makes our modules known by the place of this one, and those of others in `places`."""
    sys.meta_path.insert(0, Compiled(start))
    sys.path += places
    # Other names of character sets: 330 that nobody says here leave room for our modules.
    sys.modules["encodings.aliases"].aliases.clear()


def main() -> int:
    """Arguments: where modules are, divided by colons, and those of the daemon; its exit code."""
    find(sys.argv[0], sys.argv[1].split(":"))
    from evse import daemon

    return daemon.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
