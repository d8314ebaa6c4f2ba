"""Tortuosity factors and contact areas through the steps of a recipe, where the answer is known."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from phase_volumes import BLUR, NAMES, channels, half_touching, noise, phases

from operando import tomo
from operando.errors import OperandoError
from operando.pipelines.steps import contacts, transport


def test_straight_channels_have_a_factor_of_1_and_lead_nowhere_else():
    found = transport.tortuosity(*phases(channels()))
    share = (channels() == 200).mean()
    np.testing.assert_allclose(found["tortuosity_factor"][0, 0], 1, atol=1e-6)
    np.testing.assert_allclose(found["effective_diffusivity"][0, 0], share, rtol=1e-6)
    np.testing.assert_allclose(found["volume_fraction"], share)
    assert float(found["tortuosity_factor_uncertainty"][0, 0]) < 1e-6
    assert np.isinf(found["tortuosity_factor"][0, 1])
    assert found["percolating"].values.tolist() == [[True, False, True]]
    assert found["tortuosity_reason"].values[0].tolist() == [
        "",
        "no path leads from the first to the last face along y",
        "",
    ]
    assert np.isnan(found["tortuosity_factor_uncertainty"][0, 1])


def test_slices_that_were_lost_do_not_block_the_way_and_too_many_are_told():
    grey = channels()
    grey[[0, 9, 10]] = 0
    found = transport.tortuosity(*phases(grey, lost=[0, 9, 10]), dims=("z",))
    np.testing.assert_allclose(found["tortuosity_factor"][0, 0], 1, atol=1e-6)
    assert found["tortuosity_reason"].values[0].tolist() == ["", "not asked for", "not asked for"]
    found = transport.tortuosity(*phases(grey, lost=[0, 9, 10]), dims=("z",), most_lost=1)
    assert np.isnan(found["tortuosity_factor"][0, 0])
    assert found["tortuosity_reason"].values[0, 0] == "2 slices in a row are lost"


def test_the_systematic_is_what_moved_thresholds_change_and_the_spread_that_of_volumes():
    raw, known = phases(*(noise(seed) for seed in range(8)), levels=[100.0, 200.0], names=["a", "b"])
    found = transport.tortuosity(raw, known, of="b", dims=("z",))
    low, high = (tomo.tortuosity(raw["grey"][0].drop_vars("frame_flag") > 150 + move, "z") for move in (-10, 10))
    change = (high["tortuosity_factor"] - low["tortuosity_factor"]) / 2
    np.testing.assert_allclose(found["tortuosity_factor_systematic"][0, 0], change, rtol=0.02)
    factor, stated = found["tortuosity_factor"][:, 0], found["tortuosity_factor_std"][:, 0]
    # Of 8 volumes the scatter is known to a quarter of it, and so is each stated one from 8 parts of a volume.
    assert 0.5 < float(np.sqrt((stated**2).mean())) / float(factor.std(ddof=1)) < 2
    both = np.hypot(found["tortuosity_factor_systematic"], found["tortuosity_factor_std"])
    np.testing.assert_allclose(found["tortuosity_factor_uncertainty"], both)


def test_phases_conduct_as_well_as_the_recipe_says():
    grey = np.full((12, 12, 12), 200.0)
    grey[:, :6] = 900.0
    found = transport.tortuosity(*phases(grey), conductivities={"electrolyte": 1.0, "particle": 3.0}, subvolumes=0)
    np.testing.assert_allclose(found["effective_diffusivity"][0], [2, 1.5, 2], rtol=1e-5)
    np.testing.assert_allclose(found["tortuosity_factor"][0], [1, 4 / 3, 1], rtol=1e-5)
    assert np.isnan(found["tortuosity_factor_std"]).all()
    alone = transport.tortuosity(*phases(grey), conductivities={"particle": 3.0}, dims=("z",))
    np.testing.assert_allclose(alone["effective_diffusivity"][0, 0], 1.5, rtol=1e-5)


def test_what_conducts_everywhere_hinders_nothing_and_depends_on_no_threshold():
    found = transport.tortuosity(*phases(channels()), of=NAMES)
    np.testing.assert_allclose(found["tortuosity_factor"], 1, atol=1e-6)
    np.testing.assert_allclose(found["tortuosity_factor_systematic"], 0)


def test_contact_is_not_what_the_blur_between_particle_and_void_makes_of_it():
    raw, known = phases(half_touching())
    seen = contacts.contact(raw, known, a="particle", b="electrolyte")
    assert float(seen["contact_share"][0]) > 0.98
    found = contacts.contact(raw, known, a="particle", b="electrolyte", blur=BLUR)
    error = float(found["contact_share"][0]) - 0.5
    assert abs(error) < min(0.05, 2 * float(found["contact_share_uncertainty"][0]))
    assert float(found["surface_area"][0]) == pytest.approx((39 * 0.5) ** 2, rel=0.01)
    assert float(found["contact_area"][0]) == pytest.approx((39 * 0.5) ** 2 / 2, rel=0.1)
    for name in ("contact_area", "surface_area", "contact_share"):
        both = np.hypot(found[f"{name}_std"], found[f"{name}_systematic"])
        np.testing.assert_allclose(found[f"{name}_uncertainty"], both)


@pytest.mark.parametrize(
    ("step", "settings", "said"),
    [
        (transport.tortuosity, {"of": "glass"}, "a phase among void, electrolyte, particle, got 'glass'"),
        (transport.tortuosity, {"dims": ("z", "z")}, "different dims"),
        (transport.tortuosity, {"conductivities": {"void": -1.0}}, "phases that conduct"),
        (transport.tortuosity, {"subvolumes": 1}, "2 subvolumes or more"),
        (contacts.contact, {"a": "glass", "b": "void"}, "a phase among"),
        (contacts.contact, {"a": "particle", "b": "particle"}, "two phases"),
        (contacts.contact, {"a": "particle", "b": "void", "blur": -1.0}, "a blur from 0"),
    ],
)
def test_what_cannot_be_asked_is_refused(step, settings, said):
    with pytest.raises(OperandoError, match=said):
        step(*phases(channels()), **settings)


@pytest.mark.parametrize(("step", "settings"), [(transport.tortuosity, {}), (contacts.contact, {"a": "x", "b": "y"})])
def test_a_volume_that_memory_cannot_hold_is_refused_before_it_is_read(step, settings):
    labels = da.zeros((1, 30000, 30000, 30000), dtype=np.uint8, chunks=(1, 2000, 2000, 2000))
    known = xr.Dataset({"phase_label": (("scan", "z", "y", "x"), labels)}, attrs={"history": "[]"})
    with pytest.raises(OperandoError, match="of memory; use"):
        step(xr.Dataset(), known, **settings)
    with pytest.raises(OperandoError, match="put the step 'segment' before it"):
        step(xr.Dataset(), known.drop_vars("phase_label"), **settings)
