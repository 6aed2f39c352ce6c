"""How many events of which type each channel had, day by day, as one picture.

A channel that fell silent, or a type that doubled overnight, shows here before anybody asks. There
is nothing in it but counts.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

# Apart enough for the common forms of colour blindness, and in any order of types.
_COLOURS = ("#2f6db5", "#e0903a", "#3f9a6d", "#b5507d", "#7a5fc0", "#8c7a2b", "#5aa7c7")
_OTHER = "#9aa4b0"
_MOST_DAYS = 62
_WIDTH, _ROW_HEIGHT = 12.0, 1.9


def events_picture(timeline: pa.Table) -> bytes:
    """Return a PNG of the newest days of a timeline (type, channel, sent_at), a row a channel.

    At most about two months are shown, up to the last day that has an event. An empty timeline
    gives a picture that says so.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = (timeline[name].to_pylist() for name in ("sent_at", "channel", "type"))
    found = [
        (at.date(), channel or "unknown", kind)
        for at, channel, kind in zip(*columns, strict=True)
        if at is not None
    ]
    channels = sorted({channel for _, channel, _ in found})
    height = _ROW_HEIGHT * max(1, len(channels)) + 1.0
    figure = Figure(figsize=(_WIDTH, height), dpi=100, facecolor="white")
    if not found:
        figure.text(0.5, 0.5, "no events found yet", ha="center", va="center")
    else:
        _draw(figure, found, channels, height)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _draw(
    figure: Any, found: Sequence[tuple[date, str, str]], channels: list[str], height: float
) -> None:
    from matplotlib.ticker import MaxNLocator

    last = max(day for day, _, _ in found)
    first = max(min(day for day, _, _ in found), last - timedelta(days=_MOST_DAYS - 1))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    shown = [event for event in found if event[0] >= first]
    common = [kind for kind, _ in sorted(Counter(k for *_, k in shown).items(), key=_by_count)]
    named = common[: len(_COLOURS)]
    kinds = [*named, "other types"] if len(common) > len(named) else named
    counts = Counter((c, k if k in named else "other types", d) for d, c, k in shown)
    axes = figure.subplots(len(channels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    places = range(len(days))
    for axis, channel in zip(axes, channels, strict=True):
        below = [0] * len(days)
        for number, kind in enumerate(kinds):
            tall = [counts[channel, kind, day] for day in days]
            colour = _COLOURS[number] if kind in named else _OTHER
            axis.bar(places, tall, bottom=below, width=0.78, color=colour, label=kind, zorder=2)
            below = [one + more for one, more in zip(below, tall, strict=True)]
        axis.set_title(f"{channel} · {sum(below)}", loc="left", fontsize=11, fontweight="bold")
        axis.grid(axis="y", color="#e4e7ec", zorder=0)
        axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axis.set_xlim(-0.7, max(len(days), 3) - 0.3)
        axis.tick_params(length=0, labelsize=9)
        for side in ("top", "right", "left"):
            axis.spines[side].set_visible(False)
    step = max(1, len(days) // 10)
    axes[-1].set_xticks(
        list(places)[::step], [f"{day.day} {day:%b}" for day in days[::step]], fontsize=9
    )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper right", ncols=len(labels), frameon=False, fontsize=10,
        bbox_to_anchor=(0.985, 0.995), handlelength=1.0, columnspacing=1.4,
    )  # fmt: skip
    top = f"Events a day, {first:%Y-%m-%d} to {last:%Y-%m-%d} (UTC)"
    figure.text(0.05, 1 - 0.22 / height, top, fontsize=12, va="center")
    figure.subplots_adjust(
        left=0.05, right=0.985, bottom=0.38 / height, top=1 - 0.85 / height, hspace=0.45
    )


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
