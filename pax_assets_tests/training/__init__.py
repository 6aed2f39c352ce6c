"""Tests of the training room, on a toy encoder."""
