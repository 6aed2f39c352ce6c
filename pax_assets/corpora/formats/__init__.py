"""Loaders of labelled documents, a module per format, all with one shape.

A module has `read(path, **options) -> Iterator[Document]`: documents of one file (or folder,
where the format is one), with ids that are unique in it, with the labels that the format has, and
with the layers that it annotates. A loader knows nothing of splits, mappings or other sources;
`corpora.configuration` sees to those. What is wrong with a file raises `CorpusError`, which names
file and line (or document and offset).
"""
