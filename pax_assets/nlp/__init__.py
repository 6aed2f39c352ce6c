"""Spans, label schemes, windows, decoding and metrics: what all users of the model share.

NumPy at most, so that service, training and batch scoring can load it alike.
"""
