"""HTML mail to the text that a person reads.

A tokenizer of our own in linear time: the standard library's `html.parser` takes quadratic time
on unclosed comments and declarations, and mail comes from strangers. Blocks become lines, tags
and what browsers never show (style, script, head, comments) go, entities are resolved. What the
markup names a quote or a signature is reported beside the text.
"""

from __future__ import annotations

import html
import re
from itertools import accumulate

from pax_assets.messages.email.quotes import Kind, Span

_TOKEN = re.compile(
    r"<(?P<hidden>!--)"
    r"|</?(?P<tag>[a-zA-Z][a-zA-Z0-9:]*)[^>]*>"
    r"|<[!?][^>]*>"
)
_HIDDEN = frozenset(("script", "style", "head", "title", "template", "noframes"))
_CLOSING = {tag: re.compile(f"</{tag}(?![a-zA-Z0-9])", re.IGNORECASE) for tag in _HIDDEN}
_CLOSING["!--"] = re.compile("-->")
_LINES = (
    "address article aside blockquote body br center dd div dl dt fieldset figure footer form "
    "header hr html li main nav ol option section table tbody tfoot thead tr ul"
)
_LINE = frozenset(_LINES.split())
_PARAGRAPH = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "p"))
_CELL = frozenset(("td", "th"))
# Elements that may be a quote or a signature.
_MARKED = frozenset(("blockquote", "div", "pre", "table", "span"))
_MAX_ATTRIBUTES = 1000
_SIGNATURE = re.compile(r"\b(?:class|id) ?= ?[\"']?[^\"'>]{0,60}signature", re.IGNORECASE)
_QUOTE = re.compile(r"\bclass ?= ?[\"']?yahoo_quoted|\bname ?= ?[\"']?quote\b", re.IGNORECASE)
_VISIBLE = re.compile(r"\S+")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_BLANKS = re.compile(r"[ \t]+")
_AROUND_NEWLINE = re.compile(r" ?\n ?")
_BLANK_LINES = re.compile(r"\n{3,}")


def html_to_text(markup: str) -> str:
    """Return the visible text of `markup`; never raises, linear in its length.

    Runs of spaces become one, in `<pre>` too; its line breaks stay.
    """
    return html_text_and_marks(markup)[0]


def html_text_and_marks(markup: str) -> tuple[str, list[Span]]:
    """Return the visible text, and which parts of it the markup names quotes and signatures.

    A `<blockquote>` is a quote, and so are the elements in which Yahoo and GMX put one. Gmail's
    `gmail_quote` is none: who answers between the lines writes inside it.
    """
    pieces: list[str] = []
    unclosed: set[str] = set()
    marks = _Marks()
    at = preformatted = 0
    # Beyond the last `>` nothing is a tag, so that "a < b" at the end stays text.
    last = markup.rfind(">") + 1
    while token := _TOKEN.search(markup, at, last):
        pieces.append(_characters(markup[at : token.start()], bool(preformatted)))
        at = token.end()
        tag = (token["tag"] or token["hidden"] or "").lower()
        opening = not token[0].startswith("</")
        if tag in _MARKED:
            marks.see(tag, token[0] if opening else "", len(pieces))
        if tag == "!--" or (opening and tag in _HIDDEN):
            at = _end_of_hidden(markup, at, tag, unclosed)
        elif tag == "pre":
            preformatted = preformatted + 1 if opening else max(0, preformatted - 1)
            pieces.append("\n")
        elif tag in _LINE:
            pieces.append("\n")
        elif tag in _PARAGRAPH:
            pieces.append("\n\n")
        elif tag in _CELL:
            pieces.append(" ")
    pieces.append(_characters(markup[at:], bool(preformatted)))
    text = _BLANKS.sub(" ", "".join(pieces))
    text = _BLANK_LINES.sub("\n\n", _AROUND_NEWLINE.sub("\n", text)).strip()
    return text, marks.spans(pieces, text)


class _Marks:
    """The outermost elements that are a quote or a signature, by the pieces of text in them."""

    def __init__(self) -> None:
        self._found: list[tuple[Kind, int, int]] = []
        self._open: tuple[Kind, str, int] | None = None
        self._depth = 0

    def see(self, tag: str, opening: str, piece: int) -> None:
        """Take note of a tag (`opening` is empty for a closing one) before piece `piece`."""
        if self._open is None:
            kind = _mark(tag, opening)
            if kind is not None:
                self._open = (kind, tag, piece)
                self._depth = 1
        elif tag == self._open[1] and not opening.endswith("/>"):
            self._depth += 1 if opening else -1
            if self._depth == 0:
                self._found.append((self._open[0], self._open[2], piece))
                self._open = None

    def spans(self, pieces: list[str], text: str) -> list[Span]:
        """Return where the marked pieces lie in `text`.

        `text` is the pieces joined, with other white space: the characters that are none keep
        their order, so that counting them finds a place again.
        """
        if self._open is not None:
            self._found.append((self._open[0], self._open[2], len(pieces)))
        if not self._found:
            return []
        counts = list(accumulate((_visible(piece) for piece in pieces), initial=0))
        shown = [part for part in self._found if counts[part[2]] > counts[part[1]]]
        ranks = {rank for _, first, end in shown for rank in (counts[first], counts[end] - 1)}
        places = _places(text, sorted(ranks))
        return [
            Span(kind, places[counts[first]], places[counts[end] - 1] + 1)
            for kind, first, end in shown
        ]


def _visible(text: str) -> int:
    return sum(map(len, text.split()))


def _places(text: str, ranks: list[int]) -> dict[int, int]:
    """Return the offsets of the characters that are the n-th which is no white space."""
    places: dict[int, int] = {}
    runs = _VISIBLE.finditer(text)
    start = seen = until = 0
    for rank in ranks:
        while rank >= until:
            run = next(runs)
            start, seen, until = run.start(), until, until + len(run[0])
        places[rank] = start + rank - seen
    return places


def _mark(tag: str, opening: str) -> Kind | None:
    if tag == "blockquote":
        return "quote" if opening else None
    if "ignature" not in opening and "quote" not in opening:
        return None
    attributes = opening[:_MAX_ATTRIBUTES]
    if _SIGNATURE.search(attributes):
        return "signature"
    return "quote" if _QUOTE.search(attributes) else None


def _end_of_hidden(markup: str, at: int, tag: str, unclosed: set[str]) -> int:
    """Return where a hidden element ends; one that never ends hides nothing.

    `unclosed` remembers those, so that each is searched to the end of the markup once.
    """
    if tag in unclosed:
        return at
    end = _CLOSING[tag].search(markup, at)
    if end is None:
        unclosed.add(tag)
        return at
    bracket = markup.find(">", end.end() - 1)
    return len(markup) if bracket < 0 else bracket + 1


def _characters(text: str, preformatted: bool) -> str:
    if not text:
        return ""
    if not preformatted:
        text = _SPACE.sub(" ", text)
    if "&" not in text:
        return text
    try:
        return html.unescape(text)
    except ValueError:
        # A character reference of thousands of digits: no character, left as it was written.
        return text
