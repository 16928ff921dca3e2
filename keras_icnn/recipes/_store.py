"""A table of results on disk that is complete at every moment."""

import csv
from pathlib import Path

from keras_icnn._files.csv_file import write_csv


class Results:
    """Rows of a CSV file, found again by some of their columns.

    Args:
        path: the file; read if it exists.
        keys: columns that identify a row.
    """

    def __init__(self, path, keys):
        self.path = Path(path)
        self._keys = tuple(keys)
        self.rows = []
        if self.path.exists():
            try:
                with self.path.open(newline="", encoding="utf-8") as file:
                    self.rows = list(csv.DictReader(file))
                # Cells without a heading, headings without a cell.
                damaged = any(None in row or None in row.values() for row in self.rows)
            except (UnicodeDecodeError, csv.Error):
                damaged = True
            if damaged:
                raise ValueError(
                    f"'{self.path}' is damaged: not a table in UTF-8 with as many cells in each "
                    "line. Restore it, or move it away to begin anew."
                )
            missing = [k for k in self._keys if self.rows and k not in self.rows[0]]
            if missing:
                raise ValueError(
                    f"'{self.path}' is not a table of results: it lacks the columns {missing}. "
                    "Choose another --out folder."
                )

    def find_all(self, **key):
        """The rows with these values."""
        wanted = {name: str(value) for name, value in key.items()}
        return [
            row
            for row in self.rows
            if all(str(row.get(name)) == value for name, value in wanted.items())
        ]

    def add(self, *rows):
        """Adds rows and writes the file, all or none of them."""
        self.rows.extend(rows)
        write_csv(self.path, self.rows)
