"""Scores on public corpora: `make eval-<set>` trains a throw-away model and judges it once.

Recipes were chosen on the dev parts; a test part is looked at by the last line alone. No weights
are kept: some corpora may be used for evaluation only.
"""
