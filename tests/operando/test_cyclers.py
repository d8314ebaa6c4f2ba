"""Every cycler file is read right or refused in one line that names the place and the remedy."""

import json
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operando import cyclers, flags
from operando.cyclers import FORMATS, read
from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.sniff import head, identify

LABELS = ["mode", "Ns", "time/s", "dq/mA.h", "(Q-Qo)/mA.h", "Ewe/V", "<I>/mA", "half cycle", "cycle number"]
ROWS = [
    [1, 0, 0.0, 0.0, 0.0, 3.4, 0.0, 0, 0],
    [1, 1, 10.0, 5e-4, 5e-4, 3.5, 0.18, 0, 1],
    [1, 1, 20.0, 5e-4, 1e-3, 3.6, 0.18, 0, 1],
]
BEGIN = "07/26/2022 22:38:30.190"


def mpt(
    path,
    begin=BEGIN,
    *,
    labels=LABELS,
    rows=ROWS,
    decimal=",",
    extra=(),
    end="\r\n",
    technique="GCPL",
    encoding="latin-1",
):
    """Write an EC-Lab text file the way EC-Lab does."""
    started = [f"Acquisition started on : {begin}"] if begin else []
    top = ["", technique, "", "Run on channel : 6 (SN 6042)", *started, "Device : VMP3 (SN 0198)",
           "Mass of active material : 7000,000 mg", "Electrode surface area : 1,000 cm²", *extra, ""]  # fmt: skip
    body = [
        "\t".join(
            cell
            if isinstance(cell, str)
            else f"{cell:.7E}".replace("E-", "E-0").replace("E+", "E+0").replace(".", decimal)
            for cell in row
        )
        for row in rows
    ]
    lines = ["EC-Lab ASCII FILE", f"Nb header lines : {len(top) + 3}", *top, "\t".join(labels) + "\t", *body]
    path.write_bytes((end.join(lines) + end).encode(encoding))
    return path


def start(ds):
    return str(ds["time"].values[0])


@pytest.mark.parametrize("decimal", [",", "."])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_decimal_encoding_and_line_ends_do_not_change_the_numbers(tmp_path, decimal, encoding, end):
    ds = read(mpt(tmp_path / "a.mpt", decimal=decimal, encoding=encoding, end=end), timezone="Europe/Paris")
    np.testing.assert_allclose(ds["voltage"], [3.4, 3.5, 3.6])
    np.testing.assert_allclose(ds["current"], [0, 1.8e-4, 1.8e-4])
    np.testing.assert_allclose(ds["cycler_charge"], [0, 1.8e-3, 3.6e-3])
    assert ds["step"].values.tolist() == [0, 1, 1]
    assert start(ds) == "2022-07-26T20:38:30.190000000"
    assert json.loads(ds.attrs["metadata"])["cell"] == {"active_mass": 7000.0, "electrode_area": 1.0}


@pytest.mark.parametrize(
    "begin",
    ["07/26/2022 22:38:30.190", "26.07.2022 22:38:30,190", "2022-07-26 22:38:30.190", "07/26/2022 10:38:30.190 PM",
     "26/07/2022 22:38:30.190", "07-26-2022 22:38:30.190", "07/26/22 22:38:30.190"],
)  # fmt: skip
def test_every_way_to_write_the_date_is_the_same_instant(tmp_path, begin):
    assert start(read(mpt(tmp_path / "a.mpt", begin), timezone="Europe/Paris")) == "2022-07-26T20:38:30.190000000"


def test_an_undecided_date_with_slashes_is_month_first_unless_another_date_or_the_user_says_otherwise(tmp_path):
    path = mpt(tmp_path / "a.mpt", "01/10/2024 11:02:29")
    assert start(read(path, timezone="UTC")).startswith("2024-01-10")
    assert start(read(path, timezone="UTC", date_order="day")).startswith("2024-10-01")
    other = mpt(tmp_path / "b.mpt", "01/10/2024 11:02:29", extra=["Technique started on : 13/10/2024 11:03:00"])
    assert start(read(other, timezone="UTC")).startswith("2024-10-01")


def test_an_undecided_date_with_dots_or_contradicting_dates_ask(tmp_path):
    with pytest.raises(FileError, match="date_order"):
        read(mpt(tmp_path / "a.mpt", "01.10.2024 11:02:29"), timezone="UTC")
    with pytest.raises(FileError, match="date_order"):
        read(mpt(tmp_path / "b.mpt", "13/10/2024 11:02:29", extra=["Saved on : 10/14/2024 11:03:00"]), timezone="UTC")


def test_absolute_times_in_the_column_are_read(tmp_path):
    rows = [[*row[:2], f"07/26/2022 22:38:3{i}.190", *row[3:]] for i, row in enumerate(ROWS)]
    ds = read(mpt(tmp_path / "a.mpt", rows=rows), timezone="Europe/Paris")
    assert start(ds) == "2022-07-26T20:38:30.190000000"
    assert (np.diff(ds["time"].values) == np.timedelta64(1, "s")).all()


def test_elapsed_seconds_pass_a_change_of_the_local_clock(tmp_path):
    rows = [[*row[:2], float(t), *row[3:]] for t, row in zip((0, 7200, 14400), ROWS, strict=True)]
    ds = read(mpt(tmp_path / "a.mpt", "10/30/2022 01:30:00", rows=rows), timezone="Europe/Paris")
    assert (np.diff(ds["time"].values) == np.timedelta64(7200, "s")).all()


def test_a_file_without_its_start_says_how_to_give_one(tmp_path):
    path = mpt(tmp_path / "a.mpt", begin=None)
    with pytest.raises(FileError, match="start = "):
        read(path, timezone="Europe/Paris")
    assert start(read(path, timezone="Europe/Paris", start="2022-07-26 22:38:30")).startswith("2022-07-26T20:38:30")


def test_a_file_without_a_zone_is_refused(tmp_path):
    with pytest.raises(FileError, match="timezone"):
        read(mpt(tmp_path / "a.mpt"))


def test_open_circuit_has_no_current_by_definition_and_says_so(tmp_path):
    path = mpt(
        tmp_path / "a.mpt",
        labels=["mode", "time/s", "<Ewe/V>"],
        rows=[[3, 0.0, 3.4], [3, 1.0, 3.5]],
        technique="Open Circuit Voltage",
    )
    ds = read(path, timezone="UTC")
    assert (ds["current"] == 0).all()
    assert "by definition" in ds.attrs["notes"]


def test_a_charge_increment_stands_in_for_a_missing_current(tmp_path):
    labels = [label for label in LABELS if label != "<I>/mA"]
    ds = read(mpt(tmp_path / "a.mpt", labels=labels, rows=[[*row[:6], *row[7:]] for row in ROWS]), timezone="UTC")
    np.testing.assert_allclose(ds["current"], [0, 1.8e-4, 1.8e-4])
    assert ds.attrs["current_is"] == "mean"


def test_a_file_without_current_or_voltage_is_refused(tmp_path):
    for missing in ("Ewe/V", "<I>/mA"):
        keep = [i for i, label in enumerate(LABELS) if label != missing and not label.startswith(("dq", "mode"))]
        path = mpt(tmp_path / "a.mpt", labels=[LABELS[i] for i in keep], rows=[[row[i] for i in keep] for row in ROWS])
        with pytest.raises(FileError, match="column"):
            read(path, timezone="UTC")


@pytest.mark.parametrize("cut", [1, 4, 9, 20, 60])
def test_a_last_line_that_is_cut_off_is_left_out_and_flagged(tmp_path, cut):
    path = mpt(tmp_path / "a.mpt", labels=LABELS[:7], rows=[row[:7] for row in ROWS], end="\n")
    path.write_bytes(path.read_bytes()[: -1 - cut])
    ds = read(path, timezone="UTC")
    np.testing.assert_allclose(ds["voltage"], [3.4, 3.5])
    assert flags.names(int(ds["flag"][-1])) == ["truncated"]
    assert "cut off" in ds.attrs["notes"]


def test_a_bad_number_and_a_ragged_line_are_named_by_line(tmp_path):
    rows = [ROWS[0], [*ROWS[1][:5], "oops", *ROWS[1][6:]], ROWS[2]]
    with pytest.raises(FileError, match=r"line 14: expected a number in column 'Ewe/V', got 'oops'"):
        read(mpt(tmp_path / "a.mpt", rows=rows), timezone="UTC")
    with pytest.raises(FileError, match=r"line 14: expected 9 columns"):
        read(mpt(tmp_path / "b.mpt", rows=[ROWS[0], ROWS[1][:5], ROWS[2]]), timezone="UTC")


@pytest.mark.parametrize(
    "text", ["EC-Lab ASCII FILE\n", "EC-Lab ASCII FILE\nNb header lines : 90\nx\n", "EC-Lab ASCII FILE\nhello\n"]
)
def test_a_header_that_is_cut_off_is_refused(tmp_path, text):
    path = tmp_path / "a.mpt"
    path.write_text(text)
    with pytest.raises(FileError):
        read(path, timezone="UTC")


def test_a_stray_carriage_return_within_a_row_is_refused_in_one_line(tmp_path):
    path = mpt(tmp_path / "good.mpt")
    head, row, tail = path.read_bytes().rstrip().rsplit(b"\n", 2)
    path.write_bytes(b"\n".join([head, row.rstrip()[:-2] + b"\r" + row.rstrip()[-2:], tail]))
    with pytest.raises(FileError, match="expected") as caught:
        read(path, timezone="UTC")
    assert "\n" not in str(caught.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_in_one_line_but_never_a_traceback(tmp_path, data):
    good = mpt(tmp_path / "good.mpt").read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + data.draw(st.binary(max_size=6)) + good[at + data.draw(st.integers(0, 40)) :]
    path = tmp_path / "bad.mpt"
    path.write_bytes(bad)
    message = ""
    try:
        read(path, timezone="Europe/Paris")
    except OperandoError as error:
        message = str(error)
    assert "\n" not in message


CSV = "t;U;I;cyc\n0;3,4;0,0;1\n1;3,5;0,1;1\n2;3,6;0,1;1\n"
COLUMNS = {"time": "t", "voltage": "U", "current": "I", "cycler_cycle": "cyc"}


def table(tmp_path, text=CSV):
    path = tmp_path / "a.csv"
    path.write_text(text, newline="")
    return path


@pytest.mark.parametrize("separator", [";", "\t", "|", " "])
def test_columns_by_name_with_units_and_a_decimal_comma(tmp_path, separator):
    path = table(tmp_path, CSV.replace(";", separator))
    ds = read(
        path,
        reader="columns",
        timezone="Europe/Paris",
        columns=COLUMNS,
        units={"time": "min", "current": "mA"},
        start="2022-07-26 22:00",
    )
    np.testing.assert_allclose(ds["current"], [0, 1e-4, 1e-4])
    assert str(ds["time"].values[-1]) == "2022-07-26T20:02:00.000000000"


def test_columns_by_index_need_no_labels(tmp_path):
    path = table(tmp_path, "0,3.4,0\n1,3.5,1\n")
    ds = read(path, columns={"time": 0, "voltage": 1, "current": 2}, units={"time": "unix"})
    np.testing.assert_allclose(ds["voltage"], [3.4, 3.5])
    assert start(ds) == "1970-01-01T00:00:00.000000000"


def test_labels_may_hold_spaces_and_times_may_be_local_text(tmp_path):
    path = table(tmp_path, "local time,cell voltage\n2022-07-26 22:38:30,3.4\n2022-07-26 22:38:40,3.5\n")
    ds = read(path, timezone="Europe/Paris", columns={"time": "local time", "voltage": "cell voltage"})
    assert start(ds) == "2022-07-26T20:38:30.000000000"
    assert "current" not in ds


@pytest.mark.parametrize(
    ("change", "told"),
    [({"columns": {"time": "t", "voltage": "Ewe"}}, "'Ewe'"), ({"columns": {"voltage": "U"}}, "'time'"),
     ({"columns": {**COLUMNS, "volts": "U"}}, "'volts'"), ({"start": None}, "start ="), ({"nonsense": 1}, "nonsense"),
     ({"units": {"current": "parsec"}}, "cannot be converted"), ({"start": "soon"}, "YYYY-MM-DD")],
)  # fmt: skip
def test_wrong_settings_of_columns_are_one_line_errors(tmp_path, change, told):
    keywords = {"columns": COLUMNS, "start": "2022-07-26 22:00", "timezone": "UTC", **change}
    with pytest.raises(OperandoError, match=told):
        read(table(tmp_path), reader="columns", **keywords)


def test_a_row_without_a_time_is_refused(tmp_path):
    with pytest.raises(FileError, match="row 2 of the data"):
        read(table(tmp_path, CSV.replace("1;3,5", ";3,5")), columns=COLUMNS, start="2022-07-26", timezone="UTC")


def test_a_word_where_a_number_should_be_is_named_by_line(tmp_path):
    with pytest.raises(FileError, match=r"line 3: expected a number for 'voltage', got 'bad'"):
        read(table(tmp_path, CSV.replace("3,5", "bad")), columns=COLUMNS, start="2022-07-26", timezone="UTC")


@pytest.mark.parametrize(
    ("voltage", "current", "time"),
    [("Voltage / V", "Current / A", "Unix Time / s"), ("voltage_volt", "current_ampere", "unix_time_second")],
)
def test_battery_data_format_in_both_spellings(tmp_path, voltage, current, time):
    path = table(
        tmp_path,
        f"Test Time / s,{voltage},{current},{time}\n0,3.4,0,1658867910.19\n1,3.5,-0.1,1658867911.19\n",
    )
    ds = read(path)
    assert ds.attrs["format"] == "bdf"
    assert abs(ds["time"].values[0] - np.datetime64("2022-07-26T20:38:30.190")) < np.timedelta64(1, "us")
    assert float(ds["current"][1]) == -0.1


def test_battery_data_format_without_unix_time_asks_for_the_start(tmp_path):
    path = table(tmp_path, "Test Time / s,Voltage / V,Current / A\n0,3.4,0\n1,3.5,-0.1\n")
    with pytest.raises(FileError, match="start ="):
        read(path)
    assert start(read(path, timezone="UTC", start="2022-07-26 20:00")) == "2022-07-26T20:00:00.000000000"


def test_local_times_rule_where_the_counter_stood_still_and_else_the_finer_seconds(tmp_path):
    rows = "t,s,U\n2022-07-26 10:00:00,0.0,3.4\n2022-07-26 10:00:01,0.5,3.5\n2022-07-26 11:00:00,{},3.6\n"
    columns = {"time": "t", "elapsed": "s", "voltage": "U"}
    steady = read(table(tmp_path, rows.format("3599.5")), timezone="UTC", columns=columns)
    assert str(steady["time"].values[1]) == "2022-07-26T10:00:00.500000000"
    paused = read(table(tmp_path, rows.format("2.5")), timezone="UTC", columns=columns)
    assert str(paused["time"].values[2]) == "2022-07-26T11:00:00.000000000"


def test_a_missing_package_names_the_extra_to_install(tmp_path, monkeypatch):
    for package in ("galvani", "galvani.BioLogic", "fastnda", "access_parser"):
        monkeypatch.setitem(sys.modules, package, None)
    files = {"a.mpr": b"BIO-LOGIC MODULAR FILE", "a.nda": b"NEWARE", "a.res": b"\x00\x01\x00\x00Standard Jet DB\x00"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileError, match=r'pip install "operando\[cycler\]"'):
            read(tmp_path / name, timezone="UTC")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.mpr", b"BIO-LOGIC MODULAR FILE"), ("a.nda", b"NEWARE2020"), ("a.res", b"\x00\x01\x00\x00Standard Jet DB\x00")],
)
def test_a_truncated_binary_file_is_one_line(tmp_path, name, content):
    pytest.importorskip({"a.mpr": "galvani", "a.nda": "fastnda", "a.res": "access_parser"}[name])
    path = tmp_path / name
    path.write_bytes(content + b"\x00" * 40)
    with pytest.raises(FileError) as caught:
        read(path, timezone="UTC")
    assert "\n" not in str(caught.value)


def test_format_names_are_unique_and_columns_is_asked_last():
    assert len({fmt.name for fmt in FORMATS}) == len(FORMATS)
    assert [fmt.name for fmt in FORMATS if not fmt.specific] == ["columns"]


@pytest.mark.realdata
def test_every_biologic_file_is_read(realdata):
    pytest.importorskip("galvani")
    for path in sorted((realdata / "echem" / "biologic").iterdir()):
        ds = read(path, timezone="Europe/Paris")
        assert ds.sizes["time"] > 40, path.name
        assert ds["time"].dtype == "datetime64[ns]"
        assert (abs(ds["voltage"]) < 10).all()


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["cp", "gcpl.issue_149", "ocv.issue_149", "peis.issue_149", "geis.issue_149"])
def test_binary_and_text_of_one_run_agree(realdata, name):
    pytest.importorskip("galvani")
    stem = realdata / "echem" / "biologic" / f"yadg_{name}"
    binary, text = (read(stem.with_name(stem.name + end), timezone="UTC") for end in (".mpr", ".mpt"))
    np.testing.assert_array_equal(binary["time"], text["time"])
    np.testing.assert_allclose(binary["voltage"], text["voltage"], atol=1e-6)
    np.testing.assert_allclose(binary["current"], text["current"], rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(binary["flag"], text["flag"])


@pytest.mark.realdata
def test_decimal_comma_of_a_real_file_and_its_loops(realdata):
    ds = read(realdata / "echem" / "biologic" / "yadg_gcpl.issue_149.mpt", timezone="Europe/Zurich")
    assert float(ds["voltage"][0]) == pytest.approx(3.4228721)
    assert start(ds).startswith("2024-01-10T10:03:00.0389")
    assert np.flatnonzero(ds["flag"] & int(Flag.after_gap)).tolist() == [33, 66, 99]


@pytest.mark.realdata
def test_maccor_minutes_and_sign(realdata):
    ds = read(realdata / "echem" / "maccor" / "cellpy_maccor_002.txt", timezone="Europe/Oslo")
    assert ds.attrs["format"] == "maccor"
    assert ds.sizes["time"] == 7446
    assert (ds["time"].values[1] - ds["time"].values[0]) == np.timedelta64(60, "s")
    assert float(ds["current"].min()) == pytest.approx(-1.6e-4, rel=0.02)
    assert float(ds["current"].max()) == pytest.approx(1.6e-4, rel=0.02)


@pytest.mark.realdata
def test_bad_tables_are_read_with_flags(realdata):
    folder = realdata / "echem" / "csv"
    keywords = {
        "timezone": "Europe/Oslo", "start": "2018-10-01 10:00", "reader": "columns",
        "columns": {"time": "test_time", "voltage": "voltage", "current": "current"},
    }  # fmt: skip
    good = read(folder / "cellpy_bad_custom_good_small.csv", **keywords)
    assert good.sizes["time"] == 60
    assert not good["flag"].any()
    holes = read(folder / "cellpy_bad_custom_nan_inf.csv", **keywords)
    assert np.flatnonzero(holes["flag"] == int(Flag.not_finite)).tolist() == [3, 7, 11]
    cut = read(folder / "cellpy_bad_custom_truncated.csv", **keywords)
    assert cut.sizes["time"] == 59
    assert int(cut["flag"][-1]) == int(Flag.truncated)


@pytest.mark.realdata
def test_arbin_and_neware_files_are_read(realdata):
    pytest.importorskip("fastnda")
    pytest.importorskip("access_parser")
    arbin = read(realdata / "echem" / "arbin" / "navani_arbin_example.res", timezone="Europe/London")
    assert arbin.sizes["time"] == 2150
    assert start(arbin).startswith("2023-07-24T17:49:59.99") or start(arbin).startswith("2023-07-24T17:50:00")
    neware = read(realdata / "echem" / "neware" / "navani_test.nda")
    assert float(neware["current"].min()) == pytest.approx(-5.05e-5)
    stepped = read(realdata / "echem" / "neware" / "cellpy_20260302_IFE_BTS85_2_9_8_1.ndax")
    assert (np.diff(stepped["time"].values) >= np.timedelta64(0, "ns")).all()
    assert "steps back" in stepped.attrs["notes"]


@pytest.mark.realdata
def test_no_reader_takes_a_spectrum_or_an_image_for_its_own(realdata):
    specific = [fmt for fmt in FORMATS if fmt.specific]
    for folder in ("xas/larch", "xas/xdl", "tomo"):
        for path in sorted(path for path in (realdata / folder).rglob("*") if path.is_file())[:40]:
            assert identify(head(path), specific) is None, path.name
    assert cyclers.FORMATS
