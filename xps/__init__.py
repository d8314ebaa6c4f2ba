"""X-ray photoelectron spectroscopy: from counts to products, shifts and layers; single spectra and whole series."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import formats
    from .backgrounds import linear, polynomial, shirley, tougaard
    from .constraints import Fixed, Free, Link
    from .fitting import fit
    from .known_species import core_level, overlaps, species, species_table, tube_satellites
    from .line_profiles import line_profile
    from .lmfit_models import from_lmfit, to_lmfit
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
    "from_lmfit": ".lmfit_models",
    "line_profile": ".line_profiles",
    "linear": ".backgrounds",
    "loss_operator": ".loss_functions",
    "overlaps": ".known_species",
    "polynomial": ".backgrounds",
    "read": ".reading",
    "read_series": ".reading",
    "shirley": ".backgrounds",
    "species": ".known_species",
    "species_table": ".known_species",
    "to_lmfit": ".lmfit_models",
    "tougaard": ".backgrounds",
    "tube_satellites": ".known_species",
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
    "from_lmfit",
    "line_profile",
    "linear",
    "loss_operator",
    "overlaps",
    "polynomial",
    "read",
    "read_series",
    "shirley",
    "species",
    "species_table",
    "to_lmfit",
    "tougaard",
    "tube_satellites",
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
