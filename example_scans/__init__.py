"""A simulated beamtime whose every number is known, for demonstrations and tests of the whole chain.

``simulate`` writes a folder of files as instruments would; ``score`` compares what an evaluation of
that folder found with the truth. It shares no code with the estimators.
"""

from __future__ import annotations

from .folder import SEED, simulate
from .score import not_yet, score
from .score_rows import Row

__all__ = ["SEED", "Row", "not_yet", "score", "simulate"]
