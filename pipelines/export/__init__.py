"""Files for other programs, and for later."""

from .classifier import write_classifier
from .nexus import write_nexus

__all__ = ["write_classifier", "write_nexus"]
