"""Photoemission through recipes: core levels fitted together, shifts against the potential, and the report's fits."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from core_line_series import core_line_series

import operando
from operando import example_scans
from operando.errors import RecipeError
from operando.pipelines import recipe
from operando.pipelines.run import run
from operando.pipelines.steps import photoemission

pytestmark = pytest.mark.usefixtures("no_report")

SMALL = Path(example_scans.__file__).parent / "small"
NODE = "xps/electrolyte"


def sections(text: str) -> str:
    """Return the shipped recipe without absorption and images."""
    head, *series = text.split("[[series]]")
    (own,) = (part for part in series if 'technique = "xps"' in part)
    return f"{head}[[series]]{own}"


@pytest.fixture
def beamtime(tmp_path) -> Path:
    folder = tmp_path / "beamtime"
    (folder / "xps").mkdir(parents=True)
    for path in sorted((SMALL / "xps").glob("*.vms"))[:8]:
        shutil.copy(path, folder / "xps")
    shutil.copytree(SMALL / "echem", folder / "echem")
    shutil.copy(SMALL / "beamline_voltage.csv", folder)
    (folder / "beamtime.toml").write_text(sections((SMALL / "beamtime.toml").read_text("utf-8")), "utf-8")
    return folder


def processed(folder: Path) -> xr.Dataset:
    run(recipe.load(folder))
    with operando.open(folder / "cell7.zarr") as tree:
        return tree[f"{NODE}/processed"].to_dataset().load()


def test_core_levels_are_fitted_together_and_linked(beamtime):
    found = processed(beamtime)
    truth = xr.open_datatree(SMALL / "truth.zarr", engine="zarr")["xps/S_2p"].to_dataset().isel(scan=slice(0, 8)).load()
    share = found["fraction"].sel(peak=[f"S 2p {name}" for name in truth["peak"].values])
    assert np.abs(share.values - truth["fraction"].values).max() < 0.01
    charging = found["shift"].sel(phase="electrode").values
    np.testing.assert_allclose(charging, truth["charging_shift"].values, atol=0.005)
    np.testing.assert_allclose(found["potential"].values, truth["potential"].values, atol=0.01)
    sums = found["fraction"].groupby("peak_region").sum()
    np.testing.assert_allclose(sums.values, 1.0, rtol=1e-12)


def test_shifts_against_the_potential_have_a_node_and_the_slope_that_is_true(beamtime):
    run(recipe.load(beamtime))
    with operando.open(beamtime / "cell7.zarr") as tree:
        trend = tree[f"{NODE}/shift_trend"].to_dataset().load()
    assert trend["phase"].values.tolist() == ["electrolyte"]
    assert abs(trend["slope"].values[0, 0] + 0.9) < 0.009


QUANTIFY = """
  [[series.steps]]
  use = "quantify"
  peaks = ["S 2p PS4 3-", "P 2p PS4 3-"]
  sensitivity = { "S 2p" = 1.675, "P 2p" = 1.19 }
  attenuation_lengths = { "S 2p" = 3.2, "P 2p" = 3.2 }
"""


def test_the_electrolyte_has_four_sulfur_a_phosphorus_whatever_the_sweeps(beamtime):
    """S 2p was measured in 8 sweeps and P 2p in 24: counts are compared per time."""
    path = beamtime / "beamtime.toml"
    place = "  [[series.steps]]                  # how the electrolyte's lines follow"
    text = path.read_text("utf-8")
    assert place in text
    text = text.replace('use = "fit"', 'use = "fit"\n  background_systematic = true')
    path.write_text(text.replace(place, f"{QUANTIFY}\n{place}"), "utf-8")
    found = processed(beamtime)
    assert found["level"].values.tolist() == ["S 2p", "P 2p"]
    share, std = found["atomic_fraction"].isel(scan=0).values, found["atomic_fraction_std"].isel(scan=0).values
    np.testing.assert_allclose(share, [0.8, 0.2], atol=4 * std.max())
    assert std.max() < 0.005
    systematic = found["fraction_systematic"].sel(peak="S 2p PS4 3-")
    assert (systematic < 0.05).all()
    assert np.isfinite(systematic).all()


def test_scans_that_come_later_change_no_earlier_one(beamtime, tmp_path):
    later = [beamtime / "xps" / f"cell7_{number:04d}.vms" for number in (7, 8)]
    for path in later:
        path.rename(tmp_path / path.name)
    first = processed(beamtime)
    for path in later:
        (tmp_path / path.name).rename(path)
    grown = processed(beamtime)
    (beamtime / "cell7.zarr").rename(tmp_path / "old.zarr")
    anew = processed(beamtime)
    for name in ("area", "fraction", "fraction_std", "value", "covariance", "fitted", "reduced_chi_square"):
        np.testing.assert_array_equal(grown[name].values, anew[name].values)
        np.testing.assert_array_equal(grown[name].values[:6], first[name].values)


def test_the_report_draws_every_fit(beamtime, with_report):
    run(recipe.load(beamtime))
    page = (beamtime / "report.html").read_text("utf-8")
    for words in ("<h2>Fits</h2>", "electrolyte, S 2p", "electrolyte, C 1s", "S 2p P-S-P", "Shift of a phase"):
        assert words in page
    assert "The slider goes through all 8" in page.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('region = "S 2p", name = "S 2p Li2S"', 'region = "S 2s", name = "S 2p Li2S"', "expected spectra of S 2s"),
        ('"S 2p PS4 3-.mixing" }', '"S 2p PS4.mixing" }', "S 2p PS4.mixing"),
        (
            'kind = "peak", region = "C 1s", name = "C 1s C-C"',
            'kind = "line", region = "C 1s", name = "C 1s C-C"',
            "kind",
        ),
        ("position = 161.5, ", "", "S 2p PS4 3-"),
        ('against = "electrode"', 'against = "electrodes"', "electrodes"),
    ],
)
def test_a_mistake_in_a_model_is_told_before_anything_is_written(beamtime, old, new, said):
    path = beamtime / "beamtime.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    if "electrodes" in said:
        summary = run(recipe.load(beamtime))
        assert any(said in item["reason"] for item in summary.failed)
        return
    with pytest.raises(RecipeError, match=said):
        run(recipe.load(beamtime))
    assert not (beamtime / "cell7.zarr").exists()


def test_shifts_of_freely_fitted_lines_are_told_from_chemistry():
    series = core_line_series(60, 91)
    parts = []
    for level, fit in series.fits.items():
        names = [f"{level} {name}" for name in fit["peak"].values]
        part = fit[["position", "position_std"]].assign_coords(
            peak=names, peak_region=("peak", [level] * len(names)), flag=("scan", np.zeros(60, np.int32))
        )
        parts.append(part)
    joined = xr.concat(parts, "peak", coords="minimal", compat="override")
    joined["area"] = xr.ones_like(joined["position"])
    phases: dict[str, list[str]] = {"electrode": [], "electrolyte": []}
    for name in joined["peak"].values:
        phases["electrode" if name.startswith("C 1s") else "electrolyte"].append(str(name))
    found = photoemission.rigid_shift(joined, phases=phases, electrode="electrode")
    assert set(found["phase"].values) == {"electrolyte"}
    assert not found["chemical"].any()
    assert np.abs(found["shift"].values[:, 0] - series.zeroed).max() < 0.03
