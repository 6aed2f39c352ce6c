"""Tests of pax_assets/defs/model."""
