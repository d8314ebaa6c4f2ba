"""Models: what ties quantities together, their text, their derivatives, and mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operando.errors import OperandoError
from operando.xps import Background, Doublet, Fixed, Free, Link, Model, Peak
from operando.xps.affine import Affine
from operando.xps.fit_kernels import room
from operando.xps.line_kernels import line_functions
from operando.xps.line_shapes import SHAPES
from operando.xps.model_kernels import evaluate, expand

ENERGY = np.linspace(155.0, 172.0, 120)
CONVOLVED = {"doniach_sunjic", "la", "lf"}


def s_2p(**changes) -> Model:
    lines = [
        Doublet("PS4", 161.6, 1.0, 1.18, 0.511, phase="electrolyte"),
        Doublet("Li2S", 160.1, Link("PS4.fwhm", 1.1, 0.05), 1.18, 0.511),
        Doublet("bridge", 163.2, 1.2, Free(1.18, 1.0, 1.4), 0.511, fwhm_2=1.3, phase="electrolyte", mixing=Fixed(0.2)),
        Peak("sulfate", Link("bridge.position", 1.0, 5.5), Fixed(1.4), area=Link("PS4.area", 0.1)),
    ]
    return Model(lines, **{"shifts": {"electrolyte": Free(0.1, -0.5, 0.5)}, **changes})


def full(model: Model, free: np.ndarray) -> dict[str, float]:
    out = np.empty(len(model.compiled.rows))
    expand(model.compiled.structure, free, out)
    return dict(zip([name for name, _ in model.compiled.rows], out, strict=True))


def test_ties_hold_for_any_free_parameters():
    model = s_2p()
    free = np.random.default_rng(1).uniform(0.5, 2.0, len(model.compiled.names))
    values = full(model, free)
    assert values["PS4_2.area"] / values["PS4_1.area"] == pytest.approx(0.511, rel=1e-14)
    assert values["PS4_2.position"] - values["PS4_1.position"] == pytest.approx(1.18, rel=1e-12)
    assert values["bridge_1.position"] - values["PS4_1.position"] == pytest.approx(1.6, rel=1e-12)
    assert values["Li2S_1.fwhm"] == pytest.approx(1.1 * values["PS4_1.fwhm"] + 0.05, rel=1e-14)
    assert values["sulfate.position"] == pytest.approx(values["bridge_1.position"] + 5.5, rel=1e-14)
    assert values["sulfate.area"] == pytest.approx(0.1 * (values["PS4_1.area"] + values["PS4_2.area"]), rel=1e-14)
    assert values["PS4_1.mixing"] == values["Li2S_2.mixing"] == values["sulfate.mixing"]
    assert values["bridge_1.mixing"] == 0.2


def test_what_is_free_is_what_nothing_else_sets():
    assert set(s_2p().compiled.names) == {
        *("PS4.area", "PS4.fwhm", "PS4.mixing", "Li2S.area", "Li2S.position", "bridge.area", "bridge.fwhm"),
        *("bridge.fwhm_2", "bridge.splitting", "electrolyte.shift"),
        *("background.height", "background.constant", "background.slope"),
    }


def test_satellites_follow_their_line():
    model = s_2p().with_satellites("Mg Ka")
    values = full(model, model.compiled.start + 1.0)
    assert values["PS4_1.position"] - values["PS4_1_satellite_1.position"] == pytest.approx(8.4)
    assert 0.03 < values["sulfate_satellite_2.area"] / values["sulfate.area"] < 0.05
    with pytest.raises(OperandoError):
        s_2p().with_satellites("Ag La")


def test_species_and_overlaps_become_lines_where_the_table_knows_them():
    model = Model.from_species(["Li2S", "PS4 3-"], "S 2p")
    assert [line.name for line in model.lines] == ["Li2S", "PS4 3-"]
    assert model.lines[0].splitting == 1.18
    assert "PS4 3-.fwhm" not in model.compiled.names
    more = model.with_overlap("Ni 3p")
    assert more.lines[2] == Peak("Ni 3p", Free(68.0, 65.0, 71.0), 2.5)
    assert Doublet("Ti", 458.0, 1.1, level="Ti 2p").fwhm_2 == 1.1
    with pytest.raises(OperandoError, match="one species of S 2p named 'unobtainium', got none"):
        Model.from_species(["unobtainium"], "S 2p")
    with pytest.raises(OperandoError, match="named 'polysulfide', got polysulfide, terminal; polysulfide, central"):
        Model.from_species(["polysulfide"], "S 2p")


@pytest.mark.parametrize(
    "model",
    [
        s_2p(),
        s_2p(links={"PS4.area": Link("Li2S.area", 2.0)}).with_satellites(),
        Model([Peak("a", 1.0, 1.0, "voigt", 5.0)], Background("tougaard", 3, Fixed(2.0), loss="polymer")),
        Model([Peak("a", 1.0, 1.0)], Background("none", 0, constant=Free(1.0, 0.0), static=True)),
    ],
)
def test_a_model_survives_as_text(model):
    again = Model.from_json(model.to_json())
    assert again == model
    assert again.compiled.names == model.compiled.names


@settings(max_examples=25, deadline=None)
@given(
    shape=st.sampled_from(sorted(SHAPES)),
    kind=st.sampled_from(["shirley", "tougaard", "none"]),
    doublet=st.booleans(),
    tied=st.booleans(),
    numbers=st.tuples(st.integers(0, 3), st.integers(0, 2**16)),
)
def test_the_jacobian_of_a_model_is_that_of_finite_differences(shape, kind, doublet, tied, numbers):
    degree, seed = numbers
    rng = np.random.default_rng(seed)
    width = Link("one.fwhm", 0.9, 0.1) if tied else 1.3
    lines = [
        Doublet("one", 161.0, 1.2, Free(1.2, 1.0, 1.5), 0.5, shape=shape, fwhm_2=1.4, phase="p")
        if doublet
        else Peak("one", 161.0, 1.2, shape, phase="p"),
        Peak("other", 165.0, width, shape, phase="p"),
    ]
    model = Model(lines, Background(kind, degree), shifts={"p": 0.0} if tied else None).compiled
    values = model.start + rng.uniform(-0.05, 0.05, len(model.names))
    values[[name.endswith("area") for name in model.names]] = rng.uniform(50, 500)
    values[[name.endswith("height") for name in model.names]] = rng.uniform(0.01, 0.1) * (
        500 if kind == "tougaard" else 1
    )
    inside = np.clip(values, np.maximum(model.low + 1e-3, -1e9), np.minimum(model.high - 1e-3, 1e9))
    grid = *model.points(ENERGY), line_functions(model.structure[0])
    memory = room(len(model.names), len(model.rows), ENERGY.size)
    where = np.empty(len(model.rows))

    def curve(free: np.ndarray) -> np.ndarray:
        expand(model.structure, free, where)
        assert evaluate(model.structure, grid, where, memory[1], memory[2][0])
        return memory[1][0].copy()

    expand(model.structure, inside, where)
    assert evaluate(model.structure, grid, where, memory[0], memory[2][0])
    step, tolerance = (1e-4, 2e-5) if shape in CONVOLVED else (1e-5, 1e-7)
    for k, name in enumerate(model.names):
        size = step * {"area": 100.0, "height": 1e5}.get(name.rsplit(".", 1)[-1], 1.0)
        move = size * (np.arange(inside.size) == k)
        slope = (curve(inside + move) - curve(inside - move)) / (2 * size)
        scale = np.abs(memory[0][2][k]).max()
        np.testing.assert_allclose(memory[0][2][k], slope, atol=tolerance * scale + 1e-9, err_msg=name)


def test_affine_sums_add_up_term_by_term():
    both = Affine({"a": 1.0, "b": 2.0}, 1.0) + Affine({"b": 3.0}).times(2.0, 0.5)
    assert both == Affine({"a": 1.0, "b": 8.0}, 1.5)
    assert both.at({"a": 2.0, "b": 0.25}) == 5.5


MISTAKES = {
    "expected every name once, got a more than once": lambda: Model([Peak("a", 1, 1), Peak("a", 2, 1)]),
    "in a circle: a.fwhm -> b.fwhm -> a.fwhm": lambda: Model(
        [Peak("a", 1, Link("b.fwhm")), Peak("b", 1, Link("a.fwhm"))]
    ),
    "a.fwhm is linked to 'c.fwhm', which there is not; expected one of b.fwhm": lambda: Model(
        [Peak("a", 1, Link("c.fwhm")), Peak("b", 1, 1)]
    ),
    "a.position is linked to b.area, a quantity of another kind": lambda: Model(
        [Peak("a", Link("b.area"), 1), Peak("b", 1, 1)]
    ),
    "a link ties 'b.fwhm', which there is not": lambda: Model([Peak("a", 1, 1)], links={"b.fwhm": Link("a.fwhm")}),
    "expected at least one line": lambda: Model([]),
    "expected low < high and a start between them, got start 1 between 3 and 2": lambda: Free(1, 3, 2),
    "expected a finite number, got nan": lambda: Fixed(float("nan")),
    "expected parameters of gl_sum \\(mixing\\), got 'mixin'": lambda: Peak("a", 1, 1, mixin=0.3),
    "expected a line shape among": lambda: Peak("a", 1, 1, "triangle"),
    "expected a name without a dot": lambda: Peak("a.b", 1, 1),
    "expected a fwhm above 0 eV, got -1": lambda: Peak("a", 1, -1),
    "expected a number, Free, Fixed, Link or Expression as position, got '161'": lambda: Peak("a", "161", 1),
    "expected a ratio that is a positive number": lambda: Doublet("a", 1, 1, 1, Free(0.5)),
    "expected 'shirley', 'tougaard' or 'none'": lambda: Background("linear"),
    "expected a polynomial of degree 0 to 3, got 7": lambda: Background(polynomial=7),
    "expected a loss function among": lambda: Background("tougaard", loss="U9"),
    "expected shifts of phases that lines have \\(p\\), got q": lambda: Model(
        [Peak("a", 1, 1, phase="p")], shifts={"q": 0}
    ),
    "the position of 'a' is free and its phase 'p' shifts": lambda: Model(
        [Peak("a", Free(1), 1, phase="p")], shifts={"p": 0}
    ),
    "expected keys among .*, got line": lambda: Model.from_json({"line": []}),
    "line 'a': missing .* 'fwhm'": lambda: Model.from_json({"lines": [{"name": "a", "position": 1.0}]}),
    "expected the kind 'peak' or 'doublet', got 'triplet'": lambda: Model.from_json({"lines": [{"kind": "triplet"}]}),
    "expected links as tables": lambda: Model.from_json(
        {"lines": [{"name": "a", "position": 1, "fwhm": 1}], "links": {"a.fwhm": 1}}
    ),
}


@pytest.mark.parametrize("said", MISTAKES)
def test_mistakes_are_told_in_one_line(said):
    with pytest.raises(OperandoError, match=said) as error:
        MISTAKES[said]()
    assert "\n" not in str(error.value)
