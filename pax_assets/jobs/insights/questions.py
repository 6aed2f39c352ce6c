"""The graph's tables in DuckDB, to be asked questions: docs/insights.md has a dozen.

A question such as "older than a week" needs a today. It is a variable of the connection, so that
the same words can be asked of last year, and tested.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pax_assets.jobs.insights.insight_tables import GRAPH_TABLES, read
from pax_assets.lake import tables
from pax_assets.lake.reading import require_lake

if TYPE_CHECKING:
    import duckdb

# What the documented questions need of messages; no text, so that little memory is needed.
_MESSAGES = ["message_id", "conversation_id", "channel", "direction", "sender", "recipients"]


def open_graph(lake: str, today: date | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection with the tables of `relationship_graph` under their own names.

    Also `messages`, without texts, and the variable `today` (now, in UTC, by default). Raises
    `NoSuchLake` for a folder that is none.
    """
    import duckdb

    require_lake(lake)
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    for table in GRAPH_TABLES:
        name = table.removeprefix("relationship_graph/")
        # "values" is a word of SQL.
        connection.register("mentioned_values" if name == "values" else name, read(lake, table))
    messages = tables.read(lake, "messages", [*_MESSAGES, "sent_at"])
    connection.register("messages", messages)
    day = "today()" if today is None else f"date '{today.isoformat()}'"
    connection.execute(f"set variable today = {day}")
    return connection
