"""Files that are complete at every moment."""

import contextlib
import errno
import glob
import hashlib
import os
from pathlib import Path

# A full disk, a quota, a limit on the size of files.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_KEPT = "An earlier file of this name is as it was. Free some space, then repeat"


@contextlib.contextmanager
def replacing(path):
    """Gives a temporary name beside `path` to write to, and renames it once all is written.

    Whatever happens in between (an error, a full disk, the process killed), `path` holds what it
    held before. The temporary name has the same extension, for writers that go by it.

    ```python
    with replacing("results.csv") as temporary:
        temporary.write_text(...)
    ```

    Args:
        path: the file; its folder must exist.

    Raises:
        OSError: naming `path`, when it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        try:
            yield temporary
            # Renamed before its content is on the disk, a file could be empty after a power cut.
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno is None:  # NumPy's, where a disk is full
            raise OSError(f"'{path}' could not be written ({error}). {_KEPT}") from error
        reason = os.strerror(error.errno)
        if error.errno in NO_ROOM:
            reason += f". {_KEPT}"
        raise OSError(error.errno, reason, str(path)) from error


def file_name(text):
    """A text that comes from data as a part of a file's name: no separators, not too long."""
    safe = "".join(c if c.isalnum() or c in " +-_.()" else "_" for c in text).strip(". ")
    if safe == text and len(text) <= 80:
        return text
    # Different texts stay different.
    return f"{safe[:60]}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"


def remove_leftovers(folder):
    """Removes temporary files of processes that were killed, in a folder and those below it.

    Only for folders that no other process writes to.
    """
    _remove(Path(folder).rglob(".*.[0-9]*.tmp*"))


def remove_leftovers_of(path):
    """Removes temporary files of one file; only where no other process writes to it."""
    path = Path(path)
    _remove(path.parent.glob(f".{glob.escape(path.stem)}.[0-9]*.tmp{glob.escape(path.suffix)}"))


def _remove(files):
    for file in files:
        if file.is_file():
            file.unlink(missing_ok=True)
