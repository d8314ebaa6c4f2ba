"""The file formats of photoemission spectra: the one table of readers."""

from __future__ import annotations

from operando.sniff import Format

FORMATS: tuple[Format, ...] = ()

__all__ = ["FORMATS"]
