"""Which reader a folder is for, by what lies in it."""

from keras_icnn.datasets._animal_part_published import is_published
from keras_icnn.datasets._files import existing_folder


def reader_name(path):
    """Name of the reader for a folder: `"animal_part"`, `"cub200"`, `"pascal_part"` or, where
    nothing says otherwise, `"folder"`.

    Raises:
        FileNotFoundError: When it is not a folder.
    """
    folder = existing_folder(path)
    if (folder / "annotations.csv").is_file() or is_published(folder):
        return "animal_part"
    if (folder / "bounding_boxes.txt").is_file() and (folder / "images.txt").is_file():
        return "cub200"
    if (folder / "Annotations_Part").is_dir() or any(folder.glob("*.mat")):
        return "pascal_part"
    return "folder"
