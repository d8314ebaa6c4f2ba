"""Photoemission electron microscopy at absorption edges: stacks of images, one a photon energy."""

from __future__ import annotations

from . import formats
from .reading import read, read_series, reopen

__all__ = ["formats", "read", "read_series", "reopen"]
