"""How the documentation is built: ``make docs``, without a network; notebooks are shown as they were run."""

from __future__ import annotations

import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import jupytext  # noqa: E402
from pages import benchmarks, commands, layouts, recipes, reference, science  # noqa: E402
from pages.docstrings import as_rst  # noqa: E402
from pages.public import everything  # noqa: E402

from operando.history import software_version  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "operando"
author = "the operando developers"
copyright = f"2026, {author}"
version = release = software_version()

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
templates_path = ["_templates"]
exclude_patterns = ["README.md", "pages", "_templates", "notebooks/*.py", "_build", "**/.ipynb_checkpoints"]

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False

html_theme = "pydata_sphinx_theme"
html_title = "operando"
html_sidebars: dict[str, list[str]] = {
    page: []
    for page in (
        "five_minutes",
        "errors",
        "coming_from",
        "reliability",
        "fuzzing",
        "contributing",
        "releasing",
        "changelog",
    )
}
html_static_path = ["_static"]
html_css_files = ["operando.css"]
html_show_sourcelink = False
html_context = {"default_mode": "light"}
html_copy_source = False
html_theme_options = {
    "logo": {"text": "operando"},
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 4,
    "navigation_depth": 3,
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!operando\b).*")]

MADE = HERE / "made"
TUTORIALS = (
    "xas_depth",
    "xps_series",
    "xpeem_stacks",
    "tomography",
    "linked_experiment",
    "beamtime_day",
    "viewer",
    "own_instrument",
    "slurm",
)
"""The order of the tutorials; others follow by name."""


def _write_pages(_app: Sphinx, _config: object) -> None:
    """Write what is made from the code, and the notebooks as they were last run."""
    shutil.rmtree(MADE, ignore_errors=True)
    for name, maker in {
        "reference": reference,
        "science": science,
        "layouts": layouts,
        "recipe": recipes,
        "commands": commands,
        "benchmarks": benchmarks,
    }.items():
        (MADE / name).mkdir(parents=True)
        maker.write(MADE / name)
    _notebooks(HERE / "notebooks", HERE.parent / "build" / "notebooks")
    notebooks = sorted(HERE.glob("notebooks/*.ipynb"), key=_place)
    pages = [*notebooks, *sorted(HERE.glob("viewer*.md"))]
    (MADE / "tutorials.txt").write_text("\n".join(_listed(pages)), encoding="utf-8")


def _notebooks(scripts: Path, run: Path) -> None:
    """Lay a notebook beside every script: the one that was run, else its words and code alone."""
    for script in sorted(scripts.glob("*.py")):
        page, executed = script.with_suffix(".ipynb"), run / f"{script.stem}.ipynb"
        if executed.is_file():
            shutil.copyfile(executed, page)
        else:
            jupytext.write(jupytext.read(script), page)


def _place(page: Path) -> tuple[int, str]:
    return (TUTORIALS.index(page.stem) if page.stem in TUTORIALS else len(TUTORIALS), page.stem)


def _listed(pages: list[Path]) -> list[str]:
    """Return the table of contents of the tutorials that there are."""
    names = [f"/{page.relative_to(HERE).with_suffix('').as_posix()}" for page in pages]
    return [":::{toctree}", ":maxdepth: 1", "", *names, ":::", ""] if names else []


def _link_sources(_app: Sphinx, _what: str, _name: str, _value: object, _options: object, lines: list[str]) -> None:
    """Make links of the DOIs in docstrings."""
    lines[:] = [line if line.lstrip().startswith(">>>") else as_rst(line) for line in lines]


def _inner_names(app: Sphinx, env: Any, node: Any, words: Any) -> Any:
    """Link a name by the module that defines it to its public page; leave what exists, but is not public, unlinked."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("operando."):
        return None
    found = _looked_up(target)
    path = getattr(app, "public_paths", {}).get(id(found))
    if path is not None and path != target:
        domain = env.get_domain("py")
        return domain.resolve_xref(env, node.get("refdoc"), app.builder, "obj", path, node, words)
    return words if found is not None else None


def _looked_up(path: str) -> Any:
    """Return what a dotted name means, None if it means nothing."""
    parts = path.split(".")
    for number in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:number]))
            for name in parts[number:]:
                found = getattr(found, name)
        except (ImportError, AttributeError):
            continue
        return found
    return None


def setup(app: Sphinx) -> None:
    """Make pages before Sphinx looks for them."""
    app.public_paths = {id(one.value): one.path for one in everything()}  # type: ignore[attr-defined]
    app.connect("missing-reference", _inner_names)
    app.connect("config-inited", _write_pages, priority=100)
    app.connect("autodoc-process-docstring", _link_sources)
