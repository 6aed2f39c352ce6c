"""Values of JSON that must be of a kind before a loader can use them.

A corpus is a file of strangers: any value may be of any type. Whoever asks here gets the type that
it asked for, or a sentence about what is there; the loader knows the file and says where.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pax_assets.corpora.errors import CorpusError


class WrongValueError(ValueError):
    """What is wrong with a part of a file; whoever knows the place says where."""


def as_object(given: object, what: str) -> Mapping[str, object]:
    """Return `given` if it is a JSON object; `what` names it in the error."""
    if not isinstance(given, dict):
        raise WrongValueError(f"{what} is an object, and not {type(given).__name__}")
    return given


def as_list(given: object, what: str) -> list[object]:
    """Return `given` if it is a list."""
    if not isinstance(given, list):
        raise WrongValueError(f"{what} is a list, and not {type(given).__name__}")
    return given


def as_number(given: object, what: str) -> int:
    """Return `given` if it is a whole number."""
    if isinstance(given, bool) or not isinstance(given, int):
        raise WrongValueError(f"{what} is a whole number, and not {given!r:.40}")
    return given


def as_text(given: object, what: str) -> str:
    """Return `given` if it is a text that is not blank."""
    if not isinstance(given, str) or not given.strip():
        raise WrongValueError(f"{what} is a text, and not {given!r:.40}")
    return given


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
