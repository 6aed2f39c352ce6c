"""Landed objects to the rows of Parquet files: the parse step of ingestion."""
