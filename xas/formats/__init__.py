"""The file formats of absorption spectra: the one table of readers."""

from __future__ import annotations

from .athena import ATHENA
from .bec import BEC
from .columns import COLUMNS
from .hdf5 import HDF5
from .nexus import NEXUS
from .xdi import XDI

FORMATS = (XDI, ATHENA, NEXUS, BEC, COLUMNS, HDF5)

__all__ = ["FORMATS"]
