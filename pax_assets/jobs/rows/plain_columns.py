"""Records of one shape as columns: the rows that `messages.json` would give, thousands at once.

What a field means is said in `messages.json` alone; its functions are called here once for each
distinct value instead of once for each record. Hashes are the one thing that every record costs.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import json
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.rows import digests
from pax_assets.lake.schemas import RAW, TIMESTAMP
from pax_assets.messages.arrival import Arrival
from pax_assets.messages.email.mail import thread_key
from pax_assets.messages.json import jsonl
from pax_assets.messages.message import Channel, conversation_key
from pax_assets.messages.options import ParseOptions
from pax_assets.messages.timestamps import EARLIEST, LATEST, read_moment

# Printable ASCII that JSON writes as it is and that no reader of ids trims.
_PLAIN_ID = r"^[!#-;=?-\[\]-~]+$"
_PLAIN_BYTES = bytes(b for b in range(0x21, 0x7F) if b not in b'"<>\\')
_ISO_UTC = np.frombuffer(b"0000-00-00T00:00:00Z", np.uint8)
# Beyond this the parser of records keeps an integer's digits.
_LARGEST_INTEGER = 10**17
_MAX_PARTIES = 100_000
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the records of one shape (their keys, in order) hold what: places among the values."""

    used: dict[str, int]
    rest: list[tuple[str, int]]


_DECIDED = pa.schema(
    [f for f in RAW if f.name not in ("raw_uri", "raw_ordinal", "received_at", "arrival_day")]
)


@cache
def no_rows() -> pa.Table:
    """Return no rows, with the columns that a record decides."""
    return _DECIDED.empty_table()


class Group:
    """Records of one shape, as columns. What is not plain about a record drops it from `ok`.

    `hashes` are the digests of the records' bytes, `numbers` those of their lines. `columns` holds
    what the records have under each key: decoded JSON, or an array of strings,
    integers or booleans.
    """

    def __init__(
        self,
        arrival: Arrival,
        plan: Plan,
        hashes: pa.Array,
        numbers: np.ndarray,
        columns: Sequence[Sequence[object] | pa.Array],
    ) -> None:
        self._arrival = arrival
        self._plan = plan
        self._hashes = hashes
        self._numbers = numbers
        self._columns = columns
        self._ok = np.ones(len(numbers), bool)

    def rows(self) -> tuple[pa.Table, np.ndarray]:
        """Return the rows of the plain records, and which of the group's records they are."""
        count = len(self._numbers)
        used = {field: self._strings(place) for field, place in self._plan.used.items()}
        rest = [(key, self._scalars(place)) for key, place in self._plan.rest]
        self._require_plain(used["id"])
        channel = self._arrival.channel
        if channel == "email":
            self._require_other(used["id"], ("<", ">"))
        accounts = self._parties(used.get("account"))
        senders = self._parties(used.get("sender"))
        recipients = self._parties(used.get("recipients"))
        sent_at, precision, zone, offset = self._moments(used["time"])
        if offset.null_count < count:
            rest.insert(bisect([key for key, _ in rest], "utc_offset"), ("utc_offset", offset))
        thread = used.get("thread")
        if thread is not None:
            self._require_plain(thread)
        reply_to = self._mapped(
            used.get("reply_to"), _mail_reference if channel == "email" else _token
        )
        between = [accounts, senders, recipients]
        direction = self._directions(used.get("direction"), between)
        if thread is not None:
            conversation = self._threads(thread, accounts)
        else:
            conversation = self._conversations(reply_to, used["id"], between)
        account = _taken(_firsts(accounts), accounts.codes)
        columns = {
            "message_id": self._message_ids(used["id"], accounts),
            "channel": _constant(channel, count),
            "provider": _filled(self._mapped(used.get("provider"), _token), "jsonl", count),
            "source_kind": _constant("export", count),
            "account": account,
            "provider_message_id": used["id"],
            "conversation_id": conversation,
            "sender": _taken(_firsts(senders), senders.codes),
            "recipients": _taken(
                [list(p) for p in recipients.values], recipients.codes, pa.list_(pa.string())
            ),
            "direction": direction,
            "sent_at": sent_at,
            "sent_at_precision": precision,
            "zone_assumed": zone,
            "subject": used.get("subject"),
            "text": used["text"],
            "content_type": _filled(
                self._mapped(used.get("content_type"), _token), "text/plain", count
            ),
            "attachments": pa.array([[]], RAW.field("attachments").type).take(
                pa.array(np.zeros(count, np.int64))
            ),
            "reply_to": reply_to,
            "language": self._mapped(used.get("language"), _token),
            "raw_position": pc.binary_join_element_wise(
                "line", pa.array(self._numbers, pa.int64()).cast(pa.string()), " "
            ),
            "raw_sha256": self._hashes,
            "source_metadata": _json_objects(rest, thread, count),
        }
        arrays = [
            columns[f.name] if columns[f.name] is not None else pa.nulls(count, f.type)
            for f in _DECIDED
        ]
        table = pa.table(arrays, schema=_DECIDED)
        if not self._ok.all():
            table = table.filter(pa.array(self._ok))
        return table, np.flatnonzero(self._ok)

    def _require(self, condition: pa.Array) -> None:
        self._ok &= pc.fill_null(condition, False).to_numpy(zero_copy_only=False)

    def _require_plain(self, ids: pa.Array) -> None:
        # Nearly always all of them are, which their bytes show at once.
        lengths = pc.min(pc.binary_length(ids)).as_py()
        if not lengths or _bytes_of(ids).translate(None, _PLAIN_BYTES):
            self._require(pc.match_substring_regex(ids, _PLAIN_ID))

    def _require_other(self, values: pa.Array, parts: Sequence[str]) -> None:
        for part in parts:
            self._require(pc.invert(pc.match_substring(values, part)))

    def _strings(self, place: int) -> pa.Array:
        """Return a column of strings; rows that hold anything else are not plain."""
        values = self._columns[place]
        if isinstance(values, pa.Array) and values.type != pa.string():
            values = [None] * len(self._numbers)
        try:
            column = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
        except (pa.ArrowTypeError, pa.ArrowInvalid):
            column = pa.array([v if type(v) is str else None for v in values], pa.string())
        if column.null_count:
            self._require(column.is_valid())
            column = pc.fill_null(column, "")
        return column

    def _scalars(self, place: int) -> pa.Array:
        """Return a column of one kind of scalar, null where a row has none (or is not plain)."""
        values = self._columns[place]
        if isinstance(values, pa.Array):
            return values
        kinds = set(map(type, values))
        kind = next((k for k in (str, int, bool) if k in kinds), str)
        if not kinds <= {kind, type(None)}:
            counts = Counter(map(type, values))
            kind = max((str, int, bool), key=lambda kind: counts[kind])
            self._ok &= np.asarray([v is None or type(v) is kind for v in values])
            values = [v if type(v) is kind else None for v in values]
        if kind is not int:
            return pa.array(values, pa.string() if kind is str else pa.bool_())
        wide = [v is not None and abs(v) >= _LARGEST_INTEGER for v in values]
        if any(wide):
            self._ok &= ~np.asarray(wide)
            values = [None if w else v for v, w in zip(values, wide, strict=True)]
        return pa.array(values, pa.int64())

    def _parties(self, values: pa.Array | None) -> _Coded:
        """Return the addresses that each row names; rows that name people too are not plain."""
        if values is None:
            return _Coded([()], np.zeros(len(self._numbers), np.int64))
        coded = _Coded.of(values)
        known = _known_parties(self._arrival.channel, self._arrival.default_region)
        found = [known[value] for value in coded.values]
        self._ok &= np.asarray([p is not None for p in found], bool)[coded.codes]
        return _Coded([parties or () for parties in found], coded.codes)

    def _mapped(
        self, values: pa.Array | None, read: Callable[[str], str | None]
    ) -> pa.Array | None:
        if values is None:
            return None
        coded = _Coded.of(values)
        return _taken([read(value) for value in coded.values], coded.codes)

    def _moments(self, values: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array, pa.Array]:
        """Return when, how exactly, in which assumed zone, and with which stated offset."""
        count = len(values)
        if _are_iso_utc(values):
            try:
                at = pc.cast(values, TIMESTAMP)
            except pa.ArrowInvalid:
                # The 30th of February, or a leap second.
                at = None
            if at is not None and _bounded(at):
                unsaid = pa.nulls(count, pa.string())
                return at, _constant("second", count), unsaid, unsaid
        coded = _Coded.of(values)
        moments = [read_moment(value) for value in coded.values]
        self._ok &= np.asarray([m is not None for m in moments], bool)[coded.codes]
        return (
            _taken([m and m.at for m in moments], coded.codes, TIMESTAMP),
            _taken([m and m.precision for m in moments], coded.codes),
            _taken([m and m.zone_assumed for m in moments], coded.codes),
            _taken([m and m.utc_offset for m in moments], coded.codes),
        )

    def _message_ids(self, ids: pa.Array, accounts: _Coded) -> pa.Array:
        channel = self._arrival.channel
        # The beginning of `message.message_id`'s JSON array, once for each account.
        starts = [
            json.dumps([channel, _first(account)], separators=(",", ":"))[:-1] + ',"'
            for account in accounts.values
        ]
        keys = pc.binary_join_element_wise(_taken(starts, accounts.codes), ids, '"]', "")
        return digests.of_texts(keys)

    def _directions(self, words: pa.Array | None, between: list[_Coded]) -> pa.Array:
        count = len(self._numbers)
        stated = _Coded.of(words) if words is not None else _Coded([None], np.zeros(count, int))
        known = [jsonl.direction(word, "", "", ()) for word in stated.values]
        if "unknown" not in known:
            return _taken(known, stated.codes)
        return _of_each(
            [*between, stated],
            lambda account, sender, recipients, word: jsonl.direction(
                word, _first(account), _first(sender), recipients
            ),
        )

    def _threads(self, thread: pa.Array, accounts: _Coded) -> pa.Array:
        """`message.conversation_key` of the channel, the account and the stated thread."""
        # Its JSON array up to the thread's name, once for each account.
        starts = [
            json.dumps([self._arrival.channel, _first(account)], separators=(",", ":"))[:-1]
            + ',["thread:'
            for account in accounts.values
        ]
        keys = pc.binary_join_element_wise(_taken(starts, accounts.codes), thread, '"]]', "")
        return digests.of_texts(keys, 32)

    def _conversations(
        self, reply_to: pa.Array | None, ids: pa.Array, between: list[_Coded]
    ) -> pa.Array:
        channel = self._arrival.channel
        if channel == "email":
            roots = ids if reply_to is None else pc.coalesce(reply_to, ids)
            return pa.array([thread_key(root) for root in roots.to_pylist()], pa.string())
        keys = _of_each(
            between,
            lambda account, sender, recipients: (
                conversation_key(
                    channel, _first(account), [p for p in (_first(sender), *recipients) if p]
                )
                if sender or recipients
                else None
            ),
        )
        # Without any party a message stands alone, under its own id: that is not plain.
        self._require(keys.is_valid())
        return keys


@dataclass(frozen=True, slots=True)
class _Coded:
    """A column as its distinct values and, for each row, which of them it holds."""

    values: list
    codes: np.ndarray

    @classmethod
    def of(cls, column: pa.Array) -> _Coded:
        encoded = column.dictionary_encode()
        return cls(encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64))


class _Parties(dict[str, tuple[str, ...] | None]):
    """The addresses that a value names, by value; None where it names people too."""

    def __init__(self, channel: Channel, region: str) -> None:
        super().__init__()
        self._arrival = Arrival(channel, _NO_TIME, ParseOptions(default_region=region))

    def __missing__(self, value: str) -> tuple[str, ...] | None:
        names: dict[str, str] = {}
        parties = tuple(dict.fromkeys(jsonl.parties(value, self._arrival, names)))
        if len(self) >= _MAX_PARTIES:
            self.clear()
        self[value] = None if names else parties
        return self[value]


@cache
def _known_parties(channel: Channel, region: str) -> _Parties:
    return _Parties(channel, region)


def _of_each(columns: list[_Coded], work: Callable) -> pa.Array:
    """Return `work(*values)` for each row, called once for each combination of values."""
    codes = np.zeros(len(columns[0].codes), np.int64)
    for column in columns:
        # Numbered anew after each column, so that the product never overflows.
        _, codes = np.unique(codes * len(column.values) + column.codes, return_inverse=True)
    _, rows, codes = np.unique(codes, return_index=True, return_inverse=True)
    found = [
        work(*(column.values[column.codes[row]] for column in columns)) for row in rows.tolist()
    ]
    return _taken(found, codes)


def _taken(values: list, codes: np.ndarray, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array(values, kind or pa.string()).take(pa.array(codes))


def _constant(value: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.string()), count)


def _filled(values: pa.Array | None, default: str, count: int) -> pa.Array:
    return _constant(default, count) if values is None else pc.fill_null(values, default)


def _first(parties: Sequence[str]) -> str:
    return parties[0] if parties else ""


def _firsts(parties: _Coded) -> list[str]:
    return [found[0] if found else "" for found in parties.values]


def _token(value: str) -> str | None:
    return value.strip() or None


def _mail_reference(value: str) -> str | None:
    return value.strip().strip("<> ") or None


def _bytes_of(texts: pa.Array) -> bytes:
    """Return the UTF-8 of all strings, one after the other."""
    held = texts.buffers()[2]
    if held is None or not len(texts):
        return b""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset :]
    return memoryview(held)[offsets[0] : offsets[len(texts)]].tobytes()


def _are_iso_utc(texts: pa.Array) -> bool:
    """Whether all are written like `2026-01-05T08:00:00Z`; the date may still be none."""
    lengths = pc.min_max(pc.binary_length(texts)).as_py()
    if lengths != {"min": len(_ISO_UTC), "max": len(_ISO_UTC)}:
        return False
    rows = np.frombuffer(_bytes_of(texts), np.uint8).reshape(-1, len(_ISO_UTC))
    digits = np.equal(_ISO_UTC, ord("0"))
    fixed = (rows[:, ~digits] == _ISO_UTC[~digits]).all()
    # Below "0" the difference wraps around.
    return bool(fixed and (rows[:, digits] - ord("0") < 10).all())


def _bounded(at: pa.Array) -> bool:
    span = pc.min_max(at).as_py()
    first, last = span["min"], span["max"]
    return first is None or (first >= EARLIEST and last < LATEST)


def _member(key: str, values: pa.Array) -> pa.Array | str:
    """Return `"key":value,` for each value, nothing for a null; one string if all are equal."""
    name = json.dumps(key, ensure_ascii=False)
    coded = values.dictionary_encode()
    members = [f"{name}:{orjson.dumps(v).decode()}," for v in coded.dictionary.to_pylist()]
    if len(members) == 1 and not values.null_count:
        return members[0]
    return pc.fill_null(pa.array(members, pa.string()).take(coded.indices), "")


def _json_objects(
    rest: list[tuple[str, pa.Array]], thread: pa.Array | None, count: int
) -> pa.Array:
    """Return each row's other values as a JSON object with sorted keys; nulls are left out."""
    members = [_member(key, values) for key, values in rest]
    if thread is not None:
        # Nearly every value is another one, and their characters need no escapes.
        member = pc.binary_join_element_wise('"conversation_id":"', thread, '",', "")
        members.insert(bisect([key for key, _ in rest], "conversation_id"), member)
    if all(isinstance(member, str) for member in members):
        return _constant("{" + "".join(members).rstrip(",") + "}", count)
    # (Joining with `null_handling="skip"` loses rows whose members are all null, in Arrow 25.)
    inside = pc.ascii_rtrim(pc.binary_join_element_wise(*members, ""), ",")
    return pc.binary_join_element_wise("{", inside, "}", "")
