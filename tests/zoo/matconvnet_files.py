"""MatConvNet model files in both of MATLAB's formats, and a NumPy network that runs them.

Written from MatConvNet's description of its format, not from the package's tables: `forward`
follows what a file says.
"""

import h5py
import numpy as np

ALEX_LRN, VGG_LRN = [5, 1, 2e-5, 0.75], [5, 2, 1e-4, 0.75]


def conv(name, height, width, channels, units, stride=1, pad=0):
    return {
        "type": "conv",
        "name": name,
        "shape": (height, width, channels, units),
        "stride": stride,
        "pad": pad,
    }


def relu(name):
    return {"type": "relu", "name": f"relu{name}"}


def lrn(name, param):
    return {"type": "lrn", "name": f"norm{name}", "param": param}


def pool(name, size, stride, pad=(0, 0, 0, 0)):
    return {
        "type": "pool",
        "name": f"pool{name}",
        "method": "max",
        "pool": [size, size],
        "stride": [stride, stride],
        "pad": list(pad),
    }


def head(size, channels, classes):
    return [
        conv("fc6", size, size, channels, 4096),
        relu("6"),
        conv("fc7", 1, 1, 4096, 4096),
        relu("7"),
        conv("fc8", 1, 1, 4096, classes),
        {"type": "softmax", "name": "prob"},
    ]


def alexnet(classes):
    return [
        conv("conv1", 11, 11, 3, 96, 4),
        relu("1"),
        lrn("1", ALEX_LRN),
        pool("1", 3, 2),
        conv("conv2", 5, 5, 48, 256, 1, 2),
        relu("2"),
        lrn("2", ALEX_LRN),
        pool("2", 3, 2),
        conv("conv3", 3, 3, 256, 384, 1, 1),
        relu("3"),
        conv("conv4", 3, 3, 192, 384, 1, 1),
        relu("4"),
        conv("conv5", 3, 3, 192, 256, 1, 1),
        relu("5"),
        pool("5", 3, 2),
        *head(1, 256, classes),
    ]


def vgg_m(classes):
    return [
        conv("conv1", 7, 7, 3, 96, [2, 2]),
        relu("1"),
        lrn("1", VGG_LRN),
        pool("1", 3, 2),
        conv("conv2", 5, 5, 96, 256, 2, [1, 1, 1, 1]),
        relu("2"),
        lrn("2", VGG_LRN),
        pool("2", 3, 2, (0, 1, 0, 1)),
        conv("conv3", 3, 3, 256, 512, 1, 1),
        relu("3"),
        conv("conv4", 3, 3, 512, 512, 1, 1),
        relu("4"),
        conv("conv5", 3, 3, 512, 512, 1, 1),
        relu("5"),
        pool("5", 3, 2),
        *head(1, 512, classes),
    ]


def vgg_s(classes):
    return [
        conv("conv1", 7, 7, 3, 96, 2),
        relu("1"),
        lrn("1", VGG_LRN),
        pool("1", 3, 3, (0, 2, 0, 2)),
        conv("conv2", 5, 5, 96, 256),
        relu("2"),
        pool("2", 2, 2, (0, 1, 0, 1)),
        conv("conv3", 3, 3, 256, 512, 1, 1),
        relu("3"),
        conv("conv4", 3, 3, 512, 512, 1, 1),
        relu("4"),
        conv("conv5", 3, 3, 512, 512, 1, 1),
        relu("5"),
        pool("5", 3, 3, (0, 1, 0, 1)),
        *head(1, 512, classes),
    ]


def vgg16(classes):
    layers, channels = [], 3
    for block, (count, units) in enumerate(
        [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], start=1
    ):
        for index in range(1, count + 1):
            name = f"{block}_{index}"
            layers += [conv(f"conv{name}", 3, 3, channels, units, 1, 1), relu(name)]
            channels = units
        layers.append(pool(str(block), 2, 2))
    return layers + head(1, 512, classes)


# Builder, input size, and the network's own names of the file's convolutions.
NETWORKS = {
    "alexnet": (alexnet, 67, [*(f"conv{i}" for i in range(1, 6)), "fc6", "fc7", "predictions"]),
    "vgg_m": (vgg_m, 63, [*(f"conv{i}" for i in range(1, 6)), "fc6", "fc7", "predictions"]),
    "vgg_s": (vgg_s, 61, [*(f"conv{i}" for i in range(1, 6)), "fc6", "fc7", "predictions"]),
    "vgg16": (
        vgg16,
        32,
        [
            *(
                f"block{b}_conv{i}"
                for b, n in enumerate((2, 2, 3, 3, 3), 1)
                for i in range(1, n + 1)
            ),
            "fc1",
            "fc2",
            "predictions",
        ],
    ),
}


def model(name, classes=5, seed=0):
    """Layers with random weights (He's scale, biases too) and a mean image."""
    build, size, _ = NETWORKS[name]
    rng = np.random.default_rng(seed)
    layers = build(classes)
    for layer in layers:
        if layer["type"] == "conv":
            shape = layer.pop("shape")
            scale = np.sqrt(2 / np.prod(shape[:3]))
            if layer["name"] == "fc8":
                scale *= 0.01  # Softmax must not saturate: it would hide differences.
            kernel = rng.standard_normal(shape, "float32") * np.float32(scale)
            layer["weights"] = [kernel, rng.standard_normal((1, shape[3]), "float32")]
    mean = rng.uniform(90, 130, (size, size, 3)).astype("float32")
    return {"layers": layers, "mean": mean}


def cell(items):
    """A MATLAB cell array, as SciPy writes it."""
    result = np.empty((1, len(items)), dtype=object)
    for index, item in enumerate(items):
        result[0, index] = item
    return result


def write_v5(path, net, old=False):
    """A MATLAB v5 file; `old` is MatConvNet's form before weights were in one cell array."""
    from scipy.io import savemat

    layers = []
    for layer in net["layers"]:
        entry = dict(layer)
        if "weights" in entry:
            kernel, bias = entry.pop("weights")
            if old:
                entry["filters"], entry["biases"] = kernel, bias
            else:
                entry["weights"] = cell([kernel, bias])
        layers.append(entry)
    normalization = {"averageImage": net["mean"], "imageSize": list(net["mean"].shape)}
    meta = {"normalization": normalization} if old else {"meta": {"normalization": normalization}}
    savemat(path, {"layers": cell(layers), **meta}, do_compression=False)


def write_v73(path, net):
    """A MATLAB v7.3 file: HDF5 with references for cells and axes turned round."""
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")

        def put(group, name, value):
            if isinstance(value, dict):
                made = group.create_group(name)
                made.attrs["MATLAB_class"] = np.bytes_("struct")
                for key, item in value.items():
                    put(made, key, item)
            elif isinstance(value, str):
                codes = np.array([[ord(c)] for c in value], "uint16")
                made = group.create_dataset(name, data=codes)
                made.attrs["MATLAB_class"] = np.bytes_("char")
            elif isinstance(value, list) and value and isinstance(value[0], (dict, np.ndarray)):
                pointers = []
                for item in value:
                    key = f"r{len(refs)}"
                    put(refs, key, item)
                    pointers.append(refs[key].ref)
                data = np.array(pointers, dtype=h5py.ref_dtype).reshape(-1, 1)
                made = group.create_dataset(name, data=data, dtype=h5py.ref_dtype)
                made.attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                array = np.atleast_2d(np.asarray(value))
                kind = "single" if array.dtype == np.float32 else "double"
                made = group.create_dataset(name, data=array.astype(array.dtype).T)
                made.attrs["MATLAB_class"] = np.bytes_(kind)

        put(file, "layers", net["layers"])
        put(file, "meta", {"normalization": {"averageImage": net["mean"]}})


def forward(net, images):
    """Runs a file's layers in float64; gives every layer's output by name."""
    x = images.astype("float64")
    found = {}
    for layer in net["layers"]:
        x = _STEPS[layer["type"]](layer, x)
        found[layer["name"]] = x
    return found


def _four(pad):
    return [pad] * 4 if np.isscalar(pad) else list(pad)


def _windows(x, height, width, stride):
    """Views `[batch, rows, columns, height, width, channels]`."""
    stride = [stride, stride] if np.isscalar(stride) else stride
    view = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(1, 2))
    return view[:, :: stride[0], :: stride[1]].transpose(0, 1, 2, 4, 5, 3)


def _conv(layer, x):
    kernel, bias = (array.astype("float64") for array in layer["weights"])
    top, bottom, left, right = _four(layer["pad"])
    x = np.pad(x, [(0, 0), (top, bottom), (left, right), (0, 0)])
    height, width, channels, units = kernel.shape
    groups = x.shape[-1] // channels
    each = units // groups
    parts = [
        np.tensordot(
            _windows(x[..., g * channels : (g + 1) * channels], height, width, layer["stride"]),
            kernel[..., g * each : (g + 1) * each],
            axes=3,
        )
        for g in range(groups)
    ]
    return np.concatenate(parts, axis=-1) + bias.ravel()


def _pool(layer, x):
    top, bottom, left, right = _four(layer["pad"])
    x = np.pad(x, [(0, 0), (top, bottom), (left, right), (0, 0)], constant_values=-np.inf)
    return _windows(x, *layer["pool"], layer["stride"]).max(axis=(3, 4))


def _lrn(layer, x):
    size, kappa, alpha, beta = layer["param"]
    total = np.zeros_like(x)
    for channel in range(x.shape[-1]):
        low = max(0, channel - int(size) // 2)
        total[..., channel] = (x[..., low : channel + int(size) // 2 + 1] ** 2).sum(axis=-1)
    return x / (kappa + alpha * total) ** beta


def _softmax(layer, x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


_STEPS = {
    "conv": _conv,
    "relu": lambda layer, x: np.maximum(x, 0),
    "lrn": _lrn,
    "pool": _pool,
    "softmax": _softmax,
}
