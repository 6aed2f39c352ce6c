"""What every loader says when it cannot go on: which of many files, and where in it."""

from __future__ import annotations


class CorpusError(ValueError):
    """A corpus that cannot be read; the message names file, and line, document or offset."""
