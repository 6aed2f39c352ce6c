"""The fuzz run itself: it starts from inputs that keep every promise, and it can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from pax_assets.messages import CHANNELS, Quarantined
from pax_assets_tests.fuzz import promises
from pax_assets_tests.fuzz.__main__ import fuzz, inputs


@pytest.mark.parametrize("path", inputs(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_golden_input_keeps_the_promises_on_every_channel(path: Path) -> None:
    for channel in CHANNELS:
        promises.check(path.read_bytes(), channel)


def quarantined(position: str = "p", code: str = "c", reason: str = "r") -> Quarantined:
    return Quarantined("sms", position, code, reason, b"")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ([quarantined(position="")], AssertionError),
        ([quarantined(code="")], AssertionError),
        ([quarantined(reason="")], AssertionError),
        ([quarantined(code="parser_error")], AssertionError),
        ([quarantined(reason="\ud800")], UnicodeEncodeError),
        (None, TypeError),
    ],
)
def test_a_broken_promise_is_a_failure(monkeypatch, answer, error) -> None:
    monkeypatch.setattr(promises, "parse", lambda *_, **__: answer)
    with pytest.raises(error):
        promises.check(b"", "sms")


def test_an_answer_that_changes_is_a_failure(monkeypatch) -> None:
    answers = iter([[], [quarantined()]])
    monkeypatch.setattr(promises, "parse", lambda *_, **__: next(answers))
    with pytest.raises(AssertionError, match="differs"):
        promises.check(b"", "sms")


def test_a_short_run_tries_inputs_and_a_broken_harness_fails(tmp_path) -> None:
    pytest.importorskip("atheris", reason="atheris is not installed (make install installs it)")
    execs, clean = fuzz("sms", 1, tmp_path)
    assert execs > 10
    assert clean, [path.name for path in tmp_path.iterdir()]
    _, clean = fuzz("no channel at all", 1, tmp_path)
    assert not clean
    assert list(tmp_path.iterdir()), "the input that failed was not kept"
