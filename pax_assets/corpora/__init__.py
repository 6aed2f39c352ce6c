"""Loaders and exporters of labelled documents, and their way into a model's token ids."""
