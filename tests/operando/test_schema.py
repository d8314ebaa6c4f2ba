"""A layout says in plain sentences what is wrong with a dataset, and computes nothing."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from operando import schema
from operando.errors import SchemaError
from operando.units import parse


def echem():
    units = schema.ECHEM.units()
    floats = {name: ("time", np.zeros(3), {"units": units[name]}) for name in ("voltage", "current", "charge")}
    whole = {name: ("time", np.zeros(3, "i4"), {"units": "1"}) for name in ("cycle", "half_cycle", "segment", "flag")}
    return xr.Dataset({**floats, **whole}, coords={"time": np.arange(3).astype("M8[ns]")})


@pytest.mark.parametrize("layout", [schema.ECHEM, schema.CELL])
def test_every_unit_of_a_layout_parses(layout):
    for unit in layout.units().values():
        parse(unit)


def test_a_fitting_dataset_has_no_problem():
    assert schema.problems(echem(), schema.ECHEM) == []
    assert schema.check(echem(), schema.ECHEM).identical(echem())


def test_all_problems_are_told_at_once():
    bad = echem().drop_vars("current").assign(voltage=("x", np.zeros(2), {"units": "mV"}), cycle=("time", np.zeros(3)))
    told = "; ".join(schema.problems(bad, schema.ECHEM))
    for part in ("'current'", "expected units 'V', got 'mV'", "expected dims ('time',)", "without attrs['units']"):
        assert part in told
    with pytest.raises(SchemaError, match="current"):
        schema.check(bad, schema.ECHEM)


def test_a_unit_that_pint_does_not_know_is_a_problem():
    bad = echem().assign(extra=("time", np.zeros(3), {"units": "zorkmid"}))
    assert any("zorkmid" in text for text in schema.problems(bad, schema.ECHEM))


def test_lazy_data_is_not_computed():
    def explode(block):
        raise AssertionError("computed")

    lazy = da.zeros(3, chunks=1).map_blocks(explode, dtype=float, meta=np.array([], float))
    ds = echem().assign(voltage=("time", lazy, {"units": "V"}))
    assert schema.problems(ds, schema.ECHEM) == []
