"""What the nodes of photoemission spectra hold."""

from __future__ import annotations

from operando.schema import SERIES, Layout, Variable

ALONG = "binding_energy"

MEASURED = {
    "counts": ("count", "electrons counted, over all sweeps"),
    "rate": ("count/s", "electrons counted per time, where the file does not tell how long"),
    "intensity": ("1", "intensity on the file's own scale"),
}
"""What was measured: one of these, the first that the file allows. Poisson weights need ``counts``."""

CONDITIONS = {
    "photon_energy": ("eV", "photon energy"),
    "dwell": ("s", "time counted per point and sweep"),
    "sweeps": ("1", "sweeps summed"),
    "pass_energy": ("eV", "pass energy"),
    "work_function": ("eV", "work function of the analyser as the file states it; not subtracted again"),
    "emission_angle": ("deg", "angle between the surface's normal and the analyser's axis"),
}
"""Numbers that a scan may have."""

_ENERGY = Variable(ALONG, (ALONG,), "eV", "f", "binding energy")

RAW = Layout(
    "xps raw",
    "photoemission scans of one region as measured",
    (
        _ENERGY,
        *(Variable(name, ("scan", ALONG), unit, "f", text, False) for name, (unit, text) in MEASURED.items()),
        Variable(
            "transmission", ("scan", ALONG), "1", "f", "transmission of the analyser, on a scale of its own", False
        ),
        *(Variable(name, ("scan",), unit, "f", text, False) for name, (unit, text) in CONDITIONS.items()),
        *SERIES,
    ),
    ("format", "metadata", "region"),
)

FITTED = {
    "area": ("", "area of the line, both of a doublet"),
    "position": ("eV", "binding energy of the line's maximum, of a doublet's first line"),
    "fwhm": ("eV", "full width of the line at half maximum"),
    "fwhm_2": ("eV", "full width of a doublet's second line at half maximum"),
    "fraction": ("1", "share of the area of all lines"),
}
"""What a fit tells of each line, beside the parameters of its shape; units of areas are those measured times eV."""

FIT = Layout(
    "xps fit",
    "lines and background fitted to photoemission spectra",
    (
        *(Variable(name, ("scan", "peak"), unit, "f", text, name != "fwhm_2") for name, (unit, text) in FITTED.items()),
        *(
            Variable(f"{name}_std", ("scan", "peak"), unit, "f", f"standard uncertainty of {name}", name != "fwhm_2")
            for name, (unit, _) in FITTED.items()
        ),
        Variable("value", ("scan", "parameter"), "", "f", "free parameters of the model, each in its own unit"),
        Variable("value_std", ("scan", "parameter"), "", "f", "standard uncertainty of the free parameters"),
        Variable(
            "covariance",
            ("scan", "parameter", "parameter_2"),
            "",
            "f",
            "covariance of the free parameters, their units",
        ),
        Variable("reduced_chi_square", ("scan",), "", "f", "squares left per degree of freedom (Pearson's)"),
        Variable("runs", ("scan",), "1", "f", "runs of equal sign in the residual, in standard deviations from noise"),
        Variable("fitted", ("scan", ALONG), "", "f", "the model at its best", False),
        Variable("background", ("scan", ALONG), "", "f", "background under the lines", False),
        Variable("residual", ("scan", ALONG), "", "f", "what the model leaves of the spectrum", False),
        Variable("line", ("scan", "peak", ALONG), "", "f", "each line without background", False),
        *SERIES,
    ),
    ("model",),
)
