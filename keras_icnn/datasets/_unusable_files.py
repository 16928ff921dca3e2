"""What happens to input that cannot be used: an error, or a skip that is counted and reported."""

import contextlib
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from keras_icnn import _arguments as check
from keras_icnn.datasets._image_files import read_image

_POLICIES = ("raise", "skip")
_THREADS = 4
# Of a damaged image, in its error; where such files are listed it need not be repeated.
_ADVICE = "Restore the file from its source, or remove it from the data set."


class Skipped(NamedTuple):
    """Something a reader left out: the file it came from, and why."""

    file: str
    reason: str


class ErrorPolicy:
    """Collects what a reader leaves out.

    Args:
        on_error: `"raise"`: the first unusable input raises its error. `"skip"`: it is left out,
            listed in `left_out` and counted in one warning (`report`).
        where: The reader, for the error.

    Raises:
        ValueError: For another `on_error`.
    """

    def __init__(self, on_error, where):
        fix = "Use 'raise' to stop at the first unusable file."
        on_error = check.choice(on_error, "on_error", where, _POLICIES, fix=fix)
        self.skips = on_error == "skip"
        self.left_out = []
        self._errors = []

    @contextlib.contextmanager
    def tolerate(self, file):
        """Around the work on one file: under `"skip"` its errors end the work quietly."""
        try:
            yield
        except (OSError, ValueError) as error:
            if not self.skips:
                raise
            self.skip(file, str(error))

    def skip(self, file, reason):
        """Lists something that cannot be used, under `"skip"`; `report` counts it."""
        self._errors.append(Skipped(str(file), reason))
        self.left_out.append(self._errors[-1])

    def leave_out(self, file, reason):
        """Lists something that the protocol leaves out: no error, and no warning."""
        self.left_out.append(Skipped(str(file), reason))

    def readable(self, files):
        """Whether each of the images can be used: all of them, unless errors are skipped.

        Damage inside an image shows only when it is decoded; under `"skip"` every image is
        decoded here once, because a data set's length cannot change later.
        """
        if not self.skips:
            return [True] * len(files)
        # A file comes repeatedly where it shows several objects.
        unique = list(dict.fromkeys(files))
        with ThreadPoolExecutor(_THREADS) as pool:
            verdicts = list(progress(pool.map(_problem, unique), unique, "checking images"))
        problems = {}
        for file, problem in zip(unique, verdicts, strict=True):
            if problem is not None:
                problems[file] = problem
                self.skip(file, problem)
        return [file not in problems for file in files]

    def report(self, path):
        """Warns once, with the number of files left out for errors."""
        if self._errors:
            warnings.warn(
                f"'{path}': {len(self._errors)} times something could not be used and was "
                f"skipped, first: {self._errors[0].reason} All are in `.skipped` of what the "
                "reader returned.",
                stacklevel=3,
            )


def summary_of(skipped, shown=3):
    """What was left out, as lines: files with the same reason together.

    Args:
        skipped: list of `Skipped`.
        shown: how many files of a reason are named.
    """
    groups = {}
    for file, reason in skipped:
        text = reason.replace(f"The image '{file}' ", "it ").removesuffix(_ADVICE).rstrip(". ")
        groups.setdefault(text, []).append(file)
    lines = []
    for text, files in sorted(groups.items(), key=lambda group: -len(group[1])):
        names = ", ".join(_short(file) for file in files[:shown])
        more = f" and {len(files) - shown} more" if len(files) > shown else ""
        lines.append(f"  {len(files)} x {text}: {names}{more}")
    return lines


def _short(file):
    """A file's name and its folder."""
    return "/".join(file.replace("\\", "/").split("/")[-2:])


def _problem(file):
    try:
        read_image(file)
    except OSError as error:
        return str(error)
    return None


def progress(items, like, what):
    """`items` with a progress bar (as many as `like`) that appears only when it takes long."""
    from tqdm import tqdm

    return tqdm(items, desc=what, total=len(like), delay=2, leave=False)
