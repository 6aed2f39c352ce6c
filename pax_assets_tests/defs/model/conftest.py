"""The toy model line, for tests of the model assets."""

from pax_assets_tests.model_fixtures import toy_dataset, toy_encoder, toy_model, toy_onnx

__all__ = ["toy_dataset", "toy_encoder", "toy_model", "toy_onnx"]
