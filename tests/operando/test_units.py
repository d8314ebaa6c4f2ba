"""Units are text that pint parses; instruments' spellings are understood."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from operando.errors import OperandoError
from operando.units import convert, factor, parse, require_parsable, with_units


@pytest.mark.parametrize(
    ("have", "want", "number"),
    [("mA", "A", 1e-3), ("mA.h", "C", 3.6), ("A.h", "C", 3600.0), ("keV", "eV", 1e3), ("cm2", "cm^2", 1.0),
     ("µA", "A", 1e-6), ("1", "1", 1.0), ("%", "1", 1e-2), ("mAh/g", "mA*h/g", 1.0), ("min", "s", 60.0)],
)  # fmt: skip
def test_factor_between_units(have, want, number):
    assert factor(have, want) == pytest.approx(number, rel=1e-12)


def test_temperatures_convert_with_their_offset():
    assert convert(np.array([25.0]), "degC", "K") == pytest.approx(298.15)


def test_numbers_too_large_in_another_unit_are_infinite_without_a_word():
    np.testing.assert_array_equal(convert(np.array([1e308, 2.0]), "keV", "eV"), [np.inf, 2000])


def test_unknown_and_incompatible_units_are_one_line_errors():
    with pytest.raises(OperandoError, match="unknown unit 'furlongish'"):
        parse("furlongish")
    with pytest.raises(OperandoError, match="cannot be converted"):
        factor("V", "A")


def test_with_units_leaves_its_input_alone_and_passes_over_absent_names():
    ds = xr.Dataset({"voltage": ("time", [1.0])})
    out = with_units(ds, {"voltage": "V", "absent": "A"}, {"voltage": "voltage as measured"})
    assert out["voltage"].attrs == {"units": "V", "long_name": "voltage as measured"}
    assert ds["voltage"].attrs == {}


@pytest.mark.parametrize("unit", [None, 3, ["eV"]])
def test_a_unit_in_settings_that_is_no_text_is_told_with_its_name(unit):
    with pytest.raises(OperandoError, match=r"a\.txt: units\.energy: expected a unit such as 'eV', got "):
        require_parsable(Path("a.txt"), {"energy": unit})
