"""Tests of the runtime that service and batch scoring share."""
