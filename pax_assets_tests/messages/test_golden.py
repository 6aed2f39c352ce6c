"""Golden files: for each form of each format, one input and all records that come of it.

`golden/<format>/<case>.<any extension>` is an object as a provider delivers it;
`golden/<format>/<case>.expected.json` beside it says how it is read and what comes out:

    {"channel": "email",                              required
     "received_at": "2026-01-07T12:00:00+00:00",      this one unless stated
     "options": {"date_order": "dmy"},                fields of ParseOptions unless default
     "s3": {"bucket/key": "objects/stored.eml"},      what `fetch` finds, below <format>/;
                                                      absent: nothing may be fetched
     "records": [{"record": "Message", ...}, ...]}    every field but None and empty lists, dicts

To add a case write the input and an expected file with its channel, run
`PAX_REWRITE_GOLDEN=1 pytest pax_assets_tests/messages/test_golden.py -k <case>`, and read what was
written as if somebody else had: the file is the claim, not the parser's output. The case is the
name up to its first dot, so `chat.txt.zip` is the case `chat`. Only files that lie directly in
`<format>/` are inputs. Golden files are written by this project, never copied from anybody.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pytest

from pax_assets.messages import Message, ParseOptions, Quarantined, Record, parse
from pax_assets_tests.messages.conftest import RECEIVED

GOLDEN = Path(__file__).parent / "golden"
SUFFIX = ".expected.json"
INPUTS = sorted(
    path
    for path in GOLDEN.glob("*/*")
    if path.is_file() and not path.name.startswith(".") and not path.name.endswith(SUFFIX)
)


def _expected_file(golden: Path) -> Path:
    return golden.with_name(golden.name.partition(".")[0] + SUFFIX)


def _options(stated: dict, folder: Path) -> ParseOptions:
    stored = stated.get("s3")
    if stored is None:
        return ParseOptions(**stated.get("options", {}))

    def fetch(bucket: str, key: str) -> bytes:
        try:
            return (folder / stored[f"{bucket}/{key}"]).read_bytes()
        except KeyError:
            raise FileNotFoundError(f"{bucket}/{key}") from None

    return ParseOptions(**stated.get("options", {}), fetch=fetch)


def _as_json(record: Record) -> dict:
    """Return every field of a record that says something, and the id of a message."""
    fields: dict[str, object] = {"record": type(record).__name__}
    if isinstance(record, Message):
        fields["message_id"] = record.message_id
    for name, value in asdict(record).items():
        if isinstance(value, datetime):
            fields[name] = value.isoformat()
        elif isinstance(value, bytes):
            fields[name] = _bytes_as_json(value)
        elif isinstance(value, tuple):
            fields[name] = [_without_none(item) for item in value]
        else:
            fields[name] = value
    return {
        name: value
        for name, value in fields.items()
        if value is not None and not (isinstance(value, (list, dict)) and not value)
    }


def _bytes_as_json(value: bytes) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _without_none(item: object) -> object:
    if isinstance(item, dict):
        return {key: value for key, value in item.items() if value is not None}
    return item


def _parsed(golden: Path, stated: dict, *, streamed: bool = False) -> list[dict]:
    data = golden.read_bytes()
    records = parse(
        BytesIO(data) if streamed else data,
        stated["channel"],
        golden.name,
        received_at=datetime.fromisoformat(stated.get("received_at", RECEIVED.isoformat())),
        options=_options(stated, golden.parent),
    )
    # Through JSON and back, as the expectations came.
    return json.loads(json.dumps([_as_json(record) for record in records]))


@pytest.mark.parametrize("golden", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_golden_object_gives_exactly_its_records(golden: Path) -> None:
    file = _expected_file(golden)
    if not file.is_file():
        pytest.fail(f"{golden.name} has no {file.name}: write one that names its channel")
    stated = json.loads(file.read_text(encoding="utf-8"))
    found = _parsed(golden, stated)
    if os.environ.get("PAX_REWRITE_GOLDEN") == "1":
        stated["records"] = found
        text = json.dumps(stated, indent=1, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8", newline="\n")
    assert found == stated["records"]
    assert _parsed(golden, stated, streamed=True) == found
    assert not any(record.get("code") == "parser_error" for record in found)


def test_each_golden_case_has_one_input_and_each_expectation_an_input() -> None:
    expected = [_expected_file(path) for path in INPUTS]
    assert len(set(expected)) == len(expected), "two inputs share the name up to the first dot"
    assert sorted(GOLDEN.glob(f"*/*{SUFFIX}")) == sorted(expected)


def test_a_golden_record_shows_what_its_fields_say() -> None:
    """The comparison can fail: an empty text is not an absent one, bytes keep their value."""
    shown = _as_json(Quarantined("sms", "line 1", "code", "", b"\xff"))
    assert shown == {
        "record": "Quarantined",
        "channel": "sms",
        "position": "line 1",
        "code": "code",
        "reason": "",
        "payload": {"base64": "/w=="},
    }
