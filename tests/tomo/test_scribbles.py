import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal

from operando.errors import OperandoError
from operando.tomo.scribbles import labelled, named

VOLUME = xr.DataArray(np.zeros((6, 7, 8)), dims=("z", "y", "x"), coords={"z": np.arange(6) + 0.5})
TABLE = np.array([[0, 1, 2, 1], [0, 2, 3, 1], [5, 6, 7, 1], [0, 1, 3, 9]])


def image():
    marks = np.zeros((6, 7, 8), np.uint8)
    marks[tuple(TABLE[:, :3].T)] = TABLE[:, 3]
    return marks


def test_tables_images_and_turned_images_say_the_same():
    turned = xr.DataArray(image(), dims=("z", "y", "x"), coords=VOLUME.coords).transpose("x", "z", "y")
    for marks in (TABLE, TABLE[::-1], np.concatenate([TABLE, TABLE[:2]]), image(), turned):
        found = labelled(marks, VOLUME)
        assert_array_equal(found.place, [[0, 1, 2], [0, 1, 3], [0, 2, 3], [5, 6, 7]])
        assert_array_equal(found.value, [1, 9, 1, 1])


def test_strokes_are_voxels_of_one_class_that_touch():
    stroke = labelled(TABLE, VOLUME).stroke
    assert stroke[0] == stroke[2]
    assert len(set(stroke)) == 3


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        (np.zeros((6, 7, 8), np.uint8), "two classes or more, got 0"),
        ((image() == 1).astype(np.int16), "two classes or more, got 1"),
        (image().astype(float), "whole numbers, got float64"),
        (image()[1:], r"the volume's shape \(6, 7, 8\)"),
        (image().astype(np.int64) * 30, "from 1 to 254"),
        (-image().astype(np.int64), "from 1 to 254"),
        (np.array([[0, 0, 8, 1], [0, 0, 0, 2]]), "within"),
        (np.array([[-1, 0, 0, 1], [0, 0, 0, 2]]), "within"),
        (np.array([[0, 1, 2, 1], [0, 1, 2, 2]]), r"one class a voxel, got two at \(0, 1, 2\)"),
        (xr.DataArray(image(), dims=("z", "y", "x"), coords={"z": np.arange(6) + 7.5}), "at the places of the volume"),
    ],
)
def test_scribbles_that_do_not_fit_are_refused(marks, said):
    with pytest.raises(OperandoError, match=said):
        labelled(marks, VOLUME)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({1: "void"}, "a name for each class"),
        ({1: "void", 9: "NCM", 3: "glue"}, "a name for each class"),
        ({1: "void", 9: "void"}, "different names"),
        ({1: "the void", 9: "NCM"}, "without spaces"),
    ],
)
def test_names_that_do_not_fit_are_refused(names, said):
    with pytest.raises(OperandoError, match=said):
        named(np.array([1, 9], np.uint8), names)
