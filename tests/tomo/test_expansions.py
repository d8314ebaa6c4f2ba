"""Particles that shrink are found to, within their errors, each by itself."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from moved_textures import NOISE, deformed, places, volume
from simulated_volumes import LAW, SEED, as_volume

from operando.errors import OperandoError
from operando.example_scans import microstructure, parameters, tomography
from operando.tomo import volume_expansion

SIZE = 40


def composite(share):
    """Return grey levels at z = 0 and 0.8, labels of the particles as they were, and the true expansion."""
    law = LAW.model_copy(update={"contact_loss": LAW.contact_loss.model_copy(update={"share": share})})
    setup = parameters.load("small").model_copy(update={"tomography": law})
    fixed = microstructure.structure(law, SEED)
    volumes = [
        microstructure.volume(law, fixed, microstructure.state(law, fixed, *now)) for now in ((0, 0), (0.8, 0.5))
    ]
    grey = [as_volume(tomography.reconstructed(setup, n, one, SEED)) for n, one in enumerate(volumes, 1)]
    place = (np.arange(law.voxels) + 0.5) * law.voxel_size
    labels = np.zeros((law.voxels,) * 3, np.int32)
    for number, (center, radius) in enumerate(zip(fixed.center, fixed.radius, strict=True), 1):
        z, y, x = np.ix_(*(place - at for at in center))
        labels[np.sqrt(z**2 + y**2 + x**2) < radius] = number
    return *grey, as_volume(labels), 0.8 * law.volume_change


def whole(found):
    """Return the particles within the volume that are wide enough to tell: 4 voxels of radius."""
    return found.sel(object=(~found["touches_border"] & (found["volume"] > 4 / 3 * np.pi * (4 * LAW.voxel_size) ** 3)))


def test_particles_of_the_composite_shrink_as_they_lose_lithium():
    still, moved, labels, truth = composite(share=0.0)
    found = whole(volume_expansion(still, moved, labels))
    assert found.sizes["object"] >= 10
    assert (found["flag"] == 0).all()
    pulls = (found["expansion"] - truth) / found["expansion_std"]
    assert abs(float(pulls.mean())) < 3.3 / np.sqrt(pulls.size)
    assert float(np.sqrt((pulls**2).mean())) < 1.5
    mean = float(np.average(found["expansion"], weights=found["expansion_std"] ** -2))
    assert mean == pytest.approx(truth, abs=0.003)
    assert (found["anisotropy"] < 6 * found["anisotropy_std"]).all()


def test_gaps_that_open_at_particles_are_left_out():
    still, moved, labels, truth = composite(share=0.6)
    found = whole(volume_expansion(still, moved, labels))
    assert abs(float(found["expansion"].median()) - truth) < 0.002
    pulls = (found["expansion"] - truth) / found["expansion_std"]
    assert float(np.sqrt((pulls**2).mean())) < 1.5


def test_a_repeat_at_rest_scales_uncertainties_and_few_particles_do_not_tell():
    still, moved, labels, _ = composite(share=0.0)
    noise = LAW.noise * parameters.load("small").tomography.grey_per_attenuation
    again = still + noise * np.random.default_rng(8).standard_normal(still.shape)
    plain, found = (
        volume_expansion(still, moved, labels, repeat=one) for one in (None, again.assign_attrs(still.attrs))
    )
    factor = float(found["gradient_std_factor"])
    assert 0.5 < factor < 1.6
    np.testing.assert_allclose(found["strain_std"], factor * plain["strain_std"], rtol=1e-6)
    still, moved, labels = halves()
    with pytest.raises(OperandoError, match="8 particles or more in the repeat, got"):
        volume_expansion(still, moved, labels, rim=0, repeat=still)


def halves():
    """Return labels of two boxes, and what they show when the second is stretched by half along z and they part."""
    place = places(SIZE)
    labels = np.where(np.abs(place).max(axis=-1) < 15, np.where(place[..., 2] < 0, 3, 7), 0).astype(np.int32)
    still = deformed(SIZE, noise=NOISE / 3, seed=1)
    parts = [deformed(SIZE, gradient, noise=NOISE / 3, seed=2) for gradient in (np.eye(3), np.diag([1.04, 1, 1]))]
    return volume(still), volume(np.where(place[..., 2] < 0, *parts)), volume(labels).astype(np.int32)


def test_each_particle_has_its_own_stretch_and_direction():
    still, moved, labels = halves()
    found = volume_expansion(still, moved, labels, rim=0, kind="affine")
    np.testing.assert_array_equal(found["number"], [3, 7])
    np.testing.assert_allclose(found["expansion"], [0, 0.04], atol=0.004)
    np.testing.assert_allclose(found["deformation_gradient"].isel(axis=0, column=0), [1, 1.04], atol=0.003)
    assert abs(float(found["principal_axis"].isel(object=1, principal=0, axis=0))) > 0.99
    assert found["displacement"].attrs["units"] == "um"
    assert all("units" in one.attrs for name, one in found.data_vars.items())


def test_chunks_and_series_change_nothing():
    still, moved, labels = halves()
    parts = {
        "matrix": (("axis", "column"), np.eye(3)),
        "translation": ("axis", np.zeros(3)),
        "center": ("axis", np.ones(3)),
    }
    start = xr.Dataset(parts)
    whole_one = volume_expansion(still, moved, labels, start=start)
    lazy = volume_expansion(still.chunk(z=17, x=23), moved.chunk(y=9), labels.chunk(z=11), start=start)
    series = volume_expansion(still, xr.concat([still, moved], "scan"), labels, start=start)
    for name in ("expansion", "expansion_std", "displacement"):
        np.testing.assert_array_equal(lazy[name], whole_one[name])
        np.testing.assert_array_equal(series[name].isel(scan=1), whole_one[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: (v, v, v), "labels \\(whole numbers\\)"),
        (lambda v: (v, v[:30], v.astype(int)), "volumes of equal size"),
        (lambda v: (v, v, v[:30].astype(int)), "as large as the reference"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(OperandoError, match=message):
        volume_expansion(*change(volume(deformed(SIZE))))
