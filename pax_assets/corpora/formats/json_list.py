"""Files that are one JSON list, as most published corpora are: read, or refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

from pax_assets.corpora.errors import CorpusError


def json_list(path: Path, what: str) -> list[object]:
    """Return the list that a JSON file holds; `what` says of what it should be ("sentences").

    Raises `CorpusError` for a file that is absent, no JSON in UTF-8, no list or an empty one.
    """
    if not path.is_file():
        raise CorpusError(f"{path} does not exist or is no file: expected a list of {what}")
    try:
        data = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{path}: not JSON in UTF-8: {error}") from None
    if not isinstance(data, list) or not data:
        found = "an empty one" if data == [] else type(data).__name__
        raise CorpusError(f"{path}: expected a list of {what}, found {found}")
    return data
