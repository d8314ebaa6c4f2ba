"""Impedance spectra are read with their times and signs, and their ends are where the circuit says."""

import doctest

import numpy as np
import pytest
import xarray as xr
from pulls import assert_unit_normal

import operando
from operando import history, impedance
from operando.errors import FileError, OperandoError
from operando.flags import names

FREQUENCY = np.logspace(5.5, -1, 66)


def circuit(frequency=FREQUENCY, *, inductance=1e-6, series=20.0, arc=80.0, diffusion=0.0):
    omega = 2j * np.pi * frequency
    return series + inductance * omega + arc / (1 + arc * 2e-5 * omega) + diffusion / np.sqrt(omega)


def spectrum(z, frequency=FREQUENCY):
    return xr.Dataset(
        {"z_real": ("frequency", z.real), "z_imaginary": ("frequency", z.imag)}, {"frequency": ("frequency", frequency)}
    )


def table(z, frequency=FREQUENCY, sign=-1, comma=False):
    points = zip(frequency, z.real, sign * z.imag, range(z.size), strict=True)
    rows = ["\t".join(f"{value:.6e}" for value in point) for point in points]
    text = "\n".join(["freq\tre\tim\tt", *rows, ""])
    return text.replace(".", ",") if comma else text


def test_both_ends_of_an_arc_are_its_resistances():
    found = impedance.intercepts(spectrum(circuit(diffusion=4.0)))
    assert float(found.resistance_high) == pytest.approx(20, abs=0.5)
    assert float(found.resistance_low) == pytest.approx(102.5, abs=2.5), "the tail of diffusion begins at the arc's end"
    assert not bool(found.high_is_bound)
    assert not bool(found.low_is_bound)


def test_where_the_spectrum_ends_first_its_ends_are_bounds():
    part = FREQUENCY[(FREQUENCY < 1e4) & (FREQUENCY > 300)]
    found = impedance.intercepts(spectrum(circuit(part, inductance=0.0), part))
    assert bool(found.high_is_bound)
    assert bool(found.low_is_bound)
    assert float(found.resistance_high) > 20
    assert float(found.resistance_low) < 100


def test_crossings_of_the_axis_pull_as_a_unit_normal():
    """Against the same spectrum without noise: how far the arc reaches over the crossing is no noise."""
    random, pulls = np.random.default_rng(20260807), []
    true = float(impedance.intercepts(spectrum(circuit())).resistance_high)
    for _ in range(220):
        noise = 0.1 * (random.standard_normal(66) + 1j * random.standard_normal(66))
        found = impedance.intercepts(spectrum(circuit() + noise))
        pulls.append(float((found.resistance_high - true) / found.resistance_high_std))
    assert_unit_normal(np.array(pulls))


def test_a_table_is_read_with_either_sign_and_either_decimal(tmp_path):
    z = circuit()
    for name, sign, comma in (("minus_imaginary", -1, False), ("imaginary", 1, True)):
        path = tmp_path / f"{name}.txt"
        path.write_text(table(z, sign=sign, comma=comma))
        columns = {"frequency": "freq", "real": "re", name: "im", "elapsed": "t"}
        found = impedance.read(path, columns=columns, start="2024-03-01 08:00:00", timezone="UTC")
        assert found.sizes == {"scan": 1, "frequency": 66}
        np.testing.assert_allclose(found.z_imaginary[0], z.imag[::-1], rtol=1e-5, atol=1e-4)
        assert found.time_end.values[0] == np.datetime64("2024-03-01T08:01:05")
        assert found.z_real.attrs["units"] == "ohm"


def test_sweeps_one_after_the_other_are_a_series_that_lists_like_any(tmp_path):
    z = np.concatenate([circuit(arc=arc) for arc in (80.0, 90.0, 100.0)])
    (tmp_path / "three.txt").write_text(table(z, np.tile(FREQUENCY, 3)))
    columns = {"frequency": 0, "real": 1, "minus_imaginary": 2}
    found = impedance.read(tmp_path / "three.txt", columns=columns)
    assert found.source.values.tolist() == ["three.txt::0", "three.txt::1", "three.txt::2"]
    assert [names(int(flag)) for flag in found.flag] == [["no_time"]] * 3
    resistance = impedance.intercepts(found).resistance_low
    np.testing.assert_allclose(resistance, [100, 110, 120], rtol=1e-3)
    tree = xr.DataTree.from_dict({"/impedance/cell/raw": found})
    assert operando.timeline(tree).sizes["scan"] == 3


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"frequency": "freq", "real": "re"}, "imaginary or minus_imaginary"),
        ({"frequency": "freq", "real": "re", "imaginary": "im", "phase": "p"}, "got 'phase'"),
        ({"frequency": "Hz", "real": "re", "imaginary": "im"}, "a column 'Hz'"),
    ],
)
def test_columns_that_are_not_there_are_named(tmp_path, columns, words):
    (tmp_path / "z.txt").write_text(table(circuit()))
    with pytest.raises(FileError, match=words):
        impedance.read(tmp_path / "z.txt", columns=columns)


def test_a_table_without_a_sweep_is_refused(tmp_path):
    (tmp_path / "z.txt").write_text("freq\tre\tim\n0\t1\t2\n0\t1\t2\n0\t1\t2\n")
    with pytest.raises(FileError, match="a sweep of at least 3 frequencies, got 0 rows"):
        impedance.read(tmp_path / "z.txt", columns={"frequency": "freq", "real": "re", "imaginary": "im"})


def test_a_spectrum_without_impedance_is_refused():
    with pytest.raises(OperandoError, match="z_real and z_imaginary over frequency, got none of z_imaginary"):
        impedance.intercepts(spectrum(circuit()).drop_vars("z_imaginary"))


def test_intercepts_have_units_and_a_history():
    found = impedance.intercepts(spectrum(circuit()))
    assert {variable.attrs["units"] for variable in found.data_vars.values()} == {"ohm", "Hz", "1"}
    assert history.entries(found)[-1]["step"] == "impedance.intercepts"


@pytest.mark.realdata
@pytest.mark.parametrize(("technique", "crosses"), [("peis", False), ("geis", True)])
def test_sweeps_of_eclab_are_told_apart_by_their_loops(realdata, technique, crosses):
    path = realdata / "echem" / "biologic" / f"yadg_{technique}.issue_149.mpt"
    found = impedance.read(path, timezone="Europe/Berlin")
    assert found.sizes == {"scan": 4, "frequency": 21}
    assert (np.diff(found.time.values) > np.timedelta64(1, "m")).all()
    modulus = np.hypot(found.z_real, found.z_imaginary)
    assert 12 < float(modulus.isel(scan=0, frequency=-1)) < 13 or crosses
    ends = impedance.intercepts(found)
    assert (ends.high_is_bound.values != crosses).all()
    assert ((ends.resistance_high > 7) & (ends.resistance_high < 13)).all()
    assert ((ends.resistance_low > 80) & (ends.resistance_low < 86)).all()


def test_the_worked_examples_hold():
    assert doctest.testmod(impedance).failed == 0
