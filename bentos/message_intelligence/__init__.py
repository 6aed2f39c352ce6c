"""The message intelligence service: texts in, entities, events and relations out, over HTTP.

It runs from a Bento that holds this folder, `pax_assets.nlp` and `pax_assets.inference`, and
nothing else of the project: no torch, no Spark, no Dagster.
"""
