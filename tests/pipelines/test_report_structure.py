"""The report of what phases are like: surfaces scan by scan, a table of the rest, correlation, how they came about."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr
from experiments import EVIL, experiment, quantity
from volume_experiments import with_volumes

from operando.pipelines.report import volumes as panel
from operando.pipelines.report.parts import Html
from operando.pipelines.report.series import all_series, local_time
from operando.pipelines.report.structure import draw_structure
from operando.pipelines.report.volume_methods import volume_methods


def with_structure(tree):
    """Return an experiment whose phases have surfaces, ways along z, correlation, and lines where they meet."""
    out, node = tree.copy(), "xtm/composite/processed"
    ds = out[node].to_dataset()
    scans, phases, far = ds.sizes["scan"], ds.sizes["phase"], 4
    surface = np.tile([np.nan, 0.3, 0.2], (scans, 1)) + 0.01 * np.arange(scans)[:, None]
    ways = np.full((scans, 3, phases), np.nan)
    ways[:, 0, 1:] = 1.02, np.inf
    pairs = np.full((scans, 3, phases, far), 0.25)
    tables = {
        "specific_surface_area": (("scan", "phase"), surface, "1/um"),
        "specific_surface_area_uncertainty": (("scan", "phase"), np.full_like(surface, 0.02), "1/um"),
        "tau_geodesic": (("scan", "axis", "phase"), ways, "1"),
        "tau_geodesic_uncertainty": (("scan", "axis", "phase"), np.full_like(ways, 0.003), "1"),
        "two_point": (("scan", "axis", "phase", "lag"), pairs, "1"),
        "triple_phase_length": ("scan", np.full(scans, 30.0), "um"),
        "triple_phase_density": ("scan", np.full(scans, 0.01), "1/um^2"),
        "triple_phase_density_uncertainty": ("scan", np.full(scans, 0.002), "1/um^2"),
    }
    ds = ds.assign({name: quantity(dims, values, unit, name) for name, (dims, values, unit) in tables.items()})
    ds["triple_phase_length"].attrs["phases"] = f"void, electrolyte, {EVIL}"
    axes = {"axis": np.array(["z", "y", "x"], dtype=object), "lag": quantity("lag", np.arange(far) * 0.5, "um", "lag")}
    out[node] = xr.DataTree(ds.assign_coords(axes))
    return out


@pytest.fixture(scope="module")
def tree():
    return with_structure(with_volumes(experiment(12)))


def told(tree):
    series = next(one for one in all_series(tree) if one.technique == "xtm")
    parts = list(draw_structure(series, series.processed, local_time(tree)))
    return parts, [part.text if isinstance(part, Html) else part.caption for part in parts]


def test_surfaces_are_lines_and_the_rest_a_table_of_the_phases_that_are_known(tree):
    parts, said = told(tree)
    assert [len(part.models) for part in (parts[0], parts[2])] == [2, 1]
    cells = re.findall("<t[dh]>(.*?)</t[dh]>", said[1])
    assert cells[1] == "electrolyte"
    assert "void" not in cells
    assert cells[3:6] == ["surface per volume (1/µm)", "0.300 ± 0.020 → 0.340 ± 0.020", "0.200 ± 0.020 → 0.240 ± 0.020"]
    assert cells[6:] == ["geodesic tortuosity along z", "1.0200 ± 0.0030", "no way"]
    assert "there are lines of 0.0100 ± 0.0020 1/µm²" in said[1]
    assert EVIL not in "".join(said)


def test_one_scan_is_a_table_alone():
    one = with_structure(with_volumes(experiment(12), 1, measured=False, followed=False))
    parts, said = told(one)
    assert [isinstance(part, Html) for part in parts] == [True, False]
    assert "→" not in said[0]
    series = next(one for one in all_series(one) if one.technique == "xtm")
    bare = series.processed.drop_vars(
        [name for name in series.processed if str(name).startswith(("spec", "tau", "two"))]
    )
    (line,) = draw_structure(series, bare, local_time(one))
    assert line.text.startswith("<p>Where void, electrolyte,")
    assert not list(draw_structure(series, bare.drop_vars("triple_phase_density"), local_time(one)))


def test_the_panel_and_the_methods_have_them(tree):
    assert any(isinstance(part, Html) and "geodesic tortuosity" in part.text for part in panel.draw(tree))
    said = " ".join(volume_methods(tree))
    assert "doi:10.1002/aic.15160" in said
    assert "constrictivity is" not in said
