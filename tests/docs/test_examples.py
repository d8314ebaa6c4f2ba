"""Examples of docstrings run, and show what comes out."""

from __future__ import annotations

import doctest
import inspect

import matplotlib as mpl
import pytest
from pages.public import everything, table

mpl.use("Agg")

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
EXAMPLES = [
    test
    for one in everything()
    for test in doctest.DocTestFinder().find(one.value, one.path, globs={})
    if test.examples
]
SHOWN_OTHERWISE = {
    "operando": {"clock_choices", "depth_profile", "open"},
    "operando.xas": {"fit_shells", "nexus_tree", "read_series"},
    "operando.xps": {
        "casaxps_components",
        "charge_reference",
        "from_lmfit",
        "join",
        "nexus_tree",
        "read",
        "read_series",
        "rigid_shift",
    },
    "operando.tomo": {
        "align",
        "aperture",
        "aperture_table",
        "classify_objects",
        "contact_loss",
        "correlate",
        "detection_limit",
        "displacement_field",
        "estimate_blur",
        "feature_stack",
        "nexus_tree",
        "orientation_distribution",
        "read",
        "read_series",
        "reconstruct",
        "reopen",
        "segment_cracks",
        "tortuosity_bracket",
        "tortuosity_coarsened",
        "tortuosity_in_slabs",
        "void_volumes",
        "volume_expansion",
    },
}
"""Names without an example that runs: they need a store, files, another program or a simulated volume."""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda test: test.name)
def test_an_example_shows_what_comes_out(example):
    told: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(example, out=told.append)
    assert not told, "".join(told)


@pytest.mark.parametrize("floor", SHOWN_OTHERWISE)
def test_a_public_function_has_an_example(floor):
    functions = {one.name: one.docstring for one in table(floor) if inspect.isfunction(one.value)}
    without = {name for name, docstring in functions.items() if ">>>" not in docstring}
    assert without <= SHOWN_OTHERWISE[floor]
