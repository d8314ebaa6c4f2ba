"""The one table of steps: what a recipe may ask for, per technique."""

from __future__ import annotations

from . import absorption, exafs, mixtures, preparation
from .step import Step, Technique

TECHNIQUES: dict[str, Technique] = {"xas": Technique("xas", "energy", "operando.xas")}

STEPS: dict[str, dict[str, Step]] = {
    "xas": {
        "merge_detectors": Step(preparation.merge_detectors),
        "quality": Step(preparation.quality),
        "subtract_offset": Step(preparation.subtract_offset),
        "deglitch": Step(preparation.deglitch),
        "align": Step(preparation.align),
        "rebin": Step(preparation.rebin),
        "normalize": Step(absorption.normalize),
        "edge_energy": Step(absorption.edge_energy),
        "correct_self_absorption": Step(mixtures.correct_self_absorption),
        "lcf": Step(mixtures.lcf),
        "depth_profile": Step(mixtures.depth_profile),
        "autobk": Step(exafs.autobk),
        "fourier": Step(exafs.fourier),
        "wavelet": Step(exafs.wavelet),
    }
}

__all__ = ["STEPS", "TECHNIQUES", "Step", "Technique"]
