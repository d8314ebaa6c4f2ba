"""What the nodes of tomographic volumes hold."""

from __future__ import annotations

from operando.schema import LINKED, SERIES, Layout, Variable

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

METRICS = Layout(
    "xtm metrics",
    "what volumes consist of",
    (
        Variable("phase", ("phase",), "", "T", "phase"),
        Variable("fraction", ("scan", "phase"), "1", "f", "volume fraction of the phase"),
        Variable("fraction_std", ("scan", "phase"), "1", "f", "its standard deviation over volumes of the material"),
        Variable("fraction_systematic", ("scan", "phase"), "1", "f", "change with thresholds or levels", False),
        Variable("fraction_uncertainty", ("scan", "phase"), "1", "f", "both uncertainties in quadrature", False),
        Variable("volume", ("scan", "phase"), "um^3", "f", "volume of the phase in the voxels that count", False),
        Variable("volume_std", ("scan", "phase"), "um^3", "f", "its standard deviation over volumes", False),
        Variable("volume_systematic", ("scan", "phase"), "um^3", "f", "change with thresholds or levels", False),
        Variable("volume_uncertainty", ("scan", "phase"), "um^3", "f", "both uncertainties in quadrature", False),
        Variable("threshold", ("scan", "boundary"), "", "f", "grey level above which the next phase begins", False),
        Variable("grey_level", ("scan", "phase"), "", "f", "grey level of the phase", False),
        Variable("voxels", ("scan",), "1", "iu", "voxels that count", False),
        *SERIES,
        *LINKED,
    ),
)

CRACKS = Layout(
    "xtm cracks",
    "cracks followed through the series",
    (
        Variable("crack", ("crack",), "1", "iu", "number of the crack's track"),
        Variable("first_scan", ("crack",), "1", "iu", "first scan that shows the crack, from 0"),
        Variable("last_scan", ("crack",), "1", "iu", "last scan that shows the crack, from 0"),
        Variable("time_birth", ("crack",), "", "M", "first scan that shows the crack, UTC", False),
        Variable("time_unseen", ("crack",), "", "M", "scan before, which does not show it, UTC", False),
        Variable("time_last", ("crack",), "", "M", "last scan that shows the crack, UTC", False),
        Variable("parent", ("crack",), "1", "iu", "crack it split from, 0: none"),
        Variable("merged_into", ("crack",), "1", "iu", "crack it merged into, 0: none"),
        Variable("volume_first", ("crack",), "um^3", "f", "volume in the first scan that shows the crack"),
        Variable("volume_last", ("crack",), "um^3", "f", "volume in the last scan that shows the crack"),
        Variable("volume_max", ("crack",), "um^3", "f", "largest volume of the crack"),
        Variable("volume", ("scan", "crack"), "um^3", "f", "volume of the crack, 0: not there", False),
        Variable("event", ("scan", "crack"), "1", "iu", "what happened since the scan before", False),
    ),
)
