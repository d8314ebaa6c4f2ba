"""What the nodes of XPEEM image stacks hold."""

from __future__ import annotations

from operando.schema import SERIES, Layout, Variable

ALONG = "energy"

IMAGES = ("counts", "flat", "dark")
"""What a stack holds of images as measured; they stay in their files unless a recipe says otherwise."""

_ENERGY = Variable("energy", ("energy",), "eV", "f", "photon energy")
_FRAMES = (
    Variable("frame_flag", ("scan", "energy"), "1", "iu", "reasons for doubt of each frame"),
    Variable("frame_time", ("scan", "energy"), "", "M", "middle of each frame, UTC", False),
    Variable("pixel_size", ("scan",), "um", "f", "edge of a pixel on the sample", False),
    Variable("images", ("scan",), "", "T", "files of the images beside the source, one a line", False),
)

RAW = Layout(
    "xpeem raw",
    "stacks of images as measured, one frame a photon energy",
    (
        _ENERGY,
        Variable("counts", ("scan", "energy", "y", "x"), "counts", "fiu", "counts of the camera", False),
        Variable("flat", ("scan", "y", "x"), "counts", "fiu", "image of an even illumination", False),
        Variable("dark", ("scan", "y", "x"), "counts", "fiu", "image without light", False),
        Variable("i0", ("scan", "energy"), "", "f", "incoming intensity", False),
        *_FRAMES,
        *SERIES,
    ),
    ("format", "metadata", "settings"),
)
