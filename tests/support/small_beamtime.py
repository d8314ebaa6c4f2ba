"""The example scans without their truth, their images, which would take long, and their core levels."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

SMALL = Path(__file__).parents[2] / "example_scans" / "small"
OTHERS = re.compile(
    r'\[\[series\]\][^\n]*\nnode = "\w+"\ntechnique = "(xpeem|xps|xtm)".*?(?=\n\[\[series\]\]|\Z)', re.DOTALL
)


def spectra_only(folder: Path) -> Path:
    """Copy the electrochemistry and the absorption spectra to ``folder``, with the recipe for them."""
    shutil.copytree(SMALL, folder, ignore=shutil.ignore_patterns("truth.zarr", "xpeem", "xps", "xtm"))
    recipe = folder / "beamtime.toml"
    text, found = OTHERS.subn("", recipe.read_text(encoding="utf-8"))
    assert found == 3
    recipe.write_text(text.rstrip() + "\n", encoding="utf-8")
    return folder
