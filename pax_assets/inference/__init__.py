"""The one runtime that the service and batch scoring share.

Two programs that each tokenize, batch and decode would answer differently for the same text.
Needs numpy, tokenizers and onnxruntime; never torch or transformers.
"""
