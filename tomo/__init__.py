"""Tomographic microscopy: cracks, voids and particles in volumes larger than memory; single ones and whole series."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import formats, plot
    from .aperture_tables import aperture_table
    from .apertures import aperture
    from .chords import chord_lengths
    from .classifier import PixelClassifier
    from .constrictivities import constrictivity
    from .contact_losses import contact_loss
    from .contacts import contact_area
    from .correlation import correlate
    from .correlation_functions import two_point_correlation
    from .costs import check_cost, cost
    from .crack_tables import crack_table
    from .cracks import segment_cracks
    from .denoising import denoise
    from .detection_limits import detection_limit
    from .direction_statistics import orientation_distribution
    from .displacement_fields import displacement_field
    from .distances import distance
    from .expansions import volume_expansion
    from .features import Features, feature_stack
    from .filled_volumes import void_volumes
    from .geodesic import geodesic_distance, geodesic_tortuosity
    from .grey_matching import match_grey
    from .grey_mixtures import threshold_mixture
    from .histograms import histogram
    from .hysteresis_masks import hysteresis
    from .image_quality import estimate_blur, estimate_noise
    from .labels import label
    from .local_thresholds import threshold_local
    from .multi_otsu import threshold_multiotsu
    from .nexus_groups import nexus_tree
    from .object_classes import classify_objects
    from .object_shapes import shapes
    from .orientations import orientation
    from .percolation import percolates
    from .phase_fractions import fractions
    from .phase_retrieval import Paganin
    from .phases import segment
    from .plates import plate_filter
    from .reading import read, read_series, reopen
    from .reconstruction import reconstruct
    from .region_measures import regions
    from .registration import register
    from .representative_volumes import rev
    from .resampling import align
    from .rings import remove_rings
    from .surface_areas import surface_area
    from .thickness import local_thickness
    from .tortuosity_bounds import tortuosity_bracket
    from .tortuosity_coarsening import tortuosity_coarsened
    from .tortuosity_factors import tortuosity
    from .tortuosity_slabs import tortuosity_in_slabs
    from .tracking import track
    from .triple_lines import triple_phase_length

_LAZY = {
    "Features": ".features",
    "Paganin": ".phase_retrieval",
    "PixelClassifier": ".classifier",
    "align": ".resampling",
    "aperture": ".apertures",
    "aperture_table": ".aperture_tables",
    "check_cost": ".costs",
    "chord_lengths": ".chords",
    "classify_objects": ".object_classes",
    "constrictivity": ".constrictivities",
    "contact_area": ".contacts",
    "contact_loss": ".contact_losses",
    "correlate": ".correlation",
    "cost": ".costs",
    "crack_table": ".crack_tables",
    "denoise": ".denoising",
    "detection_limit": ".detection_limits",
    "displacement_field": ".displacement_fields",
    "distance": ".distances",
    "estimate_blur": ".image_quality",
    "estimate_noise": ".image_quality",
    "feature_stack": ".features",
    "formats": ".formats",
    "fractions": ".phase_fractions",
    "geodesic_distance": ".geodesic",
    "geodesic_tortuosity": ".geodesic",
    "histogram": ".histograms",
    "hysteresis": ".hysteresis_masks",
    "label": ".labels",
    "local_thickness": ".thickness",
    "match_grey": ".grey_matching",
    "nexus_tree": ".nexus_groups",
    "orientation": ".orientations",
    "orientation_distribution": ".direction_statistics",
    "percolates": ".percolation",
    "plate_filter": ".plates",
    "plot": ".plot",
    "read": ".reading",
    "read_series": ".reading",
    "reconstruct": ".reconstruction",
    "regions": ".region_measures",
    "register": ".registration",
    "remove_rings": ".rings",
    "reopen": ".reading",
    "rev": ".representative_volumes",
    "segment": ".phases",
    "segment_cracks": ".cracks",
    "shapes": ".object_shapes",
    "surface_area": ".surface_areas",
    "threshold_local": ".local_thresholds",
    "threshold_mixture": ".grey_mixtures",
    "threshold_multiotsu": ".multi_otsu",
    "tortuosity": ".tortuosity_factors",
    "tortuosity_bracket": ".tortuosity_bounds",
    "tortuosity_coarsened": ".tortuosity_coarsening",
    "tortuosity_in_slabs": ".tortuosity_slabs",
    "track": ".tracking",
    "triple_phase_length": ".triple_lines",
    "two_point_correlation": ".correlation_functions",
    "void_volumes": ".filled_volumes",
    "volume_expansion": ".expansions",
}

__all__ = [
    "Features",
    "Paganin",
    "PixelClassifier",
    "align",
    "aperture",
    "aperture_table",
    "check_cost",
    "chord_lengths",
    "classify_objects",
    "constrictivity",
    "contact_area",
    "contact_loss",
    "correlate",
    "cost",
    "crack_table",
    "denoise",
    "detection_limit",
    "displacement_field",
    "distance",
    "estimate_blur",
    "estimate_noise",
    "feature_stack",
    "formats",
    "fractions",
    "geodesic_distance",
    "geodesic_tortuosity",
    "histogram",
    "hysteresis",
    "label",
    "local_thickness",
    "match_grey",
    "nexus_tree",
    "orientation",
    "orientation_distribution",
    "percolates",
    "plate_filter",
    "plot",
    "read",
    "read_series",
    "reconstruct",
    "regions",
    "register",
    "remove_rings",
    "reopen",
    "rev",
    "segment",
    "segment_cracks",
    "shapes",
    "surface_area",
    "threshold_local",
    "threshold_mixture",
    "threshold_multiotsu",
    "tortuosity",
    "tortuosity_bracket",
    "tortuosity_coarsened",
    "tortuosity_in_slabs",
    "track",
    "triple_phase_length",
    "two_point_correlation",
    "void_volumes",
    "volume_expansion",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LAZY[name], __name__)
    found = module if _LAZY[name] == f".{name}" else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
