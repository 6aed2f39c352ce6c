"""What a request may say, and the sentence for each way in which it does not say it.

The models are strict: a number is no text, and a misspelt field is refused rather than ignored.
Pydantic's own messages speak of its types; `problem_of` turns them into the caller's terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bentos.message_intelligence.problems import Problem

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_MESSAGES = 256
MAX_TEXT_CHARACTERS = 100_000
MAX_ID_CHARACTERS = 256
# All texts of a request together. 100,000 characters took MiniLM 35 s on two cores that five
# other jobs shared, so that this many stay within the 300 s that `service.py` allows.
MAX_REQUEST_CHARACTERS = 400_000

_NAMED_ERRORS = 20
_SIZE_ERRORS = frozenset({"too_long", "string_too_long"})


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class MessageToAnalyze(_Strict):
    """One text. `id` comes back as the result's `message_id`; without one it is the position."""

    text: Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)]
    id: Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)] | None = None


class AnalyzeRequest(_Strict):
    """The body of `POST /v1/analyze`: 1 to 256 messages, answered in the same order."""

    messages: Annotated[list[MessageToAnalyze], Field(min_length=1, max_length=MAX_MESSAGES)]


def parse_analyze_request(body: bytes) -> AnalyzeRequest:
    """Read a request body.

    Raises `Problem`: 400 when it is no JSON (a lone surrogate counts: it is no Unicode text),
    413 when it holds too much, 422 when something in it has the wrong type or name.
    """
    try:
        request = AnalyzeRequest.model_validate_json(body)
    except ValidationError as error:
        raise problem_of(error) from None
    characters = sum(len(message.text) for message in request.messages)
    if characters > MAX_REQUEST_CHARACTERS:
        raise Problem(
            413,
            "too-large",
            f"the texts have {characters:,} characters together, and a request may hold "
            f"{MAX_REQUEST_CHARACTERS:,}: send them in several requests",
        )
    return request


def problem_of(error: ValidationError) -> Problem:
    """The `Problem` that tells a caller what a `ValidationError` found."""
    found = error.errors(include_url=False, include_input=False)
    first = found[0]
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "unreadable")
        return Problem(400, "not-json", f"the body is not valid JSON: {reason}")
    errors = [
        {"field": field_name(e["loc"]), "problem": _sentence(e["type"], e["msg"], e.get("ctx", {}))}
        for e in found[:_NAMED_ERRORS]
    ]
    detail = f"{errors[0]['field']} {errors[0]['problem']}"
    if len(found) > 1:
        detail += f" ({len(found)} faults in all)"
    if all(e["type"] in _SIZE_ERRORS for e in found):
        return Problem(413, "too-large", detail, errors=errors)
    return Problem(422, "invalid-request", detail, errors=errors)


def field_name(location: Sequence[int | str]) -> str:
    """`("messages", 3, "text")` as `messages[3].text`; the body itself for the empty location."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            name += f".{part[:100]}" if name else part[:100]
    return name or "the body"


def _sentence(kind: str, message: str, context: dict[str, object]) -> str:
    match kind:
        case "missing":
            return "is missing"
        case "string_type":
            return "must be a string"
        case "list_type":
            return "must be a list"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must be a JSON object"
        case "extra_forbidden":
            return "is not a known field"
        case "string_too_long":
            return f"has more than {context['max_length']:,} characters"
        case "string_too_short":
            return "must not be empty"
        case "too_long":
            return f"has more than {context['max_length']:,} items: send several requests"
        case "too_short":
            return f"must hold at least {context['min_length']} message"
        case _:
            return f"is not valid: {message}"
