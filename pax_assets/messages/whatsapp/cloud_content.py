"""What a person would read in each type of WhatsApp message, and which types are no message.

The Cloud API puts the words of every type elsewhere: a caption, a button's title, a contact's
name. Consumers of `text` should not have to know that.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field

from pax_assets.messages.json.values import Json, as_dict, as_list, as_text, as_token
from pax_assets.messages.message import Attachment


@dataclass(frozen=True, slots=True)
class Content:
    """The readable text, its kind, media, and details that have no column."""

    text: str
    content_type: str
    attachments: tuple[Attachment, ...] = ()
    metadata: Json = field(default_factory=dict)


def event_of(record: Json, *, has_errors: bool) -> tuple[str, str | None] | None:
    """Return kind and message id of what is no message; `None` where `record` is a message.

    A record without a body is an error event where it or its change (`has_errors`) says that
    the provider could not deliver the body.
    """
    kind, own_id = as_token(record.get("type")) or "", as_token(record.get("id"))
    body = as_dict(record.get(kind))
    if kind == "reaction":
        return "reaction", as_token(body.get("message_id"))
    if kind == "edit":
        return "edit", as_token(body.get("original_message_id"))
    if kind in ("revoke", "delete", "deleted"):
        return "deletion", as_token(body.get("original_message_id"))
    if kind in ("system", "request_welcome"):
        return "system", own_id
    if kind == "call":
        return "call", own_id
    if kind == "interactive" and as_token(body.get("type")) == "call_permission_reply":
        return "call", own_id
    if kind == "unsupported" and (happened := _UNSUPPORTED.get(as_token(body.get("type")) or "")):
        # It says that something happened to a message, but not to which.
        return happened, None
    unreadable = (kind not in _READERS and not _is_media(body)) or record.get(kind) is None
    if unreadable and (has_errors or as_list(record.get("errors"))):
        return "error", own_id
    # `unsupported`, `unknown`, and types that are newer than this parser: kept as a notice.
    if unreadable and kind not in _READERS and kind:
        return "error", own_id
    return None


def note_of(record: Json) -> str | None:
    """Return why a record that is an error event is no message, where it does not say so itself."""
    kind = as_token(record.get("type"))
    if kind is None or kind in _READERS or as_list(record.get("errors")):
        return None
    return f"PAX knows no content of the message type {kind[:80]!r}; the record is kept as it came"


def read_content(record: Json) -> Content | None:
    """Return the content of a message; `None` where its type or the body of it is missing."""
    kind = as_token(record.get("type"))
    if kind is None:
        kind = next((name for name in _READERS if record.get(name) is not None), "")
    body = record.get(kind)
    if not isinstance(body, (dict, list)):
        return None
    if kind not in _READERS:
        return _media(kind[:_MAX_KIND], body) if _is_media(as_dict(body)) else None
    return _READERS[kind](kind, body)


def _is_media(body: Json) -> bool:
    """Say whether a body is a file, as that of every type of media is, and of those to come."""
    return as_token(body.get("id")) is not None and as_token(body.get("mime_type")) is not None


def _text(_: str, body: object) -> Content | None:
    text = as_text(as_dict(body).get("body"))
    return None if text is None else Content(text, "text/plain")


def _media(kind: str, body: object) -> Content | None:
    media = as_dict(body)
    attachment = Attachment(
        kind=kind,
        id=as_token(media.get("id")),
        mime=as_token(media.get("mime_type")),
        sha256=_hex_digest(as_token(media.get("sha256"))),
        filename=as_text(media.get("filename")),
    )
    metadata = {key: media[key] for key in ("voice", "animated", "url") if key in media}
    text = as_text(media.get("caption")) or ""
    return Content(text, f"whatsapp/{kind}", (attachment,), metadata)


def _hex_digest(digest: str | None) -> str | None:
    """Return a base64 SHA-256, which WhatsApp sends, as hex; anything else as it is."""
    if digest is None or len(digest) != 44 or not digest.isascii():
        return digest
    try:
        raw = base64.b64decode(digest, validate=True)
    except binascii.Error:
        return digest
    return raw.hex() if len(raw) == 32 else digest


def _location(kind: str, body: object) -> Content | None:
    place = as_dict(body)
    lines = [text for key in ("name", "address") if (text := as_token(place.get(key)))]
    where = [as_token(place.get(key)) or "" for key in ("latitude", "longitude")]
    if not lines and any(where):
        lines = [",".join(where)]
    return Content("\n".join(lines), f"whatsapp/{kind}", metadata={"location": place})


def _contacts(kind: str, body: object) -> Content | None:
    lines: list[str] = []
    for item in as_list(body):
        card = as_dict(item)
        name = as_dict(card.get("name"))
        parts = [as_token(name.get("formatted_name")) or as_token(name.get("first_name"))]
        for key, value in (("phones", "phone"), ("emails", "email")):
            parts += [as_token(as_dict(entry).get(value)) for entry in as_list(card.get(key))]
        parts.append(as_token(as_dict(card.get("org")).get("company")))
        lines.append(" ".join(part for part in parts if part))
    return Content("\n".join(lines), f"whatsapp/{kind}", metadata={"contacts": body})


def _interactive(kind: str, body: object) -> Content | None:
    reply = as_dict(body)
    # Named by `type`, though some payloads hold the reply without naming it.
    names = ("button_reply", "list_reply", "nfm_reply")
    name = as_token(reply.get("type")) or next((key for key in names if key in reply), "")
    choice = as_dict(reply.get(name))
    if not choice:
        return _offer(kind, reply, name)
    keys = ("body",) if name == "nfm_reply" else ("title", "description")
    text = "\n".join(part for key in keys if (part := as_text(choice.get(key))))
    return Content(text, f"whatsapp/{kind}.{name}", metadata={"reply": choice})


def _offer(kind: str, sent: Json, name: str) -> Content | None:
    """Read what a business sent, which comes back as an echo: words and what may be chosen."""
    parts = [as_text(as_dict(sent.get(key)).get("text")) for key in ("header", "body", "footer")]
    text = "\n".join(part for part in parts if part)
    if not text:
        return None
    return Content(text, f"whatsapp/{kind}.{name}", metadata={"interactive": sent})


def _button(kind: str, body: object) -> Content | None:
    button = as_dict(body)
    text = as_text(button.get("text"))
    if text is None:
        return None
    metadata: Json = {"payload": button["payload"]} if "payload" in button else {}
    return Content(text, f"whatsapp/{kind}", metadata=metadata)


def _order(kind: str, body: object) -> Content | None:
    order = as_dict(body)
    lines = [as_text(order.get("text")) or ""]
    for item in as_list(order.get("product_items")):
        product = as_dict(item)
        amount, name, price, currency = (
            as_token(product.get(key)) or "?"
            for key in ("quantity", "product_retailer_id", "item_price", "currency")
        )
        lines.append(f"{amount} x {name}, {price} {currency}")
    text = "\n".join(line for line in lines if line)
    return Content(text, f"whatsapp/{kind}", metadata={"order": order})


# What `unsupported` messages say that they are, where it is no message of its own.
_UNSUPPORTED = {
    "edit": "edit",
    "revoke": "deletion",
    "reaction": "reaction",
    "pin": "system",
    "keep_in_chat": "system",
    "poll_update": "system",
}
_MAX_KIND = 40

_READERS: dict[str, Callable[[str, object], Content | None]] = {
    "text": _text,
    "image": _media,
    "video": _media,
    "audio": _media,
    "voice": _media,
    "document": _media,
    "sticker": _media,
    "location": _location,
    "contacts": _contacts,
    "interactive": _interactive,
    "button": _button,
    "order": _order,
}
