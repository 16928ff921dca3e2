"""Networks: ordinary ones, and the same with interpretable filters."""

import keras  # noqa: F401 (first: see `_REGISTERING` in the package's `__init__`)

from keras_icnn.zoo._matconvnet import read_matconvnet
from keras_icnn.zoo._preprocess_input import preprocess_input
from keras_icnn.zoo._public_builders import BUILDERS
from keras_icnn.zoo._registry import create_model, list_models, register_model

alexnet = BUILDERS["alexnet"]
alexnet_interpretable = BUILDERS["alexnet_interpretable"]
convnext_tiny = BUILDERS["convnext_tiny"]
convnext_tiny_interpretable = BUILDERS["convnext_tiny_interpretable"]
densenet121 = BUILDERS["densenet121"]
densenet121_interpretable = BUILDERS["densenet121_interpretable"]
efficientnet_v2_b0 = BUILDERS["efficientnet_v2_b0"]
efficientnet_v2_b0_interpretable = BUILDERS["efficientnet_v2_b0_interpretable"]
mobilenet_v2 = BUILDERS["mobilenet_v2"]
mobilenet_v2_interpretable = BUILDERS["mobilenet_v2_interpretable"]
resnet50 = BUILDERS["resnet50"]
resnet50_interpretable = BUILDERS["resnet50_interpretable"]
squeezenet = BUILDERS["squeezenet"]
squeezenet_interpretable = BUILDERS["squeezenet_interpretable"]
vgg16 = BUILDERS["vgg16"]
vgg16_interpretable = BUILDERS["vgg16_interpretable"]
vgg19 = BUILDERS["vgg19"]
vgg19_interpretable = BUILDERS["vgg19_interpretable"]
vgg_m = BUILDERS["vgg_m"]
vgg_m_interpretable = BUILDERS["vgg_m_interpretable"]
vgg_s = BUILDERS["vgg_s"]
vgg_s_interpretable = BUILDERS["vgg_s_interpretable"]

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
