"""Byte code for the resident process: lean, the same in effect, and still good for finding a line."""

from __future__ import annotations

from pathlib import Path
from types import CodeType
from typing import Any

from evse.bytecode import _codes, _lean, line_of, strip

SOURCE = '''"""Text."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Thing:
    """More text."""

    size: int
    count: int = 2

    def grow(self, by: int, *more: Any) -> int:
        """Grows."""
        value: int = self.count + by
        if TYPE_CHECKING:
            raise AssertionError
        return (
            value
            / more[0]
        )
'''


def lean() -> CodeType:
    return _lean(strip(SOURCE.encode(), "thing.py"))


def test_it_does_the_same() -> None:
    space: dict[str, Any] = {}
    exec(lean(), space)
    assert space["Thing"]().grow(2, 2) == 2


def test_nothing_is_kept_for_readers_and_checkers() -> None:
    space: dict[str, Any] = {}
    exec(lean(), space)
    thing = space["Thing"]
    assert thing.__doc__ is None and thing.grow.__doc__ is None and thing.grow.__annotations__ == {}
    for code in _codes(lean()):
        assert code.co_linetable == b""
        assert not {"annotations", "Any", "typing"} & {*code.co_names, *map(str, code.co_consts)}


def test_a_crash_is_found_by_function_first_line_and_offset(tmp_path: Path) -> None:
    path = tmp_path / "thing.py"
    path.write_text(SOURCE)
    space: dict[str, Any] = {}
    exec(_lean(strip(SOURCE.encode(), str(path))), space)
    try:
        space["Thing"]().grow(2, 0)
    except ZeroDivisionError as error:
        trace = error.__traceback__
        assert trace is not None and trace.tb_next is not None
        code, offset = trace.tb_next.tb_frame.f_code, trace.tb_next.tb_lasti
    line = SOURCE.splitlines().index("            value") + 1
    assert line_of(str(path), code.co_name, code.co_firstlineno, offset) == line
    assert line_of(str(path), "nothing", 1, 0) is None
