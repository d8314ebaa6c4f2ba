"""A spectrum that is left out of a series is read by itself with the setting that the warning names."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from phi_files import PhiRegion, phi_bytes
from ses_files import FIELDS, ses_text
from specs_files import XmlRegion, XyCurve, specs_xml, specs_xy, xy_region
from vamas_files import block, column, vamas_file

from operando import xps
from operando.errors import OperandoWarning
from operando.header_times import Span
from operando.pipelines.export.nexus import write_nexus
from operando.xps.formats.spectrum import spectrum
from operando.xps.nexus_groups import nexus_tree

STARTS = (170.0, 170.0, 190.0)
"""Where three spectra named S 2p begin, binding energy in eV: the last one is something else."""
STEPS = np.arange(60)


def counts(k: int) -> np.ndarray:
    return np.random.default_rng(k).poisson(400, STEPS.size).astype(np.float64)


def vamas(folder: Path) -> Path:
    axes = [("kinetic energy", "eV", f"{1486.6 - start:g}", "0.1") for start in STARTS]
    return put(folder, vamas_file([block(column(60, seed=k), {31: axis}) for k, axis in enumerate(axes)]))


def casaxps_text(folder: Path) -> Path:
    parts = []
    for k, start in enumerate(STARTS):
        rows = [f"{1486.6 - start + 0.1 * n:.6e}\t{value:.6e}" for n, value in zip(STEPS, counts(k), strict=True)]
        head = ["Cycle 0:x:S2p", "\tCharacteristic Energy eV\t1.486600e+003\tAcquisition Time s\t1.0", "K.E.\tCounts"]
        parts += [*head, *rows, ""]
    return put(folder, "\n".join(parts).encode())


def phi(folder: Path) -> Path:
    return put(folder, phi_bytes([PhiRegion("S2p", counts(k) / 0.8, start) for k, start in enumerate(STARTS)]))


def xml(folder: Path) -> Path:
    def electrons(kinetic, scan):
        return np.full(kinetic.shape, 30.0 + scan)

    regions = [XmlRegion("S2p", electrons, kinetic=1253.6 - start) for start in STARTS]
    return put(folder, specs_xml({"cell": regions}))


def xy(folder: Path) -> Path:
    curves = [{"energy": start - 0.1 * STEPS, "counts/s": counts(k) / 0.1} for k, start in enumerate(STARTS)]
    regions = [xy_region("S2p", [XyCurve("Cycle: 0, Curve: 0", one)], **{"Spectrum ID": ""}) for one in curves]
    return put(folder, specs_xy({"cell": regions}))


def scienta_txt(folder: Path) -> Path:
    fields = {**FIELDS, "Region Name": "S2p"}
    parts = [
        (fields, [("Binding Energy [eV]", start - 0.1 * STEPS)], counts(k)[:, None]) for k, start in enumerate(STARTS)
    ]
    return put(folder, ses_text(parts).encode())


def nexus(folder: Path) -> Path:
    path = folder / "scan"
    spectra = [
        spectrum(
            path,
            start - 0.1 * STEPS,
            {"counts": counts(k)},
            Span(),
            region="S 2p",
            entry="",
            reader="vamas",
            metadata={},
            conditions={"photon_energy": 1486.6},
        )
        for k, start in enumerate(STARTS)
    ]
    return write_nexus(path.with_suffix(".nxs"), nexus_tree(spectra))


def put(folder: Path, data: bytes) -> Path:
    path = folder / "scan"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("write", [vamas, casaxps_text, phi, xml, xy, scienta_txt, nexus])
def test_what_the_warning_says_reads_the_spectrum_by_itself(tmp_path, write):
    path = write(tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        series = xps.read(path)
    assert [one.category for one in caught] == [OperandoWarning]
    setting, label = re.search(r"read it by itself with (\w+) = '(.*)'", str(caught[0].message)).groups()
    assert series.sizes["scan"] == 2
    assert float(series["binding_energy"].max()) == pytest.approx(170.0, abs=0.11)
    alone = xps.read(path, **{setting: label})
    assert "scan" not in alone.dims
    assert float(alone["binding_energy"].max()) == pytest.approx(190.0, abs=0.11)
    assert str(alone["source"].item()) == f"{path.name}::{label}"
