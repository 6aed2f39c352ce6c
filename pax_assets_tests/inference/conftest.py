"""The toy model line, for this room's tests."""

from pax_assets_tests.model_fixtures import toy_dataset, toy_encoder, toy_model, toy_onnx

__all__ = ["toy_dataset", "toy_encoder", "toy_model", "toy_onnx"]
