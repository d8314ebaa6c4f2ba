"""The file formats of photoemission spectra: the one table of readers."""

from __future__ import annotations

from operando.sniff import Format

from .phi import PHI
from .specs_xml import SPECS_XML
from .specs_xy import SPECS_XY

FORMATS: tuple[Format, ...] = (
    PHI,
    SPECS_XML,
    SPECS_XY,
)

__all__ = ["FORMATS"]
