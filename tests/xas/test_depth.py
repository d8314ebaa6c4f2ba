"""Probing depths are those of the tables and the geometry, escape and information depth apart."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando import xas
from operando.errors import OperandoError
from operando.xas import atomic_data

NCM, LPS = ("LiNi0.8Co0.1Mn0.1O2", 4.7), ("Li3PS4", 1.87)


@pytest.mark.parametrize(
    ("material", "energy", "micrometers"), [(NCM, 853.0, 0.31), (LPS, 2475.0, 3.0), (LPS, 2150.0, 8.3)]
)
def test_light_goes_as_deep_as_is_known(material, energy, micrometers):
    """Densities of NCM811 and of glassy Li3PS4 (g/cm^3)."""
    depth = 1e-3 / atomic_data.attenuation(*material, np.array([energy]))
    assert float(depth[0]) == pytest.approx(micrometers, rel=0.03)


def test_fluorescence_comes_from_where_light_goes_in_and_out():
    geometry = {"incidence": 30.0, "takeoff": 60.0}
    found = xas.probing_depth("tfy", NCM[0], "Ni", "L3", density=NCM[1], energy=[890.0], line="La1", **geometry)
    line = atomic_data.fluorescence_line("Ni", "La1").energy
    into, out = atomic_data.attenuation(*NCM, np.array([890.0, line]))
    expected = 1 / (into / 0.5 + out / np.sin(np.deg2rad(60)))
    assert float(found["escape_depth"][0]) == pytest.approx(expected, rel=1e-12)
    assert float(found["information_depth"][0]) == pytest.approx(expected * np.log(20), rel=1e-12)
    assert found["escape_depth"].attrs["units"] == "nm"


def test_a_white_line_lets_less_deep_than_the_tables_say():
    energy = np.linspace(840.0, 890.0, 101)
    white = (energy > 854) + 8 * np.exp(-((energy - 855) ** 2))
    spectrum = xr.DataArray(white, dims="energy", coords={"energy": ("energy", energy, {"units": "eV"})})
    found = xas.probing_depth("tfy", NCM[0], "Ni", "L3", density=NCM[1], spectrum=spectrum)
    tables = xas.probing_depth("tfy", NCM[0], "Ni", "L3", density=NCM[1], energy=energy)
    at = int(np.argmax(white))
    assert float(found["escape_depth"][at]) < 0.5 * float(tables["escape_depth"][at])
    assert float(found["escape_depth"][-1]) == pytest.approx(float(tables["escape_depth"][-1]), rel=0.02)


def test_electrons_come_from_their_escape_depth_where_light_goes_deep():
    found = xas.probing_depth("tey", NCM[0], "Ni", "L3", density=NCM[1], energy=[840.0], escape_depth=5.0)
    assert 4.7 < float(found["escape_depth"][0]) < 5.0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"signal": "tey"}, "escape depth"),
        ({"signal": "xps"}, "'tey' or 'tfy'"),
        ({"energy": None}, "energies"),
        ({"edge": "Q9"}, "edge of Ni"),
        ({"incidence": 0.0}, "angles"),
        ({"density": None}, "density"),
    ],
)
def test_what_is_missing_is_said_in_a_line(changed, said):
    asked = {"signal": "tfy", "material": NCM[0], "element": "Ni", "edge": "L3", "density": 4.7, "energy": [890.0]}
    with pytest.raises(OperandoError, match=said):
        xas.probing_depth(**{**asked, **changed})
