"""Who is who after some days changed, and which other days that concerns.

Participants get names, and conversations get people, whenever a message arrives; a name in an
older message may then be somebody. What participants go by and what each conversation says is kept
(`relationship_graph/people`, `/context`, `/resolutions`), so that only conversations of the changed
days and of changed participants are thought through again, and only the days come back in which
the answer is another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.insights.insight_tables import (
    CONTEXT,
    PEOPLE,
    RESOLUTIONS,
    read,
)
from pax_assets.jobs.insights.resolution import (
    ADDRESS,
    NAMED,
    PRESENT,
    People,
    Resolver,
    people_rows,
    resolutions_of,
)


@dataclass(frozen=True)
class Who:
    """Everybody, after `changed` days were taken in; `days` are others to be taken in, too.

    `context` has the rows of the changed days; tables come with what is stored of them.
    """

    resolver: Resolver
    days: tuple[str, ...]
    changed: tuple[str, ...]
    context: pa.Table
    people: pa.Table
    stored_people: pa.Table
    resolutions: pa.Table
    stored_resolutions: pa.Table


def resolved(
    lake: str,
    context: pa.Table,
    participants: pa.Table,
    changed: Sequence[str],
    complete: bool,
) -> Who:
    """Return who everybody is; `context` are the rows of the `changed` days, as they are now."""
    stored_people = _ordered(read(lake, PEOPLE))
    people = _ordered(people_rows(participants))
    stored_resolutions = _ordered(read(lake, RESOLUTIONS))
    asked = People(people)
    same_people = people.equals(stored_people)
    if not changed and not complete and same_people:
        resolutions, days = stored_resolutions, ()
    else:
        elsewhere = ~pc.field("arrival_day").isin(pa.array(changed, pa.string()))
        before = read(lake, CONTEXT, ~elsewhere)
        # A participant who is another node now, or has another name.
        differing = None if same_people else _differing(stored_people, people)
        conversations = {*before["conversation_id"].to_pylist()}
        conversations |= {*context["conversation_id"].to_pylist()}
        if differing is not None and not complete:
            conversations |= _conversations_of(lake, differing.aliases)
        if complete:
            every, kept = read(lake, CONTEXT, elsewhere), stored_resolutions.slice(0, 0)
        else:
            wanted = pa.array(sorted(conversations - {""}), pa.string())
            every = read(lake, CONTEXT, elsewhere & pc.field("conversation_id").isin(wanted))
            among = pc.is_in(stored_resolutions["conversation_id"], wanted)
            kept = stored_resolutions.filter(pc.invert(among))
        every = pa.concat_tables([every, context])
        # Without a conversation nobody says who is meant.
        every = every.filter(pc.not_equal(every["conversation_id"], ""))
        resolutions = _ordered(pa.concat_tables([kept, resolutions_of(every, asked)]))
        scoped = _pairs(stored_resolutions) ^ _pairs(resolutions)
        days = _days_of(lake, scoped, differing, changed)
    return Who(
        Resolver(asked, resolutions),
        days,
        tuple(changed),
        context,
        people,
        stored_people,
        resolutions,
        stored_resolutions,
    )


@dataclass(frozen=True)
class _Differing:
    """What participants go by that means somebody else than it did: addresses and words."""

    aliases: pa.Array
    spelled: pa.Array


def _differing(before: pa.Table, after: pa.Table) -> _Differing:
    one, other = ({tuple(row.items()) for row in rows.to_pylist()} for rows in (before, after))
    rows = [dict(row) for row in one ^ other]
    nodes = {row["node_id"] for row in rows}
    # All addresses of whoever differs: a name that was added has none of its own.
    both = pa.concat_tables([before, after]).to_pylist()
    aliases = {row["alias_id"] for row in both if row["node_id"] in nodes and row["alias_id"]}
    spelled = {row["spelled_node"] for row in rows}
    return _Differing(
        pa.array(sorted(aliases), pa.string()), pa.array(sorted(spelled), pa.string())
    )


def _conversations_of(lake: str, aliases: pa.Array) -> set[str]:
    at = (pc.field("kind") == PRESENT) & pc.field("key").isin(aliases)
    return set(read(lake, CONTEXT, at)["conversation_id"].to_pylist())


def _pairs(resolutions: pa.Table) -> set[tuple[str, ...]]:
    columns = ("conversation_id", "spelled_node", "node_id", "normalized_name", "resolved_by")
    return set(zip(*(resolutions[c].to_pylist() for c in columns), strict=True))


def _days_of(
    lake: str,
    scoped: set[tuple[str, ...]],
    differing: _Differing | None,
    changed: Sequence[str],
) -> tuple[str, ...]:
    """The days, apart from the changed ones, in which somebody is somebody else now."""
    days: set[str] = set()
    if scoped:
        spelled = pa.array(sorted({pair[1] for pair in scoped}), pa.string())
        pairs = {(pair[0], pair[1]) for pair in scoped}
        rows = read(lake, CONTEXT, (pc.field("kind") == NAMED) & pc.field("key").isin(spelled))
        columns = (rows[name].to_pylist() for name in ("conversation_id", "key", "arrival_day"))
        days |= {day for at, key, day in zip(*columns, strict=True) if (at, key) in pairs}
    if differing is not None:
        words = pc.field("kind").isin(pa.array([NAMED, ADDRESS])) & pc.field("key").isin(
            differing.spelled
        )
        present = (pc.field("kind") == PRESENT) & pc.field("key").isin(differing.aliases)
        days |= set(read(lake, CONTEXT, words | present)["arrival_day"].to_pylist())
    return tuple(sorted(days - set(changed)))


def _ordered(rows: pa.Table) -> pa.Table:
    keys = [name for name in rows.column_names if name != "confidence"]
    return rows.sort_by([(name, "ascending") for name in keys]).combine_chunks()
