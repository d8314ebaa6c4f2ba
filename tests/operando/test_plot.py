from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.dates import num2date

from operando import flags
from operando.errors import OperandoError
from operando.flags import Flag
from operando.plot import FLAGGED, axis_label, experiment_zone, half_cycles, timeline, trends, unit_label
from operando.species_colors import species_colors

mpl.use("Agg")
START = np.datetime64("2022-07-26T12:00", "ns")


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    plt.close("all")


def echem(current=(0, 1, 1, -1, -1), half_cycle=(0, 1, 1, 2, 2), segment=(0, 0, 0, 0, 0)):
    size = len(current)
    return xr.Dataset(
        {
            "voltage": ("time", np.linspace(2.9, 3.4, size), {"units": "V", "long_name": "voltage as measured"}),
            "potential": ("time", np.linspace(3.5, 4.0, size), {"units": "V", "long_name": "potential vs Li+/Li"}),
            "current": ("time", np.array(current) * 1e-4, {"units": "A"}),
            "half_cycle": ("time", np.array(half_cycle), {"units": "1"}),
            "segment": ("time", np.array(segment), {"units": "1"}),
        },
        {"time": START + np.arange(size) * np.timedelta64(1, "h")},
    )


def series(flag=(0, 0, 0), times=True):
    time = START + (np.arange(len(flag)) * 60 + 30) * np.timedelta64(1, "m")
    return xr.Dataset(
        {"mu": (("scan", "energy"), np.ones((len(flag), 4)))},
        {
            "time": ("scan", time if times else np.full(len(flag), np.datetime64("NaT", "ns"))),
            "flag": ("scan", np.array(flag, "int32"), flags.attrs()),
        },
    )


def tree(log=None, **nodes):
    children = {f"/xas/{name}/raw": ds for name, ds in nodes.items()} | ({} if log is None else {"/echem": log})
    return xr.DataTree.from_dict(children)


def test_a_half_cycle_is_a_charge_or_a_discharge_by_the_sign_of_its_current():
    assert [one.name for one in half_cycles(echem()).values()] == ["rest", "charge 1", "discharge 1"]


def test_rests_within_a_half_cycle_do_not_change_its_kind():
    found = half_cycles(echem(current=(0, 1, 0, -1, 0)))
    assert [found[1].kind, found[2].kind] == ["charge", "discharge"]


def test_noise_of_the_current_makes_no_charge_of_the_first_rest():
    assert half_cycles(echem(current=(1e-6, 1, 1, -1, -1)))[0].kind == "rest"


def test_charges_and_discharges_never_share_a_color_or_a_marker():
    found = half_cycles(echem(current=(1, -1, 1, -1, 1), half_cycle=(1, 2, 3, 4, 5)))
    charge = {one.color for one in found.values() if one.kind == "charge"}
    discharge = {one.color for one in found.values() if one.kind == "discharge"}
    assert len(charge) == 3
    assert not charge & discharge
    assert found[1].marker != found[2].marker


def test_many_cycles_have_one_color_a_kind():
    half = np.arange(1, 21)
    found = half_cycles(echem(current=np.where(half % 2, 1, -1), half_cycle=half, segment=half * 0))
    assert {(one.name, one.color) for one in found.values()} == {
        (found[1].name, found[1].color),
        (found[2].name, found[2].color),
    }
    assert [found[1].name, found[2].name] == ["charge", "discharge"]


def test_scans_in_no_half_cycle_are_passed_over():
    ds = xr.Dataset({"half_cycle": ("scan", [np.nan, 1.0, np.nan]), "current": ("scan", [np.nan, 1.0, np.nan])})
    assert list(half_cycles(ds)) == [1]
    assert half_cycles(xr.Dataset()) == {}


@pytest.mark.parametrize(
    ("attrs", "label"),
    [
        ({"long_name": "potential vs Li+/Li, mean over the scan", "units": "V"}, "potential vs Li+/Li (V)"),
        ({"long_name": "half-cycle: 0 rest", "units": "1"}, "half-cycle"),
        ({"long_name": "electrode area", "units": "cm^2"}, "electrode area (cm²)"),
        ({"units": "eV"}, "x (eV)"),
        ({}, "x"),
    ],
)
def test_a_label_is_the_long_name_and_the_unit(attrs, label):
    assert axis_label(xr.DataArray(0.0, name="x", attrs=attrs)) == label


def test_negative_powers_are_raised():
    assert unit_label("mA*cm^-2") == "mA*cm⁻²"
    assert unit_label("um^3") == "µm³"


def test_the_timeline_has_the_potential_and_a_tick_for_every_scan():
    ax = timeline(tree(echem(), Ni_K=series((0, int(Flag.saturated), 0)), Co_K=series()))
    assert ax.get_ylabel() == "potential vs Li+/Li (V)"
    ticks = [len(one.get_segments()) for one in ax.collections]
    assert ticks == [2, 1, 3, 0]
    assert mpl.colors.to_hex(ax.collections[1].get_color()[0]).upper() == FLAGGED
    assert {"Ni_K", "Co_K"} <= {text.get_text() for text in ax.texts}


def test_the_timeline_is_drawn_on_the_axes_it_is_given():
    _, ax = plt.subplots()
    assert timeline(tree(echem()), ax) is ax


def test_the_timeline_shows_the_zone_of_the_experiment():
    experiment = tree(echem(), Ni_K=series())
    experiment.attrs["timezone"] = "Europe/Paris"
    ax = timeline(experiment)
    assert ax.get_xlabel() == "time (Europe/Paris)"
    ax.figure.canvas.draw()
    zone = experiment_zone(experiment)
    hours = [num2date(at, zone).strftime("%H:%M") for at in ax.get_xticks()]
    assert any(label.get_text() in hours for label in ax.get_xticklabels())


@pytest.mark.parametrize("zone", ["Mars/Olympus", "/etc/passwd", "", "../x"])
def test_an_unknown_zone_is_utc(zone):
    experiment = tree(echem())
    experiment.attrs["timezone"] = zone
    assert experiment_zone(experiment).key == "UTC"


def test_no_line_crosses_a_gap_of_the_log():
    ax = timeline(tree(echem(segment=(0, 0, 1, 1, 1))))
    drawn = np.array([line.get_ydata() for line in ax.lines])
    assert np.isnan(drawn[:, 2]).all()
    assert np.isfinite(drawn).any(axis=0).sum() == 4


def test_without_a_potential_the_voltage_is_drawn_and_named():
    assert timeline(tree(echem().drop_vars("potential"))).get_ylabel() == "voltage as measured (V)"


def test_without_electrochemistry_the_scans_remain():
    ax = timeline(tree(Ni_K=series()))
    assert len(ax.collections[0].get_segments()) == 3


def test_a_tree_without_times_is_an_error():
    with pytest.raises(OperandoError, match="expected times"):
        timeline(tree(Ni_K=series(times=False)))


def test_a_log_without_voltage_is_an_error():
    with pytest.raises(OperandoError, match="expected 'potential' or 'voltage'"):
        timeline(tree(echem().drop_vars(["potential", "voltage"])))


def fitted():
    time = START + np.arange(5) * np.timedelta64(3, "h")
    area = np.array([[9.0, 1], [8, 2], [7, 3], [6, np.nan], [5, 5]])
    attrs = {"units": "count*eV", "long_name": "area of the line, both of a doublet"}
    return xr.Dataset(
        {
            "area": (("scan", "peak"), area, attrs),
            "area_std": (("scan", "peak"), np.full((5, 2), 0.25), attrs),
            "total": ("scan", area.sum(1), {"units": "eV", "long_name": "total"}),
        },
        {
            "peak": ["S 2p Li2S", "S 2p S0"],
            "time": ("scan", time),
            "potential": ("scan", [2.0, 3.5, 4.0, 3.0, 2.5], {"units": "V", "long_name": "potential vs Li+/Li"}),
            "potential_std": ("scan", np.full(5, 0.01), {"units": "V"}),
            "current": ("scan", [1.0, 1, 1, -1, -1], {"units": "A"}),
            "half_cycle": ("scan", [1.0, 1, 1, 2, 2], {"units": "1"}),
            "flag": ("scan", np.array([0, 4, 0, 0, 0], "int32"), flags.attrs()),
        },
    )


def bars(container, axis):
    """Return the half lengths of the error bars along x (0) or y (1)."""
    return [np.ptp(segment[:, axis]) / 2 for segment in container.lines[2][axis].get_segments()]


def test_a_number_of_every_line_is_drawn_against_potential_with_errors_both_ways():
    ax = trends(fitted(), "area")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("potential vs Li+/Li (V)", "area of the line (count·eV)")
    full, hollow, *_ = ax.containers
    np.testing.assert_array_equal(full.lines[0].get_xydata(), [[2.0, 9], [4.0, 7], [3.0, 6], [2.5, 5]])
    np.testing.assert_array_equal(hollow.lines[0].get_xydata(), [[3.5, 8]])
    assert hollow.lines[0].get_markerfacecolor() == "none"
    np.testing.assert_allclose(bars(full, 0), 0.01)
    np.testing.assert_allclose(bars(full, 1), 0.25)


def test_lines_of_a_spectrum_have_the_colors_of_their_species_and_what_is_not_known_no_point():
    ax = trends(fitted(), "area")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["S 2p Li2S", "S 2p S0"]
    drawn = [one.lines[0] for one in ax.containers]
    colors = dict.fromkeys(mpl.colors.to_hex(one.get_color()).upper() for one in drawn)
    assert list(colors) == species_colors(["Li2S", "S0"])
    assert sum(len(one.get_xdata()) for one in drawn) == 9


def test_scans_are_joined_within_half_cycles_and_never_to_a_flagged_one():
    ax = trends(fitted()[["total"]].fillna(11.0), "total")
    joined = {one.get_linestyle(): one.get_xdata().tolist() for one in ax.lines if one.get_linestyle() in ("-", "--")}
    assert joined == {"-": [2.0, 4.0], "--": [3.0, 2.5]}
    assert "dashed: discharge" in ax.get_title(loc="right")
    assert ax.get_legend() is None


def test_where_the_potential_is_not_known_time_is_used_in_the_zone_asked_for():
    ax = trends(fitted().drop_vars(["potential", "half_cycle"]), "area", zone="Europe/Paris")
    assert ax.get_xlabel() == "time (Europe/Paris)"
    ax = trends(fitted().drop_vars(["potential", "half_cycle", "time"]), "area")
    assert ax.get_xlabel() == "scan"


def test_a_number_of_other_dims_is_refused():
    with pytest.raises(OperandoError, match="select the others"):
        trends(fitted().expand_dims(signal=2), "area")
    with pytest.raises(OperandoError, match="expected 'fraction' over 'scan'"):
        trends(fitted(), "fraction")
