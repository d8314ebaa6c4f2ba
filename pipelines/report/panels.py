"""The one table of panels: a technique's panel joins the report by a line here."""

from __future__ import annotations

from . import (
    clock_figure,
    components,
    cycling,
    damage,
    depth_figure,
    exafs,
    fits,
    hysteresis_figure,
    lag_figure,
    mixtures,
    numbers,
    spectra,
    stacks,
    tables,
    timeline,
    volumes,
)
from .parts import Panel
from .trends import Trend, Trends

EDGE = Trend("edge_energy", "edge energy")
WHITE_LINE = Trends(
    (
        Trend("white_line_energy", "white line energy"),
        Trend("white_line_height", "white line height"),
        Trend("white_line_area", "white line area"),
    )
)
BRANCHING = Trend("branching_ratio", "branching ratio")
LAYER = Trend("layer_thickness", "thickness of the surface layer")

PANELS: tuple[Panel, ...] = (
    Panel("Timeline", timeline.wants, timeline.draw),
    Panel("Electrochemistry", cycling.wants, cycling.draw),
    Panel("Spectra", spectra.wants, spectra.draw),
    Panel("Edge energy", EDGE.wants, EDGE.draw),
    Panel("Lag", lag_figure.wants, lag_figure.draw),
    Panel("Hysteresis", hysteresis_figure.wants, hysteresis_figure.draw),
    Panel("White line", WHITE_LINE.wants, WHITE_LINE.draw),
    Panel("Branching ratio", BRANCHING.wants, BRANCHING.draw),
    Panel("Beam damage", damage.wants, damage.draw),
    Panel("Composition", mixtures.wants, mixtures.draw),
    Panel("Components", components.wants, components.draw),
    Panel("Depth", LAYER.wants, LAYER.draw),
    Panel("Depth profile", depth_figure.wants, depth_figure.draw),
    Panel("Fits", fits.wants, fits.draw),
    Panel("Oscillations", exafs.wants, exafs.draw),
    Panel("Images", stacks.wants, stacks.draw),
    Panel("Volumes", volumes.wants, volumes.draw),
    Panel("Clocks", clock_figure.wants, clock_figure.draw),
    Panel("Cell", tables.wants_cell, tables.draw_cell),
    Panel("Flagged scans", tables.wants_flags, tables.draw_flags),
    Panel("Files that could not be read, steps that could not be taken", tables.wants_failed, tables.draw_failed),
    Panel("Tables to copy", numbers.wants, numbers.draw),
)
"""The report's sections, in their order; those that the experiment has nothing for are left out."""
