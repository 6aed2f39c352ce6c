"""When two spellings are one node of the relationship graph.

"ACME Corp.", "Acme" and "acme, inc" are one organisation in everybody's head. A graph that
keeps them apart spreads one relationship over three nodes, and every count in it is wrong. The
rule is deliberately plain (spelling only, no guessing who "Anna" is): two names are one if
`normalized_name` says so and the types agree. A name that is written without its surname stays
a node of its own, which is visible; a wrong merge would not be.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from functools import lru_cache

# Node types that make a mention a node by itself. Labels differ between corpora, so each
# spelling that a corpus of ours uses is listed.
PEOPLE = frozenset({"person", "per"})
ORGANIZATIONS = frozenset(
    {"organization", "organisation", "org", "corporation", "company", "group"}
)

# Legal forms, after punctuation is gone. They are stripped from the end of an organisation's
# name, repeatedly ("co ltd"), as long as something is left.
# fmt: off
_LEGAL_FORMS = frozenset({
    "ab", "ag", "aps", "as", "asa", "bv", "co", "company", "corp", "corporation", "eg", "ek",
    "ev", "gmbh", "inc", "incorporated", "kg", "kgaa", "kk", "limited", "llc", "llp", "lp", "ltd",
    "ltda", "mbh", "nv", "oy", "oyj", "plc", "pte", "pty", "pvt", "sa", "sarl", "sas", "se", "sl",
    "spa", "srl", "sro", "ug",
})
# fmt: on
# "and" and "&" belong to the legal form in "Smith & Co" and "GmbH & Co. KG".
_CONNECTORS = frozenset({"and", "und", "et"})

_POSSESSIVE = re.compile(r"['\u2019]s\Z")
_DELETED = re.compile(r"['\u2019.\u00ad\u200b-\u200f\u2060\ufeff]")


def is_person(kind: str) -> bool:
    """Whether an entity type means a person."""
    return kind.casefold() in PEOPLE


def is_organization(kind: str) -> bool:
    """Whether an entity type means an organisation."""
    return kind.casefold() in ORGANIZATIONS


@lru_cache(maxsize=65536)
def normalized_name(surface: str, kind: str) -> str:
    """Return the form under which mentions of type `kind` are one node.

    Unicode compatibility form, case folded; a closing "'s", dots and apostrophes removed, other
    punctuation and any white space one blank; "&" is "and"; legal forms of organisations cut
    off. Never empty: a name of nothing but punctuation is kept as it is. Idempotent.
    """
    folded = unicodedata.normalize("NFKC", surface).casefold().strip()
    words = _words(_DELETED.sub("", _POSSESSIVE.sub("", folded).replace("&", " and ")))
    if is_organization(kind):
        words = _without_legal_form(words)
    name = " ".join(words) or folded or surface
    return unicodedata.normalize("NFKC", name)


def node_id(name: str, kind: str) -> str:
    """Return the id of the node with normalised `name` and type `kind`: 32 hex digits."""
    key = json.dumps([kind.casefold(), name], separators=(",", ":"))
    return hashlib.sha256(key.encode("ascii")).hexdigest()[:32]


def masked_name(name: str) -> str:
    """Return a name for a picture or a log: "Anna Keller" is "A. K.", "Acme" is "A.".

    Initials of the first four words; a word that starts with no letter becomes "#", so that no
    phone number, sum or date shows.
    """
    initials = [
        f"{word[0].upper()}." if word[0].isalpha() else "#"
        for word in _words(unicodedata.normalize("NFKC", name))[:4]
    ]
    return " ".join(initials) or "#"


def _words(text: str) -> list[str]:
    # Not `\w`: it excludes combining marks, and would cut Hindi or Thai words into letters.
    return "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text).split()


def _without_legal_form(words: list[str]) -> list[str]:
    end = len(words)
    while end > 1 and words[end - 1] in _LEGAL_FORMS:
        end -= 1
        if end > 1 and words[end - 1] in _CONNECTORS:
            end -= 1
    return words[:end]
