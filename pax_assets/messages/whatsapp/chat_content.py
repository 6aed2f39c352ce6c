"""What stands after a sender's name in a chat export: words, a medium, or a sentence by the app.

Text is stored as received: what WhatsApp itself put into it (`<Media omitted>`, `<This message
was edited>`) is not cut out, but marked: `source_metadata.markers` holds where each such marker
begins and ends, so that whoever reads the words can leave it out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pax_assets.messages.json.values import Json
from pax_assets.messages.message import Attachment
from pax_assets.messages.whatsapp.chat_headers import MARKS
from pax_assets.messages.whatsapp.chat_notices import is_encryption_notice, notice_kind
from pax_assets.messages.whatsapp.chat_phrases import (
    ATTACHED_LABELS,
    ATTACHED_NOTES,
    CALLS,
    DELETED,
    EDITED,
    LOCATION,
    MEDIA_OMITTED,
    MISSED_CALLS,
    OMITTED,
    POLL,
    folded,
)

_TYPES = {
    "image": {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "heic": "image/heic"},
    "sticker": {"webp": "image/webp"},
    "gif": {"gif": "image/gif"},
    "video": {
        "mp4": "video/mp4",
        "3gp": "video/3gpp",
        "mov": "video/quicktime",
        "mkv": "video/x-matroska",
        "webm": "video/webm",
    },
    "audio": {
        "opus": "audio/ogg",
        "ogg": "audio/ogg",
        "m4a": "audio/mp4",
        "mp3": "audio/mpeg",
        "aac": "audio/aac",
        "amr": "audio/amr",
        "wav": "audio/wav",
    },
    "contacts": {"vcf": "text/vcard"},
    "document": {"pdf": "application/pdf", "txt": "text/plain", "csv": "text/csv"},
}
_KIND_OF = {
    ending: (kind, mime) for kind, endings in _TYPES.items() for ending, mime in endings.items()
}

_MARKED = frozenset(MARKS)
_AROUND = f" {MARKS}"
# All repetitions are bounded: a message may be a megabyte of spaces.
_M = f"[{MARKS}]{{0,4}}"
_LABELLED = re.compile(
    rf"<{_M}\s?([^<>:\n]{{1,30}}?)\s?:[ {MARKS}]{{0,8}}([^<>\n]{{1,300}}?)\s?{_M}>"
)
_NOTED = re.compile(rf"{_M}([^\n]{{1,300}}?){_M} {_M}\(([^()\n]{{3,40}})\){_M}(?=\n|$)")
_OMITTED = re.compile(rf"{_M}<{_M} ?([^<>\n]{{3,80}}?) ?>{_M}(?=\n|$)")
_BARE = re.compile(r"[^\n]{3,120}?(?=\n|$)")
_NAMED = re.compile(rf"([^\n{MARKS}]{{1,300}}?\.\w{{1,5}})[ •{MARKS}][^\n]{{0,80}}?(?=\n|$)")
_FILE = re.compile(r"[^/\\]*\.(\w{1,5})")
_VOTES = re.compile(r" \([^()\n]{1,40}\)$", re.MULTILINE)
_FIXED = DELETED | MISSED_CALLS | OMITTED.keys()
_MAX_FIXED = 120
_MAX_FOLDED = 300


@dataclass(slots=True)
class Body:
    """What a line says. `event` is a kind of channel event, or `None` where it is a message.

    `identity` is the text without what differs between two exports of the same message: with or
    without media, before and after a vote; `None` where that is the text itself.
    """

    identity: str | None = None
    event: str | None = None
    notice: str | None = None
    content_type: str = "text/plain"
    attachments: tuple[Attachment, ...] = ()
    metadata: Json = field(default_factory=dict)


# Of nearly all messages; never changed.
_WORDS = Body()


def read_body(text: str) -> Body:
    """Read what stands after the sender's name."""
    if not _may_be_special(text):
        return _WORDS
    end = _edited_from(text)
    body = _special(text if end is None else text[:end], marked=text[:1] in _MARKED)
    if end is None or body.event is not None:
        return body
    if body.identity is None:
        body.identity = text[:end]
    body.metadata["edited"] = True
    _mark(body, "edited", end, len(text))
    return body


def _edited_from(text: str) -> int | None:
    """Return where the mark of an edited message begins, with the space before it."""
    rest = text.rstrip(_AROUND)
    start = rest.rfind("<", -_MAX_FIXED)
    if not rest.endswith(">") or start < 0 or folded(rest[start + 1 : -1]) not in EDITED:
        return None
    return len(rest[:start].rstrip(_AROUND))


def file_kind(name: str) -> tuple[str, str | None]:
    """Return the kind and the MIME type of a file as WhatsApp names and types it."""
    found = _FILE.fullmatch(name)
    kind, mime = _KIND_OF.get(found[1].lower() if found else "", ("document", None))
    if name.startswith("STK-"):
        kind = "sticker"
    elif name.startswith("GIF-") or "-GIF-" in name:
        kind = "gif"
    return kind, mime


def _may_be_special(text: str) -> bool:
    """Say in a fraction of a microsecond that most messages are words and nothing else."""
    if text[:1] in _MARKED or "\u200e" in text or text[-1:] in (">", ")"):
        return True
    first = text if "\n" not in text else text[: text.index("\n")]
    if first[-1:] in (">", ")", ":") or "maps." in first:
        return True
    return len(first) <= _MAX_FIXED and first.rstrip(".。").casefold() in _FIXED


def _special(text: str, *, marked: bool) -> Body:
    short = folded(text) if len(text) <= _MAX_FOLDED else ""
    if short in DELETED:
        return Body(event="deletion")
    if short in MISSED_CALLS or (marked and CALLS.match(short)):
        return Body(event="call")
    if (body := _medium(text, marked=marked)) is not None:
        return body
    lowered = text[:_MAX_FOLDED].translate(_DROP_MARKS)
    if (place := LOCATION.match(lowered)) is not None:
        where: Json = {key: place[key] for key in ("latitude", "longitude", "url")}
        return Body(content_type="whatsapp/location", metadata={"location": where})
    if POLL.match(lowered.casefold()):
        return Body(_VOTES.sub("", text), content_type="whatsapp/poll")
    if is_encryption_notice(text):
        return Body(event="system", notice="encryption")
    if marked and (notice := notice_kind(text)) != "other":
        return Body(event="call" if notice == "call" else "system", notice=notice)
    return Body()


_DROP_MARKS = dict.fromkeys(map(ord, MARKS))


def _medium(text: str, *, marked: bool) -> Body | None:
    """Return the body of a message that carries, or carried, a file."""
    for found in _LABELLED.finditer(text):
        label, name = folded(found[1]), found[2].translate(_DROP_MARKS).strip()
        sure = label in ATTACHED_LABELS or found.start() == 0 or text[found.start() - 1] in _MARKED
        if sure and _FILE.fullmatch(name):
            return _with_file(text, found.start(), found.end(), *file_kind(name), name)
    noted = _NOTED.match(text)
    if noted is not None:
        name = noted[1].translate(_DROP_MARKS).strip()
        if (marked or folded(noted[2]) in ATTACHED_NOTES) and _FILE.fullmatch(name):
            return _with_file(text, 0, noted.end(), *file_kind(name), name)
    omitted = _OMITTED.match(text)
    if omitted is not None:
        phrase = folded(omitted[1])
        kind = "media" if phrase in MEDIA_OMITTED else OMITTED.get(phrase)
        return _with_file(text, 0, omitted.end(), kind) if kind else None
    bare = _BARE.match(text)
    if bare is not None and (kind := OMITTED.get(folded(bare[0]))):
        return _with_file(text, 0, bare.end(), kind)
    return _omitted_document(text)


def _omitted_document(text: str) -> Body | None:
    """Read `Report.pdf • 3 pages document omitted`, which names the file that is not there."""
    named = _NAMED.match(text)
    if named is None:
        return None
    start = max(named[0].rfind(mark) for mark in MARKS)
    if start < 0 or OMITTED.get(folded(named[0][start:])) != "document":
        return None
    kind, mime = file_kind(named[1])
    return _with_file(text, start, named.end(), kind, mime, named[1].strip())


def _with_file(
    text: str, start: int, end: int, kind: str, mime: str | None = None, name: str | None = None
) -> Body:
    caption = (text[:start] + text[end:]).translate(_DROP_MARKS).strip()
    body = Body(
        f"\0{caption}",
        content_type=f"whatsapp/{kind}",
        attachments=(Attachment(kind=kind, mime=mime, filename=name),),
    )
    _mark(body, "media", start, end)
    return body


def _mark(body: Body, what: str, start: int, end: int) -> None:
    marker: Json = {"what": what, "start": start, "end": end}
    body.metadata["markers"] = [*as_markers(body), marker]


def as_markers(body: Body) -> list[object]:
    """Return the markers that a body has until now."""
    found = body.metadata.get("markers")
    return list(found) if isinstance(found, list) else []
