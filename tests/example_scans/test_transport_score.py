"""The comparison of transport, contact and surface with the truth."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando.example_scans.microstructure import ELECTROLYTE, GAP, NCM
from operando.example_scans.transport_score import share_touching, transport_rows


def labels():
    """Return a block in electrolyte, which touches no side of the volume, with a gap at one of its six faces."""
    label = np.full((8, 8, 8), ELECTROLYTE)
    label[2:6, 2:6, 2:6] = NCM
    label[6, 2:6, 2:6] = GAP
    return label


def test_the_true_share_of_contact_is_that_of_the_faces():
    assert share_touching(labels()) == pytest.approx(5 / 6)
    assert np.isnan(share_touching(np.full((2, 2, 2), GAP)))


def test_rows_compare_each_scan_with_its_own_error():
    known = xr.Dataset(
        {"label": (("scan", "z", "y", "x"), np.stack([labels()] * 2)), "tortuosity_factor": ("scan", [1.3, 1.4])}
    )
    axes = np.array([[1.32, np.nan, np.nan], [1.36, np.nan, np.nan]])
    found = xr.Dataset(
        {
            "tortuosity_factor": (("scan", "axis"), axes),
            "tortuosity_factor_systematic": (("scan", "axis"), np.full((2, 3), 0.02)),
            "contact_share": ("scan", [5 / 6 + 0.03, 5 / 6 - 0.03]),
            "contact_share_uncertainty": ("scan", [0.06, 0.06]),
        },
        {"axis": ["z", "y", "x"]},
    )
    factor, contact = transport_rows(known, found)
    assert (factor.quantity, contact.quantity) == ("tortuosity factor", "contact share")
    assert (factor.estimate, factor.pull) == pytest.approx((np.sqrt(0.001), np.sqrt(2.5)))
    assert (contact.estimate, contact.sigma, contact.pull) == pytest.approx((0.03, 0.06, 0.5))
    assert [row.quantity for row in transport_rows(known.drop_vars("tortuosity_factor"), found)] == ["contact share"]
    assert list(transport_rows(known, xr.Dataset())) == []


def test_the_surface_of_particles_is_judged_by_that_of_the_spheres():
    known = xr.Dataset(
        {"label": (("scan", "z", "y", "x"), labels()[None]), "particle_surface_inside": ("scan", [12.8])},
        attrs={"voxel_size": 0.5},
    )
    found = xr.Dataset(
        {
            "specific_surface_area": (("scan", "phase"), [[0.1, 0.21]]),
            "specific_surface_area_systematic": (("scan", "phase"), [[0.1, 0.02]]),
        },
        {"phase": ["electrolyte", "ncm"]},
    )
    (row,) = transport_rows(known, found)
    assert (row.quantity, row.unit) == ("surface of particles per volume", "1/um")
    assert (row.estimate, row.pull) == pytest.approx((0.01, 0.5))
