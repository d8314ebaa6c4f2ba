"""How volumes were told apart into phases and cracks, and what is lost of thin cracks, for the methods section."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .parts import table, text
from .transport import conducting
from .void_volumes import limit_words, measured
from .volumes import worked_up

if TYPE_CHECKING:
    import xarray as xr

    from .series import Series

_CURVES = ("crack_found", "crack_volume_bias")
_LEVELS = ("matrix_level", "void_level", "noise", "blur")


def volume_methods(tree: xr.DataTree) -> Iterator[str]:
    """Yield paragraphs and tables (HTML) on every series of volumes that was worked up."""
    for series, ds in worked_up(tree):
        yield from (
            f"<p>{said}</p>"
            for said in (*_phases(series, ds), *_transport(series, ds), *_contact(ds), *_structure(ds), *_expansion(ds))
        )
        said = list(_cracks(series, ds))
        if said:
            yield f"<p>{' '.join(said)}</p>{_curve(ds)}"
        yield from _lost_contact(ds)


def _phases(series: Series, ds: xr.Dataset) -> Iterator[str]:
    if "threshold" not in ds or "phase" not in ds.coords or not ds.sizes.get("scan"):
        return
    limits = ds["threshold"].transpose("scan", "boundary").values
    names = [str(name) for name in ds["phase"].values]
    unit = str(ds["threshold"].attrs.get("units", ""))
    each = ", ".join(f"{one:.5g}" for one in limits[0])
    same = "" if (limits == limits[0]).all() else " in the first volume; others have their own"
    yield (
        f"Phases of {text(series.name)}, from the darkest on: {text(', '.join(names))}; grey values"
        f"{f' ({text(unit)})' if unit not in ('', '1') else ''} above {each} belong to the next{same}."
    )


def _transport(series: Series, ds: xr.Dataset) -> Iterator[str]:
    if "tortuosity_factor" not in ds:
        return
    yield (
        f"The tortuosity factor of {text(series.name)} is τ = ⟨σ⟩/σ<sub>eff</sub>: the mean"
        f" conductivity of all voxels, those of {conducting(ds)} conducting, over the effective one between opposite"
        " faces, from Laplace's equation by finite volumes on the voxels (S. J. Cooper et al., SoftwareX 5, 203 (2016),"
        " doi:10.1016/j.softx.2016.09.002). Its uncertainty holds what it changes when thresholds move by 10 % of the"
        " contrast, and how much parts of the volume differ, but not what the size of the voxels does."
    )


def _contact(ds: xr.Dataset) -> Iterator[str]:
    if "contact_share" not in ds:
        return
    about = ds["contact_share"].attrs
    body, toward = (text(str(about.get(name, "?")).replace("_", " ")) for name in ("body", "toward"))
    said = (
        f"Contact of {body} with {toward} is the area of the voxels' faces between them, weighed by the normals there,"
        f" over that toward all other phases."
    )
    blur = float(about.get("blur", 0.0))
    yield said + (
        f" Where {body} touches another phase, a blur of {blur:.2g} voxels passes through the grey values of {toward}:"
        " this film is taken off, half a voxel more or less of which the uncertainty holds. Gaps too thin to be found"
        " count as contact."
        if blur
        else f" A film of {toward} that blur makes between {body} and other phases was not taken off: contact may be"
        " too large."
    )


def _lost_contact(ds: xr.Dataset) -> Iterator[str]:
    """Yield what simulated gaps of each width take away of contact, and what is found of it, as a table."""
    if "contact_loss_found" not in ds or "gap" not in ds.coords:
        return
    found, std = (ds[f"contact_loss_found{end}"].transpose("scan", "gap").values[0] for end in ("", "_std"))
    rows = [(f"{width:.3g}", measured(found[at], std[at])) for at, width in enumerate(ds["gap"].values)]
    body = text(str(ds["contact_share"].attrs.get("body", "particles")).replace("_", " "))
    yield (
        f"<p>Simulated round {body} that gaps of known width part from a quarter of what they touch, with the same grey"
        " levels, noise and blur, told apart and measured in the same way:</p>"
        f"{table(('gap (µm)', 'lost contact found'), rows)}"
    )


_STRUCTURE = {
    "specific_surface_area": "the surface is that of the voxels' faces, weighed by the normals there; what is narrower"
    " than a voxel of grooves and edges is made up for",
    "chord_length_mean": "chords are straight lines of voxels within a phase",
    "tau_geodesic": "the geodesic tortuosity is the length of the shortest ways within a phase from the first to the"
    " last layer over that of straight ones (O. Stenzel et al., AIChE J. 62, 1834 (2016), doi:10.1002/aic.15160)",
    "constrictivity": "the constrictivity is the square of the radius of bottlenecks, by simulated intrusion, over that"
    " of openings, by the spheres that fit in (L. Holzer et al., J. Mater. Sci. 48, 2934 (2013),"
    " doi:10.1007/s10853-012-6968-z)",
    "two_point": "the correlation is the share of the pairs of voxels a distance apart that both lie in a phase",
    "representative_size": "the representative cube follows from how the fraction of a phase differs between boxes of"
    " growing size (C. Lantuéjoul, J. Microsc. 161, 387 (1991), doi:10.1111/j.1365-2818.1991.tb03099.x)",
    "triple_phase_length": "lines where three phases meet are edges of voxels, weighed by the direction of the line",
}


def _structure(ds: xr.Dataset) -> Iterator[str]:
    said = "; ".join(words for name, words in _STRUCTURE.items() if name in ds)
    if said:
        yield f"Structure of the phases: {said}."


def _expansion(ds: xr.Dataset) -> Iterator[str]:
    if "particle_expansion" in ds:
        yield (
            "The change of volume of a particle is det F − 1 of the affine map F that makes the grey values of its"
            " voxels, and of a rim around it, those of the later volume, by least squares with a factor and an offset"
            " free (volume correlation: B. K. Bay et al., Exp. Mech. 39, 217 (1999), doi:10.1007/BF02323555). Parts of"
            " the rim that lie beside another particle, or where the volumes differ by more than noise, such as a gap"
            " that has opened, are left out; the blur, which does not stretch with the particle, is allowed for."
        )
    if "node_volume_ratio" in ds:
        yield (
            "Displacement and strain at nodes follow from affine maps of windows around them, found likewise; nodes"
            " that were not found, or that grey values hardly tell, are left out of figures."
        )


def _cracks(series: Series, ds: xr.Dataset) -> Iterator[str]:
    if not set(_LEVELS) <= set(ds.variables):
        return
    matrix, void, noise, blur = (float(ds[name].values[0]) for name in _LEVELS)
    contrast = (matrix - void) / noise if noise > 0 else np.inf
    yield (
        f"The share of void of a voxel of {text(series.name)} is (I<sub>matrix</sub> − I)/(I<sub>matrix</sub> −"
        f" I<sub>void</sub>) with I<sub>matrix</sub> = {matrix:.5g} and I<sub>void</sub> = {void:.5g}, a contrast of"
        f" {contrast:.1f} times the noise, at a blur of {blur:.2f} voxels"
        f"{_size(series)}. Volumes of cracks and voids are sums of it, which keeps what is thinner than a voxel."
    )
    yield limit_words(ds)


def _size(series: Series) -> str:
    size = series.column("voxel_size")
    return f" of {size[0]:.4g} µm" if np.isfinite(size[0]) else ""


def _curve(ds: xr.Dataset) -> str:
    """Return what simulated cracks of each aperture lose, as a table."""
    if not set(_CURVES) <= set(ds.variables) or "aperture" not in ds.coords:
        return ""
    columns = [ds[name].transpose("scan", "aperture").values[0] for name in _CURVES]
    errors = [
        ds[f"{name}_std"].transpose("scan", "aperture").values[0] if f"{name}_std" in ds else column * np.nan
        for name, column in zip(_CURVES, columns, strict=True)
    ]
    rows = [
        (f"{opening:.3g}", *(measured(column[at], error[at]) for column, error in zip(columns, errors, strict=True)))
        for at, opening in enumerate(ds["aperture"].values)
    ]
    said = "Simulated cracks of known aperture in an even matrix, with the same noise and blur, found in the same way:"
    return f"<p>{said}</p>{table(('aperture (µm)', 'share found', 'bias of the volume'), rows)}"
