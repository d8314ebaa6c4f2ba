"""Folders of HDF5 files go from inspection to a store like folders of text, with the same numbers."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

import operando
from operando.flags import Flag
from operando.pipelines.draft import write_draft
from operando.pipelines.progress import Silent
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.pipelines.survey import survey

pytestmark = pytest.mark.usefixtures("no_report")

SMALL = Path(__file__).parents[2] / "example_scans" / "small"
REAL = Path(__file__).parents[3] / "shared" / "data" / "xas"
ZONE = '# timezone = "Europe/Paris"'
E = np.linspace(8300.0, 8420.0, 121)
EDGE = 0.2 + 1 / (1 + np.exp(8345.0 - E))


class Heard(Silent):
    """A reporter that remembers what it was told of."""

    def __init__(self):
        self.warned = []

    def warn(self, text):
        self.warned.append(text)


def ran(folder: Path, timezone: str = "Europe/Zurich"):
    """Draft a recipe, fill in the zone, run it; return the series as stored."""
    path, found = write_draft(folder)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(ZONE, f'timezone = "{timezone}"'), encoding="utf-8")
    heard = Heard()
    summary = run(load(path), heard)
    assert (summary.failed, found.failed) == ([], [])
    with operando.open(summary.store) as tree:
        stored = {str(node.path).strip("/"): node.to_dataset().load() for node in tree.subtree if node.data_vars}
    return text, stored, heard.warned


def test_nexus_files_give_the_numbers_of_the_text_files_of_the_same_scans(tmp_path):
    """The numbers are written rounded in both, so that they differ by the last bit of their reading at most."""
    for kind, folder, suffix in (("nexus", "xas_nexus", "h5"), ("text", "xas", "txt")):
        (tmp_path / kind / folder).mkdir(parents=True)
        for path in (SMALL / "xas_nexus").glob("*.h5"):
            shutil.copy(SMALL / folder / f"{path.stem}.{suffix}", tmp_path / kind / folder)
    text, nexus, _ = ran(tmp_path / "nexus")
    assert 'reader = "nexus"' in text
    assert 'files = ["xas_nexus/*.h5"]' in text
    _, columns, _ = ran(tmp_path / "text")
    assert sorted(nexus) == sorted(columns) == ["xas/Ni_L3/processed", "xas/Ni_L3/raw"]
    raw, known = nexus["xas/Ni_L3/raw"], columns["xas/Ni_L3/raw"]
    for name in ("tey", "fluorescence", "i0", "energy"):
        np.testing.assert_allclose(raw[name], known[name], rtol=4e-16)
    np.testing.assert_array_equal(raw["time_start"], known["time_start"])
    np.testing.assert_array_equal(raw["flag"], known["flag"])
    assert set(raw["tey"].attrs.items()) >= {("units", "nA")}
    found, told = nexus["xas/Ni_L3/processed"], columns["xas/Ni_L3/processed"]
    assert set(found.data_vars) == set(told.data_vars)
    np.testing.assert_array_equal(found["e0"], told["e0"])
    np.testing.assert_allclose(found["edge_energy"], told["edge_energy"], rtol=1e-13)
    for name in ("normalized", "flattened", "edge_step"):
        np.testing.assert_allclose(found[name], told[name], atol=1e-13)


def bec(path: Path, shift: float) -> None:
    with h5py.File(path, "w") as file:
        devices = file.create_group("entry/collection/devices")
        values = {"mono": E, "i0": np.full(121, 1e5), "fluo": np.stack([EDGE + shift] * 3, axis=1) * [[1e4, 2e4, 0.0]]}
        for name, value in values.items():
            devices[f"{name}/{name}/value"] = np.round(value)
            devices[f"{name}/{name}/timestamp"] = 1.75e9 + shift * 1e4 + np.arange(121)


def test_a_folder_of_bec_scans_is_drafted_and_its_detectors_merged(tmp_path):
    for number in range(2):
        bec(tmp_path / f"S0000{number}_master.h5", 0.1 * number)
    assert [(group.reader, len(group.paths)) for group in survey(tmp_path).groups] == [("bec", 2)]
    path, _ = write_draft(tmp_path)
    text = path.read_text(encoding="utf-8")
    steps = '[[series.steps]]\nuse = "merge_detectors"\n[[series.steps]]\nuse = "normalize"\nsignal = "fluorescence"\n'
    columns = 'columns = { energy = "mono/mono", i0 = "i0/i0"'
    assert f"{columns} }}" in text
    text = text[: text.index("# No signal")].replace(f"{columns} }}", f'{columns}, fluorescence = "fluo" }}') + steps
    path.write_text(text, encoding="utf-8")
    summary = run(load(path))
    assert summary.failed == []
    with operando.open(summary.store) as tree:
        processed = tree[f"xas/{load(path).series[0].node}/processed"].to_dataset().load()
        raw = tree[f"xas/{load(path).series[0].node}/raw"].to_dataset().load()
    np.testing.assert_array_equal(processed["detectors_used"], [[1, 1, 0], [1, 1, 0]])
    assert raw["fluorescence"].dims == ("scan", "energy", "detector")
    assert (processed["flag"].to_numpy() & Flag.dead_detector).all()
    assert float(processed["edge_step"][0]) == pytest.approx(0.3, rel=0.02)


def test_a_draft_merges_the_channels_that_a_file_shows(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, kind in {"a": "NXentry", "a/instrument": "NXinstrument", "a/data": "NXdata"}.items():
            file.create_group(name).attrs["NX_class"] = kind
        for name, kind in {"monochromator": "NXmonochromator", "absorbed_beam": "NXdetector"}.items():
            file.create_group(f"a/instrument/{name}").attrs["NX_class"] = kind
        file.create_group("a/instrument/incoming_beam").attrs["NX_class"] = "NXdetector"
        file["a/definition"], file["a/data/mode"] = "NXxas", "Fluorescence Yield"
        file["a/instrument/monochromator/energy"] = E
        file["a/instrument/absorbed_beam/data"] = np.round(1e4 * np.stack([EDGE, 2 * EDGE, EDGE], axis=1))
        file["a/instrument/incoming_beam/data"] = np.full(121, 1e5)
    text, stored, _ = ran(tmp_path)
    assert 'use = "merge_detectors"' in text
    processed = stored["xas/Ni_K/processed"]
    np.testing.assert_array_equal(processed["detectors_used"], [[1, 1, 1]])
    assert processed["normalized"].dims == ("scan", "energy")
    assert float(processed["edge_energy"][0]) == pytest.approx(8345.0, abs=0.1)


def nexus(path: Path, *detectors: str, entries=("a",)) -> None:
    """Write entries with the absorption that detectors show, each a subentry."""
    with h5py.File(path, "w") as file:
        for at, entry in enumerate(entries):
            file.create_group(entry).attrs["NX_class"] = "NXentry"
            for name in detectors:
                made = file.create_group(f"{entry}/{name}")
                made.attrs["NX_class"] = "NXsubentry"
                made["definition"] = "NXxas"
                made["energy"], made["intensity"] = E, EDGE + at
                made["energy"].attrs["units"] = "eV"


def test_a_file_of_several_scans_is_looked_into_and_run(tmp_path):
    nexus(tmp_path / "a.h5", "fluo", entries=("1.1", "2.1", "3.1"))
    _, stored, warned = ran(tmp_path)
    sources = [str(source) for source in stored["xas/Ni_K/raw"]["source"].values]
    assert sources == ["a.h5::1.1/fluo", "a.h5::2.1/fluo", "a.h5::3.1/fluo"]
    np.testing.assert_allclose(stored["xas/Ni_K/processed"]["edge_energy"], 8345.0, atol=0.1)
    assert warned == []


def test_detectors_of_other_names_are_never_taken_for_those_before(tmp_path):
    for name, detectors in (("a", ("fluo1", "fluo2")), ("b", ("fluo1", "fluo3")), ("c", ("fluo1", "fluo2"))):
        nexus(tmp_path / f"{name}.h5", *detectors)
    path, _ = write_draft(tmp_path)
    summary = run(load(path))
    assert summary.new == 2
    assert [one["source"] for one in summary.failed] == ["b.h5"]
    said = "expected the detector fluo1, fluo2 as in the scans before, got fluo1, fluo3; give such scans a series"
    assert said in summary.failed[0]["reason"]


def test_hdf5_that_no_reader_of_scans_knows_stays_unknown(tmp_path):
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        file["other/data"] = np.zeros(3)
    found = survey(tmp_path)
    assert (found.groups, found.failed, found.unknown) == ([], [], [tmp_path / "volume.h5"])


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "node", "scans"),
    [
        ("BlissMultiModal.h5", "As_K", 2),
        ("Fe_XDIFiles.h5", "Fe_K", 3),
        ("MultiElementFluor.h5", "V_K", 12),
        ("generic.h5", "Fe_K", 5),
    ],
)
def test_real_nexus_files_are_drafted_and_run(tmp_path, name, node, scans):
    if not (REAL / "pynxxas" / name).exists():
        pytest.skip(f"needs the measured file {name}")
    shutil.copy(REAL / "pynxxas" / name, tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, stored, warned = ran(tmp_path, "America/Chicago")
    raw, processed = stored[f"xas/{node}/raw"], stored[f"xas/{node}/processed"]
    assert raw.sizes["scan"] == scans
    assert processed["edge_energy"].notnull().any()
    left_out = json.loads(raw.attrs.get("remarks") or "[]")
    assert len(warned) == (5 if name == "generic.h5" else 0)
    assert set(warned) <= set(left_out)


def test_a_scan_whose_file_is_being_written_is_flagged_as_partial(tmp_path):
    (tmp_path / "xas").mkdir()
    for path in sorted((SMALL / "xas_nexus").glob("*.h5"))[:2]:
        shutil.copy(path, tmp_path / "xas")
    written = max((tmp_path / "xas").iterdir())
    with h5py.File(SMALL / "xas_nexus" / written.name) as whole, h5py.File(written, "w", libver="latest") as file:
        for name in whole:
            whole.copy(name, file)
        for name, value in whole.attrs.items():
            file.attrs[name] = value
        file.swmr_mode = True
        data = written.read_bytes()
    written.write_bytes(data)
    _, stored, _ = ran(tmp_path)
    flags = next(ds.flag.values for name, ds in stored.items() if name.endswith("raw"))
    assert [bool(flag & int(Flag.truncated)) for flag in flags] == [False, True]
