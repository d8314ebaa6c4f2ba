"""Surfaces, contacts and lines of three phases in measured and published volumes."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import xarray as xr
from skimage.measure import marching_cubes, mesh_surface_area

from operando import tomo

pytestmark = pytest.mark.realdata


def opened(folder, name):
    path = folder / "tomo" / name
    if not path.exists():
        pytest.skip(f"{name} is not there")
    return tifffile.imread(path)


def test_triangles_of_published_volumes_have_a_twelfth_more(realdata):
    """Triangles between voxels converge to 8.8 % more than isotropic surfaces have."""
    for name in ("localthickness_cotton.tif", "openimpala_spheres.tif"):
        volume = opened(realdata, name)
        mask = volume > volume.mean()
        vertices, faces, *_ = marching_cubes(mask.astype(np.float32), 0.5)
        found = float(tomo.surface_area(mask)["surface_area"])
        assert mesh_surface_area(vertices, faces) / found == pytest.approx(1.082, abs=0.01)


def test_the_phases_of_a_cathode_share_their_surfaces(realdata):
    """Pores 0, active material 1, binder 2 of an electrode of NMC."""
    volume = opened(realdata, "matbox_nmc-1-cal_generatedCBD_bridge.tif")[:64, :64, :64]
    phases = xr.DataArray(volume, dims=("z", "y", "x"))
    found = tomo.surface_area(phases, names={0: "pore", 1: "nmc", 2: "binder"})["surface_area"]
    touching = {pair: float(tomo.contact_area(phases, *pair)["contact_area"]) for pair in ((0, 1), (0, 2), (1, 2))}
    for one in range(3):
        shared = sum(area for pair, area in touching.items() if one in pair)
        assert shared == pytest.approx(float(found[one]), rel=1e-9)
    lines = tomo.triple_phase_length(phases, 0, 1, 2)
    assert 0 < float(lines["triple_phase_length"]) < 3 * np.prod(volume.shape) / 50
