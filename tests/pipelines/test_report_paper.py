"""The text for a paper says what was done, with its numbers, once, and cites what the steps rest on."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import xarray as xr

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
