"""Tests of the NumPy room: labels, windows, decoding, metrics."""
