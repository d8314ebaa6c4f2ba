"""UView files: every byte where the description of the format says it is, and nothing believed that cannot be."""

from __future__ import annotations

import json
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uview_files import Shot, exposure, field_of_view, gauge, module, title, uview_file

from operando.errors import OperandoError
from operando.flags import Flag
from operando.sniff import head
from operando.xas import xpeem
from operando.xas.xpeem.formats.uview import recognizes, suggest
from operando.xas.xpeem.formats.uview_tags import UNREAD, tags

START = 1_779_130_963.5
ENERGY = (850.0, 852.0, 852.5, 853.0)


def shots(energies=ENERGY, size=(40, 30), **more):
    pixels = [np.random.default_rng(number).integers(1, 60_000, size) for number in range(len(energies))]
    return [
        Shot(
            image,
            START + 12 * number,
            [module("Photon Energy", 0, energy), module("I0", 8, 1.5 + number), *more.get("tags", [])],
        )
        for number, (image, energy) in enumerate(zip(pixels, energies, strict=True))
    ]


@pytest.mark.parametrize(
    "attached", [{}, {"markup": 1}, {"markup": 127}, {"markup": 128}, {"recipe": 40}, {"recipe": 128, "markup": 300}]
)
def test_a_file_of_many_images_is_a_stack_whatever_is_attached(tmp_path, attached):
    made = shots()
    (tmp_path / "stack.dat").write_bytes(uview_file(made, **attached))
    ds = xpeem.read(tmp_path / "stack.dat")
    assert ds.attrs["format"] == "uview"
    np.testing.assert_array_equal(ds["energy"], ENERGY)
    np.testing.assert_array_equal(ds["counts"], [shot.pixels for shot in made])
    assert ds["counts"].dtype == np.uint16
    np.testing.assert_allclose(ds["i0"], [1.5, 2.5, 3.5, 4.5])
    assert ds["i0"].attrs["units"] == "nA"
    assert int(ds["flag"]) == 0


def test_tags_within_the_image_header_are_those_of_old_versions(tmp_path):
    made = shots()
    (tmp_path / "old.dat").write_bytes(uview_file(made, version=5, inline=True))
    ds = xpeem.read(tmp_path / "old.dat")
    np.testing.assert_array_equal(ds["energy"], ENERGY)
    np.testing.assert_array_equal(ds["counts"][-1], made[-1].pixels)


def test_times_are_utc_and_mark_the_start_of_each_image(tmp_path):
    (tmp_path / "stack.dat").write_bytes(uview_file(shots()))
    ds = xpeem.read(tmp_path / "stack.dat", timezone="Europe/Zurich")
    start = np.datetime64("1970-01-01", "ns") + np.timedelta64(round(START * 1e9), "ns")
    assert ds["time_start"].values == start
    assert ds["time_end"].values == start + np.timedelta64(48, "s")
    np.testing.assert_array_equal(ds["frame_time"], start + np.arange(6, 48, 12) * np.timedelta64(10**9, "ns"))
    middle = xpeem.read(tmp_path / "stack.dat", marks="middle")
    np.testing.assert_array_equal(middle["frame_time"], start + np.arange(0, 48, 12) * np.timedelta64(10**9, "ns"))


def test_a_folder_of_single_images_is_one_stack(tmp_path):
    made = shots()
    for number, shot in enumerate(made):
        (tmp_path / f"s_{number:03d}.dat").write_bytes(uview_file([shot]))
    start = head(tmp_path / "s_000.dat")
    assert recognizes(start)
    assert suggest(start) == {"frames": "*.dat"}
    ds = xpeem.read(tmp_path / "s_000.dat", frames="*.dat")
    np.testing.assert_array_equal(ds["counts"], [shot.pixels for shot in made])
    assert str(ds["images"].item()).splitlines() == ["s_001.dat", "s_002.dat", "s_003.dat"]


def test_readings_of_the_microscope_are_kept_with_their_units(tmp_path):
    more = [
        module("Start Voltage", 1, 2.25, shown=True),
        module("Sample Temp.", 4, 23.5),
        exposure(0.5, b"\x00\x10"),
        gauge("MCH", "mbar", 1e-9),
        field_of_view("10µm", 1.25),
        title("cell 7"),
        b"\xff",
    ]
    (tmp_path / "stack.dat").write_bytes(uview_file(shots(tags=more)))
    told = json.loads(xpeem.read(tmp_path / "stack.dat").attrs["metadata"])
    assert told["Start Voltage"] == "2.25 V"
    assert told["Sample Temp."] == "23.5 degC"
    assert told["Exposure"] == "0.5 s"
    assert told["MCH"] == "1e-09 mbar"
    assert told["FOV"] == "10µm"
    assert told["Title"] == "cell 7"


def test_any_tag_may_hold_the_photon_energy(tmp_path):
    made = [Shot(shot.pixels, shot.seconds, [module("Start Voltage", 1, 5.0), module("Undulator", 0, 700.0 + number)])
            for number, shot in enumerate(shots())]  # fmt: skip
    (tmp_path / "stack.dat").write_bytes(uview_file(made))
    with pytest.raises(OperandoError, match="'Start Voltage', 'Undulator'"):
        xpeem.read(tmp_path / "stack.dat")
    ds = xpeem.read(tmp_path / "stack.dat", energy="undulator")
    np.testing.assert_array_equal(ds["energy"], [700, 701, 702, 703])
    assert int(ds["flag"]) == Flag.no_i0


def test_images_in_another_order_are_sorted_with_their_energies(tmp_path):
    made = shots((853.0, 850.0, 852.0))
    (tmp_path / "stack.dat").write_bytes(uview_file(made))
    ds = xpeem.read(tmp_path / "stack.dat")
    np.testing.assert_array_equal(ds["counts"], [made[at].pixels for at in (1, 2, 0)])
    assert (np.diff(ds["frame_time"]) < 0).any()
    assert int(ds["flag"]) == Flag.unsorted_energy


def test_a_file_that_was_cut_keeps_its_whole_images_and_is_flagged(tmp_path):
    data = uview_file(shots())
    (tmp_path / "cut.dat").write_bytes(data[:-100])
    ds = xpeem.read(tmp_path / "cut.dat")
    np.testing.assert_array_equal(ds["energy"], ENERGY[:3])
    assert int(ds["flag"]) & Flag.missing_frame
    assert "ends before image 4 of 4" in ds.attrs["remarks"]


def test_a_damaged_file_among_many_costs_its_own_image_alone(tmp_path):
    for number, shot in enumerate(shots()):
        (tmp_path / f"s_{number:03d}.dat").write_bytes(uview_file([shot]))
    (tmp_path / "s_002.dat").write_bytes(b"UKSOFT2001 and then nothing")
    ds = xpeem.read(tmp_path / "s_000.dat", frames="*.dat")
    np.testing.assert_array_equal(ds["energy"], [850.0, 852.0, 853.0])
    assert int(ds["flag"]) & Flag.missing_frame


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((24, 32), "16 bits per pixel"),
        ((40, -5), "an image of 2 x 2"),
        ((42, 0), "an image of 2 x 2"),
        ((20, 7), "a UView header"),
    ],
)
def test_a_header_that_cannot_be_is_refused(tmp_path, change, said):
    data = bytearray(uview_file(shots()))
    struct.pack_into("<h", data, *change)
    (tmp_path / "odd.dat").write_bytes(bytes(data))
    with pytest.raises(OperandoError, match=said):
        xpeem.read(tmp_path / "odd.dat")


def test_a_pattern_may_not_leave_the_folder(tmp_path):
    (tmp_path / "s.dat").write_bytes(uview_file(shots()))
    for pattern in ("../*.dat", "/tmp/*.dat", "x*.dat"):
        with pytest.raises(OperandoError, match="frames: expected a pattern"):
            xpeem.read(tmp_path / "s.dat", frames=pattern)


def test_what_lies_behind_an_unknown_tag_is_not_guessed():
    found = tags(
        module("Objective", 2, 1500.0) + bytes([119, 1, 2, 3]) + module("Start Voltage", 1, 3.0), averaged=True
    )
    assert found["Objective"] == (1500.0, "mA")
    assert found[UNREAD] == (119, "")
    assert "Start Voltage" not in found


@given(data=st.binary(max_size=400), averaged=st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_tags_break_the_reader(data, averaged):
    tags(data, averaged=averaged)


@given(
    damage=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 9000),
)
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_read_flagged_or_refused_as_one(tmp_path_factory, damage, cut):
    data = bytearray(uview_file(shots(size=(8, 8))))
    for place, value in damage:
        data[place % len(data)] = value
    path = tmp_path_factory.mktemp("fuzz") / "x.dat"
    path.write_bytes(bytes(data[: max(1, len(data) - cut)]))
    with suppress(OperandoError):
        xpeem.read(path, reader="uview")["counts"].compute()
