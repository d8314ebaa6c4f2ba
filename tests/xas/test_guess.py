"""What columns are is told from labels wherever the header has them, and from numbers where it has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from operando import xas
from operando.sniff import head
from operando.xas.formats.columns import COLUMNS


def written(folder: Path, table, header, sep="\t") -> Path:
    path = folder / "scan.txt"
    path.write_text(header + "\n".join(sep.join(str(cell) for cell in row) for row in table) + "\n")
    return path


LISTS = {
    "numbered": "# headings:\n#  1) Mono Energy *\n#  2) Count time *\n#  3) I0\n#Mono Energy * Count time * I0\n",
    "quoted": '# log\n#(1)\t"Event-ID"\t"Mono Energy *"\t"Count time *"\n#(2)\t"x"\n# Background counts, 0, 0\n',
    "explained": "; P1 = {Mono Energy *} --> a.VAL\n; P2 = {Count time *} --> b.TP\n; D1 = {I0}  --> c.VAL\n"
    ";--------------\n; P1 P2 D1\n",
}


@pytest.mark.parametrize(("kind", "energy"), [("numbered", 0), ("quoted", 1), ("explained", 0)])
def test_labels_are_found_where_the_header_lists_them(tmp_path, kind, energy):
    table = [[e, 1.0, 2.0 + k] for k, e in enumerate((8300.0, 8310.0, 8320.0))]
    table = [[1, *row[:2]] for row in table] if kind == "quoted" else table
    path = written(tmp_path, table, header=LISTS[kind], sep=" ")
    ds = xas.read(path, columns={"energy": "Mono Energy *", "mu": "Count time *"})
    np.testing.assert_array_equal(ds["energy"], [8300, 8310, 8320])
    assert COLUMNS.suggest(head(path))["columns"]["energy"] == "Mono Energy *"
    if kind == "explained":
        np.testing.assert_array_equal(ds["energy"], xas.read(path, columns={"energy": "P1", "mu": "D1"})["energy"])


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["If1", "If2", "If3"], ["If1", "If2", "If3"]),
        (["Ni_Ka_mca1", "Ni_Ka_mca2", "Cu_Ka_mca1"], ["Ni_Ka_mca1", "Ni_Ka_mca2"]),
        (["Ni Ka", "Ni Ka", "As Ka"], [2, 3]),
        (["Ni_Ka_1", "Ni_Ka_2", "Co_Ka_1"], ["Ni_Ka_1", "Ni_Ka_2"]),
        (["Ni_Ka_1", "Cs_La_1", "Pt_La_1"], None),
    ],
)
def test_detectors_with_several_elements_are_guessed_together(tmp_path, labels, found):
    energy = np.arange(8250.0, 8500.0, 10.0)
    table = [[e, 1e4 + e, *(k + e / 1e3 for k in range(3))] for e in energy]
    path = written(tmp_path, table, header="\t".join(["# energy", "I0", *labels]) + "\n")
    guess = COLUMNS.suggest(head(path))["columns"]
    assert guess.get("fluorescence") == found
    if found:
        assert xas.read(path, columns=guess)["fluorescence"].sizes["detector"] == len(found)


@pytest.mark.parametrize("energy", [np.linspace(8.2, 8.5, 9), np.linspace(8.5, 8.2, 9), np.linspace(8500, 8200, 9)])
def test_falling_energies_and_kilo_electronvolts_are_guessed(tmp_path, energy):
    path = written(tmp_path, [[0.5, e, 3.0 + e] for e in energy], header="# mono\tdcm energy\tI0\n")
    guess = COLUMNS.suggest(head(path))
    assert guess["columns"] == {"energy": "dcm energy", "i0": "I0"}
    assert guess.get("units") == ({"energy": "keV"} if energy[0] < 100 else None)


def test_falling_angles_are_guessed_where_the_header_states_the_spacing_of_planes(tmp_path):
    energy = np.linspace(7000, 7200, 9)
    table = [[angle, 1.0, 5.0 + k] for k, angle in enumerate(np.degrees(np.arcsin(12398.419843 / 6.27102 / energy)))]
    path = written(tmp_path, table, header=" Mono :   Si(111)       D=  3.13551 A    Initial angle= 13.9 deg\n")
    guess = COLUMNS.suggest(head(path))
    assert guess == {"columns": {"energy": 0}, "units": {"energy": "degree"}, "d_spacing": 3.13551}
    ds = xas.read(path, **{**guess, "columns": {**guess["columns"], "mu": 2}})
    np.testing.assert_allclose(ds["energy"], energy, rtol=1e-8)
    assert COLUMNS.suggest(head(written(tmp_path, table, header="# no spacing\n"))) == {}
