"""Surface, chords, ways, bottlenecks and lines where phases meet through the step of a recipe, with known answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from phase_volumes import BLUR, NAMES, channels, half_touching, noise, phases

from operando.errors import OperandoError
from operando.pipelines.steps import structure
from operando.pipelines.steps.bare_phases import bare
from operando.pipelines.steps.moved_thresholds import phases_of_each
from operando.pipelines.steps.phase_structure import MEASURES
from operando.tomo.layout import PROCESSED

EDGE = 0.5


@pytest.fixture(scope="module")
def found():
    """Return what is found in straight channels along z, 4 voxels thick and one 8 voxels, and in a second scan."""
    raw, known = phases(channels(), channels().transpose(1, 0, 2))
    return structure.structure(raw, known, quantities=tuple(MEASURES), dims=("z", "y"), max_lag=4.0)


def test_every_quantity_is_a_table_over_scans_axes_and_phases(found):
    about = {one.name: one for one in PROCESSED.variables}
    for name in structure._DIMS:
        if name.startswith("triple"):
            continue
        assert set(found[name].dims) == set(about[name].dims)
        assert found[name].attrs["units"] == about[name].units
        assert f"{name}_std" in found
        assert found[name].isel(phase=0).isnull().all() or name == "specific_surface_area"
    assert list(found["axis"].values) == ["z", "y", "x"]
    steps = [entry["step"] for entry in json.loads(found.attrs["history"])]
    assert steps[-6:] == [
        "tomo.surface_area",
        "tomo.chord_lengths",
        "tomo.geodesic_tortuosity",
        "tomo.constrictivity",
        "tomo.two_point_correlation",
        "tomo.rev",
    ]


def test_channels_are_as_thick_as_they_are_and_straight(found):
    electrolyte = found.sel(phase="electrolyte").isel(scan=0)
    # Between two ends along y: 4 voxels in all lines, 8 more in a third of them.
    mean = EDGE * (4 * 24 + 8 * 8) / (24 + 8)
    assert float(electrolyte["chord_length_mean"].sel(axis="y")) == pytest.approx(mean)
    assert float(electrolyte["tau_geodesic"].sel(axis="z")) == pytest.approx(1)
    assert np.isinf(electrolyte["tau_geodesic"].sel(axis="y"))
    assert np.isnan(electrolyte["tau_geodesic"].sel(axis="x"))
    assert float(electrolyte["constrictivity"].sel(axis="z")) == pytest.approx(1, abs=0.3)
    share = float((channels() == 200).mean())
    np.testing.assert_allclose(electrolyte["two_point"].sel(lag=0, axis=["z", "y"]), share, rtol=1e-12)
    np.testing.assert_allclose(electrolyte["two_point"].sel(axis="z"), share, rtol=1e-12)
    assert float(electrolyte["representative_size"]) > 12
    for name in ("chord_length_mean", "tau_geodesic", "constrictivity"):
        both = np.hypot(found[f"{name}_systematic"], np.nan_to_num(found[f"{name}_std"]))
        np.testing.assert_allclose(found[f"{name}_uncertainty"], both)


def test_the_second_scan_is_the_first_one_turned(found):
    first, second = (found["chord_length_mean"].isel(scan=scan).sel(phase="electrolyte") for scan in (0, 1))
    np.testing.assert_allclose(first.sel(axis="y"), second.sel(axis="z"))
    surface = found["specific_surface_area"]
    np.testing.assert_allclose(surface[0], surface[1], rtol=1e-6)


def test_a_face_has_its_surface_and_an_edge_where_three_phases_meet_its_length():
    """Blur and noise make specks and a film of electrolyte between particle and void, which are taken off."""
    raw, known = phases(half_touching())
    triple = ("void", "electrolyte", "particle")
    seen = structure.structure(raw, known, quantities=("surface",), triple=triple, smallest=1)
    assert float(seen["triple_phase_length"][0]) < 3
    found = structure.structure(raw, known, quantities=("surface",), triple=triple, blur=BLUR)
    error = float(found["triple_phase_length"][0]) - 39 * EDGE
    assert abs(error) < min(2, 2 * float(found["triple_phase_length_uncertainty"][0]))
    volume, face = (39 * EDGE) ** 3, (39 * EDGE) ** 2
    surface = found["specific_surface_area"].sel(phase="particle")[0]
    assert float(surface) == pytest.approx(face / volume, rel=0.01)
    assert found["triple_phase_length"].attrs["phases"] == "void, electrolyte, particle"
    assert "tau_geodesic" not in found


def test_lost_slices_do_not_break_chords_and_too_many_are_told():
    grey = channels()
    grey[[9, 10]] = 0
    raw, known = phases(grey, lost=[9, 10])
    found = structure.structure(raw, known, quantities=("geodesic",), dims=("z",))
    np.testing.assert_allclose(found["tau_geodesic"].sel(axis="z", phase="electrolyte"), 1)
    found = structure.structure(raw, known, quantities=("geodesic",), dims=("z",), most_lost=1)
    assert found["tau_geodesic"].isnull().all()


def test_the_systematic_is_what_moved_thresholds_change():
    raw, known = phases(noise(1), levels=[100.0, 200.0], names=["a", "b"])
    found = structure.structure(raw, known, quantities=("chords",), of="b", smallest=1)
    moved = [phases(noise(1) - move, levels=[100.0, 200.0], names=["a", "b"]) for move in (-10, 10)]
    low, high = (
        structure.structure(*one, quantities=("chords",), smallest=1)["chord_length_mean"].sel(phase="b")
        for one in moved
    )
    change = np.abs(high - low) / 2
    np.testing.assert_allclose(found["chord_length_mean_systematic"].sel(phase="b"), change, rtol=1e-6)
    assert found["chord_length_mean"].sel(phase="a").isnull().all()


def test_specks_become_what_is_around_them():
    grey = np.full((12, 12, 12), 200.0)
    grey[6:] = 900.0
    clean = grey.copy()
    grey[2, 2, 2:4], grey[9, 9, 9], grey[8:10, 2:4, 2:4] = 0.0, 200.0, 0.0
    clean[8:10, 2:4, 2:4] = 0.0
    raw, known = phases(grey)
    (one,) = phases_of_each("structure", raw, known)
    expected = np.digitize(clean, (150, 550)) + 1
    np.testing.assert_array_equal(bare(one, 0.0, 8), expected)
    assert bare(one, 0.0, 1) is one.labels


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"of": "glass"}, f"a phase among {', '.join(NAMES)}, got 'glass'"),
        ({"dims": ("z", "z")}, "different dims"),
        ({"quantities": ()}, "expected quantities"),
        ({"smallest": 0}, "no number below 0"),
        ({"blur": 2.0}, "a blur from 0 to 1 voxel"),
        ({"triple": ("void", "void", "particle"), "quantities": ()}, "three phases"),
    ],
)
def test_what_cannot_be_asked_is_refused(settings, said):
    with pytest.raises(OperandoError, match=said):
        structure.structure(*phases(channels()), **settings)
