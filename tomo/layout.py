"""What the nodes of tomographic volumes hold."""

from __future__ import annotations

from dataclasses import replace

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
        Variable("reconstructed", ("scan",), "", "T", "store of the volume, if it was made of projections", False),
        Variable("rotation_center", ("scan",), "px", "f", "pixel onto which the axis of rotation falls", False),
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
        Variable(
            "flat_after", ("scan", "flat_frame"), "1", "iu", "projections taken before each image of the beam", False
        ),
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
        Variable("object", ("scan", "crack"), "1", "iu", "number of the object in the label image, 0: none", False),
        Variable("volume", ("scan", "crack"), "um^3", "f", "volume of the crack, 0: not there", False),
        Variable("event", ("scan", "crack"), "1", "iu", "what happened since the scan before", False),
    ),
)

_PREVIEW = tuple(f"preview_{axis}" for axis in PLACES)

_AXES = ("scan", "axis")

_FLOW = (
    Variable("tortuosity_factor", _AXES, "1", "f", "tortuosity factor, inf where nothing leads through", False),
    Variable("tortuosity_factor_std", _AXES, "1", "f", "its standard deviation over volumes of the material", False),
    Variable("tortuosity_factor_systematic", _AXES, "1", "f", "its change with thresholds", False),
    Variable("tortuosity_factor_uncertainty", _AXES, "1", "f", "both uncertainties in quadrature", False),
    Variable("tau_lower", _AXES, "1", "f", "lower bound of the tortuosity factor of these voxels", False),
    Variable("effective_diffusivity", _AXES, "1", "f", "effective diffusivity over that of the phase", False),
    Variable("percolating", _AXES, "1", "b", "whether the conducting phases lead through the volume", False),
    Variable("tortuosity_reason", _AXES, "", "T", "why there is no finite tortuosity factor", False),
    Variable("volume_fraction", ("scan",), "1", "f", "volume fraction of all that conducts", False),
)
_TOUCHING = (
    Variable("contact_area", ("scan",), "um^2", "f", "area over which two phases touch", False),
    Variable("surface_area", ("scan",), "um^2", "f", "surface of the first of them toward all others", False),
    Variable("contact_share", ("scan",), "1", "f", "share of that surface that is in contact", False),
    Variable("contact_loss_found", ("scan", "gap"), "1", "f", "share found of contact lost to simulated gaps", False),
    Variable("contact_gap_limit", ("scan",), "um", "f", "width of gaps of whose lost contact half is found", False),
    Variable("gap", ("gap",), "um", "f", "width of the simulated gap", False),
)
_PHASES = ("scan", "phase")
_DIRECTIONS = ("scan", "axis", "phase")
_STRUCTURE = (
    Variable("specific_surface_area", _PHASES, "1/um", "f", "surface of the phase per volume", False),
    Variable("chord_length_mean", _DIRECTIONS, "um", "f", "mean length of straight lines within the phase", False),
    Variable("tau_geodesic", _DIRECTIONS, "1", "f", "length of ways through the phase over straight ones", False),
    Variable("constrictivity", _DIRECTIONS, "1", "f", "square of bottleneck over opening", False),
    Variable("bottleneck_radius", _DIRECTIONS, "um", "f", "radius that half of the phase is reached with", False),
    Variable("opening_radius", _PHASES, "um", "f", "radius of spheres that cover half of the phase", False),
    Variable("two_point", (*_DIRECTIONS, "lag"), "1", "f", "probability that two points lie in the phase", False),
    Variable("lag", ("lag",), "um", "f", "distance of two points", False),
    Variable("representative_size", _PHASES, "um", "f", "edge of a cube that stands for the phase", False),
    Variable("integral_range", _PHASES, "um^3", "f", "volume that counts as one independent sample", False),
    Variable("triple_phase_length", ("scan",), "um", "f", "length of the lines where three phases meet", False),
    Variable("triple_phase_density", ("scan",), "1/um^2", "f", "that length per volume", False),
)

_SINCE_FIRST = (
    Variable("particle", ("particle",), "1", "iu", "number of the particle", False),
    Variable("particle_label", PLACES, "1", "iu", "particle of the voxel in the first scan, 0 outside", False),
    Variable("particle_volume", ("particle",), "um^3", "f", "volume of the particle in the first scan", False),
    Variable("particle_center", ("particle", "axis"), "um", "f", "centroid of the particle in the first scan", False),
    Variable("particle_whole", ("particle",), "1", "b", "whether the particle lies whole within the volume", False),
    Variable("particle_expansion", ("scan", "particle"), "1", "f", "change of volume since the first scan", False),
    Variable("particle_anisotropy", ("scan", "particle"), "1", "f", "largest less smallest principal strain", False),
    Variable("expansion_mean", ("scan",), "1", "f", "change of volume of all whole particles together", False),
    Variable("expansion_spread", ("scan",), "1", "f", "standard deviation of particles beyond their errors", False),
)
_NODES = tuple(f"node_{axis}" for axis in PLACES)
_AT_NODES = (
    *(Variable(name, (name,), "um", "f", f"{name[-1]} of the node", False) for name in _NODES),
    Variable("node_displacement", ("scan", *_NODES, "axis"), "um", "f", "displacement of the material", False),
    Variable("node_strain", ("scan", *_NODES, "axis", "column"), "1", "f", "Green-Lagrange strain", False),
    Variable("node_volume_ratio", ("scan", *_NODES), "1", "f", "volume relative to that before, det F", False),
    Variable("node_residual", ("scan", *_NODES), "", "f", "standard deviation of grey values after the map", False),
    Variable("node_flag", ("scan", *_NODES), "1", "iu", "reasons for doubt of the node", False),
)

PROCESSED = Layout(
    "xtm processed",
    "what the steps of a recipe make of volumes, scan by scan",
    (
        *_PLACES,
        Variable("phase", ("phase",), "", "T", "phase, from the darkest on", False),
        Variable("threshold", ("scan", "boundary"), "", "f", "grey level above which the next phase begins", False),
        Variable("grey_level", ("scan", "phase"), "", "f", "grey level of the phase", False),
        *(replace(one, required=False) for one in METRICS.variables if "phase" in one.dims and one.name != "phase"),
        Variable("phase_label", ("scan", *PLACES), "1", "iu", "phase of the voxel, 0 unknown", False),
        Variable("crack_mask", ("scan", *PLACES), "", "b", "whether the voxel belongs to a crack", False),
        Variable("void_mask", ("scan", *PLACES), "", "b", "whether the voxel is empty, cracks included", False),
        Variable("void_share", ("scan", *PLACES), "1", "f", "share of void of the voxel, 0 away from voids", False),
        Variable("crack_aperture", ("scan", *PLACES), "um", "f", "aperture of the crack, along its normal", False),
        Variable("label", ("scan", *PLACES), "1", "iu", "number of the object in each voxel, 0 outside", False),
        Variable("objects", ("scan",), "1", "iu", "objects of the volume", False),
        Variable("crack_fraction", ("scan",), "1", "f", "volume fraction of cracks", False),
        Variable("void_fraction", ("scan",), "1", "f", "volume fraction of all that is empty, cracks included", False),
        Variable("crack_volume", ("scan",), "um^3", "f", "volume of cracks", False),
        Variable("void_volume", ("scan",), "um^3", "f", "volume of all that is empty, cracks included", False),
        Variable("detection_limit", ("scan",), "um", "f", "aperture at which half of a crack is found", False),
        Variable("crack_found", ("scan", "aperture"), "1", "f", "share found of simulated cracks", False),
        Variable(
            "crack_volume_bias", ("scan", "aperture"), "1", "f", "volume found of them over the true, less 1", False
        ),
        Variable(
            "gap_detection_limit", ("scan",), "um", "f", "width at which half of a gap at a particle is found", False
        ),
        Variable("gap_found", ("scan", "aperture"), "1", "f", "share found of simulated gaps at particles", False),
        Variable(
            "gap_volume_bias", ("scan", "aperture"), "1", "f", "volume found of them over the true, less 1", False
        ),
        Variable("void_volume_unseen", ("scan",), "um^3", "f", "what gaps at particles may hold unseen", False),
        Variable("crack_volume_unseen", ("scan",), "um^3", "f", "what cracks at particles may hold unseen", False),
        Variable("matrix_level", ("scan",), "", "f", "grey level of what cracks run through", False),
        Variable("void_level", ("scan",), "", "f", "grey level of void", False),
        Variable("matrix_level_std", ("scan",), "", "f", "standard uncertainty of the matrix's grey level", False),
        Variable("void_level_std", ("scan",), "", "f", "standard uncertainty of the void's grey level", False),
        *_FLOW,
        *_TOUCHING,
        *_STRUCTURE,
        *_SINCE_FIRST,
        *_AT_NODES,
        Variable("preview", ("scan", *_PREVIEW), "", "f", "grey value, mean over the voxels of a pixel", False),
        Variable("preview_kind", ("scan", *_PREVIEW), "1", "iu", "what fills the pixel", False),
        Variable(
            "preview_label", ("scan", *_PREVIEW), "1", "iu", "number of the object in the pixel, 0 outside", False
        ),
        Variable("translation", ("scan", "axis"), "um", "f", "shift of the sample against the first scan", False),
        Variable("rotation", ("scan", "axis"), "deg", "f", "rotation of the sample against the first scan", False),
        *SERIES,
    ),
)

OBJECTS = Layout(
    "xtm objects",
    "objects of all volumes, one after the other",
    (
        Variable("number", ("object",), "1", "iu", "number of the object in its volume's label"),
        Variable("scan", ("object",), "1", "iu", "scan that the object is in, from 0"),
        Variable("volume", ("object",), "um^3", "f", "volume of the object"),
        Variable("void_volume", ("object",), "um^3", "f", "volume by share of void", False),
        Variable("kind", ("object",), "1", "iu", "kind of void", False),
    ),
)

TRACK = CRACKS
"""What the step ``track`` makes."""
