"""Labelled documents and the tokenized dataset made from them."""
