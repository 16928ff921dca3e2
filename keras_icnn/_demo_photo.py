"""A page about one photograph, by the trained network that comes with the package."""

from pathlib import Path


def write_photo_page(photo, out):
    """Explains a photograph and writes what was found.

    Args:
        photo: path of an image.
        out: folder; `photo.html` and `photo.png` go into it.

    Returns:
        The paths of the two files.

    Raises:
        OSError: for an image that cannot be read.
        ImportError: without Jinja2 and matplotlib (the extras `report` and `plot`).
    """
    import numpy as np

    from keras_icnn import datasets, zoo
    from keras_icnn.datasets._image_files import read_image
    from keras_icnn.explanations import explain
    from keras_icnn.visualize import report

    model = zoo.create_model("mobilenet_v2_interpretable", weights="animals")
    image = read_image(photo, tuple(model.inputs[0].shape[1:3]))
    explanation = explain(model, image)
    print(explanation.summary())
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    explanation.plot(path=out / "photo.png")
    label = int(np.argmax(model.predict(image[None].astype("float32"), verbose=0)[0]))
    shown = datasets.from_arrays(image[None], [label], class_names=model.class_names)
    page = report(model, shown, out / "photo.html", title=Path(photo).name)
    print(f"\nPage:    {page}\nPicture: {out / 'photo.png'}")
    return page, out / "photo.png"
