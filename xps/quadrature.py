"""Gauss-Legendre nodes and weights of the panels that line shapes are integrated over."""

from __future__ import annotations

import numpy as np

NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
