"""A measured Fe 2p spectrum of FeO as CasaXPS fitted it: its components and its background are ours within 1 %."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import least_squares

from operando.xps.backgrounds import tougaard
from operando.xps.line_codes import ROWS
from operando.xps.line_kernels import fill, line_functions
from operando.xps.line_shapes import SHAPES, area_share

pytestmark = pytest.mark.realdata

FOLDER = "xps/pynxtools-xps"
ENERGY, INTENSITY, FIRST, BACKGROUND = 8, 9, 10, 14
TOLERANCE = 0.01
PHOTON = 1486.61
_COMPONENT = re.compile(r"CASA comp .*?\(\*(LF|SGL)\(([\d.,]+)\)\*\) Area \S+ .*? MFWHM (\S+) .*? Position (\S+)")


@dataclass(frozen=True)
class Component:
    """A component as CasaXPS states it: position and width are those of the Lorentzian before it is broadened."""

    name: str
    numbers: list[float]
    fwhm: float
    position: float


@pytest.fixture(scope="module")
def table(realdata):
    """Return the exported curves, ascending in binding energy, the points outside the fitted region left out."""
    text = (realdata / FOLDER / "FeO_analyzed_lineshapes_cols.txt").read_text()
    rows = [
        [float(cell) for cell in line.split("\t") if cell.strip()] for line in text.splitlines() if line[:1].isdigit()
    ]
    return np.array(rows)[::-1]


@pytest.fixture(scope="module")
def inside(table):
    return table[table[:, BACKGROUND] != table[:, INTENSITY]]


@pytest.fixture(scope="module")
def components(realdata):
    text = (realdata / FOLDER / "FeO_analyzed.vms").read_text(errors="replace")
    found = [
        Component(name, [float(n) for n in numbers.split(",")], float(fwhm), PHOTON - float(position))
        for name, numbers, fwhm, position in _COMPONENT.findall(text)
    ]
    assert [one.name for one in found] == ["LF", "SGL", "LF", "SGL"]
    return found


def curve(name, energy, position, fwhm, parameters):
    out = np.empty((ROWS, energy.size))
    values = np.zeros(4)
    values[: len(parameters)] = parameters
    fill(
        line_functions([SHAPES[name].code]),
        SHAPES[name].code,
        np.ascontiguousarray(energy),
        position,
        fwhm,
        values,
        out,
    )
    return out[0]


@pytest.mark.parametrize("at", [1, 3])
def test_sgl_is_the_sum_of_both_with_the_share_turned_from_heights_to_areas(inside, components, at):
    share = area_share(components[at].numbers[0] / 100)
    measured = inside[:, FIRST + at] - inside[:, BACKGROUND]
    ours = curve("gl_sum", inside[:, ENERGY], components[at].position, components[at].fwhm, [share])
    ours *= ours @ measured / (ours @ ours)
    assert abs(ours - measured).max() < 0.1 * TOLERANCE * measured.max()


def test_lf_with_its_powers_and_damping_is_both_components_with_one_share_of_the_gaussian(inside, components):
    alpha, beta, damping = components[0].numbers[:3]
    pair = [(at, inside[:, FIRST + at] - inside[:, BACKGROUND]) for at in (0, 2)]
    widths = np.array([components[at].fwhm for at, _ in pair])

    def misfit(point):
        gauss, per_width, *positions = point
        parts = []
        for (_at, measured), position, width in zip(pair, positions, widths, strict=True):
            ours = curve("lf", inside[:, ENERGY], position, per_width * width, [alpha, beta, damping, gauss])
            parts.append(ours * (ours @ measured) / (ours @ ours) / measured.max() - measured / measured.max())
        return np.concatenate(parts)

    start = [0.5, 1.2, *(components[at].position + 1.0 for at, _ in pair)]
    found = least_squares(misfit, start)
    assert abs(found.fun).max() < 0.2 * TOLERANCE
    assert found.x[0] == pytest.approx(0.63, abs=0.01)
    assert found.x[1] * components[0].fwhm == pytest.approx(4.67, abs=0.02)
    tops = [inside[measured.argmax(), ENERGY] for _, measured in pair]
    np.testing.assert_allclose(found.x[2:], tops, atol=0.06)


def test_tougaard_background_is_that_of_casaxps(table, inside):
    attrs = {"units": "eV", "long_name": "binding energy"}
    spectrum = xr.DataArray(
        table[:, INTENSITY],
        dims="binding_energy",
        coords={"binding_energy": ("binding_energy", table[:, ENERGY], attrs)},
        attrs={"units": "count/s"},
    )
    step = table[1, ENERGY] - table[0, ENERGY]
    low, high = inside[0, ENERGY] - step, inside[-1, ENERGY] + step
    found = tougaard(spectrum, "polymer", gap=3.0, low=low, high=high)
    ours = found["background"].sel(binding_energy=inside[:, ENERGY]).to_numpy()
    assert abs(ours - inside[:, BACKGROUND]).max() < 0.3 * TOLERANCE * np.ptp(inside[:, BACKGROUND])
    assert found["b"].item() == pytest.approx(335.446, rel=5e-3)
