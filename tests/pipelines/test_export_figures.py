"""Figures for print: everything that can be drawn, vector letters of 7 to 8 points, the same file each time."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from small_experiments import experiment, photoemission, scans

from operando.paper import PAGE
from operando.pipelines.export import write_figures
from operando.pipelines.export.drawings import draw
from operando.xas.xpeem import labelled

mpl.use("Agg")


def fitted() -> xr.Dataset:
    """Return two lines with background and residual over the energies of a spectrum."""
    ds = photoemission()
    energy = ds["binding_energy"].values
    lines = np.stack([np.exp(-((energy - at) ** 2)) for at in (161.0, 162.2)]) * 300
    whole = np.broadcast_to(lines, (3, 2, energy.size))
    dims = ("scan", "peak", "binding_energy")
    area = {"units": "count*eV", "long_name": "area of the line"}
    return ds.drop_vars(list(ds.data_vars)).assign(
        line=(dims, whole, {"units": "count"}),
        background=(("scan", "binding_energy"), np.full((3, energy.size), 20.0), {"units": "count"}),
        fitted=(("scan", "binding_energy"), whole.sum(1) + 20, {"units": "count"}),
        residual=(("scan", "binding_energy"), ds["counts"].values - 300, {"units": "count"}),
        area=(("scan", "peak"), np.array([[500.0, 300], [400, 350], [np.nan, 320]]), area),
        area_std=(("scan", "peak"), np.full((3, 2), 9.0), {"units": "count*eV"}),
        peak=("peak", np.array(["Li2S", "S0"], dtype=object)),
    )


def cracked() -> xr.Dataset:
    rng = np.random.default_rng(6)
    share = {"units": "1", "long_name": "volume fraction"}
    return xr.Dataset(
        {
            "void_fraction": ("scan", [0.01, 0.02, 0.03], share),
            "void_fraction_uncertainty": ("scan", [0.001, np.nan, 0.002], share),
            "crack_fraction": ("scan", [0.0, 0.01, np.nan], share),
            "detection_limit": ("scan", [0.5, 0.5, np.nan], {"units": "um"}),
            "tortuosity_factor": (
                ("scan", "axis"),
                np.c_[rng.uniform(1, 2, 3), [np.nan, np.nan, np.inf]],
                {"units": "1", "long_name": "tortuosity factor"},
            ),
        },
        scans(3, axis=("axis", np.array(["z", "y"], dtype=object))),
    )


def known_of_one(shape: tuple[int, ...]) -> np.ndarray:
    """Return shares of which only those of the first reference are known."""
    values = np.full(shape, 0.5)
    values[..., 1] = np.nan
    return values


def imaged() -> xr.Dataset:
    """Return two regions in images of 30 x 40 pixels, of which the second stack failed."""
    label = np.zeros((30, 40), np.int32)
    label[5:12, 5:12], label[15:25, 20:32] = 1, 2
    edge = 852 + 0.5 * label + np.arange(3)[:, None, None]
    edge[1] = np.nan
    shares = {"units": "1", "long_name": "share of a reference"}
    return labelled(label).assign(
        image=(("scan", "y", "x"), edge - 850, {"units": "1"}),
        normalized=(("scan", "region", "energy"), np.ones((3, 2, 9)), {"units": "1", "long_name": "absorption"}),
        map_edge_energy=(("scan", "y", "x"), edge, {"units": "eV", "long_name": "edge energy"}),
        edge_energy=(("scan", "region"), edge[:, [8, 20], [8, 25]], {"units": "eV", "long_name": "edge energy"}),
        fraction=(("scan", "region", "reference"), np.full((3, 2, 2), 0.5), shares),
        map_fraction=(("scan", "y", "x", "reference"), known_of_one((3, 30, 40, 2)), shares),
        map_component=(
            ("scan", "component", "y", "x"),
            np.where(label > 0, 1.0, 5.0) * np.ones((3, 1, 30, 40)),
            shares,
        ),
        **scans(3, reference=("reference", np.array(["NiO", "reduced Ni"], dtype=object))),
        energy=("energy", np.linspace(845, 865, 9), {"units": "eV", "long_name": "photon energy"}),
    )


@pytest.fixture(scope="module")
def tree():
    tree = experiment()
    tree["xpeem/Ni_L3/processed"] = imaged()
    tree["xps/S_2p/processed"] = fitted()
    tree["xtm/composite/processed"] = cracked()
    volume = np.array([[0.0, 5], [3, 6], [9, 0]])
    tree["xtm/composite/cracks"] = xr.Dataset(
        {"volume": (("scan", "crack"), volume, {"units": "um^3"})}, scans(3, crack=("crack", [4, 7]))
    )
    return tree


@pytest.fixture(scope="module")
def figures(tree):
    return dict(draw(tree, [node.path.strip("/") for node in tree.leaves]))


def test_everything_that_can_be_drawn_is_drawn_once(figures):
    assert set(figures) == {
        "timeline",
        *(f"xas_Ni_K_spectra_{name}" for name in ("transmission", "fluorescence")),
        *(f"xas_Ni_K_edge_energy_{name}" for name in ("transmission", "fluorescence")),
        *(
            f"xpeem_Ni_L3_{name}"
            for name in ("regions", "map_edge_energy", "edge_energy", "map_fraction_NiO", "map_component_1")
        ),
        *(f"xpeem_Ni_L3_fraction_{name}" for name in ("NiO", "reduced_Ni")),
        "xps_S_2p_fits",
        "xps_S_2p_areas",
        "xtm_composite_cracks",
        "xtm_composite_crack_volumes",
        "xtm_composite_tortuosity",
    }


def test_areas_stand_against_the_potential_with_their_errors(figures, tree):
    (ax,) = figures["xps_S_2p_areas"].axes
    assert ax.get_xlabel() == "potential vs Li+/Li (V)"
    assert ax.get_ylabel() == "area of the line (count·eV)"
    assert [text.get_text() for text in figures["xps_S_2p_areas"].legends[0].get_texts()] == ["Li2S", "S0"]
    first = ax.containers[0]
    np.testing.assert_array_equal(first.lines[0].get_ydata(), [500, 400])
    np.testing.assert_array_equal(first.lines[0].get_xdata(), tree["xps/S_2p/processed"]["potential"][:2])
    *_, bars = first.lines[2]
    np.testing.assert_allclose([np.ptp(segment[:, 1]) for segment in bars.get_segments()], 18)


def test_fits_are_shown_with_their_residuals_and_potentials(figures):
    above = figures["xps_S_2p_fits"].axes[:3]
    assert [ax.get_title().partition(",")[0] for ax in above] == ["scan 0", "scan 1", "scan 2"]
    assert above[0].get_ylabel() == "intensity (count)"
    assert figures["xps_S_2p_fits"].axes[3].get_ylabel() == "res. (σ)"
    assert figures["xps_S_2p_fits"].get_figwidth() == pytest.approx(PAGE / 25.4)


def test_maps_of_the_stacks_that_are_known_share_one_scale(figures):
    *maps, bar = figures["xpeem_Ni_L3_map_edge_energy"].axes
    assert [ax.get_title().partition(",")[0] for ax in maps] == ["scan 0", "scan 2"]
    assert [ax.images[0].get_clim() for ax in maps] == [(852.5, 855.0)] * 2
    assert bar.get_ylabel() == "edge energy (eV)"
    assert figures["xpeem_Ni_L3_map_component_1"].axes[0].images[0].get_clim() == (1.0, 5.0)
    assert [ax.get_ylabel() for ax in figures["xpeem_Ni_L3_regions"].axes] == ["", "absorption"]
    assert figures["xpeem_Ni_L3_fraction_reduced_Ni"].axes[0].get_ylabel() == "share of reduced Ni"


def test_cracks_say_what_is_not_seen_and_infinite_factors_are_no_points(figures):
    (ax,) = figures["xtm_composite_cracks"].axes
    assert ax.get_ylim()[0] == 0
    assert "cracks below 0.5 µm are missed" in figures["xtm_composite_cracks"].legends[0].get_title().get_text()
    (ax,) = figures["xtm_composite_tortuosity"].axes
    assert ax.get_ylabel() == "tortuosity factor, z"


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_the_same_store_gives_the_same_file_with_letters_as_letters(tree, kind, tmp_path):
    first, second = (write_figures(tmp_path / name, tree, kind, ["echem"])[0][0].read_bytes() for name in "ab")
    assert first == second
    if kind == "svg":
        assert b"potential vs" in first or b"voltage as measured" in first
        assert b"8px" in first
        assert b"/Type3" not in first
    else:
        assert b"/Type3" not in first
        assert b"/FontFile2" in first
