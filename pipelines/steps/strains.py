"""Recipe steps that compare volumes: how much each particle has expanded, and how the material has moved and strained.

A volume is compared with another one of its series as measured and prepared, scan by scan, so that no more than two are
held, in pieces. What ``align`` moves is not used: the comparison finds for itself how the sample lies.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import HISTORY
from operando.pipelines.scratch import kept
from operando.tomo.layout import PLACES, PROCESSED

from .step import with_result
from .volume_costs import affordable
from .volumes import GREY, grey_of

PARTICLES = ("particle_label", "particle_volume", "particle_center", "particle_whole")
"""What is known of particles from the first scan on."""
NODES = tuple(f"node_{axis}" for axis in PLACES)
_OF_PARTICLES = ("expansion", "anisotropy")
_OF_NODES = {
    "displacement": ("axis",),
    "displacement_std": ("axis",),
    "strain": ("axis", "column"),
    "strain_std": ("axis", "column"),
    "volume_ratio": (),
    "volume_ratio_std": (),
    "residual": (),
    "flag": (),
}
Floats = NDArray[np.float64]


def expansion(
    raw: xr.Dataset,
    processed: xr.Dataset,
    first: xr.Dataset,
    first_raw: xr.Dataset,
    *,
    of: str = "ncm",
    neck: float = 2.0,
    smallest: int = 100,
    kind: Literal["stretch", "affine"] = "stretch",
    rim: float = 3.0,
    blur: float = 0.7,
    smooth: float = 0.7,
) -> xr.Dataset:
    """Find how much each particle of the phase ``of`` has expanded since the first scan, in which they are told apart.

    Particles that seem to touch are parted where their connection is thinner than about twice the ``neck`` (voxels);
    those of fewer than ``smallest`` voxels are left out. ``blur``, voxels, is the standard deviation of the volumes'.
    """
    from operando import tomo

    if not first:
        told = _particles(grey_of("expansion", raw, processed), processed, of, neck, smallest)
        count = told.sizes["particle"]
        columns = {name: (np.zeros(count), np.zeros(count)) for name in _OF_PARTICLES}
        return _with_columns(processed, told, columns, processed.attrs[HISTORY])
    if not set(PARTICLES) <= set(first.variables):
        raise OperandoError("expansion: expected the particles of the first scan, got none; run the recipe anew")
    told = first[[*PARTICLES]].drop_vars(
        [name for name in first[[*PARTICLES]].coords if name not in ("particle", "axis")]
    )
    now = affordable(_sound(raw), "register")
    settings: dict[str, Any] = {"kind": kind, "rim": rim, "blur": blur, "smooth": smooth}
    labels = told["particle_label"].assign_coords({name: now[name] for name in PLACES})
    found = tomo.volume_expansion(_sound(first_raw), now, labels, **settings)
    found = found.assign_attrs({HISTORY: now.attrs[HISTORY]}) if HISTORY not in found.attrs else found
    at = {int(number): row for row, number in enumerate(found["number"].to_numpy())}
    order = np.array([at[int(number)] for number in told["particle"].to_numpy()], dtype=int)
    columns = {name: (found[name].to_numpy()[order], found[f"{name}_std"].to_numpy()[order]) for name in _OF_PARTICLES}
    return _with_columns(processed, told.compute() if told.nbytes < 2**28 else told, columns, found.attrs[HISTORY])


def correlate(
    raw: xr.Dataset,
    processed: xr.Dataset,
    _first: xr.Dataset,
    first_raw: xr.Dataset,
    previous_raw: xr.Dataset,
    *,
    since: Literal["first", "previous"] = "first",
    spacing: int = 16,
    window: int = 21,
    kind: Literal["translation", "affine"] = "affine",
    regularization: float = 0.0,
    smooth: float = 0.7,
) -> xr.Dataset:
    """Find how the material has moved and strained ``since`` the first scan or the one before, at nodes of a grid.

    ``spacing`` of the nodes, edge of the ``window`` around each, ``regularization`` and ``smooth`` in voxels.
    """
    from operando import tomo
    from operando.tomo.correlation import node_places

    now = affordable(_sound(raw), "register")
    places = {
        f"node_{name}": (f"node_{name}", values) for name, (_, values) in node_places(now, spacing, window).items()
    }
    before = first_raw if since == "first" else previous_raw
    history = processed.attrs[HISTORY]
    if before:
        settings: dict[str, Any] = {"spacing": spacing, "window": window, "kind": kind}
        found = tomo.correlate(_sound(before), now, **settings, regularization=regularization, smooth=smooth)
        history = found.attrs[HISTORY]
        values = {name: found[name].transpose(*PLACES, ...).to_numpy() for name in _OF_NODES}
    else:
        counts = tuple(len(one) for _, one in places.values())
        shapes = {name: (*counts, *(3 for _ in dims)) for name, dims in _OF_NODES.items()}
        values = {name: np.full(shape, np.nan) for name, shape in shapes.items()}
        values["flag"] = np.zeros(counts, np.int32)
    about = {one.name: one for one in PROCESSED.variables}
    columns = {
        f"node_{name}": (
            ("scan", *NODES, *dims),
            values[name][np.newaxis].astype(np.int32 if name == "flag" else np.float32),
            _attrs(f"node_{name}", about),
        )
        for name, dims in _OF_NODES.items()
    }
    axes = np.array(PLACES, dtype=object)
    out = processed.assign(columns).assign_attrs({HISTORY: history})
    out["node_displacement"].attrs["since"] = since
    coords = {
        name: (name, values, {"units": "um", "long_name": f"{name[-1]} of the node"})
        for name, (_, values) in places.items()
    }
    return out.assign_coords({"axis": ("axis", axes), "column": ("column", axes), **coords})


def _sound(scans: xr.Dataset) -> xr.DataArray:
    """Return the one volume of some scans, NaN where slices were lost."""
    from operando.tomo.counted_voxels import kept_slices

    if GREY not in scans:
        raise OperandoError("expected volumes, got projections; reconstruct them first")
    grey = scans[GREY].assign_attrs(history=scans.attrs[HISTORY]).isel(scan=0)
    sound = kept_slices(grey)
    whole = grey if bool(sound.all()) else grey.where(sound)
    return whole.drop_vars([name for name in whole.coords if name not in (*PLACES, "voxel_size")]).assign_attrs(
        grey.attrs
    )


def _particles(grey: xr.DataArray, processed: xr.Dataset, of: str, neck: float, smallest: int) -> xr.Dataset:
    """Return the particles of the first scan: labels, and volume, center and whether it is whole, of each."""
    from operando import tomo
    from operando.tomo.particle_labels import separate

    known = list(map(str, processed["phase"].values)) if "phase_label" in processed else []
    if of not in known:
        raise OperandoError(f"expected 'of' among the phases {', '.join(known) or '(none)'}, got {of!r}")
    mask = (processed["phase_label"].isel(scan=0) == known.index(of) + 1).assign_coords(
        voxel_size=grey["voxel_size"][0]
    )
    affordable(mask, "label")
    labels = kept(xr.Dataset({"label": separate(mask, neck, 1)[0].variable}))["label"]
    labels = xr.DataArray(labels.variable, {name: grey[name] for name in PLACES}).assign_coords(
        voxel_size=grey["voxel_size"][0]
    )
    table = tomo.regions(labels)
    table = table.isel(object=np.flatnonzero(table["voxels"] >= smallest))
    if not table.sizes["object"]:
        raise OperandoError(f"expected particles of {of} of {smallest} voxels or more, got none")
    about = {one.name: one for one in PROCESSED.variables}
    columns = {
        "particle_volume": ("particle", table["volume"].to_numpy()),
        "particle_center": (("particle", "axis"), table["centroid"].to_numpy()),
        "particle_whole": ("particle", ~table["touches_border"].to_numpy()),
        "particle_label": (PLACES, labels.data),
    }
    made = xr.Dataset({name: (*column, _attrs(name, about)) for name, column in columns.items()})
    number = {"units": "1", "long_name": "number of the particle"}
    return made.assign_coords(
        particle=("particle", table["number"].to_numpy().astype(np.int64), number),
        axis=("axis", np.array(PLACES, dtype=object), {"long_name": "axis"}),
    )


def _with_columns(
    processed: xr.Dataset, told: xr.Dataset, columns: dict[str, tuple[Floats, Floats]], history: str
) -> xr.Dataset:
    """Return processed scans with what was found of each particle, and the mean weighted with their volumes."""
    about = {one.name: one for one in PROCESSED.variables}
    made: dict[str, Any] = {}
    for name, pair in columns.items():
        for ending, values in zip(("", "_std"), pair, strict=True):
            key = f"particle_{name}{ending}"
            made[key] = (("scan", "particle"), values[np.newaxis], _attrs(key, about))
    mean, std, spread = _mean(
        *columns["expansion"], told["particle_volume"].to_numpy(), told["particle_whole"].to_numpy()
    )
    for key, value in (("expansion_mean", mean), ("expansion_mean_std", std), ("expansion_spread", spread)):
        made[key] = ("scan", np.array([value]), _attrs(key, about))
    return with_result(processed, told.assign(made).assign_attrs({HISTORY: history}))


def _mean(value: Floats, std: Floats, volume: Floats, whole: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return the mean of whole particles weighted with their volume, its uncertainty, and the spread beyond errors."""
    known = whole & np.isfinite(value) & np.isfinite(std)
    if not known.any():
        return np.nan, np.nan, np.nan
    weight = volume[known] / volume[known].sum()
    mean = float((weight * value[known]).sum())
    apart = float((weight * ((value[known] - mean) ** 2 - std[known] ** 2)).sum())
    return mean, float(np.sqrt((weight**2 * std[known] ** 2).sum())), float(np.sqrt(max(apart, 0.0)))


def _attrs(name: str, about: dict[str, Any]) -> dict[str, str]:
    """Return unit and meaning of a variable, by the layout."""
    base = name.removesuffix("_std")
    known = about[base]
    return {"units": known.units, "long_name": known.meaning + ("; standard uncertainty" if name != base else "")}
