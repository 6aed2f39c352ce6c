"""One address of a person, and the id that it has by itself.

An identity is what parsers write as a sender or recipient: an E.164 number, a mailbox, a WhatsApp
user id, a sender's name. Its id is stable for ever; which identities are one participant may
change with the evidence (see `identity_evidence`).
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

Kind = Literal["phone", "whatsapp", "email", "other"]

ID_DIGITS = 32
PHONE_PATTERN = r"^\+[0-9]+$"
# Business-scoped user ids: `US.13491208655302741918`.
WHATSAPP_PATTERN = r"^[A-Z]{2}\.[A-Za-z0-9.]{1,128}$"
_PHONE, _WHATSAPP = re.compile(PHONE_PATTERN), re.compile(WHATSAPP_PATTERN)
_RANK: dict[Kind, int] = {"phone": 0, "whatsapp": 1, "email": 2, "other": 3}


def participant_id(identity: str) -> str:
    """Return the id of an identity by itself: 32 hex digits of its SHA-256."""
    return hashlib.sha256(identity.encode()).hexdigest()[:ID_DIGITS]


def kind_of(identity: str) -> Kind:
    """Return what kind of address an identity is."""
    if _PHONE.match(identity):
        return "phone"
    if "@" in identity:
        return "email"
    return "whatsapp" if _WHATSAPP.match(identity) else "other"


def canonical(identities: list[str] | set[str]) -> str:
    """Return the identity after which a participant is named.

    A phone number before a WhatsApp user id before a mailbox before anything else; among equals
    the first in code point order. So the id follows from who belongs together, not from the order
    in which that became known.
    """
    return min(identities, key=lambda identity: (_RANK[kind_of(identity)], identity))
