"""A foil goes from its file to the distance of its neighbors by a recipe alone."""

from __future__ import annotations

import json
import shutil

import pytest
from scattering import calculated

import operando
from operando.pipelines.recipe import RECIPE_NAME, load
from operando.pipelines.run import run

RECIPE = """
[experiment]
timezone = "UTC"

[[series]]
node = "Cu_K"
technique = "xas"
files = ["*.xdi"]

  [[series.steps]]
  use = "normalize"

  [[series.steps]]
  use = "autobk"
  kmax = 14.0

  [[series.steps]]
  use = "fourier"
  kmin = 3.0
  kmax = 12.0

  [[series.steps]]
  use = "fit_shells"
  kmin = 3.0
  kmax = 12.0
  rmin = 1.4
  rmax = 3.0
  variables = { amp = 0.9, de = 0.0, ss = 0.006, dr = 0.0 }
  files = ["feff/feff0001.dat"]
  paths = [{ s02 = "amp", e0 = "de", sigma2 = "ss", delr = "dr" }]
"""
HALF_DIAGONAL = 3.61 / 2**0.5


@pytest.fixture
def foil(realdata, tmp_path):
    shutil.copy(realdata / "xas" / "larch" / "cu_metal_rt.xdi", tmp_path)
    (tmp_path / RECIPE_NAME).write_text(RECIPE, encoding="utf-8")
    return tmp_path


@pytest.mark.realdata
@pytest.mark.peer
def test_copper_at_room_temperature_has_its_neighbors_at_half_the_diagonal(foil):
    calculated(foil / "feff")
    summary = run(load(foil))
    with operando.open(summary.store) as tree:
        found = tree["xas/Cu_K/processed"].to_dataset().load()
    # The lattice constant is 3.615 angstrom; anharmonic vibration makes a harmonic fit 0.01 angstrom too short.
    assert float(HALF_DIAGONAL + found["dr"][0]) == pytest.approx(2.556, abs=0.015)
    assert float(found["ss"][0]) == pytest.approx(0.0085, abs=0.001)
    assert 0.7 < float(found["amp"][0]) < 1.05
    last = json.loads(found.attrs["history"])[-1]
    assert last["step"] == "xas.fit_shells"
    assert last["parameters"]["files"] == ["feff0001.dat"]
    page = summary.report.read_text(encoding="utf-8")
    assert "Oscillations of Cu_K" in page
    again = run(load(foil))
    assert again.new == 0
    path = foil / "feff" / "feff0001.dat"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert run(load(foil)).new == 1


@pytest.mark.realdata
def test_a_missing_path_is_told_before_anything_is_computed(foil):
    with pytest.raises(operando.OperandoError, match=r"feff0001\.dat"):
        run(load(foil))
    assert not (foil / "operando.zarr").exists()
