"""The channel tables: every record of every landed object."""
