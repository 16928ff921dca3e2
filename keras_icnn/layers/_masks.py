"""Templates drawn around peaks: the masks of the forward pass, the targets of the filter loss.

Shapes: `B` images, `h x w` units, `F` filters. Every filter has a width of its own, `beta` `[F]`.
"""

from keras import ops


def falloff(peaks, beta, bank):
    """`1 - beta * distance / n` around the peaks: a template over tau, not yet clipped.

    Args:
        peaks: `Peaks`, `[B, F]` each.
        beta: `[F]`.
        bank: `TemplateBank`: size and norm.

    Returns:
        float32 `[B, h, w, F]`.
    """
    return scaled_falloff(peaks, ops.expand_dims(beta, 0), ops.ones_like(peaks.row), bank)


def scaled_falloff(peaks, slope, top, bank):
    """`top - slope * distance / n` around the peaks.

    Args:
        slope: `[B, F]` or `[1, F]`.
        top: `[B, F]`.
    """
    slope = ops.expand_dims(slope / bank.n, 1)
    rows = ops.reshape(ops.arange(bank.height, dtype="float32"), (1, bank.height, 1))
    columns = ops.reshape(ops.arange(bank.width, dtype="float32"), (1, bank.width, 1))
    dr = ops.abs(rows - ops.expand_dims(peaks.row, 1))
    dc = ops.abs(columns - ops.expand_dims(peaks.column, 1))
    if bank.norm == "l1":
        # All but one step on the small tables of rows and of columns.
        by_row = ops.expand_dims(top, 1) - slope * dr
        return ops.expand_dims(by_row, 2) - ops.expand_dims(slope * dc, 1)
    distance = ops.sqrt(ops.expand_dims(dr * dr, 2) + ops.expand_dims(dc * dc, 1))
    return ops.expand_dims(ops.expand_dims(top, 1), 1) - ops.expand_dims(slope, 1) * distance


def part_mask(peaks, beta, bank):
    """`max(T_mu, 0) / tau` of the given peaks: `[B, h, w, F]`, 1 at the peak (section 3)."""
    return ops.relu(falloff(peaks, beta, bank))


def positive_template(peaks, beta, bank):
    """`T_mu / tau` of the given peaks: `[B, h, w, F]`, 1 at the peak, -1 far away (section 3)."""
    return ops.maximum(falloff(peaks, beta, bank), -1.0)


def mask_maps(x, peaks, beta, bank):
    """`max(x o T_mu / tau, 0)` with the mask constant in the backward pass (section 3)."""
    return x * ops.cast(ops.stop_gradient(part_mask(peaks, beta, bank)), x.dtype)
