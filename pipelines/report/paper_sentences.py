"""A sentence for every step that belongs into the methods of a paper, without its period."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .verdict import METHODS

Given = Mapping[str, Any]


def listed(values: Any) -> str:
    """Return words in a row: ``a, b and c``."""
    names = [str(value) for value in values]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _range(values: Any, unit: str) -> str:
    return f"{float(values[0]):g} to {float(values[1]):g} {unit}"


def _link(given: Given) -> str:
    clock = given["clock"]
    if not clock:
        return "The potential of a scan is the mean over its interval; all clocks were taken to agree"
    how = METHODS.get(str(clock["method"]), str(clock["method"]))
    return (
        f"The clock {clock['name']} was brought to that of {clock['reference']} ({how}: offset"
        f" {clock['offset']:.2f} s, drift {clock['drift'] * 1e6:.1f} ppm, uncertainty {clock['sigma']:.2g} s);"
        " potential and state of charge of a scan are means over its interval"
    )


def _normalize(given: Given) -> str:
    line = [f"{given[name]:g}" for name in ("pre1", "pre2") if given[name] is not None]
    post = [f"{given[name]:g}" for name in ("norm1", "norm2") if given[name] is not None]
    said = "The absorption was normalized to an edge step of 1"
    if len(line) == len(post) == 2:
        degree = f" of degree {given['nnorm']}" if given["nnorm"] is not None else ""
        said += (
            f", with a line through {line[0]} to {line[1]} eV and a polynomial{degree} through {post[0]} to {post[1]}"
        )
        said += " eV from the edge" + (f" at {given['e0']:g} eV" if isinstance(given["e0"], int | float) else "")
    else:
        said += ", in ranges that the extent of each scan gives"
    return said


_EDGES = {
    "half_height": "the edge energy is where the normalized absorption first reaches {level:g}",
    "derivative": "the edge energy is that of the steepest rise",
    "integral": "the edge energy follows from the area under the normalized absorption",
    "cross_correlation": "the edge energy follows from the shift against a reference spectrum",
}


def _edge(given: Given) -> str:
    said = _EDGES.get(given["method"], f"the edge energy was found by the method {given['method'].replace('_', ' ')}")
    return said[0].upper() + said[1:].format(**given)


def _frames(given: Given) -> str:
    noise = [f"of counting (counts of the camera per electron: {given['gain']:g})"] if given["gain"] else []
    beam = given.get("i0_noise") if noise else None
    noise += [f"of the incoming intensity ({100 * beam:.2g} %)"] if beam else []
    said = "Frames were corrected by what was measured of dark, flat and incoming intensity"
    return f"{said}; their noise is that {listed(noise)}" if noise else said


def _combination(given: Given) -> str:
    extras = ["a scale"] if given["scale"] else []
    extras += ["a common shift in energy"] if given["shift"] not in (None, False) else []
    extras += [f"a background of {given['background']} terms"] if isinstance(given["background"], int) else []
    free = f", with {listed(extras)} left free" if extras else ""
    window = f" from {_range(given['window'], 'eV')}" if given["window"] else ""
    return f"The spectra{window} were fitted with the references {listed(given['references'])}{free}"


def _lines(given: Given) -> str:
    lines = given["model"]["lines"]
    doublets = sum(line["kind"] == "doublet" for line in lines)
    single = len(lines) - doublets
    what = [f"{doublets} doublet{'s' * (doublets > 1)}"] if doublets else []
    what += [f"{single} single line{'s' * (single > 1)}"] if single else []
    background = str((given["model"].get("background") or {}).get("kind", "")).replace("_", " ")
    under = f" on a background after {background.capitalize()} that is fitted along" if background else ""
    return f"The core levels were fitted with {listed(what)}{under}"


def _thresholds(given: Given) -> str:
    limits = ", ".join(f"{value:.5g}" for value in given["threshold"][0])
    return f"Phases ({listed(given['names'])}, from the darkest on) are parted at the grey values {limits}"


def _cracks(given: Given) -> str:
    scales = listed(f"{scale:g}" for scale in given["scales"])
    return (
        f"Cracks and voids were found from the response of a plate filter at {scales} voxels with hysteresis"
        f" (false alarms {given['false_alarm']:g} a voxel) and from the share of void of each voxel, for grey values of"
        f" {given['matrix']:.5g} (matrix) and {given['void']:.5g} (void), noise of {given['noise']:.4g} and a blur of"
        f" {given['blur']:.2g} voxels"
    )


def _log(given: Given) -> str:
    files = len(given["files"])
    said = f"The electrochemistry was read from {files} files" if files > 1 else "The electrochemistry was read"
    return f"{said}; half-cycles are told by the sign of the current, held for three samples"


SENTENCES: dict[str, str | Callable[[Given], str]] = {
    "echem.read": _log,
    "link": _link,
    "xas.deglitch": "Single points that stand out of their neighbors were replaced",
    "xas.merge": "Repeated scans were merged",
    "xas.align": "Energies were aligned by a reference measured along with each scan",
    "xas.correct_self_absorption": (
        "Self-absorption of the fluorescence yield was undone for {material} ({element} {line} above the {edge} edge, "
        "incidence {incidence:g}°, takeoff {takeoff:g}°)"
    ),
    "xas.normalize": _normalize,
    "xas.mback": "The absorption was matched to tabulated values of the {element} {edge} edge",
    "xas.edge_energy": _edge,
    "xas.white_line": "Energy, height and area of the white line were found above the tabulated step",
    "xas.branching_ratio": "The branching ratio is that of the areas of the white lines above the tabulated steps",
    "xas.lcf": _combination,
    "xas.pca": "Principal components were told from noise: {significant} stand out",
    "xas.mcr_als": "Pure spectra and shares were resolved by alternating least squares",
    "xas.depth_profile": (
        "Surface layer and bulk follow from both yields together, with an escape depth of {escape_depth:g} nm"
    ),
    "xas.beam_damage": "Change with dose was looked for in runs of scans of one state of the cell",
    "xas.autobk": "The background was removed by a spline with no oscillation below {rbkg:g} Å",
    "xas.fourier": "The oscillations were transformed from {kmin:g} to {kmax:g} 1/Å with k-weight {kweight:g}",
    "xas.fit_shells": "Coordination shells were fitted to the Fourier transform",
    "xas.xpeem.correct": _frames,
    "xas.xpeem.drift": "The drift of the images was found by registration of frames, also where contrast inverts",
    "xas.xpeem.align": "Frames were moved by splines of order {order}",
    "xas.xpeem.regions": "Regions are what is brighter than a threshold and at least {smallest} pixels large",
    "xas.xpeem.maps": "Spectra of all pixels were normalized and evaluated one by one",
    "xps.deglitch": "Single points that stand out by {threshold:g} standard deviations were left out",
    "xps.fit": _lines,
    "xps.fit_global": _lines,
    "xps.charge_reference": "Binding energies are referred to a line of known energy",
    "xps.rigid_shift": "Spectra were brought to a common energy by the shift of all lines together",
    "xps.regress_on_potential": "Shifts of the lines were regressed on the potential",
    "xps.quantify": "Amounts follow from areas, cross sections and attenuation lengths",
    "xps.layer_thicknesses": "Thicknesses of layers follow from the attenuation of the lines beneath",
    "tomo.reconstruct": "Volumes were reconstructed from projections",
    "tomo.denoise": "Noise was reduced",
    "tomo.remove_rings": "Rings around the axis of rotation were removed",
    "tomo.register": "Volumes were registered to each other ({kind})",
    "tomo.segment": _thresholds,
    "tomo.segment_cracks": _cracks,
    "tomo.void_volumes": "Their volumes are sums of shares of void, so that thin ones are not lost to a threshold",
    "tomo.label": "Objects are voxels that touch, of {connectivity} neighbors each",
    "tomo.track": "Objects of successive volumes that overlap are the same",
    "tomo.tortuosity": (
        "Tortuosity factors follow from Laplace's equation on the voxels, solved to {tol:g} between opposite faces"
    ),
    "tomo.contact_area": "The contact of {a} with {b} is the area of the faces between them, weighed by their normals",
    "tomo.correlate": "Displacements follow from volume correlation",
    "tomo.volume_expansion": "The expansion of each particle follows from volume correlation within it",
}
"""Sentences by the name of the step in the history; what has none is found in the list of all steps alone."""

CITING: dict[str, Callable[[Given], bool]] = {
    "xas.edge_energy": lambda given: given.get("method") in ("integral", "centroid"),
}
"""Whether a step rests on the works that its docstring cites, where that depends on how it was taken."""
