"""What the nodes of tomographic volumes hold."""

from __future__ import annotations

from operando.schema import SERIES, Layout, Variable

PLACES = ("z", "y", "x")
"""Dims of a volume; their coordinates are the middles of the voxels, um."""

IMAGES = ("grey", "projections", "flat", "dark")
"""What a scan holds of images as measured; they stay in their files unless a recipe says otherwise."""

_PLACES = tuple(Variable(axis, (axis,), "um", "f", f"{axis} of the voxel's middle") for axis in PLACES)

RAW = Layout(
    "xtm raw",
    "reconstructed volumes as measured",
    (
        *_PLACES,
        Variable("grey", ("scan", *PLACES), "", "fiu", "grey value", False),
        Variable("frame_flag", ("scan", "z"), "1", "iu", "reasons for doubt of each slice"),
        Variable("voxel_size", ("scan",), "um", "f", "edge of a voxel"),
        Variable("images", ("scan",), "", "T", "files of the slices beside the source, one a line", False),
        *SERIES,
    ),
    ("format", "metadata", "settings"),
)

PROJECTIONS = Layout(
    "xtm projections",
    "projections as measured, before reconstruction",
    (
        Variable("angle", ("angle",), "deg", "f", "angle of the sample"),
        Variable("projections", ("scan", "angle", "y", "x"), "counts", "fiu", "counts of the camera", False),
        Variable("flat", ("scan", "flat_frame", "y", "x"), "counts", "fiu", "images of the beam alone", False),
        Variable("dark", ("scan", "dark_frame", "y", "x"), "counts", "fiu", "images without light", False),
        Variable("frame_flag", ("scan", "angle"), "1", "iu", "reasons for doubt of each projection"),
        Variable("pixel_size", ("scan",), "um", "f", "edge of a pixel in the sample"),
        *SERIES,
    ),
    ("format", "metadata", "settings"),
)
