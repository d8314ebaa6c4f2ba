"""The file formats of absorption spectra: the one table of readers."""

from __future__ import annotations

from .columns import COLUMNS
from .xdi import XDI

FORMATS = (XDI, COLUMNS)

__all__ = ["FORMATS"]
