"""The file formats of photoemission spectra: the one table of readers."""

from __future__ import annotations

from operando.sniff import Format

from .avantage import AVANTAGE
from .casaxps_text import CASAXPS_TEXT
from .columns import COLUMNS
from .nexus import NEXUS
from .phi import PHI
from .scienta import SCIENTA_IBW, SCIENTA_TXT
from .sle import SLE
from .specs_xml import SPECS_XML
from .specs_xy import SPECS_XY
from .vamas import VAMAS
from .vgd import VGD

FORMATS: tuple[Format, ...] = (
    VAMAS,
    PHI,
    SPECS_XML,
    SPECS_XY,
    SCIENTA_IBW,
    SCIENTA_TXT,
    NEXUS,
    SLE,
    VGD,
    CASAXPS_TEXT,
    AVANTAGE,
    COLUMNS,
)

__all__ = ["FORMATS"]
