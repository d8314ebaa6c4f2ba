"""X-ray absorption: from counts to spectra, edge energies, depths and mixtures; single scans and whole series."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import formats, plot, xpeem
    from .alignment import align
    from .background import autobk
    from .branching import branching_ratio
    from .combination import lcf
    from .curve_resolution import mcr_als
    from .damage import beam_damage
    from .depth import probing_depth
    from .detectors import merge_detectors
    from .edge import edge_energy, find_e0
    from .fluorescence import correct_self_absorption, ipfy, self_absorption
    from .fourier_transform import fourier
    from .glitches import deglitch
    from .layers import depth_profile
    from .matched_background import mback
    from .merging import merge
    from .nexus_groups import nexus_tree
    from .normalization import normalize
    from .offsets import subtract_offset
    from .principal_components import pca
    from .reading import read, read_series
    from .rebinning import rebin
    from .saturation import correct_tey_saturation, tey_saturation
    from .scan_quality import quality
    from .shells import fit_shells
    from .signals import signal
    from .wavelets import wavelet
    from .white_lines import white_line

_LAZY = {
    "align": ".alignment",
    "autobk": ".background",
    "beam_damage": ".damage",
    "branching_ratio": ".branching",
    "correct_self_absorption": ".fluorescence",
    "correct_tey_saturation": ".saturation",
    "deglitch": ".glitches",
    "depth_profile": ".layers",
    "edge_energy": ".edge",
    "find_e0": ".edge",
    "fit_shells": ".shells",
    "formats": ".formats",
    "fourier": ".fourier_transform",
    "ipfy": ".fluorescence",
    "lcf": ".combination",
    "mback": ".matched_background",
    "mcr_als": ".curve_resolution",
    "merge": ".merging",
    "merge_detectors": ".detectors",
    "nexus_tree": ".nexus_groups",
    "normalize": ".normalization",
    "pca": ".principal_components",
    "plot": ".plot",
    "probing_depth": ".depth",
    "quality": ".scan_quality",
    "read": ".reading",
    "read_series": ".reading",
    "rebin": ".rebinning",
    "self_absorption": ".fluorescence",
    "signal": ".signals",
    "subtract_offset": ".offsets",
    "tey_saturation": ".saturation",
    "wavelet": ".wavelets",
    "white_line": ".white_lines",
    "xpeem": ".xpeem",
}

_MODULES = ("formats", "plot", "xpeem")

__all__ = [
    "align",
    "autobk",
    "beam_damage",
    "branching_ratio",
    "correct_self_absorption",
    "correct_tey_saturation",
    "deglitch",
    "depth_profile",
    "edge_energy",
    "find_e0",
    "fit_shells",
    "formats",
    "fourier",
    "ipfy",
    "lcf",
    "mback",
    "mcr_als",
    "merge",
    "merge_detectors",
    "nexus_tree",
    "normalize",
    "pca",
    "plot",
    "probing_depth",
    "quality",
    "read",
    "read_series",
    "rebin",
    "self_absorption",
    "signal",
    "subtract_offset",
    "tey_saturation",
    "wavelet",
    "white_line",
    "xpeem",
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
