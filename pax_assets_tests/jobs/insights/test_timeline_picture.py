"""The picture of events a day: it is drawn for any timeline, and has no word of a message in it."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from pax_assets.jobs.insights import timeline_picture
from pax_assets.jobs.insights.insight_tables import SCHEMAS, TIMELINE
from pax_assets.jobs.insights.timeline_picture import events_picture

START = datetime(2026, 1, 5, 12, tzinfo=UTC)


def timeline(*rows: tuple[int, str | None, str]) -> pa.Table:
    found = [
        {"sent_at": START + timedelta(days=day), "channel": channel, "type": kind}
        for day, channel, kind in rows
    ]
    return pa.Table.from_pylist(found, schema=SCHEMAS[TIMELINE])


@pytest.fixture
def words(monkeypatch):
    """All text that the picture shows."""
    drawn: list[str] = []
    real = Figure.subplots_adjust

    def seen(figure, **room):
        import matplotlib.text

        real(figure, **room)
        drawn.extend(t.get_text() for t in figure.findobj(matplotlib.text.Text))

    monkeypatch.setattr(Figure, "subplots_adjust", seen)
    return drawn


def test_each_channel_has_a_row_with_its_count(words) -> None:
    rows = [(0, "sms", "meeting"), (3, "sms", "payment"), (3, "email", "payment"), (4, None, "x")]
    image = imread(io.BytesIO(events_picture(timeline(*rows))))
    assert image.shape[0] > 300
    assert {"sms · 2", "email · 1", "unknown · 1", "meeting", "payment", "x"} <= set(words)


def test_only_the_newest_two_months_are_shown(words) -> None:
    events_picture(timeline((0, "sms", "meeting"), (400, "sms", "meeting")))
    assert "sms · 1" in words


def test_rare_types_are_one(words) -> None:
    kinds = [(day, "sms", f"type {kind}") for kind in range(12) for day in range(13 - kind)]
    events_picture(timeline(*kinds))
    shown = {word for word in words if word.startswith(("type", "other"))}
    assert shown == {*(f"type {n}" for n in range(len(timeline_picture._COLOURS))), "other types"}


def test_without_events_the_picture_says_so() -> None:
    assert events_picture(timeline()).startswith(b"\x89PNG")
