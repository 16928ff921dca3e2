"""Networks: ordinary ones, and the same with interpretable filters."""

import keras  # noqa: F401 (first: see `_REGISTERING` in the package's `__init__`)

from keras_icnn.zoo._builders import (
    alexnet,
    alexnet_interpretable,
    convnext_tiny,
    convnext_tiny_interpretable,
    densenet121,
    densenet121_interpretable,
    efficientnet_v2_b0,
    efficientnet_v2_b0_interpretable,
    mobilenet_v2,
    mobilenet_v2_interpretable,
    resnet50,
    resnet50_interpretable,
    squeezenet,
    squeezenet_interpretable,
    vgg16,
    vgg16_interpretable,
    vgg19,
    vgg19_interpretable,
    vgg_m,
    vgg_m_interpretable,
    vgg_s,
    vgg_s_interpretable,
)
from keras_icnn.zoo._matconvnet import read_matconvnet
from keras_icnn.zoo._preprocessing import preprocess_input
from keras_icnn.zoo._registry import create_model, list_models, register_model

__all__ = [
    "alexnet",
    "alexnet_interpretable",
    "convnext_tiny",
    "convnext_tiny_interpretable",
    "create_model",
    "densenet121",
    "densenet121_interpretable",
    "efficientnet_v2_b0",
    "efficientnet_v2_b0_interpretable",
    "list_models",
    "mobilenet_v2",
    "mobilenet_v2_interpretable",
    "preprocess_input",
    "read_matconvnet",
    "register_model",
    "resnet50",
    "resnet50_interpretable",
    "squeezenet",
    "squeezenet_interpretable",
    "vgg16",
    "vgg16_interpretable",
    "vgg19",
    "vgg19_interpretable",
    "vgg_m",
    "vgg_m_interpretable",
    "vgg_s",
    "vgg_s_interpretable",
]
