"""X-ray photoelectron spectroscopy: from counts to products, shifts and layers; single spectra and whole series."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import formats
    from .backgrounds import linear, polynomial, shirley, tougaard
    from .constraints import Fixed, Free, Link
    from .fitting import fit
    from .known_species import core_level, overlaps, satellites, species, species_table
    from .line_profiles import line_profile
    from .loss_functions import loss_operator
    from .model import Background, Doublet, Model, Peak
    from .reading import read, read_series

_LAZY = {
    "Background": ".model",
    "Doublet": ".model",
    "Fixed": ".constraints",
    "Free": ".constraints",
    "Link": ".constraints",
    "Model": ".model",
    "Peak": ".model",
    "core_level": ".known_species",
    "fit": ".fitting",
    "formats": ".formats",
    "line_profile": ".line_profiles",
    "linear": ".backgrounds",
    "loss_operator": ".loss_functions",
    "overlaps": ".known_species",
    "polynomial": ".backgrounds",
    "read": ".reading",
    "read_series": ".reading",
    "satellites": ".known_species",
    "shirley": ".backgrounds",
    "species": ".known_species",
    "species_table": ".known_species",
    "tougaard": ".backgrounds",
}

_MODULES = ("formats",)

__all__ = [
    "Background",
    "Doublet",
    "Fixed",
    "Free",
    "Link",
    "Model",
    "Peak",
    "core_level",
    "fit",
    "formats",
    "line_profile",
    "linear",
    "loss_operator",
    "overlaps",
    "polynomial",
    "read",
    "read_series",
    "satellites",
    "shirley",
    "species",
    "species_table",
    "tougaard",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LAZY[name], __name__)
    found = module if name in _MODULES else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
