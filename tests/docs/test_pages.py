"""What the pages show is what happens: code runs, recipes are valid, every flag and error has its line, names agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from demo_run import demo_run
from pages.public import errors
from pages.recipes import section_of, sections

from operando.errors import FileError
from operando.flags import MEANINGS, Flag
from operando.pipelines import recipe
from operando.pipelines.recipe import Recipe

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "made" not in path.parts)


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def with_blocks(language: str) -> list[Path]:
    return [path for path in PAGES if blocks(path, language)]


@pytest.mark.parametrize("path", with_blocks("python"), ids=lambda path: path.stem)
def test_python_on_a_page_runs_on_the_demo(path, tmp_path_factory, tmp_path, monkeypatch):
    demo = demo_run(tmp_path_factory) / "demo"
    (tmp_path / "operando-demo").symlink_to(demo)
    (tmp_path / "cell7.zarr").symlink_to(demo / "beamtime" / "cell7.zarr")
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    plt.close("all")
    space: dict[str, object] = {}
    for code in blocks(path, "python"):
        exec(compile(code, path.name, "exec"), space)
    if path.stem == "five_minutes":
        assert "potential" in plt.gca().get_xlabel()
        assert len(plt.gca().get_legend_handles_labels()[1]) == 3
        assert (tmp_path / "products.png").stat().st_size > 10_000
    if path.stem == "own_instrument":
        measured = tmp_path / "a.txt"
        measured.write_text("MYLAB 1\n7000;1;0.5\n7001;2;0.5\n7002;4;0.5\n")
        scan = space["MYLAB"].read(measured)
        assert scan["tfy"].values.tolist() == [1, 2, 4]
        assert scan["tfy"].attrs["units"] == "count"
        measured.write_text("MYLAB 1\n7000;1\n")
        with pytest.raises(FileError, match="expected three numbers a line"):
            space["MYLAB"].read(measured)
    plt.close("all")


@pytest.mark.parametrize("path", with_blocks("toml"), ids=lambda path: path.stem)
def test_recipes_on_a_page_are_valid(path, tmp_path):
    for number, text in enumerate(blocks(path, "toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        assert isinstance(recipe.load(file), Recipe), tomllib.loads(text)


def test_every_flag_has_its_meaning_and_what_to_do():
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", (DOCS / "errors.md").read_text(), re.MULTILINE)
    assert {name: meaning for name, meaning, _ in rows} == {str(flag.name): MEANINGS[flag] for flag in Flag}
    assert all(len(remedy) > 5 for *_, remedy in rows)


@pytest.mark.parametrize("one", errors(), ids=lambda one: one.name)
def test_every_error_leads_to_its_section(one):
    page, _, anchor = one.value.page.partition("#")
    assert page == "errors.html"
    assert f"({anchor})=\n### {one.name}\n" in (DOCS / "errors.md").read_text()


def test_every_key_of_a_recipe_is_explained():
    for where, model in sections(Recipe, ""):
        for key, info in model.model_fields.items():
            assert section_of(info) or info.description, f"{where} {key}"


def test_the_citation_names_the_version_and_the_authors():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {project['version']}\n" in citation
    assert f"\nlicense: {project['license']}\n" in citation
    holder = re.search(r"^Copyright \(c\) \d+, (.+)$", (ROOT / "LICENSE").read_text(), re.MULTILINE)[1]
    assert f'- name: "{holder}"' in citation


def test_the_contribution_guide_names_files_that_are_there():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    for name in re.findall(r"`((?:[\w.]+/)+[\w.]*)`", guide):
        assert (ROOT / name).exists() or "mylab" in name, name


@pytest.mark.peer
def test_the_page_on_athena_shows_what_larch_and_operando_find():
    pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("side_by_side", ROOT / "benchmarks" / "side_by_side.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (DOCS / "coming_from.md").read_text()
    for row in module.table():
        assert row in page
