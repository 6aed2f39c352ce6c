"""Values of JSON that must be of a kind before anything can use them.

A corpus is a file of strangers: any value may be of any type. Whoever asks here gets the type that
it asked for, or a sentence about what is there; the reader knows the file and says where.
"""

from __future__ import annotations

from collections.abc import Mapping


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


def as_string(given: object, what: str) -> str:
    """Return `given` if it is a text, also an empty one."""
    if not isinstance(given, str):
        raise WrongValueError(f"{what} is a text, and not {given!r:.40}")
    return given
