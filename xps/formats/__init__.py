"""The file formats of photoemission spectra: the one table of readers."""

from __future__ import annotations

from operando.sniff import Format

from .avantage import AVANTAGE
from .casaxps_text import CASAXPS_TEXT
from .columns import COLUMNS
from .vamas import VAMAS

FORMATS: tuple[Format, ...] = (
    VAMAS,
    CASAXPS_TEXT,
    AVANTAGE,
    COLUMNS,
)

__all__ = ["FORMATS"]
