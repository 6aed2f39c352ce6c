"""The title of a chat, from the names that WhatsApp gives its exports.

An export holds no id of its chat. The title that the phone put into the name of the text file or
of the archive is all there is, in the phone's language: `WhatsApp Chat with Ann.txt`, `WhatsApp
Chat mit Ann.txt`, or `_chat.txt` inside `WhatsApp Chat - Ann.zip`.
"""

from __future__ import annotations

import re
import unicodedata

from pax_assets.messages.whatsapp.chat_headers import MARKS

_ENDING = re.compile(r"(?:[ _]?\(\d{1,3}\))?(?:\.(?:txt|zip|gz))+(?:\.\d{1,3})?$", re.IGNORECASE)
_COPY = re.compile(r" ?\(\d{1,3}\)$")
_BEFORE = r"""
WhatsApp[- ]Chat with|WhatsApp[- ]Chat -|WhatsApp[- ]Chat mit|Chat de WhatsApp con|
Discussion WhatsApp avec|Chat WhatsApp con|Conversa d?n?o WhatsApp com|WhatsApp-chat met|
WhatsApp-keskustelu henkilön|WhatsApp-chatt med|WhatsApp[- ]chat med|WhatsApp-samtale med|
WhatsApp Sohbeti -|Czat WhatsApp z|Chat WhatsApp s uživatelem|Чат WhatsApp с(?: контактом)?|
Бесіда WhatsApp з|WhatsApp csevegés vele:|Conversație WhatsApp cu|Συνομιλία WhatsApp με|
צ'אט WhatsApp עם|دردشة واتساب مع|Chat WhatsApp dengan|Sembang WhatsApp dengan|
Trò chuyện WhatsApp với|WhatsApp 与|WhatsApp 與|WhatsApp[- ]Chat
"""
_TITLED = re.compile(
    rf"(?:^|[^\w])(?:{_BEFORE.replace(chr(10), '')})[ _]+(?P<before>.+)$"
    r"|^(?P<after>.+?) (?:ile WhatsApp Sohbeti|님과의 WhatsApp 대화|के साथ WhatsApp चैट)$"
    r"|^(?P<japanese>.+?)とのWhatsAppチャット$",
    re.IGNORECASE,
)
_TAIL = re.compile(r" (?:kanssa|的对话|的對話)$")
_IPHONE = "_chat"
_DROP_MARKS = dict.fromkeys(map(ord, MARKS))
_MAX_TITLE = 200


def cleaned(name: str) -> str:
    """Return a name without direction marks, in Unicode's composed form, with plain spaces.

    Half surrogate pairs, which names of files may hold, become question marks.
    """
    name = name.encode("utf-8", "replace").decode() if not name.isascii() else name
    return " ".join(unicodedata.normalize("NFC", name.translate(_DROP_MARKS)).split())


def title_of(name: str) -> str | None:
    """Return the chat's title from the name of an export or of a member; `None` without one."""
    stem = _COPY.sub("", _ENDING.sub("", cleaned(_base(name))))
    found = _TITLED.search(stem.replace("_", " ")) if len(stem) <= _MAX_TITLE else None
    if found is None:
        return None
    title = found["before"] or found["after"] or found["japanese"]
    return _TAIL.sub("", title).strip() or None


def is_transcript(name: str) -> bool:
    """Say whether an archive's member is named as WhatsApp names the text of a chat."""
    base = cleaned(_base(name))
    if not base.lower().endswith(".txt"):
        return False
    return _COPY.sub("", _ENDING.sub("", base)) == _IPHONE or title_of(base) is not None


def _base(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]
