"""Names of parts in a saved model: changed in the file, everything else in it stays as it is."""

import json
import shutil
import zipfile

from keras_icnn._files.whole_file import replacing

_CONFIG = "config.json"
# Larger members need the wider fields of the format.
_LARGE = 1 << 31


def write_part_names(path, names, out):
    """Writes a copy of a `.keras` file with other names of parts.

    Weights, the optimizer's state and what the model was compiled with are copied as they are. The
    file appears when it is complete; `out` may be `path`.

    Args:
        path: the `.keras` file of an `InterpretableModel`.
        names: dict of key to name, all of the model's names.
        out: file to write.

    Raises:
        OSError: when it cannot be written.
    """
    with zipfile.ZipFile(path) as saved:
        config = json.loads(saved.read(_CONFIG))
        config["config"].pop("part_names", None)
        if names:
            config["config"]["part_names"] = names
        with replacing(out) as temporary, zipfile.ZipFile(temporary, "w") as written:
            for member in saved.infolist():
                if member.filename == _CONFIG:
                    written.writestr(member, json.dumps(config))
                    continue
                with (
                    saved.open(member) as source,
                    written.open(member, "w", force_zip64=member.file_size >= _LARGE) as target,
                ):
                    shutil.copyfileobj(source, target)
