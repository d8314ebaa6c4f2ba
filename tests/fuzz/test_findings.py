"""What damaged files once did to readers, each as small as it goes: now a line, in no time and little room."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
import warnings
import zlib
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import xarray as xr
from refusals import quick, refused
from specs_files import XmlRegion, specs_xml

from operando import cyclers, hdf5, impedance_files, store, text_table, tomo, units, xas, xps
from operando.clock import to_ns
from operando.errors import OperandoError, RecipeError
from operando.pipelines.recipe import load as load_recipe
from operando.pipelines.toml_text import read_toml
from operando.sniff import head
from operando.xas import edge_finding
from operando.xas.formats import FORMATS, mda_text
from operando.xas.formats.guess import guessed_settings
from operando.xas.xpeem import read as read_stack
from operando.xps import species_file
from operando.xps.formats import guess as xps_guess
from operando.xps.formats import nexus_entry, region_names, ses_text

ROWS = "".join(f"{8300 + k} 1000 {k / 60}\n" for k in range(60))
LONG = 60_000


@pytest.mark.parametrize(
    "filler", ["a" * LONG, " " * LONG, "=" * LONG, "1 " * LONG, "a=" * LONG, "(" * LONG, "\\" * LONG]
)
@pytest.mark.parametrize("before", ["", "# time", "#L ", "# Column.1: ", "Cycle 1\t"])
def test_no_long_line_holds_a_reader_up(tmp_path, filler, before):
    path = tmp_path / "a.txt"
    path.write_text(f"{before}{filler}\n# energy i0 mu\n{ROWS}")

    def all_of_them():
        for fmt in (*FORMATS, *xps.formats.FORMATS, *cyclers.FORMATS):
            if fmt.recognizes(head(path)):
                fmt.suggest(head(path))

    quick(all_of_them)


def test_many_columns_of_one_name_are_told_apart_in_no_time():
    table = SimpleNamespace(labels=["a"] * 20_000, values=np.zeros((3, 20_000)), header=[])
    quick(lambda: guessed_settings(table))


@pytest.mark.parametrize("filler", [" " * 100_000, "[," * 40_000, "'" * 100_001, "\\" * 100_000])
def test_long_lists_of_an_athena_project_are_read_in_no_time(tmp_path, filler):
    path = tmp_path / "a.prj"
    lists = f"@x = ('1',{filler}'2');\n@y = ('1','2');\n"
    path.write_text(f"# Athena project file\n$old_group = 'a';\n@args = ('label','a');\n{lists}[record]\n1;\n")
    quick(lambda: refused(xas.read, path))


def test_a_unit_of_a_hundred_thousand_characters_is_not_told_whole(tmp_path):
    path = tmp_path / "a.xdi"
    path.write_text(
        f"# XDI/1.0\n# Column.1: energy {'*' * 100_000}eV\n# Column.2: mutrans\n#---\n# energy mutrans\n1 2\n"
    )
    assert "unknown unit" in refused(xas.read, path)


def test_numbers_of_thousands_of_digits_are_no_numbers(tmp_path):
    digits = "1" * 5000
    phoenix = tmp_path / "a.dat"
    phoenix.write_text(f"#  Energy_c1  I0_c{digits}  TEY_c3\n{ROWS}")
    assert refused(xas.read, phoenix, reader="phoenix")
    xdi = tmp_path / "a.xdi"
    xdi.write_text(f"# XDI/1.0\n# Column.1: energy eV\n# Column.{digits}: i0\n#---\n# energy i0 mutrans\n{ROWS}")
    refused(xas.read, xdi)
    toml = tmp_path / "a.toml"
    toml.write_text(f"a = {digits}\n")
    assert "expected TOML" in refused(read_toml, toml, "a recipe")
    assert "expected TOML" in refused(species_file.entries, toml)


@pytest.mark.parametrize("text", ["a" + ".a" * 30_000 + " = 1\n", "a = " + "[" * 60_000 + "\n", "a" * 500_000])
def test_deep_toml_is_refused_before_it_takes_memory(tmp_path, text):
    (tmp_path / "a.toml").write_text(text)
    quick(lambda: refused(read_toml, tmp_path / "a.toml", "a recipe"))
    assert refused(read_toml, tmp_path / "a.toml", "a recipe")


def test_seconds_beyond_all_clocks_are_no_time():
    assert np.isnat(to_ns(np.array([1e300, -1e20, np.inf, np.nan]))).all()
    assert to_ns(np.array([1.5e9]))[0] == np.timedelta64(1_500_000_000_000_000_000, "ns")


def test_impedance_keeps_the_part_that_is_finite(tmp_path):
    (tmp_path / "z.csv").write_text("f,re,im\n1000,inf,-1\n100,2,-3\n10,4,-1e308\n")
    columns = {"frequency": "f", "real": "re", "imaginary": "im"}
    ds = impedance_files.read_columns(tmp_path / "z.csv", columns=columns).isel(scan=0)
    np.testing.assert_array_equal(ds["z_imaginary"], [-1e308, -3, -1])


def test_steps_of_a_program_that_are_no_numbers_are_minus_one(tmp_path):
    rows = "".join(
        f"{10 * k},{3 + k / 100},0.1,{1_780_000_000 + 10 * k},{step}\n" for k, step in enumerate(["1", "nan", "1e30"])
    )
    (tmp_path / "a.csv").write_text("Test Time / s,Voltage / V,Current / A,Unix Time / s,Step Count / 1\n" + rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ds = cyclers.read(tmp_path / "a.csv", reader="bdf")
    assert set(np.unique(ds["step"])) <= {-1, 1}


def test_links_of_hdf5_to_impossible_names_are_told(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/data"] = h5py.ExternalLink("x" * 300, "/a")
    assert refused(tomo.read, tmp_path / "a.h5", reader="hdf5", datasets={"data": "/entry/data"}, voxel_size=1.0)


def test_groups_that_hold_themselves_are_gone_through_once(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("entry")
        for k in range(12):
            group[f"again{k}"] = file
        group["frames"] = np.zeros((3, 40, 40), "u2")
        group["energy"] = np.linspace(850, 860, 3)
    quick(lambda: refused(read_stack, tmp_path / "a.h5"))


def test_reading_a_cyclers_file_leaves_the_standard_library_as_it_is(tmp_path):
    pytest.importorskip("fastnda")
    before = zlib.decompressobj
    (tmp_path / "a.nda").write_bytes(b"NEWARE" + bytes(3000))
    refused(cyclers.read, tmp_path / "a.nda")
    assert zlib.decompressobj is before


def test_a_unit_of_megabytes_is_no_unit_at_once():
    began = time.process_time()
    with pytest.raises(OperandoError, match="unknown unit"):
        units.parse("eV " * LONG)
    assert time.process_time() - began < 1.0


def test_groups_of_settings_that_hold_themselves_are_gone_through_once(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("entry")
        for k in range(60):
            group[f"again{k}"] = file
        group["title"] = "a scan"
    with hdf5.opened(tmp_path / "a.h5") as root:
        quick(lambda: hdf5.scalars(root))
        assert hdf5.scalars(root) == {"entry.title": "a scan"}


def test_seconds_of_a_thousand_years_are_none(tmp_path):
    lines = ["# start=2026-05-18T12:00:00", "# to middle=1e300", "# energy tey", "850 1", "860 2"]
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    settings = {"columns": {"energy": "energy", "tey": "tey"}, "time": {"start": "start", "middle": "to middle"}}
    assert "1e300" in refused(xas.read, tmp_path / "a.txt", reader="columns", timezone="UTC", **settings)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (ses_text._SECTION, "[Region" + " " * LONG),
        (text_table._NUMBERED, "1) a" + " " * LONG + "\n"),
        (mda_text._COLUMN, "1 [ Detector" + " " * LONG),
        (region_names._SURVEY, "su" + "1" * LONG),
        (xps_guess._PHOTONS, "hv" + " " * LONG),
        (nexus_entry._NUMBERED, "1" * LONG),
    ],
)
def test_what_nearly_fits_a_pattern_is_left_at_once(pattern, text):
    quick(lambda: (pattern.fullmatch(text), pattern.search(text)))


def test_channels_that_are_shifted_beyond_all_numbers_are_refused(tmp_path):
    region = XmlRegion("S 2p", lambda energies, _scan: np.full(energies.size, 30), fields={"pass_energy": "1e300"})
    (tmp_path / "a.xml").write_bytes(specs_xml({"cell": [region]}))
    assert "channels that are" in refused(xps.read, tmp_path / "a.xml", reader="specs_xml")


def test_a_line_with_thousands_of_columns_is_gone_through_once(tmp_path):
    head = "Characteristic Energy eV\t1486.6\tAcquisition Time s\t2\n"
    names = "\t".join(["K.E.", "Counts", "B.E.", *(f"line {k}" for k in range(LONG))])
    rows = "".join(f"{k}\t{k + 5}\t{1486.6 - k}\n" for k in range(400, 410))
    (tmp_path / "a.txt").write_text(f"S2p\n{head}{names}\n{rows}", encoding="utf-8")
    quick(lambda: xps.read(tmp_path / "a.txt", reader="casaxps_text"))
    (tmp_path / "b.txt").write_text(head.replace("\n", "\t") * 2000 + "\n", encoding="utf-8")
    assert "at most 1000 spectra beside" in refused(xps.read, tmp_path / "b.txt", reader="casaxps_text")


def test_a_single_number_with_a_comma_is_named(tmp_path):
    rows = [f"2026-05-18 12:00:{k:02d}\t3.{k}\t{'1,5' if k == 4 else 1.0}" for k in range(9)]
    (tmp_path / "a.txt").write_text("\n".join(["time\tvoltage\tcurrent", *rows]) + "\n", encoding="utf-8")
    columns = {"time": "time", "voltage": "voltage", "current": "current"}
    said = refused(cyclers.read, tmp_path / "a.txt", reader="columns", timezone="UTC", columns=columns)
    assert "line 6: expected a number for 'current', got '1,5'" in said


def test_one_long_text_of_a_log_does_not_make_all_as_long(tmp_path):
    rows = [f"2026-05-18 12:{k // 60:02d}:{k % 60:02d}\t3.{k}\t1\tD" for k in range(300)]
    rows[3] = f"2026-05-18 12:00:03\t3{'0' * LONG}e-{LONG}\t1\t{'D' * LONG}"
    (tmp_path / "a.txt").write_text("\n".join(["time\tvoltage\tcurrent\tsign", *rows]) + "\n", encoding="utf-8")
    columns = {name: name for name in ("time", "voltage", "current", "sign")}
    tracemalloc.start()
    try:
        log = cyclers.read(tmp_path / "a.txt", reader="columns", timezone="UTC", columns=columns, negative=["D"])
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert log["voltage"].values[3] == 3.0
    assert np.flatnonzero(log["current"] > 0).tolist() == [3]


def test_a_charge_that_no_current_holds_is_no_warning():
    from operando.cyclers.biologic import _rate

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf(_rate(np.array([0.0, 1e308]), np.array([0.0, 1e-6]))[1])


def test_a_charge_beyond_all_numbers_in_coulomb_is_infinite():
    from operando.cyclers.biologic import Columns

    said = {"Ewe/V": 3.0, "I/mA": 1e306, "(Q-Qo)/mA.h": 1e308}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Columns("a.mpt", list(said), lambda label: np.array([said[label]]), "").read(np.array([0.0]))
    assert np.isinf(found["cycler_charge"]).all()
    assert found["current"] == pytest.approx(1e303)


def test_a_whole_number_that_no_float_holds_is_told(tmp_path):
    (tmp_path / "species.toml").write_text(f"[[species.'Li 1s']]\nname = 'a'\nenergy = {'9' * 400}\n", encoding="utf-8")
    assert "'energy' must be a number" in refused(species_file.entries, tmp_path / "species.toml")


def test_many_entries_that_are_no_tables_are_told_in_little_room(tmp_path):
    group = "x" * 100_000
    (tmp_path / "species.toml").write_text(f"[species]\n'{group}' = [{'1, ' * 50_000}]\n", encoding="utf-8")
    tracemalloc.start()
    try:
        said = refused(species_file.entries, tmp_path / "species.toml", longest=200_000)
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()
    assert "an entry must be a table with name, energy, spread, phase, source, verified, got 1;" in said
    assert said.endswith("and 49901 more")


def test_sources_that_are_no_section_are_told_with_the_rest(tmp_path):
    row = "name = 'a'\nenergy = 55.0\nspread = 0.2\nphase = 'product'\nsource = 'x'\nverified = true"
    (tmp_path / "species.toml").write_text(f"sources = 5\n[[species.'Li 1s']]\n{row}\n", encoding="utf-8")
    said = refused(species_file.entries, tmp_path / "species.toml")
    assert "sources must be a section, got 5" in said
    assert "source 'x' is not among the sources" in said


def test_an_edge_among_tens_of_thousands_of_points_takes_no_matrix_of_them():
    energy = np.linspace(8300.0, 8700.0, 30_000)
    mu = 0.5 + np.arctan((energy - 8345.0) / 2) / np.pi
    mu[50] += 5.0
    spectrum = xr.DataArray(mu, {"energy": ("energy", energy, {"units": "eV"})}, ("energy",))
    quick(lambda: xas.find_e0(spectrum), 10.0)


def test_an_edge_sought_without_a_matrix_is_the_one_found_with_it(monkeypatch):
    energy = np.sort(8300 + np.linspace(0, 400, 1500) + np.random.default_rng(3).uniform(0, 0.1, 1500))
    rise = 0.5 + np.arctan((energy - np.array([[8340.0], [8355.3]])) / 2) / np.pi
    mu = rise + np.random.default_rng(4).normal(0, 1e-3, rise.shape)
    mu[:, 20] += 5.0
    step = 0.3
    rate = np.empty(energy.size)
    edge_finding.slope(mu[0], energy, rate)
    matrix = rate @ edge_finding._smoothing_operator(energy, step)
    np.testing.assert_allclose(edge_finding._smoothed(mu[0], energy, step), matrix, atol=1e-12 * np.abs(matrix).max())
    found = edge_finding.edge_energies(energy, mu)
    monkeypatch.setattr(edge_finding, "_MOST_IN_MATRIX", 100)
    np.testing.assert_array_equal(edge_finding.edge_energies(energy, mu), found)


def test_a_store_whose_list_of_nodes_is_damaged_says_so(tmp_path):
    from operando.pipelines.writer import Writer

    path = tmp_path / "cell.zarr"
    with Writer(path, {"experiment": "cell 4"}) as writer:
        writer.replace({"echem": xr.Dataset({"voltage": ("time", [3.0, 3.1])})})
    document = path / "zarr.json"
    known = json.loads(document.read_text())
    nodes = known["consolidated_metadata"]["metadata"]
    nodes["echem"]["node_type"] = "foo"
    document.write_text(json.dumps(known))
    (said,) = store.verify(path, data=True)
    assert said.startswith("zarr.json: Invalid value for 'node_type'")


def test_labels_of_a_store_that_state_more_than_there_are_take_no_room(tmp_path):
    from numcodecs import Blosc

    from operando.pipelines.writer import Writer

    path = tmp_path / "cell.zarr"
    node = xr.Dataset({"mu": (("time", "detector"), np.ones((2, 2)))}, {"detector": np.array(["a", "b"], object)})
    with Writer(path, {"experiment": "cell 4"}) as writer:
        writer.replace({"echem": node})
    (chunk,) = (path / "echem" / "detector" / "c").glob("*")
    texts = bytearray(Blosc().decode(chunk.read_bytes()))
    texts[:4] = struct.pack("<I", 2_741_845_781)
    chunk.write_bytes(Blosc().encode(bytes(texts)))
    said = refused(store.open, path)
    assert "a damaged one (echem/detector: 2741845781 texts stated, more than there are)" in said
    assert "echem/detector/c/0: this chunk cannot be read (2741845781 texts stated" in store.verify(path, data=True)[0]


def test_patterns_longer_than_any_name_match_nothing(tmp_path):
    (tmp_path / "beamtime.toml").write_text(f"[experiment]\n[echem]\nfiles = ['{'a' * 300}.mpt']\n", encoding="utf-8")
    recipe = load_recipe(tmp_path)
    assert recipe.files(recipe.echem) == []


def test_a_store_with_a_name_longer_than_any_is_told(tmp_path):
    from operando.pipelines.check import check

    written = f"[experiment]\nstore = '{'a' * 300}.zarr'\n[echem]\nfiles = ['a.mpt']\n"
    (tmp_path / "beamtime.toml").write_text(written, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"experiment.store: expected a place to write to, .* \(File name too long\)"):
        check(load_recipe(tmp_path))


def test_absorption_of_counts_whose_ratio_is_none_is_no_warning():
    counts = {"i0": ("energy", [1e-300, 1e300, 2.0]), "transmission": ("energy", [1e300, 1e-300, 1.0])}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mu = xas.signal(xr.Dataset(counts), "transmission")
    np.testing.assert_allclose(mu, [-1381.55, 1381.55, np.log(2)], rtol=1e-5)


def test_energies_of_casaxps_in_lines_one_below_the_other_are_no_spectra(tmp_path):
    stated = "Characteristic Energy eV\t1486.6\tAcquisition Time s\t2\n"
    (tmp_path / "a.txt").write_text(f"S2p\n{stated}{stated}K.E.\tCounts\tB.E.\n400\t5\t1086.6\n", encoding="utf-8")
    assert "a line that names the columns" in refused(xps.read, tmp_path / "a.txt", reader="casaxps_text")


def test_an_arbin_database_without_its_test_and_with_numbers_beyond_all_is_read(tmp_path, monkeypatch):
    from operando.cyclers import binary

    rows = ("Test_ID", "Data_Point", "DateTime", "Test_Time", "Charge_Capacity", "Discharge_Capacity")
    table = {name: [1.0, 1.0, 1.0] for name in (*rows, "Voltage", "Current", "Cycle_Index", "Step_Index")}
    table |= {"Data_Point": [1, 2, 3], "Test_Time": [0.0, 60.0, 120.0], "DateTime": [45000.0, 45000.001, 45000.002]}
    table["Charge_Capacity"] = [0.0, 1e306, 0.2]
    kept = {"Channel_Normal_Table": table, "Global_Table": {"Test_Name": "", "MASS": []}}
    package = SimpleNamespace(AccessParser=lambda _path: SimpleNamespace(parse_table=kept.get))
    monkeypatch.setattr(binary, "_package", lambda *_given: package)
    (tmp_path / "a.res").write_bytes(b"\0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log = binary.read_arbin(tmp_path / "a.res", timezone="UTC")
    assert np.isinf(log["cycler_charge"].values).tolist() == [False, True, False]
