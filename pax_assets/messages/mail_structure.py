"""A mail's bytes to its headers and its body, whatever state they are in.

Most mail is one part below well-formed headers, and is read by one pattern. Everything else goes
through the standard library's parser, which spends most of its time on looking for what such a
mail does not have: defects, and boundaries in every line. What comes out is the same.
"""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import Message as MimeMail
from typing import NamedTuple

from pax_assets.messages.mail_body import MailBody, declared
from pax_assets.messages.mail_source import blank_line, has_too_many_parts, repaired

# By name in lower case; values as they were, folded lines and raw bytes (surrogate escapes) too.
Headers = dict[str, list[str]]

# Anchored: a line that is no header is passed over at once, however long it is.
_HEADER = re.compile(r"^([!-9;-~]+):(.*(?:\n[ \t].*)*)\n", re.MULTILINE)
_ABOUT_BODY = (
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "content-id",
)
_STRUCTURE = re.compile(
    rb"^(?:content-type|content-transfer-encoding|mime-version)[ \t]*:.*\n(?:[ \t].*\n)*",
    re.IGNORECASE | re.MULTILINE,
)


class ParsedMail(NamedTuple):
    """A mail's headers, its mailbox envelope line (if any), its body, and its oddities."""

    headers: Headers
    envelope: str | None
    body: MailBody
    defects: list[str]


def parsed(source: bytes) -> ParsedMail:
    """Parse a mail that begins with its headers or an envelope line; never raises."""
    if has_too_many_parts(source):
        # More boundaries than any honest mail: the parser would take minutes.
        return _flat(source, "mime_too_many_parts")
    try:
        return _single_part(source) or _tree(source)
    except RecursionError:
        return _flat(source, "mime_too_deep")
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        # A defect of the standard library's parser on hostile structure: the text still counts.
        return _flat(source, f"unparsed_structure: {type(error).__name__}")


def _single_part(source: bytes) -> ParsedMail | None:
    """Read a mail whose headers are well-formed and whose body is one part; else None."""
    below = blank_line(source)[1]
    head = source[:below].decode("ascii", "surrogateescape").replace("\r\n", "\n")
    if "\r" in head or not head.endswith("\n\n"):
        return None
    at = head.index("\n") + 1 if head.startswith("From ") else 0
    end = at
    headers: Headers = {}
    for name, value in _HEADER.findall(head, at):
        end += len(name) + len(":") + len(value) + len("\n")
        headers.setdefault(name.lower(), []).append(value.lstrip(" \t"))
    # Only the blank line is no header, or the pattern has passed over a line that is neither.
    if end != len(head) - 1:
        return None
    mail = MimeMail()
    # The others say nothing about the body, and these would be searched for among them.
    for name in _ABOUT_BODY:
        for value in headers.get(name, ()):
            mail.set_raw(name, value)
    if declared(mail)[0].startswith(("multipart/", "message/")):
        return None
    mail.set_payload(source[below:].decode("ascii", "surrogateescape"))
    body = MailBody(mail)
    return ParsedMail(headers, head[: at - 1] if at else None, body, sorted(set(body.defects)))


def _tree(source: bytes) -> ParsedMail:
    mail = message_from_bytes(source)
    if any(type(item).__name__ == "MissingHeaderBodySeparatorDefect" for item in mail.defects):
        mail = message_from_bytes(repaired(source))
    body = MailBody(mail)
    defects = [type(item).__name__ for item in mail.defects] + body.defects
    return ParsedMail(_headers(mail), mail.get_unixfrom(), body, sorted(set(defects)))


def _flat(source: bytes, defect: str) -> ParsedMail:
    """Read headers, and everything below them as one plain text."""
    head, _, rest = source.replace(b"\r\n", b"\n").partition(b"\n\n")
    mail = message_from_bytes(_STRUCTURE.sub(b"", head + b"\n") + b"\n" + rest)
    return ParsedMail(_headers(mail), mail.get_unixfrom(), MailBody(mail), [defect])


def _headers(mail: MimeMail) -> Headers:
    headers: Headers = {}
    # `raw_items` alone gives the values as they were: `items` decodes 8-bit ones lossily.
    for name, value in mail.raw_items():
        headers.setdefault(name.lower(), []).append(str(value))
    return headers
