"""The file formats of absorption spectra: the one table of readers."""

from __future__ import annotations

from .athena import ATHENA
from .bec import BEC
from .columns import COLUMNS
from .hdf5 import HDF5
from .mda import MDA, MDA_TEXT
from .nexus import NEXUS
from .phoenix import PHOENIX
from .spec import SPEC
from .xdi import XDI

FORMATS = (XDI, ATHENA, NEXUS, BEC, MDA, MDA_TEXT, PHOENIX, SPEC, COLUMNS, HDF5)

__all__ = ["FORMATS"]
