"""What the nodes of XPEEM image stacks hold."""

from __future__ import annotations

from operando.schema import LINKED, SERIES, Layout, Variable
from operando.xas.layout import PROCESSED as SPECTRA

ALONG = "energy"

IMAGES = ("counts", "flat", "dark")
"""What a stack holds of images as measured; they stay in their files unless a recipe says otherwise."""

EVERYWHERE = ("image", "edge_step", "cluster", "component")
"""Maps that say something of every pixel; others are noise where there is no edge, outside of the regions."""

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


_REGION = "region"


def _of_regions(variable: Variable) -> Variable:
    """Return a variable of absorption spectra as one of the spectra of regions."""
    dims = (*variable.dims[:1], _REGION, *variable.dims[1:])
    return Variable(variable.name, dims, variable.units, variable.kind, variable.meaning, required=False)


def _of_pixels(variable: Variable) -> Variable:
    """Return a variable of absorption spectra as a map of every pixel."""
    dims = (*variable.dims[:1], "y", "x", *variable.dims[1:])
    return Variable(f"map_{variable.name}", dims, variable.units, variable.kind, variable.meaning, required=False)


_MAPPED = ("edge_step", "edge_energy", "edge_energy_std", "fraction", "fraction_std", "scale", "scale_std", "r_factor")
_SHARED = (
    *_MAPPED,
    "normalized",
    "flattened",
    "pre_edge",
    "post_edge",
    "fraction_covariance",
    "energy_shift",
    "energy_shift_std",
)

PROCESSED = Layout(
    "xpeem processed",
    "where the image lay in every frame, and the spectra of regions",
    (
        _ENERGY,
        Variable("drift_y", ("scan", "energy"), "px", "f", "displacement of the image to higher y", False),
        Variable("drift_x", ("scan", "energy"), "px", "f", "displacement of the image to higher x", False),
        Variable("drift_y_std", ("scan", "energy"), "px", "f", "standard uncertainty of the displacement", False),
        Variable("drift_x_std", ("scan", "energy"), "px", "f", "standard uncertainty of the displacement", False),
        Variable("drift_quality", ("scan", "energy"), "1", "f", "share of the pattern the other frames explain", False),
        Variable("i0_noise", ("scan", "energy"), "1", "f", "relative standard uncertainty of I0", False),
        Variable("aligned", ("scan", "energy", "y", "x"), "", "f", "corrected frames, moved to one place", False),
        Variable("aligned_std", ("scan", "energy", "y", "x"), "", "f", "their noise", False),
        Variable("image", ("scan", "y", "x"), "", "f", "mean of the frames of the stack", False),
        Variable("image_frames", ("scan", "y", "x"), "1", "iu", "frames that show the pixel", False),
        Variable("region_label", ("y", "x"), "1", "iu", "number of the region, 0 outside", False),
        Variable("region", ("region",), "1", "iu", "number of the region", False),
        Variable("region_area", ("region",), "px", "iu", "pixels of the region", False),
        Variable("region_y", ("region",), "px", "f", "center of the region in y", False),
        Variable("region_x", ("region",), "px", "f", "center of the region in x", False),
        Variable("mu", ("scan", "region", "energy"), "", "f", "mean intensity of the region", False),
        Variable("mu_std", ("scan", "region", "energy"), "", "f", "standard uncertainty of the mean", False),
        Variable(
            "mu_common_std", ("scan", "region", "energy"), "", "f", "uncertainty that regions share: of I0", False
        ),
        Variable("pixels", ("scan", "region"), "1", "iu", "pixels of the region that are known in all frames", False),
        *(_of_regions(variable) for variable in SPECTRA.variables if variable.name in _SHARED),
        Variable("cluster", ("cluster",), "1", "iu", "kind of pixels, the most frequent first", False),
        Variable("map_cluster", ("scan", "y", "x"), "1", "f", "kind of the pixel", False),
        Variable("cluster_spectrum", ("scan", "cluster", "energy"), "", "f", "mean spectrum of the kind", False),
        Variable("cluster_pixels", ("scan", "cluster"), "1", "iu", "pixels of the kind", False),
        Variable("map_component", ("scan", "component", "y", "x"), "1", "f", "score of the pixel's spectrum", False),
        Variable("component_spectrum", ("scan", "component", "energy"), "1", "f", "principal component", False),
        Variable("component_variance", ("scan", "component"), "1", "f", "share of the variance it explains", False),
        *(_of_pixels(variable) for variable in SPECTRA.variables if variable.name in _MAPPED),
        *_FRAMES,
        *SERIES,
        *LINKED,
    ),
)
