"""Prepares a start: byte code, message tables and configuration compiled into the state directory. Front end only.

Each part has a stamp, written when the part is on the disk: what has not changed since is not done again, and a start
without changes loads no parser.

    <state>/compiled/code.stamp     byte code (pycache/), message tables and device model
    <state>/compiled/config.stamp   config.bin: the checked station file and its board, marshalled; holds the password
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import shutil
import subprocess
import sys
import sysconfig
import zlib
from collections.abc import Iterator

import evse
from evse.errors import StoreError, UsageError
from evse.store import sync_directory, write_file

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(evse.__file__)))
PACKAGES = ("evse", "hal")
# Code, message tables, maps of meters: what the compiled state is made of.
SOURCES = (".py", ".pyc", ".txt", ".toml", ".z")
# What no daemon imports.
FRONT = ("evse/commands", "evse/csms", "evse/ocpp/typed", "evse/shell/children")
COMPILED = "compiled"
CONFIG = "config.bin"
VARIABLES = "variables.tables"
FLAGS = ("-I", "-S", "-OO")
COMPILE_WITHIN_S = 120
_COMPILE = "import sys; sys.path.insert(0, sys.argv[1]); from evse.bytecode import main; main(*sys.argv[1:])"
_START = os.path.join(ROOT, "evse", "start.py")


class Prepared:
    """What a start needs: the compiled configuration, and where the byte code is (None: beside the sources)."""

    def __init__(self, config: str, pycache: str | None) -> None:
        self.config = config
        self.pycache = pycache


def prepare(config_path: str | None, state_dir: str, board: str | None = None) -> Prepared:
    """Brings the state directory up to date. Raises UsageError (StationFileError) for what cannot run, StoreError."""
    directory = os.path.join(state_dir, COMPILED)
    try:
        os.makedirs(directory, 0o700, exist_ok=True)
        pycache = _code(directory)
        return Prepared(_config(directory, config_path, pycache, board), pycache)
    except OSError as error:
        raise StoreError(f"{directory}: {error.strerror or error}") from None


def daemon_command(prepared: Prepared, state_dir: str, control: str, log_level: str) -> list[str]:
    """The command line that the front end becomes."""
    options = [] if prepared.pycache is None else ["-X", f"pycache_prefix={prepared.pycache}"]
    own = [":".join(_packages()), prepared.config, state_dir, control, log_level]
    return [sys.executable, *FLAGS, *options, _start(prepared.pycache), *own]


def _start(pycache: str | None) -> str:
    """The byte code that the interpreter begins with; a program text (-c) would be kept, parsed, as long as it runs."""
    return _cached(_START, pycache) if os.path.exists(_START) else _START + "c"


def _cached(source: str, pycache: str | None) -> str:
    """Where the daemon finds the byte code of a source."""
    before, sys.pycache_prefix = sys.pycache_prefix, pycache
    path = importlib.util.cache_from_source(source, optimization=2)
    sys.pycache_prefix = before
    return path


def _packages() -> list[str]:
    """Where the daemon finds modules besides the standard library: the program, PYTHONPATH, installed packages."""
    library = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    library |= {os.path.join(path, "lib-dynload") for path in library}
    own = (path for path in sys.path[1:] if os.path.isdir(path) and path not in library and ":" not in path)
    return list(dict.fromkeys([ROOT, *own]))


# Stamps


def _matches(path: str, content: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read() == content
    except OSError:
        return False


def _write(path: str, content: bytes) -> None:
    write_file(os, path, [content])
    sync_directory(os, os.path.dirname(path))


def _fingerprint(paths: Iterator[str]) -> str:
    """Changes when one of the files does; a file that is missing counts as such."""
    crc = 0
    for path in paths:
        try:
            status = os.stat(path)
            seen = f"{path} {status.st_mtime_ns} {status.st_size}\n"
        except OSError:
            seen = f"{path} -\n"
        crc = zlib.crc32(seen.encode("utf-8", "surrogateescape"), crc)
    return f"{sys.version} {crc:08x}\n"


# Code and tables


def _sources() -> Iterator[str]:
    for package in PACKAGES:
        for directory, folders, names in os.walk(os.path.join(ROOT, package)):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            yield from (os.path.join(directory, name) for name in sorted(names) if name.endswith(SOURCES))


def _code(directory: str) -> str | None:
    """Compiles what changed; the directory with the byte code, None where it lies beside the sources."""
    stamp = os.path.join(directory, "code.stamp")
    beside = _is_beside()
    pycache = None if beside else os.path.join(directory, "pycache")
    content = _fingerprint(_sources()) + f"{ROOT} {beside}\n"
    if not _matches(stamp, content):
        from evse.ocpp.tables.compile import compile_tables
        from evse.ocpp.tables.compile_variables import compile_variables

        if pycache is not None:
            _compile_code(pycache)
        compile_tables(directory)
        compile_variables(os.path.join(directory, VARIABLES))
        os.sync()  # hundreds of small files: once for all is quicker than one by one
        _write(stamp, content.encode())
    return pycache


def _is_beside() -> bool:
    """True if program and standard library came with byte code for the daemon's flags, or without sources."""
    import encodings

    own = os.path.join(ROOT, "evse", "daemon.py")
    return all(
        not path.endswith(".py") or os.path.exists(_cached(path, None))
        for path in (own if os.path.exists(own) else "", str(encodings.__file__))
    )


def _compile_code(pycache: str) -> None:
    shutil.rmtree(pycache, ignore_errors=True)
    options = ["-X", f"pycache_prefix={pycache}", "-c", _COMPILE]
    command = [sys.executable, *FLAGS, *options, ROOT, " ".join(FRONT), *PACKAGES]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMPILE_WITHIN_S)
    except subprocess.TimeoutExpired:
        raise StoreError(f"{pycache}: the program was not compiled within {COMPILE_WITHIN_S} s") from None
    if done.returncode:
        raise StoreError(f"{pycache}: {done.stdout.decode(errors='replace').strip()[-2000:]}")


def _compile_blocks(blocks: dict[str, str], pycache: str | None) -> list[str]:
    """Compiles the modules of replaced blocks; their sources. Raises UsageError for one that is not to be found."""
    from evse.bytecode import compile_file

    files = []
    for name, target in blocks.items():
        module = target.partition(":")[0]
        if not module or module.startswith("evse."):
            continue
        before, sys.path[:] = sys.path[:], [*_packages(), *sys.path]
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            spec = None
        finally:
            sys.path[:] = before
        if spec is None or spec.origin is None:
            raise UsageError(
                f"[ocpp.blocks] {name}: there is no module {module}; install it, or put it into PYTHONPATH"
            )
        if spec.origin.endswith(".py"):
            files.append(spec.origin)
            if pycache is not None:
                compile_file(spec.origin, pycache)
    return files


# Configuration


def _config(directory: str, config_path: str | None, pycache: str | None, board: str | None) -> str:
    """Compiles the station file if it, its board or its password file changed; the path of the result."""
    path = os.path.join(directory, CONFIG)
    stamp = os.path.join(directory, "config.stamp")
    inputs = _inputs(stamp)
    head = f"{config_path and os.path.abspath(config_path)} {board}\n"
    code = os.path.join(directory, "code.stamp")
    if inputs is not None and os.path.exists(path):
        if _matches(stamp, head + "\n".join(inputs) + "\n" + _fingerprint(iter([code, *inputs]))):
            return path
    from evse import stationfile
    from evse.boards import own_maps
    from evse.ocpp.tables.compile_variables import compile_variables

    config = stationfile.load(config_path, board=board)
    files = [os.path.abspath(config_path)] if config_path else []
    files.append(config["board_file"])
    files += [name for name, _ in own_maps(config["board"])]
    files += _compile_blocks(config["blocks"], pycache)
    files += [
        table["password_file"]
        for table in (config["csms"], *config["csms"]["slots"].values())
        if table["password_file"]
    ]
    if any("\n" in name for name in files):
        raise UsageError("the name of a file in the station file holds a line break")
    # What is said about variables is read where it lies, with the tables.
    compile_variables(os.path.join(directory, VARIABLES), config["overrides"])
    _write(path, marshal.dumps({**config, "overrides": []}))
    _write(stamp, (head + "\n".join(files) + "\n" + _fingerprint(iter([code, *files]))).encode())
    return path


def _inputs(stamp: str) -> list[str] | None:
    """The files that the last configuration was made of, None if there is none."""
    try:
        with open(stamp, encoding="utf-8") as file:
            return file.read().splitlines()[1:-1]
    except (OSError, UnicodeDecodeError):
        return None
