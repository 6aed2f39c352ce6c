"""Threads: one row for each conversation, from the headers of its messages.

A conversation crosses days, so no daily partition can hold it; it is brought up to date by the
messages that changed (see `increments`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.increments import Aggregate, UpdateReport, update
from pax_assets.jobs.program import Engine, run_program

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


def update_conversations(spark: SparkSession, lake: str) -> UpdateReport:
    """Bring the table `conversations` up to the newest version of `messages`. Idempotent."""
    return update(spark, lake, _CONVERSATIONS)


def _keyed(messages: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F  # noqa: N812

    # Formats that name their own conversations may use one name on two channels.
    return messages.withColumn("key", F.concat_ws("/", "channel", "conversation_id"))


def _rows(messages: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F  # noqa: N812

    titled = F.when(F.col("subject").isNotNull(), F.struct("sent_at", "message_id", "subject"))
    summary = messages.groupBy("key").agg(
        F.min("conversation_id").alias("conversation_id"),
        F.min("channel").alias("channel"),
        F.array_sort(F.collect_set(F.when(F.col("account") != "", F.col("account")))).alias(
            "accounts"
        ),
        F.min(titled).alias("titled"),
        F.min("sent_at").alias("first_message_at"),
        F.max("sent_at").alias("last_message_at"),
        F.count(F.lit(1)).alias("message_count"),
        _count_of("inbound").alias("inbound_count"),
        _count_of("outbound").alias("outbound_count"),
        # The id decides between messages of one moment, so that the answer is always the same.
        F.max(F.struct("sent_at", "message_id", "sender", "direction")).alias("last"),
    )
    people = (
        messages.select("key", F.col("sender").alias("person"))
        .unionByName(messages.select("key", F.explode("recipients").alias("person")))
        .where(F.col("person") != "")
        .groupBy("key")
        .agg(F.array_sort(F.collect_set("person")).alias("participants"))
    )
    return summary.join(people, "key", "left").select(
        "conversation_id",
        "channel",
        "accounts",
        F.coalesce("participants", F.array().cast("array<string>")).alias("participants"),
        F.col("titled.subject").alias("subject"),
        "first_message_at",
        "last_message_at",
        "message_count",
        "inbound_count",
        "outbound_count",
        F.col("last.sender").alias("last_sender"),
        F.col("last.direction").alias("last_direction"),
    )


def _count_of(direction: str) -> Column:
    from pyspark.sql import functions as F  # noqa: N812

    return F.count(F.when(F.col("direction") == direction, F.lit(1)))


def _keys(rows: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(rows["channel"], rows["conversation_id"], "/")


_CONVERSATIONS = Aggregate(
    table="conversations",
    columns=(
        "message_id",
        "channel",
        "account",
        "conversation_id",
        "sender",
        "recipients",
        "direction",
        "sent_at",
        "subject",
    ),
    key_columns=("channel", "conversation_id"),
    keyed=_keyed,
    rows=_rows,
    keys_of_messages=lambda rows: set(pc.unique(_keys(rows)).to_pylist()),
    keys_of_rows=_keys,
)


def run(engine: Engine, arguments: Sequence[str]) -> UpdateReport:
    """Update the table as command-line `arguments` say (`--help` lists them)."""
    parser = argparse.ArgumentParser(description="Bring the table `conversations` up to date")
    parser.add_argument("--lake", required=True)
    given = parser.parse_args(arguments)
    return update_conversations(engine.session, given.lake)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a program, such as `spark-submit`'s."""
    run_program("pax conversations", run, arguments)


if __name__ == "__main__":
    main()
