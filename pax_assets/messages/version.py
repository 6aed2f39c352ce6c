"""Which code and which choices read an object: rows of a mended parser are other rows.

The content of a row follows from the record's bytes, the parser and its options. Comparing those
is far cheaper than comparing all columns, if the parser has a name that changes with its code.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from pax_assets.messages.options import ParseOptions


def parser_version(options: ParseOptions) -> str:
    """Return 12 hex digits that differ whenever this room's code or the options differ."""
    choices = repr(replace(options, fetch=None))
    return hashlib.sha256(f"{_code()} {choices}".encode()).hexdigest()[:12]


@lru_cache(maxsize=1)
def _code() -> str:
    total = hashlib.sha256()
    for module in sorted(Path(__file__).parent.rglob("*.py")):
        total.update(module.read_bytes())
    return total.hexdigest()
