"""The plain networks as tables of rows, which `_architecture_graph` builds.

A network is rows of features (the last convolution or fire module is its top map) and rows of a
head. Everything is in the order and, as far as the published weights have them, under the names of
Keras Applications (VGG) or of the published models (AlexNet, VGG-M, VGG-S, SqueezeNet).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Conv:
    """A convolution and its ReLU; `padding` zeros on every side."""

    name: str
    filters: int
    kernel_size: int
    strides: int = 1
    padding: int = 0
    groups: int = 1


@dataclass(frozen=True)
class Norm:
    """A local response normalization over `2 * depth_radius + 1` channels."""

    name: str
    depth_radius: int
    bias: float
    alpha: float
    beta: float


@dataclass(frozen=True)
class Pool:
    """A max-pooling; `padding` rows and columns are added below and to the right."""

    name: str
    pool_size: int
    strides: int
    padding: int = 0


@dataclass(frozen=True)
class Fire:
    """SqueezeNet's module: a 1x1 squeeze, then 1x1 and 3x3 expansions side by side."""

    name: str
    squeeze: int
    expand: int


@dataclass(frozen=True)
class Architecture:
    """One network.

    `head` is either the units of the hidden fully-connected layers by name, or `"conv10"` for
    SqueezeNet's convolution and average pooling. `dropout` comes after each of these layers, or,
    with `dropout_first`, before it.
    """

    features: tuple
    head: tuple
    default_size: int
    min_size: int
    dropout: float = 0.5
    dropout_first: bool = False

    @property
    def top(self):
        """The row that makes the top feature map."""
        return next(row for row in reversed(self.features) if isinstance(row, (Conv, Fire)))


def _vgg(*convolutions):
    """VGG-16 and VGG-19: blocks of 3x3 convolutions, each followed by 2x2 pooling."""
    rows = []
    for block, (count, filters) in enumerate(
        zip(convolutions, (64, 128, 256, 512, 512), strict=True), 1
    ):
        rows += [Conv(f"block{block}_conv{i}", filters, 3, padding=1) for i in range(1, count + 1)]
        rows.append(Pool(f"block{block}_pool", 2, 2))
    return tuple(rows)


_FC = (("fc6", 4096), ("fc7", 4096))

ARCHITECTURES = {
    # Krizhevsky et al. 2012 as Caffe's BVLC model has it: normalization after ReLU, before pooling.
    "alexnet": Architecture(
        features=(
            Conv("conv1", 96, 11, strides=4),
            Norm("norm1", 2, 1.0, 2e-5, 0.75),
            Pool("pool1", 3, 2),
            Conv("conv2", 256, 5, padding=2, groups=2),
            Norm("norm2", 2, 1.0, 2e-5, 0.75),
            Pool("pool2", 3, 2),
            Conv("conv3", 384, 3, padding=1),
            Conv("conv4", 384, 3, padding=1, groups=2),
            Conv("conv5", 256, 3, padding=1, groups=2),
            Pool("pool5", 3, 2),
        ),
        head=_FC,
        default_size=227,
        min_size=67,
    ),
    # Krizhevsky 2014, one tower, as torchvision has it: no normalization, no groups, and 256
    # filters in conv4 (TF-Slim's `alexnet_v2` has 384, and no zeros around conv1).
    "alexnet_v2": Architecture(
        features=(
            Conv("conv1", 64, 11, strides=4, padding=2),
            Pool("pool1", 3, 2),
            Conv("conv2", 192, 5, padding=2),
            Pool("pool2", 3, 2),
            Conv("conv3", 384, 3, padding=1),
            Conv("conv4", 256, 3, padding=1),
            Conv("conv5", 256, 3, padding=1),
            Pool("pool5", 3, 2),
        ),
        head=_FC,
        default_size=224,
        min_size=63,
        dropout_first=True,
    ),
    # Chatfield et al. 2014, CNN-M.
    "vgg_m": Architecture(
        features=(
            Conv("conv1", 96, 7, strides=2),
            Norm("norm1", 2, 2.0, 1e-4, 0.75),
            Pool("pool1", 3, 2),
            Conv("conv2", 256, 5, strides=2, padding=1),
            Norm("norm2", 2, 2.0, 1e-4, 0.75),
            Pool("pool2", 3, 2, padding=1),
            Conv("conv3", 512, 3, padding=1),
            Conv("conv4", 512, 3, padding=1),
            Conv("conv5", 512, 3, padding=1),
            Pool("pool5", 3, 2),
        ),
        head=_FC,
        default_size=224,
        min_size=63,
    ),
    # Chatfield et al. 2014, CNN-S: one normalization only, and no padding around conv2.
    "vgg_s": Architecture(
        features=(
            Conv("conv1", 96, 7, strides=2),
            Norm("norm1", 2, 2.0, 1e-4, 0.75),
            Pool("pool1", 3, 3, padding=2),
            Conv("conv2", 256, 5),
            Pool("pool2", 2, 2, padding=1),
            Conv("conv3", 512, 3, padding=1),
            Conv("conv4", 512, 3, padding=1),
            Conv("conv5", 512, 3, padding=1),
            Pool("pool5", 3, 3, padding=1),
        ),
        head=_FC,
        default_size=224,
        min_size=61,
    ),
    # Simonyan & Zisserman 2014, configurations D and E.
    "vgg16": Architecture(
        features=_vgg(2, 2, 3, 3, 3),
        head=(("fc1", 4096), ("fc2", 4096)),
        default_size=224,
        min_size=32,
    ),
    "vgg19": Architecture(
        features=_vgg(2, 2, 4, 4, 4),
        head=(("fc1", 4096), ("fc2", 4096)),
        default_size=224,
        min_size=32,
    ),
    # Iandola et al. 2016, version 1.1.
    "squeezenet": Architecture(
        features=(
            Conv("conv1", 64, 3, strides=2),
            Pool("pool1", 3, 2),
            Fire("fire2", 16, 64),
            Fire("fire3", 16, 64),
            Pool("pool3", 3, 2),
            Fire("fire4", 32, 128),
            Fire("fire5", 32, 128),
            Pool("pool5", 3, 2),
            Fire("fire6", 48, 192),
            Fire("fire7", 48, 192),
            Fire("fire8", 64, 256),
            Fire("fire9", 64, 256),
        ),
        head=("conv10",),
        default_size=224,
        min_size=31,
    ),
}


def weighted_rows(architecture):
    """Names of the layers that hold weights, of the features and of the head."""
    features = []
    for row in architecture.features:
        if isinstance(row, Conv):
            features.append(row.name)
        elif isinstance(row, Fire):
            features += [f"{row.name}_{p}" for p in ("squeeze1x1", "expand1x1", "expand3x3")]
    if architecture.head == ("conv10",):
        return features, ["conv10"]
    return features, [name for name, _ in architecture.head] + ["predictions"]


def geometry(architecture):
    """What MatConvNet's files say of the features' strides, padding and normalization."""
    rows = []
    for row in architecture.features:
        if isinstance(row, Conv):
            numbers = {"stride": [row.strides] * 2, "pad": [row.padding] * 4}
            rows.append((row.name, "conv", numbers))
        elif isinstance(row, Norm):
            numbers = {"param": [2 * row.depth_radius + 1, row.bias, row.alpha, row.beta]}
            rows.append((row.name, "lrn", numbers))
        elif isinstance(row, Pool):
            # Not its padding: several paddings of a converted Caffe model give the same maps.
            numbers = {"pool": [row.pool_size] * 2, "stride": [row.strides] * 2}
            rows.append((row.name, "pool", numbers))
    return rows
