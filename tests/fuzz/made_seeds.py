"""Files in the formats of which no sample lies at hand, or only large ones: written as the tests write them."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import volume_files
from phi_files import PhiRegion, phi_file
from scan_files import mda_file, spec_file
from sle_files import PHOTONS, SleGroup, SleSpectrum, sle
from uview_files import Shot, exposure, field_of_view, module, title, uview_file
from vgd_files import vgd

Made = tuple[str, dict[str, Any]]
ENERGY = np.linspace(7100.0, 7159.0, 60)
EDGE = 1 / (1 + np.exp(7112.0 - ENERGY))
SIMULATED = Path(__file__).resolve().parents[2] / "example_scans" / "small"
VOXELS = {"voxel_size": 0.65}


def bec(folder: Path) -> Made:
    with h5py.File(folder / "S00012_master.h5", "w") as file:
        entry = file.create_group("entry")
        entry.attrs.update(NX_class="NXentry", start_time="2025-06-15T17:06:30", end_time="2025-06-15T17:08:00")
        for name, value in {"mono": ENERGY, "bpm": 5e4 + ENERGY, "fluo": EDGE, "samx": 1.5, "comment": "ok"}.items():
            device = entry.create_group(f"collection/devices/{name}/{name}")
            device.attrs.update(NX_class="NXdata", signal="value")
            device["value"] = value
            device["timestamp"] = 1.75e9 + np.arange(np.size(value)) if np.ndim(value) else 1.75e9
        file["entry/collection/metadata/bec/scan_number"] = 12
        file["entry/collection/readout_groups/monitored/mono"] = h5py.SoftLink("/entry/collection/devices/mono")
    return "S00012_master.h5", {"columns": {"energy": "mono", "i0": "bpm/bpm", "fluorescence": "fluo/fluo"}}


def plain_hdf5_scan(folder: Path) -> Made:
    volume_files.hdf5(folder / "scan.h5", {"run/energy": (ENERGY, "eV"), "run/mu": EDGE, "run/i0": 1e4 + ENERGY})
    return "scan.h5", {"columns": {"energy": "run/energy", "mu": "run/mu", "i0": "run/i0"}}


def compressed_project(folder: Path) -> Made:
    lines = ["# Athena project file -- Demeter version 0.9.26"]
    for name in ("ab", "cd"):
        lines += [f"$old_group = '{name}';", f"@args = ('label','{name} foil','bkg_eshift','0.5');"]
        for key, values in {"x": ENERGY, "y": EDGE, "i0": 1e3 + ENERGY}.items():
            lines.append(f"@{key} = ({','.join(repr(f'{value:.6g}') for value in values)});")
        lines.append("[record]")
    (folder / "a.prj").write_bytes(gzip.compress("\n".join([*lines, "1;", ""]).encode()))
    return "a.prj", {}


def json_project(folder: Path) -> Made:
    group = {"args": {"label": "foil"}, "x": [f"{e:.3f}" for e in ENERGY], "y": [f"{mu:.6f}" for mu in EDGE]}
    text = json.dumps({"_____header1": "# Athena project file -- Demeter", "g": group}, indent=0)
    (folder / "j.prj").write_text(text)
    return "j.prj", {}


def spec_scans(folder: Path) -> Made:
    spec_file(folder / "a.spec")
    return "a.spec", {}


def small_mda(folder: Path) -> Made:
    mda_file(folder / "a.mda")
    return "a.mda", {}


def uview(folder: Path) -> Made:
    random = np.random.default_rng(3)
    more = [exposure(0.5), field_of_view("50um", 0.1), title("cell 7")]
    shots = [
        Shot(random.integers(1, 4000, (24, 32)).astype("<u2"), 1.78e9 + k, [module("hv", 1, 850.0 + k), *more])
        for k in range(6)
    ]
    (folder / "stack.dat").write_bytes(uview_file(shots))
    return "stack.dat", {"energy": "hv"}


def image_log(folder: Path) -> Made:
    own = SIMULATED / "xpeem" / "Ni_L3_001"
    for name in ("flat.tif", "dark.tif"):
        shutil.copy(own.parent / name, folder)
    (folder / own.name).mkdir()
    for path in [own / "Ni_L3_001.txt", *sorted(own.glob("*.tif"))[:8]]:
        shutil.copy(path, folder / own.name)
    return "Ni_L3_001/Ni_L3_001.txt", {}


def small_phi(folder: Path) -> Made:
    phi_file(folder / "a.spe", [PhiRegion("S2p", np.random.default_rng(2).poisson(300, 41).astype(float))])
    return "a.spe", {}


def small_sle(folder: Path) -> Made:
    def electrons(kinetic: np.ndarray, scan: int) -> np.ndarray:
        return np.rint(30 + 100 * (scan + 1) * np.exp(-0.5 * ((PHOTONS - kinetic - 90) / 0.3) ** 2))

    spectra = [SleSpectrum("Au4f", electrons, shifts=(-0.05, 0.0, 0.05), loops=(2,)), SleSpectrum("S2p", electrons)]
    sle(folder / "a.sle", [SleGroup("cell", spectra)], stored="deflated")
    return "a.sle", {"region": "Au 4f"}


def small_vgd(folder: Path) -> Made:
    vgd(folder / "a.vgd", np.random.default_rng(4).poisson(500, 700).astype(float))
    return "a.vgd", {}


def avantage(folder: Path) -> Made:
    energy = np.round(np.arange(172.0, 158.0, -0.5), 2)
    beside = (("Number of Scans", "10"), ("Total acquisition time", "0 mins 14 secs"), ("Number of Energy Steps", "28"))
    rows = [["S2p Scan"], ["Acquisition Parameters"], *[["", "", key, value] for key, value in beside], []]
    rows += [["Binding Energy (E)", "", "", "Backgnd."], ["eV", "", "Counts / s", "Counts / s"]]
    rows += [[f"{e:g}", "", f"{4000 + 10 * k}", "12"] for k, e in enumerate(energy)]
    (folder / "sheet.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    return "sheet.csv", {}


def bdf(folder: Path) -> Made:
    labels = "Test Time / s,Voltage / V,Current / A,Unix Time / s,Cycle Count / 1,Step Count / 1"
    rows = [f"{10 * k},{3 + k / 100:.4f},{1e-4:g},{1780000000 + 10 * k},1,{1 + k // 20}" for k in range(40)]
    (folder / "cell.bdf.csv").write_text("\n".join([labels, *rows]) + "\n")
    return "cell.bdf.csv", {}


def voltage_table(folder: Path) -> Made:
    shutil.copy(SIMULATED / "beamline_voltage.csv", folder)
    return "beamline_voltage.csv", {
        "columns": {"time": "local time", "voltage": "cell voltage"},
        "units": {"voltage": "V"},
    }


def impedance_table(folder: Path) -> Made:
    frequency = np.logspace(6, -1, 30)
    rows = [f"{f:.6g},{10 + 5 / (1 + f):.6g},{-f / (1 + f * f):.6g},{k}" for k, f in enumerate(frequency)]
    (folder / "eis.csv").write_text("f,re,im,t\n" + "\n".join(rows) + "\n")
    columns = {"frequency": "f", "real": "re", "imaginary": "im", "elapsed": "t"}
    return "eis.csv", {"columns": columns, "start": "2026-05-18T17:57:43"}


def pages(folder: Path) -> Made:
    return volume_files.pages(folder / "v.tif").name, VOXELS


def packed_pages(folder: Path) -> Made:
    return volume_files.pages(folder / "v.tif", compression="zlib").name, VOXELS


def imagej(folder: Path) -> Made:
    return volume_files.imagej(folder / "v.tif").name, {}


def slices(folder: Path) -> Made:
    return volume_files.slices(folder / "s").name, {}


def dxchange(folder: Path) -> Made:
    return volume_files.dxchange(folder / "v.h5").name, {}


def nxtomo(folder: Path) -> Made:
    return volume_files.nxtomo(folder / "v.nxs").name, {}


def nxtomoproc(folder: Path) -> Made:
    volume_files.hdf5(
        folder / "p.nxs",
        {
            "entry/definition": "NXtomoproc",
            "entry/data/data": volume_files.grey(),
            **{f"entry/data/{dim}": (np.arange(n) * 0.65, "um") for dim, n in zip("zyx", (6, 12, 10), strict=True)},
        },
        attributes={"entry@NX_class": "NXentry", "entry/data@NX_class": "NXdata", "entry/data@signal": "data"},
    )
    return "p.nxs", VOXELS


def camera_of_bec(folder: Path) -> Made:
    devices = "entry/collection/devices"
    signals = {"pco/image": volume_files.grey(), "rot/rot": volume_files.ANGLES, "ring/ring": 400.0}
    volume_files.hdf5(
        folder / "S00013_master.h5",
        {f"{devices}/{name}/value": value for name, value in signals.items()},
        attributes={"entry@start_time": "2026-05-18T17:57:43+02:00"},
    )
    return "S00013_master.h5", {"datasets": {"data": "pco/image", "angle": "rot"}, **VOXELS}


def plain_hdf5(folder: Path) -> Made:
    attributes = {"vol@element_size_um": [0.65] * 3}
    layout = {"chunks": (2, 12, 10), "compression": "gzip"}
    volume_files.hdf5(folder / "v.h5", {"vol": volume_files.grey()}, attributes=attributes, **layout)
    return "v.h5", {"datasets": {"data": "/vol"}, **VOXELS}


def zarr_3(folder: Path) -> Made:
    return volume_files.zarr_array(folder / "v.zarr").name, VOXELS


def zarr_2(folder: Path) -> Made:
    return volume_files.zarr_array(folder / "v.zarr", zarr_format=2).name, VOXELS


def ome_zarr_5(folder: Path) -> Made:
    return volume_files.ome_zarr(folder / "v.zarr").name, {}


def ome_zarr_4(folder: Path) -> Made:
    return volume_files.ome_zarr(folder / "v.zarr", version="0.4").name, {}


def step_log(folder: Path) -> Made:
    shutil.copy(SIMULATED / "xtm" / "steps.txt", folder)
    for step in sorted((SIMULATED / "xtm").glob("step_00?")):
        (folder / step.name).mkdir()
        for path in sorted(step.iterdir())[:3]:
            shutil.copy(path, folder / step.name)
    return "steps.txt", {}


MAKERS: dict[str, Sequence[Callable[[Path], Made]]] = {
    "xas.bec": [bec],
    "xas.hdf5": [plain_hdf5_scan],
    "xas.athena": [compressed_project, json_project],
    "xas.spec": [spec_scans],
    "xas.mda": [small_mda],
    "xpeem.uview": [uview],
    "xpeem.image_log": [image_log],
    "xps.phi": [small_phi],
    "xps.sle": [small_sle],
    "xps.vgd": [small_vgd],
    "xps.avantage": [avantage],
    "echem.bdf": [bdf],
    "echem.columns": [voltage_table],
    "impedance.columns": [impedance_table],
    "xtm.tiff": [pages, packed_pages, imagej, slices],
    "xtm.dxchange": [dxchange],
    "xtm.nxtomo": [nxtomo],
    "xtm.nxtomoproc": [nxtomoproc],
    "xtm.bec": [camera_of_bec],
    "xtm.hdf5": [plain_hdf5],
    "xtm.ome_zarr": [ome_zarr_5, ome_zarr_4],
    "xtm.zarr": [zarr_3, zarr_2],
    "xtm.step_log": [step_log],
}
