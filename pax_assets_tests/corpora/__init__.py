"""Tests of corpora: reading, splitting, aligning, tokenizing."""
