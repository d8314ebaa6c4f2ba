"""Files for other programs."""

from .nexus import write_nexus

__all__ = ["write_nexus"]
