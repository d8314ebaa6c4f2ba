"""How the documentation is built: ``make docs``, without a network; notebooks are shown as they were run."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

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
exclude_patterns = ["pages", "_templates", "notebooks/*.py", "_build", "**/.ipynb_checkpoints"]

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
html_static_path = ["_static"]
html_css_files = ["operando.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "operando"},
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 6,
    "navigation_depth": 3,
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!operando\b).*"),
]
suppress_warnings = ["myst.header"]

MADE = HERE / "made"
_DOI = re.compile(r"(?<![`/])\bdoi:\s?(10\.\d{4,9}/[^\s;,`>]*[^\s;,`>.])")


def _write_pages(_app: Sphinx, _config: object) -> None:
    """Write what is made from the code, and the notebooks as they were last run."""
    from pages import benchmarks, commands, layouts, recipes, reference, science

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


def _notebooks(scripts: Path, run: Path) -> None:
    """Lay a notebook beside every script: the one that was run, else its words and code alone."""
    import jupytext

    for script in sorted(scripts.glob("*.py")):
        page, executed = script.with_suffix(".ipynb"), run / f"{script.stem}.ipynb"
        if executed.is_file():
            shutil.copyfile(executed, page)
        else:
            jupytext.write(jupytext.read(script), page)


def _link_sources(_app: Sphinx, _what: str, _name: str, _value: object, _options: object, lines: list[str]) -> None:
    """Make links of the DOIs in docstrings."""
    lines[:] = [_DOI.sub(r"`doi:\1 <https://doi.org/\1>`__", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Make pages before Sphinx looks for them."""
    app.connect("config-inited", _write_pages, priority=100)
    app.connect("autodoc-process-docstring", _link_sources)
