"""The text for a paper says what was done, with its numbers, once, and cites what the steps rest on."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import xarray as xr

from operando.pipelines.electrochemistry import onset_table
from operando.pipelines.recipe_tables import OnsetSection
from operando.pipelines.report.citations import docstring, dois, references
from operando.pipelines.report.paper import paper
from operando.pipelines.report.paper_sentences import CITING, SENTENCES

CLOCK = {"name": "beamline", "reference": "cycler", "offset": 37.24, "drift": 2.5e-5, "sigma": 0.23, "method": "event"}
NORMALIZED = {"e0": 8333.0, "pre1": -150.0, "pre2": -30.0, "norm1": 100.0, "norm2": 400.0, "nnorm": 2}


def node(*steps):
    history = [{"step": name, "version": "0.1.0", "parameters": given} for name, given in steps]
    mu = xr.DataArray(np.ones((3, 2)), dims=("scan", "energy"))
    return xr.Dataset({"mu": mu}, attrs={"history": json.dumps(history)})


def said(**nodes):
    found = paper(xr.DataTree.from_dict({name.replace("__", "/"): ds for name, ds in nodes.items()}))
    return re.sub(r"\s+", " ", re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", found))


def test_sentences_hold_the_numbers_and_steps_that_nodes_share_are_told_once():
    raw = node(("link", {"clock": CLOCK}))
    done = node(
        ("link", {"clock": CLOCK}), ("xas.normalize", NORMALIZED), ("xas.edge_energy", {"method": "derivative"})
    )
    words = said(xas__Ni_K__raw=raw, xas__Ni_K__processed=done)
    assert words.count("The clock beamline was brought to that of cycler") == 1
    assert "offset 37.24 s, drift 25.0 ppm, uncertainty 0.23 s" in words
    assert "X-ray absorption spectra (Ni K, 3 scans)" in words
    assert (
        "a line through -150 to -30 eV and a polynomial of degree 2 through 100 to 400 eV from the edge at 8333"
        in words
    )
    assert "The edge energy is that of the steepest rise" in words


def test_the_noise_of_frames_is_told_as_far_as_it_was_stated():
    step = ("xas.xpeem.correct", {"gain": 2.0, "duplicates": None, "i0_noise": 0.002})
    words = said(xpeem__Ni_L3__processed=node(step))
    assert (
        "noise is that of counting (counts of the camera per electron: 2) and of the incoming intensity (0.2 %)."
        in words
    )
    words = said(xpeem__Ni_L3__processed=node(("xas.xpeem.correct", {"gain": None, "duplicates": None})))
    assert "Frames were corrected by what was measured of dark, flat and incoming intensity." in words


def test_works_are_numbered_in_the_order_in_which_they_are_cited_and_only_where_a_step_rests_on_them():
    centroid, half = ({"method": name, "level": 0.5} for name in ("centroid", "half_height"))
    steps = [("xas.edge_energy", half), ("xas.normalize", NORMALIZED), ("xas.edge_energy", centroid)]
    words = said(xas__Ni_K__processed=node(*steps))
    assert "first reaches 0.5 [" not in words
    assert "first reaches 0.5. The absorption" in words
    assert "at 8333 eV [1]." in words
    assert "centroid [2, 3]." in words
    assert words.index("M. Newville") < words.index("T. W. Capehart") < words.index("H. Dau")


def test_a_history_without_the_parameters_of_a_sentence_gives_none():
    assert "absorption was normalized" not in said(xas__Ni_K__processed=node(("xas.normalize", {"e0": 1.0})))
    assert said(xas__Ni_K__processed=node(("someone.elses", {}))) == ""


def crossed(t, potential, sections):
    ds = xr.Dataset(
        {
            "potential": ("time", potential, {"units": "V"}),
            **{name: ("time", np.zeros(t.size, int)) for name in ("segment", "half_cycle", "cycle", "flag")},
        },
        {"time": np.datetime64("2024-03-01T08:00", "ns") + (t * 1e9).astype("m8[ns]")},
        {"voltage_error": 1e-3},
    )
    table = onset_table(ds, {name: OnsetSection(**given) for name, given in sections.items()})
    return xr.DataTree.from_dict({"/onsets": table, "/xas/Ni_K/processed": node(("xas.edge_energy", HALF))})


def plain(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).replace("\u00a0", " ")


HALF = {"method": "half_height", "level": 0.5}


def test_onsets_that_the_recipe_asked_for_are_told_with_their_rule_times_and_errors():
    t = np.arange(0.0, 7200.0, 10.0)
    potential = 1.5 + 3e-4 * np.minimum(t, 7200.0 - t) + 1e-4 * np.random.default_rng(5).standard_normal(t.size)
    sections = {"<oxidation>": {"above": 2.3, "hold": 60.0}, "reduction": {"below": 1.7}}
    tree = crossed(t, potential, sections)
    words = plain(paper(tree))
    assert "(vs Li+/Li) to above 2.3 V for at least 60 s and to below 1.7 V:" in words
    assert "more than 3 standard deviations of the noise" in words
    found = tree["onsets"].to_dataset()
    for name, way, at in (("&lt;oxidation&gt;", "rose above 2.3", 0), ("reduction", "fell below 1.7", 1)):
        one = found.isel(onset=at)
        time = re.search(rf"The potential {way} V \({name}\) at (\S+ \S+) ± (\S+) s", words)
        off = (np.datetime64(time[1].replace(" ", "T"), "ns") - one["time"].values) / np.timedelta64(1, "s")
        assert abs(off) < 0.1 * float(one["time_std"])
        assert float(time[2]) == pytest.approx(float(one["time_std"]), rel=0.05)
    common = re.search(r"the voltmeter&#x27;s error moves them by up to (\S+) s", words)
    assert float(common[1]) == pytest.approx(float(found["time_systematic"][0]), rel=0.02)


def test_of_onsets_that_are_not_there_it_is_said_and_of_none_asked_nothing():
    t = np.arange(0.0, 3600.0, 10.0)
    words = plain(paper(crossed(t, 1.5 + 1e-5 * t, {"oxidation": {"above": 2.3}})))
    assert "Onsets are crossings" in words
    assert "No such crossing was found" in words
    assert "nset" not in said(xas__Ni_K__processed=node(("xas.edge_energy", HALF)))


def test_only_the_first_of_many_onsets_are_told():
    t = np.arange(0.0, 72000.0, 10.0)
    words = plain(paper(crossed(t, 2.3 + 0.5 * np.sin(t / 500 - 1), {"": {"above": 2.3}})))
    assert words.count(" ± ") == 12
    assert "the first of 23 onsets" in words


def test_what_comes_from_files_is_escaped():
    given = {"material": "<b>", "element": "Ni", "line": "La1", "edge": "L3", "incidence": 45.0, "takeoff": 45.0}
    tree = xr.DataTree.from_dict({"xas/Ni/processed": node(("xas.correct_self_absorption", given))})
    assert "undone for &lt;b&gt;" in paper(tree)


@pytest.mark.parametrize("name", sorted({*SENTENCES, *CITING}))
def test_every_sentence_is_of_a_step_that_there_is(name):
    assert docstring(name), name


def test_references_have_authors_and_year_where_the_docstring_has_them():
    assert references("xas.normalize") == [
        "M. Newville, J. Phys. Conf. Ser. 430, 012007 (2013), doi:10.1088/1742-6596/430/1/012007"
    ]
    assert dois("xps.bootstrap") == references("xps.bootstrap") == ["doi:10.1201/9780429246593"]
    assert references("no.such.step") == []
