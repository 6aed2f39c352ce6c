"""In which unit a Label Studio export counts.

The format's trap. Label Studio counts code points, as PAX does, but versions up to about 2021
counted UTF-16 units: their exports are right up to a text's first emoji and wrong behind it.
Nothing in a file says which it is, but each span repeats its text, so the count is taken by which
the texts agree. The repeated text is what the browser showed (blanks run together, line ends as
`\\n`), so spacing does not count in the comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pax_assets.corpora.errors import CorpusError


@dataclass(slots=True)
class Region:
    """A labelled span. `start` and `end` are as given until the offsets are settled."""

    id: str
    where: str
    start: int
    end: int
    surface: str | None
    entities: list[str] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)


def settle_offsets(texts: Sequence[tuple[str, Iterable[Region]]], offsets: str) -> None:
    """Give each region of a file's texts offsets in code points, by the count its text agrees with.

    `offsets` prescribes the count; "auto" does not. Raises `CorpusError` for a region that fits
    its text by none.

    Where a span fits by both counts, in two places ("ha" in "😀 ha ha"), others tell: those of
    the file where they are of one mind, else those of the annotation.
    """
    readings = []
    for text, regions in texts:
        positions = _utf16_positions(text)
        readings.append([(r, _readings(offsets, text, positions, r)) for r in regions])
    of_file = _evidence(reading for of_one in readings for _, reading in of_one)
    for of_one in readings:
        evidence = of_file
        if len(of_file) > 1:
            evidence = _evidence(reading for _, reading in of_one)
        elif not of_file:
            evidence = {"code points"}
        for region, reading in of_one:
            if len(set(reading.values())) == 1:
                region.start, region.end = next(iter(reading.values()))
            elif len(evidence) == 1:
                region.start, region.end = reading[next(iter(evidence))]
            else:
                raise CorpusError(
                    f"{region.where}: fits as code points and as UTF-16 units, in two places, and "
                    "the file has both; name the right count as `offsets`"
                )


def _evidence(readings: Iterable[Mapping[str, tuple[int, int]]]) -> set[str]:
    return {next(iter(reading)) for reading in readings if len(reading) == 1}


def _readings(
    offsets: str, text: str, positions: Mapping[int, int], region: Region
) -> dict[str, tuple[int, int]]:
    """Return the offsets in code points by each count that fits the region's text."""
    start, end, surface = region.start, region.end, region.surface
    found: dict[str, tuple[int, int]] = {
        "code points": (start, end),
        "utf-16": (positions.get(start, -1), positions.get(end, -1)) if positions else (start, end),
    }
    fits = {
        unit: (first, last)
        for unit, (first, last) in found.items()
        if 0 <= first < last <= len(text)
        and (not surface or _squeezed(text[first:last]) == _squeezed(surface))
    }
    if offsets != "auto":
        fits = {unit: place for unit, place in fits.items() if unit == offsets}
    if fits:
        return fits
    hint = "; is the text behind an address?" if "://" in text[:10] else ""
    if not 0 <= start < end <= max(positions, default=len(text)):
        raise CorpusError(
            f"{region.where}: [{start}, {end}) does not lie in a text of {len(text)} "
            f"characters{hint}"
        )
    raise CorpusError(
        f"{region.where}: [{start}, {end}) is {text[start:end]!r} where the result has the text "
        f"{surface!r}; label the span again, or remove its text to trust the offsets{hint}"
    )


def _utf16_positions(text: str) -> dict[int, int]:
    """Return the offsets in code points by those in UTF-16 units; empty where they are equal."""
    if text.isascii():
        return {}
    positions, at = {}, 0
    for index, character in enumerate(text):
        positions[at] = index
        at += 2 if character > "\uffff" else 1
    positions[at] = len(text)
    return positions if at > len(text) else {}


def _squeezed(text: str) -> str:
    return "".join(text.replace("\\n", " ").split())
