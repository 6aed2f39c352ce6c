"""Tests of pax_assets/lake."""
