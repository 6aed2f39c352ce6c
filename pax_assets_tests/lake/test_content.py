"""The content hash: equal for equal rows whatever way they lie, different for anything else."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.lake import content_hash
from pax_assets.lake.schemas import ATTACHMENTS, TIMESTAMP

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("people", pa.list_(pa.string())),
        ("attachments", ATTACHMENTS),
        ("at", TIMESTAMP),
        ("count", pa.int64()),
        ("score", pa.float64()),
        ("flag", pa.bool_()),
        ("payload", pa.binary()),
    ]
)
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
rows = st.fixed_dictionaries(
    {
        "text": texts,
        "people": st.none() | st.lists(texts, max_size=3),
        "attachments": st.none()
        | st.lists(st.none() | st.fixed_dictionaries({"kind": texts, "id": texts}), max_size=2),
        "at": st.none()
        | st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)),
        "count": st.none() | st.integers(-(2**63), 2**63 - 1),
        "score": st.none() | st.floats(allow_nan=False),
        "flag": st.none() | st.booleans(),
        "payload": st.none() | st.binary(max_size=4),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=6), st.randoms(use_true_random=False))
def test_row_order_column_order_and_chunks_do_not_matter(records, random):
    table = pa.Table.from_pylist(records, schema=SCHEMA)
    shuffled = list(records)
    random.shuffle(shuffled)
    columns = list(SCHEMA.names)
    random.shuffle(columns)
    cut = random.randint(0, len(shuffled))
    parts = [shuffled[:cut], shuffled[cut:]]
    other = pa.concat_tables([pa.Table.from_pylist(p, schema=SCHEMA) for p in parts])
    assert content_hash(other.select(columns)) == content_hash(table)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=4), st.lists(rows, max_size=4))
def test_different_rows_have_different_hashes(one, other):
    def canonical(records):
        table = pa.Table.from_pylist(records, schema=SCHEMA)
        return sorted(repr(row) for row in table.to_pylist())

    def hash_of(records):
        return content_hash(pa.Table.from_pylist(records, schema=SCHEMA))

    assert (hash_of(one) == hash_of(other)) == (canonical(one) == canonical(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": ["x"]}, {"a": ["x", "x"]}),
        ({"a": [""]}, {"a": pa.array([None], pa.string())}),
        ({"a": ["xy"], "b": [""]}, {"a": ["x"], "b": ["y"]}),
        ({"a": [["x", "y"]]}, {"a": [["xy"]]}),
        (
            {"a": pa.array([[]], pa.list_(pa.string()))},
            {"a": pa.array([None], pa.list_(pa.string()))},
        ),
        ({"a": ["1:b=1:x"]}, {"a": ["1"], "b": ["x"]}),
    ],
)
def test_values_that_look_alike_when_joined_stay_apart(one, other):
    assert content_hash(pa.table(one)) != content_hash(pa.table(other))


def test_a_column_that_is_null_throughout_changes_nothing():
    table = pa.table({"a": ["x", "y"]})
    grown = table.append_column("b", pa.nulls(2, pa.string()))
    assert content_hash(grown) == content_hash(table)


@pytest.mark.parametrize(
    ("narrow", "wide"), [(pa.string(), pa.large_string()), (pa.timestamp("ms", "UTC"), TIMESTAMP)]
)
def test_the_width_of_a_type_changes_nothing(narrow, wide):
    value = "x" if pa.types.is_string(narrow) else datetime(2026, 1, 5, tzinfo=UTC)
    one, other = (pa.table({"a": pa.array([value], kind)}) for kind in (narrow, wide))
    assert content_hash(one) == content_hash(other)
