"""What the nodes of absorption spectra hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operando.errors import OperandoError
from operando.schema import LINKED, SERIES, Layout, Variable

if TYPE_CHECKING:
    import xarray as xr

ALONG = "energy"

DETECTORS = {
    "i0": "incoming intensity",
    "mu": "absorption as in the file",
    "tey": "total electron yield",
    "tfy": "total fluorescence yield",
    "pfy": "partial fluorescence yield",
    "pey": "partial or Auger electron yield",
    "transmission": "intensity behind the sample",
    "reference": "intensity behind the reference, or its absorption as in the file",
    "fluorescence": "fluorescence of the detector's channels",
}
"""The measured quantities a scan may have; their units are those of the file."""

COUNTING = {
    "icr": "counts that came into the detector's channels, or their rate",
    "ocr": "counts that the detector's channels put out, or their rate",
    "dead_time_factor": "factor by which the detector's channels count too little",
    "count_time": "time for which a point was counted",
}
"""What a scan may have to tell about its counting; no signals."""

_ENERGY = Variable("energy", ("energy",), "eV", "f", "photon energy")

RAW = Layout(
    "xas raw",
    "absorption scans as measured",
    (
        _ENERGY,
        *(Variable(name, ("scan", "energy"), "", "f", text, False) for name, text in {**DETECTORS, **COUNTING}.items()),
        *SERIES,
    ),
    ("format", "metadata"),
)

PROCESSED = Layout(
    "xas processed",
    "absorption spectra on a common scale",
    (
        _ENERGY,
        Variable("normalized", ("scan", "energy"), "1", "f", "normalized absorption, edge step 1"),
        Variable("flattened", ("scan", "energy"), "1", "f", "normalized absorption, post-edge made flat", False),
        Variable("pre_edge", ("scan", "energy"), "", "f", "line through the pre-edge"),
        Variable("post_edge", ("scan", "energy"), "", "f", "polynomial through the post-edge", False),
        Variable("e0", ("scan",), "eV", "f", "energy of the steepest rise, a grid energy"),
        Variable("edge_step", ("scan",), "", "f", "rise of the absorption at e0"),
        Variable(
            "fit_covariance",
            ("scan", "fitted", "other_fitted"),
            "1",
            "f",
            "covariance of pre-edge and edge step per variance of a pre-edge point",
            False,
        ),
        Variable("post_edge_gain", ("scan",), "1", "f", "noise of half height per noise of a post-edge point", False),
        Variable("f2", ("energy",), "1", "f", "tabulated f'' of the absorber, electrons", False),
        Variable("f2_matched", ("scan", "energy"), "1", "f", "absorption on the scale of f'', electrons", False),
        Variable("f2_scale", ("scan",), "", "f", "electrons of f'' per unit of the absorption", False),
        Variable("edge_energy", ("scan",), "eV", "f", "edge energy, between the grid points", False),
        Variable("edge_energy_std", ("scan",), "eV", "f", "standard uncertainty of the edge energy from noise", False),
        Variable("tey_escape_depth", ("energy",), "nm", "f", "depth from which tey decays to 1/e", False),
        Variable("tey_information_depth", ("energy",), "nm", "f", "depth above which 95 % of tey comes from", False),
        Variable("tfy_escape_depth", ("energy",), "nm", "f", "depth from which tfy decays to 1/e", False),
        Variable("tfy_information_depth", ("energy",), "nm", "f", "depth above which 95 % of tfy comes from", False),
        Variable("white_line_energy", ("scan",), "eV", "f", "white line energy, between the grid points", False),
        Variable("white_line_energy_std", ("scan",), "eV", "f", "standard uncertainty of its energy", False),
        Variable("white_line_height", ("scan",), "1", "f", "white line height, in edge steps", False),
        Variable("white_line_height_std", ("scan",), "1", "f", "standard uncertainty of its height", False),
        Variable("white_line_area", ("scan",), "eV", "f", "white line area, above the edge step", False),
        Variable("white_line_area_std", ("scan",), "eV", "f", "standard uncertainty of its area", False),
        Variable("white_line_fwhm", ("scan",), "eV", "f", "white line width, full at half maximum", False),
        Variable("white_line_fwhm_std", ("scan",), "eV", "f", "standard uncertainty of its width", False),
        Variable(
            "branching_ratio", ("scan",), "1", "f", "branching ratio, area of the first white line over both", False
        ),
        Variable("branching_ratio_std", ("scan",), "1", "f", "standard uncertainty of the branching ratio", False),
        Variable("k", ("k",), "1/angstrom", "f", "wave number of the photoelectron", False),
        Variable("chi", ("scan", "k"), "1", "f", "EXAFS: oscillation of the absorption per edge step", False),
        Variable("background", ("scan", "energy"), "", "f", "absorption without its oscillations", False),
        Variable("r", ("r",), "angstrom", "f", "distance, not corrected for the phase shift", False),
        Variable("chi_r_real", ("scan", "r"), "", "f", "real part of the Fourier transform of k^w chi", False),
        Variable("chi_r_imag", ("scan", "r"), "", "f", "imaginary part of the Fourier transform of k^w chi", False),
        Variable("chi_r_magnitude", ("scan", "r"), "", "f", "magnitude of the Fourier transform of k^w chi", False),
        Variable("q", ("q",), "1/angstrom", "f", "wave number after filtering", False),
        Variable("chi_q_real", ("scan", "q"), "", "f", "real part of the filtered k^w chi", False),
        Variable("chi_q_imag", ("scan", "q"), "", "f", "imaginary part of the filtered k^w chi", False),
        Variable("chi_q_magnitude", ("scan", "q"), "", "f", "magnitude of the filtered k^w chi", False),
        Variable("wavelet_r", ("wavelet_r",), "angstrom", "f", "distance, not corrected for the phase shift", False),
        Variable(
            "wavelet_real", ("scan", "wavelet_r", "k"), "", "f", "real part of the Cauchy wavelet transform", False
        ),
        Variable(
            "wavelet_imag", ("scan", "wavelet_r", "k"), "", "f", "imaginary part of the Cauchy wavelet transform", False
        ),
        Variable("wavelet_magnitude", ("scan", "wavelet_r", "k"), "", "f", "magnitude of the wavelet transform", False),
        Variable("fraction", ("scan", "reference"), "1", "f", "share of a reference", False),
        Variable("fraction_std", ("scan", "reference"), "1", "f", "standard uncertainty of the share", False),
        Variable(
            "fraction_covariance", ("scan", "reference", "other_reference"), "1", "f", "covariance of the shares", False
        ),
        Variable("scale", ("scan",), "1", "f", "height of the spectrum in edge steps of the references", False),
        Variable("scale_std", ("scan",), "1", "f", "standard uncertainty of the height", False),
        Variable("energy_shift", ("scan",), "eV", "f", "shift of the energies", False),
        Variable("energy_shift_std", ("scan",), "eV", "f", "standard uncertainty of the shift", False),
        Variable("layer_thickness", ("scan",), "nm", "f", "thickness of the surface layer", False),
        Variable("layer_thickness_std", ("scan",), "nm", "f", "standard uncertainty of the thickness", False),
        Variable("layer_thickness_systematic", ("scan",), "nm", "f", "its uncertainty from the escape depth", False),
        Variable("surface", ("scan",), "1", "f", "fraction in the surface layer", False),
        Variable("surface_std", ("scan",), "1", "f", "standard uncertainty of the fraction in the layer", False),
        Variable("surface_systematic", ("scan",), "1", "f", "its uncertainty from the escape depth", False),
        Variable("bulk", ("scan",), "1", "f", "fraction below the surface layer", False),
        Variable("bulk_std", ("scan",), "1", "f", "standard uncertainty of the fraction below the layer", False),
        Variable("bulk_systematic", ("scan",), "1", "f", "its uncertainty from the escape depth", False),
        Variable("surface_bulk_covariance", ("scan",), "1", "f", "covariance of layer and bulk", False),
        Variable(
            "layer_thickness_surface_covariance", ("scan",), "nm", "f", "covariance of thickness and layer", False
        ),
        Variable("layer_thickness_bulk_covariance", ("scan",), "nm", "f", "covariance of thickness and bulk", False),
        Variable("condition_number", ("scan",), "1", "f", "condition number of layer and bulk in two yields", False),
        Variable("r_factor", ("scan",), "1", "f", "sum of squares left by the fit over that of the data", False),
        Variable("residual", ("scan", "energy"), "1", "f", "normalized absorption minus the fit", False),
        Variable(
            "detectors_used", ("scan", "detector"), "1", "f", "1 for the channels that count in the sum, else 0", False
        ),
        Variable(
            "doubtful_points", ("scan",), "1", "f", "points in doubt, those missing at the ends not counted", False
        ),
        Variable("doubt_start", ("scan",), "eV", "f", "first energy in doubt", False),
        Variable("doubt_end", ("scan",), "eV", "f", "last energy in doubt", False),
        Variable("beam_step", ("scan",), "1", "f", "largest lasting step of I0, relative to I0 before it", False),
        Variable("beam_step_energy", ("scan",), "eV", "f", "first energy behind the largest step of I0", False),
        *SERIES,
        *LINKED,
    ),
)

MERGE = Layout(
    "xas merge",
    "repeated spectra put together",
    (
        *PROCESSED.variables,
        Variable("repeats", ("scan",), "1", "f", "scans that were merged"),
        Variable("outliers", ("scan",), "1", "f", "repeats that stand out"),
    ),
)

PCA = Layout(
    "xas pca",
    "principal components of a series of absorption spectra",
    (
        _ENERGY,
        Variable("component", ("component",), "1", "iu", "number of the component"),
        Variable("components", ("component", "energy"), "1", "f", "principal component"),
        Variable("score", ("scan", "component"), "1", "f", "how much of the component a spectrum holds"),
        Variable("mean", ("energy",), "1", "f", "mean of the spectra", False),
        Variable("singular_value", ("component",), "1", "f", "singular value"),
        Variable("explained_variance", ("component",), "1", "f", "part of the squares that the component explains"),
        Variable("real_error", ("component",), "1", "f", "standard deviation of what so many components leave"),
        Variable("imbedded_error", ("component",), "1", "f", "part of the error that stays within the components"),
        Variable("indicator", ("component",), "1", "f", "Malinowski's indicator function of so many components"),
        Variable("f_ratio", ("component",), "1", "f", "variance of the component over that of those after it"),
        Variable("significance", ("component",), "1", "f", "probability of a larger ratio by noise alone"),
        Variable("significant", (), "1", "iu", "number of significant components"),
        Variable("noise_singular_value", (), "1", "f", "largest singular value that noise gives"),
        *SERIES,
        *LINKED,
    ),
)

MCR_ALS = Layout(
    "xas mcr_als",
    "pure spectra found in a series of absorption spectra, and their shares",
    (
        _ENERGY,
        Variable("component", ("component",), "", "T", "name of the component"),
        Variable("spectrum", ("component", "energy"), "1", "f", "spectrum of the component"),
        Variable("spectrum_lower", ("component", "energy"), "1", "f", "lower end of its rotational ambiguity", False),
        Variable("spectrum_upper", ("component", "energy"), "1", "f", "upper end of its rotational ambiguity", False),
        Variable("fraction", ("scan", "component"), "1", "f", "share of the component"),
        Variable("fraction_std", ("scan", "component"), "1", "f", "its standard uncertainty if the spectra are right"),
        Variable("fraction_lower", ("scan", "component"), "1", "f", "lower end of its rotational ambiguity", False),
        Variable("fraction_upper", ("scan", "component"), "1", "f", "upper end of its rotational ambiguity", False),
        Variable("r_factor", ("scan",), "1", "f", "sum of squares left by the fit over that of the data"),
        Variable("residual", ("scan", "energy"), "1", "f", "normalized absorption minus the fit", False),
        Variable("lack_of_fit", (), "1", "f", "root of the squares left over all squares"),
        Variable("explained_variance", (), "1", "f", "part of the squares that the components explain"),
        Variable("iterations", (), "1", "iu", "iterations taken"),
        Variable("converged", (), "1", "iu", "1 if the iteration converged"),
        *SERIES,
        *LINKED,
    ),
)

BEAM_DAMAGE = Layout(
    "xas beam damage",
    "how a number changes with dose in runs of scans of one state",
    (
        Variable("rate", ("run",), "", "f", "change with dose, at the start"),
        Variable("rate_std", ("run",), "", "f", "standard uncertainty of the change"),
        Variable("initial", ("run",), "", "f", "number at no dose"),
        Variable("initial_std", ("run",), "", "f", "standard uncertainty of the number at no dose"),
        Variable("dose_constant", ("run",), "", "f", "dose within which 63 % of the change is done, NaN of a line"),
        Variable("dose_constant_std", ("run",), "", "f", "standard uncertainty of that dose"),
        Variable("reduced_chi_square", ("run",), "1", "f", "sum of squares over uncertainties, per degree of freedom"),
        Variable("p_value", ("run",), "1", "f", "probability of a change this large by noise alone"),
        Variable("significance", ("run",), "1", "f", "standard deviations of a normal distribution that are as rare"),
        Variable("scans", ("run",), "1", "f", "scans that count"),
        Variable("first_scan", ("run",), "1", "f", "first scan of the run"),
        Variable("last_scan", ("run",), "1", "f", "last scan of the run"),
        Variable("run_potential", ("run",), "V", "f", "mean potential of the run vs Li+/Li", False),
        Variable("run_of_scan", ("scan",), "1", "f", "run that the scan is in, -1 in none"),
    ),
)


def along_energy(spectra: xr.DataArray, step: str) -> xr.DataArray:
    """Return spectra whose energies are one axis in eV and, if lazy, one chunk.

    Raises
    ------
    OperandoError
        If the axis or its coordinate is missing or in another unit.
    """
    if ALONG not in spectra.dims or ALONG not in spectra.coords:
        raise OperandoError(f"{step}: expected a dim 'energy' with its energies, got dims {tuple(spectra.dims)}")
    units = spectra[ALONG].attrs.get("units", "eV")
    if units != "eV":
        raise OperandoError(f"{step}: expected energies in eV, got {units!r}; convert them first")
    return spectra.chunk({ALONG: -1}) if spectra.chunks else spectra
