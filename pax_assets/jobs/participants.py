"""People (and machines) that write and are written to, across channels.

Whoever texts from a number and uses WhatsApp with the same number is one participant: parsers
write one spelling of an address. That a phone number, a WhatsApp user id and a mailbox belong to
one person takes evidence (`identity_evidence`), and follows it: a participant's row is made anew
when its cluster grows, merges or splits.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.identities.clusters import CLUSTERS
from pax_assets.jobs.identities.identity import (
    ID_DIGITS,
    PHONE_PATTERN,
    WHATSAPP_PATTERN,
    participant_id,
)
from pax_assets.jobs.increments import Aggregate, UpdateReport, update
from pax_assets.jobs.program import Engine, run_program
from pax_assets.jobs.scan import scan
from pax_assets.lake import tables

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

__all__ = ["main", "participant_id", "run", "update_participants"]


def update_participants(spark: SparkSession, lake: str) -> UpdateReport:
    """Bring the table `participants` up to `messages` and `identity_clusters`. Idempotent."""
    stored = tables.read(lake, CLUSTERS)
    clusters = dict(zip(*(stored[name].to_pylist() for name in stored.column_names), strict=True))
    named = scan(spark, lake, CLUSTERS, ["identity", "participant_id"])
    return update(
        spark,
        lake,
        Aggregate(
            table="participants",
            columns=("channel", "sent_at", "sender", "recipients", "source_metadata"),
            key_columns=("sender", "recipients"),
            keyed=partial(_appearances, named),
            rows=partial(_rows, named),
            keys_of_messages=partial(_keys_of_messages, clusters),
            keys_of_rows=lambda rows: rows["participant_id"],
            stale=partial(_stale, clusters),
        ),
    )


def _appearances(clusters: DataFrame, messages: DataFrame) -> DataFrame:
    """One row for each message and person in it, as its sender or as a recipient."""
    from pyspark.sql import functions as F  # noqa: N812

    names = F.from_json(F.get_json_object("source_metadata", "$.names"), "map<string,string>")
    kept = messages.select("channel", "sent_at", "sender", "recipients", names.alias("names"))
    senders = kept.withColumn("identity", F.col("sender")).withColumn("role", F.lit("sent"))
    recipients = kept.withColumn("identity", F.explode(F.array_distinct("recipients"))).withColumn(
        "role", F.lit("received")
    )
    own = F.substring(F.sha2(F.col("identity"), 256), 1, ID_DIGITS)
    return (
        senders.unionByName(recipients)
        .where(F.col("identity") != "")
        .join(clusters, "identity", "left")
        .select(
            F.coalesce(F.col("participant_id"), own).alias("key"),
            "identity",
            "role",
            "channel",
            "sent_at",
            F.col("names")[F.col("identity")].alias("name"),
        )
    )


def _rows(clusters: DataFrame, appearances: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F  # noqa: N812

    named = F.when(F.trim("name") != "", F.trim("name"))
    people = appearances.groupBy("key").agg(
        F.array_sort(F.collect_set(named)).alias("display_names"),
        F.array_sort(F.collect_set("channel")).alias("channels"),
        F.min("sent_at").alias("first_seen"),
        F.max("sent_at").alias("last_seen"),
        F.count(F.when(F.col("role") == "sent", F.lit(1))).alias("sent_count"),
        F.count(F.when(F.col("role") == "received", F.lit(1))).alias("received_count"),
    )
    # Also addresses that evidence names and no message has.
    members = clusters.select(F.col("participant_id").alias("key"), "identity")
    identities = (
        appearances.select("key", "identity")
        .unionByName(members)
        .groupBy("key")
        .agg(
            F.array_sort(F.collect_set(_described("identity"))).alias("identities"),
            F.array_sort(
                F.collect_set(F.substring(F.sha2(F.col("identity"), 256), 1, ID_DIGITS))
            ).alias("alias_ids"),
        )
    )
    return people.join(identities, "key", "left").select(
        F.col("key").alias("participant_id"),
        "identities",
        "alias_ids",
        "display_names",
        "channels",
        "first_seen",
        "last_seen",
        "sent_count",
        "received_count",
    )


def _described(column: str) -> Column:
    from pyspark.sql import functions as F  # noqa: N812

    identity = F.col(column)
    kind = (
        F.when(identity.rlike(PHONE_PATTERN), F.lit("phone"))
        .when(identity.contains("@"), F.lit("email"))
        .when(identity.rlike(WHATSAPP_PATTERN), F.lit("whatsapp"))
        .otherwise(F.lit("other"))
    )
    return F.struct(kind.alias("kind"), identity.alias("value"))


def _keys_of_messages(clusters: Mapping[str, str], rows: pa.Table) -> set[str]:
    people = set(pc.unique(rows["sender"]).to_pylist())
    people |= set(pc.unique(pc.list_flatten(rows["recipients"])).to_pylist())
    return {clusters.get(person) or participant_id(person) for person in people if person}


def _stale(clusters: Mapping[str, str], rows: pa.Table) -> set[str]:
    """Return participants whose stored identities are not those of their cluster any more.

    Both the participants that rows are named after and those that they should be.
    """
    members: dict[str, set[str]] = {}
    for identity, name in clusters.items():
        members.setdefault(name, set()).add(identity)
    keys: set[str] = set()
    columns = (rows[name].to_pylist() for name in ("participant_id", "identities", "alias_ids"))
    for name, identities, aliases in zip(*columns, strict=True):
        if aliases is None:
            # Written before the table had the column.
            keys.add(name)
        held = {identity["value"] for identity in identities}
        # Most rows are one identity that no evidence names.
        if len(held) == 1 and not held & clusters.keys():
            continue
        wanted = {clusters.get(identity) or participant_id(identity) for identity in held}
        if wanted != {name} or not members.get(name, set()) <= held:
            keys |= wanted | {name}
    return keys


def run(engine: Engine, arguments: Sequence[str]) -> UpdateReport:
    """Update the table as command-line `arguments` say (`--help` lists them)."""
    parser = argparse.ArgumentParser(description="Bring the table `participants` up to date")
    parser.add_argument("--lake", required=True)
    given = parser.parse_args(arguments)
    return update_participants(engine.session, given.lake)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a program, such as `spark-submit`'s."""
    run_program("pax participants", run, arguments)


if __name__ == "__main__":
    main()
