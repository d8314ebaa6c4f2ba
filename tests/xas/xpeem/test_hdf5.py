"""HDF5 stacks: found by what they hold or by the recipe, never through a link out of their folder."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from operando import example_scans
from operando.errors import OperandoError
from operando.flags import Flag
from operando.sniff import head
from operando.xas import xpeem
from operando.xas.xpeem.formats.hdf5 import recognizes

SMALL = Path(example_scans.__file__).parent / "small"
ENERGY = np.array([850.0, 852.0, 852.5, 853.0])
SIZE = (40, 36)


def frames(count=4):
    return np.random.default_rng(5).integers(1, 4000, (count, *SIZE)).astype(np.uint16)


@pytest.fixture
def written(tmp_path):
    """Return a writer of one stack: the usual names in a group, or what is given instead."""

    def write(more=None, name="stack.h5", **changed):
        items = {"entry/frames": frames(), "entry/energy": ENERGY, "entry/i0": np.ones(4), **changed}
        with h5py.File(tmp_path / name, "w") as file:
            for place, values in items.items():
                if values is not None:
                    file[place.replace(".", "/")] = values
            if more is not None:
                more(file)
        return tmp_path / name

    return write


def test_the_usual_names_need_no_settings(written):
    path = written(lambda file: file.attrs.update({"start_time": "2026-05-18T21:00:00+02:00"}))
    assert recognizes(head(path))
    ds = xpeem.read(path)
    np.testing.assert_array_equal(ds["counts"], frames())
    assert ds["counts"].chunks == ((1, 1, 1, 1), (SIZE[0],), (SIZE[1],))
    assert ds["time_start"].values == np.datetime64("2026-05-18T19:00:00", "ns")
    assert int(ds["flag"]) == 0


def test_other_places_and_units_are_given_by_the_recipe(written):
    def more(file):
        file["scan/mono"] = ENERGY / 1e3
        file["scan/mono"].attrs["units"] = "keV"
        file["scan/camera"] = frames()
        file["scan/pixel"] = 50.0
        file["scan/pixel"].attrs["units"] = "nm"

    path = written(more, **{"entry/frames": None, "entry/energy": None})
    assert not recognizes(head(path))
    with pytest.raises(OperandoError, match=r"datasets = \{ frames ="):
        xpeem.read(path, "hdf5")
    places = {"frames": "/scan/camera", "energy": "scan/mono", "pixel_size": "scan/pixel"}
    ds = xpeem.read(path, "hdf5", datasets=places)
    np.testing.assert_allclose(ds["energy"], ENERGY)
    assert float(ds["pixel_size"]) == pytest.approx(0.05)


@pytest.mark.parametrize("unit", ["arb. u.", ["a", "b"], "1e308", "a" * 1000])
def test_a_unit_of_the_intensity_that_is_none_is_told_and_left_out(written, unit):
    def more(file):
        file["entry/i0"].attrs["units"] = unit

    ds = xpeem.read(written(more))
    assert ds["i0"].attrs["units"] == "1"
    assert "i0: unknown unit" in ds.attrs["remarks"]


def test_a_unit_of_the_energy_that_is_none_is_told_with_the_file(written):
    def more(file):
        file["entry/energy"].attrs["units"] = "furlong"

    with pytest.raises(OperandoError, match=r"stack\.h5: unit 'furlong' cannot be converted to 'eV'"):
        xpeem.read(written(more))


def test_frames_never_written_keep_their_place_and_surplus_ones_are_told(written):
    three = frames()
    three[2] = 0
    ds = xpeem.read(written(**{"entry/frames": np.concatenate([three, frames(1)])}))
    np.testing.assert_array_equal(ds["frame_flag"], [0, 0, Flag.missing_frame, 0])
    assert int(ds["flag"]) & Flag.surplus_frame
    short = xpeem.read(written(name="short.h5", **{"entry/frames": frames(3)}))
    np.testing.assert_array_equal(short["frame_flag"], [0, 0, 0, Flag.missing_frame])
    assert short.sizes["energy"] == 4


def test_several_flats_are_averaged(written):
    flats = frames(6)
    ds = xpeem.read(written(**{"entry/flats": flats}))
    np.testing.assert_allclose(ds["flat"], flats.mean(axis=0))


def test_floating_point_frames_have_no_full_scale_of_their_own(written):
    images = frames().astype(np.float32)
    images[1, 0, 0] = np.nan
    ds = xpeem.read(written(**{"entry/frames": images}))
    assert ds["counts"].dtype == np.float32
    np.testing.assert_array_equal(ds["frame_flag"], [0, Flag.not_finite, 0, 0])


def test_a_file_of_spectra_is_no_stack():
    for path in sorted((SMALL / "xas_nexus").glob("*.h5")) + sorted((SMALL / "xtm").glob("*.h5")):
        assert not recognizes(head(path))


def test_links_out_of_the_folder_are_not_followed(written, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    written(name="outside.h5")
    for place, remedy in (("../outside.h5", True), ("near.h5", False)):
        with h5py.File(inner / "near.h5", "w") as file:
            file["frames"] = frames()
        with h5py.File(inner / "linked.h5", "w") as file:
            file["energy"] = ENERGY
            file["frames"] = h5py.ExternalLink(place, "/entry/frames" if remedy else "/frames")
        settings = {"datasets": {"frames": "/frames", "energy": "/energy"}}
        if remedy:
            with pytest.raises(OperandoError, match=r"a link out of it, to \.\./outside\.h5"):
                xpeem.read(inner / "linked.h5", "hdf5", **settings)
        else:
            np.testing.assert_array_equal(xpeem.read(inner / "linked.h5", "hdf5", **settings)["counts"], frames())


def test_a_virtual_array_may_not_draw_from_outside(written, tmp_path):
    written(name="outside.h5")
    (tmp_path / "inner").mkdir()
    layout = h5py.VirtualLayout((4, *SIZE), np.uint16)
    layout[:] = h5py.VirtualSource("../outside.h5", "entry/frames", (4, *SIZE))
    with h5py.File(tmp_path / "inner" / "v.h5", "w") as file:
        file.create_virtual_dataset("frames", layout)
        file["energy"] = ENERGY
    with pytest.raises(OperandoError, match=r"a link out of it, to \.\./outside\.h5"):
        xpeem.read(tmp_path / "inner" / "v.h5", "hdf5")


def test_a_file_cannot_declare_more_than_it_can_hold(tmp_path):
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("frames", (50_000, 4096, 4096), np.uint16, chunks=(1, 4096, 4096), compression="gzip")
        file["energy"] = np.linspace(700, 900, 50_000)
    with pytest.raises(OperandoError, match="as much data as the file can hold"):
        xpeem.read(tmp_path / "bomb.h5", "hdf5")
    with h5py.File(tmp_path / "wide.h5", "w") as file:
        file.create_dataset("frames", (4, 2**20, 2**20), np.uint8, chunks=(1, 64, 64))
        file["energy"] = ENERGY
    with pytest.raises(OperandoError, match=r"as much data|an image of 2 x 2"):
        xpeem.read(tmp_path / "wide.h5", "hdf5")


@pytest.mark.parametrize(
    ("changed", "settings", "said"),
    [
        ({"entry/i0": np.ones(3)}, {"datasets": {"i0": "/entry/i0"}}, "4 values as there are energies, got 3"),
        (
            {"entry/energy": ENERGY[:2]},
            {"datasets": {"energy": "/entry/energy", "frames": "/entry/frames"}},
            "3 frames or more",
        ),
        ({}, {"datasets": {"flat": "/entry/none"}}, "a dataset '/entry/none', got in /entry: energy, frames, i0"),
        ({}, {"datasets": {"flat": "/entry"}}, "got a group"),
        ({}, {"datasets": {"flat": "/entry/i0"}}, "an image, or several"),
        ({}, {"datasets": {"images": "/x"}}, "datasets: expected keys among frames"),
        ({"entry/flat": np.ones((40, 40))}, {"datasets": {"flat": "/entry/flat"}}, "a flat of"),
    ],
)
def test_what_does_not_fit_is_one_line(written, changed, settings, said):
    with pytest.raises(OperandoError, match=said) as error:
        xpeem.read(written(**changed), "hdf5", **settings)
    assert "\n" not in str(error.value)


def test_a_cut_file_is_refused_in_one_line(written):
    path = written()
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(OperandoError, match="a sound HDF5 file"):
        xpeem.read(path, "hdf5")
