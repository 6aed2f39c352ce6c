"""Tests of pax_assets/client."""
