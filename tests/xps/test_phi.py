"""PHI MultiPak files give their counts, cycle by cycle, or say in a line what is wrong with them."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from damaged_copies import cut_off, one_byte_changed
from phi_files import PhiRegion, phi_bytes, phi_file

from operando import OperandoError, xps
from operando.errors import FileError, OperandoWarning, SeveralRegionsError
from operando.flags import names
from operando.schema import problems
from operando.sniff import head
from operando.xps.formats.phi import recognizes
from operando.xps.layout import RAW

POINTS, CYCLES = 101, 3


def counted(shape, seed=3):
    return np.random.default_rng(seed).poisson(400, shape).astype(float)


def profile(**options):
    """Return a depth profile of two regions and the counts in it."""
    carbon, oxygen = counted((CYCLES, POINTS)), counted((CYCLES, 51), 4)
    regions = [
        PhiRegion("C1s", carbon / 0.8, axes=("cyc",)),
        PhiRegion("O1s", oxygen / 1.5, 540.0, -0.1, 1.5, 3, ("cyc",)),
    ]
    times = np.array([np.arange(CYCLES) * 30.0, np.arange(CYCLES) * 30.0 + 5])
    data = phi_bytes(regions, **{"file_type": "DEPTHPRO", "sputter_times": times, **options})
    return data, {"C 1s": carbon, "O 1s": oxygen}


def read(tmp_path, data, **settings):
    path = tmp_path / "a.pro"
    path.write_bytes(data)
    return xps.read(path, **settings)


def flagged(ds):
    return {name for flag in np.ravel(ds["flag"]) for name in names(int(flag))}


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_a_profile_gives_the_counts_of_every_cycle_from_rates_times_time(tmp_path, kind, line_end):
    data, truth = profile(kind=kind, line_end=line_end)
    for region, counts in truth.items():
        ds = read(tmp_path, data, region=region)
        np.testing.assert_array_equal(ds["counts"].values, counts[:, ::-1])
        assert "rate" not in ds
        assert ds.attrs["format"] == "phi"
        assert ds.attrs["region"] == region
        assert problems(ds, RAW) == []
        assert flagged(ds) == {"no_time"}
    assert ds["binding_energy"].values == pytest.approx(540 - 0.1 * np.arange(51)[::-1], abs=1e-9)
    assert (ds["dwell"] * ds["sweeps"]).values == pytest.approx(1.5)
    assert ds["photon_energy"].values == pytest.approx(1486.6)
    assert ds["work_function"].values == pytest.approx(4.506)


def test_each_region_has_the_sputter_times_of_its_own_row(tmp_path):
    data, _ = profile()
    assert read(tmp_path, data, region="C1s")["sputter_time"].values.tolist() == [0, 30, 60]
    oxygen = read(tmp_path, data, region="O1s")
    assert oxygen["sputter_time"].values.tolist() == [5, 35, 65]
    assert oxygen["sputter_time"].dims == ("scan",)
    assert oxygen["sputter_time"].attrs["units"] == "s"
    assert json.loads(oxygen.attrs["metadata"])["sputter_times"] == [5, 35, 65]


def test_a_profile_without_sputter_times_says_so(tmp_path):
    data, _ = profile(sputter_times=None)
    ds = read(tmp_path, data, region="C1s", cycle=2)
    assert "sputter_time" not in ds.coords
    assert "sputter times" in ds.attrs["remarks"]


def test_cycles_are_chosen_by_their_numbers(tmp_path):
    data, truth = profile()
    single = read(tmp_path, data, region="C1s", cycle=3)
    assert single["counts"].dims == ("binding_energy",)
    np.testing.assert_array_equal(single["counts"], truth["C 1s"][2, ::-1])
    assert str(single["source"].values) == "a.pro::C 1s, cycle 3"
    two = read(tmp_path, data, region="C1s", cycle=["2", 3])
    assert two["sputter_time"].values.tolist() == [30, 60]
    with pytest.raises(FileError, match="cycle: expected a cycle among 1, 2, 3, got '9'"):
        read(tmp_path, data, region="C1s", cycle=9)


def test_several_regions_have_to_be_named(tmp_path):
    data, _ = profile()
    with pytest.raises(FileError, match="expected one region, got C 1s, O 1s; name it, such as region = 'C 1s'"):
        read(tmp_path, data)
    with pytest.raises(FileError, match="a region among C 1s, O 1s, got 'N 1s'"):
        read(tmp_path, data, region="N 1s")


def test_all_regions_are_told_where_none_is_named(tmp_path):
    path = tmp_path / "a.pro"
    path.write_bytes(profile()[0])
    with pytest.raises(SeveralRegionsError) as caught:
        xps.read(path)
    assert caught.value.regions[:2] == ("C 1s", "O 1s")


def test_levels_go_by_their_names_in_multipak_too(tmp_path):
    data = phi_bytes([PhiRegion("Sn3d5", counted(POINTS)), PhiRegion("Su1s", counted(POINTS))])
    for name in ("Sn3d5", "Sn 3d5/2", "sn 3d5"):
        assert read(tmp_path, data, region=name).attrs["region"] == "Sn 3d5/2"
    with pytest.raises(FileError, match="a region among Sn 3d5/2, Survey, got 'Sn 3d'"):
        read(tmp_path, data, region="Sn 3d")


def test_areas_lie_along_scan_beside_the_cycles(tmp_path):
    counts = counted((2, 3, POINTS))
    data = phi_bytes([PhiRegion("C1s", counts / 0.8, axes=("sar", "cyc"))], file_type="DEPTHPRO")
    np.testing.assert_array_equal(read(tmp_path, data)["counts"], counts.reshape(6, POINTS)[:, ::-1])
    second = read(tmp_path, data, area=2)
    np.testing.assert_array_equal(second["counts"], counts[1][:, ::-1])
    assert str(second["source"].values[0]) == "a.pro::C 1s, area 2, cycle 1"
    with pytest.raises(FileError, match="area: expected a area among 1, 2, got '3'"):
        read(tmp_path, data, area=3)


def test_rates_that_are_no_whole_counts_stay_rates(tmp_path):
    rates = counted(POINTS) * 1.2345 + 0.1
    ds = read(tmp_path, phi_bytes([PhiRegion("Su1s", rates)], kind="f8"))
    np.testing.assert_allclose(ds["rate"], rates[::-1], rtol=1e-12)
    assert ds["rate"].attrs["units"] == "count/s"
    assert "counts" not in ds
    assert "no whole counts" in ds.attrs["remarks"]
    assert ds.attrs["region"] == "Survey"


def test_a_part_of_the_sweeps_is_known_from_counts_that_are_all_multiples(tmp_path):
    counts = counted((2, POINTS))
    one_sweep_of_ten = np.stack([counts[0] * 10, counts[1]])
    ds = read(tmp_path, phi_bytes([PhiRegion("Sn3d5", one_sweep_of_ten / 0.8, axes=("cyc",))]))
    np.testing.assert_array_equal(ds["counts"], counts[:, ::-1])
    assert ds["sweeps"].values == pytest.approx([1, 10])
    assert ds["dwell"].values == pytest.approx([0.08, 0.08])
    assert "all counts were multiples of 10: 1 sweep in 10 was measured" in ds.attrs["remarks"]
    unexplained = read(tmp_path, phi_bytes([PhiRegion("Sn3d5", counts[0] * 3 / 0.8)]))
    assert "counts" not in unexplained


def test_counts_and_unknown_units_are_kept_as_they_are(tmp_path):
    counts = counted(POINTS)
    kept = read(tmp_path, phi_bytes([PhiRegion("C1s", counts, unit=b"cts")]))
    np.testing.assert_array_equal(kept["counts"], counts[::-1])
    odd = read(tmp_path, phi_bytes([PhiRegion("C1s", counts, unit=b"V")]))
    np.testing.assert_array_equal(odd["intensity"], counts[::-1])
    assert "'V' is unknown" in odd.attrs["remarks"]


def test_a_date_alone_is_no_time_and_a_time_has_a_zone(tmp_path):
    regions = [PhiRegion("C1s", counted(POINTS) / 0.8)]
    assert flagged(read(tmp_path, phi_bytes(regions))) == {"no_time"}
    timed = phi_bytes(regions, fields=("FileDate: 2024 1 22 14 30 5",))
    assert read(tmp_path, timed, timezone="Europe/Berlin")["time_start"].values == np.datetime64("2024-01-22T13:30:05")
    unzoned = read(tmp_path, timed)
    assert flagged(unzoned) == {"no_time"}
    assert unzoned.attrs["local_time_start"] == "2024-01-22 14:30:05"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"FileType: SPECTRUM", b"FileType: MAP", "got a map"),
        (b"FileType: SPECTRUM", b"FileType: ANGLE", "against the emission angle"),
        (b"FileType: SPECTRUM", b"FileType: LINE", "a line scan"),
        (b"FileType: SPECTRUM", b"FileType: SXI", "an image"),
        (b"Technique: XPS", b"Technique: AES", "photoemission, got 'AES'"),
        (b"EOFH", b"EOFI", "'EOFH' at the end of the header"),
        (b"298.0000 278.0000", b"298.0000 288.0000", "energies that fit together"),
        (b" 6 101 ", b" 6 100 ", "energies that fit together|100 points, got 101"),
        (b"SpectralRegDef:", b"SpectralRegDeg:", "one region .* for each block"),
        (b"f4\x00", b"q4\x00", "numbers among"),
        (b"pnt\x00", b"xyz\x00", "blocks of spectra"),
    ],
)
def test_what_is_no_spectrum_or_contradicts_itself_is_refused_by_name(tmp_path, old, new, told):
    data = phi_bytes([PhiRegion("C1s", counted(POINTS) / 0.8)])
    assert old in data
    with pytest.raises(FileError, match=told):
        read(tmp_path, data.replace(old, new))


def test_spectra_along_an_unknown_axis_are_refused(tmp_path):
    data = phi_bytes([PhiRegion("C1s", counted((4, POINTS)) / 0.8, axes=("ang",))])
    with pytest.raises(FileError, match="spectra along cycles or areas, got spectra along ang"):
        read(tmp_path, data)


def test_a_file_that_breaks_off_gives_the_regions_before_that_with_a_warning(tmp_path):
    data, truth = profile()
    broken = data[: -(CYCLES * 2 * 4 + 30)]
    with pytest.raises(FileError, match=r"block of region 2: expected 612 bytes, got 582; copy it again"):
        read(tmp_path, broken, region="O1s")
    ds = read(tmp_path, broken, region="C1s")
    np.testing.assert_array_equal(ds["counts"], truth["C 1s"][:, ::-1])
    assert "sputter times" in ds.attrs["remarks"]


def test_other_files_are_not_taken_for_phi(tmp_path):
    path = phi_file(tmp_path / "a.spe", [PhiRegion("C1s", counted(POINTS))])
    assert recognizes(head(path))
    path.write_bytes(b"SOFHx\n" + path.read_bytes()[6:])
    assert not recognizes(head(path))


def assert_whole_or_refused(path, whole):
    """A damaged copy gives as many points and cycles as the whole file, or is refused in one line."""
    for region, counts in whole.items():
        ds = read_or_refused(path, region)
        if ds is not None:
            assert ds.sizes["binding_energy"] == counts.shape[-1]
            assert ds.sizes.get("scan", 1) == (len(counts) if counts.ndim > 1 else 1)
            assert (np.diff(ds["binding_energy"]) >= 0).all()


def read_or_refused(path, region):
    """Return a region, or None if an error of one line refuses it."""
    refused = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        try:
            return xps.read(path, reader="phi", region=region)
        except OperandoError as error:
            refused = error
    assert "\n" not in str(refused)
    return None


def test_no_cut_and_no_changed_byte_gives_anything_but_whole_regions_or_a_named_error(tmp_path):
    data, truth = profile()
    path = tmp_path / "a.pro"
    structure = data.index(b"EOFH") + 16 + 3 * 96 + 10
    copies = [*cut_off(data), *one_byte_changed(data, 40, 11), *one_byte_changed(data, 160, 12, upto=structure)]
    for k, copy in enumerate(copies):
        path.write_bytes(copy)
        assert_whole_or_refused(path, dict([list(truth.items())[k % 2]]))


@pytest.mark.realdata
@pytest.mark.parametrize("region", ["Survey", "C 1s", "Si 2p", "Sn 3d5/2"])
def test_the_measured_profile_is_what_a_peer_reads_in_every_cycle(realdata, region):
    import h5py

    folder = realdata / "xps" / "pynxtools-xps"
    ds = xps.read(folder / "SnO2_10nm_1.pro", region=region)
    assert ds["sputter_time"].values.tolist() == [30.0 * cycle for cycle in range(21)]
    with h5py.File(folder / "phi_pro_ref.nxs", "r") as peer:
        name = {"Survey": "Su1s"}.get(region, region.replace(" ", "").removesuffix("/2"))
        group = peer[f"{name}/instrument/electronanalyzer/detector/raw_data"]
        theirs, axis = group["raw"][()], group["energy"][()]
    np.testing.assert_allclose(ds["binding_energy"], axis[::-1], atol=1e-9)
    seconds = float(ds["dwell"][0] * ds["sweeps"][0])
    np.testing.assert_allclose(ds["counts"].values[:, ::-1] / seconds, theirs, rtol=3e-7)


@pytest.mark.realdata
@pytest.mark.parametrize("region", ["Survey", "C 1s", "Si 2p", "Sn 3d5/2"])
def test_measured_counts_scatter_no_more_than_poisson_says(realdata, region):
    """Third differences of neighbors, which no line survives, have 20 times the variance of a point."""
    counts = xps.read(realdata / "xps" / "pynxtools-xps" / "SnO2_10nm_1.pro", region=region)["counts"].values
    third = np.diff(counts, 3, axis=1)
    mean = (counts[:, :-3] + counts[:, 1:-2] + counts[:, 2:-1] + counts[:, 3:]) / 4
    scatter = np.median(third**2 / (20 * mean)) / 0.455
    assert 0.75 < scatter < 1.15
