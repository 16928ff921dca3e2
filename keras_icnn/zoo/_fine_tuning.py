"""What of a pretrained network is trained, and what is left as it is."""

MODES = ("top", "last_block", "all")

# New filters where most of a network is frozen: as many as in the measured networks.
NEW_FILTERS = 128

# The first layer with weights of the block that "last_block" trains, besides the new layers.
LAST_BLOCK = {
    "alexnet": "conv5",
    "alexnet_v2": "conv5",
    "convnext_tiny": "convnext_tiny_stage_3_block_2_depthwise_conv",
    "densenet121": "conv5_block1_0_bn",
    "efficientnet_v2_b0": "block6h_expand_conv",
    "mobilenet_v2": "block_16_expand",
    "resnet50": "conv5_block3_1_conv",
    "squeezenet": "fire9_squeeze1x1",
    "vgg16": "block5_conv3",
    "vgg19": "block5_conv4",
    "vgg_m": "conv5",
    "vgg_s": "conv5",
}


def freeze(model, network, pretrained, fine_tune):
    """Freezes the layers of a network that its fine-tuning leaves as they are.

    Args:
        model: The network.
        network: Its name.
        pretrained: Names of its layers with pretrained weights, the first below.
        fine_tune: `"top"`, `"last_block"`, `"all"`, or None for nothing to freeze.

    Raises:
        ValueError: Where the network is cut below its last block, which is to be trained.
    """
    if fine_tune in (None, "all"):
        return
    pretrained = list(pretrained)
    if fine_tune == "last_block":
        if LAST_BLOCK[network] not in pretrained:
            raise ValueError(
                f"fine_tune='last_block' trains {network!r} from '{LAST_BLOCK[network]}' on, which "
                "`top_map` leaves out. Use 'top' or 'all', or set `trainable` of the layers."
            )
        pretrained = pretrained[: pretrained.index(LAST_BLOCK[network])]
    for name in pretrained:
        model.get_layer(name).trainable = False
