"""People (and machines) that write and are written to, across channels.

Whoever texts from a number and uses WhatsApp with the same number is one participant: parsers
write one spelling of an address, so one identity is one participant. That a phone number and a
mailbox belong to the same person takes more than spelling and is not claimed here.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.increments import Aggregate, UpdateReport, update

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_ID_DIGITS = 32


def update_participants(spark: SparkSession, lake: str) -> UpdateReport:
    """Bring the table `participants` up to the newest version of `messages`. Idempotent."""
    return update(spark, lake, _PARTICIPANTS)


def participant_id(identity: str) -> str:
    """Return the id of the participant with this address: 32 hex digits of its SHA-256."""
    return hashlib.sha256(identity.encode()).hexdigest()[:_ID_DIGITS]


def _appearances(messages: DataFrame) -> DataFrame:
    """One row for each message and person in it, as its sender or as a recipient."""
    from pyspark.sql import functions as F  # noqa: N812

    names = F.from_json(F.get_json_object("source_metadata", "$.names"), "map<string,string>")
    kept = messages.select("channel", "sent_at", "sender", "recipients", names.alias("names"))
    senders = kept.withColumn("identity", F.col("sender")).withColumn("role", F.lit("sent"))
    recipients = kept.withColumn("identity", F.explode(F.array_distinct("recipients"))).withColumn(
        "role", F.lit("received")
    )
    return (
        senders.unionByName(recipients)
        .where(F.col("identity") != "")
        .select(
            F.substring(F.sha2(F.col("identity"), 256), 1, _ID_DIGITS).alias("key"),
            "identity",
            "role",
            "channel",
            "sent_at",
            F.col("names")[F.col("identity")].alias("name"),
        )
    )


def _rows(appearances: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F  # noqa: N812

    identity = F.col("identity")
    kind = (
        F.when(identity.rlike(r"^\+[0-9]+$"), F.lit("phone"))
        .when(identity.contains("@"), F.lit("email"))
        .otherwise(F.lit("other"))
    )
    named = F.when(F.trim("name") != "", F.trim("name"))
    return (
        appearances.groupBy("key", "identity")
        .agg(
            F.array_sort(F.collect_set(named)).alias("display_names"),
            F.array_sort(F.collect_set("channel")).alias("channels"),
            F.min("sent_at").alias("first_seen"),
            F.max("sent_at").alias("last_seen"),
            F.count(F.when(F.col("role") == "sent", F.lit(1))).alias("sent_count"),
            F.count(F.when(F.col("role") == "received", F.lit(1))).alias("received_count"),
        )
        .select(
            F.col("key").alias("participant_id"),
            F.array(F.struct(kind.alias("kind"), identity.alias("value"))).alias("identities"),
            "display_names",
            "channels",
            "first_seen",
            "last_seen",
            "sent_count",
            "received_count",
        )
    )


def _keys_of_messages(rows: pa.Table) -> set[str]:
    people = set(pc.unique(rows["sender"]).to_pylist())
    people |= set(pc.unique(pc.list_flatten(rows["recipients"])).to_pylist())
    return {participant_id(identity) for identity in people if identity}


_PARTICIPANTS = Aggregate(
    table="participants",
    columns=("channel", "sent_at", "sender", "recipients", "source_metadata"),
    key_columns=("sender", "recipients"),
    keyed=_appearances,
    rows=_rows,
    keys_of_messages=_keys_of_messages,
    keys_of_rows=lambda rows: rows["participant_id"],
)
