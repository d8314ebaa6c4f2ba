"""Recipes of photoemission that fit all scans at once, refer energies to a line, and tell how thick layers are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from few_counts import few_count_model
from sulfur_spectra import spectra

import operando
from operando import example_scans, xps
from operando.errors import OperandoError, OperandoWarning, RecipeError
from operando.history import entries
from operando.pipelines import recipe, report
from operando.pipelines.check import check
from operando.pipelines.run import run
from operando.pipelines.steps import photoemission, surfaces
from operando.schema import problems
from operando.xps.layout import FIT_GLOBAL, LIMITS, REFERENCED

SMALL = Path(example_scans.__file__).parent / "small"
SCANS = 6
FULL = {"oxidized": 2.90625 + 1.74375, "electrolyte": 4.0}
"""What the simulation gives the S 2p lines of each layer where it is thick and bare, in parts of one another."""
LAYERS = {"oxidized": ["S 2p P-S-P", "S 2p S0"], "electrolyte": ["S 2p PS4 3-"]}
REFERENCE = """
  [[series.steps]]
  use = "charge_reference"
  level = "C 1s"
  peak = "C 1s C-C"
  energy = 284.8
  energy_std = 0.1
  moves_with = { "C 1s" = "electrode" }
"""
OVERLAYER = f"""
  [[series.steps]]
  use = "overlayer_thickness"
  overlayer = ["S 2p P-S-P", "S 2p S0"]
  substrate = ["S 2p PS4 3-"]
  reference_ratio = {FULL["oxidized"] / FULL["electrolyte"]}
  attenuation_length = 3.1
"""
TOGETHER = """
  [[series.steps]]
  use = "fit_global"
"""


def beamtime(folder: Path) -> Path:
    """Copy some scans with the shipped recipe's fit, and these steps behind it."""
    (folder / "xps").mkdir(parents=True)
    for path in sorted((SMALL / "xps").glob("*.vms"))[:SCANS]:
        shutil.copy(path, folder / "xps")
    shutil.copytree(SMALL / "echem", folder / "echem")
    shutil.copy(SMALL / "beamline_voltage.csv", folder)
    head, *series = (SMALL / "beamtime.toml").read_text("utf-8").split("[[series]]")
    (own,) = (part for part in series if 'technique = "xps"' in part)
    own = own[: own.index("  [[series.steps]]                  # how the electrolyte's lines follow")]
    (folder / "beamtime.toml").write_text(f"{head}[[series]]{own}{REFERENCE}{OVERLAYER}{TOGETHER}", "utf-8")
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    folder = beamtime(tmp_path_factory.mktemp("run") / "beamtime")
    assert run(recipe.load(folder)).failed == []
    return folder


@pytest.fixture(scope="module")
def nodes(done) -> dict[str, xr.Dataset]:
    with operando.open(done / "cell7.zarr") as tree:
        own = tree["xps/electrolyte"]
        return {name: own[name].to_dataset().load() for name in ("raw", "processed", "fit_global")}


@pytest.fixture(scope="module")
def truth() -> xr.Dataset:
    node = xr.open_datatree(SMALL / "truth.zarr", engine="zarr")["xps/S_2p"].to_dataset()
    return node.isel(scan=slice(0, SCANS)).load()


def test_all_scans_at_once_share_what_the_cell_does_not_change(nodes, truth):
    single, together = nodes["processed"], nodes["fit_global"]
    assert not problems(together, FIT_GLOBAL)
    assert {"S 2p PS4 3-.fwhm", "P 2p PS4 3-.fwhm", "C 1s C-C.fwhm"} <= set(together.attrs["shared"])
    assert "S 2p PS4 3-.area" not in together.attrs["shared"]
    width = together["fwhm"].sel(peak="S 2p PS4 3-")
    assert np.ptp(width.values) == 0
    assert abs(float(width[0]) - float(truth["fwhm"])) < 4 * float(together["fwhm_std"].sel(peak="S 2p PS4 3-")[0])
    share = together["fraction"].sel(peak=[f"S 2p {name}" for name in truth["peak"].values])
    assert np.abs(share.values - truth["fraction"].values).max() < 0.01
    assert (together["fwhm_std"].mean("scan") < single["fwhm_std"].mean("scan")).all()
    for name in ("source", "potential", "time"):
        np.testing.assert_array_equal(together[name], single[name])
    assert [one["step"] for one in entries(together)][-2:] == ["xps.deglitch", "xps.fit_global"]


def test_energies_are_referred_to_the_carbon_of_the_electrode(nodes, truth):
    found = nodes["processed"]
    np.testing.assert_allclose(found["charge_shift"], truth["charging_shift"], atol=0.01)
    assert found["referred_peak"].values.tolist() == ["C 1s C-C", "C 1s C-O"]
    carbon, other = (found["referred_position"].isel(referred_peak=at) for at in (0, 1))
    np.testing.assert_allclose(carbon, 284.8, atol=1e-9)
    np.testing.assert_allclose(other, 286.5, atol=0.02)
    assert float(found["charge_shift_systematic"]) == 0.1
    assert not problems(found, REFERENCED)
    assert found["position"].attrs["long_name"] != found["referred_position"].attrs["long_name"]


def test_the_oxidized_layer_is_as_thick_as_simulated(nodes, truth):
    found = nodes["processed"]
    apart = (found["layer_thickness"] - truth["d_ox"].values) / found["layer_thickness_std"]
    assert np.abs(apart).max() < 4
    assert (found["layer_thickness_std"] < 0.05).all()
    assert found["layer_thickness"].attrs["units"] == "nm"
    np.testing.assert_allclose(found["layer_thickness_systematic"], 0.1 * np.abs(found["layer_thickness"]), rtol=1e-6)


def test_layers_on_one_another_give_the_same_thickness(nodes):
    lengths = {"oxidized": 3.1, "electrolyte": 3.2}
    found = surfaces.layer_thicknesses(
        nodes["raw"], nodes["processed"], layers=LAYERS, full=FULL, attenuation_lengths=lengths
    )
    assert found["layer_thickness"].dims == ("scan", "layer")
    for end in ("", "_std"):
        ours = found[f"layer_thickness{end}"].sel(layer="oxidized")
        np.testing.assert_allclose(ours, nodes["processed"][f"layer_thickness{end}"], rtol=1e-6, atol=1e-9)


def test_the_report_shows_layers_references_and_what_all_scans_share(done):
    page = (done / "report.html").read_text("utf-8").replace("\u00a0", " ")
    for words in (
        "<h2>Depth</h2>",
        "Thickness of the surface layer of 6 scans",
        "Error bars are one standard uncertainty",
        "electrolyte, fit_global, S 2p",
        "All 6 scans of electrolyte were fitted at once",
        "<td>S 2p PS4 3-.fwhm</td>",
        "Shift of a phase: electrolyte, fit_global, phase electrode",
        "Binding energy on the scale of the reference",
    ):
        assert words in page


def test_a_step_without_the_fit_it_works_on_is_refused_before_anything_is_read(tmp_path):
    folder = beamtime(tmp_path / "beamtime")
    path = folder / "beamtime.toml"
    whole = path.read_text("utf-8")
    for step in (REFERENCE, OVERLAYER, TOGETHER):
        path.write_text(whole[: whole.index("  [[series.steps]]")] + step, "utf-8")
        with pytest.raises(RecipeError, match="works on what 'fit' finds; put that step before it"):
            recipe.load(folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'use = "fit_global"',
            'use = "fit_global"\nshared = ["*.width"]',
            r"expected as shared names .* got '\*.width'",
        ),
        (
            '"S 2p S0"]\n  substrate',
            '"S 2p S8"]\n  substrate',
            "overlayer_thickness: expected peaks among .* got S 2p S8",
        ),
        ('{ "C 1s" = "electrode" }', '{ "C 1s" = "electrode", "S 2p" = "electrolyte" }', "use rigid_shift"),
        ('{ "C 1s" = "electrode" }', '{ "O 1s" = "electrode" }', "expected levels among C 1s, S 2p, P 2p, got O 1s"),
        ("energy = 284.8", 'energy = "C 1s"', "energy: expected a number"),
    ],
)
def test_a_wrong_step_is_told_before_anything_is_written(tmp_path, old, new, said):
    folder = beamtime(tmp_path / "beamtime")
    path = folder / "beamtime.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(RecipeError, match=said):
        check(recipe.load(folder))


def test_a_scan_that_comes_later_makes_the_global_fit_anew(done, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "write_store", lambda *_: None)
    folder = tmp_path / "beamtime"
    shutil.copytree(done, folder)
    shutil.copy(SMALL / "xps" / f"cell7_{SCANS + 1:04d}.vms", folder / "xps")
    summary = run(recipe.load(folder))
    assert (summary.new, summary.failed) == (1, [])
    with operando.open(folder / "cell7.zarr") as tree:
        assert tree["xps/electrolyte/fit_global"].sizes["scan"] == SCANS + 1


def bare(count: int, scale: float = 0.05, constant: float = 20.0) -> tuple[xr.Dataset, xr.Dataset]:
    counts = spectra(count, seed=5, scale=scale, constant=constant)
    raw = xr.Dataset({"counts": counts}, attrs=counts.attrs)
    return raw, raw.drop_vars("counts")


@pytest.mark.parametrize(("how", "same"), [("profile", 0.1), ("bootstrap", 0.35)])
def test_limits_are_the_errors_at_many_counts_and_hold_at_few(how, same):
    table = few_count_model().to_table()
    given = {"lines": table["lines"], "background": table["background"], "limits": how, "draws": 200}
    many, few = (photoemission.fit(*bare(2, *counts), **given) for counts in ((1.0, 400.0), (0.05, 20.0)))
    for found in (many, few):
        assert not problems(found, LIMITS)
        assert entries(found)[-1]["step"] == f"xps.{how}"
        for key in ("area", "position", "fwhm"):
            low, high = found[f"{key}_lower"], found[f"{key}_upper"]
            assert low.dims == found[key].dims
            assert (low < high).all()
    half = ((many["area_upper"] - many["area_lower"]) / 2).sel(peak="PS4")
    np.testing.assert_allclose(half, many["area_std"].sel(peak="PS4"), rtol=same)


def test_a_profile_in_a_recipe_is_the_profile_of_the_fit():
    raw, processed = bare(2)
    model = few_count_model()
    table = model.to_table()
    found = photoemission.fit(raw, processed, lines=table["lines"], background=table["background"], limits="profile")
    plain = xps.fit(raw, model, neighbors=False)
    np.testing.assert_array_equal(found["area_upper"], xps.profile(raw, model, plain, "area")["upper"])


def test_a_recipe_may_tie_quantities_by_arithmetic_and_hears_that_it_is_slow():
    raw, processed = bare(1, 1.0, 400.0)
    table = few_count_model().to_table()
    table["lines"][1]["fwhm"] = {"expression": "sqrt({PS4.fwhm} * {bridge.fwhm})"}
    given = {"lines": table["lines"], "background": table["background"]}
    with pytest.warns(OperandoWarning, match=r"Li2S.fwhm is 'sqrt.*not affine"):
        found = photoemission.fit(raw, processed, **given)
    width = found["fwhm"].isel(scan=0)
    expected = np.sqrt(float(width.sel(peak="PS4")) * float(width.sel(peak="bridge")))
    assert float(width.sel(peak="Li2S")) == pytest.approx(expected)
    table["lines"][1]["fwhm"] = {"expression": "open('x')"}
    with pytest.raises(OperandoError, match=r"expression \"open\('x'\)\": expected numbers"):
        photoemission.fit(raw, processed, **given)


def test_what_a_file_does_not_say_of_the_angle_must_be_stated():
    raw, processed = bare(2)
    table = few_count_model().to_table()
    fitted = photoemission.fit(raw, processed, lines=table["lines"], background=table["background"])
    given = {"overlayer": ["bridge"], "substrate": ["PS4"], "reference_ratio": 1.0, "attenuation_length": 3.0}
    timed = raw.assign(dwell=1.0, sweeps=2.0)
    with pytest.raises(OperandoError, match="expected one emission angle in the files, got none"):
        surfaces.overlayer_thickness(timed, fitted, **given)
    flat = surfaces.overlayer_thickness(timed, fitted, emission_angle=0.0, **given)["layer_thickness"]
    tilted = surfaces.overlayer_thickness(timed, fitted, emission_angle=60.0, **given)["layer_thickness"]
    np.testing.assert_allclose(tilted, flat / 2, rtol=1e-9)
