"""The model: encoder and heads, the data feed, the training loop, the export to ONNX.

This room alone imports torch, and only its own processes import this room (except `encoder`,
`job`, `recipe` and `storage`, which are light). It knows nothing of Dagster beyond dagster-pipes.
"""
