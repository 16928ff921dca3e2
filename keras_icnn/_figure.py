"""What the figures share: matplotlib without a display, colors, panels, saving."""

from pathlib import Path

import numpy as np

from keras_icnn._files.whole_file import replacing

# Told apart by people who do not see red and green as different, and visible on photographs.
PEAK_COLOR = "#ff2d95"
MAP_COLORS = "magma"


def new_figure(width, height, rows, columns, **grid):
    """A figure of `width x height` inches with `rows x columns` axes.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'Figures need matplotlib, which is not installed: pip install "keras-icnn[plot]"'
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **grid)


def check_path(path):
    """Checks that a file can be written there, before any work is done.

    Raises:
        ValueError: if its folder does not exist.
    """
    if path is not None and not Path(path).parent.is_dir():
        raise ValueError(
            f"`path` must lie in a folder that exists. Received: path='{path}'. Create "
            f"'{Path(path).parent}' first."
        )


def save(figure, path):
    """Ends every figure; writes it if there is a path, its format by the name's ending.

    The file appears when it is complete.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        # A dollar sign in a class's or file's name is no formula, and a wrong one would not draw.
        text.set_parse_math(False)
    if path is None:
        return figure
    check_path(path)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    return figure


def as_picture(image):
    """An image as matplotlib shows it: uint8 `[height, width, 3]`."""
    image = np.asarray(image)
    if image.dtype == np.uint8:
        return image
    return np.clip(np.round(image), 0, 255).astype("uint8")


def show(axes, image):
    """An image without ticks."""
    axes.imshow(as_picture(image))
    bare(axes)


def bare(axes):
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def lit(image, weight):
    """The image, RGB float 0 to 1, bright where `weight` `[height, width]` is 1, dark where 0."""
    weight = np.clip(np.asarray(weight, "float64"), 0, 1)[..., None]
    return np.clip(as_picture(image) / 255 * (0.3 + 0.7 * weight), 0, 1)


def mark(axes, center, radius, color=PEAK_COLOR):
    """A ring around (x, y), dark outside, so that it is seen on any picture."""
    from matplotlib.patches import Circle

    for edge, line in (("black", 3.6), (color, 2.0)):
        axes.add_patch(Circle(tuple(center), radius, fill=False, edgecolor=edge, linewidth=line))


def heat(values, top):
    """Values as RGB float `[h, w, 3]`, dark at 0 and light at `top`."""
    from matplotlib import colormaps

    scaled = np.clip(np.asarray(values, "float64") / (top if top > 0 else 1.0), 0, 1)
    return colormaps[MAP_COLORS](scaled)[..., :3]
