"""Which parts of a mail's text its sender did not write for it: quotes, forwards, signatures.

A reply repeats the mails before it, and a model that reads them counts every order as often as it
was answered. Cutting them would lose what was received and move every offset, so they are marked:
spans into the text, which stays as it is.

The text is read line by line: every line gets a one-letter class, and the spans are runs of
classes. That is linear in the text, whatever a stranger wrote. What a rule cannot tell stays
unmarked: an unmarked quote costs a consumer a repetition, a marked reply costs the reply.
Why no library: docs/decisions/0007-quotes-and-signatures.md.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

from pax_assets.messages.email import phrases

Kind = Literal["quote", "attribution", "forward", "signature"]

# Text beyond this, and spans beyond that, are left unmarked: no honest mail has them.
MAX_SCANNED = 1_000_000
MAX_SPANS = 200

# A line, or a few joined ones, above this is prose and no phrase of a mail program.
_MAX_PHRASE = 400
# The signature that a delimiter opens is at most this long, or it was a line between sections.
_MAX_SIGNATURE_LINES = 30
# A closing ("Best regards,") is looked for in so many lines of text before the end.
_MAX_CLOSING_LINES = 7
_MAX_CLOSING_WIDTH = 80
_MAX_CLOSING_WORDS = 10
# An attribution is wrapped at most twice, and stands this near to its quote.
_MAX_WRAPPED = 3
_MAX_GAP = 3

# Classes of lines. A mangled line is `>From `, which an mbox writer made of `From `.
_BLANK, _TEXT, _QUOTED, _BARRED, _MANGLED = " ", "t", ">", "|", "m"
_COLON, _ATTRIBUTION, _DELIMITER, _RULE, _SIGNED = "c", "a", "d", "r", "s"
_ORIGINAL, _FORWARD, _FORWARD_END, _FROM_LABEL = "o", "f", "g", "F"

# "JL> text", as some programs quote; a database's prompt looks the same.
_INITIALS = re.compile(r"(?!SQL>)[A-Z]{1,4}>+(?:\s|\Z)")
# A title may stand in the rule: "---- Yahoo! Groups Sponsor ----~-->".
_RULE_LINE = re.compile(r"[-_=*~]{10,}(?:[^\w]{0,3}|[ \w!.]{1,40}[-_=*~]{5,}[^\w]{0,6})\Z")
# "-Ann", "--Ann Lee (home page ...)": a list has a space there.
_DASHED_NAME = re.compile(r"[-–—]{1,2}[A-ZÀ-ÖØ-Þ]\w*(?: |\Z)")
_LABEL = re.compile(r"[*_ ]{0,3}(\w[\w '’.-]{0,24}?)[*_ ]{0,3}[:：]")
_SEPARATOR = re.compile(r"[ofF]")
_UNDECIDED = re.compile(r"[mc]")
_QUOTE_RUN = re.compile(r">(?:[> ]*>)?")
_OWN_RUN = re.compile(r"[^>as]+")
_SAME_RUN = re.compile(r"a+|s(?:[s ]*s)?")


class Span(NamedTuple):
    """A part of a text: code points, half-open."""

    kind: Kind
    start: int
    end: int


def quote_spans(text: str, marked: Sequence[Span] = ()) -> list[Span]:
    """Return the parts of a mail's `text` that repeat other mails or sign this one.

    `marked` are quotes and signatures that the mail's HTML names. The spans are sorted, do not
    overlap, cover whole lines without the last line's break, and are at most `MAX_SPANS`. An
    `attribution` ("On Monday Ann wrote:", Outlook's header block) stands before its `quote`.
    Never raises; linear in the text, of which `MAX_SCANNED` code points are read.
    """
    lines = text[:MAX_SCANNED].split("\n")
    # Nearly every line is blank or plain: to call a function for each takes longer than all else.
    classes = [
        _BLANK
        if not bare
        else _TEXT
        if bare[0].isalnum() and ":" not in bare and ">" not in bare and "：" not in bare
        else _class_of(bare)
        for bare in map(str.strip, lines)
    ]
    scan = _Scan(lines, classes)
    scan.take_over(marked)
    scan.find_attributions()
    return scan.spans()


def _class_of(text: str) -> str:
    """Return the class of a line, without the white space around it, that may be a special one."""
    first = text[0]
    if first == ">":
        return _MANGLED if text.startswith(">From ") else _QUOTED
    if len(text) > _MAX_PHRASE:
        return _TEXT
    if not first.isalnum():
        return _class_of_marked(first, text)
    if text[-1] in ":：":
        return _FORWARD if phrases.FORWARD.match(text) else _label_class(text) or _COLON
    if ">" in text and _INITIALS.match(text):
        return _QUOTED
    return _label_class(text) or _TEXT


def _class_of_marked(first: str, text: str) -> str:
    """Return the class of a line that begins with neither a letter, a digit nor `>`."""
    if first in "-‐–—_=*~":
        if text == "--":
            return _DELIMITER
        if phrases.DASHED.match(text):
            if phrases.ORIGINAL.match(text):
                return _ORIGINAL
            if phrases.FORWARD_END.match(text):
                return _FORWARD_END
            if phrases.FORWARD.match(text):
                return _FORWARD
        if _RULE_LINE.match(text):
            return _RULE
        label = _label_class(text)
        if label:
            return label
    if first in "|}#%":
        return _BARRED
    return _COLON if text[-1] in ":：" else _TEXT


def _is_attribution(text: str, followed: bool) -> bool:
    """Say whether `text`, which ends with a colon, says who wrote what follows it.

    Without a quote right below it must name an address and a day: prose has verbs, too.
    """
    if len(text) > _MAX_PHRASE:
        return False
    # The quick tests come first: most lines that end with a colon are prose.
    address = "@" in text and phrases.ADDRESS.search(text)
    if followed:
        dated = phrases.OPENS.match(text) and phrases.DATE.search(text)
        named = address or dated or phrases.LEAD.match(text) or phrases.NAME.match(text)
        return bool(named or phrases.WROTE.search(text))
    if not address or not phrases.DATE.search(text):
        return False
    return text[-2:-1] == ">" or bool(phrases.WROTE.search(text))


def _closes(text: str, followed: bool) -> bool:
    """Say whether a line closes a letter; `followed`: whether lines stand below it."""
    phrase, comma, name = text.partition(",")
    key = phrase.lower().rstrip(" .!~，。…-–")
    if key in phrases.CLOSINGS:
        return not comma or len(name.split()) <= 3
    return followed and key in phrases.THANKS and not name.strip(" ,.!-")


def _may_sign(text: str) -> bool:
    """Say whether a line may stand below a closing: a name, a number, but no sentence."""
    return (
        len(text) <= _MAX_CLOSING_WIDTH
        and len(text.split()) <= _MAX_CLOSING_WORDS
        and not text[:4].upper().startswith(("PS", "P.S."))
    )


def _label_of(text: str) -> str | None:
    found = _LABEL.match(text)
    return found[1].strip().lower() if found else None


def _label_class(text: str) -> str | None:
    return _FROM_LABEL if _label_of(text) in phrases.FROM_LABELS else None


class _Scan:
    """One text: its lines, their classes, and where each begins."""

    def __init__(self, lines: list[str], classes: list[str]) -> None:
        self._lines, self._classes = lines, classes
        # One more for the line break: adding it to a line's length without a loop in Python.
        self._starts = list(accumulate(map((1).__add__, map(len, lines)), initial=0))

    def take_over(self, marked: Sequence[Span]) -> None:
        """Give whole lines inside the marked parts the class that the HTML gave them."""
        for kind, start, end in marked:
            name = _SIGNED if kind == "signature" else _QUOTED
            number = bisect_left(self._starts, start)
            while number < len(self._lines) and self._starts[number + 1] - 1 <= end:
                if self._classes[number] != _BLANK:
                    self._classes[number] = name
                number += 1

    def find_attributions(self) -> None:
        """Mark the lines that say who wrote what is quoted below them."""
        classes = self._classes
        # Deciding one never makes another undecided, so they can be listed before.
        for found in _UNDECIDED.finditer("".join(classes)):
            number = found.start()
            if found[0] == _MANGLED:
                beside = classes[max(0, number - 1) : number + 2]
                classes[number] = _QUOTED if _QUOTED in beside else _TEXT
            else:
                first = self._attribution_start(number)
                if first is not None:
                    classes[first : number + 1] = [_ATTRIBUTION] * (number + 1 - first)

    def _attribution_start(self, number: int) -> int | None:
        """Return the line where the attribution that ends at line `number` begins."""
        below = self._next_line(number + 1)
        followed = below is not None and self._classes[below] in (_QUOTED, _MANGLED)
        barred = below is not None and self._classes[below] == _BARRED
        start = None
        joined = ""
        for first in range(number, max(-1, number - _MAX_WRAPPED), -1):
            if self._classes[first] not in (_TEXT, _COLON) or len(joined) > _MAX_PHRASE:
                break
            joined = f"{self._lines[first].strip()} {joined}".rstrip()
            opens = phrases.OPENS.match(joined) is not None
            if (opens or first == number) and _is_attribution(joined, followed or barred):
                start = first
                if opens:
                    break
        if start is not None and barred and below is not None:
            self._quote_barred(below)
        return start

    def _next_line(self, number: int) -> int | None:
        for below in range(number, min(number + _MAX_GAP, len(self._lines))):
            if self._classes[below] != _BLANK:
                return below
        return None

    def _quote_barred(self, number: int) -> None:
        while number < len(self._lines) and self._classes[number] == _BARRED:
            self._classes[number] = _QUOTED
            number += 1

    def spans(self) -> list[Span]:
        """Return all spans, sorted."""
        found: list[Span] = []
        for span in self._all_spans():
            if len(found) == MAX_SPANS:
                break
            if span.end > span.start:
                found.append(span)
        return found

    def _all_spans(self) -> Iterator[Span]:
        code = "".join(self._classes)
        end = self._list_footer(code)
        at = 0
        while at < end:
            separator = self._separator(code, at, end)
            if separator is None:
                break
            kind, first, body, last = separator
            yield from self._own(code, at, first)
            if kind == "forward":
                yield self._span("forward", first, last)
            else:
                yield self._span("attribution", first, body)
                yield self._span("quote", body, last)
            at = last
        yield from self._own(code, at, max(at, end))
        if end < len(code):
            yield self._span("signature", end, len(code))

    def _separator(self, code: str, at: int, end: int) -> tuple[Kind, int, int, int] | None:
        """Return the next part that runs to the end, or to where a forward says that it ends."""
        for found in _SEPARATOR.finditer(code, at, end):
            first = found.start()
            if found[0] == _FORWARD:
                closed = code.find(_FORWARD_END, first, end)
                return "forward", first, first, closed + 1 if closed >= 0 else end
            body = self._after_headers(first + 1 if found[0] == _ORIGINAL else first, end)
            if found[0] == _FROM_LABEL and body is None:
                continue
            if first - 1 >= at and code[first - 1] == _RULE:
                first -= 1
            return "quote", first, body or found.end(), end
        return None

    def _after_headers(self, number: int, end: int) -> int | None:
        """Return the line below a header block with sender and date that begins near `number`."""
        first = self._next_line(number)
        if first is None:
            return None
        labels: list[str] = []
        number = first
        while number < end and len(labels) < 12:
            label = _label_of(self._lines[number].strip()[:40])
            if label in phrases.HEADER_LABELS:
                labels.append(label)
            elif not labels or not self._continues(number):
                break
            number += 1
        if len(labels) < 3 or labels[0] not in phrases.FROM_LABELS:
            return None
        return number if any(label in phrases.SENT_LABELS for label in labels) else None

    def _continues(self, number: int) -> bool:
        """Say whether a line goes on with the header above it: a folded list of addresses."""
        line = self._lines[number]
        return bool(line.strip()) and (line[:1] in " \t" or "@" in line or line.rstrip()[-1] == ";")

    def _own(self, code: str, start: int, end: int) -> Iterator[Span]:
        """Yield the spans of lines that no separator took: runs of `>`, and what signs."""
        at = start
        while at < end:
            own = _OWN_RUN.match(code, at, end)
            if own:
                signed = self._signature(code, at, own.end())
                if signed is not None:
                    yield self._span("signature", signed, own.end())
                at = own.end()
                continue
            run = _QUOTE_RUN.match(code, at, end)
            if run:
                yield self._span("quote", at, run.end())
                at = run.end()
                continue
            same = _SAME_RUN.match(code, at, end)
            at = same.end() if same else at + 1
            if same:
                kind: Kind = "attribution" if same[0][0] == _ATTRIBUTION else "signature"
                yield self._span(kind, same.start(), at)

    def _list_footer(self, code: str) -> int:
        """Return the line where the footer of a mailing list begins; else the last line's end."""
        number = code.find(_RULE, max(0, len(code) - _MAX_SIGNATURE_LINES))
        while number >= 0:
            lines = self._lines[number : number + 5]
            below = "\n".join([line[:_MAX_PHRASE] for line in lines]).lower()
            if any(phrase in below for phrase in phrases.LIST_FOOTER):
                return number
            number = code.find(_RULE, number + 1)
        return len(code)

    def _signature(self, code: str, start: int, end: int) -> int | None:
        """Return the line where the signature at the end of some own lines begins."""
        end = start + len(code[start:end].rstrip())
        delimiter = code.find(_DELIMITER, max(start, end - _MAX_SIGNATURE_LINES), end)
        hard = delimiter if delimiter >= 0 else self._footer(code, start, end)
        closing = self._closing(code, start, end if hard is None else hard)
        return hard if closing is None else closing

    def _footer(self, code: str, start: int, end: int) -> int | None:
        seen = 0
        for number in range(end - 1, start - 1, -1):
            if code[number] == _BLANK:
                continue
            seen += 1
            if seen > 3:
                break
            text = self._lines[number].strip()
            if len(text) > _MAX_CLOSING_WIDTH:
                continue
            dashed = _DASHED_NAME.match(text) and (number == 0 or code[number - 1] == _BLANK)
            if dashed or phrases.FOOTER.match(text):
                return number
        return None

    def _closing(self, code: str, start: int, end: int) -> int | None:
        seen = 0
        # A mail that is nothing but its closing has that for its text.
        start = max(start, len(code) - len(code.lstrip()) + 1)
        for number in range(end - 1, start - 1, -1):
            if code[number] == _BLANK:
                continue
            text = self._lines[number].strip()
            if _closes(text, seen > 0):
                return number
            seen += 1
            if seen > _MAX_CLOSING_LINES or not _may_sign(text):
                return None
        return None

    def _span(self, kind: Kind, first: int, end: int) -> Span:
        """Return the span of lines `first` to `end` without the blank ones around them."""
        while first < end and self._classes[first] == _BLANK:
            first += 1
        while end > first and self._classes[end - 1] == _BLANK:
            end -= 1
        return Span(kind, self._starts[first], self._starts[end] - 1 if end > first else 0)
