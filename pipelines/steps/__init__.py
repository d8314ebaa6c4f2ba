"""The one table of steps: what a recipe may ask for, per technique."""

from __future__ import annotations

from . import (
    absorption,
    components,
    cracks,
    damage,
    depth,
    exafs,
    images,
    mixtures,
    photoemission,
    preparation,
    previews,
    repeats,
    surfaces,
    volumes,
)
from .step import Step, Technique

TECHNIQUES: dict[str, Technique] = {
    "xas": Technique("xas", "energy", "operando.xas"),
    "xpeem": Technique("xpeem", "energy", "operando.xas.xpeem", ("counts", "flat", "dark", *images.ALIGNED), "xas"),
    "xps": Technique("xps", "binding_energy", "operando.xps"),
    "xtm": Technique("xtm", "z", "operando.tomo", ("grey", "projections", "flat", "dark")),
}

STEPS: dict[str, dict[str, Step]] = {
    "xas": {
        "merge_detectors": Step(preparation.merge_detectors),
        "quality": Step(preparation.quality),
        "subtract_offset": Step(preparation.subtract_offset),
        "deglitch": Step(preparation.deglitch),
        "align": Step(preparation.align),
        "rebin": Step(preparation.rebin),
        "normalize": Step(absorption.normalize),
        "mback": Step(absorption.mback),
        "edge_energy": Step(absorption.edge_energy),
        "edge_shift": Step(absorption.edge_shift),
        "white_line": Step(absorption.white_line),
        "branching_ratio": Step(absorption.branching_ratio),
        "probing_depth": Step(depth.probing_depth),
        "correct_tey_saturation": Step(depth.correct_tey_saturation),
        "correct_self_absorption": Step(depth.correct_self_absorption),
        "lcf": Step(mixtures.lcf),
        "depth_profile": Step(depth.depth_profile),
        "autobk": Step(exafs.autobk),
        "fourier": Step(exafs.fourier),
        "wavelet": Step(exafs.wavelet),
        "fit_shells": Step(exafs.fit_shells),
        "merge": Step(repeats.merge),
        "pca": Step(components.pca),
        "mcr_als": Step(components.mcr_als),
        "beam_damage": Step(damage.beam_damage),
    },
    "xpeem": {
        "correct": Step(images.correct),
        "drift": Step(images.drift),
        "align": Step(images.align),
        "regions": Step(images.regions),
        "spectra": Step(images.spectra),
        "normalize": Step(images.normalize),
        "edge_energy": Step(absorption.edge_energy),
        "lcf": Step(mixtures.lcf),
        "maps": Step(images.maps),
        "fraction_maps": Step(images.fraction_maps),
        "clusters": Step(images.clusters),
        "component_maps": Step(images.component_maps),
    },
    "xps": {
        "deglitch": Step(photoemission.deglitch),
        "fit": Step(photoemission.fit),
        "fit_global": Step(photoemission.fit_global, after="fit", tried=True),
        "charge_reference": Step(photoemission.charge_reference, after="fit"),
        "quantify": Step(surfaces.quantify, after="fit"),
        "overlayer_thickness": Step(surfaces.overlayer_thickness, after="fit"),
        "layer_thicknesses": Step(surfaces.layer_thicknesses, after="fit"),
        "rigid_shift": Step(photoemission.rigid_shift, after="fit"),
        "shift_trend": Step(photoemission.shift_trend, after="fit"),
    },
    "xtm": {
        "denoise": Step(volumes.denoise),
        "remove_rings": Step(volumes.remove_rings),
        "match_grey": Step(volumes.match_grey),
        "register": Step(volumes.register),
        "align": Step(volumes.align, after="register"),
        "segment": Step(volumes.segment),
        "fractions": Step(volumes.fractions, after="segment"),
        "cracks": Step(cracks.cracks),
        "label": Step(cracks.label),
        "preview": Step(previews.preview),
        "objects": Step(cracks.objects, after="label"),
        "track": Step(cracks.track, after="label"),
    },
}

__all__ = ["STEPS", "TECHNIQUES", "Step", "Technique"]
