"""CSV files that are complete at every moment."""

import csv
import os
from pathlib import Path


def write_csv(path, rows):
    """Writes rows (dicts) as CSV; the file is replaced only once the new one is complete."""
    path = Path(path)
    header = list(dict.fromkeys(key for row in rows for key in row))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, header, restval="")
            writer.writeheader()
            writer.writerows(rows)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
