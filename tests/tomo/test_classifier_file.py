import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from phase_phantoms import blobs, by_grey, strokes

from operando.errors import FileError, OperandoError
from operando.pipelines.export import write_classifier
from operando.tomo import Features, PixelClassifier
from operando.tomo.classifier_file import signed

PHASES = blobs(24, 1, (0.5, 0.5))
GREY = by_grey(PHASES, 2, (20000, 30000), 0.7, 2000)
FEW = PixelClassifier(features=Features((1.0,), ("gaussian", "deviation")), trees=5, leaf=2, seed=8)
FITTED = FEW.fit(GREY, strokes(PHASES, 3, 5), {1: "electrolyte", 2: "NCM"})
CONTENT = FITTED.to_bytes()
FIRST = len(signed(b""))


def parts():
    end = CONTENT.index(b"\n", FIRST)
    return json.loads(CONTENT[FIRST:end]), CONTENT[end + 1 :]


def forged(header, body):
    """A file whose checksum is right, whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return signed(text + b"\n" + body)


def test_a_file_gives_back_the_classifier_to_the_last_bit(tmp_path):
    path = write_classifier(tmp_path / "phases.forest", FITTED)
    again = PixelClassifier.load(path)
    assert again.to_bytes() == CONTENT
    assert again.classes == {1: "electrolyte", 2: "NCM"}
    assert again.score == FITTED.score
    assert_array_equal(again.predict_proba(GREY), FITTED.predict_proba(GREY))
    assert again.predict(GREY).attrs == FITTED.predict(GREY).attrs
    assert_array_equal(again.fractions(GREY, draws=2)["fraction_std"], FITTED.fractions(GREY, draws=2)["fraction_std"])


def test_a_file_that_is_there_stays(tmp_path):
    path = tmp_path / "phases.forest"
    path.write_text("mine")
    with pytest.raises(OperandoError, match="expected no file here"):
        write_classifier(path, FITTED)
    assert path.read_text() == "mine"
    write_classifier(path, FITTED, overwrite=True)
    assert path.read_bytes() == CONTENT
    assert [one.name for one in tmp_path.iterdir()] == ["phases.forest"]


def test_what_is_not_fitted_is_not_written(tmp_path):
    with pytest.raises(OperandoError, match="fitted classifier"):
        write_classifier(tmp_path / "phases.forest", FEW)
    assert not list(tmp_path.iterdir())


def test_missing_and_foreign_files_are_named(tmp_path):
    with pytest.raises(FileError, match=r"none\.forest: expected a readable file, got No such file"):
        PixelClassifier.load(tmp_path / "none.forest")
    with pytest.raises(FileError, match="readable file"):
        PixelClassifier.load(tmp_path)
    for content in (b"", b"PK\x03\x04", pickle.dumps(print), b"operando pixel classifier 2 " + CONTENT[28:]):
        (tmp_path / "foreign.forest").write_bytes(content)
        with pytest.raises(FileError, match=r"foreign\.forest: expected 'operando pixel classifier 1'"):
            PixelClassifier.load(tmp_path / "foreign.forest")


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(CONTENT) - 1), bit=st.integers(0, 7))
def test_no_bit_can_be_turned_unnoticed(at, bit):
    damaged = bytearray(CONTENT)
    damaged[at] ^= 1 << bit
    with pytest.raises(FileError):
        PixelClassifier.from_bytes(bytes(damaged))


@settings(max_examples=30, deadline=None)
@given(length=st.integers(0, len(CONTENT) - 1))
def test_no_part_of_a_file_is_taken_for_the_whole(length):
    with pytest.raises(FileError):
        PixelClassifier.from_bytes(CONTENT[:length])


@pytest.mark.parametrize(
    "wrong",
    [
        {"nodes": 2**31},
        {"nodes": 2**70},
        {"nodes": -1},
        {"nodes": True},
        {"voxels": 10**9},
        {"trees": 4},
        {"trees": 10**9},
        {"seed": -1},
        {"leaf": 0},
        {"scales": [1e9]},
        {"scales": [float("nan")]},
        {"scales": "x"},
        {"scales": [1.0, 2.0]},
        {"families": ["texture"]},
        {"classes": [[1, "a"]]},
        {"classes": [[1, "a"], [1, "b"]]},
        {"classes": [[1, "a"], [300, "b"]]},
        {"classes": [[1, "a"], [2, "a"]]},
        {"classes": [[1, "a"], [2, "b c"]]},
        {"classes": {"1": "a"}},
        {"edges": [1, 1]},
        {"edges": [0, 1, 1]},
        {"edges": [1, 1, "inf"]},
        {"units": "pm"},
        {"units": []},
    ],
)
def test_parameters_that_cannot_be_are_refused_before_memory_is_taken(wrong):
    header, body = parts()
    with pytest.raises(FileError, match=r"classifier(, line 2)?: expected"):
        PixelClassifier.from_bytes(forged(header | wrong, body))


@pytest.mark.parametrize("header", [b"", b"[]", b"null", b"{", b"[" * 100000, b'{"trees": 1e999}', b"\xff\xfe"])
def test_second_lines_that_say_nothing_are_refused(header):
    with pytest.raises(FileError, match="line 2: expected the parameters of a classifier"):
        PixelClassifier.from_bytes(forged(header, parts()[1]))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_forged_arrays_are_refused_or_lead_nowhere_else(data):
    """Whatever a file with the right checksum says, applying it stays within its arrays and its classes."""
    header, body = parts()
    changed = bytearray(body)
    nodes = 4 * header["trees"] + 18 * header["nodes"]
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, nodes - 1))] = data.draw(st.integers(0, 255))
    try:
        found = PixelClassifier.from_bytes(forged(header, bytes(changed)))
    except FileError:
        return
    assert set(np.unique(found.predict(GREY))) <= {1, 2}
