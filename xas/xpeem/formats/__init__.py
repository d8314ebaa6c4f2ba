"""The file formats of XPEEM image stacks: the one table of readers."""

from __future__ import annotations

from .hdf5 import HDF5
from .image_log import IMAGE_LOG
from .uview import UVIEW

FORMATS = (UVIEW, HDF5, IMAGE_LOG)

__all__ = ["FORMATS"]
