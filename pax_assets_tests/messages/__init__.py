"""Tests of the message contract and the parsers."""
