"""The one table of steps: what a recipe may ask for, per technique."""

from __future__ import annotations

from . import absorption, components, exafs, mixtures, preparation
from .step import Step, Technique

TECHNIQUES: dict[str, Technique] = {"xas": Technique("xas", "energy", "operando.xas")}

STEPS: dict[str, dict[str, Step]] = {
    "xas": {
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
        "pca": Step(components.pca),
        "mcr_als": Step(components.mcr_als),
    }
}

__all__ = ["STEPS", "TECHNIQUES", "Step", "Technique"]
