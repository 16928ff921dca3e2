"""Whether a converted network computes what the original does, as far as that is meant.

Layers are made anew from their configurations and given the old weights. A layer whose
configuration does not hold all that it computes with would silently be another one.
"""

import keras
import numpy as np

from keras_icnn.models._forward_pass import forward
from keras_icnn.models._inlined import in_view, inlined
from keras_icnn.models._tensors import input_of, output_of
from keras_icnn.models._views import WithoutMask, is_interpretable


def check_converted(original, converted, pairs, changed):
    """Compares the two on random images, and names the first layer that differs.

    Args:
        original: the network that was converted.
        converted: what it was converted to.
        pairs: list of (operation of the original, operation of the converted network), in order.
        changed: ids of the original's operations whose output is meant to differ.

    Raises:
        ValueError: where a layer that should not differ does.
    """
    images = _random_inputs(converted)
    if images is None:
        return
    view = inlined(original)
    compared = []
    for old, new in pairs:
        old = in_view(original, old)
        if old is None or id(old) in changed or not isinstance(new, keras.Layer):
            continue
        before, after = output_of(view, old), _unmasked_output(converted, new)
        if before is not None and after is not None and before.shape == after.shape:
            compared.append((old, before, after))
    if not compared:
        return
    # What comes last has everything before it inside; only a difference is looked for further.
    # A softmax alone might hide it.
    last = compared[-4:]
    if _first_different(view, converted, last, images) is None:
        return
    found = _first_different(view, converted, compared, images)
    if found is None:
        return
    layer, deviation, scale = found
    raise ValueError(
        "`model` must be made of layers that their configurations describe. Received: layer "
        f"'{layer.name}' ({type(layer).__name__}), whose copy with the same weights computes "
        f"something else: values of up to {scale:.3g} differ by up to {deviation:.3g}. Complete "
        "its `get_config`, or take the layer out of the network and apply it before."
    )


def _unmasked_output(model, layer):
    """A layer's output tensor; of an interpretable one that before the mask."""
    output = output_of(model, layer)
    if output is None or not is_interpretable(layer) or not layer.mask:
        return output
    return WithoutMask(layer)(input_of(model, layer))


def _first_different(before, after, compared, images):
    """(layer, largest difference, scale) of the first layer that differs, or None."""
    old = _values(before, [tensor for _, tensor, _ in compared], images)
    new = _values(after, [tensor for _, _, tensor in compared], images)
    for place, (layer, tensor, _) in enumerate(compared):
        deviation, scale = _deviation(old[place], new[place])
        if deviation <= (0.05 if "16" in tensor.dtype else 2e-3) * scale:
            continue
        again = _values(before, [tensor], images)[0]
        # A layer that gives something else each time cannot be compared.
        if _deviation(old[place], again)[0] <= 1e-6 * scale:
            return layer, deviation, scale
    return None


def _deviation(first, second):
    both = np.isfinite(first) & np.isfinite(second)
    if (np.isfinite(first) != np.isfinite(second)).any():
        return np.inf, 1.0
    scale = max(float(np.abs(first[both]).max(initial=0.0)), 1e-6)
    return float(np.abs(first[both] - second[both]).max(initial=0.0)), scale


def _values(model, tensors, images):
    """The tensors' values, a list of float32 arrays."""
    # Not a list of one: torch warns when the structure is not the one that is fed.
    one = len(images) == 1
    part = keras.Model(model.inputs[0] if one else model.inputs, tensors)
    given = images[0] if one else images
    if keras.backend.backend() == "jax":
        found = forward(part)(given)
    else:
        found = part(given, training=False)
    found = found if isinstance(found, list | tuple) else [found]
    return [keras.ops.convert_to_numpy(keras.ops.cast(one, "float32")) for one in found]


def _random_inputs(model):
    """A list of one random batch for each input, or None where a size is open."""
    random, found = np.random.default_rng(0), []
    for tensor in model.inputs:
        sides = tensor.shape[1:]
        if any(n is None for n in sides):
            return None
        batch = random.uniform(0, 255, (2, *sides))
        # Networks without preprocessing take numbers of about this size.
        batch[1] = batch[1] / 127.5 - 1
        found.append(batch.astype(tensor.dtype if "16" not in tensor.dtype else "float32"))
    return found
