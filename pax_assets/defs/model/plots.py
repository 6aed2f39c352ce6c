"""Pictures of a training, as PNG bytes for the asset's metadata."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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


def confusion_matrix(confusion: Mapping[str, Any]) -> bytes:
    """Draw gold types (rows) against predicted types (columns); counts of entities.

    `confusion` has `labels` (the types and, last, "none") and `matrix` (a list of rows).
    """
    from matplotlib.figure import Figure

    labels, matrix = confusion["labels"], confusion["matrix"]
    size = 1.6 + 0.55 * len(labels)
    figure = Figure(figsize=(size + 0.8, size), dpi=110, layout="constrained")
    axes = figure.subplots()
    totals = [max(1, sum(row)) for row in matrix]
    shares = [[n / total for n in row] for row, total in zip(matrix, totals, strict=True)]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            if count:
                colour = "white" if shares[i][j] > 0.6 else "black"
                axes.text(j, i, str(count), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="gold")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
