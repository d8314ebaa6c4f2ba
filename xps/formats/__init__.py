"""The file formats of photoemission spectra: the one table of readers."""

from __future__ import annotations

from operando.sniff import Format

from .nexus import NEXUS
from .scienta import SCIENTA_IBW, SCIENTA_TXT
from .vendor_files import SLE, VGD

FORMATS: tuple[Format, ...] = (
    SCIENTA_IBW,
    SCIENTA_TXT,
    NEXUS,
    SLE,
    VGD,
)

__all__ = ["FORMATS"]
