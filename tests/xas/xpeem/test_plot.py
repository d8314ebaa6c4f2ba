"""Maps, regions and their spectra: what is drawn where, in which colors, and what the bar and the labels say."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from operando.errors import OperandoError
from operando.kind_colors import SUBSTANCES
from operando.region_colors import region_colors
from operando.xas.xpeem import clusters, labelled, plot

mpl.use("Agg")
SHAPE = (40, 50)
PLACES = (slice(5, 15), slice(5, 20)), (slice(20, 35), slice(30, 45))
SIZE = 0.2


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    plt.close("all")


def label_of(places) -> np.ndarray:
    label = np.zeros(SHAPE, np.int32)
    for number, place in enumerate(places, start=1):
        label[place] = number
    return label


@pytest.fixture
def series():
    rng = np.random.default_rng(4)
    label, energy = label_of(PLACES), np.linspace(845, 865, 21)
    edge = 852 + 0.5 * label + np.arange(3)[:, None, None]
    mu = 0.5 + np.arctan(energy - np.array([852.5, 853.0])[:, None] - np.arange(3)[:, None, None]) / np.pi
    mu[0, 1, 4] = np.nan
    share = rng.uniform(0, 1, (3, *SHAPE, 2))
    ds = xr.Dataset(
        {
            "image": (("scan", "y", "x"), 1.0 + np.stack([label] * 3), {"units": "1"}),
            "map_edge_energy": (("scan", "y", "x"), edge, {"units": "eV", "long_name": "edge energy, by level"}),
            "map_edge_step": (("scan", "y", "x"), edge - 850, {"units": "1", "long_name": "rise of the yield"}),
            "map_fraction": (
                ("scan", "y", "x", "reference"),
                share,
                {"units": "1", "long_name": "share of a reference"},
            ),
            "normalized": (
                ("scan", "region", "energy"),
                mu,
                {"units": "1", "long_name": "normalized absorption, edge step 1"},
            ),
            "edge_energy": (
                ("scan", "region"),
                np.array([852.5, 853.0]) + np.arange(3)[:, None],
                {"units": "eV", "long_name": "edge energy"},
            ),
            "edge_energy_std": (("scan", "region"), np.full((3, 2), 0.05), {"units": "eV"}),
        },
        {
            "energy": ("energy", energy, {"units": "eV", "long_name": "photon energy"}),
            "potential": ("scan", [3.5, 3.8, 4.1], {"units": "V", "long_name": "potential vs Li+/Li"}),
            "flag": ("scan", np.array([0, 0, 4], "int32")),
            "pixel_size": ("scan", np.full(3, SIZE), {"units": "um"}),
            "reference": ["reduced Ni", "NCM"],
        },
    )
    return ds.merge(labelled(label))


def bar_of(ax):
    (bar,) = (line for line in ax.lines if line.get_gid() == "scale bar")
    return bar


def outlines_of(ax):
    return [
        {"color": to_hex(one.get_edgecolor()[0]), "box": one.get_paths()[0].get_extents()}
        for one in ax.collections
        if len(one.get_edgecolor())
    ]


def test_an_image_has_its_regions_outlined_and_numbered_where_they_lie(series):
    ax = plot.pixel_map(series.isel(scan=0))
    assert ax.images[0].get_cmap().name == "gray"
    first, second = outlines_of(ax)
    assert [first["color"], second["color"]] == [one.lower() for one in region_colors(2)]
    for found, (rows, columns) in zip((first, second), PLACES, strict=True):
        edges = [(at.start - 0.5, at.stop - 0.5) for at in (columns, rows)]
        (left, right), (top, bottom) = (np.array(one) * SIZE for one in edges)
        np.testing.assert_allclose(found["box"].extents, [left, top, right, bottom], atol=1e-9)
    texts = {text.get_text(): text.get_position() for text in ax.texts}
    np.testing.assert_allclose(texts["1"], (12 * SIZE, 9.5 * SIZE), atol=1e-9)
    np.testing.assert_allclose(texts["2"], (37 * SIZE, 27 * SIZE), atol=1e-9)


def test_the_bar_is_in_micrometers_where_the_pixels_have_a_size_and_else_in_pixels(series):
    one = series.isel(scan=0)
    assert np.ptp(bar_of(plot.pixel_map(one)).get_xdata()) == pytest.approx(2.0)
    assert "2 µm" in [text.get_text() for text in plot.pixel_map(one).texts]
    unknown = plot.pixel_map(one.drop_vars("pixel_size"))
    assert np.ptp(bar_of(unknown).get_xdata()) == pytest.approx(10.0)
    assert "10 px" in [text.get_text() for text in unknown.texts]
    assert unknown.get_xlim() == (-0.5, 49.5)
    assert unknown.get_ylim() == (39.5, -0.5)


def test_what_is_noise_outside_of_the_regions_is_shown_inside_of_them_alone(series):
    one = series.isel(scan=1)
    shown = np.ma.getmaskarray(plot.pixel_map(one, "map_edge_energy").images[0].get_array())
    np.testing.assert_array_equal(~shown, label_of(PLACES) > 0)
    assert not np.ma.getmaskarray(plot.pixel_map(one, "map_edge_step").images[0].get_array()).any()
    everywhere = plot.pixel_map(one, "map_edge_energy", outside=True).images[0]
    assert not np.ma.getmaskarray(everywhere.get_array()).any()
    assert plot.pixel_map(one, "map_edge_energy", limits=(850, 860)).images[0].get_clim() == (850, 860)
    assert plot.pixel_map(one, "map_edge_energy").images[0].get_clim() == (853.5, 854.0)


def test_a_color_bar_says_what_it_is_the_share_of(series):
    ax = plot.pixel_map(series.isel(scan=0).sel(reference="NCM"), "map_fraction")
    assert ax.figure.axes[-1].get_ylabel() == "share of NCM"
    ax = plot.pixel_map(series.isel(scan=0), "map_edge_energy")
    assert ax.figure.axes[-1].get_ylabel() == "edge energy (eV)"
    alone = plot.pixel_map(series.isel(scan=0), "map_edge_energy", color_bar=False)
    assert alone.figure.axes == [alone]


def test_kinds_of_pixels_have_a_color_each_and_unknown_ones_none():
    energy = np.linspace(845, 865, 15)
    label = label_of(PLACES)
    images = np.moveaxis(np.stack([np.arctan(energy - at) for at in (850.0, 855.0, 860.0)])[label], -1, 0)
    images[:, 0, 0] = np.nan
    stack = xr.DataArray(images, {"energy": energy}, ("energy", "y", "x"))
    ax = plot.pixel_map(clusters(stack, 3), "label")
    picture = ax.images[0].get_array()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["kind 1", "kind 2", "kind 3"]
    assert to_hex(picture[1, 1]) == to_hex(SUBSTANCES[0])
    assert {to_hex(picture[20, 30]), to_hex(picture[5, 5])} == {to_hex(one) for one in SUBSTANCES[1:3]}
    assert picture[0, 0, 3] == 0


def test_spectra_of_regions_have_the_colors_of_their_outlines_and_bridge_lost_frames(series):
    ax = plot.region_spectra(series.isel(scan=0))
    assert [to_hex(line.get_color()) for line in ax.lines] == [one["color"] for one in outlines_of(image_of(series))]
    assert [line.get_xdata().size for line in ax.lines] == [21, 20]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("photon energy (eV)", "normalized absorption")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["region 1", "region 2"]


def image_of(series):
    return plot.pixel_map(series.isel(scan=0))


def test_a_region_that_is_chosen_keeps_its_number_in_every_figure(series):
    chosen = series.sel(region=[2])
    assert {text.get_text() for text in image_of(chosen).texts} == {"2", "2 µm"}
    (line,) = plot.region_spectra(chosen.isel(scan=0)).lines
    assert to_hex(line.get_color()) == outlines_of(image_of(chosen))[0]["color"]


def test_numbers_of_regions_stand_against_the_potential_with_their_errors(series):
    ax = plot.region_trends(series, "edge_energy")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("potential vs Li+/Li (V)", "edge energy (eV)")
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["region 1", "region 2"]
    assert "hollow: flagged" in legend.get_title().get_text()
    *_, bars = ax.containers[0].lines[2]
    np.testing.assert_allclose([np.ptp(segment[:, 1]) for segment in bars.get_segments()], 0.1)


def test_many_regions_have_a_color_bar_in_place_of_a_legend():
    edge = 852 + np.linspace(0, 1, 12)
    ds = xr.Dataset(
        {
            "edge_energy": (("scan", "region"), [edge, edge + 0.1], {"units": "eV", "long_name": "edge energy"}),
            "mu": (("region", "energy"), np.ones((12, 5)), {"units": "1", "long_name": "yield"}),
        },
        {
            "region": np.arange(1, 13),
            "energy": ("energy", np.arange(5.0), {"units": "eV", "long_name": "photon energy"}),
            "flag": ("scan", np.array([0, 4], "int32")),
        },
    )
    for ax in (plot.region_trends(ds, "edge_energy"), plot.region_spectra(ds, variable="mu")):
        assert ax.get_legend() is None
        assert ax.figure.axes[-1].get_ylabel() == "region"
        assert ax.figure.axes[-1].get_ylim() == (0.5, 12.5)
    assert "hollow: flagged" in plot.region_trends(ds, "edge_energy").get_title(loc="right")


def test_regions_at_the_edge_of_the_image_do_not_widen_it_and_those_cut_away_are_left_out(series):
    one = series.isel(scan=0)
    label = label_of([(slice(0, 10), slice(0, 12)), (slice(25, 40), slice(40, 50))])
    edge = one.assign(region_label=(("y", "x"), label)).drop_vars("pixel_size")
    for name in ("image", "map_edge_energy"):
        ax = plot.pixel_map(edge, name)
        assert (ax.get_xlim(), ax.get_ylim()) == ((-0.5, 49.5), (39.5, -0.5))
    cut = plot.pixel_map(edge.isel(x=slice(0, 20)))
    assert len(outlines_of(cut)) == 1
    assert len(outlines_of(plot.pixel_map(edge.assign(region_label=edge["region_label"].astype(float))))) == 2


def test_regions_with_names_or_without_numbers_are_drawn_in_their_order(series):
    named = series.assign_coords(region=np.array(["left", "right"], dtype=object)).drop_vars("region_label")
    ax = plot.region_spectra(named.isel(scan=0))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["left", "right"]
    assert [line.get_color() for line in ax.lines] == region_colors(2)
    ax = plot.region_trends(named, "edge_energy")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["left", "right"]
    bare = series.drop_vars("region")
    assert [line.get_color() for line in plot.region_spectra(bare.isel(scan=0)).lines] == region_colors(2)
    assert plot.region_trends(series.sel(region=[2]), "edge_energy").get_ylabel() == "edge energy (eV), region 2"
    assert plot.region_spectra(series.isel(scan=0, region=[])).lines[:] == []


def test_what_cannot_be_drawn_says_what_is_there(series):
    with pytest.raises(OperandoError, match=r"'map_fraction', a map of one stack, over 'y' and 'x', got dims \('scan'"):
        plot.pixel_map(series, "map_fraction")
    with pytest.raises(OperandoError, match=r"'map_phase', a map of one stack.* got image, map_edge_energy"):
        plot.pixel_map(series.isel(scan=0), "map_phase")
    with pytest.raises(OperandoError, match="spectra of one stack, over 'region' and 'energy'"):
        plot.region_spectra(series)
    with pytest.raises(OperandoError, match="a number of every scan and region, over 'scan' and 'region'"):
        plot.region_trends(series, "normalized")
