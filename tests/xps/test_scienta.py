"""Scienta's waves and text: what is written is what is read, and the same spectrum in both formats agrees."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ses_files import FIELDS, KINDS, ses_text, wave_2, wave_5

from operando import OperandoError, xps
from operando.errors import FileError, OperandoWarning
from operando.flags import names
from operando.sniff import Format
from operando.xps.formats import FORMATS
from operando.xps.formats.igor_wave import read_wave

ENERGY = np.arange(160.0, 180.0, 0.25)
BINDING = "Binding Energy [eV]"
KINETIC = {"Energy Scale": "Kinetic"}


def counts(size: int = ENERGY.size, seed: int = 11) -> np.ndarray:
    return np.random.default_rng(seed).poisson(400.0, size).astype(np.float64)


def written(folder: Path, data: bytes | str, name: str = "scan") -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode("latin-1"))
    return path


def one_wave(values: np.ndarray, fields=FIELDS, **settings) -> bytes:
    return wave_5(values, [(160.0, 0.25)], [BINDING], fields, **settings)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_wave_of_any_real_type_in_either_order_of_bytes_is_read_exactly(tmp_path, kind, order):
    values = (np.arange(ENERGY.size) % 100).astype(kind)
    wave = read_wave(written(tmp_path, one_wave(values, order=order)))
    np.testing.assert_array_equal(wave.values, values)
    assert wave.values.dtype == np.dtype(kind)
    np.testing.assert_allclose(wave.axes[0].values, ENERGY, rtol=1e-15)


@pytest.mark.parametrize("order", ["<", ">"])
def test_version_2_gives_the_same_numbers_as_version_5(tmp_path, order):
    values = counts()
    second = read_wave(written(tmp_path, wave_2(values, (160.0, 0.25), order=order), "second"))
    fifth = read_wave(written(tmp_path, one_wave(values, order=order), "fifth"))
    np.testing.assert_array_equal(second.values, fifth.values)
    np.testing.assert_array_equal(second.axes[0].values, fifth.axes[0].values)
    assert second.note == fifth.note
    assert second.axes[0].name == "BE"


def test_the_first_dim_of_a_wave_varies_fastest(tmp_path):
    values = np.arange(24.0).reshape(4, 3, 2)
    wave = read_wave(written(tmp_path, wave_5(values, [(0, 1), (5, 2), (0, 1)], ["e", "y", "t"])))
    np.testing.assert_array_equal(wave.values, values)
    np.testing.assert_array_equal(wave.axes[1].values, [5, 7, 9])


def test_a_short_unit_names_a_dim_where_there_is_no_long_one(tmp_path):
    wave = read_wave(written(tmp_path, wave_5(np.zeros(5), [(0, 1)], ["eV"], short_units=True)))
    assert wave.axes[0].name == "eV"


def test_whole_numbers_of_a_pulse_counter_are_counts_over_all_sweeps(tmp_path):
    ds = xps.read(written(tmp_path, one_wave(counts())), timezone="Europe/Berlin")
    np.testing.assert_array_equal(ds["counts"], counts())
    np.testing.assert_allclose(ds["binding_energy"], ENERGY, rtol=1e-14)
    assert ds.attrs["region"] == "S 2p"
    assert ds.attrs["format"] == "scienta_ibw"
    assert {name: float(ds[name]) for name in ("dwell", "sweeps", "pass_energy", "photon_energy")} == {
        "dwell": 0.5,
        "sweeps": 4.0,
        "pass_energy": 50.0,
        "photon_energy": 1486.6,
    }
    assert ds["time_start"].item() == np.datetime64("2023-03-08T14:24:35", "ns").item()
    assert (ds["time_end"] - ds["time_start"]).item() == 2_000_000_000
    assert int(ds["flag"]) == 0
    assert json.loads(ds.attrs["metadata"])["Lens Mode"] == "Transmission"


@pytest.mark.parametrize(
    ("values", "mode", "quantity", "said"),
    [
        (counts(), "ADC", "intensity", "ADC mode"),
        (counts() / 3, "Pulse Counting", "intensity", "no whole numbers"),
        (counts() - 500, "Pulse Counting", "intensity", "no whole numbers"),
        (counts(), "", "counts", "does not say"),
    ],
)
def test_a_camera_or_broken_numbers_are_no_counts(tmp_path, values, mode, quantity, said):
    ds = xps.read(written(tmp_path, one_wave(values, {**FIELDS, "DetectorMode": mode})))
    assert quantity in ds
    assert said in ds.attrs["remarks"]


def test_kinetic_energies_become_binding_energies_by_the_photon_energy(tmp_path):
    kinetic = wave_5(counts(), [(1306.6, 0.25)], ["Kinetic Energy [eV]"])
    ds = xps.read(written(tmp_path, kinetic))
    np.testing.assert_allclose(ds["binding_energy"][[0, -1]], [1486.6 - 1306.6 - 19.75, 180.0], rtol=1e-12)
    np.testing.assert_array_equal(ds["counts"], counts()[::-1])
    moved = xps.read(tmp_path / "scan", photon_energy=1487.6)
    np.testing.assert_allclose(moved["binding_energy"] - ds["binding_energy"].values, 1.0, rtol=1e-9)
    assert float(moved["photon_energy"]) == 1487.6


def test_another_photon_energy_moves_binding_energies_too(tmp_path):
    ds = xps.read(written(tmp_path, one_wave(counts())), photon_energy=1486.7)
    np.testing.assert_allclose(ds["binding_energy"], ENERGY + 0.1, rtol=1e-12)
    assert "moved" in ds.attrs["remarks"]


def image() -> tuple[np.ndarray, np.ndarray]:
    angles = np.linspace(-6.0, 6.0, 7)
    return counts(ENERGY.size * 7).reshape(ENERGY.size, 7), angles


@pytest.mark.parametrize("as_text", [True, False])
def test_slices_are_summed_and_a_range_of_them_can_be_chosen(tmp_path, as_text):
    values, angles = image()
    fields = {**FIELDS, "Number of Slices": "7"}
    if as_text:
        data = ses_text([(fields, [(BINDING, ENERGY), ("Y-Scale [deg]", angles)], values)])
    else:
        data = wave_5(values, [(160.0, 0.25), (-6.0, 2.0)], [BINDING, "Y-Scale [deg]"], fields)
    path = written(tmp_path, data)
    ds = xps.read(path)
    np.testing.assert_array_equal(ds["counts"], values.sum(axis=1))
    assert "sum of 7 of 7 slices, Y-Scale [deg] -6 to 6" in ds.attrs["remarks"]
    part = xps.read(path, slices=(2.0, -2.0))
    np.testing.assert_array_equal(part["counts"], values[:, 2:5].sum(axis=1))
    with pytest.raises(FileError, match="slices within -6 to 6"):
        xps.read(path, slices=(10, 20))
    with pytest.raises(OperandoError, match="two numbers"):
        xps.read(path, slices="all")


@pytest.mark.parametrize("as_text", [True, False])
def test_repeats_are_scans_whose_times_are_not_guessed(tmp_path, as_text):
    values = counts(ENERGY.size * 6).reshape(ENERGY.size, 2, 3)
    fields = {**FIELDS, "Number of Slices": "2"}
    dims = [BINDING, "Y-Scale [mm]", "Iteration [a.u.]"]
    if as_text:
        data = ses_text([(fields, list(zip(dims, [ENERGY, np.arange(2.0), np.arange(3.0)], strict=True)), values)])
    else:
        data = wave_5(values, [(160.0, 0.25), (0, 1), (0, 1)], dims, fields)
    ds = xps.read(written(tmp_path, data), timezone="UTC")
    assert ds["counts"].dims == ("scan", "binding_energy")
    np.testing.assert_array_equal(ds["counts"], values.sum(axis=1).T)
    assert np.isnat(ds["time"].values).all()
    assert "no_time" in names(int(ds["flag"][0]))
    assert ds["source"].values[2].endswith("S 2p, Iteration [a.u.] 2")


@pytest.mark.parametrize("third", ["Iteration [a.u.]", "Theta [deg]"])
def test_only_the_dim_of_the_detector_is_summed_also_where_another_is_as_long(tmp_path, third):
    values = counts(ENERGY.size * 4).reshape(ENERGY.size, 2, 2)
    scales = [(160.0, 0.25), (0.0, 1.0), (0.0, 1.0)]
    data = wave_5(values, scales, [BINDING, "Y-Scale [mm]", third], {**FIELDS, "Number of Slices": "2"})
    np.testing.assert_array_equal(xps.read(written(tmp_path, data))["counts"], values.sum(axis=1).T)
    alone = wave_5(values[:, 0], scales[:2], [BINDING, third], FIELDS)
    np.testing.assert_array_equal(xps.read(written(tmp_path, alone))["counts"], values[:, 0].T)


def test_one_of_several_regions_is_named_and_a_broken_one_left_out(tmp_path):
    other = {**FIELDS, "Region Name": "C1s"}
    text = ses_text([(FIELDS, [(BINDING, ENERGY)], counts()), (other, [(BINDING, ENERGY + 120)], counts(seed=5))])
    path = written(tmp_path, text)
    with pytest.raises(FileError, match="S 2p, C 1s"):
        xps.read(path)
    np.testing.assert_array_equal(xps.read(path, region="c 1s")["counts"], counts(seed=5))
    cut = written(tmp_path, text[: int(len(text) * 0.9)], "cut")
    with pytest.warns(OperandoWarning, match="rows of numbers"):
        ds = xps.read(cut, region="S2p")
    np.testing.assert_array_equal(ds["counts"], counts())


def test_regions_of_the_same_name_are_a_series(tmp_path):
    later = {**FIELDS, "Time": "16:00:00"}
    rows = [(fields, [(BINDING, ENERGY)], counts(seed=seed)) for fields, seed in ((FIELDS, 1), (later, 2))]
    ds = xps.read(written(tmp_path, ses_text(rows)), timezone="UTC")
    assert ds.sizes["scan"] == 2
    assert (np.diff(ds["time"]) > 0).all()


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        ("2023-03-08", "15:24:35", "2023-03-08T15:24:35"),
        ("2023/03/08", "3:24:35 PM", "2023-03-08T15:24:35"),
        ("8.3.2023", "00:00:01", "2023-03-08T00:00:01"),
        ("3/23/2025", "17:02:41", "2025-03-23T17:02:41"),
        ("23/3/2025", "12:00:00 AM", "2025-03-23T00:00:00"),
        ("3/8/2023", "15:24:35", None),
        ("yesterday", "15:24:35", None),
        ("2023-03-08", "25:00:00", None),
    ],
)
def test_dates_are_read_unless_day_and_month_cannot_be_told_apart(tmp_path, day, clock, expected):
    ds = xps.read(written(tmp_path, one_wave(counts(), {**FIELDS, "Date": day, "Time": clock})), timezone="UTC")
    if expected is None:
        assert np.isnat(ds["time_start"].values)
        assert "more ways than one" in ds.attrs["remarks"]
    else:
        assert ds["time_start"].values == np.datetime64(expected, "ns")


def test_a_local_time_waits_for_its_zone(tmp_path):
    ds = xps.read(written(tmp_path, one_wave(counts())))
    assert np.isnat(ds["time_start"].values)
    assert ds.attrs["local_time_start"] == "2023-03-08T15:24:35"
    assert names(int(ds["flag"])) == ["no_time"]


def test_a_swept_region_without_the_time_of_a_channel_has_no_dwell(tmp_path):
    fields = {key: text for key, text in FIELDS.items() if key != "Time per Spectrum Channel"}
    swept = xps.read(written(tmp_path, one_wave(counts(), {**fields, "Acquisition Mode": "Swept"})))
    assert "dwell" not in swept
    fixed = xps.read(written(tmp_path, one_wave(counts(), fields)))
    assert float(fixed["dwell"]) == 0.5


def spoiled(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (spoiled(one_wave(counts()), 76, b"\x07"), "checksum"),
        (one_wave(counts())[:700], "breaks off"),
        (one_wave(counts())[:-1], "breaks off"),
        (one_wave(counts())[:200], "checksum"),
        (wave_2(counts(), (160.0, 0.25))[:-1], "breaks off"),
        (wave_5(counts(), [(0, 1)], ["x [mm]"], {**FIELDS, "Energy Scale": ""}), "'Binding Energy' or"),
        (wave_5(counts(), [(9, 1)], ["Kinetic Energy"], {**FIELDS, "Excitation Energy": "?"}), "excitation energy"),
        (wave_5(np.zeros((3, 2, 2, 2)), [(0, 1)] * 4, ["a", "b", "c", "d"]), "at most 3 dims"),
    ],
)
def test_a_broken_or_foreign_wave_is_refused_in_one_line(tmp_path, data, said):
    with pytest.raises(FileError, match=said) as caught:
        xps.read(written(tmp_path, data), reader="scienta_ibw")
    assert "\n" not in str(caught.value)


GOOD = ses_text([(FIELDS, [(BINDING, ENERGY)], counts())])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD[: len(GOOD) // 2], "rows of numbers|numbers, got"),
        (GOOD.replace("Dimension 1 size=80", "Dimension 1 size=81"), "81 values, got 80"),
        (GOOD.replace(" 1.61000000000000E+02", " 1.91000000000000E+02"), "energy 161 of the header, got 191"),
        (GOOD.replace("1.61000000000000E+02", "1.61000000000000E+02 7"), "2 numbers, got 3"),
        (GOOD.replace("1.61000000000000E+02", "1_6.1"), "numbers"),
        (GOOD.replace("[Data 1]", "[Date 1]"), "blocks of numbers"),
        (GOOD.replace("Dimension 1 scale", "Dimension one"), "'Dimension 1 scale'"),
        (GOOD.replace("0001", "0002"), "2 regions, got 1"),
    ],
)
def test_text_that_disagrees_with_its_own_header_is_refused_or_warned_of(tmp_path, text, said):
    path = written(tmp_path, text)
    if "2 regions" in said:
        with pytest.warns(OperandoWarning, match=said):
            assert xps.read(path).sizes == {"binding_energy": 80}
        return
    with pytest.raises(FileError, match=said):
        xps.read(path)


@pytest.mark.parametrize("field", ["Step Time", "Number of Sweeps", "Number of Regions", "Time per Spectrum Channel"])
def test_numbers_beyond_all_bounds_do_not_end_in_a_traceback(tmp_path, field):
    for value in ("1" * 5000, "1e308", "-1e308", "nan", "²"):
        text = re.sub(rf"{field}=\S+", f"{field}={value}", GOOD)
        ds, said = opened(next(fmt for fmt in FORMATS if fmt.name == "scienta_txt"), written(tmp_path, text))
        assert ds is not None, said
        assert ds.sizes["binding_energy"] == ENERGY.size


def test_decimal_commas_are_numbers_too(tmp_path):
    ds = xps.read(written(tmp_path, GOOD.replace(".", ",")))
    np.testing.assert_array_equal(ds["counts"], counts())
    assert float(ds["photon_energy"]) == 1486.6


@pytest.mark.parametrize("wrong", [0, -1.0, "1486.6"])
def test_a_photon_energy_that_is_none_is_refused(tmp_path, wrong):
    with pytest.raises(OperandoError, match="photon_energy"):
        xps.read(written(tmp_path, GOOD), photon_energy=wrong)


WHOLE = {
    "wave": ("scienta_ibw", one_wave(counts())),
    "wave of version 2": ("scienta_ibw", wave_2(counts(), (160.0, 0.25))),
    "text": ("scienta_txt", GOOD.encode()),
}


def opened(fmt: Format, path: Path) -> tuple[xr.Dataset | None, str]:
    """Return what a file holds, or why it is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        try:
            return fmt.read(path), ""
        except OperandoError as error:
            return None, str(error)


@pytest.mark.parametrize("kind", WHOLE)
def test_no_damage_gives_anything_but_the_whole_spectrum_or_a_named_error(tmp_path, kind):
    """Cuts and single changed bytes: a spectrum that is read has all its points, in order."""
    reader, whole = WHOLE[kind]
    fmt = next(fmt for fmt in FORMATS if fmt.name == reader)
    rng = np.random.default_rng(2026)
    damaged = [whole[: len(whole) * k // 10] for k in range(10)]
    damaged += [
        spoiled(whole, int(at), bytes([int(value)]))
        for at, value in zip(rng.integers(0, len(whole), 400), rng.integers(0, 256, 400), strict=True)
    ]
    # Half of the changes hit the header, which is short.
    damaged += [spoiled(whole, int(at), b"\xff") for at in rng.integers(0, 384, 200)]
    read = 0
    for data in damaged:
        ds, said = opened(fmt, written(tmp_path, data))
        assert "\n" not in said
        if ds is None:
            continue
        read += 1
        assert ds.sizes["binding_energy"] == ENERGY.size
        assert (np.diff(ds["binding_energy"]) >= 0).all()
        np.testing.assert_allclose(ds["binding_energy"], ENERGY, rtol=2e-5)
    assert read > 50


@pytest.mark.realdata
@pytest.mark.parametrize(("stem", "photons", "sweeps"), [("Ag_0001", 520.0, 2), ("Ag_0002", 153.0, 10)])
def test_conditions_are_those_of_the_header(realdata, stem, photons, sweeps):
    """The numbers were read off the files."""
    for name in (f"{stem}Ag__{stem[-3:]}.ibw", f"{stem}.txt"):
        ds = xps.read(realdata / "xps/pynxtools-xps" / name, timezone="Europe/Berlin")
        assert (float(ds["photon_energy"]), float(ds["sweeps"])) == (photons, sweeps)
        assert float(ds["dwell"]) == pytest.approx(22.533)
        assert "ADC mode" in ds.attrs["remarks"]
        assert int(ds["flag"]) == 0


@pytest.mark.realdata
@pytest.mark.parametrize("stem", ["Ag_0001", "Ag_0002"])
def test_the_same_measurement_agrees_in_both_formats(realdata, stem):
    folder = realdata / "xps/pynxtools-xps"
    wave, text = (xps.read(folder / name) for name in (f"{stem}Ag__{stem[-3:]}.ibw", f"{stem}.txt"))
    np.testing.assert_allclose(wave["binding_energy"], text["binding_energy"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(wave["intensity"], text["intensity"], rtol=1e-6)
    assert wave.attrs["local_time_start"] == text.attrs["local_time_start"]


@pytest.mark.realdata
def test_the_counted_time_of_the_first_measurement_ends_before_the_second_begins(realdata):
    """The header's time is that of the start: as the end of the second one it would overlap with the first."""
    folder = realdata / "xps/pynxtools-xps"
    first, second = (xps.read(folder / f"Ag_000{k}.txt", timezone="UTC") for k in (1, 2))
    assert first["time_end"].values < second["time_start"].values
    lasted = second["time_end"].values - second["time_start"].values
    assert second["time_start"].values - lasted < first["time_end"].values
