"""Files for other programs, and for later."""

from .classifier import write_classifier
from .nexus import write_nexus
from .ome_zarr import write_ome_zarr

__all__ = ["write_classifier", "write_nexus", "write_ome_zarr"]
