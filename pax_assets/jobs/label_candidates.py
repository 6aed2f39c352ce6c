"""Which of the store's messages people should label next, with what the model says of them.

Looks at the newest messages that nobody has labelled, has the released model read them, and
chooses those of which it is least sure.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.corpora.selection import Candidate, choose
from pax_assets.jobs.score import AnalyzesTexts
from pax_assets.lake import commit, tables

_COLUMNS = ["message_id", "conversation_id", "text", "sent_at"]


def label_candidates(
    lake: str, runtime: AnalyzesTexts, count: int, *, looked_at: int = 2000
) -> list[Candidate]:
    """Return at most `count` messages, the most uncertain of the `looked_at` newest ones first.

    Messages without text, and those that `annotations` has, are not looked at.
    """
    rows = _newest(lake, _labelled(lake), looked_at)
    columns = (rows[name].to_pylist() for name in ("message_id", "conversation_id", "text"))
    messages = list(zip(*columns, strict=True))
    analyses = runtime.analyze([text for *_, text in messages])
    return choose(
        (
            Candidate(message_id, text, analysis, conversation, message_id)
            for (message_id, conversation, text), analysis in zip(messages, analyses, strict=True)
        ),
        count,
    )


def _labelled(lake: str) -> pa.Array:
    if not tables.exists(lake, "annotations"):
        return pa.array([], pa.string())
    return tables.read(lake, "annotations", ["message_id"])["message_id"].combine_chunks()


def _newest(lake: str, labelled: pa.Array, most: int) -> pa.Table:
    """Return the newest messages: from the last day backwards, as many days as it takes."""
    snapshot = tables.newest(lake, "messages")
    found = tables.empty("messages", _COLUMNS)
    for day in reversed(commit.partition_values(snapshot, "arrival_day") if snapshot else []):
        rows = tables.read(lake, "messages", _COLUMNS, pc.field("arrival_day") == day)
        known = pc.is_in(rows["message_id"], value_set=labelled)
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(rows["text"])), 0)
        skipped = pc.fill_null(pc.or_(known, blank), True)
        found = pa.concat_tables([found, rows.filter(pc.invert(skipped))])
        if found.num_rows >= most:
            break
    order = [("sent_at", "descending"), ("message_id", "ascending")]
    return found.sort_by(order).slice(0, most)
