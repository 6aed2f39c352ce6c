"""Tests of PAX; they mirror the package."""
