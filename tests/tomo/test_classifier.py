import json
import warnings

import distributed
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from phase_phantoms import blobs, by_grey, by_texture, strokes

from operando.errors import OperandoError, OperandoWarning
from operando.tomo import Features, PixelClassifier

NAMES = {1: "void", 2: "electrolyte", 3: "NCM"}
PAIR = PixelClassifier(features=Features(scales=(1, 2)), trees=30)


def placed(grey, edge=0.65):
    places = {axis: (axis, (np.arange(size) + 0.5) * edge) for axis, size in zip("zyx", grey.shape, strict=True)}
    return xr.DataArray(grey, dims=("z", "y", "x"), coords=places, name="grey", attrs={"units": "1"})


@pytest.fixture(scope="module")
def phases():
    return blobs(56, 1, (0.3, 0.4, 0.3), 5)


@pytest.fixture(scope="module")
def grey(phases):
    return placed(by_grey(phases, 2, (20000, 28000, 36000), 1.0, 5000))


@pytest.fixture(scope="module")
def marks(phases):
    return strokes(phases, 3, 8)


@pytest.fixture(scope="module")
def fitted(grey, marks):
    return PAIR.fit(grey, marks, NAMES)


def test_noisy_phases_are_told_apart_where_no_threshold_can(fitted, grey, phases):
    """Noise of 5/8 of the contrast: the best two thresholds are right in 3 voxels of 5."""
    found = fitted.predict(grey)
    best = (1 + np.digitize(grey, [24000, 32000]) == phases).mean()
    assert best < 0.72
    assert (found == phases).mean() > 0.9
    assert found.dtype == np.uint8
    assert found.attrs["flag_values"] == [0, 1, 2, 3]
    assert found.attrs["flag_meanings"] == "unclassified void electrolyte NCM"


def test_textures_of_one_grey_level_are_told_apart():
    phases = blobs(56, 4, (0.5, 0.5), 6)
    grey = by_texture(phases, 5)
    found = PAIR.fit(grey, strokes(phases, 6, 8)).predict(grey)
    thresholds = [((grey > level) + 1 == phases).mean() for level in np.linspace(700, 1300, 31)]
    assert max(*thresholds, 1 - min(thresholds)) < 0.55
    assert (found == phases).mean() > 0.93


def test_probabilities_sum_to_one_and_the_largest_is_the_class(fitted, grey):
    found = fitted.predict_proba(grey)
    assert found.dims == ("phase", "z", "y", "x")
    assert found.dtype == np.float32
    assert_allclose(found.sum("phase"), 1, atol=1e-6)
    assert_array_equal(1 + found.argmax("phase"), fitted.predict(grey))
    assert found.phase.values.tolist() == list(NAMES.values())


@pytest.mark.peer
def test_probabilities_are_those_of_scikit_learn_on_the_same_features(fitted, grey):
    from sklearn.ensemble import RandomForestClassifier

    given = fitted.trained.sample
    theirs = RandomForestClassifier(30, min_samples_leaf=5, class_weight="balanced", random_state=0)
    theirs.fit(given.values, given.kind)
    stack = fitted.features.stack(np.ascontiguousarray(grey[10:50, 10:50, 10:50], dtype=np.float32))
    inner = slice(10 + fitted.features.margin, 50 - fitted.features.margin)
    expected = theirs.predict_proba(stack.reshape(len(stack), -1).T)
    assert_allclose(fitted.predict_proba(grey)[:, inner, inner, inner].values.reshape(3, -1).T, expected, atol=1e-6)


@pytest.mark.parametrize("chunks", [{"z": 56, "y": 56, "x": 56}, {"z": 19, "y": 56, "x": 30}, {"x": 5}])
def test_chunks_change_no_bit(fitted, grey, chunks):
    lazy = fitted.predict_proba(grey.chunk(chunks))
    assert lazy.chunks is not None
    assert_array_equal(lazy, fitted.predict_proba(grey))
    assert_array_equal(fitted.predict(grey.chunk(chunks)), fitted.predict(grey))


def test_series_and_turned_volumes_give_what_single_ones_give(fitted, grey):
    series = xr.concat([grey, grey[::-1].assign_coords(z=grey.z)], "scan")
    found = fitted.predict(series.transpose("x", "y", "scan", "z").chunk(scan=1))
    assert found.dims == ("scan", "z", "y", "x")
    assert_array_equal(found[0], fitted.predict(grey))
    thin = series.isel(z=slice(9))
    assert fitted.predict_proba(thin).dims == ("scan", "phase", "z", "y", "x")
    assert_array_equal(fitted.predict(thin.chunk(z=4)), fitted.predict(thin))


def test_only_the_surroundings_of_scribbles_are_read(grey, marks, fitted):
    read = set()

    def noted(block, block_info=None):
        read.add(tuple(block_info[0]["chunk-location"]) if block_info else ())
        return block

    few = np.argwhere(marks[:, :, :20])
    table = np.column_stack([few, marks[tuple(few.T)]])
    lazy = grey.chunk(z=28, y=28, x=28)
    watched = lazy.copy(data=lazy.data.map_blocks(noted, dtype=grey.dtype, meta=np.empty((0,) * 3, grey.dtype)))
    near = PixelClassifier(features=Features((1.0,)), trees=5).fit(watched, table)
    assert near.trained is not None
    assert read == {(z, y, 0) for z in range(2) for y in range(2)}
    assert_array_equal(PAIR.fit(lazy, marks, NAMES).trained.sample.values, fitted.trained.sample.values)


def test_the_seed_says_all(fitted, grey, marks):
    assert PAIR.fit(grey, marks, NAMES).to_bytes() == fitted.to_bytes()
    other = PixelClassifier(features=PAIR.features, trees=30, seed=1).fit(grey, marks, NAMES)
    assert not np.array_equal(other.predict_proba(grey), fitted.predict_proba(grey))


def test_fractions_are_within_their_error_by_the_scribbles(fitted, grey, phases):
    found = fitted.fractions(grey, draws=8)
    true = np.bincount(phases.ravel())[1:] / phases.size
    assert found["fraction"].dims == ("phase",)
    assert_allclose(found["fraction"].sum(), 1)
    assert_allclose(found["fraction"], np.bincount(fitted.predict(grey).values.ravel())[1:] / grey.size)
    assert np.all(np.abs(found["fraction"] - true) < 3.3 * found["fraction_std"] + 0.01)
    assert np.all((found["fraction_std"] > 1e-4) & (found["fraction_std"] < 0.2))
    assert json.loads(found.attrs["history"])[-1]["parameters"]["draws"] == 8
    assert "fraction_std" not in fitted.fractions(grey.chunk(z=30), draws=0)


def test_voxels_left_out_are_told_right_as_often_as_others(fitted, grey, phases):
    elsewhere = (fitted.predict(grey) == phases).mean()
    assert elsewhere - 0.05 < fitted.score <= 1
    assert_allclose(fitted.importances.sum(), 1, rtol=1e-5)
    table = fitted.reliability(5)
    assert table["count"].sum() == 3 * len(fitted.trained.sample.kind)
    assert table["observed"][0] < 0.1
    assert table["observed"][-1] > 0.9


def test_nothing_is_said_near_voxels_that_are_not_finite(fitted, grey):
    spoilt = grey.astype(np.float32).copy()
    spoilt[50, 50, 50] = np.nan
    found, share = fitted.predict(spoilt), fitted.predict_proba(spoilt)
    assert found[50, 50, 50] == 0
    assert_array_equal(np.isnan(share).any("phase"), found == 0)
    assert_array_equal(found.where(found > 0, fitted.predict(grey)), fitted.predict(grey))


def test_voxels_of_another_size_are_told(fitted, grey):
    with pytest.warns(OperandoWarning, match=r"fitted on voxels of 0\.65 x 0\.65 x 0\.65 um, applied to 1\.3"):
        fitted.predict(placed(grey.values, 1.3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.predict(placed(grey.values, 0.6501))


def test_what_cannot_be_is_refused(fitted, grey, marks):
    with pytest.raises(OperandoError, match=r"use what \.fit\(\.\.\.\) returns"):
        PAIR.predict(grey)
    with pytest.raises(OperandoError, match=r"one volume, got the dims \('scan',\)"):
        PAIR.fit(grey.expand_dims("scan"), marks)
    with pytest.raises(OperandoError, match="2 draws or more"):
        fitted.fractions(grey, draws=1)
    with pytest.raises(OperandoError, match="finite grey levels around every labelled voxel"):
        PAIR.fit(grey.where(grey.z > 9), marks)
    for wrong in ({"trees": 0}, {"leaf": 0}, {"seed": -1}):
        with pytest.raises(OperandoError, match="expected 1 to 10000 trees"):
            PixelClassifier(**wrong)


def test_fitting_without_scikit_learn_says_how_to_get_it(grey, marks, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.ensemble", None)
    with pytest.raises(OperandoError, match=r"pip install 'operando\[tomo\]'"):
        PAIR.fit(grey, marks)


def test_other_processes_give_the_same_numbers(fitted, grey):
    lazy = grey.chunk(z=30, y=56, x=56)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster,
        distributed.Client(cluster),
    ):
        assert_array_equal(fitted.predict_proba(lazy), fitted.predict_proba(grey))
        assert_array_equal(fitted.predict(lazy), fitted.predict(grey))
