"""E-mail addresses and links.

A link with a scheme or "www." is unmistakable. A bare host ("example.com") is not: in short
messages a dot without a space ends sentences ("see you at 5.is that ok"), so its last label must
be a domain that is no word, no abbreviation and no file name's ending.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pax_assets.nlp.recognizers.domains import COUNTRIES, GENERIC, NO_WORDS, NOT_ALONE
from pax_assets.nlp.recognizers.spans import Recognized

# Letters of scripts that put spaces between words: in others an address has no visible end.
_ALPHABETS = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u0370-\u05ff\u0620-\u0dff\u1e00-\u1fff"
_LETTERS = f"0-9_\u0300-\u036f{_ALPHABETS}"
_TOP = rf"(?:(?![\W\d_])[{_ALPHABETS}])"
_LOCAL = f"[{_LETTERS}%+~&'-]"
# Read backwards from the "@".
_LOCAL_BACKWARDS = re.compile(rf"{_LOCAL}+(?:\.{_LOCAL}+)*")
_LOCAL_FIRST = re.compile(f"[{_LETTERS}]")
_MAX_LOCAL = 64
_MAX_DOMAIN = 255
_DOMAIN = re.compile(
    rf"(?:[{_LETTERS}](?:[{_LETTERS}-]{{0,62}})\.){{1,32}}(?:xn--[0-9A-Za-z-]{{2,59}}|{_TOP}{{2,63}})"
)

# What ends a link: white space and controls, quotation marks, angle brackets, invisible
# characters, and the punctuation of scripts that write without spaces.
_END = (
    '\\s\\x00-\\x20\\x7f-\\xa0<>"`{}|\\\\^\u2018-\u201f\u00ab\u00bb\u2039\u203a\u2060\u3000-\u3003\u3008-\u3011'
    "\u3014-\u301f\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f\ufffd\ud800-\udfff"
)
# A link within a link is a part of it, but not behind what ends the first: "(https://a.com)https://".
_NEXT = r"(?![)\],;]{1,4}(?:https?|ftps?)://)"
_SCHEMED = re.compile(
    rf"(?:https?|ftps?|sftp|wss?|hxxps?)://(?:\[[0-9A-Fa-f:.]{{2,45}}\]|[^{_END}/?#.,;:!()\[\]'*_-])(?:{_NEXT}[^{_END}])*"
    rf"|(?<![{_LETTERS}@-])www[0-9]?\.[{_LETTERS}](?:{_NEXT}[^{_END}])*",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"(?<![{_LETTERS}@./:\\#&=%+~-])"
    rf"(?P<host>(?:[{_LETTERS}](?:[{_LETTERS}-]{{0,62}})\.){{1,32}}(?P<top>{_TOP}{{2,24}}))"
    rf"(?![{_LETTERS}@-])(?::[0-9]{{1,5}}(?![0-9]))?(?P<path>[/?#][^{_END}]*)?"
)
_CLOSERS = {")": "(", "]": "["}
_TRAILING = frozenset(".,;:!?'*_~\u2026\u3002")
_HEAD = re.compile(r"(?:(?P<scheme>[A-Za-z]+)://)?(?:[^/?#@]*@)?(?P<host>[^/?#]*)")


def email_addresses(text: str) -> Iterator[Recognized]:
    """Find e-mail addresses in a plain text. `value` has its domain in small letters.

    The part before "@" has at most 64 characters and no quotation marks; the domain at least one
    dot.
    """
    at = text.find("@")
    while at >= 0:
        found = _email_at(text, at)
        if found:
            yield found
        at = text.find("@", at + 1)


def _email_at(text: str, at: int) -> Recognized | None:
    domain = _DOMAIN.match(text, at + 1, at + 2 + _MAX_DOMAIN)
    if not domain:
        return None
    backwards = text[max(0, at - _MAX_LOCAL - 1) : at][::-1]
    local = _LOCAL_BACKWARDS.match(backwards)
    if not local:
        return None
    start = at - local.end()
    while start < at and not _LOCAL_FIRST.match(text, start):
        start += 1
    if not 0 < at - start <= _MAX_LOCAL or text[max(0, start - 1) : start] == "@":
        return None
    end = _without_next_sentence(text, at + 1, domain.end())
    if text[end : end + 1] == "@":
        return None
    value = f"{text[start:at]}@{text[at + 1 : end].lower()}"
    return Recognized(start, end, "email_address", value, "email")


def _without_next_sentence(text: str, start: int, end: int) -> int:
    """Cut "Thanks" off "example.com.Thanks"."""
    head, _, last = text[start:end].rpartition(".")
    if "." in head and head.islower() and last[0].isupper() and not last.isupper():
        return start + len(head)
    return end


def urls(text: str) -> Iterator[Recognized]:
    """Find links in a plain text.

    `value` has scheme and host in small letters and no user name or password; a link without a
    scheme gets `http://`, as a browser would read it. Scores: 1.0 with a scheme or "www.", 0.9
    for a host with a path, 0.8 for a bare host.
    """
    for match in _SCHEMED.finditer(text):
        end = _trimmed_end(text, match.start(), match.end())
        name = "url_scheme" if "://" in match[0][:9] else "url_www"
        if name == "url_scheme" or text[match.start() : end].count(".") > 1:
            yield _url(text, match.start(), end, name, 1.0)
    for match in _BARE.finditer(text):
        path = match["path"] is not None and len(match["path"]) > 1
        if _is_host(match["host"], match["top"], path):
            end = _trimmed_end(text, match.start(), match.end())
            name, score = ("url_path", 0.9) if path else ("url_host", 0.8)
            yield _url(text, match.start(), end, name, score)


def _is_host(host: str, top: str, path: bool) -> bool:
    top = top.lower()
    begins_a_sentence = host[-len(top) :][0].isupper() and not host.isupper()
    if begins_a_sentence and top not in NO_WORDS:
        return False
    if top in GENERIC or (top in COUNTRIES and (path or top not in NOT_ALONE)):
        return True
    labels = host.lower().split(".")
    return top in COUNTRIES and len(labels) > 2 and labels[-2] in ("co", "com", "org", "net")


def _trimmed_end(text: str, start: int, end: int) -> int:
    """Leave out punctuation and brackets at the end that belong to the sentence. Linear."""
    surplus = {
        closer: text.count(closer, start, end) - text.count(opener, start, end)
        for closer, opener in _CLOSERS.items()
    }
    while end > start:
        last = text[end - 1]
        if last in _CLOSERS:
            if surplus[last] <= 0:
                break
            surplus[last] -= 1
        elif last not in _TRAILING and last not in "([":
            break
        elif last in "([":
            surplus[")" if last == "(" else "]"] += 1
        end -= 1
    return end


def _url(text: str, start: int, end: int, name: str, score: float) -> Recognized:
    surface = text[start:end]
    head = _HEAD.match(surface)
    scheme = ((head and head["scheme"]) or "http").lower()
    host = head["host"].lower() if head else ""
    rest = surface[head.end() :] if head else ""
    return Recognized(start, end, "url", f"{scheme}://{host}{rest}", name, score)
