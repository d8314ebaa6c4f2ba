"""Trees of NeXus files: what a definition requires is filled, or named."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from operando.errors import OperandoError
from operando.nexus_tree import LACKS, Field, Group, completed, found, iso, lacking, origin, scan_fields

REQUIRED = ("title", "sample:NXsample/name", "instrument:NXinstrument/source:NXsource/name")
ENTRY = Group("NXentry", {"title": Field("a"), "sample": None})


def test_what_is_lacking_is_listed_by_its_path():
    entry = completed(ENTRY, REQUIRED, {})
    assert entry.attrs[LACKS] == ["sample/name", "instrument/source/name"]
    assert list(lacking(Group("NXroot", {"one": entry, "two": ENTRY}))) == [
        ("one", ["sample/name", "instrument/source/name"])
    ]


def test_a_text_makes_the_groups_that_it_needs():
    entry = completed(ENTRY, REQUIRED, {"instrument/source/name": "SLS", "sample/name": "cell 7"})
    assert LACKS not in entry.attrs
    assert found(entry, "instrument/source").nx_class == "NXsource"
    assert found(entry, "instrument/source/name").value == "SLS"
    assert found(ENTRY, "instrument/source") is None


@pytest.mark.parametrize(("path", "said"), [("sample/nmae", "expected one of title"), ("title", "not filled yet")])
def test_a_text_elsewhere_is_refused(path, said):
    with pytest.raises(OperandoError, match=said):
        completed(ENTRY, REQUIRED, {path: "x"})


def test_scans_tell_times_state_and_flags():
    start = np.array(["2026-05-18T15:47:06.404443490", "NaT"], "M8[ns]")
    ds = xr.Dataset(
        coords={
            "time_start": ("scan", start),
            "potential": ("scan", [3.7, np.nan], {"units": "V"}),
            "potential_std": ("scan", [0.1, 0.2], {"units": "V"}),
            "flag": ("scan", [0, 1], {"flag_masks": [1], "flag_meanings": "no_time"}),
            "source": ("scan", np.array(["a", "b"], dtype=object)),
        },
        attrs={"history": '[{"step": "read"}]', "metadata": "", "format": "made"},
    )
    fields = scan_fields(ds)
    assert set(fields) == {"time_start", "potential", "potential_errors", "flag"}
    assert fields["time_start"].attrs["start"] == "2026-05-18T15:47:06+00:00"
    np.testing.assert_allclose(fields["time_start"].value, [0.40444349, np.nan])
    assert json.loads(origin(ds).members["record"].value) == {
        "format": "made",
        "source": ["a", "b"],
        "history": [{"step": "read"}],
    }
    assert "time_start" not in scan_fields(ds.assign_coords(time_start=("scan", start[[1, 1]])))
    assert iso(start[0]) == "2026-05-18T15:47:06.404443490+00:00"
