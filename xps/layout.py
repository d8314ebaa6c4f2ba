"""What the nodes of photoemission spectra hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operando.schema import SERIES, Layout, Variable
from operando.units import with_units

if TYPE_CHECKING:
    import xarray as xr

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

SPUTTER_TIME = Variable("sputter_time", ("scan",), "s", "f", "time sputtered before the scan", False)
"""Coordinate of depth profiles."""

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
        SPUTTER_TIME,
        *SERIES,
    ),
    ("format", "metadata", "region"),
)

QUANTITIES = Layout(
    "xps quantities",
    "atomic fractions from the areas of core levels",
    (
        Variable("atomic_fraction", ("level",), "1", "f", "share of the element among the atoms"),
        Variable("atomic_fraction_std", ("level",), "1", "f", "standard uncertainty of the share from the areas"),
        Variable(
            "atomic_fraction_systematic",
            ("level",),
            "1",
            "f",
            "uncertainty of the share from cross sections, mean free paths and transmission, the same in all scans",
        ),
        Variable(
            "atomic_fraction_covariance", ("level", "other_level"), "1", "f", "covariance of the shares from the areas"
        ),
        Variable("level", ("level",), "", "T", "core level"),
        Variable("element", ("level",), "", "T", "element"),
    ),
)

OVERLAYERS = Layout(
    "xps overlayers",
    "thicknesses of thin layers",
    (
        Variable("thickness", (), "nm", "f", "thickness of the layer"),
        Variable("thickness_std", (), "nm", "f", "standard uncertainty of the thickness from the areas"),
        Variable(
            "thickness_systematic",
            (),
            "nm",
            "f",
            "uncertainty of the thickness from attenuation lengths and the reference ratio, the same in all scans",
        ),
    ),
)

RIGID_SHIFT = Layout(
    "xps shifts",
    "rigid shifts of phases and what single lines depart from them",
    (
        Variable("shift", ("scan", "phase"), "eV", "f", "shift of the binding energies of the phase"),
        Variable("shift_std", ("scan", "phase"), "eV", "f", "standard uncertainty of the shift"),
        Variable(
            "shift_covariance",
            ("scan", "phase", "other_scan", "other_phase"),
            "eV^2",
            "f",
            "covariance of the shifts between all scans and phases",
            False,
        ),
        Variable("charging", ("scan",), "eV", "f", "charging shift, from the lines of the electrode", False),
        Variable("charging_std", ("scan",), "eV", "f", "standard uncertainty of the charging shift", False),
        Variable("line_energy", ("line",), "eV", "f", "binding energy of the line where the shift is zero"),
        Variable("line_energy_std", ("line",), "eV", "f", "standard uncertainty of the line's binding energy"),
        Variable("chemical_shift", ("scan", "line"), "eV", "f", "distance of the line from its phase's other lines"),
        Variable("chemical_shift_std", ("scan", "line"), "eV", "f", "standard uncertainty of that distance"),
        Variable("departure", ("line",), "1", "f", "significance of the chemical shift, standard deviations"),
        Variable("chemical", ("line",), "", "b", "whether the line departs from its phase"),
        Variable(
            "reduced_chi_square", (), "1", "f", "chi squared per degree of freedom of the lines that keep together"
        ),
        Variable("phase", ("phase",), "", "T", "phase that shifts as a whole"),
        Variable("line", ("line",), "", "T", "core level and peak"),
        Variable("level", ("line",), "", "T", "core level of the line"),
        Variable("line_phase", ("line",), "", "T", "phase of the line"),
        Variable("role", ("line",), "", "T", "what the line does in the fit of the shifts"),
    ),
)

SHIFT_TREND = Layout(
    "xps shift trends",
    "how the shifts follow the potential",
    (
        Variable("slope", ("phase", "segment"), "eV/V", "f", "shift per potential between breakpoints"),
        Variable("slope_std", ("phase", "segment"), "eV/V", "f", "standard uncertainty of the slope"),
        Variable("intercept", ("phase",), "eV", "f", "shift at the potential zero, of the first segment"),
        Variable("intercept_std", ("phase",), "eV", "f", "standard uncertainty of the intercept"),
        Variable("breakpoint", ("phase", "break"), "V", "f", "potential at which the slope changes"),
        Variable("breakpoint_std", ("phase", "break"), "V", "f", "standard uncertainty of the breakpoint"),
        Variable("breakpoints", ("phase",), "1", "iu", "number of breakpoints"),
        Variable("bic", ("phase", "tried"), "1", "f", "Bayesian information criterion by number of breakpoints"),
        Variable("reduced_chi_square", ("phase",), "1", "f", "chi squared per degree of freedom"),
        Variable("fitted_shift", ("scan", "phase"), "eV", "f", "shift that the lines give"),
    ),
)

REFERENCED = Layout(
    "xps referenced positions",
    "positions on a binding energy scale set by one line",
    (
        Variable("charge_shift", ("scan",), "eV", "f", "shift taken off, from the reference line"),
        Variable("charge_shift_std", ("scan",), "eV", "f", "standard uncertainty of the shift taken off"),
        Variable(
            "charge_shift_systematic", (), "eV", "f", "uncertainty of the reference energy, the same in all scans"
        ),
        Variable(
            "referred_position", ("scan", "referred_peak"), "eV", "f", "position on the scale of the reference", False
        ),
        Variable(
            "referred_position_std",
            ("scan", "referred_peak"),
            "eV",
            "f",
            "standard uncertainty of that position",
            False,
        ),
        Variable("referred_peak", ("referred_peak",), "", "T", "line of a level that was referred", False),
    ),
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
        Variable("area_covariance", ("scan", "peak", "other_peak"), "", "f", "covariance of the lines' areas"),
        Variable("position_covariance", ("scan", "peak", "other_peak"), "eV^2", "f", "covariance of the positions"),
        Variable("shift", ("scan", "phase"), "eV", "f", "shift of the phase's lines from where they start", False),
        Variable("shift_std", ("scan", "phase"), "eV", "f", "standard uncertainty of the shift", False),
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
        Variable(
            "reduced_chi_square_total", (), "", "f", "squares left per degree of freedom of all spectra together", False
        ),
        Variable("runs", ("scan",), "1", "f", "runs of equal sign in the residual, in standard deviations from noise"),
        Variable("fitted", ("scan", ALONG), "", "f", "the model at its best", False),
        Variable("background", ("scan", ALONG), "", "f", "background under the lines", False),
        Variable("residual", ("scan", ALONG), "", "f", "what the model leaves of the spectrum", False),
        Variable("line", ("scan", "peak", ALONG), "", "f", "each line without background", False),
        *SERIES,
    ),
    ("model",),
)

FIT_GLOBAL = Layout(
    "xps fit global", "lines and background fitted to all scans at once", FIT.variables, ("model", "shared")
)

LIMITS = Layout(
    "xps limits",
    "limits of what was fitted, for few counts",
    tuple(
        Variable(f"{name}_{end}", ("scan", "peak"), unit, "f", f"{end} limit, 68.3 %: {text}", False)
        for name, (unit, text) in FITTED.items()
        for end in ("lower", "upper")
        if name != "fwhm_2"
    ),
)

INTERVALS = Layout(
    "xps intervals",
    "how far a fitted quantity can go until the fit is worse",
    (
        Variable("value", ("scan",), "", "f", "best value"),
        Variable("lower", ("scan",), "", "f", "lower limit"),
        Variable("upper", ("scan",), "", "f", "upper limit"),
    ),
)

REDRAWN = Layout(
    "xps redrawn",
    "by how much a fit scatters where its spectra are drawn anew",
    (
        *(
            Variable(f"{name}_{what}", ("scan", "peak"), unit, "f", f"{said}: {text}", name != "fwhm_2")
            for name, (unit, text) in FITTED.items()
            for what, said in (("std", "standard deviation of the draws"), ("bias", "mean of the draws less the fit"))
        ),
        *(
            Variable(
                f"{name}_percentile",
                ("scan", "peak", "percentile"),
                unit,
                "f",
                f"percentiles of the draws: {text}",
                name != "fwhm_2",
            )
            for name, (unit, text) in FITTED.items()
        ),
        Variable("converged", ("scan",), "1", "f", "share of the draws that could be fitted"),
        Variable("percentile", ("percentile",), "percent", "f", "percentile of the draws"),
    ),
)

SYSTEMATIC = Layout(
    "xps systematic",
    "uncertainties of a fit that come from the choice of the background",
    (
        *(
            Variable(
                f"{name}_systematic",
                ("scan", "peak"),
                unit,
                "f",
                f"uncertainty from the choice of the background: {text}",
                name != "fwhm_2",
            )
            for name, (unit, text) in FITTED.items()
        ),
        Variable("background_weight", ("scan", "tried"), "1", "f", "weight of each background, by how well it fits"),
        Variable("tried", ("tried",), "", "T", "background tried"),
    ),
)

PROCESSED = Layout("xps processed", "what steps make of photoemission scans, see the layouts of each", SERIES)


def labelled(ds: xr.Dataset, layout: Layout) -> xr.Dataset:
    """Return ``ds`` with the units and names of ``layout`` as the only attributes of its data variables."""
    out = ds.drop_attrs(deep=False)
    for name in out.data_vars:
        out[name].attrs = {}
    known = set(map(str, out.data_vars))
    units, texts = layout.units(), layout.long_names()
    return with_units(
        out, {name: units[name] for name in units if name in known}, {n: texts[n] for n in known & set(texts)}
    )
