"""XDI: files of the specification are read, malformed ones behave as the specification's own table says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from operando import xas
from operando.errors import FileError
from operando.flags import Flag
from operando.schema import problems
from operando.series import stack
from operando.sniff import choose, head
from operando.xas.formats import FORMATS
from operando.xas.formats.xdi import XDI
from operando.xas.layout import RAW

EXAMPLE = """# XDI/1.0 GSE/1.0
# Column.1: energy eV
# Column.2: i0
# Column.3: itrans
# Column.4: drain
# Element.edge: K
# Element.symbol: Cu
# Mono.d_spacing: 3.13553
# Scan.start_time: 2001-06-26T22:27:31
# ///
# Cu foil: measured at 13-ID
#----
# energy i0 itrans drain
  8779.0  149013.7  550643.1  1.5

  8789.0  144864.7  531876.1  1.6
  8799.0  132978.7  489591.1  1.7
"""


@pytest.fixture
def written(tmp_path):
    def write(text=EXAMPLE):
        path = tmp_path / "foil.xdi"
        path.write_text(text)
        return path

    return write


def remarks(ds) -> list[str]:
    return json.loads(ds.attrs.get("remarks", "[]"))


def test_the_specifications_columns_get_our_names(written):
    path = written()
    assert choose(path, FORMATS).name == "xdi"
    ds = xas.read(path, timezone="America/Chicago", columns={"tey": "drain"})
    assert set(ds.data_vars) == {"i0", "transmission", "tey"}
    assert ds["time_start"].values == np.datetime64("2001-06-27T03:27:31", "ns")
    assert remarks(ds) == []
    assert problems(stack([ds]), RAW) == []
    header = json.loads(ds.attrs["metadata"])
    assert header["element.symbol"] == "Cu"
    assert header["comments"] == ["Cu foil: measured at 13-ID"]


@pytest.mark.parametrize("stamp", ["2001-06-26T22:27:31-05:00", "2001-06-27T03:27:31Z", "2001-06-27 03:27:31+00:00"])
def test_an_offset_in_the_time_is_used(written, stamp):
    ds = xas.read(written(EXAMPLE.replace("2001-06-26T22:27:31", stamp)))
    assert ds["time_start"].values == np.datetime64("2001-06-27T03:27:31", "ns")
    assert not int(ds["flag"]) & Flag.no_time


def test_a_time_without_a_zone_is_kept_as_text(written):
    ds = xas.read(written())
    assert int(ds["flag"]) & Flag.no_time
    assert np.isnat(ds["time"].values)
    assert ds.attrs["local_time_start"] == "2001-06-26T22:27:31"


def test_angles_become_energies_by_the_d_spacing(written):
    energy = np.array([8779.0, 8789.0, 8799.0])
    angle = np.degrees(np.arcsin(12398.419843320026 / (2 * 3.13553 * energy)))
    text = EXAMPLE.replace("energy eV", "angle degrees").replace("# energy i0", "# angle i0")
    for value, degrees in zip(energy, angle, strict=True):
        text = text.replace(f"{value:.1f}", f"{degrees:.12f}")
    ds = xas.read(written(text))
    np.testing.assert_allclose(ds["energy"], energy, rtol=1e-12)
    with pytest.raises(FileError, match="d_spacing"):
        xas.read(written(text.replace("Mono.d_spacing", "Mono.spacing")))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("energy eV", "energy pixel", "energies or angles, got 'pixel'"),
        ("energy eV", "k 1/A", "'energy' or 'angle' as the first column, got 'k'"),
        ("# Column.2: i0\n# Column.3: itrans\n", "# Column.2: a\n# Column.3: b\n", "columns that XDI defines"),
        ("8789.0", "8_789.0", "line 16, column 1: expected a finite number"),
        ("  1.6\n", "\n", "line 16: expected 4 columns, got 3"),
        ("# ///", "# Cu foil", "line 10: expected a field .*strict = false"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(written, old, new, message):
    with pytest.raises(FileError, match=message) as caught:
        xas.read(written(EXAMPLE.replace(old, new)))
    assert "\n" not in str(caught.value)


def test_a_malformed_field_is_left_out_when_asked(written):
    ds = xas.read(written(EXAMPLE.replace("# Element.edge: K", "# Element edge: K")), strict=False)
    assert any("Element edge: K" in remark for remark in remarks(ds))
    assert any("element.edge is missing" in remark for remark in remarks(ds))


def test_a_draft_names_columns_that_xdi_does_not_define(written):
    assert XDI.suggest(head(written())) == {"columns": {"tey": "drain"}}
    assert XDI.suggest(head(written(EXAMPLE.replace("drain", "timer")))) == {}
    lenient = XDI.suggest(head(written(EXAMPLE.replace("# ///", "# Cu foil").replace("drain", "timer"))))
    assert lenient == {"strict": False}
    assert xas.read(written(), **lenient).sizes["energy"] == 3


BAD = {
    "00": None,
    "01": FileError,
    "03": "element.symbol",
    "04": "element.edge",
    "06": "ends the header",
    "07": "Column.1",
    "09": "Column.5",
    "10": "Column.7",
    "12": FileError,
    "13": FileError,
    "15": FileError,
    "16": FileError,
    "18": FileError,
    "19": FileError,
    "21": FileError,
    "22": FileError,
    "24": FileError,
    "25": None,
    "27": None,
    "28": "start_time",
    "30": "element.symbol",
    "31": "d_spacing",
    "33": "sample.temperature",
    "34": "facility.energy",
}


@pytest.mark.realdata
@pytest.mark.parametrize(("number", "outcome"), BAD.items())
def test_the_specifications_malformed_files_behave_as_its_table_says(realdata, number, outcome):
    """None: read; a text: read with a remark; an error. An angle without d-spacing gives no axis: an error."""
    path = realdata / f"xas/xdi_bad/bad_{number}.xdi"
    if outcome is FileError:
        with pytest.raises(FileError) as caught:
            xas.read(path, reader="xdi")
        assert "\n" not in str(caught.value)
        return
    ds = xas.read(path, reader="xdi")
    assert ds.sizes["energy"] == 12
    assert outcome is None or any(outcome in remark for remark in remarks(ds))
    assert outcome is not None or remarks(ds) == []


@pytest.mark.realdata
def test_the_library_is_read_and_normalized_file_by_file(realdata):
    files = sorted((realdata / "xas/xdl").glob("*.xdi"))
    assert len(files) == 12
    for file in files:
        ds = xas.read(file, timezone="America/Los_Angeles")
        assert not np.isnat(ds["time_start"].values)
        name = "transmission" if "transmission" in ds else "fluorescence"
        result = xas.normalize(xas.signal(ds, name))
        assert np.isfinite(result["edge_step"])
        assert not int(result["flag"]) & Flag.no_edge


@pytest.mark.realdata
def test_a_scan_that_ends_before_its_edge_can_be_told(realdata):
    names = [f"Fe_Ka_mca{k}" for k in range(1, 9)]
    ds = xas.read(realdata / "xas/larch/fe_xanes_8ch.xdi", columns={"fluorescence": names})
    assert int(ds["flag"]) & Flag.dead_detector
    assert ds["fluorescence"].sizes["detector"] == 8
    mex = xas.read(realdata / "xas/pynexafs/MEX2_5640_processed.xdi", strict=False, columns={"tey": "SampleDrain"})
    assert {"tey", "fluorescence"} <= set(mex.data_vars)
