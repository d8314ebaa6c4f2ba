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


def labelled(ds: xr.Dataset, layout: Layout) -> xr.Dataset:
    """Return ``ds`` with units and names of its data variables as ``layout`` says."""
    names = {str(name) for name in ds.data_vars}
    units = {name: unit for name, unit in layout.units().items() if name in names}
    return with_units(ds.drop_attrs(deep=False), units, {n: t for n, t in layout.long_names().items() if n in names})
