"""The file formats of photoemission spectra: the one table of readers."""

from __future__ import annotations

from operando.sniff import Format

from .vamas import VAMAS

FORMATS: tuple[Format, ...] = (VAMAS,)

__all__ = ["FORMATS"]
