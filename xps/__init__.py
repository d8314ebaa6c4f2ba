"""X-ray photoelectron spectroscopy: from counts to products, shifts and layers; single spectra and whole series."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import formats, plot
    from .background_systematics import background_systematic
    from .backgrounds import linear, polynomial, shirley, tougaard
    from .bootstraps import bootstrap
    from .charging import charge_reference
    from .constraints import Fixed, Free, Link
    from .cross_sections import angular_factor, sensitivity_factor
    from .expressions import Expression
    from .fitting import fit
    from .formats.casaxps import casaxps_components
    from .global_fit import fit_global
    from .joining import join
    from .known_species import core_level, overlaps, species, species_table, tube_satellites
    from .line_profiles import line_profile
    from .lmfit_models import to_lmfit
    from .lmfit_reading import from_lmfit
    from .loss_functions import loss_operator
    from .mean_free_paths import Material, effective_attenuation_length, imfp_tpp2m
    from .model import Background, Doublet, Model, Peak
    from .nexus_groups import nexus_tree
    from .overlayers import layer_thicknesses, overlayer_ratio, overlayer_thickness
    from .profiles import profile
    from .quantification import quantify
    from .reading import read, read_series
    from .shift_regression import regress_on_potential
    from .shifts import rigid_shift
    from .spikes import deglitch

_LAZY = {
    "Background": ".model",
    "Doublet": ".model",
    "Expression": ".expressions",
    "Fixed": ".constraints",
    "Free": ".constraints",
    "Link": ".constraints",
    "Material": ".mean_free_paths",
    "Model": ".model",
    "Peak": ".model",
    "angular_factor": ".cross_sections",
    "background_systematic": ".background_systematics",
    "bootstrap": ".bootstraps",
    "casaxps_components": ".formats.casaxps",
    "charge_reference": ".charging",
    "core_level": ".known_species",
    "deglitch": ".spikes",
    "effective_attenuation_length": ".mean_free_paths",
    "fit": ".fitting",
    "fit_global": ".global_fit",
    "formats": ".formats",
    "from_lmfit": ".lmfit_reading",
    "imfp_tpp2m": ".mean_free_paths",
    "join": ".joining",
    "layer_thicknesses": ".overlayers",
    "line_profile": ".line_profiles",
    "linear": ".backgrounds",
    "loss_operator": ".loss_functions",
    "nexus_tree": ".nexus_groups",
    "overlaps": ".known_species",
    "overlayer_ratio": ".overlayers",
    "overlayer_thickness": ".overlayers",
    "plot": ".plot",
    "polynomial": ".backgrounds",
    "profile": ".profiles",
    "quantify": ".quantification",
    "read": ".reading",
    "read_series": ".reading",
    "regress_on_potential": ".shift_regression",
    "rigid_shift": ".shifts",
    "sensitivity_factor": ".cross_sections",
    "shirley": ".backgrounds",
    "species": ".known_species",
    "species_table": ".known_species",
    "to_lmfit": ".lmfit_models",
    "tougaard": ".backgrounds",
    "tube_satellites": ".known_species",
}

_MODULES = (
    "formats",
    "plot",
)

__all__ = [
    "Background",
    "Doublet",
    "Expression",
    "Fixed",
    "Free",
    "Link",
    "Material",
    "Model",
    "Peak",
    "angular_factor",
    "background_systematic",
    "bootstrap",
    "casaxps_components",
    "charge_reference",
    "core_level",
    "deglitch",
    "effective_attenuation_length",
    "fit",
    "fit_global",
    "formats",
    "from_lmfit",
    "imfp_tpp2m",
    "join",
    "layer_thicknesses",
    "line_profile",
    "linear",
    "loss_operator",
    "nexus_tree",
    "overlaps",
    "overlayer_ratio",
    "overlayer_thickness",
    "plot",
    "polynomial",
    "profile",
    "quantify",
    "read",
    "read_series",
    "regress_on_potential",
    "rigid_shift",
    "sensitivity_factor",
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
