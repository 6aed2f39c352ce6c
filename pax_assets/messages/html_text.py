"""HTML mail to the text that a person reads.

A tokenizer of our own in linear time: the standard library's `html.parser` takes quadratic time
on unclosed comments and declarations, and mail comes from strangers. Blocks become lines, tags
and what browsers never show (style, script, head, comments) go, entities are resolved.
"""

from __future__ import annotations

import html
import re

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
_SPACE = re.compile(r"[ \t\r\n\f]+")
_BLANKS = re.compile(r"[ \t]+")
_AROUND_NEWLINE = re.compile(r" ?\n ?")
_BLANK_LINES = re.compile(r"\n{3,}")


def html_to_text(markup: str) -> str:
    """Return the visible text of `markup`; never raises, linear in its length.

    Runs of spaces become one, in `<pre>` too; its line breaks stay.
    """
    pieces: list[str] = []
    unclosed: set[str] = set()
    at = preformatted = 0
    # Beyond the last `>` nothing is a tag, so that "a < b" at the end stays text.
    last = markup.rfind(">") + 1
    while token := _TOKEN.search(markup, at, last):
        pieces.append(_characters(markup[at : token.start()], bool(preformatted)))
        at = token.end()
        tag = (token["tag"] or token["hidden"] or "").lower()
        opening = not token[0].startswith("</")
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
    return _BLANK_LINES.sub("\n\n", _AROUND_NEWLINE.sub("\n", text)).strip()


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
