"""VAMAS: everything the standard allows opens to the numbers written; what is no spectrum is named."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from operando import OperandoError, xps
from operando.errors import FileError, OperandoWarning, SeveralRegionsError
from operando.flags import Flag, names
from operando.history import entries
from tests.support.vamas_files import block, column, vamas_file

REGIONS = {"MAP": ("1", "4", "2", "2"), "MAPDP": ("1", "4", "2", "2"), "NORM": ("1",), "SDP": ("1",)}
SPUTTER_ION, SPUTTER_BEAM = ("18", "1", "1"), ("1000", "5", "500", "500", "45", "0", "cyclic")
LINE_SCAN = ("0", "0", "9", "0", "9", "9")


def written(folder: Path, data: bytes, name: str = "scan.vms") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def remarks(ds) -> str:
    return ds.attrs.get("remarks", "")


def test_a_block_opens_to_its_counts_on_ascending_binding_energies(tmp_path):
    counts = column()
    ds = xps.read(written(tmp_path, vamas_file([block(counts)])))
    np.testing.assert_allclose(ds["binding_energy"], 1486.6 - 1320 - 0.1 * np.arange(21)[::-1], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(ds["counts"], counts[::-1, 0])
    assert ds["counts"].attrs["units"] == "count"
    assert ds["binding_energy"].attrs["units"] == "eV"
    assert ds.attrs["region"] == "S 2p"
    assert ds.attrs["format"] == "vamas"
    assert ds["source"].item() == "scan.vms::S 2p"
    conditions = {"photon_energy": 1486.6, "dwell": 0.1, "sweeps": 5, "pass_energy": 20, "emission_angle": 30}
    assert {name: ds[name].item() for name in conditions} == conditions
    assert entries(ds)[-1]["step"] == "xps.read"


def test_the_stated_work_function_is_not_subtracted_but_one_that_is_given_is(tmp_path):
    path = written(tmp_path, vamas_file([block(column())]))
    as_stated, given = xps.read(path), xps.read(path, work_function=4.5)
    assert as_stated["work_function"].item() == 4.3
    assert as_stated["work_function"].attrs["long_name"].endswith("not subtracted again")
    assert "a work function of 4.5 eV is subtracted" in remarks(given)
    np.testing.assert_allclose(as_stated["binding_energy"].values - given["binding_energy"].values, 4.5, atol=1e-9)


def test_a_falling_axis_of_binding_energies_is_turned(tmp_path):
    counts = column()
    parts = {31: ("Binding Energy", "eV", "175", "-0.5"), 14: ("1e37",)}
    ds = xps.read(written(tmp_path, vamas_file([block(counts, parts)])))
    np.testing.assert_allclose(ds["binding_energy"], 165 + 0.5 * np.arange(21), atol=1e-9)
    np.testing.assert_array_equal(ds["counts"], counts[::-1, 0])
    assert "photon_energy" not in ds
    assert "1e37" not in ds.attrs["metadata"]


def test_kinetic_energies_need_a_photon_energy(tmp_path):
    path = written(tmp_path, vamas_file([block(column(), {14: ("1E37",)})]))
    with pytest.raises(FileError, match="a photon energy beside kinetic energies, got none; give photon_energy"):
        xps.read(path)
    assert xps.read(path, photon_energy=1500.0)["binding_energy"].values[-1] == 180.0


def test_variables_interleaved_point_by_point_are_told_apart(tmp_path):
    counts = column()
    rows = np.column_stack([counts, np.linspace(0.8, 1.2, 21), np.arange(21.0)])
    parts = {32: ("3", "counts", "d", "Transmission", "d", "ring current", "n")}
    ds = xps.read(written(tmp_path, vamas_file([block(rows, parts)])))
    np.testing.assert_array_equal(ds["counts"], counts[::-1, 0])
    np.testing.assert_allclose(ds["transmission"], np.linspace(1.2, 0.8, 21))
    assert "'ring current' is left out" in remarks(ds)


def test_irregular_scans_carry_their_energies_as_the_first_variable(tmp_path):
    energies = 1320 + np.cumsum(np.linspace(0.05, 0.4, 21))
    rows = np.column_stack([energies, column()])
    parts = {31: (), 32: ("2", "Kinetic Energy", "eV", "Intensity", "d")}
    ds = xps.read(written(tmp_path, vamas_file([block(rows, parts, limits=False)], scan="IRREGULAR")))
    np.testing.assert_allclose(ds["binding_energy"], np.sort(1486.6 - energies), atol=1e-7)
    np.testing.assert_array_equal(ds["counts"], rows[::-1, 1])


@pytest.mark.parametrize("mode", ["MAP", "MAPDP", "MAPSV", "MAPSVDP", "NORM", "SDP", "SDPSV", "SEM", "NOEXP"])
def test_every_experiment_mode_has_its_own_lines(tmp_path, mode):
    maps, lines = mode in ("MAP", "MAPDP"), mode in ("MAPSV", "MAPSVDP", "SEM")
    sputtered = mode in ("MAPDP", "MAPSVDP", "SDP", "SDPSV")
    parts = {
        10: ("1.5", "2.5") if maps else (),
        13: SPUTTER_ION if sputtered else (),
        17: ("100", "100") if maps or lines else (),
        18: LINE_SCAN if lines else (),
        37: SPUTTER_BEAM if sputtered else (),
    }
    counts = column()
    data = vamas_file([block(counts, parts)], mode=mode, regions=REGIONS.get(mode, ()))
    ds = xps.read(written(tmp_path, data))
    np.testing.assert_array_equal(ds["counts"], counts[::-1, 0])
    kept = json.loads(ds.attrs["metadata"])
    assert kept["experiment mode"] == mode
    assert ("sputtering mode" in kept) == sputtered
    assert kept.get("x coordinate") == ("1.5" if maps else None)


@pytest.mark.parametrize("technique", ["SIMS", "ISS", "AES diff", "AES dir", "XRF"])
def test_other_techniques_are_named_and_their_own_lines_are_passed(tmp_path, technique):
    ions = technique in ("SIMS", "ISS")
    other = {9: (technique,), 13: SPUTTER_ION if ions else (), 23: ("2",) if technique == "AES diff" else ()}
    counts = column()
    data = vamas_file([block(column(), other, name="other"), block(counts)])
    with pytest.warns(OperandoWarning, match=f"a photoemission spectrum \\(XPS or UPS\\), got {technique}"):
        ds = xps.read(written(tmp_path, data))
    np.testing.assert_array_equal(ds["counts"], counts[::-1, 0])


def test_maps_are_no_spectra(tmp_path):
    data = vamas_file([block(column(), {31: ()})], scan="MAPPING")
    with pytest.raises(FileError, match="block 'S 2p': expected values along an energy, got a map"):
        xps.read(written(tmp_path, data))


def test_an_abscissa_other_than_energy_is_refused(tmp_path):
    data = vamas_file([block(column(), {31: ("time", "s", "0", "1")})])
    with pytest.raises(FileError, match="binding or kinetic energies in eV, got 'time' in 's'"):
        xps.read(written(tmp_path, data))


@pytest.mark.parametrize(
    ("parameters", "left_out"),
    [
        (("-3", "12", "22", "33"), (12, 22, 33)),
        (("5", "4", "5", "6", "11", "31"), tuple(set(range(1, 41)) - {4, 5, 6, 11, 31})),
        (("-40", *map(str, range(1, 41))), tuple(range(1, 41))),
    ],
    ids=["some excluded", "some included", "all excluded"],
)
def test_parts_that_later_blocks_leave_out_are_those_of_the_first(tmp_path, parameters, left_out):
    first, second = column(seed=1), column(seed=2)
    data = vamas_file(
        [block(first, {11: ("0",)}), block(second, {11: ("60",), 4: ("2",)}, left_out=left_out)],
        parameters=parameters,
        variables=("etch time", "s"),
    )
    ds = xps.read(written(tmp_path, data))
    np.testing.assert_array_equal(ds["counts"], np.stack([first[::-1, 0], second[::-1, 0]]))
    np.testing.assert_array_equal(ds["pass_energy"], [20, 20])
    shown = json.loads(ds.attrs["metadata"]).get("scans", {}).values()
    if 11 in left_out:
        assert json.loads(ds.attrs["metadata"])["experimental variables"] == {"etch time": "0 s"}
    else:
        assert [one["experimental variables"]["etch time"] for one in shown] == ["0 s", "60 s"]
    hours = (ds["time_start"][1] - ds["time_start"][0]) / np.timedelta64(1, "h")
    assert hours == (0 if 4 in left_out else 1)


def test_lines_for_later_versions_manual_items_and_additional_parameters_are_passed(tmp_path):
    counts = column()
    parts = {40: ("2", "ESCAPE DEPTH TYPE", "d", "1", "MFP Exponent", "d", "0"), 8: ("2", "first line", "12")}
    data = vamas_file(
        [block(counts, parts, later=("newer", "newest"))],
        later=("a newer line",),
        later_blocks=2,
        manual=("12", "14"),
        comment=("a comment", "3"),
    )
    ds = xps.read(written(tmp_path, data))
    np.testing.assert_array_equal(ds["counts"], counts[::-1, 0])
    kept = json.loads(ds.attrs["metadata"])
    assert kept["additional parameters"] == {"ESCAPE DEPTH TYPE": "1 d", "MFP Exponent": "0 d"}
    assert kept["comment"] == ["first line", "12"]
    assert kept["future upgrade entries"] == "newer; newest"


@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r"], ids=["CRLF", "LF", "CR"])
def test_blank_lines_before_other_line_ends_and_latin_1_are_read(tmp_path, newline):
    counts = column()
    data = vamas_file([block(counts, name="S 2p \xb5\x85")], before=newline * 2, newline=newline)
    ds = xps.read(written(tmp_path, data, "scan.npl"))
    np.testing.assert_array_equal(ds["counts"], counts[::-1, 0])


@pytest.mark.parametrize(
    ("rates", "dwell", "sweeps", "name"),
    [
        (np.arange(1000, 1021) / 0.4, "0.4", "1", "counts"),
        (np.arange(1000, 1021.0), "0.2", "5", "counts"),
        (np.arange(1000, 1021.0) + 0.1234, "0.2", "5", "rate"),
        (np.arange(1000, 1021.0), "1", "5", "rate"),
        (np.arange(1000, 1021.0), "1e37", "5", "rate"),
        (np.array([float(f"{k / 5.25:.6g}") for k in range(2000, 2021)]), "1.05", "5", "counts"),
    ],
    ids=["whole", "whole in 1 s", "not whole", "rates were rounded", "no dwell", "six digits"],
)
def test_rates_become_counts_only_where_they_are_whole_in_the_time_stated(tmp_path, rates, dwell, sweeps, name):
    parts = {32: ("1", "Intensity", "c/s"), 34: (dwell,), 35: (sweeps,)}
    ds = xps.read(written(tmp_path, vamas_file([block(rates[:, np.newaxis], parts)])))
    assert set(ds) & {"counts", "rate"} == {name}
    if name == "counts":
        expected = rates[::-1] * float(dwell) * float(sweeps)
        np.testing.assert_allclose(ds["counts"], expected, atol=0.02)
        np.testing.assert_array_equal(ds["counts"], np.round(ds["counts"]))
        assert "whole counts and are given as such" in remarks(ds)


def test_a_remark_on_many_blocks_is_made_once(tmp_path):
    ds = xps.read(written(tmp_path, vamas_file([block(column() * 0.73)] * 30)))
    told = json.loads(remarks(ds))
    assert len(told) == 1
    assert told[0].startswith("blocks S 2p (1), S 2p (2), ")
    assert "and 10 more: the counts are no whole numbers" in told[0]


def test_scaled_counts_are_said_to_be_scaled(tmp_path):
    ds = xps.read(written(tmp_path, vamas_file([block(column() * 0.73)])))
    assert "the counts are no whole numbers" in remarks(ds)


def test_an_analogue_signal_is_an_intensity(tmp_path):
    ds = xps.read(written(tmp_path, vamas_file([block(column(), {33: ("analogue",), 32: ("1", "current", "nA")})])))
    assert "intensity" in ds
    assert "counts" not in ds


def test_settings_of_the_wrong_kind_are_named(tmp_path):
    path = written(tmp_path, vamas_file([block(column())]))
    for settings in ({"photon_energy": -1}, {"work_function": "4"}, {"hours_ahead": "local"}, {"hours_ahead": 99}):
        with pytest.raises(OperandoError, match=f"{next(iter(settings))}: expected"):
            xps.read(path, **settings)


def test_blocks_of_one_region_become_a_series_and_single_ones_are_chosen(tmp_path):
    counts = [column(seed=k) for k in range(3)]
    path = written(
        tmp_path,
        vamas_file([block(one) for one in counts[:2]] + [block(counts[2], {29: ("C",), 30: ("1s", "-1")}, name="C")]),
    )
    with pytest.raises(FileError, match="expected one region, got S 2p, C 1s; name it, such as region = 'S 2p'"):
        xps.read(path)
    series = xps.read(path, region="S2p")
    assert dict(series.sizes) == {"scan": 2, "binding_energy": 21}
    assert list(series["source"].values) == ["scan.vms::S 2p (1)", "scan.vms::S 2p (2)"]
    for k, name in enumerate([1, "S 2p (2)", "C"]):
        np.testing.assert_array_equal(xps.read(path, block=name)["counts"], counts[k][::-1, 0])
    with pytest.raises(FileError, match="a block among S 2p \\(1\\), S 2p \\(2\\), C, got 'O 1s'"):
        xps.read(path, block="O 1s")
    with pytest.raises(SeveralRegionsError) as caught:
        xps.read(path)
    assert caught.value.regions == ("S 2p", "C 1s")


def test_a_block_without_any_name_is_numbered(tmp_path):
    nameless = {29: ("",), 30: ("", "-1")}
    ds = xps.read(written(tmp_path, vamas_file([block(column(), nameless, name="")])))
    assert ds.attrs["region"] == "block 1"


def test_a_cut_file_keeps_whole_points_and_says_so(tmp_path):
    counts = np.column_stack([column(), np.linspace(1, 2, 21)])
    whole = vamas_file([block(counts, {32: ("2", "counts", "d", "transmission", "d")})], end=())
    path = written(tmp_path, whole[: -len("\r\n1.95\r\n1024\r\n2") - 2])
    with pytest.warns(OperandoWarning, match="expected 'end of experiment'"):
        ds = xps.read(path)
    assert ds.sizes["binding_energy"] == 19
    np.testing.assert_array_equal(ds["counts"], counts[:19, 0][::-1])
    assert names(int(ds["flag"])) == ["truncated"]
    assert "19 of the 21 points stated are there" in remarks(ds)


def test_half_a_number_at_the_end_is_left_out(tmp_path):
    counts = column()
    path = written(tmp_path, vamas_file([block(counts)], end=())[:-2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        ds = xps.read(path)
    np.testing.assert_array_equal(ds["counts"], counts[:20, 0][::-1])
    assert int(ds["flag"]) & Flag.truncated


@pytest.mark.parametrize("stated", [15, 20, 30])
def test_a_wrong_number_of_values_is_never_taken_for_a_length(tmp_path, stated):
    """Too few: the numbers go on behind them. Too many: the next block begins among them."""
    data = vamas_file([block(column(), stated=stated), block(column())])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        with pytest.raises(FileError, match=r"further numbers behind them|expected a number, 30 in all, got 'S 2p'"):
            xps.read(written(tmp_path, data))


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_lines_lost_within_a_block_are_never_taken_for_its_end(tmp_path, lost):
    """The end of the experiment is there, so that the values must be too: those behind the gap lie elsewhere."""
    rows = np.column_stack([column(), np.linspace(1, 2, 21)])
    lines = block(rows, {32: ("2", "counts", "d", "transmission", "d")})
    del lines[-20 : -20 + lost]
    with pytest.raises(FileError, match="expected a number, 42 in all, got 'end of experiment'"):
        xps.read(written(tmp_path, vamas_file([lines])))


@pytest.mark.parametrize("stated", [1, 3])
def test_a_wrong_number_of_blocks_is_named_and_all_are_read(tmp_path, stated):
    path = written(tmp_path, vamas_file([block(column()), block(column())], stated=stated))
    with pytest.warns(OperandoWarning, match=f"{stated} blocks as stated, got 2"):
        assert xps.read(path).sizes["scan"] == 2


def test_a_wrong_number_of_comment_lines_is_named_with_its_line(tmp_path):
    data = vamas_file([block(column(), {8: ("3", "one", "two")})])
    with pytest.raises(FileError, match=r"line \d+: expected .*; check the numbers of lines"):
        xps.read(written(tmp_path, data))


def test_values_beyond_the_limits_stated_are_remarked_on(tmp_path):
    lines = block(column())
    at = lines.index("21") + 2
    lines[at] = "1000"
    ds = xps.read(written(tmp_path, vamas_file([lines])))
    assert "beyond the limits stated" in remarks(ds)


def test_the_emission_angle_is_that_between_analyser_and_normal(tmp_path):
    """30 deg against a normal that is tilted by 30 deg the other way; and at right angles to it."""
    for azimuth, expected in (("180", 60.0), ("0", 0.0), ("90", np.degrees(np.arccos(0.75)))):
        parts = {28: ("30", "0"), 38: ("30", azimuth)}
        ds = xps.read(written(tmp_path, vamas_file([block(column(), parts)])))
        assert ds["emission_angle"].item() == pytest.approx(expected, abs=1e-5)


def test_an_empty_or_foreign_file_is_refused_in_one_line(tmp_path):
    for data in (b"", b"VAMAS", b"something else\n" * 9):
        with pytest.raises(FileError) as caught:
            xps.read(written(tmp_path, data), reader="vamas")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("extreme", ["1e30", "-7", "inf", "", "0"])
def test_no_line_of_a_header_breaks_the_reader(tmp_path, extreme):
    """Each line in turn: a spectrum of the length written, or an error in one line."""
    rows = np.column_stack([column(), np.linspace(1, 2, 21)])
    parts = {32: ("2", "counts", "c/s", "transmission", "d"), 8: ("1", "Calib M = 1 A = 2 BE ADD"), 38: ("10", "20")}
    lines = vamas_file([block(rows, parts), block(rows)], newline="\n").decode().split("\n")
    read, errors = 0, []
    for k in range(1, lines.index("S 2p", lines.index("S 2p") + 1) - rows.size):
        path = written(tmp_path, "\n".join([*lines[:k], extreme, *lines[k + 1 :]]).encode())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OperandoWarning)
            try:
                ds = xps.read(path, reader="vamas", timezone="UTC")
            except OperandoError as error:
                errors.append(str(error))
                continue
        assert ds.sizes["binding_energy"] == 21
        read += 1
    assert read > 10
    assert not any("\n" in error for error in errors)
