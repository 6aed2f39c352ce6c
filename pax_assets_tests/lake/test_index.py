"""The index of ids: what it answers is what a search of all records would, at any history."""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.lake import commit, index, read
from pax_assets.lake.keys import Keys
from pax_assets_tests.lake.test_ledger import put

DAYS = ["2026-01-05", "2026-01-06", "2026-01-07"]
# Two of them share their first 64 bits, as no honest ids ever will.
IDS = ["0a", "0b", "1c", "ff", "0a" + "0" * 20 + "1"]

arrivals = st.lists(
    st.tuples(st.sampled_from(DAYS), st.lists(st.sampled_from(IDS), max_size=4)), max_size=6
)


def full(short: str) -> str:
    return short.ljust(64, "0")


@settings(max_examples=15, deadline=None)
@given(arrivals=arrivals, asked=st.sets(st.sampled_from(IDS)))
def test_repeated_ids_and_their_order_are_those_of_a_full_search(arrivals, asked):
    with tempfile.TemporaryDirectory() as lake:
        everything = defaultdict(list)
        for number, (day, ids) in enumerate(arrivals):
            put(lake, f"o{number}", ids, day)
            for ordinal, short in enumerate(ids):
                everything[full(short)].append((day, f"o{number}", ordinal))
        index.catch_up(lake, "sms")
        wanted = [full(short) for short in sorted(asked)]
        found = index.repeated(lake, "sms", pa.chunked_array([wanted], pa.string()))
        got = sorted(
            (r["key"], r["key_low"], r["place"], (r["arrival_day"], r["raw_uri"], r["raw_ordinal"]))
            for r in found.to_pylist()
        )
    # An id with the first half of one that was asked for may be answered too.
    high = {i[:16] for i in wanted}
    expected = []
    for identifier, places in everything.items():
        if identifier[:16] in high and len(places) > 1:
            key = Keys.of(pa.chunked_array([[identifier]], pa.string()))
            expected += [
                (int(key.high[0]), int(key.low[0]), place, where)
                for place, where in enumerate(sorted(places), 1)
            ]
    assert got == sorted(expected)


def test_keys_are_the_first_digits_in_any_slice_of_an_array():
    ids = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(5)]
    keys = Keys.of(pa.chunked_array([pa.array(ids)[1:3], pa.array(ids)[4:]]))
    chosen = [ids[1], ids[2], ids[4]]
    assert [h % 2**64 for h in keys.high.tolist()] == [int(i[:16], 16) for i in chosen]
    assert [low % 2**64 for low in keys.low.tolist()] == [int(i[16:32], 16) for i in chosen]
    sliced = Keys.of(pa.array(ids)[2:4])
    assert sliced.high.tolist() == Keys.of(pa.array(ids[2:4])).high.tolist()


def test_what_is_no_digest_is_refused():
    with pytest.raises(ValueError, match="64 hex digits"):
        Keys.of(pa.chunked_array([["short"]], pa.string()))


def test_the_number_of_files_grows_with_the_logarithm_of_history(lake):
    for number in range(45):
        put(lake, f"o{number}", [f"{number:02x}"], DAYS[number % 3])
        index.catch_up(lake, "sms")
    assert len(commit.partition_files(commit.ensure(lake, index.TABLE), {})) < 20
    assert read(lake, index.TABLE).num_rows == 45


def test_forgotten_ids_are_not_in_the_index(lake):
    put(lake, "a", ["0a", "0b", "0c"])
    index.catch_up(lake, "sms")
    ids = pa.chunked_array([[full("0b"), full("77")]], pa.string())
    for _ in range(2):
        index.forget(lake, ids)
    assert sorted(r["raw_ordinal"] for r in read(lake, index.TABLE).to_pylist()) == [0, 2]
