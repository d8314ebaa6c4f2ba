"""Files for other programs."""

from .nexus import write_nexus
from .ome_zarr import write_ome_zarr

__all__ = ["write_nexus", "write_ome_zarr"]
