"""A reader gets the settings that it has, all that it needs, and no others."""

import pytest

from operando import cyclers
from operando.cyclers import FORMATS
from operando.errors import FileError, OperandoError
from operando.reading import read_as


def test_settings_that_are_lacking_or_unknown_are_told_with_the_file(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("time,voltage\n0,3.1\n1,3.2\n2,3.3\n", encoding="utf-8")
    with pytest.raises(FileError, match=r"log\.csv: expected settings columns of reader 'columns', got none for col"):
        cyclers.read(path, reader="columns")
    with pytest.raises(OperandoError, match=r"log\.csv: reader 'columns' has no setting 'colums'"):
        cyclers.read(path, reader="columns", colums={})
    with pytest.raises(OperandoError, match="reader 'columns' has no setting 'path'"):
        read_as(FORMATS, path, "columns", None, {"path": "a"})
