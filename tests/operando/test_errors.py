"""An error is one line that names the thing, what was expected, what came and what to do."""

import pickle
from pathlib import Path

import pytest

from operando import errors, units
from operando.errors import FileError, OperandoError, RecipeError, file_named


def test_a_file_error_is_one_line_with_file_place_expectation_finding_and_remedy():
    error = FileError("a.mpt", "a number", "'x\ny'", place="line 7", remedy="export again")
    assert str(error) == "a.mpt, line 7: expected a number, got 'x y'; export again"


def test_a_file_error_without_place_or_remedy_has_no_empty_parts():
    assert str(FileError("a.mpt", "data", "nothing")) == "a.mpt: expected data, got nothing"


def test_what_a_file_holds_neither_floods_nor_steers_the_terminal():
    error = FileError("a.mpt", "a number", repr("x" * 10**6) + "\x1b[2J\x00\u202e", place="line 7\x1b]0;title\x07")
    assert len(str(error)) < 1500
    assert str(error).isprintable()
    assert "\\x1b[2J\\x00\\u202e" in str(error)


def test_a_recipe_error_keeps_every_problem():
    error = RecipeError(["one", "two"])
    assert error.problems == ["one", "two"]
    assert str(error).splitlines() == ["one", "two"]


@pytest.mark.parametrize(
    "error", [FileError("a", "b", "c", place="d", remedy="e"), RecipeError(["x"]), errors.ClockError("no zone")]
)
def test_errors_survive_the_way_between_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert isinstance(again, OperandoError)


def test_an_error_without_a_file_gets_its_name_and_others_stay_as_they_are(tmp_path):
    path = tmp_path / "scan.h5"
    with pytest.raises(OperandoError, match=r"scan\.h5: unknown unit 'foo'"), file_named(path):
        units.parse("foo")
    for bare in ("foo", "unknown", "."):
        with pytest.raises(OperandoError) as raised, file_named(Path(bare)):
            units.parse("foo")
        assert str(raised.value).startswith(f"{Path(bare)}: unknown unit")
    named = OperandoError(f"{path}: units.energy: unknown")
    for error in (named, FileError("other.tif", "an image", "none"), RecipeError(["series: nothing"]), KeyError("a")):
        with pytest.raises(type(error)) as raised, file_named(path):
            raise error
        assert raised.value is error
