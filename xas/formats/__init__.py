"""The file formats of absorption spectra: the one table of readers."""

from __future__ import annotations

from .athena import ATHENA
from .columns import COLUMNS
from .mda import MDA, MDA_TEXT
from .phoenix import PHOENIX
from .spec import SPEC
from .xdi import XDI

FORMATS = (XDI, ATHENA, MDA, MDA_TEXT, PHOENIX, SPEC, COLUMNS)

__all__ = ["FORMATS"]
