"""Recipe steps from volumes to cracks and voids: where they are, which is which, and what becomes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.history import HISTORY
from operando.pipelines.scratch import kept

from .volume_costs import affordable
from .volumes import grey_of

_IMAGES = {"crack": "crack_mask", "void": "void_mask", "share": "void_share", "aperture": "crack_aperture"}
_LEVELS = {"matrix_level": "matrix", "void_level": "void", "noise": "noise", "noise_blur": "noise_blur", "blur": "blur"}
_UNSURE = ("matrix_level_std", "void_level_std")
_LIMIT = ("detection_limit", "detection_limit_std")
_CURVES = {"found": "crack_found", "volume_bias": "crack_volume_bias"}
_GAPS = {"found": "gap_found", "volume_bias": "gap_volume_bias", "detection_limit": "gap_detection_limit"}
_LIMITS = (*_LIMIT, *(f"{name}{ending}" for name in _CURVES.values() for ending in ("", "_std")))
_GAP_LIMITS = tuple(f"{name}{ending}" for name in _GAPS.values() for ending in ("", "_std"))
MASKS = ("crack", "void")


def cracks(
    raw: xr.Dataset,
    processed: xr.Dataset,
    first: xr.Dataset,
    *,
    matrix: float | None = None,
    void: float | None = None,
    noise: float | None = None,
    blur: float | None = None,
    noise_blur: float | None = None,
    particle: float | None = None,
    scales: tuple[float, ...] = (1.0, 2.0, 3.0),
    false_alarm: float = 1e-8,
    grow: float = 1e-3,
    widest: float = 8.0,
    radius: float | None = None,
    repeats: int = 6,
) -> xr.Dataset:
    """Find cracks and voids, what they fill, and how thin a crack may be to be found.

    Grey levels, noise and blur are those given, else those of the first volume, so that all share them. The detection
    limit is that of ``repeats`` simulated cracks of each aperture, 0 leaves it out; they have a ``radius`` (voxels), or
    reach through the simulated volume. With ``particle``, the grey level of particles, it is also told for gaps between
    them and the matrix.
    """
    from operando import tomo

    grey = affordable(grey_of("cracks", raw, processed), "segment_cracks")
    given = {"matrix": matrix, "void": void, "noise": noise, "blur": blur, "noise_blur": noise_blur}
    search: dict[str, Any] = {"scales": scales, "false_alarm": false_alarm, "grow": grow, "widest": widest}
    known = (
        {own: float(first[name][0]) for name, own in _LEVELS.items()} if first and "matrix_level" in first else given
    )
    found = kept(tomo.segment_cracks(grey, **known, **search))
    if first and _UNSURE[0] in first:
        found = found.assign({name: first[name][0].reset_coords(drop=True) for name in _UNSURE})
    sizes = tomo.void_volumes(found, volume=grey)
    levels = {name: float(found[name]) for name in _LEVELS}
    scans = grey.sizes["scan"]
    numbers = {name: found[name].expand_dims(scan=scans) for name in (*levels, *_UNSURE)}
    numbers |= {str(name): one for name, one in sizes.data_vars.items()}
    if repeats:
        numbers |= _limits(first, grey, levels, {**search, "radius": radius, "repeats": repeats}, particle)
    images = {name: found[own].variable for own, name in _IMAGES.items()}
    told = {name: one.variable for name, one in numbers.items()}
    return processed.assign({**images, **told}).assign_attrs({HISTORY: sizes.attrs[HISTORY]})


def label(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    of: str = "crack",
    connectivity: int = 26,
    smallest: int = 1,
) -> xr.Dataset:
    """Give numbers to the connected objects of the cracks, of all voids, or of the phase of a name.

    Objects of fewer than ``smallest`` voxels are left out.
    """
    from operando import tomo
    from operando.tomo.object_selection import remove_small

    mask = _mask(processed, of).assign_attrs({HISTORY: processed.attrs[HISTORY]})
    labels, table = tomo.label(affordable(mask, "label"), connectivity)
    if smallest > 1:
        labels, table = remove_small(labels, table, smallest)
    made = kept(xr.Dataset({"label": labels.variable}))
    counts = np.bincount(table["scan"].to_numpy(), minlength=mask.sizes["scan"]).astype(np.int64)
    about = {"units": "1", "long_name": "objects of the volume"}
    made["label"].attrs = {"units": "1", "long_name": "number of the object in each voxel, 0 outside", "objects": of}
    numbered = processed.assign(made.data_vars).assign(objects=("scan", counts, about))
    return numbered.assign_attrs({HISTORY: labels.attrs[HISTORY]})


def objects(
    series: xr.Dataset, *, surface: bool = True, active: str | None = None, fewest_voxels: int = 30
) -> xr.Dataset:
    """Measure every object of every volume: place, size, shape, aperture, what it borders on, and its kind.

    ``active`` is the phase of the step ``segment`` that contact is lost to; ``surface`` false leaves out surface and
    kind, which take a pass of their own.
    """
    from operando import tomo

    series = _known_places(series)
    labels = _labels("objects", series)
    table = tomo.regions(affordable(labels, "regions"))
    if "void_share" in series:
        found = _segmentation(series)
        filled = tomo.void_volumes(found, labels)
        table = table.assign({str(name): one for name, one in filled.data_vars.items() if name != "number"})
        table = table.assign(_apertures(series, labels, table))
    if surface:
        phases = series.get("phase_label")
        number = _phase_number(series, active) if active is not None else None
        table = tomo.shapes(table, labels, phases)
        table = tomo.classify_objects(table, active=number, fewest_voxels=fewest_voxels)
    if "phase" in table.coords:
        called = np.array(["unknown", *map(str, series["phase"].values)], dtype=object)[table["phase"].to_numpy()]
        table = table.assign_coords(phase=("phase", called, {"long_name": "phase, from the darkest on"}))
    return table.assign_coords(object=("object", np.arange(1, table.sizes["object"] + 1), _NUMBERED))


def track(series: xr.Dataset, *, smallest_share: float = 0.1, gap: int = 0, smallest_change: float = 0.1) -> xr.Dataset:
    """Follow the objects through the series: which is which, when each appears, grows, merges, splits or heals."""
    from operando import tomo

    labels = _labels("track", _known_places(series))
    tracks = tomo.track(labels, smallest_share=smallest_share, gap=gap, smallest_change=smallest_change)
    return tomo.crack_table(tracks)


_NUMBERED = {"units": "1", "long_name": "number of the row"}


def _limits(
    first: xr.Dataset,
    grey: xr.DataArray,
    levels: dict[str, float],
    settings: dict[str, Any],
    particle: float | None,
) -> dict[str, xr.DataArray]:
    """Return what is found of thin cracks in each scan: as in the first, since all share levels and voxels."""
    scans = grey.sizes["scan"]
    wanted = _LIMITS if particle is None else (*_LIMITS, *_GAP_LIMITS)
    if first and set(wanted) <= set(first.variables):
        known = first[[*wanted]].reset_coords(drop=True).compute().isel(scan=np.zeros(scans, int))
    else:
        size, curves = float(grey["voxel_size"][0]), {**_CURVES, "detection_limit": "detection_limit"}
        known = _simulated(size, levels, settings, curves)
        if particle is not None:
            above = {**settings, "particle": particle - levels["matrix_level"]}
            known = known.merge(_simulated(size, levels, above, _GAPS))
        known = known[[*wanted]].expand_dims(scan=scans)
    return {name: known[name] for name in (*wanted, "aperture")}


def _simulated(size: float, levels: dict[str, float], settings: dict[str, Any], names: dict[str, str]) -> xr.Dataset:
    """Return the curves and the limit of simulated cracks by other names."""
    from operando import tomo

    contrast = levels["matrix_level"] - levels["void_level"]
    numbers: dict[str, Any] = {name: levels[name] for name in ("blur", "noise", "noise_blur")}
    found = tomo.detection_limit(size, **numbers, contrast=contrast, **settings)
    both = {f"{own}{ending}": f"{name}{ending}" for own, name in names.items() for ending in ("", "_std")}
    return found[[*both]].rename({own: name for own, name in both.items() if own != name}).drop_attrs(deep=False)


def _mask(processed: xr.Dataset, of: str) -> xr.DataArray:
    """Return the voxels of the cracks, of the voids, or of a phase."""
    if of in MASKS:
        if f"{of}_mask" not in processed:
            raise OperandoError(f"label: expected {of}s, got none; put the step 'cracks' before it")
        return processed[f"{of}_mask"]
    known = list(map(str, processed["phase"].values)) if "phase_label" in processed else []
    if of not in known:
        raise OperandoError(f"label: expected 'of' among {', '.join([*MASKS, *known])}, got {of!r}")
    return processed["phase_label"] == known.index(of) + 1


def _phase_number(series: xr.Dataset, name: str) -> int:
    known = list(map(str, series["phase"].values)) if "phase_label" in series else []
    if name not in known:
        raise OperandoError(f"objects: expected 'active' among the phases {', '.join(known) or '(none)'}, got {name!r}")
    return known.index(name) + 1


def _known_places(series: xr.Dataset) -> xr.Dataset:
    """Return a stored series with its coordinates in memory: those of slices are stored in other chunks than images."""
    return series.assign_coords({name: one.variable.compute() for name, one in series.coords.items()})


def _labels(step: str, series: xr.Dataset) -> xr.DataArray:
    if "label" not in series:
        raise OperandoError(f"{step}: expected numbered objects, got none; put the step 'label' before it")
    return series["label"].assign_attrs({HISTORY: series.attrs[HISTORY]})


def _segmentation(series: xr.Dataset) -> xr.Dataset:
    """Return stored images and levels by the names that the functions of cracks have for them."""
    found = series[list(_IMAGES.values())].rename({name: own for own, name in _IMAGES.items()})
    known = [name for name in (*_LEVELS, *_UNSURE) if name in series]
    return found.assign({name: series[name][0].reset_coords(drop=True) for name in known})


def _apertures(series: xr.Dataset, labels: xr.DataArray, table: xr.Dataset) -> dict[str, tuple[str, Any, Any]]:
    """Return columns on the aperture of each object, in the order of the table."""
    from operando import tomo

    each = [
        tomo.aperture_table(series["crack_aperture"].isel(scan=scan), labels.isel(scan=scan))
        for scan in range(labels.sizes["scan"])
    ]
    columns: dict[str, tuple[str, Any, Any]] = {}
    for name in ("aperture_mean", "aperture_mean_std", "aperture_median", "aperture_max"):
        values = [one[name].to_numpy() for one in each]
        columns[name] = ("object", np.concatenate(values), dict(each[0][name].attrs))
    numbers = np.concatenate([one["number"].to_numpy() for one in each])
    if not np.array_equal(numbers, table["number"].to_numpy()):
        raise OperandoError("objects: expected the objects of the label images, got others")
    return columns
