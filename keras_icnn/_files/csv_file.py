"""CSV files that are complete at every moment."""

import csv

from keras_icnn._files.whole_file import replacing


def write_csv(path, rows):
    """Writes rows (dicts) as CSV; the file is replaced only once the new one is complete."""
    header = list(dict.fromkeys(key for row in rows for key in row))
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        writer.writerows(rows)
