"""What `bench-etl` measures: one way of doing the work a function, each run in its own process.

`common` is the job as commonly written: it reads clean JSON, drops duplicates and overwrites
Parquet; a broken line is a row of nulls in it, and nothing says so. Polars and DuckDB do what PAX
does for the reader: message ids by SHA-256 over channel, account and the provider's id, broken
lines set aside with object and line, the first of equal ids kept, one Delta table. They write no
table of raw records, no hash of each record and no conversation id, so they do less than PAX.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pax_assets_tests.benchmarks.etl_input import DAY

CHANNELS = ("sms", "whatsapp", "email")
_SHARED = {
    "message_id": "VARCHAR",
    "from": "VARCHAR",
    "to": "VARCHAR",
    "timestamp": "VARCHAR",
    "direction": "VARCHAR",
    "text": "VARCHAR",
    "thread_id": "VARCHAR",
    "carrier": "VARCHAR",
    "status": "VARCHAR",
    "tags": "VARCHAR",
    "api_version": "VARCHAR",
}
_TEXTS = {"account": "VARCHAR", "segments": "BIGINT"}
_MAILS = {"mailbox": "VARCHAR", "subject": "VARCHAR"}


def pax(landing: str, out: str, engine: str = "") -> None:
    """PAX: channel tables, quarantine, index and `messages`, as the assets build them."""
    from concurrent.futures import ThreadPoolExecutor
    from datetime import UTC, datetime

    from pax_assets.compute.spark import spark_session
    from pax_assets.jobs.features import build_messages
    from pax_assets.jobs.ingest import ingest

    # As in a run of Dagster, the channels do not wait for one another, nor they for the engine.
    with ThreadPoolExecutor(4) as pool:
        now = datetime.now(UTC)
        taken = [pool.submit(ingest, out, landing, c, DAY, now, 2) for c in CHANNELS]
        session = pool.submit(spark_session, engine)
        for channel in taken:
            channel.result()
        build_messages(session.result(), out, DAY)


def jvm(landing: str, out: str) -> None:
    """The same on JVM Spark, two threads."""
    pax(landing, out, "local[2]")


def common(landing: str, out: str) -> None:
    """The Spark job as commonly written."""
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "4g")
        .getOrCreate()
    )
    frames = [spark.read.json(f"{landing}/{channel}/{DAY}") for channel in CHANNELS]
    everything = frames[0].unionByName(frames[1], allowMissingColumns=True)
    everything = everything.unionByName(frames[2], allowMissingColumns=True)
    everything.dropDuplicates(["message_id"]).write.mode("overwrite").parquet(out)


def polars(landing: str, out: str) -> None:
    """Polars, with SHA-256 from its plugin `polars-hash`."""
    import polars as pl
    import polars_hash as plh

    kinds = {"VARCHAR": pl.String, "BIGINT": pl.Int64}
    good, bad = [], []
    for channel in CHANNELS:
        fields = _SHARED | (_MAILS if channel == "email" else _TEXTS)
        shape = pl.Struct({name: kinds[kind] for name, kind in fields.items()})
        lines = pl.scan_lines(
            f"{landing}/{channel}/{DAY}/*.jsonl",
            name="line",
            row_index_name="number",
            include_file_paths="raw_uri",
        ).with_columns(
            pl.lit(channel).alias("channel"),
            pl.col("line").str.json_path_match("$.message_id").alias("found"),
        )
        account = "mailbox" if channel == "email" else "account"
        good.append(
            lines.filter(pl.col("found").is_not_null())
            .select("number", "raw_uri", "channel", pl.col("line").str.json_decode(shape))
            .unnest("line")
            .with_columns(
                pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"),
                pl.format('["{}","{}","{}"]', "channel", account, "message_id").alias("key"),
            )
        )
        bad.append(lines.filter(pl.col("found").is_null()).select("number", "raw_uri", "line"))
    messages = (
        pl.concat(good, how="diagonal")
        .with_columns(plh.col("key").chash.sha2_256().alias("id"))
        .drop("key")
        .sort("raw_uri", "number")
        .unique("id", keep="first", maintain_order=True)
    )
    found, broken = pl.collect_all([messages, pl.concat(bad)])
    found.write_delta(out)
    broken.write_delta(f"{out}_quarantine")


def duckdb(landing: str, out: str) -> None:
    """DuckDB; Delta through `deltalake`, as it has no Delta writer of its own offline."""
    import duckdb as engine
    from deltalake import write_deltalake

    connection = engine.connect()
    connection.execute("set threads to 2")
    parts = []
    for channel in CHANNELS:
        fields = _SHARED | (_MAILS if channel == "email" else _TEXTS)
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in fields.items())
        account = "mailbox" if channel == "email" else "account"
        connection.execute(
            f"""create view {channel} as select *, '{channel}' as channel, {account} as box,
            row_number() over (partition by filename) as number
            from read_json('{landing}/{channel}/{DAY}/*.jsonl', format='newline_delimited',
            ignore_errors=true, filename=true, columns={{{columns}}})"""
        )
        parts.append(f"select * from {channel}")
    everything = " union all by name ".join(parts)
    connection.execute(f"create table records as {everything}")
    messages = connection.sql(
        """select * exclude (box, timestamp), timestamp::timestamptz as sent_at,
        sha256('["' || channel || '","' || box || '","' || message_id || '"]') as id
        from records where message_id is not null
        qualify row_number() over (partition by channel, box, message_id
        order by filename, number) = 1"""
    )
    write_deltalake(out, messages.to_arrow_reader(100_000))
    broken = connection.sql("select filename, number from records where message_id is null")
    write_deltalake(f"{out}_quarantine", broken.to_arrow_reader(100_000))


PEERS: dict[str, Callable[[str, str], None]] = {
    "pax": pax,
    "jvm": jvm,
    "common": common,
    "polars": polars,
    "duckdb": duckdb,
}


def ids(peer: str, out: str) -> set[str]:
    """Return the provider's ids of the messages that a peer wrote."""
    import pyarrow.dataset as ds

    from pax_assets.lake import read

    if peer in ("pax", "jvm"):
        rows = read(out, "messages", ["provider_message_id"])
        return set(rows["provider_message_id"].to_pylist())
    if peer == "common":
        rows = ds.dataset(out, format="parquet").to_table(["message_id"])
    else:
        from deltalake import DeltaTable

        rows = DeltaTable(out).to_pyarrow_table(columns=["message_id"])
    listed = rows["message_id"].to_pylist()
    if len(listed) != len(set(listed)):
        raise SystemExit(f"{peer} wrote an id twice")
    return {identifier for identifier in listed if identifier is not None}


def main() -> None:
    """Run one peer: `etl_peers <peer> <landing> <out>`; print its seconds as JSON."""
    peer, landing, out = sys.argv[1:]
    start = time.monotonic()
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    PEERS[peer](landing, out)
    print(json.dumps({"seconds": round(time.monotonic() - start, 3)}))


if __name__ == "__main__":
    main()
