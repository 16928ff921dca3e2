"""Files that are replaced in one step, also when the disk is full or the writer is killed."""

import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_icnn._files.csv_file import write_csv
from keras_icnn._files.whole_file import file_name, remove_leftovers, remove_leftovers_of, replacing


def test_a_file_is_replaced_once_it_is_complete(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".csv"
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt()])
def test_an_error_leaves_the_file_as_it_was(tmp_path, error):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(type(error)), replacing(path) as temporary:
        temporary.write_text("ne")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_errors_name_the_file_and_not_the_temporary_one(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_csv(tmp_path / "none" / "a.csv", [{"a": 1}])
    assert error.value.filename == str(tmp_path / "none" / "a.csv")


@pytest.mark.parametrize(
    "full",
    [OSError(errno.ENOSPC, "No space left on device"), OSError("4096 requested and 0 written")],
)
def test_a_full_disk_says_that_nothing_was_lost(tmp_path, full):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(3))
    with pytest.raises(OSError, match=r"as it was.*Free some space") as error, replacing(path):
        raise full
    assert str(path) in str(error.value)
    assert np.load(path).tolist() == [0, 1, 2]


WRITE = """
import sys
from keras_icnn._files.csv_file import write_csv
rows = [{"n": i, "text": "x" * 200} for i in range(20_000)]
while True:
    write_csv(sys.argv[1], rows)
"""


def test_a_killed_writer_leaves_a_whole_file_and_its_leftovers_go(tmp_path):
    path = tmp_path / "deep" / "a.csv"
    path.parent.mkdir()
    for wait in (0.1, 0.17, 0.25):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE, path],
        )
        try:
            while not path.exists():
                time.sleep(0.01)
            time.sleep(wait)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        assert len(path.read_text().splitlines()) == 20_001
    (path.parent / ".a.123.tmp.csv").write_text("left")
    (path.parent / ".b.123.tmp.csv").write_text("left")
    remove_leftovers_of(path)
    assert sorted(os.listdir(path.parent)) == [".b.123.tmp.csv", "a.csv"]
    (path.parent / ".a.csv").write_text("the user's")
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(path.parent)) == [".a.csv", "a.csv"]


@pytest.mark.parametrize(
    "text", ["../../up", "a/b", "..", "", "a\0b", "C:\\x", "\udc80", "x" * 300, "n\nn", ".hidden"]
)
def test_texts_from_data_name_files_of_their_folder_only(tmp_path, text):
    name = file_name(text)
    (tmp_path / f"{name}.csv").write_text("x")
    assert os.listdir(tmp_path) == [f"{name}.csv"]
    assert name != file_name(text + "x")
    assert file_name("domestic_cat") == "domestic_cat"
    assert file_name("chien (noir)+âne") == "chien (noir)+âne"
