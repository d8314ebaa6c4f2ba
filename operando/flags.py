"""Why a scan or a sample is doubtful: one CF bitmask, the same everywhere."""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr


class Flag(IntFlag):
    """Reasons, as bits of ``flag``. A bit keeps its meaning for ever; new ones are appended."""

    no_time = 1 << 0
    no_i0 = 1 << 1
    saturated = 1 << 2
    truncated = 1 << 3
    duplicate_energy = 1 << 4
    unsorted_energy = 1 << 5
    regridded = 1 << 6
    not_finite = 1 << 7
    dead_detector = 1 << 8
    no_edge = 1 << 9
    ec_gap = 1 << 10
    ec_outside = 1 << 11
    beam_dump = 1 << 12
    not_converged = 1 << 13
    at_bound = 1 << 14
    clock_step = 1 << 15
    after_gap = 1 << 16
    missing_frame = 1 << 17
    surplus_frame = 1 << 18
    ring_artifact = 1 << 19
    gain_change = 1 << 20
    glitch = 1 << 21
    ill_conditioned = 1 << 22
    beam_damage = 1 << 23
    poor_reference = 1 << 24


MEANINGS: dict[Flag, str] = {
    Flag.no_time: "the file gives no usable time",
    Flag.no_i0: "the incoming intensity I0 is missing, zero or negative",
    Flag.saturated: "a detector is saturated",
    Flag.truncated: "the scan stops before its end",
    Flag.duplicate_energy: "energies are repeated",
    Flag.unsorted_energy: "energies were not ascending and have been sorted",
    Flag.regridded: "interpolated onto the energies of the series",
    Flag.not_finite: "values are missing or not finite",
    Flag.dead_detector: "a detector channel is constant",
    Flag.no_edge: "no absorption edge within the scan",
    Flag.ec_gap: "part of the scan lies in a gap of the electrochemistry",
    Flag.ec_outside: "the scan lies outside the electrochemistry",
    Flag.beam_dump: "the beam was lost",
    Flag.not_converged: "a fit did not converge",
    Flag.at_bound: "a fitted value lies on its bound",
    Flag.clock_step: "time runs backwards here",
    Flag.after_gap: "the first sample after a gap in the log or a new file",
    Flag.missing_frame: "an image of the stack is missing",
    Flag.surplus_frame: "the stack holds an image too many",
    Flag.ring_artifact: "rings around the axis of rotation",
    Flag.gain_change: "a detector's gain changed",
    Flag.glitch: "single points stand out of the scan",
    Flag.ill_conditioned: "the numbers asked for are hardly determined by the data",
    Flag.beam_damage: "the beam changes the sample",
    Flag.poor_reference: "the reference channel is too poor to align by",
}


def attrs() -> dict[str, Any]:
    """Return the CF attributes that explain a ``flag`` variable."""
    return {
        "units": "1",
        "long_name": "reasons for doubt",
        "flag_masks": [int(flag) for flag in Flag],
        "flag_meanings": " ".join(str(flag.name) for flag in Flag),
    }


def describe(value: int) -> list[str]:
    """Return the reasons in ``value`` as plain phrases, in the order of their bits.

    Parameters
    ----------
    value
        A flag, bits of :class:`Flag`.

    Returns
    -------
    list of str
        Phrases such as ``"a detector is saturated"``.
    """
    return [MEANINGS[flag] for flag in Flag if int(value) & flag]


def names(value: int) -> list[str]:
    """Return the names of the bits set in ``value``.

    Parameters
    ----------
    value
        A flag, bits of :class:`Flag`.

    Returns
    -------
    list of str
        Names such as ``"saturated"``.
    """
    return [str(flag.name) for flag in Flag if int(value) & flag]


def raised(flag: xr.DataArray, reason: Flag, where: xr.DataArray | bool = True) -> xr.DataArray:
    """Return ``flag`` with ``reason`` set wherever ``where`` is true."""
    out: xr.DataArray = flag | (int(reason) * where)
    return out.astype("int32").assign_attrs(attrs())
