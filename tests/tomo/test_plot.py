"""Slices with labels and cracks through a series: what is drawn, where it lies and what its axes say."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex, to_rgba

from operando.errors import OperandoError
from operando.kind_colors import COLORS
from operando.tomo import plot

mpl.use("Agg")
SIZE = 0.5
START = np.datetime64("2022-07-26T12:00", "ns")


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    plt.close("all")


@pytest.fixture
def grey():
    rng = np.random.default_rng(3)
    coords = {
        dim: (dim, (np.arange(size) + 0.5) * SIZE, {"units": "um"})
        for dim, size in zip("zyx", (4, 30, 40), strict=True)
    }
    return xr.DataArray(rng.normal(100, 5, (4, 30, 40)), coords, ("z", "y", "x"), "grey")


@pytest.fixture
def phases(grey):
    values = np.full(grey.shape, 2, "uint8")
    values[:, :10], values[2, 20:, 5:9], values[:, 0, 0] = 3, 1, 0
    attrs = {"flag_values": [1, 2, 3], "flag_meanings": "void electrolyte ncm"}
    return xr.DataArray(values, grey.coords, grey.dims, "phase_label", attrs)


@pytest.fixture
def series():
    share = {"units": "1", "long_name": "volume fraction"}
    return xr.Dataset(
        {
            "void_fraction": ("scan", [0.01, 0.02, 0.04], share),
            "void_fraction_uncertainty": ("scan", [0.001, 0.001, 0.002], share),
            "crack_fraction": ("scan", [0.0, 0.005, 0.02], share),
            "detection_limit": ("scan", [0.25, 0.3, np.nan], {"units": "um"}),
            "tortuosity_factor": (
                ("scan", "axis"),
                [[1.3, np.inf], [1.4, np.inf], [1.5, np.inf]],
                {"units": "1", "long_name": "tortuosity factor, inf where nothing leads through"},
            ),
            "volume": (("scan", "crack"), [[5.0, 0, 1], [7, 3, 1], [9, 2, 0]], {"units": "um^3"}),
        },
        {
            "time": ("scan", START + np.arange(3) * np.timedelta64(8, "h")),
            "flag": ("scan", np.array([0, 0, 4], "int32")),
            "axis": ["z", "y"],
            "crack": [4, 7, 8],
        },
    )


def test_phases_lie_over_the_grey_values_in_the_colors_of_the_report(grey, phases):
    ax = plot.labelled_slice(grey, phases, at=1.2)
    below, over = (image.get_array() for image in ax.get_images())
    np.testing.assert_array_equal(below, grey.isel(z=2))
    for value, kind in {1: "void", 2: "electrolyte", 3: "particle"}.items():
        drawn = over[phases.isel(z=2).values == value]
        np.testing.assert_allclose(drawn[:, :3], np.tile(to_rgba(COLORS[kind])[:3], (len(drawn), 1)))
    assert (over[phases.isel(z=2).values == 0] == 0).all()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["void", "electrolyte", "ncm"]


def test_a_slice_lies_where_its_voxels_do_and_the_bar_measures_them(grey):
    ax = plot.labelled_slice(grey)
    assert ax.get_images()[0].get_extent() == pytest.approx([0, 40 * SIZE, 30 * SIZE, 0])
    (bar,) = ax.lines
    assert np.ptp(bar.get_xdata()) == pytest.approx(5.0)
    assert ax.texts[0].get_text() == "5 µm"


def test_any_axis_can_be_cut(grey, phases):
    ax = plot.labelled_slice(grey, phases, along="x", at=3.4, hide=("electrolyte",))
    np.testing.assert_array_equal(ax.get_images()[0].get_array(), grey.isel(x=6))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["void", "ncm"]


def test_a_mask_is_a_crack_and_objects_differ(phases):
    mask = plot.labelled_slice(None, phases == 1)
    assert [text.get_text() for text in mask.get_legend().get_texts()] == ["crack"]
    mask = plot.labelled_slice(None, (phases == 1).rename("void_mask"))
    assert [text.get_text() for text in mask.get_legend().get_texts()] == ["void"]
    objects = phases.drop_attrs()
    picture = plot.labelled_slice(None, objects).get_images()[0].get_array()
    assert len({to_hex(color) for color in picture.reshape(-1, 4) if color[3]}) == 3


def test_only_the_slice_is_read(grey):
    read = []
    lazy = xr.apply_ufunc(lambda block: read.append(block.shape) or block, grey.chunk(z=1), dask="parallelized")
    read.clear()
    plot.labelled_slice(lazy, at=0.2)
    assert read == [(1, 30, 40)]


def test_lost_slices_do_not_spoil_the_grey_values(grey):
    spoiled = grey.copy()
    spoiled[2] = 65535.0
    spoiled = spoiled.assign_coords(frame_flag=("z", [0, 0, 1, 0]))
    low, high = plot.labelled_slice(spoiled, along="y").get_images()[0].get_clim()
    sound = grey.isel(y=15, z=[0, 1, 3]).values
    assert (low, high) == pytest.approx(np.percentile(sound, [0.5, 99.5]))
    assert plot.labelled_slice(grey, limits=(90, 120)).get_images()[0].get_clim() == (90, 120)


def test_without_coordinates_the_bar_counts_voxels(grey):
    ax = plot.labelled_slice(grey.drop_vars(["z", "y", "x"]), at=3)
    np.testing.assert_array_equal(ax.get_images()[0].get_array(), grey[3])
    assert ax.texts[0].get_text() == "10 voxels"


def test_what_cannot_be_drawn_is_said(grey, phases):
    with pytest.raises(OperandoError, match="got neither"):
        plot.labelled_slice()
    with pytest.raises(OperandoError, match="on one grid"):
        plot.labelled_slice(grey, phases.isel(x=slice(5)))
    with pytest.raises(OperandoError, match="isel\\(scan"):
        plot.labelled_slice(grey.expand_dims(scan=2))
    with pytest.raises(OperandoError, match="got 'air'"):
        plot.labelled_slice(grey, phases, hide=("air",))


def test_voids_and_cracks_rise_in_percent_and_what_is_missed_is_said(series):
    ax = plot.crack_evolution(series)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (UTC)", "volume fraction (%)")
    drawn = [one.lines[0] for one in ax.containers]
    np.testing.assert_allclose(np.concatenate([one.get_ydata() for one in drawn]), [1, 2, 4, 0, 0.5, 2])
    assert [to_hex(one.get_color()).upper() for one in drawn[::2]] == [COLORS["void"], COLORS["crack"]]
    np.testing.assert_allclose([np.ptp(bar[:, 1]) / 2 for bar in ax.containers[0].lines[2][0].get_segments()], 0.1)
    assert ax.get_legend().get_title().get_text() == "cracks below 0.3 µm are missed\nhollow: flagged"


def test_the_largest_cracks_are_followed_while_they_are_there(series):
    ax = plot.crack_volumes(series, most=2)
    assert ax.get_ylabel() == "crack volume (µm³)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["crack 4", "crack 7"]
    np.testing.assert_array_equal(ax.containers[1].lines[0].get_ydata(), [3, 2])


def test_an_infinite_tortuosity_is_no_point(series):
    ax = plot.tortuosity(series)
    assert ax.get_ylabel() == "tortuosity factor, z"
    np.testing.assert_allclose(np.concatenate([one.lines[0].get_ydata() for one in ax.containers]), [1.3, 1.4, 1.5])


def test_a_series_without_cracks_is_refused(series):
    with pytest.raises(OperandoError, match="void_fraction or crack_fraction"):
        plot.crack_evolution(series[["volume"]])
    with pytest.raises(OperandoError, match="'volume' over scan and crack"):
        plot.crack_volumes(series[["void_fraction"]])
