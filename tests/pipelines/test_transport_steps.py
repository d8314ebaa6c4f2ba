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
    seen = contacts.contact(raw, known, xr.Dataset(), a="particle", b="electrolyte")
    assert float(seen["contact_share"][0]) > 0.98
    found = contacts.contact(raw, known, xr.Dataset(), a="particle", b="electrolyte", blur=BLUR)
    error = float(found["contact_share"][0]) - 0.5
    assert abs(error) < min(0.05, 2 * float(found["contact_share_uncertainty"][0]))
    assert float(found["surface_area"][0]) == pytest.approx((39 * 0.5) ** 2, rel=0.01)
    assert float(found["contact_area"][0]) == pytest.approx((39 * 0.5) ** 2 / 2, rel=0.1)
    for name in ("contact_area", "surface_area", "contact_share"):
        both = np.hypot(found[f"{name}_std"], found[f"{name}_systematic"])
        np.testing.assert_allclose(found[f"{name}_uncertainty"], both)


def test_lost_contact_behind_thin_gaps_is_not_found_and_the_step_says_how_much_of_it():
    """Of gaps thinner than the blurred edge nothing, of wide ones all, to what half a voxel of film is at their rim."""
    raw, known = phases(half_touching(), half_touching(4))
    settings = {"a": "particle", "b": "electrolyte", "blur": BLUR, "noise": 20.0}
    found = contacts.contact(raw, known, xr.Dataset(), **settings)
    widths, share = found["gap"].values / 0.5, found["contact_loss_found"][0].values
    np.testing.assert_allclose(share[widths <= 1], 0, atol=0.3)
    np.testing.assert_allclose(share[widths >= 3], 1, atol=0.2)
    limit, std = (float(found[f"contact_gap_limit{end}"][0]) for end in ("", "_std"))
    assert 1 < limit / 0.5 < 2.5
    assert 0 < std < 0.2
    assert found["contact_gap_limit"].attrs["units"] == "um"
    np.testing.assert_array_equal(found["contact_loss_found"][0], found["contact_loss_found"][1])
    first = found.isel(scan=[0]).assign(contact_gap_limit=("scan", [9.0]))
    again = contacts.contact(raw, known, first, **settings)
    np.testing.assert_array_equal(again["contact_gap_limit"], 9.0)
    less = contacts.contact(raw, known, xr.Dataset(), **{**settings, "blur": 0.2})
    assert float(less["contact_gap_limit"][0]) < limit


def others(step):
    """Return what a step takes beside the scans and what was made of them: the first scan, which is none yet."""
    return (xr.Dataset(),) if step is contacts.contact else ()


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
        (contacts.contact, {"a": "particle", "b": "electrolyte", "noise": -1.0}, "a noise from 0"),
        (contacts.contact, {"a": "electrolyte", "b": "void", "noise": 1.0}, "a phase beyond 'void' that fills gaps"),
    ],
)
def test_what_cannot_be_asked_is_refused(step, settings, said):
    with pytest.raises(OperandoError, match=said):
        step(*phases(channels()), *others(step), **settings)


@pytest.mark.parametrize(("step", "settings"), [(transport.tortuosity, {}), (contacts.contact, {"a": "x", "b": "y"})])
def test_a_volume_that_memory_cannot_hold_is_refused_before_it_is_read(step, settings):
    labels = da.zeros((1, 30000, 30000, 30000), dtype=np.uint8, chunks=(1, 2000, 2000, 2000))
    known = xr.Dataset({"phase_label": (("scan", "z", "y", "x"), labels)}, attrs={"history": "[]"})
    with pytest.raises(OperandoError, match="of memory; use"):
        step(xr.Dataset(), known, *others(step), **settings)
    with pytest.raises(OperandoError, match="put the step 'segment' before it"):
        step(xr.Dataset(), known.drop_vars("phase_label"), *others(step), **settings)
