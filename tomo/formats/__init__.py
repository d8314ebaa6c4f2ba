"""The file formats of volumes and projections: the one table of readers."""

from __future__ import annotations

from .bec import BEC
from .dxchange import DXCHANGE
from .hdf5 import HDF5
from .nxtomo import NXTOMO
from .nxtomoproc import NXTOMOPROC
from .ome_zarr import OME_ZARR
from .step_log import STEP_LOG
from .tiff import TIFF
from .zarr_store import ZARR

VOLUMES = (TIFF, DXCHANGE, NXTOMO, NXTOMOPROC, BEC, HDF5, OME_ZARR, ZARR)
FORMATS = (*VOLUMES, STEP_LOG)

__all__ = ["FORMATS", "VOLUMES"]
