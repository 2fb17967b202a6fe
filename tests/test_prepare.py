"""What a start prepares: byte code, tables, configuration; done once, done again when something changed."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evse import bytecode, prepare
from evse.errors import UsageError
from evse.ocpp.device_model import DeviceModel
from evse.ocpp.schema import Tables
from evse.shell.tablefile import TableFile
from evse.store.documents import Documents
from tests.support import compiled
from tests.support.bench import FakeLog

SOURCE = '''"""Text."""
from __future__ import annotations

import os as _os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import nothing_of_this_name

LIMIT: int = 3
later: str


class Thing:
    size: int = 4

    def divide(self, number: int, *rest: int, by: float = 0, **more: int) -> float:
        """Docstring."""
        assert number
        return (
            number
            / by
        )
'''


@pytest.fixture
def station_file(tmp_path: Path) -> Path:
    path = tmp_path / "station.toml"
    path.write_text('[csms]\nurl = "ws://localhost:1"\nidentity = "A"\n')
    return path


def prepared(tmp_path: Path, station_file: Path, first: bool = False) -> prepare.Prepared:
    """`first`: the code is compiled here and now."""
    (tmp_path / "state").mkdir(exist_ok=True)
    if not first:
        compiled.lay(tmp_path / "state")
    return prepare.prepare(str(station_file), str(tmp_path / "state"))


def test_stripped_code_does_the_same_and_a_crash_finds_its_line(tmp_path: Path) -> None:
    path = tmp_path / "thing.py"
    path.write_text(SOURCE)
    names: dict[str, object] = {}
    exec(bytecode.strip(SOURCE.encode(), str(path)), names)
    assert names["LIMIT"] == 3 and names["Thing"].size == 4  # type: ignore[attr-defined]
    assert "__annotations__" not in names or not names["__annotations__"]
    assert names["Thing"].divide.__doc__ is None  # type: ignore[attr-defined]
    with pytest.raises(ZeroDivisionError) as failed:
        names["Thing"]().divide(0, by=0)  # type: ignore[operator]
    trace = failed.value.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    code = trace.tb_frame.f_code
    line = bytecode.line_of(str(path), code.co_name, code.co_firstlineno, trace.tb_lasti)
    assert line is not None and SOURCE.splitlines()[line - 1].strip() in ("number", "/ by")
    assert bytecode.line_of(str(path), "nothing", 1, 0) is None


def test_the_compiled_state_serves_the_daemon_and_is_not_made_twice(tmp_path: Path, station_file: Path) -> None:
    first = prepared(tmp_path, station_file, first=True)
    with open(first.config, "rb") as file:
        assert marshal.load(file)["csms"]["identity"] == "A"
    compiled = Path(first.config).parent
    table = TableFile(str(compiled / "v201.tables"))
    assert "BootNotification" in Tables("2.0.1", table.read).actions()
    table.close()
    before = {path: path.stat().st_mtime_ns for path in compiled.iterdir()}
    prepared(tmp_path, station_file)
    assert {path: path.stat().st_mtime_ns for path in compiled.iterdir()} == before
    station_file.write_text(station_file.read_text().replace('"A"', '"B"'))
    with open(prepared(tmp_path, station_file).config, "rb") as file:
        assert marshal.load(file)["csms"]["identity"] == "B"
    (compiled / "config.bin").unlink()
    assert Path(prepared(tmp_path, station_file).config).exists()


def test_variables_of_the_station_file_lie_with_the_tables(tmp_path: Path, station_file: Path) -> None:
    """Not in the configuration, which the daemon keeps; a change of the file reaches them."""
    before = station_file.read_text()
    for interval in ("77", "88"):
        named = 'component = "OCPPCommCtrlr"\nvariable = "HeartbeatInterval"'
        station_file.write_text(f'{before}\n[[ocpp.variables]]\n{named}\nvalue = "{interval}"\n')
        path = Path(prepared(tmp_path, station_file).config)
        config = marshal.loads(path.read_bytes())
        assert config["overrides"] == []
        table = TableFile(str(path.parent / prepare.VARIABLES))
        model = DeviceModel(table.read, Documents(str(tmp_path / "documents"), log=FakeLog()), evses={})
        assert model.get("OCPPCommCtrlr", "HeartbeatInterval") == interval
        table.close()


def test_a_changed_password_file_counts(tmp_path: Path, station_file: Path) -> None:
    station_file.write_text('[csms]\nurl = "ws://h.example"\nidentity = "A"\npassword_file = "secret"\n')
    for password in ("first", "second password"):
        (tmp_path / "secret").write_text(password)
        with open(prepared(tmp_path, station_file).config, "rb") as file:
            assert marshal.load(file)["csms"]["password"] == password


def test_the_daemon_starts_from_compiled_files_alone(tmp_path: Path, station_file: Path) -> None:
    done = prepared(tmp_path, station_file, first=True)
    command = prepare.daemon_command(done, str(tmp_path / "state"), str(tmp_path / "c.sock"), "info")
    assert command[1:4] == ["-I", "-S", "-OO"] and command[4] == "-X"
    start, places = command[6:8]
    code = (
        "import os, sys; from marshal import loads; names = {'__name__': 'start'};"
        f"exec(loads(open({start!r}, 'rb').read()[16:]), names); names['find']({start!r}, {places.split(':')!r});"
        "import evse.daemon, hal.drivers.led; modules = list(sys.modules.values());"
        "ours = [m for m in modules if m.__name__.split('.')[0] in ('evse', 'hal')];"
        "others = [m for m in modules if m not in ours and getattr(m, '__cached__', None)];"
        "print(len(ours) > 20, {(m.__spec__, hasattr(m, '__file__')) for m in ours}, sys.path_importer_cache,"
        " [m for m in others if not os.path.exists(m.__cached__)])"
    )
    result = subprocess.run([*command[:6], "-c", code], capture_output=True, text=True, timeout=30)
    assert result.stdout.strip() == "True {(None, False)} {} []", result.stderr


def test_modules_of_replaced_blocks_are_found_and_compiled(
    tmp_path: Path, station_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    station_file.write_text(station_file.read_text() + '[ocpp.blocks]\nreset = "acme_blocks:MyReset"\n')
    with pytest.raises(UsageError, match=r"\[ocpp.blocks\] reset: there is no module acme_blocks"):
        prepared(tmp_path, station_file)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "acme_blocks.py").write_text("class MyReset:\n    name = 'reset'\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "lib")])
    done = prepared(tmp_path, station_file)
    assert done.pycache is not None and list(Path(done.pycache).rglob("acme_blocks*.pyc"))
    command = prepare.daemon_command(done, "s", "c", "info")
    assert str(tmp_path / "lib") in command[7].split(":")


def test_a_state_directory_that_cannot_be_written_is_told(station_file: Path) -> None:
    with pytest.raises(prepare.StoreError, match="/proc/nothing/compiled: "):
        prepare.prepare(str(station_file), "/proc/nothing")


def test_the_configuration_is_for_its_owner_only(tmp_path: Path, station_file: Path) -> None:
    assert os.stat(prepared(tmp_path, station_file).config).st_mode & 0o077 == 0
