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
