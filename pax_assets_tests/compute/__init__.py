"""Tests of pax_assets/compute."""
