"""Findings of the model as tables, as a graph, and as its picture."""
