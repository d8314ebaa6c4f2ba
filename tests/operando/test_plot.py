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
from operando.plot import FLAGGED, axis_label, experiment_zone, half_cycles, timeline, unit_label

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
