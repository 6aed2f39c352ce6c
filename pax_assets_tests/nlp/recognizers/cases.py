"""How the tests of recognizers say what they expect."""

from functools import lru_cache

from pax_assets.nlp.recognizers import Recognizers


@lru_cache
def recognizers(region: str = "US") -> Recognizers:
    return Recognizers(region)


def found(text: str, kind: str | None = None, region: str = "US") -> list[tuple[str, str | None]]:
    """Return surface and value of what is found, or of one type only."""
    return [
        (text[one.start : one.end], one.value)
        for one in recognizers(region).find(text)
        if kind in (None, one.type)
    ]


def surfaces(text: str, kind: str | None = None, region: str = "US") -> list[str]:
    return [surface for surface, _ in found(text, kind, region)]
