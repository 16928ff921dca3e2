"""Executes the notebooks in their full setting and keeps what they show, made small.

    python tests/renew_notebooks.py [quick_start ...] [--sources]

`--sources` runs nothing: the text and code of the script are taken, and outputs of cells whose code
is as it was stay. Each notebook is written anew from its script. Text and figures stay.
Figures become palette images of at most 900 pixels. Progress bars, warnings and paths go.
"""

import argparse
import base64
import io
import os
import re
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
WIDTH = 900
# Longer text is cut in the middle.
LINES = 60
# Tells a reader nothing but an address.
_OBJECT = re.compile(r"<\S+ at 0x[0-9a-f]+>")
# TensorFlow's own log, which a notebook shows as text.
_LOG = re.compile(r"^(INFO|WARNING):tensorflow:.*\n?", re.MULTILINE)
_CONTROL = re.compile(r"\x1b\[[0-9;]*m|.*\r(?!\n)|.*\x08")


def smaller(png):
    """A PNG in base64, as a palette image of at most `WIDTH` pixels."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)))
    out = io.BytesIO()
    image.quantize(128).save(out, format="PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def readable(text, hidden=()):
    """Text without progress bars and escape codes, paths of this machine shortened."""
    for path in hidden:
        text = text.replace(str(path) + os.sep, "").replace(str(path), ".")
    text = _LOG.sub("", text)
    lines = [_CONTROL.sub("", line) for line in text.split("\n")]
    if len(lines) > LINES:
        lines = [*lines[: LINES // 2], "...", *lines[-LINES // 2 :]]
    return "\n".join(lines)


def kept(output, hidden=()):
    """An output as it is kept, or None."""
    if output.output_type == "stream":
        if output.name == "stderr":
            return None
        text = readable(output.text, hidden)
        return nbformat.v4.new_output("stream", name="stdout", text=text) if text.strip() else None
    if output.output_type not in ("display_data", "execute_result"):
        return None
    data = dict(output.data)
    if set(data) == {"text/plain"} and _OBJECT.fullmatch(data["text/plain"]):
        return None
    if "image/png" in data:
        data = {"image/png": smaller(data["image/png"]), "text/plain": "a figure"}
    else:
        data = {"text/plain": readable(data.get("text/plain", ""), hidden)}
    output.data, output.metadata = data, {}
    return output


def shown(outputs, hidden=()):
    """The outputs of a cell as they are kept; what was printed in pieces is one text."""
    found = []
    for output in outputs:
        output = kept(output, hidden)
        if output is None:
            continue
        if found and output.output_type == found[-1].output_type == "stream":
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def renew(script):
    """Writes a notebook anew from its script, with the outputs of a run."""
    book = jupytext.read(script)
    book.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3"})
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(book, timeout=3600, resources={"metadata": {"path": folder}})
        client.execute()
        hidden = (folder, FOLDER.parent, tempfile.gettempdir(), Path.home())
        for cell in book.cells:
            if cell.cell_type == "code":
                cell.metadata.pop("execution", None)
                cell.outputs = shown(cell.outputs, hidden)
    target = script.with_suffix(".ipynb")
    # What is not the run's stays: identifiers of cells, so that differences are small.
    if target.exists():
        before = nbformat.read(target, as_version=4)
        for cell, old in zip(book.cells, before.cells, strict=False):
            cell.id = old.id
        book.metadata = before.metadata
    nbformat.validate(book)
    nbformat.write(book, target)
    print(f"{target.name}: {target.stat().st_size / 1e3:.0f} kB", flush=True)


def take_sources(script):
    """Writes the text and code of a script into its notebook, whose outputs stay where they can."""
    target = script.with_suffix(".ipynb")
    book, before = jupytext.read(script), nbformat.read(target, as_version=4)
    known = {cell.source: cell for cell in before.cells if cell.cell_type == "code"}
    for number, cell in enumerate(book.cells):
        if cell.cell_type == "code" and cell.source in known:
            old = known[cell.source]
            cell.outputs, cell.execution_count = old.outputs, old.execution_count
        if number < len(before.cells):
            cell.id = before.cells[number].id
    book.metadata = before.metadata
    nbformat.write(book, target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="notebooks to renew, all by default")
    parser.add_argument("--sources", action="store_true", help="take text and code, run nothing")
    given = parser.parse_args()
    scripts = {path.stem: path for path in sorted(FOLDER.glob("*.py"))}
    for name in given.names or scripts:
        (take_sources if given.sources else renew)(scripts[name])


if __name__ == "__main__":
    main()
