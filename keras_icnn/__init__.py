"""Interpretable convolutional neural networks for Keras."""

__version__ = "0.1.0"
