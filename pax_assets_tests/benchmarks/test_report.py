"""The end of every benchmark: its closing line, its JSON and its exit code."""

from __future__ import annotations

import json

import pytest

from pax_assets_tests.benchmarks.report import finish, machine


@pytest.mark.parametrize(
    ("value", "floor", "code"),
    [
        (2500, (">=", 2000), 0),
        (2000, (">=", 2000), 0),
        (1999.9, (">=", 2000), 1),
        (1.2, ("<=", 1.2), 0),
        (1.3, ("<=", 1.2), 1),
        (float("nan"), (">=", 0), 1),
        (None, (">=", 0), 1),
        ("fast", (">=", 0), 1),
    ],
)
def test_a_missed_floor_is_an_exit_code(value, floor, code, tmp_path) -> None:
    with pytest.raises(SystemExit) as ended:
        finish("bench-x", {"speed": value}, {"speed": floor}, tmp_path)
    assert ended.value.code == code


def test_a_floor_on_a_value_that_was_not_measured_is_missed(tmp_path) -> None:
    with pytest.raises(SystemExit) as ended:
        finish("bench-x", {}, {"speed": (">=", 1)}, tmp_path)
    assert ended.value.code == 1


def test_the_last_line_and_the_json_say_the_same(tmp_path, capsys) -> None:
    values = {"pax_s": 1.5, "rows": 3, "engine": "sail", "equal": True, "peer_s": None}
    with pytest.raises(SystemExit):
        finish("bench-x", values, {"rows": (">=", 4)}, tmp_path)
    printed = capsys.readouterr()
    last = printed.out.splitlines()[-1]
    assert last == "bench-x: pax_s=1.5 rows=3 engine=sail equal=true peer_s=null"
    assert printed.err == "bench-x: rows is 3, the floor is >= 4\n"
    assert json.loads((tmp_path / "bench-x.json").read_text()) == values


@pytest.mark.parametrize("text", ["two words", "a=b", ""])
def test_a_value_that_would_break_the_line_is_refused(text, tmp_path) -> None:
    with pytest.raises(ValueError, match="closing line"):
        finish("bench-x", {"key": text}, results=tmp_path)


def test_the_machine_is_named() -> None:
    assert machine().endswith("cores")
