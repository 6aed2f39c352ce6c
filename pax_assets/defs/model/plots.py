"""Pictures of a training, as PNG bytes for the asset's metadata."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# More would not be read.
_TYPES_SHOWN = 25


def loss_curve(epochs: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw training and dev loss, and the dev F1 of each head, over the epochs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.2), dpi=110, layout="constrained")
    losses, scores = figure.subplots(1, 2)
    x = [row["epoch"] for row in epochs]
    for name, label in (("train_loss", "train"), ("dev_loss", "dev")):
        losses.plot(x, [row[name] for row in epochs], marker="o", markersize=3, label=label)
    for head in epochs[0]["dev_f1"]:
        f1 = [row["dev_f1"][head] for row in epochs]
        scores.plot(x, f1, marker="o", markersize=3, label=head)
    losses.set(xlabel="epoch", ylabel="loss", title="Loss")
    scores.set(xlabel="epoch", ylabel="strict F1", title="F1 on dev", ylim=(0, 1))
    for axes in (losses, scores):
        axes.legend(frameon=False)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return _png(figure)


def confusion_matrices(confusions: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Draw gold types (rows) against predicted types (columns) of each head that has any.

    Each confusion has `labels` (the types and, last, "none") and `matrix` (a list of rows); the
    types that occur most are shown.
    """
    from matplotlib.figure import Figure

    shown = {head: _most(found) for head, found in confusions.items() if len(found["labels"]) > 1}
    sizes = [1.8 + 0.55 * len(labels) for labels, _ in shown.values()] or [2.0]
    figure = Figure(figsize=(sum(sizes) + 0.8, max(sizes)), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(sizes), squeeze=False, width_ratios=sizes)[0]
    for axes, (head, (labels, matrix)) in zip(panels, shown.items(), strict=False):
        shares = [[n / max(1, sum(row)) for n in row] for row in matrix]
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for i, row in enumerate(matrix):
            for j, count in enumerate(row):
                if count:
                    colour = "white" if shares[i][j] > 0.6 else "black"
                    axes.text(j, i, str(count), ha="center", va="center", color=colour, fontsize=8)
        axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right")
        axes.set_yticks(range(len(labels)), labels)
        axes.set(xlabel="predicted", ylabel="gold", title=head)
    return _png(figure)


def _most(confusion: Mapping[str, Any]) -> tuple[list[str], list[list[int]]]:
    """Return labels and matrix, of the types with the most gold; "none" stays last."""
    labels, matrix = confusion["labels"], confusion["matrix"]
    last = len(labels) - 1
    kept = sorted(range(last), key=lambda i: -sum(matrix[i]))[:_TYPES_SHOWN]
    kept = [*sorted(kept), last]
    return [labels[i] for i in kept], [[matrix[i][j] for j in kept] for i in kept]


def sweep_chart(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw the dev scores of configurations, the best on top.

    Each row has `name`, `mean`, and `dev` (F1 by score).
    """
    from matplotlib.figure import Figure

    ordered = sorted(rows, key=lambda row: row["mean"])
    figure = Figure(figsize=(7.5, 1.3 + 0.42 * len(ordered)), dpi=110, layout="constrained")
    axes = figure.subplots()
    y = range(len(ordered))
    # No bar: the axis does not begin at 0, or small differences could not be seen.
    means = [row["mean"] for row in ordered]
    axes.plot(means, y, "D", color="black", markersize=7, label="mean")
    for score in ordered[0]["dev"]:
        axes.plot(
            [row["dev"][score] for row in ordered],
            y,
            marker="o",
            markersize=5,
            linestyle="none",
            label=score,
        )
    lowest = min(min(row["mean"], *row["dev"].values()) for row in ordered)
    axes.set_yticks(y, [row["name"] for row in ordered])
    axes.set_ylim(-0.5, len(ordered) - 0.5)
    axes.set(xlabel="strict F1 on dev", xlim=(max(0.0, lowest - 0.05), 1.0))
    axes.grid(axis="x", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper center", ncols=6, frameon=False
    )
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
