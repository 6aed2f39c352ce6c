"""Tests of pax_assets/defs/corpus."""
