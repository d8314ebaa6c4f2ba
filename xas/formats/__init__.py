"""The file formats of absorption spectra: the one table of readers."""

from __future__ import annotations

from .athena import ATHENA
from .columns import COLUMNS
from .nexus import NEXUS
from .xdi import XDI

FORMATS = (XDI, ATHENA, NEXUS, COLUMNS)

__all__ = ["FORMATS"]
