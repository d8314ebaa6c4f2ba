"""The report of particles that change their volume, and of strain at nodes."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr
from experiments import EVIL, experiment
from volume_experiments import quantity, with_volumes

from operando.pipelines.report import volumes as panel
from operando.pipelines.report.expansion import draw_expansion
from operando.pipelines.report.series import all_series, local_time
from operando.pipelines.report.volume_methods import volume_methods

NODES = ("scan", "node_z", "node_y", "node_x")


def with_strain(tree):
    """Return an experiment whose particles shrink by 1 % a scan, one of them cut, and whose nodes are known."""
    out, node = tree.copy(), "xtm/composite/processed"
    ds = out[node].to_dataset()
    scans = ds.sizes["scan"]
    value = -0.01 * np.arange(scans)[:, np.newaxis] * np.array([1.0, 1.1, 5.0])
    ratio = np.broadcast_to(1 - 0.01 * np.arange(scans)[:, None, None, None], (scans, 2, 3, 3)).copy()
    ratio[0] = np.nan
    places = {name: (name, np.arange(size) * 2.0) for name, size in zip(NODES[1:], (2, 3, 3), strict=True)}
    ds = ds.assign(
        particle_whole=("particle", np.array([True, True, False])),
        particle_volume=quantity("particle", np.array([1.0, 2.0, 3.0]), "um^3", "volume"),
        node_volume_ratio=quantity(NODES, ratio, "1", "ratio"),
        node_flag=(NODES, np.zeros(ratio.shape, np.int32)),
        node_displacement=quantity((*NODES, "axis"), np.zeros((*ratio.shape, 3)), "um", "displacement"),
        **{
            f"particle_{name}{ending}": quantity(("scan", "particle"), value if not ending else value * 0.1, "1", name)
            for name in ("expansion", "anisotropy")
            for ending in ("", "_std")
        },
        **{
            name: quantity("scan", value[:, 0], "1", name)
            for name in ("expansion_mean", "expansion_mean_std", "expansion_spread")
        },
    ).assign_coords(axis=np.array(["z", "y", "x"], dtype=object), **places)
    ds["node_displacement"].attrs["since"] = "previous"
    out[node] = xr.DataTree(ds)
    return out


@pytest.fixture(scope="module")
def tree():
    return with_strain(with_volumes(experiment(12)))


def told(tree):
    series = next(one for one in all_series(tree) if one.technique == "xtm")
    parts = list(draw_expansion(series, series.processed, local_time(tree)))
    return parts, [" ".join(re.sub("<[^>]+>", " ", part.caption).split()) for part in parts]


def test_whole_particles_are_drawn_behind_their_mean_and_nodes_as_a_picture(tree):
    parts, said = told(tree)
    assert [len(part.models) for part in parts] == [2, 2, 2]
    assert "of 2 particles of composite" in said[0]
    lines = [one for one in parts[0].models[1].renderers if one.level == "underlay"]
    np.testing.assert_allclose(lines[0].data_source.data["ys"][1][-1], -4.0)
    assert "since the scan before at 18 nodes" in said[2]
    assert not any(EVIL in part.caption for part in parts)
    assert len(list(panel.draw(tree))) > len(parts)


def test_methods_say_how_and_one_scan_is_told_in_words(tree):
    said = " ".join(volume_methods(tree))
    assert "det F − 1 of the affine map F" in said
    assert "Displacement and strain at nodes" in said
    one = with_strain(with_volumes(experiment(12), 1, measured=False, followed=False))
    parts, said = told(one)
    assert [len(part.models) for part in parts] == [0, 0]
    assert "No strain was found" in said[1]
