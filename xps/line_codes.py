"""The numbers by which kernels know line shapes, and the rows that they fill; light enough for any import."""

from __future__ import annotations

GL_SUM, GL_PRODUCT, VOIGT, DONIACH_SUNJIC, LA, LF = range(6)
ROWS = 14
"""Rows that a line fills: seven of the line, seven of its cumulative."""
TOTAL = 7
"""First row of the cumulative."""
SHAPE_PARAMETERS = 4
"""Most shape parameters that a line has."""
