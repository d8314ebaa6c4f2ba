"""The one table of steps: what a recipe may ask for, per technique."""

from __future__ import annotations

from . import absorption, damage, exafs, mixtures, preparation
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
        "edge_shift": Step(absorption.edge_shift),
        "white_line": Step(absorption.white_line),
        "branching_ratio": Step(absorption.branching_ratio),
        "correct_self_absorption": Step(mixtures.correct_self_absorption),
        "lcf": Step(mixtures.lcf),
        "depth_profile": Step(mixtures.depth_profile),
        "autobk": Step(exafs.autobk),
        "fourier": Step(exafs.fourier),
        "wavelet": Step(exafs.wavelet),
        "beam_damage": Step(damage.beam_damage),
    }
}

__all__ = ["STEPS", "TECHNIQUES", "Step", "Technique"]
