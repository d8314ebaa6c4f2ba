from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from operando.errors import OperandoError
from operando.xas import plot

mpl.use("Agg")
START = np.datetime64("2022-07-26T12:00", "ns")


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    plt.close("all")


@pytest.fixture
def ds():
    energy, scans = np.linspace(8300, 8400, 50), 6
    edge = 8343 + np.linspace(0, 1.5, scans)
    mu = 0.5 + np.arctan(energy - edge[:, None]) / np.pi
    return xr.Dataset(
        {
            "normalized": (("scan", "energy"), mu, {"units": "1", "long_name": "normalized absorption"}),
            "edge_energy": ("scan", edge, {"units": "eV", "long_name": "edge energy"}),
            "edge_energy_std": ("scan", np.full(scans, 0.02), {"units": "eV"}),
        },
        {
            "energy": ("energy", energy, {"units": "eV", "long_name": "photon energy"}),
            "time": ("scan", START + np.arange(scans) * np.timedelta64(2, "h")),
            "potential": (
                "scan",
                np.linspace(3.5, 4.2, scans),
                {"units": "V", "long_name": "potential vs Li+/Li, mean over the scan"},
            ),
            "potential_std": ("scan", np.full(scans, 0.01), {"units": "V"}),
            "current": ("scan", [0.0, 1, 1, -1, -1, np.nan], {"units": "A"}),
            "half_cycle": ("scan", [0.0, 1, 1, 2, 2, np.nan], {"units": "1"}),
            "flag": ("scan", np.array([0, 0, 4, 0, 0, 0], "int32")),
        },
    )


def test_every_spectrum_is_drawn_against_the_photon_energy(ds):
    ax = plot.spectra(ds)
    assert len(ax.collections[0].get_segments()) == 6
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("photon energy (eV)", "normalized absorption")
    assert ax.get_xlim()[0] <= 8300
    assert ax.get_xlim()[1] >= 8400


def test_time_colors_the_spectra_in_hours_since_the_first(ds):
    ax = plot.spectra(ds)
    np.testing.assert_allclose(ax.collections[0].get_array(), [0, 2, 4, 6, 8, 10])
    assert ax.figure.axes[-1].get_ylabel() == "time since the first scan (h)"


def test_potential_colors_the_spectra_and_unknown_ones_are_grey(ds):
    ds["potential"][2] = np.nan
    ax = plot.spectra(ds, by="potential")
    ax.figure.canvas.draw()
    assert ax.figure.axes[-1].get_ylabel() == "potential vs Li+/Li (V)"
    np.testing.assert_allclose(ax.collections[0].get_edgecolor()[2][:3], 0.7)


def test_without_times_the_scan_number_colors_the_spectra(ds):
    ax = plot.spectra(ds.drop_vars("time"))
    assert ax.figure.axes[-1].get_ylabel() == "scan number"


def test_a_single_spectrum_without_the_dim_scan_is_drawn(ds):
    _, ax = plt.subplots()
    assert plot.spectra(ds.isel(scan=0), ax) is ax
    assert len(ax.collections[0].get_segments()) == 1
    assert len(ax.figure.axes) == 1


def test_the_order_of_dims_does_not_matter(ds):
    segments = [np.array(plot.spectra(one).collections[0].get_segments()) for one in (ds, ds.transpose())]
    np.testing.assert_array_equal(*segments)


def test_spectra_of_several_signals_ask_for_one(ds):
    with pytest.raises(OperandoError, match="select the others"):
        plot.spectra(ds.expand_dims(signal=2))
    with pytest.raises(OperandoError, match="expected variable 'flattened'"):
        plot.spectra(ds, variable="flattened")


def test_the_edge_energy_is_drawn_by_half_cycle_with_error_bars_both_ways(ds):
    ax = plot.edge_energy(ds)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("potential vs Li+/Li (V)", "edge energy (eV)")
    drawn = sum(len(one.lines[0].get_xdata()) for one in ax.containers)
    assert drawn == 6
    assert all(one.has_xerr and one.has_yerr for one in ax.containers)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "rest",
        "charge 1",
        "discharge 1",
        "not linked",
    ]


def test_flagged_scans_are_hollow(ds):
    ax = plot.edge_energy(ds)
    hollow = [one for one in ax.containers if one.lines[0].get_markerfacecolor() == "none"]
    assert [one.lines[0].get_ydata()[0] for one in hollow] == [ds.edge_energy.values[2]]


def test_the_edge_energy_can_be_drawn_against_time_and_without_uncertainty(ds):
    ax = plot.edge_energy(ds.drop_vars(["edge_energy_std", "half_cycle", "flag"]), against="time")
    assert ax.get_xlabel() == "time (UTC)"
    assert not any(one.has_yerr for one in ax.containers)
    assert ax.get_legend() is None


def test_what_is_missing_is_named(ds):
    with pytest.raises(OperandoError, match="expected 'soc'"):
        plot.edge_energy(ds, against="soc")
    with pytest.raises(OperandoError, match="select one signal"):
        plot.edge_energy(ds.assign(edge_energy=ds.edge_energy.expand_dims(signal=2)))


def test_a_waterfall_raises_each_spectrum_above_the_one_before(ds):
    ax = plot.waterfall(ds, rise=0.5)
    drawn = np.array([segment[:, 1] for segment in ax.collections[0].get_segments()])
    np.testing.assert_allclose(drawn - ds.normalized.values, 0.5 * np.arange(6)[:, None] * np.ones(50))
    assert ax.get_ylabel() == "normalized absorption + 0.5 · scan"
    drawn = np.array([segment[:, 1] for segment in plot.waterfall(ds).collections[0].get_segments()])
    height = np.ptp(ds.normalized.values)
    np.testing.assert_allclose((drawn[-1] - ds.normalized.values[-1]) / height, 3)


def test_a_map_against_potential_has_its_rows_where_the_scans_lie(ds):
    charge = ds.isel(scan=[2, 1]).assign_coords(half_cycle=("scan", [1.0, 1.0]))
    ax = plot.spectra_map(charge)
    mesh = ax.collections[0]
    np.testing.assert_array_equal(mesh.get_array(), ds.normalized.values[[1, 2]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("photon energy (eV)", "potential vs Li+/Li (V)")
    low, high = ds.potential.values[[1, 2]]
    np.testing.assert_allclose(
        mesh.get_coordinates()[:, 0, 1], [low, low, high] + (high - low) / 2 * np.array([-1, 1, 1])
    )
    assert ax.figure.axes[-1].get_ylabel() == "normalized absorption"


def test_a_map_of_changes_counts_from_the_first_scan(ds):
    ax = plot.spectra_map(ds, against="time", since_first=True, zone="Europe/Paris")
    np.testing.assert_allclose(ax.collections[0].get_array(), ds.normalized.values - ds.normalized.values[0])
    assert ax.get_ylabel() == "time (Europe/Paris)"
    assert ax.figure.axes[-1].get_ylabel() == "change of normalized absorption"


def test_a_map_against_potential_asks_for_one_half_cycle(ds):
    with pytest.raises(OperandoError, match=r"operando\.window"):
        plot.spectra_map(ds)
    with pytest.raises(OperandoError, match="two scans or more"):
        plot.spectra_map(ds.isel(scan=[1]))


@pytest.fixture
def mixed(ds):
    share = np.stack([np.linspace(0.1, 0.3, 6), np.zeros(6)], axis=1)
    return ds.assign(
        fraction=(("scan", "signal", "reference"), np.stack([share, 1 - share], axis=-1), {"units": "1"}),
        fraction_std=(("scan", "signal", "reference"), np.full((6, 2, 2), 0.01), {"units": "1"}),
        probing_depth=(("scan", "signal"), np.tile([15.0, 310.0], (6, 1)), {"units": "nm"}),
        layer_thickness=("scan", np.linspace(0.5, 1.7, 6), {"units": "nm", "long_name": "thickness of the layer"}),
    ).assign_coords(signal=["tey", "tfy"], reference=["reduced Ni", "lithiated NCM"])


def test_shares_near_the_surface_and_deep_stand_above_the_layer_they_make(mixed):
    above, below = plot.depth(mixed, substance="reduced Ni")
    names = [text.get_text() for text in above.get_legend().get_texts()]
    assert names == ["tey, 95 % from 15 nm", "tfy, 95 % from 310 nm"]
    assert (above.get_ylabel(), below.get_ylabel()) == ("share of reduced Ni", "thickness of the layer (nm)")
    near = above.containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(near, mixed.fraction.values[[0, 1, 3, 4, 5], 0, 0])
    assert below.get_xlabel() == "potential vs Li+/Li (V)"
    with pytest.raises(OperandoError, match="among reduced Ni, lithiated NCM"):
        plot.depth(mixed, substance="NiO")


def test_shares_of_one_signal_are_drawn_reference_by_reference(mixed):
    ax = plot.shares(mixed.sel(signal="tey"))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["reduced Ni", "lithiated NCM"]
    with pytest.raises(OperandoError, match="select the others"):
        plot.shares(mixed)
