"""What is known of each network and its weights.

`parameters` counts the ordinary network with its 1000-class head and without its head, both checked
in the tests. A `sha256` is given only where it is known; without one, a download is still checked
by reading it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Where ImageNet weights come from.

    `format` is `"keras"` (keras.applications fetches and checks the file) or `"matconvnet"`.
    """

    format: str
    url: str
    licence: str
    sha256: str | None = None


@dataclass(frozen=True)
class Card:
    """One network."""

    title: str
    reference: str
    preprocessing: str
    parameters: int
    parameters_without_top: int
    source: Source | None


def _matconvnet(file, licence):
    return Source("matconvnet", f"https://www.vlfeat.org/matconvnet/models/{file}.mat", licence)


def _keras(note):
    return Source("keras", "https://keras.io/api/applications/", note)


_DEVIL = "the authors' terms, http://www.robots.ox.ac.uk/~vgg/research/deep_eval/"
_VGG_VD = "CC BY 4.0 (Visual Geometry Group, Oxford)"
_KERAS = "Apache-2.0 (keras.applications)"

MANIFEST = {
    "alexnet": Card(
        "AlexNet",
        "https://papers.nips.cc/paper/4824",
        "matconvnet",
        60_965_224,
        2_334_080,
        _matconvnet("imagenet-caffe-alex", "unrestricted (converted from BVLC AlexNet)"),
    ),
    "alexnet_v2": Card(
        "One-tower AlexNet",
        "https://arxiv.org/abs/1404.5997",
        "torch",
        61_100_840,
        2_469_696,
        None,
    ),
    "vgg_m": Card(
        "VGG-M",
        "https://arxiv.org/abs/1405.3531",
        "matconvnet",
        102_908_520,
        6_528_640,
        _matconvnet("imagenet-vgg-m", _DEVIL),
    ),
    "vgg_s": Card(
        "VGG-S",
        "https://arxiv.org/abs/1405.3531",
        "matconvnet",
        102_908_520,
        6_528_640,
        _matconvnet("imagenet-vgg-s", _DEVIL),
    ),
    "vgg16": Card(
        "VGG-16",
        "https://arxiv.org/abs/1409.1556",
        "caffe",
        138_357_544,
        14_714_688,
        _keras(_VGG_VD),
    ),
    "vgg19": Card(
        "VGG-19",
        "https://arxiv.org/abs/1409.1556",
        "caffe",
        143_667_240,
        20_024_384,
        _keras(_VGG_VD),
    ),
    "squeezenet": Card(
        "SqueezeNet 1.1",
        "https://arxiv.org/abs/1602.07360",
        "caffe",
        1_235_496,
        722_496,
        None,
    ),
    "mobilenet_v2": Card(
        "MobileNetV2",
        "https://arxiv.org/abs/1801.04381",
        "tf",
        3_538_984,
        2_257_984,
        _keras(_KERAS),
    ),
    "resnet50": Card(
        "ResNet-50",
        "https://arxiv.org/abs/1512.03385",
        "caffe",
        25_636_712,
        23_587_712,
        _keras("MIT (original ResNets of He et al.)"),
    ),
    "densenet121": Card(
        "DenseNet-121",
        "https://arxiv.org/abs/1608.06993",
        "torch",
        8_062_504,
        7_037_504,
        _keras("BSD-3-Clause (original DenseNets of Huang et al.)"),
    ),
    "convnext_tiny": Card(
        "ConvNeXt-Tiny",
        "https://arxiv.org/abs/2201.03545",
        "torch",
        28_589_128,
        27_820_128,
        _keras("MIT (original ConvNeXts of Liu et al.)"),
    ),
    "efficientnet_v2_b0": Card(
        "EfficientNetV2-B0",
        "https://arxiv.org/abs/2104.00298",
        "torch",
        7_200_312,
        5_919_312,
        _keras(_KERAS),
    ),
}
